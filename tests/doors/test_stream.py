"""Streams that wait for nothing, and what ends them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING

import pytest

from erlen.doors.asgi import AsgiDoor, AsgiRequest, Message
from erlen.doors.stream import send_stream
from erlen.http.response import StreamResponse

if TYPE_CHECKING:
    from tests.doors.small_site import SmallSite

MakeSite = Callable[..., "SmallSite"]


class Exchange:
    """A stream on its way to a client, by a server that never makes it wait."""

    def __init__(self, site: SmallSite, chunks: AsyncIterator[bytes], content_type: str = "text/plain") -> None:
        self.site = site
        self.gone = asyncio.Event()
        self.sent: list[bytes] = []
        self.response = StreamResponse(chunks, content_type=content_type)

    async def receive(self) -> Message:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, data: bytes) -> None:
        self.sent.append(data)

    async def run(self) -> bool:
        request = AsgiRequest("GET", "/", "", self.site, scope={"headers": []}, receive=self.receive, door=AsgiDoor(self.site))
        return await send_stream(request, self.response, self.site, self.send)


class Endless:
    """A generator that does not wait either; after a while it has something done."""

    def __init__(self, then: Callable[[], object]) -> None:
        self.then = then
        self.closed = False

    async def chunks(self) -> AsyncIterator[bytes]:
        try:
            for number in range(100_000):
                if number == 100:
                    self.then()
                yield b"x"
            raise AssertionError("the loop never had a turn")
        finally:
            self.closed = True


def test_a_stream_that_never_waits_ends_when_the_client_leaves(make_site: MakeSite) -> None:
    async def main() -> None:
        endless = Endless(lambda: exchange.gone.set())
        exchange = Exchange(make_site(), endless.chunks())
        assert not await exchange.run()
        assert endless.closed
        assert len(exchange.sent) < 500

    asyncio.run(main())


def test_a_stream_that_never_waits_leaves_the_loop_to_others(make_site: MakeSite) -> None:
    async def main() -> None:
        exchange = Exchange(make_site(), Endless(print).chunks())
        task = asyncio.ensure_future(exchange.run())
        for _ in range(20):
            await asyncio.sleep(0)
        assert 0 < len(exchange.sent) < 1000
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())


def test_an_event_stream_ends_when_the_worker_stops_and_another_goes_on(make_site: MakeSite) -> None:
    async def main() -> None:
        site = make_site()
        endless = Endless(site.draining.start)
        assert await Exchange(site, endless.chunks(), "text/event-stream").run()
        assert endless.closed

        async def few() -> AsyncIterator[bytes]:
            for _ in range(3):
                await asyncio.sleep(0)
                yield b"x"

        other = Exchange(site, few())
        assert await other.run()
        assert len(other.sent) == 3

    asyncio.run(main())


def test_a_generator_that_swallows_its_cancellation_is_ended_all_the_same(make_site: MakeSite) -> None:
    async def main() -> int:
        async def stubborn() -> AsyncIterator[bytes]:
            while True:
                try:
                    await asyncio.sleep(0.01)
                except asyncio.CancelledError:
                    pass
                yield b"x"

        exchange = Exchange(make_site(), stubborn())
        asyncio.get_running_loop().call_later(0.03, exchange.gone.set)
        assert not await asyncio.wait_for(exchange.run(), 2)
        task = asyncio.current_task()
        assert task is not None
        return task.cancelling()

    assert asyncio.run(main()) == 0
