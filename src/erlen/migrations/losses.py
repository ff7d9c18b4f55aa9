"""What a rollback deletes with rows in it."""

from __future__ import annotations

from msgspec import Struct
from sqlalchemy import Connection, column, func, inspect, select, table

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

    Where there can be no scratch database, or the migrations fail there, nothing is known, and nothing returned.

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
            run_all(connection, back, "downgrade")
            after = _columns(connection)
    except Exception:  # noqa: BLE001 - it says more than the rollback needs
        return []
    with connect(target) as connection:
        return [loss for name, names in before.items() for loss in _lost(connection, name, names - after.get(name, set()), name in after)]


def _columns(connection: Connection) -> dict[str, set[str]]:
    inspector = inspect(connection)
    found = {name: {str(each["name"]) for each in inspector.get_columns(name)} for name in inspector.get_table_names()}
    connection.rollback()
    return found


def _lost(connection: Connection, name: str, names: set[str], stays: bool) -> list[Loss]:
    if not inspect(connection).has_table(name):
        return []
    if not stays:
        rows = connection.scalar(select(func.count()).select_from(table(name))) or 0
        return [Loss(f"table {name}", rows)]
    there = names & {each["name"] for each in inspect(connection).get_columns(name)}
    return [
        Loss(f"column {name}.{each}", connection.scalar(select(func.count(column(each))).select_from(table(name))) or 0)
        for each in sorted(there)
    ]
