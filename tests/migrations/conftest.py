"""What the tests of migrations share: the three engines, each test in a database of its own, and a folder with an application."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import URL, Connection, Engine, create_engine, make_url
from sqlalchemy.pool import NullPool

from erlen.cli.main import main
from erlen.db import Database, Model
from erlen.migrations.files import Draft, write_migration
from erlen.migrations.migration import Migration
from erlen.migrations.target import FOLDER, Target

SERVERS = {
    "postgresql": ("TEST_POSTGRESQL_URL", "postgresql://root@127.0.0.1:5432/test"),
    "mariadb": ("TEST_MYSQL_URL", "mariadb://root@127.0.0.1:3306/test"),
}
BACKENDS = ("sqlite", *SERVERS)
DRIVERS = {"sqlite": "pysqlite", "postgresql": "psycopg", "mariadb": "pymysql", "mysql": "pymysql"}


def plain_engine(url: URL) -> Engine:
    """An engine of SQLAlchemy's own, which commits each statement by itself and keeps no connection."""
    driver = DRIVERS[url.get_backend_name()]
    return create_engine(url.set(drivername=f"{url.get_backend_name()}+{driver}"), poolclass=NullPool, isolation_level="AUTOCOMMIT")


class Server:
    """A database server with a database for this test process."""

    def __init__(self, backend: str, address: URL) -> None:
        self.backend = backend
        self.connection = plain_engine(address).connect()
        self.url = address.set(database=f"erlen_migrations_{os.getpid()}")
        self.name = str(self.url.database)
        self.empty()

    def run(self, *statements: str) -> None:
        for statement in statements:
            self.connection.exec_driver_sql(statement)

    def drop(self) -> None:
        """Drop the database, and end whoever is left in it."""
        if self.backend != "postgresql":
            rows = self.connection.exec_driver_sql("SELECT id FROM information_schema.processlist WHERE db = %s", (self.name,))
            self.run(*(f"KILL {row.id}" for row in rows))
        self.run(f"DROP DATABASE IF EXISTS {self.name}{' WITH (FORCE)' if self.backend == 'postgresql' else ''}")

    def empty(self) -> None:
        """Leave nothing of the test before."""
        self.drop()
        self.run(f"CREATE DATABASE {self.name}")

    def close(self) -> None:
        self.drop()
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
                failed[backend] = f"{backend} does not answer at {address}: start it, or set {variable} ({type(error).__name__}: {error})"
        if backend in failed:
            if os.environ.get("CI") == "true":
                pytest.fail(failed[backend])
            pytest.skip(failed[backend])
        return made[backend]

    yield find
    for each in made.values():
        each.close()


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    """Each engine in turn."""
    return str(request.param)


@pytest.fixture
def database_url(backend: str, url_of: Callable[[str], str]) -> str:
    """The address of an empty database: on SQLite, PostgreSQL and MariaDB in turn."""
    return url_of(backend)


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


@pytest.fixture
def connect_to() -> Iterator[Callable[[str], Connection]]:
    """Give a connection that commits each statement by itself, as a stranger to Erlen has it: `connect_to(database_url)`."""
    opened: list[Connection] = []

    def connect(url: str) -> Connection:
        opened.append(plain_engine(make_url(url)).connect())
        return opened[-1]

    yield connect
    for connection in opened:
        connection.close()


@pytest.fixture
def base() -> type[Model]:
    """A base class of its own for the models of one test."""

    class Own(Model, isolated=True):
        pass

    return Own


@pytest.fixture
def target_of(tmp_path: Path) -> Callable[..., Target]:
    """Give the target of a database, with models of `base` and migrations in `tmp_path / "migrations"`: `target_of(url, base)`."""

    def make(url: str, base: type[Model]) -> Target:
        return Target(database=Database(url, base=base), root=tmp_path / FOLDER)

    return make


@pytest.fixture
def write_step(tmp_path: Path) -> Callable[..., Migration]:
    """Write the next migration by hand: `write_step("add book", 'op.create_table(…)', 'op.drop_table("book")')`."""

    def write(message: str, upgrade: str, downgrade: str | None = None, **more: object) -> Migration:
        folder = Path(str(more.pop("folder", tmp_path / FOLDER)))
        return write_migration(Draft(message=message, upgrade=dedent(upgrade), downgrade=downgrade, **more), folder)  # type: ignore[arg-type]

    return write


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty current folder; what is imported from it is forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ERLEN_APP", raising=False)
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield tmp_path
    forget(tmp_path)


def forget(folder: Path) -> None:
    """Forget the modules of a folder, as a new process has none of them."""
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None) or "").startswith(f"{folder}{os.sep}"):
            del sys.modules[name]


@pytest.fixture
def write(folder: Path) -> Callable[..., Path]:
    """A function that writes a file into the folder: `write("app.py", source)`."""

    def write(name: str, source: str) -> Path:
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(dedent(source))
        return file

    return write


@pytest.fixture
def write_app(write: Callable[..., Path]) -> Callable[..., Path]:
    """Write an application with a database and models: `write_app(url, '''class Book(Base): …''')`.

    Its models are derived from `Base`, which each import of it makes anew.
    """

    def write_app(url: str, models: str = "", *, name: str = "app.py") -> Path:
        head = """
            from __future__ import annotations

            import sqlalchemy as sa
            from erlen import App
            from erlen.db import *

            class Base(Model, isolated=True):
                pass

            """
        tail = f"""
            app = App()
            app.use(Database({url!r}, base=Base))
            """
        return write(name, dedent(head) + dedent(models) + dedent(tail))

    return write_app


@pytest.fixture
def run(folder: Path) -> Callable[..., Result]:
    """The command line in this process, which loads the application anew each time: `run("db", "migrate", DEBUG="1", input="y\\n")`."""

    def run(*arguments: str, input: str | None = None, **environment: str) -> Result:
        forget(folder)
        return CliRunner().invoke(main, arguments, env=environment, input=input, prog_name="erlen")

    return run


@pytest.fixture
def start(folder: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start the command line in a process of its own: `start("db", "migrate")`; whatever still runs at the end is killed."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str, **environment: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "erlen", *arguments],
            cwd=folder,
            env={name: value for name, value in os.environ.items() if name != "DEBUG"} | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
