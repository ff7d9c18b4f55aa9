"""Clients of an application through each door."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest

from erlen import App, Site
from erlen.app.door import Door
from erlen.testing import Client

MakeClient = Callable[..., Client]
KEY = "a key for tests that is long enough to sign with"


@pytest.fixture(params=["asgi", "rsgi", "wsgi"])
def door(request: pytest.FixtureRequest) -> Door:
    """Each door in turn."""
    return cast("Door", request.param)


@pytest.fixture
def make_client() -> Iterator[MakeClient]:
    """A function that makes started clients: `make_client(app, door=…, setting=value)`; all are closed with the test."""
    made: list[Client] = []

    def make(
        app: App | Site,
        *,
        door: Door = "asgi",
        overrides: dict[Any, Any] | None = None,
        raise_errors: bool = True,
        base_url: str = "http://localhost",
        follow_redirects: bool = False,
        **settings: Any,
    ) -> Client:
        if isinstance(app, App):
            overrides = {"secret_key": KEY, **(overrides or {}), **settings}
        client = Client(
            app, door=door, overrides=overrides, raise_errors=raise_errors, base_url=base_url, follow_redirects=follow_redirects
        )
        made.append(client)
        return client.__enter__()

    yield make
    for client in made:
        client.close()


@pytest.fixture
def client_for(make_client: MakeClient, door: Door) -> MakeClient:
    """The same through each door in turn."""

    def make(app: App | Site, **options: Any) -> Client:
        return make_client(app, door=door, **options)

    return make
