"""SQLite: Alembic alters a table by a copy that takes its place; here that is read as the changes it stands for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from erlen.lint.change import Change
from erlen.lint.finding import Problem
from erlen.lint.progress import Progress
from erlen.lint.tables import Table
from erlen.migrations.sql import tokens

__all__ = ["judge", "rebuilds", "steps_of"]


def judge(change: Change, progress: Progress) -> Iterator[Problem]:
    """Yield what is wrong with a change on SQLite, which has one writer at a time anyway."""
    if change.kind == "set not null" and progress.is_live(change.table) and not progress.is_filled(change.table, change.name):
        why = f"It fails if a row has NULL in {change.table}.{change.name}."
        yield Problem("set-not-null", "fails", why, f"fill {change.name} in before, with an UPDATE of the rows that have none")


def rebuilds(changes: Sequence[list[Change]]) -> list[list[Change]]:
    """Put one change, `rebuild`, in the place of four statements: make a copy, fill it, drop the table, give the copy its name."""
    found = [list(each) for each in changes]
    for place, each in enumerate(found):
        if len(each) != 1 or each[0].kind != "rename table":
            continue
        copy, table = each[0].table, each[0].to
        create = _last(found[:place], "create table", copy)
        insert = _last(found[:place], "insert", copy)
        drop = _last(found[:place], "drop table", table)
        if create is None or insert is None or drop is None:
            continue
        filled = found[insert][0]
        found[place] = [replace(found[create][0], kind="rebuild", table=table, names=filled.names, source=filled.source)]
        found[create], found[insert], found[drop] = [], [], []
    return found


def steps_of(rebuild: Change, before: Table | None) -> list[Change]:
    """Return what a rebuild changes of a table, and the rebuild."""
    table = rebuild.table
    sources = dict(zip(rebuild.names, _selected(rebuild.source, before), strict=False))
    found: list[Change] = []
    if before is not None:
        found += [Change(kind="drop column", table=table, name=name) for name in before.columns if name not in sources.values()]
    found += [Change(kind="rename column", table=table, name=old, to=new) for new, old in sources.items() if old and new != old]
    for column in rebuild.columns:
        if not sources.get(column.name) and not column.generated and before is not None:
            found.append(Change(kind="add column", table=table, name=column.name, column=column))
        elif before is not None and not column.nullable and before.column(sources[column.name]).nullable:
            found.append(Change(kind="set not null", table=table, name=column.name))
    return [*found, rebuild]


def _selected(query: str, table: Table | None) -> Iterator[str]:
    """Yield the column that each item of a query takes its value from; an empty text where it takes none."""
    depth, found = 0, ""
    columns = table.columns if table is not None else {}
    for token in tokens(query, "sqlite"):
        if token.is_symbol("(") or token.is_symbol(")"):
            depth += 1 if token.text == "(" else -1
        elif depth == 0 and (token.is_symbol(",") or token.is_word("from")):
            yield found
            found = ""
            if token.text == "from":
                return
        elif token.kind in ("word", "name") and token.text in columns:
            found = token.text


def _last(changes: Sequence[list[Change]], kind: str, table: str) -> int | None:
    for place in range(len(changes) - 1, -1, -1):
        if [(each.kind, each.table) for each in changes[place]] == [(kind, table)]:
            return place
    return None
