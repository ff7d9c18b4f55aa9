"""What is not as it should be between models, migrations and database."""

from __future__ import annotations

from msgspec import Struct

from erlen.migrations.adoption import limited
from erlen.migrations.compare import changes_of
from erlen.migrations.connection import connect, scratch
from erlen.migrations.execution import run_all
from erlen.migrations.plan import all_replaced
from erlen.migrations.records import applied, read_records
from erlen.migrations.schema import differences, schema_of
from erlen.migrations.status import status_of
from erlen.migrations.target import Target

__all__ = ["Findings", "check", "drift_of"]


class Findings(Struct, frozen=True, kw_only=True):
    """What was found at one database; where all is well, nothing."""

    database: str
    models: list[str]
    """Changes of the models that no migration makes: `+ column book.pages integer`."""
    pending: list[str]
    """Migrations that the database lacks."""
    interrupted: list[str]
    """Migrations that were begun and have not ended."""
    unknown: list[str]
    """Migrations that the database has, and of which there is no file."""
    drift: list[str]
    """What of the tables is not as the migrations that were run leave it."""

    @property
    def is_well(self) -> bool:
        return not (self.models or self.pending or self.interrupted or self.unknown or self.drift)


def check(target: Target) -> Findings:
    """Compare the models with the migrations, and those with the database.

    Raises:
        HistoryError: if the migrations make no chain.
        ErlenError: if there can be no scratch database, or a migration or a model fails in it.
    """
    status = status_of(target)

    def names(standing: str) -> list[str]:
        return [f"{line.branch}/{line.name}" if line.branch else line.name for line in status.migrations if line.standing == standing]

    interrupted = names("interrupted")
    return Findings(
        database=target.name,
        models=changes_of(target),
        pending=names("pending"),
        interrupted=interrupted,
        unknown=names("unknown"),
        drift=[] if interrupted else drift_of(target),
    )


def drift_of(target: Target) -> list[str]:
    """Return what of the migrations' tables is otherwise in the database than the migrations that were run there leave it."""
    with connect(target) as connection:
        done = applied(read_records(connection))
        found = schema_of(connection)
    if not done:
        return []
    with scratch(target) as connection:
        run_all(
            connection, [each for each in target.migrations() if each.revision in done or (each.replaces and all_replaced(each) <= done)]
        )
        wanted = schema_of(connection)
    return differences(wanted, limited(found, [wanted]))
