"""News feeds: RSS 2.0 and Atom 1.0 (RFC 4287).

@app.get("/news.xml")
def news() -> Response:
    feed = Feed("News", url_for("home"), description="What is new")
    for article in LATEST:
        feed.add(FeedEntry(article.title, url_for("article", id=article.id), content=article.html, published=article.published))
    return feed.atom()
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime

from msgspec import Struct

from erlen.http.conditional import format_http_date
from erlen.http.media import guess_media_type
from erlen.http.request import active_request
from erlen.http.response import Response
from erlen.templates.xml import absolute_url, current_origin, element, in_utc, w3c_date, xml_text

__all__ = ["Enclosure", "Feed", "FeedEntry", "Person"]


class Person(Struct, frozen=True):
    """An author."""

    name: str
    email: str = ""
    url: str = ""


class Enclosure(Struct, frozen=True):
    """A file that belongs to an entry, such as an episode of a podcast."""

    url: str
    """Absolute, or a path from the root."""
    length: int
    """Its size in bytes; 0 where it is not known."""
    media_type: str = ""
    """Such as `audio/mpeg`; by default what the ending of `url` says."""


class FeedEntry(Struct, frozen=True):
    """One piece of news. Dates without a time zone are in UTC."""

    title: str
    """Plain text."""
    link: str
    """The address of its page: absolute, or a path from the root."""
    id: str = ""
    """A name that never changes, such as `urn:uuid:…`; by default the address."""
    summary: str = ""
    """Plain text, in short."""
    content: str = ""
    """The whole, in HTML. Readers show it as HTML, so text from visitors must be escaped in it, as a template does."""
    published: date | None = None
    updated: date | None = None
    """When it last changed; by default when it was published."""
    author: Person | None = None
    """By default the feed's."""
    categories: Sequence[str] = ()
    comments: str = ""
    """The address of the page with comments; RSS only."""
    enclosures: Sequence[Enclosure] = ()
    """RSS readers expect at most one."""


class Feed:
    """A news feed, to be answered as RSS or Atom.

    Addresses may be paths from the root, which are completed by the current request. In every text, characters that XML cannot carry
    vanish.

    Args:
        title: plain text.
        link: the address of the page that it is the feed of.
        description: plain text.
        id: a name that never changes; by default the address of the page (Atom).
        language: such as `en` or `de-AT`.
        updated: when it last changed; by default when its newest entry did, or else the present moment.
        author: of the entries that name none; by default one with the feed's title as its name (Atom asks for one).
        feed_url: the address of the feed itself; by default that of the current request.
        icon: the address of a small picture.
        copyright: plain text.
        categories: plain texts.
        entries: the first ones; `add` adds more.
    """

    def __init__(
        self,
        title: str,
        link: str,
        *,
        description: str = "",
        id: str = "",
        language: str = "",
        updated: date | None = None,
        author: Person | None = None,
        feed_url: str = "",
        icon: str = "",
        copyright: str = "",
        categories: Sequence[str] = (),
        entries: Iterable[FeedEntry] = (),
    ) -> None:
        self.title = title
        self.link = link
        self.description = description
        self.id = id
        self.language = language
        self.updated = updated
        self.author = author
        self.feed_url = feed_url
        self.icon = icon
        self.copyright = copyright
        self.categories = categories
        self.entries = list(entries)

    def add(self, entry: FeedEntry) -> None:
        """Add an entry; readers expect the newest first."""
        self.entries.append(entry)

    def rss(self) -> Response:
        """Return the feed as RSS 2.0 (RSS Advisory Board).

        Raises:
            ValueError: for an address that is neither absolute nor a path from the root.
            ErlenError: for a path outside a request.
        """
        origin = current_origin()
        own = self._own_url()
        parts = [
            element("title", self.title),
            element("link", absolute_url(self.link, origin)),
            element("description", self.description or self.title),
        ]
        if own:
            parts.append(element("atom:link", rel="self", href=absolute_url(own, origin), type=_RSS))
        parts += _present("language", self.language)
        parts += _present("copyright", self.copyright)
        parts.append(element("lastBuildDate", format_http_date(_moment(self._last_change()))))
        parts += [element("category", category) for category in self.categories]
        if self.icon:
            image = element("url", absolute_url(self.icon, origin)) + element("title", self.title)
            parts.append(f"<image>{image}{element('link', absolute_url(self.link, origin))}</image>")
        parts += [self._rss_item(entry, origin) for entry in self.entries]
        return _respond(_RSS, f'<rss version="2.0" {_RSS_NAMES}><channel>', parts, "</channel></rss>")

    def atom(self) -> Response:
        """Return the feed as Atom 1.0 (RFC 4287).

        Raises:
            ValueError: for an address that is neither absolute nor a path from the root.
            ErlenError: for a path outside a request.
        """
        origin = current_origin()
        own, link = self._own_url(), absolute_url(self.link, origin)
        parts = [element("title", self.title), element("id", self.id or link), element("updated", w3c_date(_moment(self._last_change())))]
        parts.append(element("link", rel="alternate", href=link))
        if own:
            parts.append(element("link", rel="self", href=absolute_url(own, origin), type=_ATOM))
        parts += _present("subtitle", self.description)
        parts += _present("rights", self.copyright)
        parts += [element("category", term=category) for category in self.categories]
        if self.icon:
            parts.append(element("icon", absolute_url(self.icon, origin)))
        parts.append(_atom_author(self.author or Person(self.title), origin))
        parts += [self._atom_entry(entry, origin) for entry in self.entries]
        language = f' xml:lang="{xml_text(self.language)}"' if self.language else ""
        return _respond(_ATOM, f'<feed xmlns="http://www.w3.org/2005/Atom"{language}>', parts, "</feed>")

    def _rss_item(self, entry: FeedEntry, origin: str) -> str:
        link = absolute_url(entry.link, origin)
        parts = [element("title", entry.title), element("link", link)]
        parts.append(element("guid", entry.id or link, isPermaLink=None if not entry.id else "false"))
        parts += _present("description", entry.summary)
        parts += _present("content:encoded", entry.content)
        author = entry.author or self.author
        if author is not None:
            # RSS knows authors by their mail address alone.
            named = element("author", f"{author.email} ({author.name})") if author.email else element("dc:creator", author.name)
            parts.append(named)
        if entry.published is not None:
            parts.append(element("pubDate", format_http_date(_moment(entry.published))))
        parts += [element("category", category) for category in entry.categories]
        if entry.comments:
            parts.append(element("comments", absolute_url(entry.comments, origin)))
        for file in entry.enclosures:
            parts.append(element("enclosure", url=absolute_url(file.url, origin), length=file.length, type=_media_type(file)))
        return f"<item>{''.join(parts)}</item>"

    def _atom_entry(self, entry: FeedEntry, origin: str) -> str:
        link = absolute_url(entry.link, origin)
        changed = entry.updated or entry.published or self._last_change()
        parts = [element("title", entry.title), element("id", entry.id or link), element("updated", w3c_date(_moment(changed)))]
        parts.append(element("link", rel="alternate", href=link))
        if entry.published is not None:
            parts.append(element("published", w3c_date(_moment(entry.published))))
        if entry.author is not None:
            parts.append(_atom_author(entry.author, origin))
        parts += _present("summary", entry.summary)
        if entry.content:
            parts.append(element("content", entry.content, type="html"))
        parts += [element("category", term=category) for category in entry.categories]
        for file in entry.enclosures:
            href, length = absolute_url(file.url, origin), file.length or None
            parts.append(element("link", rel="enclosure", href=href, length=length, type=_media_type(file)))
        return f"<entry>{''.join(parts)}</entry>"

    def _own_url(self) -> str:
        request = active_request.get(None)
        return self.feed_url or ("" if request is None else str(request.url))

    def _last_change(self) -> date:
        if self.updated is not None:
            return self.updated
        changes = [changed for entry in self.entries if (changed := entry.updated or entry.published) is not None]
        return max(changes, key=_moment, default=datetime.now(UTC))


def _respond(media_type: str, opening: str, parts: Iterable[str], closing: str) -> Response:
    body = "\n".join(['<?xml version="1.0" encoding="UTF-8"?>', opening, *parts, closing, ""])
    return Response(body, content_type=f"{media_type}; charset=utf-8")


def _present(name: str, text: str) -> list[str]:
    return [element(name, text)] if text else []


def _atom_author(author: Person, origin: str) -> str:
    url = _present("uri", absolute_url(author.url, origin) if author.url else "")
    return f"<author>{element('name', author.name)}{''.join(url + _present('email', author.email))}</author>"


def _media_type(file: Enclosure) -> str:
    return file.media_type or guess_media_type(file.url.partition("?")[0])


def _moment(moment: date) -> datetime:
    return in_utc(moment if isinstance(moment, datetime) else datetime(moment.year, moment.month, moment.day, tzinfo=UTC))


_RSS = "application/rss+xml"
_ATOM = "application/atom+xml"
_RSS_NAMES = (
    'xmlns:atom="http://www.w3.org/2005/Atom" xmlns:content="http://purl.org/rss/1.0/modules/content/" '
    'xmlns:dc="http://purl.org/dc/elements/1.1/"'
)
