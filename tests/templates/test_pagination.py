from __future__ import annotations

from collections.abc import Callable, Sequence
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from erlen import App, NotFound
from erlen.templates import Page, Templates, render, render_string
from erlen.templates.pagination import Paginated, Pagination, page_window, paginate
from erlen.testing import Client

LETTERS = list("abcdefghij")


def test_a_page_of_a_list() -> None:
    page = paginate(LETTERS, page=2, per_page=4)
    assert list(page) == page.items == list("efgh")
    assert (page.number, page.per_page, page.pages, page.total, len(page)) == (2, 4, 3, 10, 4)
    assert (page.has_previous, page.previous, page.has_next, page.next) == (True, 1, True, 3)
    assert (page.first_item, page.last_item) == (5, 8)
    assert repr(page) == "<Pagination page 2 of 3, 10 items>"


def test_the_first_and_the_last_page() -> None:
    first, last = paginate(LETTERS, per_page=4), paginate(LETTERS, page="3", per_page=4)
    assert (first.previous, first.has_previous, first.next) == (None, False, 2)
    assert (last.items, last.next, last.has_next, last.last_item) == (["i", "j"], None, False, 10)


def test_an_empty_list_has_one_empty_page() -> None:
    page: Pagination[str] = paginate([])
    assert (page.items, page.pages, page.first_item, page.last_item, page.has_next, bool(page)) == ([], 1, 0, 0, False, False)
    assert paginate([], page="").number == 1
    assert paginate([], page=None).number == 1


@pytest.mark.parametrize("number", [0, -1, 4, "4", "-1", "abc", "1.0", " 1", "²", "٢", "9" * 5000, "1_0"])
def test_a_page_that_is_not_there_is_not_found(number: int | str) -> None:
    with pytest.raises(NotFound):
        paginate(LETTERS, page=number, per_page=4)


@pytest.mark.parametrize(("number", "taken"), [(0, 1), (-5, 1), (4, 3), ("99", 3), ("abc", 1), ("9" * 5000, 1), (2, 2)])
def test_or_the_nearest_one_is_taken(number: int | str, taken: int) -> None:
    assert paginate(LETTERS, page=number, per_page=4, clamp=True).number == taken


def test_orphans_join_the_page_before() -> None:
    page = paginate(LETTERS, page=2, per_page=4, orphans=2)
    assert (page.items, page.pages, page.has_next, page.last_item) == (list("efghij"), 2, False, 10)
    assert paginate(LETTERS, page=3, per_page=4, orphans=1).pages == 3
    assert paginate(["a"], per_page=4, orphans=3).items == ["a"]


@pytest.mark.parametrize(("per_page", "orphans"), [(0, 0), (-1, 0), (4, 4), (4, -1)])
def test_pages_of_no_items_are_refused(per_page: int, orphans: int) -> None:
    with pytest.raises(ValueError, match=f"not per_page={per_page}, orphans={orphans}"):
        paginate(LETTERS, per_page=per_page, orphans=orphans)


class Rows:
    """A source that counts and cuts by itself, as a query does."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.cut: list[slice] = []

    def __len__(self) -> int:
        return self.total

    def __getitem__(self, part: slice, /) -> Sequence[int]:
        self.cut.append(part)
        return range(self.total)[part]


def test_only_the_items_of_the_page_are_taken_from_a_source() -> None:
    rows = Rows(10**9)
    page = paginate(rows, page=10**6, per_page=10)
    assert list(page) == list(range(9_999_990, 10_000_000))
    assert rows.cut == [slice(9_999_990, 10_000_000)]
    shown: Paginated[int] = page
    assert shown.window(around=1) == [1, None, 999_999, 1_000_000, 1_000_001, None, 10**8]


@given(st.integers(0, 60), st.integers(1, 9), st.integers(0, 8))
def test_the_pages_together_are_the_list(total: int, per_page: int, orphans: int) -> None:
    orphans = min(orphans, per_page - 1)
    items = list(range(total))
    pages = [paginate(items, page=1, per_page=per_page, orphans=orphans)]
    while (number := pages[-1].next) is not None:
        pages.append(paginate(items, page=number, per_page=per_page, orphans=orphans))
    assert [item for page in pages for item in page] == items
    assert len(pages) == pages[0].pages
    assert [page.first_item - 1 for page in pages if page] == [page.items[0] for page in pages if page]


@pytest.mark.parametrize(
    ("number", "pages", "shown"),
    [
        (10, 20, [1, None, 8, 9, 10, 11, 12, None, 20]),
        (5, 20, [1, 2, 3, 4, 5, 6, 7, None, 20]),
        (4, 20, [1, 2, 3, 4, 5, 6, None, 20]),
        (1, 20, [1, 2, 3, None, 20]),
        (20, 20, [1, None, 18, 19, 20]),
        (17, 20, [1, None, 15, 16, 17, 18, 19, 20]),
        (1, 1, [1]),
        (2, 3, [1, 2, 3]),
    ],
)
def test_the_window(number: int, pages: int, shown: list[int | None]) -> None:
    assert page_window(number, pages) == shown


def test_windows_of_other_sizes() -> None:
    assert page_window(5, 9, around=0, ends=0) == [None, 5, None]
    assert page_window(5, 20, around=0, ends=2) == [1, 2, None, 5, None, 19, 20]
    assert page_window(2, 3, around=0, ends=0) == [1, 2, 3]


@given(st.integers(1, 300), st.integers(1, 300), st.integers(0, 4), st.integers(0, 4))
def test_a_window_has_the_current_page_and_no_gap_of_one(number: int, pages: int, around: int, ends: int) -> None:
    number = min(number, pages)
    shown = page_window(number, pages, around=around, ends=ends)
    numbers = [one for one in shown if one is not None]
    assert number in numbers
    assert numbers == sorted(set(numbers))
    assert set(numbers) <= set(range(1, pages + 1))
    for place, one in enumerate(shown):
        if one is None:
            before = shown[place - 1] if place else 0
            after = shown[place + 1] if place + 1 < len(shown) else pages + 1
            assert before is not None
            assert after is not None
            assert after - before > 2


def test_the_work_of_a_window_does_not_grow_with_the_pages() -> None:
    assert page_window(10**17, 10**18) == [1, None, *range(10**17 - 2, 10**17 + 3), None, 10**18]


# -- the component --------------------------------------------------------------------------------------------------------------


class Nav(HTMLParser):
    """The links of a page: each with its attributes and text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.links: list[dict[str, str | None]] = []
        self.feed(str(html))
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag == "a":
            self.links.append({**dict(attrs), "text": ""})

    def handle_data(self, data: str) -> None:
        if self.links and self.links[-1]["text"] == "":
            self.links[-1]["text"] = data.strip()


@pytest.fixture
def app(tmp_path: Path) -> App:
    (tmp_path / "books.html").write_text(
        '{% for book in books %}<p>{{ book }}</p>{% endfor %}{{ component("erlen/pagination", page=books, class="wide") }}',
        encoding="utf-8",
    )
    app = App()
    app.file = str(tmp_path / "app.py")  # compiled templates are kept beside it
    app.use(Templates(tmp_path))

    @app.get("/books")
    def books(page: int = 1) -> Page:
        return render("books.html", books=paginate(range(95), page=page, per_page=10))

    @app.get("/included")
    async def included(p: str = "") -> Page:
        source = '{% with page = list, parameter = "p", label = "Seiten" %}{% include "erlen/pagination.html" %}{% endwith %}'
        return render_string(source, list=paginate(LETTERS, page=p, per_page=4))

    return app


def test_the_component_links_to_the_other_pages(app: App, client_for: Callable[..., Client]) -> None:
    nav = Nav(client_for(app).get("/books?page=2&q=a%26b&q=%3C").text)
    assert nav.elements[10] == ("nav", {"class": "pagination wide", "aria-label": "Pages"})
    first, one, two, three, four, ten, last = nav.links
    assert first == {"href": "?q=a%26b&q=%3C", "rel": "prev", "text": "Previous"}
    assert one == {"href": "?q=a%26b&q=%3C", "aria-label": "Page 1", "text": "1"}
    assert two == {"href": "?q=a%26b&q=%3C&page=2", "aria-label": "Page 2", "aria-current": "page", "text": "2"}
    assert [link["href"] for link in (three, four, ten)] == [f"?q=a%26b&q=%3C&page={number}" for number in (3, 4, 10)]
    assert last == {"href": "?q=a%26b&q=%3C&page=3", "rel": "next", "text": "Next"}


def test_the_links_lead_to_their_pages(app: App, client_for: Callable[..., Client]) -> None:
    client = client_for(app)
    path, seen = "/books", list[str]()
    for _ in range(20):
        html = client.get(path).text
        seen += [part.partition("<")[0] for part in html.split("<p>")[1:]]
        following = [link for link in Nav(html).links if link.get("rel") == "next"]
        if not following:
            break
        path = f"/books{following[0]['href']}"
    assert seen == [str(number) for number in range(95)]
    assert client.get("/books?page=11").status == 404


def test_wcag_one_current_page_named_landmark_and_no_inline_style(app: App, client_for: Callable[..., Client]) -> None:
    nav = Nav(client_for(app).get("/books?page=5").text)
    assert [attributes.get("aria-current") for tag, attributes in nav.elements if attributes.get("aria-current")] == ["page"]
    assert all(link.get("aria-label", link["text"]) for link in nav.links)
    # 2.5.3, label in name: what is read out contains what is seen.
    assert all((link["text"] or "") in (link.get("aria-label") or link["text"] or "") for link in nav.links)
    assert not [name for _, attributes in nav.elements for name in attributes if name == "style" or name.startswith("on")]
    assert {tag for tag, _ in nav.elements} == {"p", "nav", "ul", "li", "a"}
    assert sum(attributes == {"aria-hidden": "true"} for _, attributes in nav.elements) == 1


def test_the_template_can_be_included(app: App, make_client: Callable[..., Client]) -> None:
    client = make_client(app)
    nav = Nav(client.get("/included?p=3").text)
    assert nav.elements[0][1]["aria-label"] == "Seiten"
    assert [link["href"] for link in nav.links] == ["?p=2", "?", "?p=2", "?p=3"]


def test_one_page_needs_no_links(make_client: Callable[..., Client], tmp_path: Path) -> None:
    app = App()
    app.file = str(tmp_path / "app.py")
    app.use(Templates())

    @app.get("/")
    def home() -> Page:
        return render_string('[{{ component("erlen/pagination", page=page) }}]', page=Pagination(LETTERS, number=1, per_page=10, total=10))

    assert make_client(app).get("/").text == "[]"


def test_any_query_is_kept_and_escaped(app: App, make_client: Callable[..., Client]) -> None:
    html = make_client(app).get("/books", params={"q": '"><script>alert(1)</script>'}).text
    assert "<script" not in html
    assert Nav(html).links[0]["href"] == "?q=%22%3E%3Cscript%3Ealert%281%29%3C%2Fscript%3E"
