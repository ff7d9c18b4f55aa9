"""The SQL of migrations as one script, with transactions and records, for somebody who runs it by hand."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

from msgspec import Struct
from sqlalchemy import ColumnElement, Dialect, delete, insert, literal_column, make_url
from sqlalchemy.schema import CreateTable

from erlen.migrations.connection import Limits
from erlen.migrations.execution import Direction
from erlen.migrations.migration import HistoryError, Migration
from erlen.migrations.plan import all_replaced, find, plan_upgrade, shown
from erlen.migrations.records import RECORDS
from erlen.migrations.runner import known
from erlen.migrations.statements import Statement, statements_of
from erlen.migrations.target import Target

__all__ = ["Pending", "chosen", "pending_of", "script_of"]


def chosen(migrations: Sequence[Migration], given: str) -> list[Migration]:
    """Return the migrations that `FROM:TO` means, those after FROM up to TO; without a colon, that one.

    Raises:
        HistoryError: if there is none of a name, or TO comes before FROM.
    """
    if ":" not in given:
        return [find(migrations, given)]
    first, _, last = given.partition(":")
    begin = migrations.index(find(migrations, first)) + 1 if first and first != "zero" else 0
    end = migrations.index(find(migrations, last)) + 1 if last else len(migrations)
    if end < begin:
        raise HistoryError(f"{last} comes before {first}: for the way back say `--rollback {last}:{first}`")
    return list(migrations[begin:end])


class Pending(Struct, frozen=True):
    """What a script has to do for a database to get where `erlen db migrate` would bring it."""

    migrations: tuple[Migration, ...]
    recorded: frozenset[str]
    """The revisions among them that the database has, but no record of: adopted or squashed ones."""
    waiting: tuple[Migration, ...]
    """Those that something must be deployed for first."""


def pending_of(target: Target) -> Pending:
    """Find out what a database lacks.

    Raises:
        HistoryError: if a migration was begun there and has not ended: what of it is left to be done, only `migrate` can know.
    """
    kept = known(target)
    records = known(target, note=lambda _: None)
    plan = plan_upgrade(target, records)
    for step in plan.steps:
        if step.action == "continue":
            raise HistoryError(f"{shown(step.migration)} was begun on this database and has not ended: run `erlen db migrate` there first")
    adopted = [each for each in target.migrations() if each.revision in records and each.revision not in kept]
    recorded = {each.revision for each in adopted} | {step.migration.revision for step in plan.steps if step.action == "record"}
    return Pending(
        (*adopted, *(step.migration for step in plan.steps)), frozenset(recorded), tuple(step.migration for step in plan.waiting)
    )


def script_of(
    target: Target,
    migrations: Sequence[Migration],
    *,
    recorded: Collection[str] = (),
    dialect: str | None = None,
    direction: Direction = "upgrade",
    limits: Limits | None = None,
) -> Iterator[str]:
    """Yield the lines of a script that does what migrations do, and records them.

    Args:
        target: what they belong to; its database is not touched.
        migrations: in the order of an upgrade.
        recorded: revisions among them that are only recorded.
        dialect: `sqlite`, `postgresql`, `mysql` or `mariadb`; the target's by default.
        direction: `upgrade` or `downgrade`; the last is taken back first then.
        limits: time limits, which the script sets.
    """
    name = dialect or target.dialect
    made: Dialect = make_url(f"{name}://").get_dialect()()
    limits = limits or Limits()
    ordered = list(migrations) if direction == "upgrade" else list(reversed(migrations))
    run = [each for each in ordered if each.revision not in recorded]
    statements = statements_of(target, run, dialect=name, direction=direction)
    yield from _head(name, limits)
    if direction == "upgrade":
        yield f"{str(CreateTable(RECORDS, if_not_exists=True).compile(dialect=made)).strip()};"
    for migration in ordered:
        yield ""
        yield f"-- {shown(migration)}: {migration.message}" if migration.message else f"-- {shown(migration)}"
        if migration.revision in recorded:
            yield "-- it is done there already, and only recorded"
        elif migration.after_deploy and direction == "upgrade":
            yield f"-- FIRST DEPLOY {migration.after_deploy}"
        own = [statement for statement in statements if statement.migration == migration]
        yield from _in_transactions(own, name, _record(migration, made, direction))
    if name == "sqlite":
        yield "\nPRAGMA foreign_keys = ON;"


def _head(dialect: str, limits: Limits) -> Iterator[str]:
    if dialect == "postgresql":
        yield f"SET lock_timeout = '{limits.lock_timeout:g}s';"
        if limits.statement_timeout is not None:
            yield f"SET statement_timeout = '{limits.statement_timeout:g}s';"
    elif dialect == "sqlite":
        yield "PRAGMA foreign_keys = OFF;"
    else:
        yield f"SET SESSION lock_wait_timeout = {max(1, round(limits.lock_timeout))};"


def _in_transactions(statements: Sequence[Statement], dialect: str, record: str) -> Iterator[str]:
    """Yield statements with BEGIN and COMMIT around those that have a transaction."""
    begin = {"sqlite": "BEGIN IMMEDIATE;", "postgresql": "BEGIN;"}.get(dialect, "")
    is_open = False
    for statement in statements:
        if statement.note:
            yield f"-- NOT COMPLETE: {statement.note}"
            continue
        if begin and statement.in_transaction is not is_open:
            yield begin if statement.in_transaction else "COMMIT;"
            is_open = statement.in_transaction
        if statement.sql.startswith(_TAKES_PLACE):  # views that speak of the table are not looked at while it is gone
            yield "PRAGMA legacy_alter_table = ON;"
            yield f"{statement.sql};"
            yield "PRAGMA legacy_alter_table = OFF;"
        else:
            yield f"{statement.sql};"
    if begin and not is_open:
        yield begin
    yield record
    if dialect == "sqlite":
        yield "-- if this lists rows, they refer to none: ROLLBACK then"
        yield "PRAGMA foreign_key_check;"
    if begin:
        yield "COMMIT;"


def _record(migration: Migration, dialect: Dialect, direction: Direction) -> str:
    """Return the statement that records a migration, or forgets it."""
    if direction == "downgrade":
        revisions = sorted({migration.revision, *all_replaced(migration)})
        statement = delete(RECORDS).where(RECORDS.c.revision.in_(revisions)).compile(dialect=dialect, compile_kwargs=_WRITTEN)
    else:
        values = {"revision": migration.revision, "branch": migration.branch, "name": migration.name, "state": "applied", "step": 0}
        now: ColumnElement[Any] = literal_column(_NOW[dialect.name])
        statement = insert(RECORDS).values(applied_at=now, seconds=0, **values).compile(dialect=dialect, compile_kwargs=_WRITTEN)
    return f"{statement};"


_WRITTEN = {"literal_binds": True}
_TAKES_PLACE = "ALTER TABLE _alembic_tmp_"
_NOW = {
    "sqlite": "CURRENT_TIMESTAMP",
    "postgresql": "(now() AT TIME ZONE 'utc')",
    "mysql": "UTC_TIMESTAMP()",
    "mariadb": "UTC_TIMESTAMP()",
}
