"""One migration, run: Alembic's operations on a connection, in a transaction where the database has them for schemas."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from typing import Any, Literal

from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection

from erlen.migrations.migration import HistoryError, Migration
from erlen.migrations.sqlite import rebuilding

__all__ = ["Direction", "configure", "run", "run_all"]

Direction = Literal["upgrade", "downgrade"]


class Context(MigrationContext):
    """Alembic's context on Erlen's engines."""

    before_block: Callable[[bool], None] | None = None
    """Called before the transaction is committed for a block without one, with whether that may be run again."""
    _repeatable = False
    _in_block = False
    end_block: Callable[[], None] | None = None
    """Called at the end of such a block, before a transaction is begun again."""

    @contextmanager
    def autocommit_block(self) -> Generator[None, None, None]:
        """Run what follows without a transaction, such as `CREATE INDEX CONCURRENTLY` or rows that are changed some at a time."""
        if self._in_block:  # one within another is the same block
            yield
            return
        if self.as_sql:
            with super().autocommit_block(), self._within():
                yield
            return
        if self.before_block is not None:
            self.before_block(self._repeatable)
        block = super().autocommit_block() if self.dialect.name == "postgresql" else self._without_begin()
        with block, self._within():
            yield
            if self.end_block is not None:
                self.end_block()

    @contextmanager
    def _within(self) -> Generator[None, None, None]:
        self._in_block = True
        try:
            yield
        finally:
            self._in_block = False

    @contextmanager
    def repeatable_block(self) -> Generator[None, None, None]:
        """Do the same as `autocommit_block`, for statements that may be run again where a run was interrupted among them."""
        self._repeatable = True
        try:
            with self.autocommit_block():
                self._repeatable = False
                yield
        finally:
            self._repeatable = False

    @contextmanager
    def _without_begin(self) -> Generator[None, None, None]:
        """Do without BEGIN, where the driver leaves each statement to commit by itself and Erlen's engines begin transactions by name."""
        connection, outer = self.connection, self._transaction
        if connection is None or outer is None:
            yield
            return
        outer.commit()
        self._transaction = None
        state = vars(connection.connection)
        begin = state.get("erlen_begin")
        state["erlen_begin"] = ""
        try:
            with connection.begin():
                yield
        finally:
            state.pop("erlen_begin") if begin is None else state.update(erlen_begin=begin)
            self._transaction = connection.begin()


def configure(connection: Connection, **options: Any) -> Context:
    """Return Alembic's context for a connection, as all of Erlen's migrations have it."""
    transactional = connection.dialect.name not in ("mysql", "mariadb")
    return Context(connection.dialect, connection, {"transactional_ddl": transactional, "transaction_per_migration": True, **options})


def run(
    context: MigrationContext,
    migration: Migration,
    direction: Direction = "upgrade",
    *,
    prepare: Callable[[Operations], None] | None = None,
) -> None:
    """Run one direction of a migration, within the transaction that is open, or none. Nothing is recorded.

    Args:
        context: Alembic's, of a connection.
        migration: whose file is run.
        direction: `upgrade` or `downgrade`.
        prepare: called with Alembic's operations before.

    Raises:
        HistoryError: if the file does not load or has no such direction.
    """
    function = getattr(migration.load(), direction, None)
    if function is None:
        raise HistoryError(f"{migration.path} has no `{direction}()`: it cannot be {'run' if direction == 'upgrade' else 'rolled back'}")
    operations = Operations(context)
    operations._install_proxy()
    try:
        if context.dialect.name == "sqlite" and not context.as_sql:
            rebuilding(operations)
        if prepare is not None:
            prepare(operations)
        function()
    finally:
        operations._remove_proxy()


def run_all(
    connection: Connection,
    migrations: Iterable[Migration],
    direction: Direction = "upgrade",
    *,
    prepare: Callable[[Operations], None] | None = None,
) -> None:
    """Run migrations on a scratch database, each in its own transaction; see `run`. Nothing is recorded.

    On SQLite foreign keys are off meanwhile, as tables are rebuilt by a copy that takes their place.
    """
    for migration in migrations:
        with without_foreign_keys(connection):
            context = configure(connection)
            with context.begin_transaction(_per_migration=True):
                run(context, migration, direction, prepare=prepare)


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
        if not connection.invalidated:  # as Ctrl-C leaves it: its driver's connection is closed
            driver.execute("PRAGMA foreign_keys = ON")
