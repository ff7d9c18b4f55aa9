"""One migration, run: Alembic's operations on a connection, in a transaction where the database has them for schemas."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import contextmanager
from typing import Any, Literal

from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection

from erlen.migrations.migration import HistoryError, Migration

__all__ = ["Direction", "configure", "run", "run_all"]

Direction = Literal["upgrade", "downgrade"]


def configure(connection: Connection, **options: Any) -> MigrationContext:
    """Return Alembic's context for a connection, as all of Erlen's migrations have it."""
    transactional = connection.dialect.name not in ("mysql", "mariadb")
    return MigrationContext.configure(connection, opts={"transactional_ddl": transactional, "transaction_per_migration": True, **options})


def run(context: MigrationContext, migration: Migration, direction: Direction = "upgrade") -> None:
    """Run one direction of a migration, within the transaction that is open, or none. Nothing is recorded.

    Raises:
        HistoryError: if the file does not load or has no such direction.
    """
    function = getattr(migration.load(), direction, None)
    if function is None:
        raise HistoryError(f"{migration.path} has no `{direction}()`: it cannot be {'run' if direction == 'upgrade' else 'rolled back'}")
    with Operations.context(context):
        function()


def run_all(connection: Connection, migrations: Iterable[Migration], direction: Direction = "upgrade") -> None:
    """Run migrations on a scratch database, each in its own transaction. Nothing is recorded.

    On SQLite foreign keys are off meanwhile, as tables are rebuilt by a copy that takes their place.
    """
    for migration in migrations:
        with without_foreign_keys(connection):
            context = configure(connection)
            with context.begin_transaction(_per_migration=True):
                run(context, migration, direction)


@contextmanager
def without_foreign_keys(connection: Connection) -> Generator[None, None, None]:
    """Turn SQLite's foreign keys off, outside of a transaction, where alone that has an effect; elsewhere do nothing."""
    if connection.dialect.name != "sqlite":
        yield
        return
    connection.rollback()
    driver: Any = connection.connection.dbapi_connection
    driver.execute("PRAGMA foreign_keys = OFF")
    try:
        yield
    finally:
        connection.rollback()
        driver.execute("PRAGMA foreign_keys = ON")
