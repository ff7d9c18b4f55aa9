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
from erlen.migrations.records import Record, adopt_alembic, is_synced
from erlen.migrations.schema import OWN_TABLES, Schema, differences, schema_of
from erlen.migrations.target import Target

__all__ = ["Adoption", "adoption_of", "limited"]


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
    migrations = target.migrations()
    if records or is_synced(connection):
        return _after_sync(migrations, connection, records, target) if is_synced(connection) else None
    if found := adopt_alembic(connection, migrations):
        return Adoption(
            tuple(found), f"Alembic has brought this database to {shown(found[-1])}: from here on `erlen_migrations` keeps account"
        )
    there = set(inspect(connection).get_table_names()) - set(OWN_TABLES)
    if not migrations or not there:
        return None
    return _from_tables(migrations, there, schema_of(connection), target)


def _after_sync(migrations: Sequence[Migration], connection: Connection, records: Mapping[str, Record], target: Target) -> Adoption | None:
    """Find the migrations that were written after `erlen db sync`, and do what it did."""
    pending = [migration for migration in migrations if migration.revision not in records]
    if not pending:
        return None
    try:
        found = _from_tables(migrations, set(inspect(connection).get_table_names()) - set(OWN_TABLES), schema_of(connection), target)
    except HistoryError as error:
        differing = str(error).partition("in:")[2].strip()
        raise HistoryError(
            f"`erlen db sync` has changed this database, and it is not as any migration leaves it:\n  {differing}\n"
            "  fix  let it follow the models once more: `erlen db sync`, and write what is left: `erlen db make`"
        ) from None
    if found is None:
        return None
    new = tuple(migration for migration in found.migrations if migration.revision not in records)
    if not new:
        return None
    return Adoption(
        new, f"`erlen db sync` has done what {' and '.join(shown(migration) for migration in new)} would do: it counts as applied"
    )


def _from_tables(migrations: Sequence[Migration], there: set[str], found: Schema, target: Target) -> Adoption | None:
    """Run the migrations in a scratch database, and find the one that leaves the tables as they are here."""
    states = _states(migrations, target)
    if not states:
        return None
    if not _tables(states) & {name for name in map(_table_of, found) if name}:
        return None
    here = limited(found, states)
    for number, state in enumerate(states):
        if state == here:
            adopted = tuple(migrations[: number + 1])
            return Adoption(
                adopted, f"the tables were made without migrations, and are as {shown(adopted[-1])} leaves them: it counts as applied"
            )
    at, differing = min(enumerate(differences(state, here) for state in states), key=lambda each: len(each[1]))
    lines = "".join(f"\n  {line}" for line in differing[:8])
    raise HistoryError(
        "this database has tables, but no record of migrations, and is not as any migration leaves it; from "
        f"{shown(migrations[at])} it differs in:{lines}\n"
        "  fix  say which migration it is at: `erlen db migrate --fake NAME`\n"
        "  fix  or, if its rows may go, make it anew: `erlen db reset`"
    )


def limited(found: Schema, states: Sequence[Schema]) -> dict[str, str]:
    """Return what of a database's schema belongs to tables that migrations make, or is something else that they make."""
    tables = _tables(states)
    made = {part for state in states for part in state if not part.startswith(_OF_TABLE)}
    return {part: what for part, what in found.items() if _table_of(part) in tables or part in made}


def _tables(states: Sequence[Schema]) -> set[str]:
    return {part.removeprefix("table ") for state in states for part in state if part.startswith("table ")}


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
