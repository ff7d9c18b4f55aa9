"""What a database has of the migrations: the table `erlen_migrations`, one row for each; and `alembic_version`, where that is all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Literal, TypeAlias

import msgspec
from msgspec import Struct
from sqlalchemy import Column, Connection, DateTime, Float, Integer, MetaData, String, Table, Text, delete, insert, inspect, select
from sqlalchemy.dialects.mysql import MEDIUMTEXT

from erlen.migrations.migration import HistoryError, Migration

__all__ = [
    "RECORDS",
    "Progress",
    "Record",
    "State",
    "adopt_alembic",
    "forget",
    "has_table",
    "is_synced",
    "make_table",
    "read_records",
    "record",
    "set_synced",
]

State: TypeAlias = Literal["applied", "running", "reverting"]

RECORDS = Table(
    "erlen_migrations",
    MetaData(),
    Column("revision", String(64), primary_key=True),
    Column("branch", String(100), nullable=False),
    Column("name", String(200), nullable=False),
    Column("state", String(20), nullable=False),
    Column("step", Integer, nullable=False),
    Column("done", Text().with_variant(MEDIUMTEXT(), "mysql", "mariadb")),
    Column("applied_at", DateTime, nullable=False),
    Column("seconds", Float, nullable=False),
    mysql_engine="InnoDB",
    mariadb_engine="InnoDB",
)
_SYNCED = "(synced)"
"""What stands in the place of a revision where `erlen db sync` changed the tables without a migration."""
_ALEMBIC = Table("alembic_version", MetaData(), Column("version_num", String(32)))


class Progress(Struct):
    """How far a migration has come that does not run in one transaction."""

    done: list[str] = []
    """The statements on the schema that are done, each cut to some length."""
    data: bool = False
    """Whether the statements on rows that come after those are kept too."""
    loose: int = 0
    """How many statements on rows were begun after those that each commit by themselves."""
    failed: bool = False
    """Whether an error stopped it: the statement after those that are done is known not to be done then."""
    lenient: bool = False
    """Whether it takes back a migration that was not run to its end: what is gone already need not be dropped."""


class Record(Struct, frozen=True, kw_only=True):
    """What a database says of one migration."""

    revision: str
    branch: str = ""
    name: str = ""
    state: State = "applied"
    """`running` and `reverting`: begun, and not ended; in one transaction that shows to nobody."""
    progress: Progress = msgspec.field(default_factory=Progress)
    applied_at: datetime
    """When it ended, or for one that has not, when it began; in UTC."""
    seconds: float = 0.0


def has_table(connection: Connection) -> bool:
    """Whether the table of records is there."""
    return inspect(connection).has_table(RECORDS.name)


def make_table(connection: Connection) -> None:
    """Make the table of records where there is none."""
    RECORDS.create(connection, checkfirst=True)


def read_records(connection: Connection) -> dict[str, Record]:
    """Return the records of a database by revision; where the table is not there, none."""
    if not has_table(connection):
        return {}
    return {
        row.revision: Record(
            revision=row.revision,
            branch=row.branch,
            name=row.name,
            state=row.state,
            progress=msgspec.json.decode(row.done, type=Progress) if row.done else Progress(),
            applied_at=row.applied_at.replace(tzinfo=UTC),
            seconds=row.seconds,
        )
        for row in connection.execute(select(RECORDS).where(RECORDS.c.revision != _SYNCED))
    }


def is_synced(connection: Connection) -> bool:
    """Whether the tables were changed without migrations, so that some that are written later are done already."""
    return has_table(connection) and connection.scalar(select(RECORDS.c.revision).where(RECORDS.c.revision == _SYNCED)) is not None


def set_synced(connection: Connection, *, synced: bool) -> None:
    """Keep in mind that tables were changed without migrations, or that migrations have caught up."""
    forget(connection, _SYNCED)
    if synced:
        values = {"branch": "", "name": _SYNCED, "state": "applied", "step": 0, "seconds": 0.0}
        connection.execute(insert(RECORDS).values(revision=_SYNCED, applied_at=datetime.now(UTC).replace(tzinfo=None), **values))


def record(
    connection: Connection, migration: Migration, *, state: State = "applied", progress: Progress | None = None, seconds: float = 0.0
) -> None:
    """Write the record of a migration, in place of one that is there."""
    forget(connection, migration.revision)
    done = msgspec.json.encode(progress).decode() if progress is not None else None
    connection.execute(
        insert(RECORDS).values(
            revision=migration.revision,
            branch=migration.branch,
            name=migration.name,
            state=state,
            step=len(progress.done) if progress is not None else 0,
            done=done,
            applied_at=datetime.now(UTC).replace(tzinfo=None),
            seconds=seconds,
        )
    )


def forget(connection: Connection, revision: str) -> None:
    """Remove the record of a migration."""
    connection.execute(delete(RECORDS).where(RECORDS.c.revision == revision))


def adopt_alembic(connection: Connection, migrations: Iterable[Migration]) -> list[Migration]:
    """Return the migrations that Alembic's own table says were run: the revisions there, and what comes before them.

    Raises:
        HistoryError: if a revision there is none of these migrations.
    """
    if not inspect(connection).has_table(_ALEMBIC.name):
        return []
    known = {migration.revision: migration for migration in migrations}
    waiting = list(connection.scalars(select(_ALEMBIC.c.version_num)))
    found: dict[str, Migration] = {}
    while waiting:
        revision = waiting.pop()
        migration = known.get(revision)
        if migration is None:
            raise HistoryError(
                f"Alembic has brought this database to the revision {revision!r}, of which there is no file: put Alembic's files into "
                "`migrations/versions/`, or say which migration the database is at: `erlen db migrate --fake NAME`"
            )
        found[revision] = migration
        waiting += filter(None, (migration.down_revision, *migration.depends_on))
    return [migration for migration in known.values() if migration.revision in found]


def applied(records: Mapping[str, Record]) -> set[str]:
    """Return the revisions that were run to their end."""
    return {record.revision for record in records.values() if record.state == "applied"}
