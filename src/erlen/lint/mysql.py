"""MySQL and MariaDB: what copies a table or keeps writes waiting (InnoDB; MySQL 8, MariaDB 10.6 and later)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from erlen.lint.change import Change, Column
from erlen.lint.finding import Problem
from erlen.lint.progress import Progress

__all__ = ["judge"]

_TOOL = "in a quiet hour, or with a tool that copies beside the table: gh-ost, pt-online-schema-change"


def judge(change: Change, progress: Progress) -> Iterator[Problem]:
    """Yield what is wrong with a change on MySQL or MariaDB."""
    if not change.table or not progress.is_live(change.table):
        return
    table, column = change.table, change.column
    copied = f"{table} is copied row by row, and every write to it waits until that is done; reads go on."
    match change.kind:
        case "create index" if change.options & {"fulltext", "spatial"}:
            why = (
                f"Every write to {table} waits while the whole table is read for a {next(iter(change.options)).upper()} index; reads go on."
            )
            yield Problem("add-index", "locks", why, f"build it {_TOOL}")
        case "add column" if column is not None and column.generated == "stored":
            yield Problem("add-generated-column", "rewrites", copied, "make it VIRTUAL, which costs nothing, and index that")
        case "add column" if column is not None and column.counted:
            yield Problem("add-counted-column", "rewrites", copied, f"do it {_TOOL}")
        case "add column" if column is not None and (kind := _slow_constraint(column, progress.dialect)):
            yield Problem(f"add-{kind.replace(' ', '-')}", "locks", copied, "add the column first, which costs nothing without it")
        case "modify column" if column is not None:
            before = progress.tables.table(table).column(change.name)
            if _copies(before.type, column.type):
                said = f"from {before.type} to {column.type}" if before.type else f"to {column.type} (no migration says from what)"
                yield Problem("change-type", "rewrites", f"For {table}.{column.name} {said}, {copied}", f"do it {_TOOL}")
            elif before.nullable and not column.nullable and not progress.is_filled(table, column.name):
                why = f"It fails if a row has NULL in {table}.{column.name}. The table is rebuilt, while reads and writes go on."
                yield Problem("set-not-null", "fails", why, f"fill {column.name} in first, with a migration of its own")
        case "add constraint" if change.constraint is not None and change.constraint.kind == "foreign key":
            why = f"{copied} Writes to {change.constraint.to} that touch the key wait too."
            fix = "`SET foreign_key_checks = 0` before, after having looked for rows without a partner: then nothing is copied or checked"
            yield Problem("add-foreign-key", "locks", why, fix)
        case "add constraint" if change.constraint is not None and change.constraint.kind == "check":
            yield Problem("add-check", "locks", copied, f"do it {_TOOL}")
        case "add constraint" if change.constraint is not None and change.constraint.kind == "primary key":
            if progress.dialect == "mysql" and any(
                progress.tables.table(table).column(name).nullable for name in change.constraint.columns
            ):
                fix = "make its columns NOT NULL before: then reads and writes go on while the table is rebuilt"
                yield Problem("change-primary-key", "rewrites", copied, fix)
        case "drop constraint" if change.name == "PRIMARY":
            yield Problem("change-primary-key", "rewrites", copied, "drop the old and add the new primary key in one ALTER TABLE")
        case "rewrite" if _IN_PLACE.fullmatch(change.name):
            why = f"{table} is written anew, which takes its space on disk twice; reads and writes go on, unless it has a FULLTEXT index."
            yield Problem("rewrite-table", "rewrites", why, f"do it {_TOOL}")
        case "rewrite":
            yield Problem("rewrite-table", "rewrites", f"{change.name}: {copied}", f"do it {_TOOL}")
        case "lock":
            yield Problem(
                "lock-table", "locks", f"LOCK TABLES keeps others from {table}.", "let the statements take the locks that they need"
            )
        case _:
            pass


def _slow_constraint(column: Column, dialect: str) -> str:
    """Return the kind of the constraint written with a new column for which the table is copied: of checks on MySQL, of keys on MariaDB."""
    slow = "check" if dialect == "mysql" else "foreign key"  # MariaDB needs no copy for a check; MySQL passes REFERENCES over before 9.0
    return next((each.kind for each in column.constraints if each.kind == slow), "")


def _copies(before: str, after: str) -> bool:
    """Whether a change of type copies the table: all do but those that only widen a text or add values to an enum."""
    old, new = (re.fullmatch(r"(\w+)\s*(?:\((.*)\))?(.*)", kind) for kind in (before, after))
    if old is None or new is None or not before:
        return before != after
    if old[1] != new[1] or old[3] != new[3]:
        return _ALIASES.get(old[1], old[1]) != _ALIASES.get(new[1], new[1])
    if old[2] == new[2]:
        return False
    if new[1] == "varchar" and old[2] and new[2]:
        # a length up to 255 bytes takes one byte, a longer one two; of utf8mb4 a character has up to four
        return int(new[2]) < int(old[2]) or (int(old[2]) * 4 < 256 <= int(new[2]) * 4)
    if new[1] in ("enum", "set") and old[2] and new[2]:
        return not new[2].startswith(old[2]) or _bytes_of(new[1], new[2]) != _bytes_of(old[1], old[2])
    return bool(old[2] and new[2])


def _bytes_of(kind: str, values: str) -> int:
    """Return how many bytes a value of an enum or a set takes."""
    count = len(re.findall(r"'(?:[^']|'')*'", values))
    if kind == "enum":
        return 1 if count < 256 else 2
    return next(size for size in (1, 2, 3, 4, 8) if count <= size * 8 or size == 8)


_IN_PLACE = re.compile(r"OPTIMIZE TABLE|ENGINE\s*(=?\s*innodb)?\s*", re.IGNORECASE)
_ALIASES = {"integer": "int", "boolean": "tinyint", "bool": "tinyint"}
