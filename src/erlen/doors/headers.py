"""The header fields of a response: the site's defaults, the content type, and the response's own, as a door sends them."""

from __future__ import annotations

from erlen.doors.log import log_error
from erlen.doors.protocol import Site
from erlen.http.headers import check_header
from erlen.http.response import OCTETS, Response
from erlen.types import HeaderPairs

__all__ = ["ByteHeaderLists", "BytePairs", "HeaderLists"]

BytePairs = list[tuple[bytes, bytes]]

# The server frames the body, so what a handler says about it could only disagree (request smuggling, OWASP ASVS 5.0 V4.2).
FRAMING = frozenset({"content-length", "transfer-encoding"})
CACHED_TYPES = 256


class HeaderLists:
    """Header lists for the RSGI and WSGI doors, where names and values are text.

    A list for a response without fields of its own is made once per content type and shared: nobody may change it.
    """

    def __init__(self, site: Site) -> None:
        self._bases = (site.default_headers(False), site.default_headers(True))
        self.shared: tuple[dict[str | None, HeaderPairs], dict[str | None, HeaderPairs]] = ({}, {})
        """The lists made so far, by scheme (`shared[secure]`) and content type, for a door to look into itself."""
        self.depends_on_scheme = self._bases[0] != self._bases[1]
        """Whether `secure` makes a difference: where it makes none, a door need not find it out."""

    def for_response(self, response: Response, secure: bool) -> HeaderPairs:
        """Return the fields of a response whose body the server measures.

        A response's own field replaces the default of that name, and an empty one drops it.
        """
        if response.own_headers is None:
            shared = self.shared[secure].get(response.content_type)
            return shared if shared is not None else self._share(response.content_type, secure)
        return self._merge(response, secure, FRAMING)

    def for_stream(self, response: Response, secure: bool) -> HeaderPairs:
        """Return the fields of a response whose body is made while it is sent: its own Content-Length is kept."""
        if response.own_headers is None:
            return self.for_response(response, secure)
        return self._merge(response, secure, frozenset({"transfer-encoding"}))

    def for_size(self, response: Response, secure: bool, size: int) -> HeaderPairs:
        """Return the fields of a response with a body of `size` bytes that the server does not measure itself."""
        return [*self.for_response(response, secure), ("content-length", str(size))]

    def _share(self, content_type: str | None, secure: bool) -> HeaderPairs:
        made = list(self._bases[secure])
        if content_type:
            made.append(("content-type", _checked(content_type)))
        shared = self.shared[secure]
        # Bounded: a content type may come from outside, as that of an uploaded file.
        if len(shared) < CACHED_TYPES:
            shared[content_type] = made
        return made

    def _merge(self, response: Response, secure: bool, dropped: frozenset[str]) -> HeaderPairs:
        own = response.headers.pairs
        names = {name for name, _ in own}
        merged = [pair for pair in self._bases[secure] if pair[0] not in names]
        if response.content_type and "content-type" not in names:
            merged.append(("content-type", _checked(response.content_type)))
        merged += [pair for pair in own if pair[1] and pair[0] not in dropped]
        return merged


class ByteHeaderLists:
    """Header lists for the ASGI door, where names and values are bytes."""

    def __init__(self, site: Site) -> None:
        self._lists = HeaderLists(site)
        self._shared: tuple[dict[str | None, BytePairs], dict[str | None, BytePairs]] = ({}, {})
        self.depends_on_scheme = self._lists.depends_on_scheme

    def for_response(self, response: Response, secure: bool) -> BytePairs:
        """Return the fields of a response, without its Content-Length; the list may be shared and must not be changed."""
        if response.own_headers is None:
            shared = self._shared[secure].get(response.content_type)
            if shared is not None:
                return shared
            made = _encode(self._lists.for_response(response, secure))
            if len(self._shared[secure]) < CACHED_TYPES:
                self._shared[secure][response.content_type] = made
            return made
        return _encode(self._lists.for_response(response, secure))

    def for_stream(self, response: Response, secure: bool) -> BytePairs:
        """Return the fields of a response whose body is made while it is sent: its own Content-Length is kept."""
        return _encode(self._lists.for_stream(response, secure))

    def for_size(self, response: Response, secure: bool, size: int) -> BytePairs:
        """Return the fields of a response with a body of `size` bytes."""
        return [*self.for_response(response, secure), (b"content-length", b"%d" % size)]


def _checked(content_type: str) -> str:
    # A content type may be what an uploaded file said of itself; a line break in it would begin a field of its own.
    try:
        return check_header("content-type", content_type)[1]
    except ValueError as error:
        log_error("a response's content type cannot be sent, application/octet-stream is: %s", error)
        return OCTETS


def _encode(pairs: HeaderPairs) -> BytePairs:
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in pairs]
