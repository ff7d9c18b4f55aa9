"""Compression of responses: Zstandard, Brotli, gzip (RFC 8878, 7932, 1952), chosen by `Accept-Encoding`."""

from __future__ import annotations

import copy
import re
import sys
import zlib
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache, partial
from typing import NamedTuple, TypeVar

from erlen.http.accept import Accept
from erlen.http.headers import Headers
from erlen.http.request import Request
from erlen.http.response import VARIES, Response, StreamResponse, transform

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

    Encodings are preferred in the order `zstd`, `br`, `gzip`. `br` needs the package `brotli`, `zstd` Python 3.14 or `backports.zstd`,
    and both come with `pip install "erlen[compression]"`; those not installed are left out.

    Args:
        minimum_size: of a body, in bytes; smaller ones do not gain.
        breach_safe: the pages of this site hold no secret next to what a visitor can put into them, or guard it otherwise.
    """

    def __init__(self, minimum_size: int = 1024, *, breach_safe: bool = False) -> None:
        self.minimum_size = minimum_size
        self.breach_safe = breach_safe
        self._encoders: dict[str, Callable[[], _Encoder]] = {}
        for name, make in (("zstd", _zstd), ("br", _brotli), ("gzip", _gzip)):
            with suppress(ImportError):
                make()
                self._encoders[name] = make
        self.encodings = tuple(self._encoders)
        """What is in use: the encodings that are installed, the preferred one first."""
        # PERF: browsers send one of a few values; parsing takes 3 us, a lookup 0.05. Bounded, because clients choose the keys.
        self._choose = lru_cache(64)(self._read_choice)

    def apply(self, request: Request, response: Response) -> Response:
        """Return the response for this client: a compressed copy, a copy with `Vary`, or the response itself.

        Called last, when the response is prepared and its conditions are evaluated. A body over 256 KiB becomes a stream that is
        compressed in threads, piece by piece, because it would hold up the event loop.
        """
        if response.status == 304:
            return _varied(response)  # RFC 9110, section 15.4.5: it says what its 200 would say; whether that would shrink is not known.
        if not self._is_eligible(response):
            return response
        encoding = self._choose(request.header("accept-encoding"))
        if encoding is None or (not self.breach_safe and _may_leak(request, response)):
            return _varied(response)
        encoder = self._encoders[encoding]()
        if not isinstance(response, StreamResponse):
            body = response.body.encode("utf-8", "replace") if isinstance(response.body, str) else response.body
            if len(body) <= _AT_ONCE:
                compressed = encoder.compress(body) + encoder.finish()
                if len(compressed) >= len(body):
                    return _varied(response)
                answer = _encoded(response, encoding)
                answer.body = compressed
                return answer
            pieces = (body[start : start + _PIECE] for start in range(0, len(body), _PIECE))
            response = StreamResponse(pieces, response.status, response.own_headers, response.content_type or "")
        stream = _encoded(response, encoding)
        stream.chunks = transform(response.chunks, encoder.send, encoder.finish)
        return stream

    def _is_eligible(self, response: Response) -> bool:
        if response.kind == "file" or (response.kind == "body" and len(response.body) < self.minimum_size):
            return False
        if response.status < 200 or response.status in (204, 205, 206) or not _SHRINKING(response.content_type or ""):
            return False
        own = response.own_headers
        if own is None:
            return True
        return not any(name in _FIXED or (name == "cache-control" and "no-transform" in value.lower()) for name, value in own.pairs)

    def _read_choice(self, accepted: str | None) -> str | None:
        best = Accept({"accept-encoding": accepted}.get).encoding(*self.encodings)
        return best if best in self._encoders else None


class _Encoder(NamedTuple):
    compress: Callable[[bytes], bytes]
    flush: Callable[[], bytes]
    finish: Callable[[], bytes]

    def send(self, chunk: bytes | str) -> bytes:
        # Flushed each time: what the application gave away is to arrive, not to wait for more.
        data = chunk.encode("utf-8", "replace") if isinstance(chunk, str) else chunk
        return self.compress(data) + self.flush() if data else b""


def _gzip(level: int = 6) -> _Encoder:
    compressor = zlib.compressobj(level, zlib.DEFLATED, 31)  # 31: the largest window, with gzip's head and tail.
    return _Encoder(compressor.compress, partial(compressor.flush, zlib.Z_SYNC_FLUSH), compressor.flush)


def _brotli(level: int = 4) -> _Encoder:
    import brotli  # type: ignore[import-untyped]  # the package has no types

    compressor = brotli.Compressor(quality=level)
    return _Encoder(compressor.process, compressor.flush, compressor.finish)


def _zstd(level: int = 3) -> _Encoder:
    if sys.version_info >= (3, 14):
        from compression.zstd import ZstdCompressor
    else:
        from backports.zstd import ZstdCompressor

    compressor = ZstdCompressor(level)  # Above 19, browsers refuse the window (RFC 9659).
    return _Encoder(compressor.compress, partial(compressor.flush, compressor.FLUSH_BLOCK), compressor.flush)


_AT_ONCE = 256 * 1024
_PIECE = 64 * 1024
_FIXED = frozenset({"content-digest", "content-encoding", "content-md5", "content-range", "repr-digest"})
_SHRINKING = re.compile(
    r"text/(?!event-stream)"
    r"|(?:[^;]*\+(?:json|xml)|application/(?:javascript|json|jsonl|rtf|sql|toml|vnd\.ms-fontobject|wasm|x-ndjson|xml|yaml)"
    r"|font/[ot]tf|image/(?:bmp|vnd\.microsoft\.icon|x-icon))[ \t]*(?:;|$)",
    re.IGNORECASE,
).match


def _may_leak(request: Request, response: Response) -> bool:
    own = response.own_headers
    if request._session is not None or (own is not None and "set-cookie" in own):
        return True
    content_type = (response.content_type or "").lower()
    if not content_type.startswith(("text/html", "application/xhtml+xml")):
        return False
    return request.header("cookie") is not None or request.header("authorization") is not None


def _varied(response: Kind) -> Kind:
    if response._headers is None and type(response) is Response:
        # PERF: the doors know these fields, and share their list as they do where there are none. Copying takes 15 us more.
        answer = Response(response.body, response.status, None, response.content_type)
        answer._headers = VARIES
        return answer  # type: ignore[return-value]  # the same class
    return _with_vary(response)


def _with_vary(response: Kind) -> Kind:
    # A copy: the application may keep one response and serve it many times.
    answer = copy.copy(response)
    answer._headers = Headers(response.own_headers)
    answer.vary("Accept-Encoding")
    return answer


def _encoded(response: Kind, encoding: str) -> Kind:
    answer = _with_vary(response)
    headers = answer.headers
    headers.pairs[:] = [
        (name, "W/" + value if name == "etag" and value[:1] == '"' else value)
        for name, value in headers.pairs
        if name not in ("accept-ranges", "content-length")
    ]
    headers["content-encoding"] = encoding
    return answer
