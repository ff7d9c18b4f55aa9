"""The pytest plugin: the application and clients for it, as fixtures. Loaded by pytest itself; imports Erlen only where it is used."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from erlen.app.application import App
    from erlen.testing.async_client import AsyncClient
    from erlen.testing.client import Client
    from erlen.testing.factory import RequestFactory

__all__ = ["app", "async_client", "client", "request_factory"]


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


@pytest.fixture
def client(app: App) -> Iterator[Client]:
    """A client of the application, which starts before the test and stops after it."""
    from erlen.testing.client import Client

    with Client(app) as client:
        yield client


@pytest.fixture
def async_client(app: App) -> Iterator[AsyncClient]:
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
