"""What the tests of the database share: the three engines, each test in a database of its own."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import URL, Connection, create_engine, make_url
from sqlalchemy.pool import NullPool

SERVERS = {
    "postgresql": ("TEST_POSTGRESQL_URL", "postgresql://root@127.0.0.1:5432/test"),
    "mariadb": ("TEST_MYSQL_URL", "mariadb://root@127.0.0.1:3306/test"),
}
BACKENDS = ("sqlite", *SERVERS)
DRIVERS = {"postgresql": "psycopg", "mariadb": "pymysql", "mysql": "pymysql"}


def connect(url: URL) -> Connection:
    """Connect outside of a transaction, as whoever the address says."""
    driver = DRIVERS[url.get_backend_name()]
    engine = create_engine(url.set(drivername=f"{url.get_backend_name()}+{driver}"), poolclass=NullPool, isolation_level="AUTOCOMMIT")
    return engine.connect()


class Server:
    """A database server with a database for this test process."""

    def __init__(self, backend: str, address: URL) -> None:
        self.backend = backend
        self.connection = connect(address)
        self.url = address.set(database=f"erlen_test_{os.getpid()}")
        self.name = str(self.url.database)
        self.run(f"DROP DATABASE IF EXISTS {self.name}", f"CREATE DATABASE {self.name}")
        self.inside = connect(self.url) if backend == "postgresql" else self.connection

    def run(self, *statements: str) -> None:
        for statement in statements:
            self.connection.exec_driver_sql(statement)

    def empty(self) -> None:
        """Leave nothing of the test before."""
        if self.backend == "postgresql":
            self.inside.exec_driver_sql("SET lock_timeout = 30000; DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        else:
            self.run(f"DROP DATABASE IF EXISTS {self.name}", f"CREATE DATABASE {self.name}")

    def close(self) -> None:
        self.inside.close()
        if self.connection.closed:
            self.connection = connect(self.url.set(database="mysql"))
        self.run(f"DROP DATABASE IF EXISTS {self.name}{' WITH (FORCE)' if self.backend == 'postgresql' else ''}")
        self.connection.close()


@pytest.fixture(scope="session")
def server() -> Iterator[Callable[[str], Server]]:
    """Give the server of an engine; where none answers, the test is skipped, and fails in CI."""
    made: dict[str, Server] = {}
    failed: dict[str, str] = {}

    def find(backend: str) -> Server:
        variable, default = SERVERS[backend]
        if backend not in made and backend not in failed:
            address = make_url(os.environ.get(variable, default))
            try:
                made[backend] = Server(backend, address)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is the reason
                failed[backend] = f"{backend} does not answer at {address}: start it, or set {variable} ({type(error).__name__})"
        if backend in failed:
            if os.environ.get("CI") == "true":
                pytest.fail(failed[backend])
            pytest.skip(failed[backend])
        return made[backend]

    yield find
    for each in made.values():
        each.close()


@pytest.fixture(params=BACKENDS)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty database: on SQLite, PostgreSQL and MariaDB in turn."""
    return request.getfixturevalue("url_of")(request.param)  # type: ignore[no-any-return]


@pytest.fixture
def url_of(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], str]:
    """Give the address of an empty database of one engine."""

    def empty(backend: str) -> str:
        if backend == "sqlite":
            return f"sqlite:///{tmp_path / 'test.db'}"
        find: Callable[[str], Server] = request.getfixturevalue("server")
        find(backend).empty()
        return find(backend).url.render_as_string(hide_password=False)

    return empty
