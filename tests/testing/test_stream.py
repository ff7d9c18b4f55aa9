"""Responses that are read while they are made, on every door."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from erlen import App, ErlenError, Response, StreamResponse
from erlen.testing import Client, exchange


@pytest.fixture
def app(streaming_app: App) -> App:
    return streaming_app


@pytest.fixture
def client(make_client: Any) -> Client:
    client: Client = make_client()
    return client


def test_first_piece_arrives_before_the_second_is_made(client: Any, room: Any) -> None:
    with client.stream("GET", "/gated") as response:
        assert (response.status, response.media_type) == (200, "text/plain")
        pieces = response.iter_bytes()
        assert next(pieces) == b"first\n"
        room.gate.set()
        assert list(pieces) == [b"second\nthird"]


def test_lines_arrive_one_by_one(client: Any, room: Any) -> None:
    with client.stream("GET", "/gated") as response:
        lines = response.iter_lines()
        assert next(lines) == "first"
        room.gate.set()
        assert next(response.iter_lines()) == "second"
        assert list(lines) == ["third"]


def test_rest_is_read_at_once(client: Any, room: Any) -> None:
    room.gate.set()
    with client.stream("GET", "/gated") as response:
        assert response.read() == b"first\nsecond\nthird"
        assert response.read() == b""


def test_events_arrive_as_a_browser_has_them(client: Any, room: Any) -> None:
    with client.stream("GET", "/events") as response:
        first = next(response.iter_events())
        assert (first.event, first.json(), first.id, first.retry) == ("count", {"number": 0}, "0", 1000)
        assert [event.json()["number"] for event, _ in zip(response.iter_events(), range(3), strict=False)] == [1, 2, 3]
        if client.door != "rsgi":  # which has no back-pressure
            time.sleep(0.02)
            assert "made 6" not in room.happened, "what is made runs at most one ahead of what was read"
    room.wait_for("closed")


def test_leaving_closes_the_generator(client: Any, room: Any) -> None:
    with client.stream("GET", "/endless") as response:
        assert next(response.iter_bytes())
    room.wait_for("closed")
    assert client.get("/").ok


def test_stream_that_is_left_at_once_ends_too(client: Any, room: Any) -> None:
    with client.stream("GET", "/endless"):
        pass
    assert client.get("/").ok


def test_closing_the_client_ends_streams_that_are_open(app: App, door: Any, room: Any) -> None:
    client = Client(app, door=door)
    with client.stream("GET", "/endless") as response:
        next(response.iter_bytes())
        client._loop.run(client._connection.close())
        room.wait_for("closed")
    client.close()


def test_error_in_the_middle_is_raised_where_it_is_read(client: Any) -> None:
    with client.stream("GET", "/breaking") as response:
        pieces = response.iter_bytes()
        assert next(pieces) == b"first"
        with pytest.raises(LookupError, match="in the middle"):
            next(pieces)
    with pytest.raises(LookupError, match="in the middle"):
        client.get("/breaking")


def test_error_in_the_middle_is_what_a_browser_sees_where_wanted(make_client: Any) -> None:
    client = make_client(raise_errors=False)
    if client.door == "rsgi":
        assert client.get("/breaking").content == b"first", "RSGI cannot break off"
    else:
        with pytest.raises(ConnectionError, match="broke off"):
            client.get("/breaking")


def test_stream_that_is_shorter_than_it_says_is_an_error(make_client: Any) -> None:
    client = make_client(raise_errors=False)
    reason = "5 bytes, and its Content-Length is 30" if client.door == "rsgi" else "broke off"
    with pytest.raises(ConnectionError, match=reason):
        client.get("/short")


def test_error_before_the_first_piece_is_raised_at_the_beginning(client: Any) -> None:
    with pytest.raises(LookupError, match="this handler breaks"), client.stream("GET", "/boom"):
        pytest.fail("the block was entered")


def test_redirects_are_followed_to_a_stream(client: Any, room: Any) -> None:
    room.gate.set()
    with client.stream("GET", "/hop", follow_redirects=True) as response:
        assert response.read().startswith(b"first")
        assert len(response.history) == 1


def test_error_of_the_test_itself_is_not_hidden(client: Any, room: Any) -> None:
    def fail() -> None:
        with client.stream("GET", "/endless") as response:
            next(response.iter_bytes())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    room.wait_for("closed")


def test_stream_that_does_not_let_go_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "PATIENCE", 0.05)
    app = App()

    @app.get("/deaf")
    async def deaf() -> Response:
        async def chunks() -> Any:
            yield b"x"
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                await asyncio.sleep(60)

        return StreamResponse(chunks())

    def leave(client: Client) -> None:
        with client.stream("GET", "/deaf") as response:
            next(response.iter_bytes())

    with Client(app, door="asgi") as client, pytest.raises(ErlenError, match="GET /deaf still ran"):
        leave(client)
