"""What the ASGI transport says to an application, and what it takes from it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from erlen.doors.asgi import Receive, Scope, Send
from erlen.doors.pool import ThreadPool
from erlen.testing.asgi import AsgiTransport, make_scope
from erlen.testing.exchange import Exchange
from erlen.testing.outgoing import prepare, read_base

Application = Callable[[Scope, Receive, Send], Awaitable[None]]
BASE = read_base("https://shop.localhost")


async def exchange_with(application: Application, method: str = "GET", content: Any = None) -> Exchange:
    transport = AsgiTransport.__new__(AsgiTransport)
    transport.application = application
    exchange = Exchange(prepare(BASE, [], method, "/", content=content), ThreadPool(1))
    exchange.run(transport.answer)
    await exchange.head
    return exchange


def answered(application: Application, method: str = "GET", content: Any = None) -> tuple[Exchange, bytes]:
    async def run() -> tuple[Exchange, bytes]:
        exchange = await exchange_with(application, method, content)
        body = b""
        while (chunk := await exchange.next_chunk()) is not None:
            body += chunk
        await exchange.finished()
        exchange.threads.close()
        return exchange, body

    return asyncio.run(run())


def test_scope_is_that_of_the_specification() -> None:
    scope = make_scope(prepare(BASE, [], "GET", "/a%2F%C3%BC?x=%20", headers={"X-Y": "é"}))
    assert (scope["type"], scope["asgi"], scope["http_version"]) == ("http", {"version": "3.0", "spec_version": "2.5"}, "1.1")
    assert (scope["path"], scope["raw_path"], scope["query_string"]) == ("/a/ü", b"/a%2F%C3%BC", b"x=%20")
    assert (scope["scheme"], scope["server"], scope["root_path"]) == ("https", ("shop.localhost", 443), "")
    assert (b"host", b"shop.localhost") in scope["headers"]
    assert (b"x-y", "é".encode()) in scope["headers"]


def test_body_arrives_in_pieces_and_then_the_disconnect() -> None:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        seen = [await receive() for _ in range(3)]
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": repr(seen).encode()})
        assert await receive() == {"type": "http.disconnect"}

    exchange, body = answered(application, "POST", [b"a", b"b"])
    assert body.decode() == repr(
        [
            {"type": "http.request", "body": b"a", "more_body": True},
            {"type": "http.request", "body": b"b", "more_body": True},
            {"type": "http.request", "body": b"", "more_body": False},
        ]
    )
    assert exchange.failures == []


def test_send_waits_until_the_client_has_taken() -> None:
    sent: list[int] = []

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for number in range(5):
            await send({"type": "http.response.body", "body": b"%d" % number, "more_body": True})
            sent.append(number)

    async def run() -> None:
        exchange = await exchange_with(application)
        for _ in range(20):
            await asyncio.sleep(0)
        assert sent == []
        assert await exchange.next_chunk() == b"0"
        for _ in range(20):
            await asyncio.sleep(0)
        assert sent == [0]
        await exchange.close()
        assert sent == [0, 1, 2, 3, 4], "after a disconnect nothing holds back"
        exchange.threads.close()

    asyncio.run(run())


def test_disconnect_is_received() -> None:
    received: list[Any] = []

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        received.append(await receive())
        received.append(await receive())

    async def run() -> None:
        exchange = await exchange_with(application)
        await asyncio.sleep(0)
        await exchange.close()
        exchange.threads.close()

    asyncio.run(run())
    assert [message["type"] for message in received] == ["http.request", "http.disconnect"]


def test_file_is_sent_by_its_path(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        assert "http.response.pathsend" in scope["extensions"]
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.pathsend", "path": str(tmp_path / "file")})

    assert answered(application)[1] == b"content"


def test_application_that_fails_before_it_answers_is_a_500() -> None:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        raise LookupError("no answer")

    exchange, body = answered(application)
    assert (exchange.head.result(), body, exchange.complaint()) == ((500, []), b"", None)
    assert [str(error) for error in exchange.failures] == ["no answer"]


def test_application_that_stops_in_the_middle_breaks_the_response_off() -> None:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"x", "more_body": True})

    exchange, body = answered(application)
    assert body == b"x"
    assert "broke off" in str(exchange.complaint())


def test_length_that_is_not_kept_is_noticed() -> None:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"3")]})
        await send({"type": "http.response.body", "body": b"x"})

    assert answered(application)[0].complaint() == "the response has 1 bytes, and its Content-Length is 3"
    assert answered(application, "HEAD")[0].complaint() is None


def test_unknown_message_is_an_error() -> None:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "websocket.send"})

    assert [type(error) for error in answered(application)[0].failures] == [ValueError]
