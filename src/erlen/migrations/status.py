"""What a database has of its migrations, and what it lacks."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, TypeAlias

from msgspec import Struct

from erlen.migrations.adoption import adoption_of
from erlen.migrations.connection import connect
from erlen.migrations.migration import HistoryError, Migration
from erlen.migrations.plan import all_replaced
from erlen.migrations.records import Record, read_records
from erlen.migrations.target import Target

__all__ = ["Line", "Standing", "Status", "status_of"]

Standing: TypeAlias = Literal["applied", "pending", "interrupted", "unknown"]
"""`interrupted`: begun, and neither run nor rolled back to its end; `unknown`: in the database, but not in a file."""


class Line(Struct, frozen=True, kw_only=True):
    """One migration."""

    branch: str
    revision: str
    name: str
    message: str
    after_deploy: str = ""
    """What must be deployed before it."""
    standing: Standing
    applied_at: datetime | None = None
    """When it was applied, in UTC; for one that was interrupted, when it was begun."""
    seconds: float | None = None
    """How long it took."""


class Status(Struct, frozen=True, kw_only=True):
    """The migrations of one database, in their order, with those at the end that have no file."""

    database: str
    """The database's name."""
    url: str
    """Its address, without the password."""
    migrations: tuple[Line, ...]
    note: str = ""
    """How a database without records is understood."""

    def count(self, standing: Standing) -> int:
        """Return how many migrations are so."""
        return sum(line.standing == standing for line in self.migrations)


def status_of(target: Target) -> Status:
    """Compare the migrations of a database with what it has, without changing it.

    Raises:
        HistoryError: if the migrations make no chain, or the database was made without them and is like none leaves it.
    """
    migrations = target.migrations()
    with connect(target) as connection:
        records = read_records(connection)
        adoption, note = None, ""
        try:
            adoption = adoption_of(target, connection, records)
        except HistoryError as error:  # what `migrate` will not go on with
            note = str(error)
    adopted = {migration.revision for migration in adoption.migrations} if adoption is not None else set[str]()
    hidden = {revision for migration in migrations if migration.revision in records for revision in all_replaced(migration)}
    lines = [_line(migration, records, adopted) for migration in migrations]
    known = hidden | {migration.revision for migration in migrations}
    known |= {revision for migration in migrations for revision in all_replaced(migration)}
    unknown = sorted((each for each in records.values() if each.revision not in known), key=lambda each: each.applied_at)
    return Status(
        database=target.name,
        url=target.database.url(target.name).render_as_string(hide_password=True),
        migrations=(*lines, *(_unknown(each) for each in unknown)),
        note=adoption.reason if adoption is not None else note,
    )


def _line(migration: Migration, records: dict[str, Record], adopted: set[str]) -> Line:
    record = records.get(migration.revision)
    standing: Standing = "applied" if migration.revision in adopted else "pending"
    if record is not None:
        standing = "applied" if record.state == "applied" else "interrupted"
    return Line(
        branch=migration.branch,
        revision=migration.revision,
        name=migration.name,
        message=migration.message,
        after_deploy=migration.after_deploy,
        standing=standing,
        applied_at=record.applied_at if record is not None else None,
        seconds=record.seconds if record is not None else None,
    )


def _unknown(record: Record) -> Line:
    return Line(
        branch=record.branch,
        revision=record.revision,
        name=record.name,
        message="",
        standing="unknown",
        applied_at=record.applied_at,
        seconds=record.seconds,
    )
