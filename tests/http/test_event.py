from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterable, AsyncIterator, Iterator
from contextvars import ContextVar
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

from erlen.http.event import Event, EventStreamResponse, JSONLinesResponse
from erlen.http.response import StreamResponse


class Point(Struct):
    x: int


def browser(stream: bytes) -> list[tuple[str, str, str]]:
    """Read a stream as WHATWG HTML, section 9.2.6, says: (event, data, last id) for each message."""
    messages, data, kind, last_id = [], "", "", ""
    for line in re.split("\r\n|\r|\n", stream.decode().removeprefix("\ufeff"))[:-1]:
        if not line:
            if data:
                messages.append((kind or "message", data.removesuffix("\n"), last_id))
            data = kind = ""
            continue
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "data":
            data += value + "\n"
        elif field == "event":
            kind = value
        elif field == "id" and "\0" not in value:
            last_id = value
    return messages


async def collected(response: StreamResponse) -> list[bytes]:
    assert isinstance(response.chunks, AsyncIterable)
    return [chunk if isinstance(chunk, bytes) else chunk.encode() async for chunk in response.chunks]


# -- one event ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("event", "sent"),
    [
        (Event("hello"), b"data: hello\n\n"),
        (Event(), b"data: \n\n"),
        (Event("a\nb\r\nc\rd\n"), b"data: a\ndata: b\ndata: c\ndata: d\ndata: \n\n"),
        (Event({"a": [1, "x\ny"]}), b'data: {"a":[1,"x\\ny"]}\n\n'),
        (Event(None), b"data: null\n\n"),
        (Event(Point(1)), b'data: {"x":1}\n\n'),
        (Event("x", event="tick", id="7", retry=500, comment="why"), b": why\nevent: tick\nid: 7\nretry: 500\ndata: x\n\n"),
        (Event(event="ping"), b"event: ping\ndata: \n\n"),
        (Event(comment="alive\nstill"), b": alive\n: still\n\n"),
        (Event(retry=0), b"retry: 0\n\n"),
        (Event(id=""), b"id: \n\n"),
        (Event("\ud800é"), "data: ?é\n\n".encode()),
    ],
)
def test_an_event_is_encoded(event: Event, sent: bytes) -> None:
    assert event.encode() == sent


@pytest.mark.parametrize("bad", ["a\nb", "a\rb", "a\0b", "x\n\ndata: forged"])
def test_class_c_a_field_cannot_be_broken_out_of(bad: str) -> None:
    with pytest.raises(ValueError, match="one line"):
        Event(id=bad).encode()
    with pytest.raises(ValueError, match="one line"):
        Event(event=bad).encode()
    assert browser(Event(bad, comment=bad).encode())[0][1] == re.sub("\r\n|\r", "\n", bad)
    with pytest.raises(ValueError, match="milliseconds"):
        Event(retry=-1).encode()


LINE = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0"), max_size=10)


@given(st.text(st.characters(codec="utf-8"), max_size=40), LINE, LINE, st.none() | st.text(max_size=10))
def test_a_browser_reads_what_was_sent(data: str, kind: str, identity: str, comment: str | None) -> None:
    stream = Event(data, event=kind, id=identity, comment=comment).encode()
    assert browser(stream) == [(kind or "message", re.sub("\r\n|\r", "\n", data), identity)]


# -- streams ------------------------------------------------------------------------------------------------------------------


def test_a_stream_of_a_plain_iterable() -> None:
    response = EventStreamResponse(["text", Event("e", id="1"), {"a": 1}])
    assert response.content_type == "text/event-stream"
    assert response.headers.multi_items() == [("cache-control", "no-store"), ("x-accel-buffering", "no")]
    assert isinstance(response.chunks, Iterator)
    assert browser(b"".join(chunk for chunk in response.chunks if isinstance(chunk, bytes))) == [
        ("message", "text", ""),
        ("message", "e", "1"),
        ("message", '{"a":1}', "1"),
    ]
    assert EventStreamResponse([], headers={"Cache-Control": "private"}).headers["cache-control"] == "private"


def test_a_plain_generator_is_closed_when_the_client_leaves() -> None:
    closed = []

    def items() -> Iterator[str]:
        try:
            yield "a"
            yield "b"
        finally:
            closed.append(True)

    chunks: Any = EventStreamResponse(items()).chunks
    assert next(chunks) == b"data: a\n\n"
    chunks.close()
    assert closed == [True]


@pytest.mark.parametrize("heartbeat", [None, 15.0])
def test_a_stream_of_an_asynchronous_iterable(heartbeat: float | None) -> None:
    async def items() -> AsyncIterator[object]:
        for number in range(3):
            await asyncio.sleep(0)
            yield number

    chunks = asyncio.run(collected(EventStreamResponse(items(), heartbeat=heartbeat)))
    assert chunks == [b"data: 0\n\n", b"data: 1\n\n", b"data: 2\n\n"]


def test_heartbeats_lose_no_item_and_cancel_nothing() -> None:
    cancelled = []
    chunks: list[bytes] = []
    beaten = asyncio.Event()

    async def items() -> AsyncIterator[object]:
        for number in range(4):
            beaten.clear()
            try:
                await beaten.wait()
            except asyncio.CancelledError:
                cancelled.append(number)
                raise
            yield number

    async def collect() -> None:
        async for chunk in cast("AsyncIterator[bytes]", EventStreamResponse(items(), heartbeat=0.01).chunks):
            chunks.append(chunk)
            if chunk == b":\n\n":
                beaten.set()

    asyncio.run(asyncio.wait_for(collect(), 60))
    assert [chunk for chunk in chunks if chunk != b":\n\n"] == [b"data: 0\n\n", b"data: 1\n\n", b"data: 2\n\n", b"data: 3\n\n"]
    assert cancelled == []


def test_the_source_is_one_task_in_one_context() -> None:
    seen: ContextVar[int] = ContextVar("seen", default=0)
    tasks = set()

    async def items() -> AsyncIterator[object]:
        async with asyncio.timeout(60):  # belongs to a task: would break if another one took the next item
            for number in range(3):
                tasks.add(asyncio.current_task())
                assert seen.get() == number
                seen.set(number + 1)
                yield number

    assert len(asyncio.run(collected(EventStreamResponse(items())))) == 3
    assert len(tasks) == 1


def test_the_source_waits_until_its_item_was_taken() -> None:
    made = []

    async def items() -> AsyncIterator[object]:
        for number in range(100):
            made.append(number)
            yield number

    async def take_two() -> None:
        chunks: Any = EventStreamResponse(items()).chunks
        await anext(chunks)
        await asyncio.sleep(0.02)
        assert made == [0]
        await anext(chunks)
        await asyncio.sleep(0.02)
        assert len(made) == 2
        await chunks.aclose()

    asyncio.run(take_two())


@pytest.mark.parametrize("heartbeat", [None, 0.01, 15.0])
@pytest.mark.parametrize("pause", [0, 60])
def test_the_source_is_closed_when_the_client_leaves(heartbeat: float | None, pause: float) -> None:
    closed = []

    async def items() -> AsyncIterator[object]:
        try:
            yield "first"
            await asyncio.sleep(pause)
            yield "second"
            yield "third"
        finally:
            await asyncio.sleep(0)  # closing may itself wait
            closed.append(True)

    async def leave() -> None:
        chunks: Any = EventStreamResponse(items(), heartbeat=heartbeat).chunks
        assert await anext(chunks) == b"data: first\n\n"
        waiting = asyncio.ensure_future(anext(chunks))
        await asyncio.sleep(0.005)
        waiting.cancel()
        await asyncio.wait((waiting,))
        await chunks.aclose()
        assert closed == [True]
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(leave())


def test_a_source_that_says_goodbye_when_cancelled_does_not_hang() -> None:
    closed = []

    async def items() -> AsyncIterator[object]:
        try:
            yield "first"
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                yield "goodbye"
                yield "again"
        finally:
            closed.append(True)

    async def leave() -> None:
        chunks: Any = EventStreamResponse(items(), heartbeat=0.01).chunks
        await anext(chunks)
        assert await anext(chunks) == b":\n\n"
        await asyncio.wait_for(chunks.aclose(), 5)

    asyncio.run(leave())
    assert closed == [True]


def test_an_error_of_the_source_breaks_the_stream_off() -> None:
    async def items() -> AsyncIterator[object]:
        yield "first"
        raise LookupError("gone")

    async def read() -> object:
        chunks: Any = EventStreamResponse(items()).chunks
        first = await anext(chunks)
        with pytest.raises(LookupError, match="gone"):
            await anext(chunks)
        return first

    assert asyncio.run(read()) == b"data: first\n\n"


def test_an_item_that_cannot_be_sent_closes_the_source() -> None:
    closed = []

    async def items() -> AsyncIterator[object]:
        try:
            yield Event(id="a\nb")
        finally:
            closed.append(True)

    with pytest.raises(ValueError, match="one line"):
        asyncio.run(collected(EventStreamResponse(items())))
    assert closed == [True]


def test_a_heartbeat_of_no_time_is_refused() -> None:
    with pytest.raises(ValueError, match="heartbeat"):
        EventStreamResponse([], heartbeat=0)


# -- JSON Lines ---------------------------------------------------------------------------------------------------------------


def test_json_lines() -> None:
    items: list[object] = [{"a": "x\ny"}, Point(2), None, "text"]
    response = JSONLinesResponse(items, headers={"x-a": "1"})
    assert response.content_type == "application/jsonl"
    assert isinstance(response.chunks, Iterator)
    body = b"".join(chunk if isinstance(chunk, bytes) else chunk.encode() for chunk in response.chunks)
    assert [json.loads(line) for line in body.decode().splitlines()] == [{"a": "x\ny"}, {"x": 2}, None, "text"]


def test_json_lines_of_an_asynchronous_iterable() -> None:
    async def items() -> AsyncIterator[object]:
        yield 1
        yield [2]

    assert asyncio.run(collected(JSONLinesResponse(items()))) == [b"1\n", b"[2]\n"]
