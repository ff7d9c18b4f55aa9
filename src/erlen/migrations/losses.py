"""What a rollback deletes with rows in it."""

from __future__ import annotations

import re
from typing import Any

from msgspec import Struct
from sqlalchemy import Connection, column, event, func, inspect, select, table

from erlen.migrations.connection import connect, scratch
from erlen.migrations.execution import run_all
from erlen.migrations.plan import Plan
from erlen.migrations.target import Target

__all__ = ["Loss", "losses_of"]


class Loss(Struct, frozen=True):
    """A table or column that goes, with how many rows have something in it."""

    name: str
    """`table book`, `column book.title`."""
    rows: int


def losses_of(target: Target, plan: Plan, applied: set[str]) -> list[Loss]:
    """Return the tables and columns that the steps of a rollback delete, found by running them in a scratch database.

    What has another name afterwards is none of them. Where there can be no scratch database, or the migrations fail there, nothing is
    known, and nothing returned.

    Args:
        target: whose database.
        plan: the rollback.
        applied: the revisions that the database has.
    """
    back = [step.migration for step in plan.steps if step.action == "revert"]
    try:
        with scratch(target) as connection:
            run_all(connection, [migration for migration in target.migrations() if migration.revision in applied])
            before = _columns(connection)
            names = _Names(before)
            event.listen(connection, "after_cursor_execute", names.executed)
            run_all(connection, back, "downgrade")
            after = _columns(connection)
    except Exception:  # noqa: BLE001 - it says more than the rollback needs
        return []
    with connect(target) as connection:
        return [loss for name in before for loss in _lost(connection, name, names.gone(name, after))]


class _Names:
    """Follows what tables and columns are called, by the statements that rename them."""

    def __init__(self, before: dict[str, set[str]]) -> None:
        self._tables: dict[str, str | None] = {name: name for name in before}
        """What each is called now, by its name of before; None where another has taken its name, so that it is gone."""
        self._columns: dict[str, dict[str, str | None]] = {name: {each: each for each in columns} for name, columns in before.items()}

    def executed(self, _connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        """Look at a statement that was run, as SQLAlchemy tells of it."""
        if found := _RENAME_TABLE.match(statement):
            _rename(self._tables, *map(_plain, found.groups()))
        elif found := _RENAME_COLUMN.match(statement):
            name, old, new = (_plain(each) for each in found.groups() if each)
            first = next((first for first, now in self._tables.items() if now == name), None)
            if first is not None:
                _rename(self._columns[first], old, new)

    def gone(self, name: str, after: dict[str, set[str]]) -> set[str] | None:
        """Return the columns of a table that are not there afterwards, by their names of before; None for the whole table."""
        now = self._tables[name]
        if now is None or now not in after:
            return None
        return {first for first, column in self._columns[name].items() if column not in after[now]}


def _rename(names: dict[str, str | None], old: str, new: str) -> None:
    renamed = next((first for first, now in names.items() if now == old), None)
    if renamed is None or old == new:  # such as a copy that takes a table's place
        return
    names.update({first: None for first, now in names.items() if now == new})
    names[renamed] = new


def _columns(connection: Connection) -> dict[str, set[str]]:
    inspector = inspect(connection)
    found = {name: {str(each["name"]) for each in inspector.get_columns(name)} for name in inspector.get_table_names()}
    connection.rollback()
    return found


def _lost(connection: Connection, name: str, gone: set[str] | None) -> list[Loss]:
    if not inspect(connection).has_table(name):
        return []
    if gone is None:
        rows = connection.scalar(select(func.count()).select_from(table(name))) or 0
        return [Loss(f"table {name}", rows)]
    there = gone & {each["name"] for each in inspect(connection).get_columns(name)}
    return [
        Loss(f"column {name}.{each}", connection.scalar(select(func.count(column(each))).select_from(table(name))) or 0)
        for each in sorted(there)
    ]


def _plain(name: str) -> str:
    """Return a name without its quotes."""
    mark = name[0]
    return name[1:-1].replace(mark * 2, mark) if mark in '"`' else name


_NAME = r"""("(?:[^"]|"")+"|`(?:[^`]|``)+`|[^\s"`.,;]+)"""
_ALTER = rf"\s*ALTER\s+TABLE\s+(?:IF\s+EXISTS\s+)?(?:ONLY\s+)?{_NAME}\s+"
_RENAME_TABLE = re.compile(rf"{_ALTER}RENAME\s+(?:TO|AS)\s+{_NAME}\s*;?\s*$", re.IGNORECASE)
_RENAME_COLUMN = re.compile(  # `CHANGE title name VARCHAR(50)` on MySQL and MariaDB
    rf"{_ALTER}(?:RENAME\s+(?:COLUMN\s+)?(?!TO\s){_NAME}\s+TO\s+|CHANGE\s+(?:COLUMN\s+)?{_NAME}\s+){_NAME}", re.IGNORECASE
)
