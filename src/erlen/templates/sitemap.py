"""Sitemaps for search engines (sitemaps.org, protocol 0.9), written while they are sent.

@app.get("/sitemap.xml")
def sitemap(part: int | None = None) -> Response:
    entries = [SitemapEntry(url_for("article", id=article.id), lastmod=article.changed) for article in ARTICLES]
    return sitemap_response(entries, part=part)
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable, Iterable, Mapping
from datetime import date
from typing import Any, Literal, TypeAlias

from msgspec import Struct

from erlen.errors import ErlenError, NotFound
from erlen.http.request import current_request
from erlen.http.response import Response, StreamResponse, transform
from erlen.templates.pagination import Sliceable, count_pages
from erlen.templates.xml import absolute_url, current_origin, element, w3c_date

__all__ = ["SitemapEntry", "sitemap_index_response", "sitemap_response"]

Frequency: TypeAlias = Literal["always", "hourly", "daily", "weekly", "monthly", "yearly", "never"]


class SitemapEntry(Struct, frozen=True):
    """A page in a sitemap.

    Raises:
        ValueError: if `priority` is not from 0 to 1.
    """

    url: str
    """Absolute, or a path from the root, such as `url_for` gives."""
    lastmod: date | None = None
    """When the page last changed: a date, or a datetime (without a time zone: UTC)."""
    changefreq: Frequency | None = None
    """How often it is likely to change."""
    priority: float | None = None
    """How important it is among the pages of this site, from 0 to 1."""
    alternates: Mapping[str, str] = {}
    """Addresses of the page in each of its languages, its own included: `{"en": "/en/", "de-AT": "/de/", "x-default": "/"}`."""

    def __post_init__(self) -> None:
        if self.priority is not None and not 0 <= self.priority <= 1:
            raise ValueError(f"the priority of a page in a sitemap is from 0 to 1, not {self.priority}")


Entry: TypeAlias = SitemapEntry | str


def sitemap_response(
    entries: Sliceable[Entry] | Iterable[Entry] | AsyncIterable[Entry], *, part: int | None = None, per_file: int = 50_000
) -> Response:
    """Answer with a sitemap, or with an index of its parts if it is too long for one file.

    Args:
        entries: the pages, each a `SitemapEntry` or an address. What has a length and slices, such as a list, may be of any length;
            other iterables, asynchronous ones too, are for one file.
        part: which part to answer with, from the query parameter `part` that the index links to.
        per_file: how many pages a file has at most; the protocol allows 50,000.

    Raises:
        NotFound: if there is no such part.
        ValueError: if `per_file` is not from 1 to 50,000.

    While it is sent, a file over `per_file` pages or 50 MB ends with an `ErlenError` that says which parameter to change, and a page
    with a malformed address with a `ValueError`.
    """
    if not 1 <= per_file <= _MOST_URLS:
        raise ValueError(f"a sitemap has from 1 to {_MOST_URLS} pages, not per_file={per_file}")
    chosen: Any = entries
    if hasattr(chosen, "__len__") and hasattr(chosen, "__getitem__"):
        parts = count_pages(len(chosen), per_file)
        if part is None and parts > 1:
            url = current_request().url
            return sitemap_index_response(str(url.with_query(part=number)) for number in range(1, parts + 1))
        if part is not None and not 1 <= part <= parts:
            raise NotFound("There is no such part.")
        start = ((part or 1) - 1) * per_file
        chosen = chosen[start : start + per_file]
    elif part is not None and part != 1:
        raise NotFound("There is no such part.")
    return _respond(chosen, _Writer(_URLSET, "urlset", _page, per_file))


def sitemap_index_response(sitemaps: Iterable[Entry] | AsyncIterable[Entry]) -> Response:
    """Answer with an index of sitemaps, such as one for each section of the site.

    Args:
        sitemaps: addresses of sitemaps; of a `SitemapEntry`, `url` and `lastmod` are used.
    """
    return _respond(sitemaps, _Writer(_INDEX, "sitemapindex", _sitemap, _MOST_URLS))


def _respond(entries: Iterable[Entry] | AsyncIterable[Entry], writer: _Writer) -> Response:
    chunks = transform(entries, writer.write, writer.end)
    return StreamResponse(chunks, content_type="application/xml; charset=utf-8")


class _Writer:
    """Writes a file in chunks of some size: what is sent entry by entry would cost a step of the server each."""

    def __init__(self, opening: str, root: str, write_entry: Callable[[SitemapEntry, str], str], most: int) -> None:
        self._closing = f"</{root}>\n"
        self._write_entry = write_entry
        self._most = most
        # Now: while the response is sent, its request may be over.
        self._origin = current_origin()
        self._parts = [opening.encode()]
        self._waiting = self._size = len(opening)
        self._count = 0

    def write(self, entry: Entry) -> bytes:
        """Return the next chunk, or nothing as long as it is small."""
        one = SitemapEntry(entry) if isinstance(entry, str) else entry
        data = self._write_entry(one, self._origin).encode()
        self._count += 1
        self._size += len(data)
        if self._count > self._most:
            raise ErlenError(f"a sitemap has at most {self._most} pages: give the entries as a list, to have more in several files")
        if self._size > _MOST_BYTES:
            raise ErlenError(f"a sitemap has at most {_MOST_BYTES} bytes: lower `per_file`; {self._count - 1} pages filled one file")
        self._parts.append(data)
        self._waiting += len(data)
        return self._flush() if self._waiting >= _CHUNK else b""

    def end(self) -> bytes:
        """Return the last chunk."""
        self._parts.append(self._closing.encode())
        return self._flush()

    def _flush(self) -> bytes:
        data = b"".join(self._parts)
        self._parts.clear()
        self._waiting = 0
        return data


def _page(entry: SitemapEntry, origin: str) -> str:
    parts = [element("loc", absolute_url(entry.url, origin))]
    if entry.lastmod is not None:
        parts.append(element("lastmod", w3c_date(entry.lastmod)))
    if entry.changefreq is not None:
        parts.append(element("changefreq", entry.changefreq))
    if entry.priority is not None:
        parts.append(element("priority", f"{entry.priority:.2f}"))
    for language, url in entry.alternates.items():
        parts.append(element("xhtml:link", rel="alternate", hreflang=language, href=absolute_url(url, origin)))
    return f"<url>{''.join(parts)}</url>\n"


def _sitemap(entry: SitemapEntry, origin: str) -> str:
    changed = "" if entry.lastmod is None else element("lastmod", w3c_date(entry.lastmod))
    return f"<sitemap>{element('loc', absolute_url(entry.url, origin))}{changed}</sitemap>\n"


_MOST_URLS = 50_000
_MOST_BYTES = 50 * 1024 * 1024 - 100  # with room for the end
_CHUNK = 64 * 1024
_NAMESPACE = 'xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"'
_INDEX = f'<?xml version="1.0" encoding="UTF-8"?>\n<sitemapindex {_NAMESPACE}>\n'
_URLSET = f'<?xml version="1.0" encoding="UTF-8"?>\n<urlset {_NAMESPACE} xmlns:xhtml="http://www.w3.org/1999/xhtml">\n'
