"""Connections for migrations, with time limits of their own, and scratch databases that migrations are tried in."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager

from msgspec import Struct
from sqlalchemy import URL, Connection, Engine, create_engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from erlen.db.engines import EngineOptions, make_engines
from erlen.errors import ErlenError
from erlen.migrations.target import Target

__all__ = ["Limits", "connect", "open_engine", "scratch"]


class Limits(Struct, frozen=True, kw_only=True):
    """How long a statement of a migration may wait and run, in seconds."""

    lock_timeout: float = 5.0
    """Waiting for a lock: whoever comes after a waiting ALTER TABLE waits with it, so it gives up soon and is tried again."""
    statement_timeout: float | None = 900.0
    """Running; None for no limit."""


def open_engine(url: URL, limits: Limits) -> Engine:
    """Make an engine that keeps no connection open. Its `begin()` begins with BEGIN on every database, without a lock on SQLite."""
    options = EngineOptions(pool_size=2, lock_timeout=limits.lock_timeout, statement_timeout=limits.statement_timeout)
    return make_engines(url, "thread", options).engine


@contextmanager
def connect(target: Target, limits: Limits | None = None) -> Generator[Connection, None, None]:
    """Connect to a target's database; what is not committed is rolled back at the end."""
    if target.database.bound:  # a test's connection: nothing else sees what it did
        yield target.database.bound[target.name]
        return
    engine = open_engine(target.database.url(target.name), limits or Limits())
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


@contextmanager
def scratch(target: Target) -> Generator[Connection, None, None]:
    """Connect to a new, empty database of the target's kind, which is dropped at the end.

    On SQLite it is in memory; on a server it is made beside the target's, as `<name>_scratch_<process>`.

    Raises:
        ErlenError: if the server is not to be reached, or does not make one.
    """
    url = target.database.url(target.name)
    if target.dialect == "sqlite":
        memory = url.set(database=f"file:/erlen-scratch-{os.urandom(8).hex()}", query={"vfs": "memdb", "uri": "true"})
        engine = open_engine(memory, Limits())
        try:
            with engine.connect() as connection:
                yield connection
        finally:
            engine.dispose()
        return
    made = url.set(database=_beside(str(url.database), f"_scratch_{os.getpid()}_{os.urandom(2).hex()}"))
    _on_server(made, f"CREATE DATABASE {_quoted(made)}")
    engine = open_engine(made, Limits())
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()
        _on_server(made, f"DROP DATABASE IF EXISTS {_quoted(made)}{' WITH (FORCE)' if target.dialect == 'postgresql' else ''}")


def _on_server(url: URL, statement: str) -> None:
    """Run a statement that no transaction may be around, from the server's own database."""
    server = url._replace(database="postgres" if url.get_backend_name() == "postgresql" else None)
    driver = make_engines(server, "thread", EngineOptions()).engine.url
    engine = create_engine(driver, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    try:
        connection = engine.connect()
    except DBAPIError as error:
        raise ErlenError(
            f"no connection to the server, for a scratch database that migrations are tried in: {str(error.orig).strip()}\n"
            "  fix start the server, or correct the address of the database"
        ) from error
    try:
        with connection:
            connection.exec_driver_sql(statement.replace("%", "%%"))
    except DBAPIError as error:
        said = f"the server does not make a scratch database, which migrations are tried in: {str(error.orig).strip()}"
        if _lacks_privilege(error):
            said += (
                f"\n  fix let the user make databases: on PostgreSQL `ALTER ROLE {url.username} CREATEDB`, on MySQL and MariaDB "
                f"`GRANT ALL ON `{_pattern(str(url.database))}`.* TO …`"
            )
        raise ErlenError(said) from error


def _lacks_privilege(error: DBAPIError) -> bool:
    """Whether a statement was refused because of who asked: SQLSTATE on PostgreSQL, numbers of errors on MySQL and MariaDB."""
    if getattr(error.orig, "sqlstate", None) == "42501":
        return True
    return error.orig is not None and bool(error.orig.args) and error.orig.args[0] in (1044, 1045, 1227)


def _beside(name: str, more: str) -> str:
    """Return a name with something after it, cut to the 63 bytes that PostgreSQL has for it, and MySQL about as many."""
    return name.encode()[: 63 - len(more)].decode(errors="ignore") + more


def _pattern(name: str) -> str:
    """Return a name of a scratch database as GRANT takes it for all of them."""
    return name.rpartition("_scratch_")[0].replace("_", "\\_") + "\\_scratch\\_%"


def _quoted(url: URL) -> str:
    mark = '"' if url.get_backend_name() == "postgresql" else "`"
    return mark + str(url.database).replace(mark, mark * 2) + mark
