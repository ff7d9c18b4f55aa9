"""What every test shares: examples that do not change from run to run, no settings from the developer's shell, clients of each door."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, settings

from erlen import App, Site
from erlen.app.door import Door
from erlen.testing import Client

# A slow, shared machine must not fail a test: no deadlines. `deep` looks further, at random.
settings.register_profile(
    "ci", derandomize=True, deadline=None, max_examples=100, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("deep", deadline=None, max_examples=5000, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))

for name in ("ALLOWED_HOSTS", "DEBUG", "ERLEN_APP", "SECRET_KEY", "SECRET_KEYS", "TRUSTED_ORIGINS", "TRUSTED_PROXIES"):
    os.environ.pop(name, None)

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
