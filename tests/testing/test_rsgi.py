"""What the RSGI transport says, against granian's own interface."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from granian import rsgi

from erlen.doors.pool import ThreadPool
from erlen.testing.exchange import Exchange
from erlen.testing.outgoing import prepare, read_base
from erlen.testing.rsgi import RsgiHeaders, RsgiProtocol, RsgiScope, RsgiStream

# Its types are not exported under these names as far as type checkers see.
granian_types: Any = rsgi
BASE = read_base("http://localhost:8000")


def exchanged(answer: Any, method: str = "GET", content: Any = None) -> tuple[int, dict[str, str], bytes, list[BaseException]]:
    """Let a function answer through a protocol; return status, headers, body and failures."""

    async def run() -> tuple[int, dict[str, str], bytes, list[BaseException]]:
        exchange = Exchange(prepare(BASE, [], method, "/", content=content), ThreadPool(1))

        async def application(exchange: Exchange) -> None:
            result = answer(RsgiProtocol(exchange))
            if result is not None:
                await result
            exchange.end()

        exchange.run(application)
        status, headers = await exchange.head
        body = b""
        while (chunk := await exchange.next_chunk()) is not None:
            body += chunk
        exchange.threads.close()
        return status, dict(headers), body, exchange.failures

    return asyncio.run(run())


def test_scope_has_what_granians_has() -> None:
    scope = RsgiScope.of(prepare(BASE, [], "POST", "/a%2Fb/%C3%BC?x=%20"))
    for name in rsgi.Scope.__annotations__:
        assert isinstance(getattr(scope, name), str | None), name
    assert (scope.proto, scope.rsgi_version, scope.http_version, scope.authority) == ("http", "1.6", "1.1", None)
    assert (scope.method, scope.path, scope.query_string, scope.scheme) == ("POST", "/a/b/ü", "x=%20", "http")
    assert scope.client.rpartition(":")[0] == "127.0.0.1"
    assert scope.headers is not scope.headers
    with pytest.raises(AttributeError):
        scope.path = "/"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("ours", "theirs"), [(RsgiProtocol, granian_types.HTTPProtocol), (RsgiHeaders, granian_types.Headers), (RsgiStream, None)]
)
def test_interface_is_granians(ours: Any, theirs: Any) -> None:
    wanted = {"send_bytes", "send_str"} if theirs is None else {name for name in dir(theirs) if not name.startswith("_")}
    assert wanted
    assert wanted <= set(dir(ours))


def test_headers_are_found_by_lower_case_name_and_hidden_outside_ascii() -> None:
    headers = RsgiHeaders([("a", "1"), ("b", "é"), ("a", "2")])
    assert (headers["a"], headers.get("a"), headers.get_all("a")) == ("1", "1", ["1", "2"])
    assert (headers.get("b"), headers.get("c", "x")) == (None, "x")
    assert headers.items() == [("a", "1"), ("a", "2")]
    assert (list(headers), headers.keys(), headers.values(), len(headers)) == (["a", "b"], ["a", "b"], ["1", "2"], 2)
    assert "a" in headers
    assert "A" not in headers
    with pytest.raises(KeyError):
        headers["b"]


def test_responses_are_measured() -> None:
    assert exchanged(lambda proto: proto.response_bytes(200, [], b"abc"))[:3] == (200, {"content-length": "3"}, b"abc")
    assert exchanged(lambda proto: proto.response_str(201, [("x", "y")], "é"))[:3] == (201, {"x": "y", "content-length": "2"}, "é".encode())
    assert exchanged(lambda proto: proto.response_empty(204, []))[:3] == (204, {}, b"")
    assert exchanged(lambda proto: proto.response_bytes(200, [], b"abc"), "HEAD")[:3] == (200, {"content-length": "3"}, b"")


def test_second_response_is_ignored() -> None:
    def answer(proto: RsgiProtocol) -> None:
        proto.response_bytes(200, [], b"first")
        proto.response_bytes(500, [], b"second")

    assert exchanged(answer)[:3] == (200, {"content-length": "5"}, b"first")


def test_files_are_sent_whole_and_in_part(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"0123456789")
    assert exchanged(lambda proto: proto.response_file(200, [], str(file)))[2] == b"0123456789"
    assert exchanged(lambda proto: proto.response_file_range(206, [], str(file), 2, 5))[2] == b"234"
    assert exchanged(lambda proto: proto.response_file(200, [], str(tmp_path / "none")))[0] == 404
    failures = exchanged(lambda proto: proto.response_file_range(206, [], str(file), 5, 5))[3]
    assert [type(error) for error in failures] == [ValueError]


def test_stream_is_not_held_back() -> None:
    async def answer(proto: RsgiProtocol) -> None:
        stream = proto.response_stream(200, [])
        for _ in range(100):
            await stream.send_bytes(b"x")
        await stream.send_str("é")

    assert exchanged(answer)[2] == b"x" * 100 + "é".encode()


def test_body_is_read_whole_or_in_pieces_and_once() -> None:
    async def whole(proto: RsgiProtocol) -> None:
        proto.response_bytes(200, [], await proto())

    async def pieces(proto: RsgiProtocol) -> None:
        proto.response_str(200, [], repr([chunk async for chunk in proto]))

    async def twice(proto: RsgiProtocol) -> None:
        await proto()
        aiter(proto)

    assert exchanged(whole, "POST", [b"a", b"b"])[2] == b"ab"
    assert exchanged(pieces, "POST", [b"a", b"b"])[2] == b"[b'a', b'b', b'']"
    assert [type(error) for error in exchanged(twice, "POST", b"a")[3]] == [RuntimeError]
    assert issubclass(granian_types.ProtocolError, RuntimeError)


def test_no_answer_is_an_empty_500() -> None:
    assert exchanged(lambda proto: None)[:3] == (500, {}, b"")
