"""Startup and shutdown run in one task on every door, and leave nothing behind."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import weakref
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from erlen.doors.asgi import AsgiDoor
from erlen.doors.lifespan import Lifespan
from erlen.doors.rsgi import RsgiDoor
from erlen.doors.wsgi import WsgiDoor

if TYPE_CHECKING:
    from tests.doors.small_site import SmallSite

MakeSite = Callable[..., "SmallSite"]


class Held:
    """What a lifespan holds open across its yield: a task group with a task, and a time limit; both belong to their task."""

    def __init__(self) -> None:
        self.events: list[str] = []

    async def startup(self) -> None:
        self.group = asyncio.TaskGroup()
        await self.group.__aenter__()
        self.limit = asyncio.timeout(30)
        await self.limit.__aenter__()
        self.task = self.group.create_task(self.work())
        self.events.append("started")

    async def shutdown(self) -> None:
        self.task.cancel()
        await self.limit.__aexit__(None, None, None)
        await self.group.__aexit__(None, None, None)
        self.events.append("stopped")

    async def work(self) -> None:
        await asyncio.sleep(60)


@pytest.fixture(autouse=True)
def signals() -> Iterator[None]:
    """Handlers are as before, after every door."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, lambda *_: None) for number in numbers]
    own = [signal.getsignal(number) for number in numbers]
    yield
    after = [signal.getsignal(number) for number in numbers]
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)
    assert after == own


def by_rsgi(site: SmallSite) -> None:
    door, loop = RsgiDoor(site), asyncio.new_event_loop()
    try:
        door.__rsgi_init__(loop)
        door.__rsgi_del__(loop)
    finally:
        loop.close()


def by_asgi(site: SmallSite) -> None:
    sent: list[str] = []

    async def receive() -> dict[str, Any]:
        return {"type": "lifespan.startup"}

    async def send(message: Any) -> None:
        sent.append(message["type"])

    asyncio.run(AsgiDoor(site)({"type": "lifespan"}, receive, send))
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


def by_wsgi(site: SmallSite) -> None:
    door = WsgiDoor(site)
    door.startup()
    door.startup()
    door.shutdown()
    door.shutdown()


DOORS = [by_rsgi, by_asgi, by_wsgi]


@pytest.mark.parametrize("run", DOORS)
def test_a_lifespan_may_hold_a_task_group_open(make_site: MakeSite, run: Callable[[SmallSite], None]) -> None:
    site, held = make_site(), Held()
    site.lifespans.append(held)
    run(site)
    assert held.events == ["started", "stopped"]
    assert site.draining.started


class Broken:
    async def startup(self) -> None:
        raise ValueError("no database")

    async def shutdown(self) -> None: ...


@pytest.mark.parametrize("run", DOORS)
def test_what_startup_raises_is_passed_on(make_site: MakeSite, run: Callable[[SmallSite], None]) -> None:
    site = make_site()
    site.lifespans.append(Broken())
    with pytest.raises(ValueError, match="no database"):
        run(site)
    site.draining.start()


@pytest.mark.parametrize("run", [by_rsgi, by_wsgi])
def test_what_shutdown_raises_is_passed_on(make_site: MakeSite, run: Callable[[SmallSite], None]) -> None:
    class Stuck(Broken):
        async def startup(self) -> None: ...

        async def shutdown(self) -> None:
            raise ValueError("does not stop")

    site = make_site()
    site.lifespans.append(Stuck())
    with pytest.raises(ValueError, match="does not stop"):
        run(site)


def test_a_wsgi_door_is_collected_after_it_has_shut_down(make_site: MakeSite) -> None:
    door = WsgiDoor(make_site())
    door.startup()
    door.shutdown()
    gone = weakref.ref(door)
    del door
    gc.collect()
    assert gone() is None


def test_a_failing_task_of_a_group_stops_the_site_and_is_told(make_site: MakeSite, caplog: pytest.LogCaptureFixture) -> None:
    class Failing(Held):
        async def work(self) -> None:
            raise ValueError("in the background")

    async def main() -> None:
        site, held = make_site(), Failing()
        site.lifespans.append(held)
        lifespan = Lifespan(site)
        await lifespan.start()
        await asyncio.sleep(0.01)
        with pytest.raises(ExceptionGroup) as caught:
            await lifespan.stop()
        assert caught.group_contains(ValueError, match="in the background")

    with caplog.at_level(logging.ERROR, "erlen.doors"):
        asyncio.run(main())
    assert "the lifespan was cancelled" in caplog.text
