"""PostgreSQL: what is locked while it reads or rewrites a whole table (versions 12 and later; each rule is tried on a real server)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from erlen.lint.change import Change, Column, Constraint
from erlen.lint.finding import Problem
from erlen.lint.progress import Progress, takes_all
from erlen.lint.tables import Table

__all__ = ["checks_of", "cost_of_type", "is_volatile", "judge"]


def judge(change: Change, progress: Progress) -> Iterator[Problem]:
    """Yield what is wrong with a change on PostgreSQL."""
    if "concurrently" in change.options and progress.in_transaction:
        why = f"PostgreSQL refuses {change.kind.upper()} CONCURRENTLY in a transaction, and a migration is one."
        yield Problem("concurrently-in-transaction", "fails", why, "put it into `with op.get_context().autocommit_block():`")
        return
    yield from _transaction(change, progress)
    match change.kind:
        case "create index" | "drop index" | "reindex":
            yield from _indexes(change, progress)
        case "add constraint" | "validate" | "drop constraint":
            yield from _constraints(change, progress)
        case "add column" | "alter type" | "set not null":
            if progress.is_live(change.table):
                yield from _columns(change, progress)
        case "rewrite" | "vacuum full" | "cluster" | "refresh" | "lock":
            yield from _whole_tables(change, progress)
        case _:
            pass


def _transaction(change: Change, progress: Progress) -> Iterator[Problem]:
    """Judge what one change costs together with those before it in its transaction."""
    if not progress.in_transaction:
        return
    if (enum := next((enum for value, enum in progress.values.items() if _mentions(change, value)), None)) is not None:
        why = f"A value that was added to {enum} cannot be used before the transaction that adds it has ended."
        yield Problem("new-value-used", "fails", why, "use it in the next migration, or add it within `autocommit_block()`")
    live = progress.is_live(change.table) and change.table
    if change.kind in ("update", "delete") or (change.kind == "insert" and change.source):
        others = [
            table for table in progress.exclusive if change.kind != "insert" or progress.is_live(change.table) or table in change.source
        ]
        if others:
            why = f"{others[0]} is locked for everybody, reads too, from line {progress.exclusive[others[0]]} until these rows are done."
            yield Problem("mixed-data", "locks", why, "change rows in a migration of their own")
    elif live and takes_all(change):
        if progress.written:
            why = (
                f"Rows changed since line {min(progress.written.values())} stay locked, and this waits for others while they wait for them."
            )
            yield Problem("mixed-data", "locks", why, "change rows in a migration of their own")
        elif progress.exclusive and live not in progress.exclusive:
            other = next(iter(progress.exclusive))
            why = (
                f"{other} stays locked for everybody while this waits for its lock of {live}; whoever holds that and waits for {other} "
                "makes a deadlock."
            )
            yield Problem("several-tables", "locks", why, "alter each table in a migration of its own")


def _mentions(change: Change, value: str) -> bool:
    column = change.column
    quoted = "'" + value.replace("'", "''") + "'"
    texts = (
        change.source,
        change.to,
        column.default or "" if column is not None else "",
        change.constraint.text if change.constraint else "",
    )
    return change.kind != "add value" and any(quoted in text for text in texts)


def _indexes(change: Change, progress: Progress) -> Iterator[Problem]:
    if "concurrently" in change.options:
        return
    if change.kind == "reindex":
        why = "REINDEX keeps every write to the table waiting until its indexes are built again, and every query that could use one."
        yield Problem("reindex", "locks", why, "REINDEX … CONCURRENTLY, within `autocommit_block()`")
    elif change.kind == "create index" and progress.is_live(change.table):
        why = f"A SHARE lock keeps every INSERT, UPDATE and DELETE on {change.table} waiting while the whole table is read; reads go on."
        fix = "`with op.get_context().autocommit_block(): op.create_index(…, postgresql_concurrently=True, if_not_exists=True)`"
        yield Problem("add-index", "locks", why, fix)
    elif change.kind == "drop index":
        table = progress.tables.table_of_index(change.name)
        if not table or progress.is_live(table):
            why = (
                f"An ACCESS EXCLUSIVE lock of {table or 'its table'} waits for every running query on it, and whoever comes after waits "
                "behind it. It is short once it is had."
            )
            fix = "`with op.get_context().autocommit_block(): op.drop_index(…, postgresql_concurrently=True, if_exists=True)`"
            yield Problem("drop-index", "locks", why, fix)


def _constraints(change: Change, progress: Progress) -> Iterator[Problem]:
    table, constraint = change.table, change.constraint
    if not progress.is_live(table):
        return
    if change.kind == "validate":
        if change.name in progress.unchecked:
            why = f"The transaction still holds the lock that adding {change.name} took, while all rows of {table} are checked."
            yield Problem("validate-at-once", "locks", why, "validate it in the next migration, which is a transaction of its own")
        return
    if change.kind == "drop constraint":
        there = progress.tables.table(table).constraints.get(change.name)
        if there is not None and there.kind == "primary key":
            why = f"Without its primary key {table} has no unique id for ON CONFLICT, foreign keys and replication until there is another."
            yield Problem(
                "change-primary-key", "breaks running code", why, "build a unique index of the new key first, and change keys at once"
            )
        return
    if constraint is None:
        return
    everybody = f"An ACCESS EXCLUSIVE lock keeps every read and write of {table} waiting while"
    if constraint.kind == "foreign key" and constraint.is_valid:
        why = (
            f"A SHARE ROW EXCLUSIVE lock keeps every write to {table} and to {constraint.to} waiting while all rows are looked up there; "
            "reads go on."
        )
        fix = "add it with `postgresql_not_valid=True`, and VALIDATE CONSTRAINT in the next migration, which locks nobody out"
        yield Problem("add-foreign-key", "locks", why, fix)
    elif constraint.kind == "check" and constraint.is_valid:
        fix = "add it with `postgresql_not_valid=True`, and VALIDATE CONSTRAINT in the next migration, which locks nobody out"
        yield Problem("add-check", "locks", f"{everybody} all rows are checked.", fix)
    elif constraint.kind == "unique" and not constraint.index:
        fix = "build a unique index concurrently, then `ADD CONSTRAINT … UNIQUE USING INDEX …`"
        yield Problem("add-unique", "locks", f"{everybody} its index is built.", fix)
    elif constraint.kind == "primary key":
        yield from _primary_key(change, progress.tables.table(table), everybody)
    elif constraint.kind == "exclude":
        why = f"{everybody} its index is built, and PostgreSQL has no other way."
        yield Problem("add-exclusion", "locks", why, "add it in a quiet hour, or make a new table with it and copy the rows")
    elif constraint.kind == "not null" and constraint.is_valid:
        yield from _not_null(table, constraint.columns[0], progress)


def _primary_key(change: Change, table: Table, everybody: str) -> Iterator[Problem]:
    constraint = change.constraint
    if constraint is None:
        return
    if not constraint.index:
        fix = "build a unique index concurrently, then `ADD CONSTRAINT … PRIMARY KEY USING INDEX …`"
        yield Problem("add-primary-key", "locks", f"{everybody} its index is built.", fix)
        return
    columns = table.indexes[constraint.index].columns if constraint.index in table.indexes else ()
    if not columns or any(table.column(name).nullable and not table.says_not_null(name) for name in columns):
        fix = "make the columns NOT NULL before, by way of a check that is validated"
        yield Problem("add-primary-key", "locks", f"{everybody} all rows are checked for NULL.", fix)


def _columns(change: Change, progress: Progress) -> Iterator[Problem]:
    table = change.table
    if change.kind == "add column" and change.column is not None:
        yield from _new_column(table, change.column)
    elif change.kind == "set not null":
        yield from _not_null(table, change.name, progress)
    elif change.kind == "alter type":
        known = progress.tables.table(table)
        before = known.column(change.name).type
        full = f"{table}.{change.name}"
        cost = "rewrite" if change.source and not _is_plain(change.source, change.name) else cost_of_type(before, change.to)
        fix = "add a column of the new type, keep both alike with a trigger, fill it in, and let it take the old one's name"
        if cost == "rewrite":
            said = f"from {before} to {change.to}" if before else f"to {change.to} (no migration says from what)"
            why = f"An ACCESS EXCLUSIVE lock keeps every read and write of {table} waiting while it is written anew with {full} {said}."
            yield Problem("change-type", "rewrites", why, fix)
        elif checks := checks_of(known, change.name):
            why = f"No row is rewritten, but {table} is locked for everybody while all rows are checked again for {checks[0].name}."
            yield Problem("change-type", "locks", why, "drop the check before, and add it again as NOT VALID")


def _new_column(table: str, column: Column) -> Iterator[Problem]:
    full = f"{table}.{column.name}"
    everybody = f"An ACCESS EXCLUSIVE lock keeps every read and write of {table} waiting while"
    if column.counted:
        why = f"{everybody} it is written anew, with a number for each row in {full}."
        yield Problem("add-counted-column", "rewrites", why, "add it as nullable, fill it in, then give it its sequence")
    elif column.generated == "stored":
        why = f"{everybody} it is written anew, with {full} computed for each row."
        yield Problem(
            "add-generated-column", "rewrites", why, "add an ordinary column, which a trigger fills in, and fill in the rows that are there"
        )
    elif column.default is not None and is_volatile(column.default):
        why = f"{everybody} it is written anew, as {column.default} is another value in each row. A constant would cost nothing."
        yield Problem(
            "volatile-default", "rewrites", why, "add the column without a default, set the default, and fill in the rows that are there"
        )
    for constraint in column.constraints:
        if constraint.kind in ("unique", "primary key"):
            yield Problem(
                "add-unique", "locks", f"{everybody} the index of {full} is built.", "add the column, then a unique index concurrently"
            )
        elif constraint.kind == "check":
            yield Problem("add-check", "locks", f"{everybody} all rows are checked.", "add the column, then the check as NOT VALID")
        elif constraint.kind == "foreign key" and column.default is not None:
            why = f"{everybody} all rows are looked up in {constraint.to}."
            yield Problem("add-foreign-key", "locks", why, "add the column, then the foreign key as NOT VALID")


def _not_null(table: str, name: str, progress: Progress) -> Iterator[Problem]:
    known = progress.tables.table(table)
    if not known.column(name).nullable or known.says_not_null(name):
        return
    why = f"An ACCESS EXCLUSIVE lock keeps every read and write of {table} waiting while all rows are checked; it fails if one has NULL."
    fix = f"add `CHECK ({name} IS NOT NULL) NOT VALID`, validate it in the next migration, then SET NOT NULL, which believes it"
    yield Problem("set-not-null", "locks", why, fix)


def _whole_tables(change: Change, progress: Progress) -> Iterator[Problem]:
    table = change.table or "the table"
    if change.table and not progress.is_live(change.table):
        return
    everybody = f"An ACCESS EXCLUSIVE lock keeps every read and write of {table} waiting while it is"
    match change.kind:
        case "rewrite":
            yield Problem(
                "rewrite-table", "rewrites", f"{everybody} written anew ({change.name}).", "do it in a quiet hour, or by way of a new table"
            )
        case "vacuum full" | "cluster":
            fix = "VACUUM without FULL, which locks nobody out, or pg_repack"
            yield Problem("rewrite-table", "rewrites", f"{everybody} written anew ({change.kind.upper()}).", fix)
        case "refresh" if "concurrently" not in change.options:
            fix = "REFRESH MATERIALIZED VIEW CONCURRENTLY, which needs a unique index of it, within `autocommit_block()`"
            yield Problem("refresh", "locks", f"{everybody} computed.", fix)
        case "lock":
            why = f"LOCK TABLE keeps others from {table} until the migration ends."
            yield Problem("lock-table", "locks", why, "let the statements take the locks that they need")
        case _:
            pass


def cost_of_type(before: str, after: str) -> str:
    """Return what a change of type costs: `rewrite`, also where the type before is not known, or nothing, as an empty text."""
    before, after = (text.partition(" collate ")[0] for text in (before, after)) if " collate " not in after else (before, after)
    if not before:
        return "rewrite"
    old, new = _parts(before), _parts(after)
    if before == after:
        return ""
    if new[0] in ("text", "varchar") and not new[1]:
        return "" if old[0] in ("varchar", "text", "citext") else "rewrite"
    if old[0] != new[0]:
        return "" if (old[0], new[0]) == ("cidr", "inet") else "rewrite"
    match new[0]:
        case "varchar" | "varbit" | "timestamp" | "timestamptz" | "time" | "timetz" | "interval":
            return "" if not new[1] or (old[1] and new[1][0] >= old[1][0]) else "rewrite"
        case "numeric":
            if not new[1]:
                return ""
            same_scale = (old[1][1:] or [0]) == (new[1][1:] or [0])
            return "" if old[1] and same_scale and new[1][0] >= old[1][0] else "rewrite"
        case _:
            return "rewrite"


def checks_of(table: Table, column: str) -> list[Constraint]:
    """Return the checks that a column is part of."""
    return [each for each in table.constraints.values() if each.kind == "check" and _names(each.text, column)]


def _parts(kind: str) -> tuple[str, list[int]]:
    found = re.fullmatch(r"([^()]+?)\(([\d,]+)\)(.*)", kind)
    if found is None:
        return kind, []
    return found[1] + found[3], [int(number) for number in found[2].split(",")]


def is_volatile(default: str) -> bool:
    """Whether a default may have another value for each row: it calls a function that is not known to be stable."""
    called = re.findall(r"([\w.]+)\s*\(", re.sub(r"'(?:[^']|'')*'", "''", default.lower()))
    return any(name.rpartition(".")[2] not in _STABLE for name in called)


def _is_plain(using: str, name: str) -> bool:
    """Whether USING says only the cast that would be done anyway."""
    return re.fullmatch(rf'"?{re.escape(name)}"?(\s*::.+)?', using, re.IGNORECASE) is not None


def _names(condition: str, column: str) -> bool:
    return re.search(rf"\b{re.escape(column)}\b", condition) is not None


_STABLE = {
    *("now", "transaction_timestamp", "statement_timestamp", "current_timestamp", "localtimestamp", "current_time", "localtime"),
    *("current_setting", "date_trunc", "timezone", "to_timestamp", "to_char", "to_date", "make_interval", "make_date", "age", "extract"),
    *("lower", "upper", "md5", "concat", "coalesce", "nullif", "cast", "array", "json_build_object", "jsonb_build_object", "to_json"),
    *(
        "to_jsonb",
        "jsonb_build_array",
        "json_build_array",
        "varchar",
        "numeric",
        "char",
        "abs",
        "round",
        "length",
        "int4range",
        "tstzrange",
    ),
}
