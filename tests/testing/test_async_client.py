"""The client for `async def` tests, on every door."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from typing import Any

import pytest

from erlen import App, Request
from erlen.testing import AsyncClient


def test_answers_on_the_running_loop(app: App, door: Any, room: Any) -> None:
    async def test() -> None:
        async with AsyncClient(app, door=door) as client:
            assert room.happened == ["start"]
            assert (await client.get("/")).json() == {"hello": "world"}
            assert (await client.post("/form", data={"a": 1})).json()["fields"] == [["a", "1"]]
            for verb in ("put", "patch", "delete", "options"):
                assert (await getattr(client, verb)("/echo")).json()["method"] == verb.upper()
            assert (await client.head("/")).content == b""
            with client.session() as session:
                session["seen"] = 1
            assert (await client.get("/session")).json() == {"seen": 2}
        assert room.happened == ["start", "stop"]

    asyncio.run(test())


def test_application_and_test_share_the_loop() -> None:
    app = App()

    async def test() -> None:
        opened = asyncio.Event()

        @app.get("/")
        async def wait() -> str:
            await opened.wait()
            return "opened"

        async with AsyncClient(app) as client:
            answer = asyncio.create_task(client.get("/"))
            await asyncio.sleep(0)
            opened.set()
            assert (await answer).text == "opened"

    asyncio.run(test())


def test_requests_at_once_are_answered_at_once(app: App, door: Any, room: Any) -> None:
    async def test() -> None:
        async with AsyncClient(app, door=door) as client:
            waiting = [asyncio.create_task(client.get("/wait")) for _ in range(8)]
            assert (await client.get("/")).ok
            room.gate.set()
            assert {(await one).text for one in waiting} == {"waited"}

    asyncio.run(test())


def test_streams_lines_and_events(streaming_app: App, door: Any, room: Any) -> None:
    async def test() -> None:
        async with AsyncClient(streaming_app, door=door) as client:
            async with client.stream("GET", "/gated") as response:
                lines = response.iter_lines()
                assert await anext(lines) == "first"
                room.gate.set()
                assert [line async for line in lines] == ["second", "third"]
            async with client.stream("GET", "/events") as response:
                assert (await anext(response.iter_events())).json() == {"number": 0}
            assert "closed" in room.happened
            async with client.stream("GET", "/") as response:
                assert await response.read() == b"home"

    asyncio.run(test())


def test_asynchronous_pieces_arrive(app: App, door: Any) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for number in range(3):
            await asyncio.sleep(0)
            yield str(number).encode()

    async def test() -> None:
        async with AsyncClient(app, door=door) as client:
            assert (await client.post("/pour", content=pieces())).text == "012"

    asyncio.run(test())


def test_unexpected_error_is_raised(streaming_app: App, door: Any) -> None:
    async def test() -> None:
        async with AsyncClient(streaming_app, door=door) as client:
            with pytest.raises(LookupError, match="this handler breaks"):
                await client.get("/boom")
            async with client.stream("GET", "/breaking") as response:
                with pytest.raises(LookupError, match="in the middle"):
                    await response.read()

    asyncio.run(test())


def test_cancelled_request_cancels_the_handler() -> None:
    app = App()
    seen: list[str] = []

    @app.get("/")
    async def wait() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    async def test() -> None:
        async with AsyncClient(app) as client:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await client.get("/")
            assert seen == ["cancelled"]

    asyncio.run(test())


def test_site_stops_with_the_loop_where_nobody_closes(app: App, door: Any, room: Any) -> None:
    async def test() -> AsyncClient:
        client = AsyncClient(app, door=door)
        assert (await client.get("/")).ok
        return client

    client = asyncio.run(test())
    assert room.happened == ["start", "stop"]
    with pytest.raises(RuntimeError, match="closed, or the event loop it began on has ended"):
        asyncio.run(client.get("/"))


def test_dropped_client_stops_with_the_loop_too(app: App, door: Any, room: Any) -> None:
    async def test() -> None:
        client = AsyncClient(app, door=door)
        assert (await client.get("/")).ok
        del client
        gc.collect()
        assert room.happened == ["start"]

    asyncio.run(test())
    assert room.happened == ["start", "stop"]


def test_lifespan_holds_a_task_group_across_requests() -> None:
    """Start and stop must run in one task: a task group belongs to the task that opened it."""
    app = App()
    seen: list[str] = []

    @app.lifespan
    async def life() -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as group, asyncio.timeout(30):
            task = group.create_task(asyncio.sleep(30))
            yield
            task.cancel()
        seen.append("stopped")

    @app.get("/")
    async def home(request: Request) -> str:
        return "home"

    async def test() -> None:
        async with AsyncClient(app, door="rsgi") as client:
            assert (await client.get("/")).text == "home"

    asyncio.run(test())
    assert seen == ["stopped"]


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_works_under_a_plugin_that_runs_the_loop(app: App, anyio_backend: str) -> None:
    client = AsyncClient(app)
    assert (await client.get("/")).ok
    await client.close()
    await client.close()
