"""Whole applications of others under a path of ours."""

from __future__ import annotations

import asyncio
import json
import socket
from typing import TYPE_CHECKING, Any

import pytest

from erlen.doors.mount import MountedLifespan
from erlen.errors import ErlenError

if TYPE_CHECKING:
    from tests.doors.conftest import Server


def test_a_flask_site_answers_under_its_prefix(server: Server) -> None:
    assert server.get("/flask/").text == "/flask/"
    answer = server.get("/flask/page/caf%C3%A9?x=1", "Cookie: c=1")
    assert (answer.status, answer.text) == (200, "café x=1 1")
    assert answer.all("content-type") == ["text/html; charset=utf-8"]
    assert len(answer.all("content-length")) == 1
    assert [value.partition(";")[0] for value in answer.all("set-cookie")] == ["one=1", "two=2"]
    assert answer.all("x-frame-options") == ["SAMEORIGIN"]
    assert answer.all("x-content-type-options") == ["nosniff"]
    assert server.get("/flask/nowhere").status == 404
    assert server.get("/flask/fail").status == 500


def test_a_flask_site_reads_uploads(server: Server) -> None:
    body = (
        b'--b\r\nContent-Disposition: form-data; name="text"\r\n\r\nhello\r\n'
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.bin"\r\n\r\n' + b"x" * 40_000 + b"\r\n--b--\r\n"
    )
    assert server.get("/flask/upload", "Content-Type: multipart/form-data; boundary=b", method="POST", body=body).text == "hello 40000"


def test_a_flask_site_streams(server: Server) -> None:
    answer = server.get("/flask/stream")
    assert answer.complete
    assert answer.text == "piece 0\npiece 1\npiece 2\n"
    assert server.logged("flask stream closed")


def test_head_of_a_mounted_page(server: Server) -> None:
    length = server.get("/flask/").field("content-length")
    raw = server.exchange(b"HEAD /flask/ HTTP/1.1\r\nHost: example.com\r\nConnection: close\r\n\r\n")
    assert raw.endswith(b"\r\n\r\n")
    assert f"content-length: {length}".encode() in raw.lower()


def test_a_stream_that_head_does_not_want_is_closed(server: Server) -> None:
    raw = server.exchange(b"HEAD /flask/stream HTTP/1.1\r\nHost: example.com\r\nConnection: close\r\n\r\n")
    assert raw.endswith(b"\r\n\r\n")
    assert server.logged("flask closed a HEAD")


def test_a_wsgi_application_by_hand(server: Server) -> None:
    answer = server.get("/wsgi/a%C3%A9", "X-Name: mine", "X_Name: spoofed", method="POST", body=b"line\nrest")
    assert answer.body in (
        b"written,/wsgi|/a\xc3\xa9|mine|line\nrest",
        # granian's WSGI makes one field of both, before the mounted application or ours can tell them apart
        b"written,/wsgi|/a\xc3\xa9|spoofed|line\nrest",
    )
    assert answer.all("x-bad") == []
    assert server.get("/wsgi/silent").text == "ErlenError: the mounted application ended without calling start_response"
    assert server.get("/wsgi/fail").text == "ValueError: before the response"


def test_a_starlette_site_answers_under_its_prefix(loop_server: Server) -> None:
    answer = loop_server.get("/starlette/?x=%20")
    assert json.loads(answer.text) == {
        "path": "/starlette/",
        "root": "/starlette",
        "query": "x=%20",
        "state": "from the lifespan",
        "url": "http://example.com/starlette/",
        "client": "127.0.0.1",
    }
    assert len(answer.all("content-length")) == 1
    assert [value.partition(";")[0] for value in answer.all("set-cookie")] == ["one=1", "two=2"]
    assert answer.all("x-frame-options") == ["SAMEORIGIN"]
    assert answer.all("x-content-type-options") == ["nosniff"]
    assert loop_server.get("/starlette/nowhere").status == 404
    assert loop_server.get("/starlette/fail").text == "Internal Server Error"
    assert loop_server.get("/starlette/away").all("location") == ["/elsewhere"]
    assert loop_server.logged("starlette started")


def test_a_starlette_site_reads_bodies_and_works_after_responses(loop_server: Server) -> None:
    assert loop_server.get("/starlette/echo", method="POST", body=b"x" * 70_000).text == "70000"
    assert loop_server.logged("background is done")


def test_a_body_over_our_limit_does_not_reach_a_mounted_site(loop_server: Server) -> None:
    assert loop_server.get("/starlette/echo", method="POST", body=b"x" * 100_001).status == 413


def test_a_starlette_site_streams_and_stops_when_the_client_leaves(loop_server: Server) -> None:
    answer = loop_server.get("/starlette/stream")
    assert answer.complete
    assert answer.text == "piece 0\npiece 1\npiece 2\n"
    with socket.create_connection(("127.0.0.1", loop_server.port), timeout=30) as connection:
        connection.sendall(b"GET /starlette/endless HTTP/1.1\r\nHost: example.com\r\n\r\n")
        connection.recv(4096)
    assert loop_server.logged("starlette endless closed")


def test_an_endless_stream_that_head_does_not_want_is_ended(loop_server: Server) -> None:
    raw = loop_server.exchange(b"HEAD /starlette/endless-head HTTP/1.1\r\nHost: example.com\r\nConnection: close\r\n\r\n")
    assert raw.endswith(b"\r\n\r\n")
    assert loop_server.logged("starlette endless-head closed")


def test_an_asgi_application_by_hand(loop_server: Server) -> None:
    answer = loop_server.get("/asgi/x")
    assert answer.body == b"first,second"
    assert answer.all("x-bad") == []
    assert loop_server.logged("plain asgi heard the end")
    assert loop_server.get("/asgi/silent").text == "ErlenError: the mounted application ended without a response"
    assert loop_server.get("/asgi/fail").text == "ValueError: before the response"
    with socket.create_connection(("127.0.0.1", loop_server.port), timeout=30) as connection:
        connection.sendall(b"GET /asgi/break HTTP/1.1\r\nHost: example.com\r\n\r\n")
        received = b""
        while b"first," not in received:
            received += connection.recv(4096)
        assert loop_server.logged("ValueError: in the middle")
    assert not received.endswith(b"0\r\n\r\n")


def test_a_lifespan_is_run_and_its_state_shared() -> None:
    events: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert (await receive())["type"] == "lifespan.startup"
        scope["state"]["key"] = "value"
        await send({"type": "lifespan.startup.complete"})
        events.append("started")
        assert (await receive())["type"] == "lifespan.shutdown"
        events.append("stopped")
        await send({"type": "lifespan.shutdown.complete"})

    async def main() -> dict[str, Any]:
        lifespan = MountedLifespan(app)
        await lifespan.startup()
        await lifespan.shutdown()
        return lifespan.state

    assert asyncio.run(main()) == {"key": "value"}
    assert events == ["started", "stopped"]


def test_an_application_without_a_lifespan_is_left_alone() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "http", "only http here"

    async def main() -> None:
        lifespan = MountedLifespan(app)
        await lifespan.startup()
        await lifespan.shutdown()

    asyncio.run(main())


def test_an_application_that_cannot_start_says_why() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no database"})

    with pytest.raises(ErlenError, match="no database"):
        asyncio.run(MountedLifespan(app).startup())
