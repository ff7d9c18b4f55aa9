"""Handlers that stream, and what they depend on (Lifecycles 4)."""

from __future__ import annotations

import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator
from typing import Annotated, Any

import pytest

from erlen import App, Depends, Event, EventStreamResponse, Response, StreamResponse
from erlen.testing import Client

MakeClient = Callable[..., Client]


class Log(list[str]):
    """What happens, and a dependency of each colour that notes it."""

    def sync(self) -> Generator[str, object, None]:
        self.append("open")
        try:
            response: object = yield "value"
            self.append(f"close {response.status if isinstance(response, Response) else response}")
        except BaseException as error:
            self.append(f"close {type(error).__name__}")
            raise

    async def on_loop(self) -> AsyncGenerator[str, object]:
        self.append("open")
        try:
            response: object = yield "value"
            self.append(f"close {response.status if isinstance(response, Response) else response}")
        except BaseException as error:
            self.append(f"close {type(error).__name__}")
            raise

    def items(self, fail: bool = False) -> Iterator[str]:
        for number in range(3):
            self.append(f"item {number}")
            yield f"{number} "
        if fail:
            raise KeyError("in the middle")

    async def items_on_loop(self, fail: bool = False) -> AsyncIterator[str]:
        for number in range(3):
            self.append(f"item {number}")
            yield f"{number} "
        if fail:
            raise KeyError("in the middle")


def streaming(log: Log) -> App:
    """Each way to stream with a dependency."""
    app = App()
    Sync = Annotated[str, Depends(log.sync)]  # noqa: N806
    Loop = Annotated[str, Depends(log.on_loop)]  # noqa: N806

    @app.get("/generator/thread")
    def generator(value: Sync, fail: bool = False) -> Iterator[str]:
        yield from log.items(fail)

    @app.get("/generator/loop")
    async def generator_on_loop(value: Loop, fail: bool = False) -> AsyncIterator[str]:
        async for item in log.items_on_loop(fail):
            yield item

    @app.get("/unannotated/thread")
    def unannotated(value: Sync, fail: bool = False):  # type: ignore[no-untyped-def]
        yield from log.items(fail)

    @app.get("/unannotated/loop")
    async def unannotated_on_loop(value: Loop, fail: bool = False):  # type: ignore[no-untyped-def]
        async for item in log.items_on_loop(fail):
            yield item

    @app.get("/response/thread")
    def response(value: Sync, fail: bool = False) -> StreamResponse:
        return StreamResponse(log.items(fail))

    @app.get("/response/loop")
    async def response_on_loop(value: Loop, fail: bool = False) -> StreamResponse:
        return StreamResponse(log.items_on_loop(fail))

    @app.get("/returned/thread")
    def returned(value: Sync, fail: bool = False) -> Any:
        return log.items(fail)

    @app.get("/mixed/loop")
    async def mixed(value: Loop, fail: bool = False) -> StreamResponse:
        return StreamResponse(log.items(fail))

    @app.get("/mixed/thread")
    def mixed_thread(value: Sync, fail: bool = False) -> StreamResponse:
        return StreamResponse(log.items_on_loop(fail))

    return app


WAYS = [
    "/generator/thread",
    "/generator/loop",
    "/unannotated/thread",
    "/unannotated/loop",
    "/response/thread",
    "/response/loop",
    "/returned/thread",
    "/mixed/loop",
    "/mixed/thread",
]


def test_dependencies_of_a_stream_are_closed_at_its_end(client_for: MakeClient) -> None:
    log = Log()
    client = client_for(streaming(log))
    for path in WAYS:
        log.clear()
        assert client.get(path).text == "0 1 2 ", path
        assert list(log) == ["open", "item 0", "item 1", "item 2", "close 200"], path


def test_dependencies_of_a_stream_that_fails_are_told_the_error(client_for: MakeClient) -> None:
    log = Log()
    client = client_for(streaming(log), raise_errors=False)
    for path in WAYS:
        log.clear()
        try:
            client.get(path + "?fail=1")
        except Exception:  # noqa: BLE001 - how a broken stream looks differs between doors
            pass
        assert log[-1] == "close KeyError", (path, log)
        assert log.count("open") == 1


@pytest.mark.parametrize("door", ["asgi", "rsgi"])
def test_dependencies_are_closed_when_the_client_goes_away(make_client: MakeClient, door: str) -> None:
    closed = threading.Event()
    app = App()

    async def opens() -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            closed.set()

    @app.get("/")
    async def endless(value: Annotated[int, Depends(opens)]) -> AsyncIterator[str]:
        import asyncio

        while True:
            yield "x" * 100
            await asyncio.sleep(0.001)

    with make_client(app, door=door).stream("GET", "/") as response:
        next(response.iter_bytes())
    assert closed.wait(30)


def test_head_closes_dependencies_without_making_an_item(client_for: MakeClient) -> None:
    log = Log()
    client = client_for(streaming(log))
    for path in WAYS:
        log.clear()
        assert client.head(path).content == b"", path
        assert log[0] == "open", path
        assert log[-1].startswith("close"), (path, log)
        assert "item 1" not in log, path


def test_head_of_a_compressible_stream_closes_its_generator(client_for: MakeClient) -> None:
    closed: list[bool] = []
    app = App()

    @app.get("/")
    def words():  # type: ignore[no-untyped-def]
        try:
            yield "a"
        finally:
            closed.append(True)

    client_for(app).head("/", headers={"accept-encoding": "gzip"})
    assert closed == [True]


def test_items_arrive_while_the_stream_is_made(make_client: MakeClient) -> None:
    for door in ("asgi", "rsgi", "wsgi"):
        go_on = threading.Event()
        app = App()

        app.provide(threading.Event, go_on)

        @app.get("/")
        def ticks(go_on: threading.Event) -> Iterator[Event]:
            yield Event("first")
            assert go_on.wait(30)
            yield Event("second")

        with make_client(app, door=door).stream("GET", "/") as response:
            events = response.iter_events()
            assert next(events).data == "first"
            go_on.set()
            assert next(events).data == "second"


@pytest.mark.parametrize("colour", ["loop", "thread"])
def test_an_error_before_the_first_item_is_an_ordinary_error(client_for: MakeClient, colour: str) -> None:
    app = App()

    def fails():  # type: ignore[no-untyped-def]
        raise KeyError("early")
        yield ""

    async def fails_on_loop():  # type: ignore[no-untyped-def]
        raise KeyError("early")
        yield ""

    app.get("/")(fails if colour == "thread" else fails_on_loop)
    assert client_for(app, raise_errors=False).get("/").status == 500


def test_an_event_stream_response_closes_dependencies_too(client_for: MakeClient) -> None:
    log = Log()
    app = App()

    @app.get("/")
    async def events(value: Annotated[str, Depends(log.on_loop)]) -> EventStreamResponse:
        return EventStreamResponse(log.items_on_loop())

    assert client_for(app).get("/").text.count("data:") == 3
    assert log[-1] == "close 200"


def test_a_synchronous_generator_borrows_a_thread_for_each_item_only(make_client: MakeClient) -> None:
    app = App()

    @app.get("/")
    def slow() -> Iterator[str]:
        yield "a"
        yield "b"

    @app.get("/quick")
    def quick() -> str:
        return "quick"

    client = make_client(app, threads=1)
    with client.stream("GET", "/") as response:
        chunks = response.iter_bytes()
        assert next(chunks) == b"a"
        assert client.get("/quick").text == "quick"
        assert b"".join(chunks) == b"b"
