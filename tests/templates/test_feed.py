from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from erlen import App, Response, url_for
from erlen.errors import ErlenError
from erlen.templates.feed import Enclosure, Feed, FeedEntry, Person
from erlen.testing import Client

ATOM = "{http://www.w3.org/2005/Atom}"
NAMES = {
    "a": "http://www.w3.org/2005/Atom",
    "c": "http://purl.org/rss/1.0/modules/content/",
    "d": "http://purl.org/dc/elements/1.1/",
}
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def full_feed() -> Feed:
    feed = Feed(
        "News & <more>",
        "https://example.org/",
        description="What is new",
        language="de-AT",
        author=Person("Ada", url="https://example.org/ada"),
        feed_url="https://example.org/feed.xml",
        icon="https://example.org/icon.png",
        copyright="© Ada",
        categories=["general"],
    )
    feed.add(
        FeedEntry(
            "First <b>",
            "https://example.org/1",
            id="urn:uuid:1",
            summary="short & sweet",
            content="<p>All &amp; more</p>",
            published=NOON.astimezone(timezone(timedelta(hours=2))),
            updated=NOON + timedelta(hours=1),
            author=Person("Bob", "bob@example.org"),
            categories=["a", "b"],
            comments="https://example.org/1#comments",
            enclosures=[Enclosure("https://example.org/1.mp3?x=1", 1234)],
        )
    )
    feed.add(FeedEntry("Second", "https://example.org/2", published=date(2026, 11, 1)))
    return feed


def parse(response: Response) -> ElementTree.Element:
    assert isinstance(response.body, str)
    return ElementTree.fromstring(response.body.encode())


def text(element: ElementTree.Element, path: str) -> str | None:
    return element.findtext(path, namespaces=NAMES)


def test_rss() -> None:
    root = parse(full_feed().rss())
    assert (root.tag, root.get("version")) == ("rss", "2.0")
    channel = root.find("channel")
    assert channel is not None
    assert [text(channel, name) for name in ("title", "link", "description", "language", "copyright", "category")] == [
        "News & <more>",
        "https://example.org/",
        "What is new",
        "de-AT",
        "© Ada",
        "general",
    ]
    assert text(channel, "lastBuildDate") == "Sun, 22 Nov 2026 13:00:00 GMT"
    assert [element.attrib for element in channel.iterfind("a:link", NAMES)] == [
        {"rel": "self", "href": "https://example.org/feed.xml", "type": "application/rss+xml"}
    ]
    assert text(channel, "image/url") == "https://example.org/icon.png"
    first, second = channel.findall("item")
    assert [text(first, name) for name in ("title", "link", "guid", "description", "c:encoded", "author", "comments")] == [
        "First <b>",
        "https://example.org/1",
        "urn:uuid:1",
        "short & sweet",
        "<p>All &amp; more</p>",
        "bob@example.org (Bob)",
        "https://example.org/1#comments",
    ]
    assert parsedate_to_datetime(text(first, "pubDate") or "") == NOON
    assert [element.text for element in first.findall("category")] == ["a", "b"]
    assert [element.attrib for element in first.findall("enclosure")] == [
        {"url": "https://example.org/1.mp3?x=1", "length": "1234", "type": "audio/mpeg"}
    ]
    assert [element.attrib for element in root.iter("guid")] == [{"isPermaLink": "false"}, {}]
    assert [text(second, name) for name in ("guid", "pubDate", "d:creator", "author")] == [
        "https://example.org/2",
        "Sun, 01 Nov 2026 00:00:00 GMT",
        "Ada",
        None,
    ]


def test_atom() -> None:
    root = parse(full_feed().atom())
    assert root.tag == f"{ATOM}feed"
    assert root.get("{http://www.w3.org/XML/1998/namespace}lang") == "de-AT"
    assert [
        text(root, f"a:{name}") for name in ("title", "id", "updated", "subtitle", "rights", "icon", "author/a:name", "author/a:uri")
    ] == [
        "News & <more>",
        "https://example.org/",
        "2026-11-22T13:00:00Z",
        "What is new",
        "© Ada",
        "https://example.org/icon.png",
        "Ada",
        "https://example.org/ada",
    ]
    assert [element.get("rel") for element in root.findall("a:link", NAMES)] == ["alternate", "self"]
    first, second = root.findall("a:entry", NAMES)
    assert [text(first, f"a:{name}") for name in ("title", "id", "updated", "published", "summary", "content", "author/a:email")] == [
        "First <b>",
        "urn:uuid:1",
        "2026-11-22T13:00:00Z",
        "2026-11-22T12:00:00Z",
        "short & sweet",
        "<p>All &amp; more</p>",
        "bob@example.org",
    ]
    assert [element.attrib for element in first.findall("a:link", NAMES)][1] == {
        "rel": "enclosure",
        "href": "https://example.org/1.mp3?x=1",
        "length": "1234",
        "type": "audio/mpeg",
    }
    assert [element.get("type") for element in first.findall("a:content", NAMES)] == ["html"]
    assert [text(second, f"a:{name}") for name in ("id", "updated", "published")] == [
        "https://example.org/2",
        "2026-11-01T00:00:00Z",
        "2026-11-01T00:00:00Z",
    ]


def test_atom_has_what_the_standard_asks_for() -> None:
    """RFC 4287, 4.1.1 and 4.1.2: an id, a title, a date, an author and links, even where nothing was said."""
    before = datetime.now(UTC).replace(microsecond=0)
    feed = Feed("News", "https://example.org/", entries=[FeedEntry("One", "https://example.org/1")])
    root = parse(feed.atom())
    updated = datetime.fromisoformat(text(root, "a:updated") or "")
    assert before <= updated <= datetime.now(UTC)
    assert text(root, "a:author/a:name") == "News"
    for element in (root, *root.findall("a:entry", NAMES)):
        for name in ("id", "title", "updated"):
            assert len(element.findall(f"a:{name}", NAMES)) == 1
            assert text(element, f"a:{name}")


def test_the_date_of_a_feed_can_be_given() -> None:
    feed = Feed("News", "https://example.org/", updated=datetime(2020, 1, 2, 3, 4, 5))
    assert text(parse(feed.atom()), "a:updated") == "2020-01-02T03:04:05Z"
    assert text(parse(feed.rss()), "channel/lastBuildDate") == "Thu, 02 Jan 2020 03:04:05 GMT"


def test_feeds_over_http(client_for: Callable[..., Client]) -> None:
    app = App()

    @app.get("/")
    def home() -> str:
        return "home"

    def feed() -> Feed:
        return Feed("News", url_for("home"), entries=[FeedEntry("One", "/1", enclosures=[Enclosure("/1.ogg", 0)])])

    @app.get("/rss.xml")
    def rss() -> Response:
        return feed().rss()

    @app.get("/atom.xml")
    async def atom() -> Response:
        return feed().atom()

    client = client_for(app)
    answer = client.get("/rss.xml?x=%22")
    assert answer.headers["content-type"] == "application/rss+xml; charset=utf-8"
    root = ElementTree.fromstring(answer.content)
    assert [text(root, f"channel/{name}") for name in ("link", "item/link", "item/guid")] == [
        "http://localhost/",
        "http://localhost/1",
        "http://localhost/1",
    ]
    assert [element.get("href") for element in root.iterfind("channel/a:link", NAMES)] == ["http://localhost/rss.xml?x=%22"]
    answer = client.get("/atom.xml")
    assert answer.headers["content-type"] == "application/atom+xml; charset=utf-8"
    root = ElementTree.fromstring(answer.content)
    assert [element.get("href") for element in root.iter(f"{ATOM}link")] == [
        "http://localhost/",
        "http://localhost/atom.xml",
        "http://localhost/1",
        "http://localhost/1.ogg",
    ]
    assert [(element.get("type"), element.get("length")) for element in root.iterfind("a:entry/a:link[@rel='enclosure']", NAMES)] == [
        ("audio/ogg", None)
    ]


def test_addresses_are_absolute() -> None:
    with pytest.raises(ErlenError, match="'/1' needs a request"):
        Feed("News", "https://example.org/", entries=[FeedEntry("One", "/1")]).rss()
    for link in ("javascript:alert(1)", "//evil.example", "1"):
        with pytest.raises(ValueError, match="is no address for a sitemap or feed"):
            Feed("News", link).atom()


TEXT = (
    st.text() | st.text(st.characters(codec=None), max_size=5) | st.sampled_from(["]]>", "<!--", "\0\x0b\ufffe\ud800", "&#0;", "<![CDATA["])
)


@given(st.lists(TEXT, min_size=6, max_size=6))
def test_the_xml_is_well_formed_whatever_the_text(texts: list[str]) -> None:
    one, two, three, four, five, six = texts
    link = f"https://example.org/{six}"
    entry = FeedEntry(
        one,
        link,
        id=two,
        summary=three,
        content=four,
        author=Person(five, six),
        categories=[one, two],
        comments=link,
        enclosures=[Enclosure(link, 1, three)],
        published=NOON,
    )
    feed = Feed(
        six, link, description=five, id=four, language=three, copyright=two, categories=[one], author=Person(one, two), entries=[entry]
    )
    rss, atom = parse(feed.rss()), parse(feed.atom())
    assert text(rss, "channel/item/title") == readable(one)
    assert text(atom, "a:entry/a:title") == readable(one)
    assert (text(atom, "a:entry/a:content") or "") == readable(four)


def readable(value: str) -> str:
    """What XML can carry of a text, as a parser reads it."""
    kept = [
        letter
        for letter in value
        if letter in "\t\n\r"
        or (letter >= " " and letter not in "\ufffe\uffff" and not "\x7f" <= letter <= "\x84" and not "\x86" <= letter <= "\x9f")
    ]
    text = "".join(letter for letter in kept if not "\ud800" <= letter <= "\udfff")
    return text.replace("\r\n", "\n").replace("\r", "\n")
