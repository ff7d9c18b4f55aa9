"""What the tests of the database share: the three engines, each test in a database of its own."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL, create_engine, make_url
from sqlalchemy.pool import NullPool

SERVERS = {
    "postgresql": ("TEST_POSTGRESQL_URL", "postgresql://root@127.0.0.1:5432/test"),
    "mariadb": ("TEST_MYSQL_URL", "mariadb://root@127.0.0.1:3306/test"),
}
BACKENDS = ("sqlite", *SERVERS)
DRIVERS = {"postgresql": "psycopg", "mariadb": "pymysql", "mysql": "pymysql"}


def run_on(url: URL, *statements: str) -> None:
    """Run statements outside of a transaction, as whoever the address says."""
    engine = create_engine(url.set(drivername=f"{url.get_backend_name()}+{DRIVERS[url.get_backend_name()]}"), poolclass=NullPool)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


@pytest.fixture(scope="session")
def server_database() -> Iterator[Callable[[str], URL]]:
    """Make a database for this test process on a server, once; drop it at the end."""
    made: dict[str, tuple[URL, URL]] = {}
    failed: dict[str, str] = {}
    name = f"erlen_test_{os.getpid()}"

    def make(backend: str) -> URL:
        variable, default = SERVERS[backend]
        if backend in failed:
            pytest.skip(failed[backend])
        if backend not in made:
            server = make_url(os.environ.get(variable, default))
            try:
                run_on(server, f"DROP DATABASE IF EXISTS {name}", f"CREATE DATABASE {name}")
            except Exception as error:
                wrong = f"{backend} does not answer at {server}: start it, or set {variable} ({type(error).__name__})"
                if os.environ.get("CI") == "true":
                    pytest.fail(wrong)
                failed[backend] = wrong
                pytest.skip(wrong)
            made[backend] = server, server.set(database=name)
        return made[backend][1]

    yield make
    for server, url in made.values():
        force = " WITH (FORCE)" if url.get_backend_name() == "postgresql" else ""
        run_on(server, f"DROP DATABASE IF EXISTS {name}{force}")


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
        make: Callable[[str], URL] = request.getfixturevalue("server_database")
        url = make(backend)
        if backend == "postgresql":
            run_on(url, "DROP SCHEMA public CASCADE", "CREATE SCHEMA public")
        else:
            run_on(url.set(database=None), f"DROP DATABASE IF EXISTS {url.database}", f"CREATE DATABASE {url.database}")
        return url.render_as_string(hide_password=False)

    return empty
