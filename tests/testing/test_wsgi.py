"""What the WSGI transport says to an application: held to PEP 3333 by the standard library's validator."""

from __future__ import annotations

import asyncio
import io
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import Any
from wsgiref import validate

import pytest

from erlen.doors.pool import ThreadPool
from erlen.testing import Client
from erlen.testing.exchange import Exchange
from erlen.testing.outgoing import Outgoing, prepare, read_base
from erlen.testing.wsgi import WsgiTransport, make_environ

BASE = read_base("http://localhost:8000")


def environ_of(outgoing: Outgoing) -> dict[str, Any]:
    return make_environ(outgoing, io.BufferedReader(io.BytesIO()))


@pytest.mark.parametrize("path", ["/", "/a%2Fb/%C3%BC?x=%20&y", "/%ff", "//double"])
def test_environ_is_valid(path: str) -> None:
    check_environ: Any = vars(validate)["check_environ"]
    check_environ(environ_of(prepare(BASE, [], "POST", path, json={"a": 1}, headers={"X-Y": "é", "cookie": "a=b"})))


def test_environ_has_text_as_latin_1_and_joins_repeated_fields() -> None:
    headers = [("X-Y", "é"), ("X-Y", "2"), ("cookie", "a=1"), ("cookie", "b=2"), ("content-type", "text/x")]
    environ = environ_of(prepare(BASE, [], "POST", "/ü?q=%C3%BC", content=b"abc", headers=headers))
    assert environ["PATH_INFO"].encode("latin-1").decode() == "/ü"
    assert (environ["QUERY_STRING"], environ["CONTENT_LENGTH"], environ["CONTENT_TYPE"]) == ("q=%C3%BC", "3", "text/x")
    assert environ["HTTP_X_Y"].encode("latin-1").decode() == "é,2"
    assert environ["HTTP_COOKIE"] == "a=1; b=2"
    assert (environ["SERVER_NAME"], environ["SERVER_PORT"], environ["HTTP_HOST"]) == ("localhost", "8000", "localhost:8000")
    assert "HTTP_CONTENT_TYPE" not in environ


def test_whole_way_passes_the_validator(app: Any) -> None:
    with Client(app, door="wsgi") as client:
        transport: Any = client._connection._transport
        transport.application = validate.validator(transport.application)
        assert client.get("/").json() == {"hello": "world"}
        assert client.head("/").status == 200
        assert client.post("/echo", content=b"abc").json()["body"] == "abc"
        assert client.post("/form", data={"a": "b"}, files={"f": b"x"}).json()["fields"] == [["a", "b"]]
        assert client.get("/files/letter.txt", headers={"if-none-match": "*"}).status == 304
        with client.stream("GET", "/files/letter.txt") as response:
            assert response.read() == b"0123456789"


def answered(application: Any, content: Any = None) -> tuple[Exchange, bytes]:
    async def run() -> tuple[Exchange, bytes]:
        transport = WsgiTransport.__new__(WsgiTransport)
        transport.application = application
        exchange = Exchange(prepare(BASE, [], "POST", "/", content=content), ThreadPool(2))
        exchange.run(transport.answer)
        await exchange.head
        body = b""
        while (chunk := await exchange.next_chunk()) is not None:
            body += chunk
        await exchange.finished()
        exchange.threads.close()
        return exchange, body

    return asyncio.run(run())


def test_generator_may_begin_its_response_with_the_first_chunk() -> None:
    def application(environ: Any, start_response: Callable[..., Any]) -> Iterator[bytes]:
        start_response("201 Created", [("X-A", "b")])
        yield b"one"
        yield b"two"

    exchange, body = answered(application)
    assert (exchange.head.result(), body) == ((201, [("x-a", "b")]), b"onetwo")


def test_written_bytes_come_before_the_body() -> None:
    def application(environ: Any, start_response: Callable[..., Any]) -> Iterable[bytes]:
        write = start_response("200 OK", [])
        write(b"written ")
        return [b"returned"]

    assert answered(application)[1] == b"written returned"


def test_body_is_closed_also_after_an_error() -> None:
    closed: list[str] = []

    class Body:
        def __iter__(self) -> Iterator[bytes]:
            yield b"x"
            raise LookupError("in the middle")

        def close(self) -> None:
            closed.append(threading.current_thread().name)

    def application(environ: Any, start_response: Callable[..., Any]) -> Iterable[bytes]:
        start_response("200 OK", [])
        return Body()

    exchange, body = answered(application)
    assert body == b"x"
    assert "broke off" in str(exchange.complaint())
    assert [type(error) for error in exchange.failures] == [LookupError]
    assert closed
    assert closed[0].startswith("erlen-")


def test_input_is_read_in_every_way() -> None:
    async def later() -> AsyncIterator[bytes]:
        for piece in (b"one\ntw", b"", b"o\nthree"):
            await asyncio.sleep(0)
            yield piece

    def application(environ: Any, start_response: Callable[..., Any]) -> Iterable[bytes]:
        start_response("200 OK", [])
        source = environ["wsgi.input"]
        return [repr([source.readline(), source.read(2), list(source), source.read(5)]).encode()]

    for content in (b"one\ntwo\nthree", [b"one\ntw", b"", b"o\nthree"], later()):
        assert answered(application, content)[1] == b"[b'one\\n', b'tw', [b'o\\n', b'three'], b'']"


def test_errors_go_to_standard_error() -> None:
    assert environ_of(prepare(BASE, [], "GET", "/"))["wsgi.errors"] is sys.stderr
