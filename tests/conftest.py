"""What every test shares.

Examples that do not change from run to run, no settings from the developer's shell, clients of each door, ports for servers, and the
proof of linear work.
"""

from __future__ import annotations

import gc
import os
import secrets
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from time import thread_time
from typing import Any, Protocol, cast

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

for name in ("ALLOWED_HOSTS", "DATABASE_URL", "DEBUG", "ERLEN_APP", "SECRET_KEY", "SECRET_KEYS", "TRUSTED_ORIGINS", "TRUSTED_PROXIES"):
    os.environ.pop(name, None)

MakeClient = Callable[..., Client]
KEY = "a key for tests that is long enough to sign with"


class AssertLinear(Protocol):
    def __call__(
        self, make: Callable[[int], Any], work: Callable[[Any], object], size: int, *, clock: Callable[[], float] = thread_time
    ) -> None: ...


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


@pytest.fixture(scope="session")
def free_port() -> Iterator[Callable[[], int]]:
    """A function that returns a port for a server to listen on; until the tests end, no other process of them is given the same.

    Servers may share a port (SO_REUSEPORT), so that two which were given the same one would each answer for the other. The ports are
    below those that systems hand out by themselves, and each is held by a UDP socket, which leaves it free for TCP.
    """
    with ExitStack() as held:

        def take() -> int:
            while True:
                port = 20_000 + secrets.randbelow(12_000)
                claim = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                try:
                    claim.bind(("127.0.0.1", port))
                    with socket.socket() as probe:
                        probe.bind(("127.0.0.1", port))
                except OSError:
                    claim.close()
                else:
                    held.enter_context(claim)
                    return port

        yield take


@pytest.fixture(scope="session")
def assert_linear() -> AssertLinear:
    """Fail if work grows with the square of its input: `assert_linear(make_input, work, size)`.

    Sixteen times the input takes linear work 16 times as long, and quadratic work 256 times. Only more than 64 times fails, of the
    processor time of this thread, and only if it is found on every attempt: a machine that is busy throughout stays far below that. Give
    a size of which sixteen times is tens of thousands of characters: quadratic work on it, even a copy of bytes, takes long enough to see.
    """

    def check(make: Callable[[int], Any], work: Callable[[Any], object], size: int, *, clock: Callable[[], float] = thread_time) -> None:
        def seconds(given: Any) -> float:
            begun = clock()
            work(given)
            return clock() - begun

        small, large = make(size), make(16 * size)
        ratios: list[float] = []
        collects = gc.isenabled()
        gc.disable()  # its passes over all that is alive are not the work's
        try:
            while len(ratios) < 5:
                # Half a millisecond at least: what is shorter tells of the clock and the caches, and would make any ratio look large.
                ratios.append(seconds(large) / max(0.0005, min(seconds(small) for _ in range(3))))
                if ratios[-1] <= 64:
                    return
        finally:
            if collects:
                gc.enable()
        pytest.fail(f"sixteen times the input takes {min(ratios):.0f} times as long")

    return check
