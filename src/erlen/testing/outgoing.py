"""The request that a client sends: put together from what a test says, and from what a browser on the site's own page adds."""

from __future__ import annotations

import re
from collections.abc import AsyncIterable, Iterable, Mapping
from typing import TypeAlias, TypedDict, cast
from urllib.parse import urljoin

from msgspec import Struct

from erlen.http.headers import Headers, check_header
from erlen.http.response import encode_json
from erlen.http.url import URL
from erlen.testing.body import Fields, Files, encode_multipart, encode_pairs
from erlen.types import MISSING, HeaderPairs, Missing

__all__ = [
    "Body",
    "Outgoing",
    "RequestHeaders",
    "RequestOptions",
    "RequestParts",
    "header_pairs",
    "parts_of",
    "prepare",
    "read_base",
    "redirected",
]

Body: TypeAlias = bytes | Iterable[bytes] | AsyncIterable[bytes]
RequestHeaders: TypeAlias = Mapping[str, str | None] | Iterable[tuple[str, str | None]] | None
"""Header fields; None in place of a value leaves out what the client would send by itself."""


class RequestParts(TypedDict, total=False):
    """What a request is made of."""

    params: Fields | None
    """Parameters for the query string, after those in the path."""
    headers: RequestHeaders
    """These win over the client's own; None in place of a value leaves the client's out."""
    cookies: Mapping[str, str] | None
    """For this request alone, beside those of the jar."""
    json: object
    """A body in JSON: whatever msgspec encodes."""
    data: Mapping[str, object] | None
    """The fields of a form."""
    files: Files | None
    """Files of a form: bytes, `(name, content)` or `(name, content, media type)`, or a list of these."""
    content: bytes | str | Iterable[bytes] | AsyncIterable[bytes] | None
    """A body as it is; an iterable is sent piece by piece, without a Content-Length."""


class RequestOptions(RequestParts, total=False):
    """The keywords of `request`, `get`, `post` and the others."""

    follow_redirects: bool | None
    """None for what the client was made with."""


class Outgoing(Struct):
    """A request on its way."""

    method: str
    url: URL
    headers: HeaderPairs
    """Names in lower case; without `Cookie`, unless the test said one."""
    cookies: Mapping[str, str]
    body: Body

    @property
    def pieces(self) -> Iterable[bytes] | AsyncIterable[bytes]:
        """The body piece by piece; one in memory is one piece."""
        return ([self.body] if self.body else []) if isinstance(self.body, bytes) else self.body

    @property
    def target(self) -> tuple[str, str]:
        """Path and query string, percent-encoded, as in the first line of the request."""
        return self.url.raw_path or "/", self.url.query_string


def read_base(text: str) -> URL:
    """Read the URL that a client is at.

    Raises:
        ValueError: if it is not a scheme and a host alone.
    """
    url = URL.parse(text)
    if url.scheme not in ("http", "https") or url.raw_path not in ("", "/") or url.query_string or url.fragment:
        raise ValueError(f"the base URL {text!r} is not a scheme and a host: write `https://example.com` or `http://localhost:8000`")
    return url


def header_pairs(headers: RequestHeaders) -> list[tuple[str, str | None]]:
    """Return header fields as pairs, names in lower case.

    Raises:
        ValueError: on a name that is no token, or a line break or NUL in a value.
    """
    if headers is None:
        return []
    if isinstance(headers, Headers):
        return [*headers.pairs]  # not by `items`, which would lose all but the first of several
    given = cast("Mapping[str, str | None]", headers).items() if isinstance(headers, Mapping) else headers
    pairs: list[tuple[str, str | None]] = []
    for name, value in given:
        if value is not None and _BREAKING(value):
            raise ValueError(f"the value of header {name!r} has a line break or NUL, which no server lets through")
        pairs.append((check_header(name, "")[0], value))
    return pairs


def parts_of(options: RequestOptions) -> RequestParts:
    """Return the options that say what the request is."""
    return cast("RequestParts", {name: value for name, value in options.items() if name != "follow_redirects"})


def prepare(
    base: URL,
    defaults: list[tuple[str, str | None]],
    method: str,
    path: str,
    *,
    params: Fields | None = None,
    headers: RequestHeaders = None,
    cookies: Mapping[str, str] | None = None,
    json: object = MISSING,
    data: Mapping[str, object] | None = None,
    files: Files | None = None,
    content: bytes | str | Iterable[bytes] | AsyncIterable[bytes] | None = None,
) -> Outgoing:
    """Put a request together.

    Args:
        base: where the client is.
        defaults: the client's own header fields, from `header_pairs`.
        method: any token, in upper case as a rule.
        path: a path from the root, sent as it is; or an absolute URL. Only what no URL can hold is percent-encoded.

    Raises:
        TypeError: for more than one kind of body.
        ValueError: on a malformed path, method or header field.
    """
    if sum((json is not MISSING, content is not None, data is not None or files is not None)) > 1:
        raise TypeError("a request has one body: give json, content, or data and files")
    if not _TOKEN(method):
        raise ValueError(f"{method!r} is not an HTTP method")
    url = _locate(base, path)
    query = encode_pairs(params) if params is not None else ""
    if query:
        url = url.replace(query_string=f"{url.query_string}&{query}" if url.query_string else query)
    body, media_type = _body(json, data, files, content)
    fields = _Fields()
    fields["host"] = _authority(url)
    fields["accept"] = "*/*"
    fields["user-agent"] = "erlen-testing"
    if media_type:
        fields["content-type"] = media_type
    if not isinstance(body, bytes):
        fields["transfer-encoding"] = "chunked"
    elif body or method not in _BODILESS:
        fields["content-length"] = str(len(body))
    layers = (defaults, header_pairs(headers))
    said = {name for layer in layers for name, _ in layer}
    if method not in _SAFE and "origin" not in said:
        fields["sec-fetch-site"] = "same-origin"
    if "content-length" in said:
        fields.pop("transfer-encoding", None)
    return Outgoing(method, url, _merge(fields, *layers), cookies or {}, body)


def redirected(former: Outgoing, status: int, location: str) -> Outgoing:
    """Return the request with which a browser follows a redirect (RFC 9110, section 15.4; WHATWG Fetch, section 4.4).

    Raises:
        ValueError: if the location is no URL of the web, or a body that is gone would be sent again.
    """
    url = URL.parse(urljoin(str(former.url), location)).replace(fragment="")
    if url.scheme not in ("http", "https"):
        raise ValueError(f"a redirect leads to {location!r}, where a client cannot follow it")
    method, body, dropped = former.method, former.body, {"host"}
    if (status == 303 and method != "HEAD") or (status in (301, 302) and method == "POST"):
        method, body = "GET", b""
        dropped |= {"content-type", "content-length", "transfer-encoding", "sec-fetch-site"}
    elif not isinstance(body, bytes):
        raise ValueError(f"a redirect with status {status} asks for the body again, but an iterable is sent once: give it as bytes")
    headers = [("host", _authority(url))]
    if url.origin != former.url.origin:
        dropped |= {"authorization", "cookie", "sec-fetch-site"}
        headers.append(("sec-fetch-site", "cross-site"))
    headers += [pair for pair in former.headers if pair[0] not in dropped]
    return Outgoing(method, url, headers, former.cookies if url.origin == former.url.origin else {}, body)


_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_BODILESS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "DELETE"})
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+").fullmatch
_BREAKING = re.compile(r"[\r\n\x00]").search

_Fields = dict[str, str]


def _locate(base: URL, path: str) -> URL:
    # Not joined as a browser would: a test of `/files/../secret` or `//evil.example` must arrive as it was written.
    if path.startswith(("http://", "https://")):
        return URL.parse(path).replace(fragment="")
    if not path.startswith("/"):
        raise ValueError(f"the path {path!r} does not begin with a slash")
    return URL.parse(f"{base.origin}{path}").replace(fragment="")


def _authority(url: URL) -> str:
    return url.authority.rpartition("@")[2]


def _merge(fields: _Fields, *layers: list[tuple[str, str | None]]) -> HeaderPairs:
    """Let each layer replace the names it has; within one layer a name may stand more than once."""
    merged: HeaderPairs = list(fields.items())
    for layer in layers:
        names = {name for name, _ in layer}
        merged = [pair for pair in merged if pair[0] not in names]
        merged += [(name, value) for name, value in layer if value is not None]
    return merged


def _body(
    json: object | Missing,
    data: Mapping[str, object] | None,
    files: Files | None,
    content: bytes | str | Iterable[bytes] | AsyncIterable[bytes] | None,
) -> tuple[Body, str]:
    if json is not MISSING:
        return encode_json(json), "application/json"
    if files is not None:
        return encode_multipart(data or {}, files)
    if data is not None:
        return encode_pairs(data).encode(), "application/x-www-form-urlencoded"
    if isinstance(content, str):
        return content.encode(), "text/plain; charset=utf-8"
    return (b"" if content is None else content), ""
