from __future__ import annotations

import asyncio
import gzip
import sys
import zlib
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from typing import Any

import brotli  # type: ignore[import-untyped]
import pytest
from hypothesis import given
from hypothesis import strategies as st

from erlen.http.compression import Compression
from erlen.http.conditional import apply_conditions
from erlen.http.event import EventStreamResponse
from erlen.http.file import FileResponse
from erlen.http.request import Request
from erlen.http.response import HTMLResponse, JSONResponse, Response, StreamResponse, TextResponse

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

TEXT = "many words, and the same many words again; " * 100
DECODERS: dict[str, Any] = {"gzip": gzip.decompress, "br": brotli.decompress, "zstd": zstd.decompress}
ENCODINGS = list(DECODERS)


class SentRequest(Request):
    fields: dict[str, str] = {}

    def header(self, name: str) -> str | None:
        return self.fields.get(name)


def sent(accept_encoding: str | None = "gzip", **fields: str) -> Request:
    context: Any = None  # compression does not ask the site
    sent_fields = {name.replace("_", "-"): value for name, value in fields.items()}
    if accept_encoding is not None:
        sent_fields["accept-encoding"] = accept_encoding
    return SentRequest("GET", "/", "", context, fields=sent_fields)


def decoded(response: Response) -> bytes:
    body = response.body if not isinstance(response, StreamResponse) else b"".join(collected(response))
    assert isinstance(body, bytes)
    result = DECODERS[response.headers["content-encoding"]](body)
    assert isinstance(result, bytes)
    return result


def collected(response: StreamResponse) -> list[bytes]:
    chunks: Any = response.chunks
    if isinstance(chunks, AsyncIterable):

        async def collect() -> list[bytes]:
            return [chunk async for chunk in chunks]

        return asyncio.run(collect())
    assert isinstance(chunks, Iterable)
    return list(chunks)


# -- what is compressed, and how ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_body_arrives_whole(encoding: str) -> None:
    answer = Compression().apply(sent(encoding), TextResponse(TEXT))
    assert decoded(answer) == TEXT.encode()
    assert len(answer.body) < len(TEXT) / 4
    assert answer.headers.multi_items() == [("vary", "Accept-Encoding"), ("content-encoding", encoding)]


@pytest.mark.parametrize("encoding", ENCODINGS)
@given(body=st.binary(max_size=3000))
def test_any_body_arrives_whole(encoding: str, body: bytes) -> None:
    answer = Compression(minimum_size=0).apply(sent(encoding), Response(body, content_type="text/plain"))
    if "content-encoding" in answer.headers:
        assert decoded(answer) == body
        assert len(answer.body) < len(body)
    else:
        assert answer.body == body


def test_a_lone_surrogate_is_replaced_as_the_doors_do() -> None:
    assert decoded(Compression().apply(sent(), TextResponse("\ud800" + TEXT))) == b"?" + TEXT.encode()
    assert decoded(Compression().apply(sent(), StreamResponse(["\ud800"], content_type="text/plain"))) == b"?"


def test_the_server_s_order_decides_where_the_client_does_not() -> None:
    assert Compression().apply(sent("gzip, deflate, br, zstd"), TextResponse(TEXT)).headers["content-encoding"] == "zstd"
    assert Compression().apply(sent("gzip, br;q=0.5"), TextResponse(TEXT)).headers["content-encoding"] == "gzip"
    assert Compression().apply(sent("gzip, br"), TextResponse(TEXT)).headers["content-encoding"] == "br"
    same = Compression()
    for _ in range(2):  # the second time from memory
        assert same.apply(sent("*;q=0.1"), TextResponse(TEXT)).headers["content-encoding"] == "zstd"
        assert "content-encoding" not in same.apply(sent("identity"), TextResponse(TEXT)).headers


def test_a_response_that_the_application_keeps_is_not_changed() -> None:
    kept = TextResponse(TEXT, headers={"etag": '"v1"'})
    for encoding in ("gzip", "br", "identity", "gzip"):
        Compression().apply(sent(encoding), kept)
    assert (kept.body, kept.headers.multi_items()) == (TEXT, [("etag", '"v1"')])


def test_the_tag_is_weakened_and_the_length_dropped() -> None:
    response = TextResponse(TEXT, headers={"etag": '"v1"', "content-length": "4300", "accept-ranges": "bytes", "x-a": "1"})
    answer = Compression().apply(sent(), response)
    assert answer.headers.multi_items() == [("etag", 'W/"v1"'), ("x-a", "1"), ("vary", "Accept-Encoding"), ("content-encoding", "gzip")]
    assert Compression().apply(sent(), TextResponse(TEXT, headers={"etag": 'W/"v1"'})).headers["etag"] == 'W/"v1"'


def test_a_client_with_a_compressed_copy_is_answered_304_for_that_copy() -> None:
    compression = Compression()

    def page() -> Response:
        return TextResponse(TEXT, headers={"etag": '"v1"'})

    first = compression.apply(sent(), page())
    request = sent(if_none_match=first.headers["etag"])
    again = compression.apply(request, apply_conditions(request, page()))
    assert again.status == 304
    assert again.headers.multi_items() == [("etag", 'W/"v1"'), ("vary", "Accept-Encoding")]


@pytest.mark.parametrize(
    ("content_type", "shrinks"),
    [
        ("text/html; charset=utf-8", True),
        ("TEXT/CSS", True),
        ("application/json", True),
        ("application/problem+json", True),
        ("application/problem+json; charset=utf-8", True),
        ("application/json-seq", False),
        ("image/svg+xml", True),
        ("font/ttf", True),
        ("application/wasm", True),
        ("image/png", False),
        ("video/mp4", False),
        ("application/zip", False),
        ("font/woff2", False),
        ("application/octet-stream", False),
        ("text/event-stream", False),
        (None, False),
    ],
)
def test_types_that_shrink(content_type: str | None, shrinks: bool) -> None:
    response = Response(TEXT.encode())
    response.content_type = content_type
    answer = Compression().apply(sent(), response)
    assert ("content-encoding" in answer.headers) is shrinks
    assert ("vary" in answer.headers) is shrinks


@pytest.mark.parametrize("status", [204, 205, 206, 304])
def test_statuses_without_a_whole_body(status: int) -> None:
    answer = Compression().apply(sent(), Response(TEXT, status))
    assert (answer.body, answer.headers.get("content-encoding")) == (TEXT, None)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("content-encoding", "br"),
        ("cache-control", "public, No-Transform"),
        ("content-range", "bytes 0-1/2"),
        ("content-digest", "sha-256=:x:"),
    ],
)
def test_header_fields_that_forbid_it(name: str, value: str) -> None:
    response = TextResponse(TEXT, headers={name: value})
    assert Compression().apply(sent(), response) is response


def test_what_is_too_small_or_does_not_shrink_stays() -> None:
    small = TextResponse("x" * 1023)
    assert Compression().apply(sent(), small) is small
    noise = bytes((number * number * 7919 >> 3) % 251 for number in range(100))
    answer = Compression(minimum_size=10).apply(sent(), Response(noise, content_type="text/plain"))
    assert (answer.body, answer.headers.multi_items()) == (noise, [("vary", "Accept-Encoding")])


def test_files_are_left_to_the_server() -> None:
    response = FileResponse("a.txt")
    assert Compression().apply(sent(), response) is response


def test_what_is_not_installed_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "brotli", None)
    monkeypatch.setitem(sys.modules, "backports.zstd", None)
    monkeypatch.setitem(sys.modules, "compression.zstd", None)
    compression = Compression()
    assert compression.encodings == ("gzip",)
    assert compression.apply(sent("br, gzip;q=0.1"), TextResponse(TEXT)).headers["content-encoding"] == "gzip"
    monkeypatch.undo()
    assert Compression().encodings == ("zstd", "br", "gzip")


# -- streams ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_stream_arrives_whole_and_piece_by_piece(encoding: str) -> None:
    response = StreamResponse(["first ", b"second ", "", "third"], content_type="text/plain")
    answer = Compression().apply(sent(encoding), response)
    assert isinstance(answer, StreamResponse)
    chunks = collected(answer)
    assert len(chunks) == 4  # three pieces and the end
    assert DECODERS[encoding](b"".join(chunks)) == b"first second third"


def test_each_piece_of_a_stream_can_be_read_when_it_comes() -> None:
    async def items() -> AsyncIterator[str]:
        yield "first"
        yield "second"

    answer = Compression().apply(sent(), StreamResponse(items(), content_type="text/plain"))
    assert isinstance(answer, StreamResponse)
    reader = zlib.decompressobj(31)
    assert [reader.decompress(chunk) for chunk in collected(answer)] == [b"first", b"second", b""]
    assert reader.eof


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_large_body_becomes_a_stream(encoding: str) -> None:
    body = TEXT * 200
    answer = Compression().apply(sent(encoding), Response(body, 201, {"etag": '"v1"'}, "text/csv"))
    assert isinstance(answer, StreamResponse)
    assert (answer.status, answer.content_type, answer.headers["etag"]) == (201, "text/csv", 'W/"v1"')
    assert decoded(answer) == body.encode()


def test_the_source_of_a_stream_is_closed_when_the_client_leaves() -> None:
    closed = []

    def plain() -> Iterator[str]:
        try:
            yield "a"
            yield "b"
        finally:
            closed.append("plain")

    async def asynchronous() -> AsyncIterator[str]:
        try:
            yield "a"
            yield "b"
        finally:
            closed.append("asynchronous")

    def chunks(source: Any) -> Any:
        answer = Compression().apply(sent(), StreamResponse(source, content_type="text/plain"))
        assert isinstance(answer, StreamResponse)
        return answer.chunks

    async def leave() -> None:
        stream = chunks(asynchronous())
        await anext(stream)
        await stream.aclose()

    stream = chunks(plain())
    next(stream)
    stream.close()
    asyncio.run(leave())
    assert closed == ["plain", "asynchronous"]


def test_event_streams_are_never_compressed() -> None:
    response = EventStreamResponse(["x"])
    assert Compression(breach_safe=True).apply(sent(), response) is response


# -- attacks ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("accepted", [None, "", "identity", "deflate", "gzip;q=0", "gzip", "*;q=0"])
def test_class_k_every_form_of_a_response_names_accept_encoding(accepted: str | None) -> None:
    answer = Compression().apply(sent(accepted), TextResponse(TEXT, headers={"Vary": "Cookie"}))
    assert answer.headers["vary"] == "Cookie, Accept-Encoding"
    assert ("content-encoding" in answer.headers) is (accepted == "gzip")


@pytest.mark.parametrize(
    ("request_", "response"),
    [
        (sent(cookie="a=b"), HTMLResponse(TEXT)),
        (sent(authorization="Basic x"), HTMLResponse(TEXT)),
        (sent(cookie="a=b"), Response(TEXT, content_type="Text/HTML")),
        (sent(cookie="a=b"), Response(TEXT, content_type="application/xhtml+xml")),
        (sent(cookie="a=b"), StreamResponse([TEXT], content_type="text/html")),
        (sent(), HTMLResponse(TEXT, headers={"set-cookie": "a=b"})),
        (sent(), JSONResponse([TEXT], headers={"set-cookie": "a=b"})),
    ],
)
def test_breach_pages_with_secrets_are_not_compressed(request_: Request, response: Response) -> None:
    answer = Compression().apply(request_, response)
    assert "content-encoding" not in answer.headers
    assert answer.headers["vary"] == "Accept-Encoding"
    assert "content-encoding" in Compression(breach_safe=True).apply(request_, response).headers


def test_breach_nothing_is_compressed_once_the_session_was_opened() -> None:
    request = sent()
    assert "content-encoding" in Compression().apply(request, JSONResponse([TEXT])).headers
    request._session = {"csrf": "secret"}
    assert "content-encoding" not in Compression().apply(request, JSONResponse([TEXT])).headers


@pytest.mark.parametrize(
    ("request_", "response"),
    [(sent(), HTMLResponse(TEXT)), (sent(cookie="a=b"), JSONResponse([TEXT])), (sent(authorization="Bearer x"), JSONResponse([TEXT]))],
)
def test_breach_public_pages_and_data_are_compressed(request_: Request, response: Response) -> None:
    assert "content-encoding" in Compression().apply(request_, response).headers


def test_what_clients_say_is_not_kept_without_bound() -> None:
    compression = Compression()
    for number in range(1000):
        assert compression.apply(sent(f"gzip;q=0.{number:03}, x{number}"), TextResponse(TEXT)).headers.get("content-encoding") == (
            "gzip" if number else None
        )
    assert compression._choose.cache_info().currsize <= 64
