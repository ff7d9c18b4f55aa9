from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from erlen import App, Response, url_for
from erlen.errors import ErlenError
from erlen.http.response import StreamResponse
from erlen.templates.sitemap import SitemapEntry, sitemap_index_response, sitemap_response
from erlen.testing import Client

NAMES = {"s": "http://www.sitemaps.org/schemas/sitemap/0.9", "x": "http://www.w3.org/1999/xhtml"}


def body_of(response: Response) -> bytes:
    assert isinstance(response, StreamResponse)
    chunks = response.chunks
    assert isinstance(chunks, Iterator)
    return b"".join(chunk if isinstance(chunk, bytes) else chunk.encode() for chunk in chunks)


def locations(body: bytes) -> list[str]:
    return [element.text or "" for element in ElementTree.fromstring(body).iterfind(".//s:loc", NAMES)]


@pytest.fixture
def app() -> App:
    app = App()

    @app.get("/articles/{id}")
    def article(id: int) -> str:
        return str(id)

    @app.get("/sitemap.xml")
    def sitemap(part: int | None = None) -> Response:
        entries = [SitemapEntry(url_for("article", id=id), lastmod=date(2026, 11, 22)) for id in range(7)]
        return sitemap_response(entries, part=part, per_file=3)

    @app.get("/lazy.xml")
    def lazy() -> Response:
        return sitemap_response(url_for("article", id=id) for id in range(2))

    @app.get("/async.xml")
    async def from_async() -> Response:
        async def entries() -> AsyncIterator[str]:
            for id in range(2):
                yield url_for("article", id=id)

        return sitemap_response(entries())

    @app.get("/index.xml")
    def index() -> Response:
        return sitemap_index_response(["/lazy.xml", SitemapEntry("https://other.example/s.xml", lastmod=date(2026, 1, 2))])

    return app


def test_a_long_sitemap_is_an_index_of_parts(app: App, client_for: Callable[..., Client]) -> None:
    client = client_for(app)
    answer = client.get("/sitemap.xml")
    assert answer.headers["content-type"] == "application/xml; charset=utf-8"
    assert ElementTree.fromstring(answer.content).tag.endswith("}sitemapindex")
    parts = locations(answer.content)
    assert parts == [f"http://localhost/sitemap.xml?part={number}" for number in (1, 2, 3)]
    found = [location for part in parts for location in locations(client.get(part.removeprefix("http://localhost")).content)]
    assert found == [f"http://localhost/articles/{id}" for id in range(7)]
    assert client.get(found[6].removeprefix("http://localhost")).text == "6"
    assert [client.get(f"/sitemap.xml?part={part}").status for part in (0, 4, -1)] == [404, 404, 404]


def test_entries_are_made_while_they_are_sent(app: App, client_for: Callable[..., Client]) -> None:
    client = client_for(app)
    assert locations(client.get("/lazy.xml").content) == ["http://localhost/articles/0", "http://localhost/articles/1"]
    assert locations(client.get("/async.xml").content) == ["http://localhost/articles/0", "http://localhost/articles/1"]


def test_an_index_of_sitemaps(app: App, client_for: Callable[..., Client]) -> None:
    body = client_for(app).get("/index.xml").content
    assert locations(body) == ["http://localhost/lazy.xml", "https://other.example/s.xml"]
    assert [element.text for element in ElementTree.fromstring(body).iterfind(".//s:lastmod", NAMES)] == ["2026-01-02"]


def test_everything_an_entry_may_say() -> None:
    entry = SitemapEntry(
        "https://example.org/ö?a=1&b=2",
        lastmod=datetime(2026, 11, 22, 14, 5, 9, 123, tzinfo=timezone(timedelta(hours=1))),
        changefreq="weekly",
        priority=0.8,
        alternates={"de-AT": "https://example.org/de", "x-default": "https://example.org/"},
    )
    url = ElementTree.fromstring(body_of(sitemap_response([entry]))).find("s:url", NAMES)
    assert url is not None
    assert [(element.tag.rpartition("}")[2], element.text) for element in url][:4] == [
        ("loc", "https://example.org/%C3%B6?a=1&b=2"),
        ("lastmod", "2026-11-22T13:05:09Z"),
        ("changefreq", "weekly"),
        ("priority", "0.80"),
    ]
    assert [element.attrib for element in url.iterfind("x:link", NAMES)] == [
        {"rel": "alternate", "hreflang": "de-AT", "href": "https://example.org/de"},
        {"rel": "alternate", "hreflang": "x-default", "href": "https://example.org/"},
    ]


def test_a_moment_without_time_zone_is_in_utc() -> None:
    entry = SitemapEntry("https://example.org/", lastmod=datetime(2026, 11, 22, 14, 5))
    assert b"<lastmod>2026-11-22T14:05:00Z</lastmod>" in body_of(sitemap_response([entry]))


def test_an_empty_sitemap_is_a_sitemap() -> None:
    assert ElementTree.fromstring(body_of(sitemap_response([]))).tag.endswith("}urlset")
    assert ElementTree.fromstring(body_of(sitemap_response(iter(())))).tag.endswith("}urlset")


@pytest.mark.parametrize("priority", [-0.1, 1.1, float("nan")])
def test_priorities_have_bounds(priority: float) -> None:
    with pytest.raises(ValueError, match="from 0 to 1"):
        SitemapEntry("/", priority=priority)


@pytest.mark.parametrize("url", ["articles/1", "//evil.example/", "javascript:alert(1)", "mailto:a@b.c", ""])
def test_addresses_of_another_kind_are_refused(url: str) -> None:
    with pytest.raises(ValueError, match="is no address for a sitemap or feed"):
        body_of(sitemap_response([url]))


def test_a_path_needs_a_request() -> None:
    with pytest.raises(ErlenError, match="'/a' needs a request"):
        body_of(sitemap_response(["/a"]))


def test_a_file_is_sent_in_large_chunks() -> None:
    response = sitemap_response([f"https://example.org/{number}" for number in range(5000)])
    assert isinstance(response, StreamResponse)
    assert isinstance(response.chunks, Iterator)
    sizes = [len(chunk) for chunk in response.chunks]
    assert 2 < len(sizes) < 10
    assert max(sizes) < 70_000


def test_the_limits_of_the_protocol() -> None:
    with pytest.raises(ValueError, match="from 1 to 50000 pages, not per_file=50001"):
        sitemap_response([], per_file=50_001)
    with pytest.raises(ErlenError, match="at most 50000 pages: give the entries as a list"):
        body_of(sitemap_response("https://example.org/" for _ in range(50_001)))
    long = "https://example.org/" + "a" * 60_000
    with pytest.raises(ErlenError, match=r"at most 52428700 bytes: lower `per_file`; 87. pages filled one file"):
        body_of(sitemap_response([long] * 1000))


def test_only_the_entries_of_a_part_are_read() -> None:
    class Rows:
        def __len__(self) -> int:
            return 10**9

        def __getitem__(self, part: slice, /) -> list[SitemapEntry | str]:
            return [f"https://example.org/{number}" for number in range(10**9)[part]]

    assert locations(body_of(sitemap_response(Rows(), part=10**8, per_file=10))) == [
        f"https://example.org/{number}" for number in range(10**9 - 10, 10**9)
    ]


@given(st.text(), st.text(), st.text())
def test_the_xml_is_well_formed_whatever_the_text(path: str, language: str, query: str) -> None:
    entry = SitemapEntry("https://example.org/" + path, alternates={language: "https://example.org/?" + query})
    assert len(locations(body_of(sitemap_response([entry])))) == 1


@given(st.datetimes(), st.dates())
def test_any_date_can_be_written(moment: datetime, day: date) -> None:
    root = ElementTree.fromstring(
        body_of(sitemap_response([SitemapEntry("https://a.example/", moment), SitemapEntry("https://a.example/", day)]))
    )
    written = [element.text or "" for element in root.iterfind(".//s:lastmod", NAMES)]
    assert datetime.fromisoformat(written[0]) == moment.replace(microsecond=0, tzinfo=UTC)
    assert date.fromisoformat(written[1]) == day
