"""Databases for tests: made once for each test process, and rolled back after each test (DESIGN, Lifecycles 11)."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import ExitStack, contextmanager

from sqlalchemy import URL, create_engine
from sqlalchemy.pool import NullPool

from erlen.db.database import Database
from erlen.db.engines import make_engines, resolve_url
from erlen.errors import ErlenError

__all__ = ["rolled_back", "test_databases"]


@contextmanager
def test_databases(database: Database) -> Generator[None, None, None]:
    """Give an application's `Database` empty databases with its models' tables; what it has otherwise is never touched.

    SQLite's are in memory. On a server a database is made beside each, called `test_<name>`, and in a process of pytest-xdist
    `test_<name>_gw0` and so on; it is dropped at the end.

    Raises:
        ErlenError: if a server refuses to make one.
    """
    urls: dict[str, str] = {}
    made: list[URL] = []
    for name in database.names:
        given = os.environ.get("DATABASE_URL") if name == "default" else None
        url = database.url(name) if given is None else resolve_url(given, os.getcwd())
        if url.get_backend_name() != "sqlite":
            url = url.set(database="_".join(filter(None, ["test", url.database, os.environ.get("PYTEST_XDIST_WORKER")])))
            _run(url, f"DROP DATABASE IF EXISTS {_quoted(url)}", f"CREATE DATABASE {_quoted(url)}")
            made.append(url)
            urls[name] = url.render_as_string(hide_password=False)
        else:
            urls[name] = "sqlite://"
    database.redirect(urls)
    try:
        database.create_all()
        yield
    finally:
        database.dispose()
        for url in made:
            _run(url, f"DROP DATABASE IF EXISTS {_quoted(url)}{' WITH (FORCE)' if url.get_backend_name() == 'postgresql' else ''}")


@contextmanager
def rolled_back(database: Database) -> Generator[None, None, None]:
    """Let every session of either colour use one connection to each database, and undo in the end what they did.

    Commits become savepoints. Requests take turns, because a connection has one savepoint after another; the test's own session need
    not wait for them.
    """
    with ExitStack() as stack:
        connections = {}
        for name in database.names:
            connection = stack.enter_context(database.engines(name).engine.connect())
            transaction = connection.begin()
            stack.callback(transaction.rollback)
            connections[name] = connection
        database.bound = connections
        try:
            yield
        finally:
            database.bound = {}


def _run(url: URL, *statements: str) -> None:
    """Run statements that no transaction may be around, from the server's own database."""
    backend = url.get_backend_name()
    server = url._replace(database="postgres" if backend == "postgresql" else None)
    driver = make_engines(server, "thread", Database("sqlite://")._options).engine.url
    engine = create_engine(driver, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)
    except Exception as error:
        raise ErlenError(f"the tests' database cannot be made with `{statements[-1]}`: {getattr(error, 'orig', error)}") from error


def _quoted(url: URL) -> str:
    mark = '"' if url.get_backend_name() == "postgresql" else "`"
    return mark + str(url.database).replace(mark, mark * 2) + mark
