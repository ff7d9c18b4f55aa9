"""Compression of responses: Zstandard, Brotli, gzip (RFC 8878, 7932, 1952), chosen by `Accept-Encoding`."""

from __future__ import annotations

import copy
import sys
import zlib
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Sequence
from typing import Protocol, TypeVar

from erlen.http.accept import Accept
from erlen.http.request import Request
from erlen.http.response import Response, StreamResponse

__all__ = ["Compression"]

Kind = TypeVar("Kind", bound=Response)


class Compression:
    """Compresses responses for the clients that accept it; made once, applied to every response.

    Compressed are bodies of `minimum_size` bytes and more, and streams, of types that shrink (text, JSON, XML, SVG, WebAssembly,
    uncompressed fonts), with a status that has a whole body. Never: files, which the server sends itself; server-sent events; what
    has `Cache-Control: no-transform`, a `Content-Encoding`, a content digest or a part of the content (206).

    Every response that could be compressed gets `Vary: Accept-Encoding`, also when it is not for this client, so that no cache
    gives one client's form to another. A compressed one has its `ETag` weakened (RFC 9110, section 8.8.1) and loses
    `Content-Length` and `Accept-Ranges`.

    BREACH (CVE-2013-3587): whoever can make a browser send requests, put text of his own into the answers and watch their size
    can read a secret out of a compressed page. Therefore a response is sent as it is, unless `breach_safe=True`, when

    - it sets a cookie, or
    - the session was opened during the request (the CSRF token lives there), or
    - it is HTML and the request has a `Cookie` or `Authorization` field.

    Args:
        minimum_size: of a body, in bytes; smaller ones do not gain.
        encodings: in order of preference; `br` needs the package `brotli`, `zstd` Python 3.14 or `backports.zstd`, and both come
            with `pip install "erlen[compression]"`. Those not installed are left out.
        zstd_level: 1 to 19; above, browsers refuse the window (RFC 9659).
        brotli_quality: 0 to 11.
        gzip_level: 1 to 9.
        breach_safe: the pages of this site hold no secret next to what a visitor can put into them, or guard it otherwise.

    Raises:
        ValueError: on an unknown encoding or a level out of range.
    """

    __slots__ = ("_chosen", "_encoders", "breach_safe", "encodings", "minimum_size")

    def __init__(
        self,
        minimum_size: int = 1024,
        encodings: Sequence[str] = ("zstd", "br", "gzip"),
        *,
        zstd_level: int = 3,
        brotli_quality: int = 4,
        gzip_level: int = 6,
        breach_safe: bool = False,
    ) -> None:
        _check_level("zstd_level", zstd_level, 1, 19)
        _check_level("brotli_quality", brotli_quality, 0, 11)
        _check_level("gzip_level", gzip_level, 1, 9)
        self.minimum_size = minimum_size
        self.breach_safe = breach_safe
        self._encoders: dict[str, Callable[[], _Encoder]] = {}
        for name in encodings:
            if name == "gzip":
                self._encoders[name] = lambda: _Gzip(gzip_level)
            elif name == "br":
                if _brotli_is_installed():
                    self._encoders[name] = lambda: _Brotli(brotli_quality)
            elif name == "zstd":
                if _zstd_is_installed():
                    self._encoders[name] = lambda: _Zstd(zstd_level)
            else:
                raise ValueError(f"{name!r} is not an encoding that Erlen compresses with: choose from 'zstd', 'br' and 'gzip'")
        self.encodings: tuple[str, ...] = tuple(self._encoders)
        """What is in use: the encodings asked for that are installed."""
        self._chosen: dict[str, str | None] = {}

    def apply(self, request: Request, response: Response) -> Response:
        """Return the response for this client: a compressed copy, a copy with `Vary`, or the response itself.

        Called last, when the response is prepared and its conditions are evaluated. A body over 256 KiB becomes a stream that is
        compressed in threads, piece by piece, because it would hold up the event loop.
        """
        if response.status == 304:
            return _varied(response)  # RFC 9110, section 15.4.5: it says what its 200 would say; whether that would shrink is not known.
        if not self._is_eligible(response):
            return response
        if not self.breach_safe and _may_leak(request, response):
            return _varied(response)
        encoding = self._choose(request)
        if encoding is None:
            return _varied(response)
        encoder = self._encoders[encoding]()
        if isinstance(response, StreamResponse):
            stream = copy.copy(response)
            chunks = response.chunks
            stream.chunks = _compress_async(chunks, encoder) if isinstance(chunks, AsyncIterable) else _compress(chunks, encoder)
            return _encoded(stream, encoding)
        body = response.body.encode("utf-8", "replace") if isinstance(response.body, str) else response.body
        if len(body) > _AT_ONCE:
            large = StreamResponse(_compress_large(body, encoder), response.status, response.own_headers)
            large.content_type = response.content_type
            return _encoded(large, encoding)
        compressed = encoder.compress(body) + encoder.finish()
        if len(compressed) >= len(body):
            return _varied(response)
        answer = copy.copy(response)
        answer.body = compressed
        return _encoded(answer, encoding)

    def _is_eligible(self, response: Response) -> bool:
        kind = response.kind
        if kind == "file" or (kind == "body" and len(response.body) < self.minimum_size):
            return False
        status = response.status
        if status < 200 or status in _WITHOUT_WHOLE_BODY or not _shrinks(response.content_type):
            return False
        own = response.own_headers
        if own is None:
            return True
        return not any(name in _FIXED or (name == "cache-control" and "no-transform" in value.lower()) for name, value in own.pairs)

    def _choose(self, request: Request) -> str | None:
        accepted = request.header("accept-encoding")
        if accepted is None:
            return None
        # PERF: browsers send one of a few values; parsing takes 3 us, this lookup 0.05. Bounded, because clients choose the keys.
        try:
            return self._chosen[accepted]
        except KeyError:
            pass
        encoding = Accept(request.header).encoding(*self.encodings)
        if encoding == "identity":
            encoding = None
        if len(self._chosen) < 64 and len(accepted) < 200:
            self._chosen[accepted] = encoding
        return encoding


class _Encoder(Protocol):
    def compress(self, data: bytes) -> bytes: ...
    def flush(self) -> bytes: ...
    def finish(self) -> bytes: ...


class _Gzip:
    __slots__ = ("_compressor",)

    def __init__(self, level: int) -> None:
        self._compressor = zlib.compressobj(level, zlib.DEFLATED, 31)  # 31: the largest window, with gzip's head and tail.

    def compress(self, data: bytes) -> bytes:
        return self._compressor.compress(data)

    def flush(self) -> bytes:
        return self._compressor.flush(zlib.Z_SYNC_FLUSH)

    def finish(self) -> bytes:
        return self._compressor.flush(zlib.Z_FINISH)


class _BrotliCompressor(Protocol):
    def process(self, string: bytes, /) -> bytes: ...
    def flush(self) -> bytes: ...
    def finish(self) -> bytes: ...


class _Brotli:
    __slots__ = ("_compressor",)

    def __init__(self, quality: int) -> None:
        import brotli  # type: ignore[import-untyped]  # the package has no types

        self._compressor: _BrotliCompressor = brotli.Compressor(quality=quality)

    def compress(self, data: bytes) -> bytes:
        return self._compressor.process(data)

    def flush(self) -> bytes:
        return self._compressor.flush()

    def finish(self) -> bytes:
        return self._compressor.finish()


class _Zstd:
    __slots__ = ("_compressor",)

    def __init__(self, level: int) -> None:
        if sys.version_info >= (3, 14):
            from compression.zstd import ZstdCompressor
        else:
            from backports.zstd import ZstdCompressor

        self._compressor = ZstdCompressor(level)

    def compress(self, data: bytes) -> bytes:
        return self._compressor.compress(data)

    def flush(self) -> bytes:
        return self._compressor.flush(self._compressor.FLUSH_BLOCK)

    def finish(self) -> bytes:
        return self._compressor.flush()


_AT_ONCE = 256 * 1024
_PIECE = 64 * 1024
_WITHOUT_WHOLE_BODY = frozenset({204, 205, 206})
_FIXED = frozenset({"content-digest", "content-encoding", "content-md5", "content-range", "repr-digest"})
_DROPPED = frozenset({"accept-ranges", "content-length"})
_SHRINKING = frozenset(
    {
        "application/javascript",
        "application/json",
        "application/jsonl",
        "application/rtf",
        "application/sql",
        "application/toml",
        "application/vnd.ms-fontobject",
        "application/wasm",
        "application/x-ndjson",
        "application/xml",
        "application/yaml",
        "font/otf",
        "font/ttf",
        "image/bmp",
        "image/vnd.microsoft.icon",
        "image/x-icon",
    }
)


def _check_level(name: str, level: int, lowest: int, highest: int) -> None:
    if not lowest <= level <= highest:
        raise ValueError(f"{name} is from {lowest} to {highest}, not {level}")


def _brotli_is_installed() -> bool:
    try:
        _Brotli(4)
    except ImportError:
        return False
    return True


def _zstd_is_installed() -> bool:
    try:
        _Zstd(3)
    except ImportError:
        return False
    return True


def _shrinks(content_type: str | None) -> bool:
    if content_type is None:
        return False
    name = content_type.partition(";")[0].strip().lower()
    if name.startswith("text/"):
        return name != "text/event-stream"
    return name in _SHRINKING or name.endswith(("+json", "+xml"))


def _may_leak(request: Request, response: Response) -> bool:
    own = response.own_headers
    if request._session is not None or (own is not None and "set-cookie" in own):
        return True
    content_type = (response.content_type or "").lower()
    if not content_type.startswith(("text/html", "application/xhtml+xml")):
        return False
    return request.header("cookie") is not None or request.header("authorization") is not None


def _varied(response: Kind) -> Kind:
    # A copy: the application may keep one response and serve it many times.
    answer = copy.copy(response)
    own = response.own_headers
    answer._headers = None if own is None else own.copy()
    answer.vary("Accept-Encoding")
    return answer


def _encoded(response: Response, encoding: str) -> Response:
    answer = _varied(response)
    headers = answer.headers
    headers.pairs[:] = [
        (name, "W/" + value if name == "etag" and value[:1] == '"' else value) for name, value in headers.pairs if name not in _DROPPED
    ]
    headers["content-encoding"] = encoding
    return answer


def _compress(chunks: Iterable[bytes | str], encoder: _Encoder) -> Iterator[bytes]:
    try:
        for chunk in chunks:
            # Flushed each time: what the application gave away is to arrive, not to wait for more.
            data = _compress_chunk(chunk, encoder)
            if data:
                yield data
        yield encoder.finish()
    finally:
        close = getattr(chunks, "close", None)
        if close is not None:
            close()


async def _compress_async(chunks: AsyncIterable[bytes | str], encoder: _Encoder) -> AsyncIterator[bytes]:
    try:
        async for chunk in chunks:
            data = _compress_chunk(chunk, encoder)
            if data:
                yield data
        yield encoder.finish()
    finally:
        aclose = getattr(chunks, "aclose", None)
        if aclose is not None:
            await aclose()


def _compress_chunk(chunk: bytes | str, encoder: _Encoder) -> bytes:
    data = chunk.encode("utf-8", "replace") if isinstance(chunk, str) else chunk
    return encoder.compress(data) + encoder.flush() if data else b""


def _compress_large(body: bytes, encoder: _Encoder) -> Iterator[bytes]:
    for start in range(0, len(body), _PIECE):
        data = encoder.compress(body[start : start + _PIECE])
        if data:
            yield data
    yield encoder.finish()
