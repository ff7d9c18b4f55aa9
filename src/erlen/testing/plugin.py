"""The pytest plugin: the application and clients for it, as fixtures. Loaded by pytest itself; imports Erlen only where it is used."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from erlen.app.application import App
    from erlen.db.database import Database
    from erlen.db.session import AsyncSession, Session
    from erlen.testing.async_client import AsyncClient
    from erlen.testing.client import Client
    from erlen.testing.factory import RequestFactory

__all__ = ["app", "async_client", "async_db", "client", "database", "db", "request_factory"]


@pytest.fixture(scope="session")
def app(pytestconfig: pytest.Config) -> App:
    """Find the application as `erlen run` does: from the folder where pytest runs, else from its root folder.

    Override this fixture in your `conftest.py` to test another one.
    """
    from erlen.app.application import App
    from erlen.errors import ConfigurationError
    from erlen.server.target import find_target, load_app

    folder = pytestconfig.invocation_params.dir
    try:
        find_target(folder=folder)
    except ConfigurationError:
        folder = pytestconfig.rootpath
    found = load_app(folder=folder)
    if not isinstance(found, App):
        raise pytest.UsageError(f"the fixture `app` found {found!r}, which is no erlen.App: override `app` in your conftest.py")
    return found


@pytest.fixture(scope="session")
def _test_databases() -> Iterator[tuple[ExitStack, dict[int, Database]]]:
    with ExitStack() as stack:
        yield stack, {}


@pytest.fixture
def database(app: App, _test_databases: tuple[ExitStack, dict[int, Database]]) -> Iterator[Database | None]:
    """The application's database, on a test database whose changes are undone after each test; None without one.

    Every test that has a `client` has it too: no test reaches the database of the settings.
    """
    found: Database | None = next((plugin for plugin, _ in app.plugins if plugin.name == "db"), None)  # type: ignore[assignment]
    if found is None:
        yield None
        return
    from erlen.db.testing import rolled_back, test_databases

    stack, ready = _test_databases
    if id(found) not in ready:
        stack.enter_context(test_databases(found))
        ready[id(found)] = found
    with rolled_back(found):
        yield found


@pytest.fixture
def db(database: Database | None) -> Iterator[Session]:
    """A session on the test's database, which the application's own sessions see too; committed or not, it is undone."""
    from erlen.db.session import Session

    with Session(_required(database)) as session:
        yield session


@pytest.fixture
def async_db(database: Database | None) -> AsyncSession:
    """The same for `async def` tests."""
    from erlen.db.session import AsyncSession

    return AsyncSession(_required(database))


def _required(database: Database | None) -> Database:
    if database is None:
        raise pytest.UsageError("the fixture `db` found no database: let the application use one, `app.use(Database(…))`")
    return database


@pytest.fixture
def client(app: App, database: Database | None) -> Iterator[Client]:
    """A client of the application, which starts before the test and stops after it."""
    from erlen.testing.client import Client

    with Client(app) as client:
        yield client


@pytest.fixture
def async_client(app: App, database: Database | None) -> Iterator[AsyncClient]:
    """A client for `async def` tests; the application starts at its first request, or with `async with async_client:`."""
    from erlen.testing.async_client import AsyncClient

    client = AsyncClient(app)
    yield client
    client._connection.close_on_its_loop()


@pytest.fixture
def request_factory(app: App) -> RequestFactory:
    """Makes requests for functions that take one."""
    from erlen.testing.factory import RequestFactory

    return RequestFactory(app)
