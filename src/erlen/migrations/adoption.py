"""Databases that were made without migrations, or with Alembic: which migrations count as applied there."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from msgspec import Struct
from sqlalchemy import Connection, inspect

from erlen.migrations.connection import scratch
from erlen.migrations.execution import run_all
from erlen.migrations.migration import HistoryError, Migration
from erlen.migrations.plan import shown
from erlen.migrations.records import Record, adopt_alembic
from erlen.migrations.schema import OWN_TABLES, Schema, differences, schema_of
from erlen.migrations.target import Target

__all__ = ["Adoption", "adoption_of"]


class Adoption(Struct, frozen=True):
    """Migrations that count as applied though there is no record of them."""

    migrations: tuple[Migration, ...]
    reason: str
    """A sentence for people."""


def adoption_of(target: Target, connection: Connection, records: Mapping[str, Record]) -> Adoption | None:
    """Find out what a database without records has, from Alembic's table or from its tables.

    Raises:
        HistoryError: if it has tables of the migrations, but not as any of them leaves them.
    """
    if records:
        return None
    migrations = target.migrations()
    if found := adopt_alembic(connection, migrations):
        return Adoption(
            tuple(found), f"Alembic has brought this database to {shown(found[-1])}: from here on `erlen_migrations` keeps account"
        )
    there = set(inspect(connection).get_table_names()) - set(OWN_TABLES)
    if not migrations or not there:
        return None
    return _from_tables(migrations, there, schema_of(connection), target)


def _from_tables(migrations: Sequence[Migration], there: set[str], found: Schema, target: Target) -> Adoption | None:
    """Run the migrations in a scratch database, and find the one that leaves the tables as they are here."""
    states = _states(migrations, target)
    if not states:
        return None
    made = {part for state in states for part in state if not part.startswith(_OF_TABLE)}
    tables = {part.removeprefix("table ") for state in states for part in state if part.startswith("table ")}
    if not tables & {name for name in map(_table_of, found) if name}:
        return None
    here = {part: what for part, what in found.items() if _table_of(part) in tables or part in made}
    for number, state in enumerate(states):
        if state == here:
            adopted = tuple(migrations[: number + 1])
            return Adoption(
                adopted, f"the tables were made without migrations, and are as {shown(adopted[-1])} leaves them: it counts as applied"
            )
    lines = "".join(f"\n  {line}" for line in differences(states[-1], here)[:8])
    raise HistoryError(
        f"this database has tables, but no record of migrations, and is not as any migration leaves it; from {shown(migrations[-1])} it "
        f"differs in:{lines}\n"
        "  fix  say which migration it is at: `erlen db migrate --fake NAME`\n"
        "  fix  or, if its rows may go, make it anew: `erlen db reset`"
    )


def _states(migrations: Sequence[Migration], target: Target) -> list[dict[str, str]]:
    """Return the schema after each migration, or none where they do not make a database from nothing: they are for what is there."""
    states: list[dict[str, str]] = []
    with scratch(target) as connection:
        for migration in migrations:
            try:
                run_all(connection, [migration])
            except Exception:  # noqa: BLE001 - whatever it is, it will be told when the migration is run on the database itself
                return []
            states.append(schema_of(connection))
            connection.rollback()
    return states


def _table_of(part: str) -> str | None:
    """Return the table that a part of a schema belongs to."""
    found = re.match(r"(table|column|primary key of|foreign key|unique|check|index) (\S+)", part)
    if found is None:
        return None
    return part.removeprefix("column ").rpartition(".")[0] if found[1] == "column" else found[2]


_OF_TABLE = ("table ", "column ", "primary key of ", "foreign key ", "unique ", "check ", "index ")
