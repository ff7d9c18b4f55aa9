"""The header fields of a response: the site's defaults, the content type, and the response's own, as a door sends them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeAlias, TypeVar

from erlen.doors.log import log_error
from erlen.doors.protocol import Site
from erlen.http.headers import check_header
from erlen.http.response import OCTETS, VARIES, Response
from erlen.types import HeaderPairs

__all__ = ["BODILESS", "HOP_BY_HOP", "BytePairs", "HeaderLists", "as_byte_pairs", "as_text_pairs"]

Pair = TypeVar("Pair")
BytePairs = list[tuple[bytes, bytes]]
Key: TypeAlias = str | tuple[str | None] | None

# Statuses whose responses have no body (RFC 9110, section 6.4.1).
BODILESS = frozenset({*range(100, 200), 204, 304})
# Fields of the connection, which are the server's (PEP 3333; RFC 9110, section 7.6.1).
HOP_BY_HOP = frozenset(
    {"connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer", "transfer-encoding", "upgrade"}
)
# The server frames the body, so what a handler says about it could only disagree (request smuggling, OWASP ASVS 5.0 V4.2).
FRAMING = frozenset({"content-length", "transfer-encoding"})
CACHED_TYPES = 256


class HeaderLists(Generic[Pair]):
    """The header lists of one door. One for a response without fields of its own is made once per content type and shared.

    Args:
        site: whose defaults they have.
        encode: `as_text_pairs` or `as_byte_pairs`, what the server takes. Lists that were returned are not to be changed.
    """

    def __init__(self, site: Site, encode: Callable[[HeaderPairs], list[Pair]]) -> None:
        self._encode = encode
        self._bases = (site.default_headers(False), site.default_headers(True))
        self.shared: tuple[dict[Key, list[Pair]], dict[Key, list[Pair]]] = ({}, {})
        """The lists made so far, by scheme (`shared[secure]`) and content type, for a door to look into itself; with `VARIES`, by a
        tuple of the content type."""
        self.depends_on_scheme = self._bases[0] != self._bases[1]
        """Whether `secure` makes a difference: where it makes none, a door need not find it out."""

    def for_response(self, response: Response, secure: bool, dropped: frozenset[str] = FRAMING) -> list[Pair]:
        """Return the fields of a response whose body the server measures.

        A response's own field replaces the default of that name, and an empty one drops it; those in `dropped` are the server's.
        """
        own = response.own_headers
        if own is not None and own is not VARIES:
            return self._encode(self._merge(response, secure, dropped))
        key = response.content_type if own is None else (response.content_type,)
        made = self.shared[secure].get(key)
        if made is None:
            made = self._encode(self._merge(response, secure, dropped))
            # Bounded: a content type may come from outside, as that of an uploaded file.
            if len(self.shared[secure]) < CACHED_TYPES:
                self.shared[secure][key] = made
        return made

    def for_stream(self, response: Response, secure: bool) -> list[Pair]:
        """Return the fields of a response whose body is made while it is sent: its own Content-Length is kept."""
        return self.for_response(response, secure, frozenset({"transfer-encoding"}))

    def for_size(self, response: Response, secure: bool, size: int, method: str = "GET") -> list[Pair]:
        """Return the fields of a response with a body of `size` bytes that the server does not measure itself."""
        if response.status in BODILESS:
            return self.for_response(response, secure)
        if method == "HEAD" and not size:
            # A HEAD response may say the length that GET has, or none (RFC 9110, section 8.6).
            return self.for_stream(response, secure)
        return [*self.for_response(response, secure), *self._encode([("content-length", str(size))])]

    def _merge(self, response: Response, secure: bool, dropped: frozenset[str]) -> HeaderPairs:
        own = [] if response.own_headers is None else response.own_headers.pairs
        names = {name for name, _ in own}
        merged = [pair for pair in self._bases[secure] if pair[0] not in names]
        if response.content_type and "content-type" not in names:
            merged.append(("content-type", _checked(response.content_type)))
        merged += [pair for pair in own if pair[1] and pair[0] not in dropped]
        return merged


def as_text_pairs(pairs: HeaderPairs) -> HeaderPairs:
    """Return header fields for a server that takes text: RSGI, WSGI."""
    return pairs


def as_byte_pairs(pairs: HeaderPairs) -> BytePairs:
    """Return header fields for a server that takes bytes: ASGI."""
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in pairs]


def _checked(content_type: str) -> str:
    # A content type may be what an uploaded file said of itself; a line break in it would begin a field of its own.
    try:
        return check_header("content-type", content_type)[1]
    except ValueError as error:
        log_error("a response's content type cannot be sent, application/octet-stream is: %s", error)
        return OCTETS
