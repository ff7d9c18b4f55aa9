from __future__ import annotations

from collections.abc import Callable
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from erlen import App, Request
from erlen.errors import ErlenError
from erlen.templates.filters.links import querystring, urlize
from erlen.testing import RequestFactory

Show = Callable[..., str]
AssertGrowth = Callable[..., None]


class Links(HTMLParser):
    """The links of a text as a browser reads them, and all of its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.others: list[str] = []
        self.text = ""
        self.feed(str(html))
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        (self.found if tag == "a" else self.others).append(dict(attrs).get("href") or "")

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize(
    ("text", "links"),
    [
        ("see https://example.org/a?b=c&d=e#f.", ["https://example.org/a?b=c&d=e#f"]),
        ("(http://example.org/a_(b)), x", ["http://example.org/a_(b)"]),
        ("http://example.org/a) b", ["http://example.org/a"]),
        ("<http://localhost:8000/>", ["http://localhost:8000/"]),
        ("HTTPS://EXAMPLE.ORG!", ["HTTPS://EXAMPLE.ORG"]),
        ("http://[::1]/ http://127.0.0.1:80", ["http://[::1]/", "http://127.0.0.1:80"]),
        (
            "www.example.at, example.org/x example.org:80 example.at",
            ["https://www.example.at", "https://example.org/x", "https://example.org:80"],
        ),
        ("me@example.org, mailto:you@example.org", ["mailto:me@example.org", "mailto:you@example.org"]),
        ("https://müller.example/ö", ["https://müller.example/ö"]),
        ('"https://example.org"', ["https://example.org"]),
        ("**https://example.org**", ["https://example.org"]),
    ],
)
def test_addresses_become_links(text: str, links: list[str]) -> None:
    read = Links(urlize(text))
    assert read.found == links
    assert read.text.replace("mailto:", "") == text.replace("mailto:", "")


@pytest.mark.parametrize(
    "text",
    [
        "javascript:alert(1)",
        "http://",
        "https://user@evil.example",
        "https://a..b",
        "http://-a/",
        "a.b",
        "1.5",
        "x@y",
        "a@b@c.org",
        "a?cc=b@c.org",
        "mailto:a%0Ab@c.org",
        "www.",
        "data:text/html,x",
        "e.g.",
        "http://[zz]/",
        "https://example.org:99999999/",
    ],
)
def test_other_words_do_not(text: str) -> None:
    assert Links(urlize(text)).found == []


def test_how_links_look(show: Show) -> None:
    assert show("'http://example.org/<b>'|urlize") == '<a href="http://example.org/" rel="noopener">http://example.org/</a>&lt;b&gt;'
    assert show("'http://example.org/a'|urlize(15, true, '_blank', 'ugc')") == (
        '<a href="http://example.org/a" rel="nofollow noopener ugc" target="_blank">http://example.…</a>'
    )
    assert show("'https://e.org'|urlize(target='\"x', rel='\"')") == (
        '<a href="https://e.org" rel="&#34; noopener" target="&#34;x">https://e.org</a>'
    )
    assert show("none|urlize ~ missing|urlize") == ""


def test_other_schemes(show: Show) -> None:
    assert Links(show("'tel:123 TEL:4 tel: ftp://a'|urlize(extra_schemes=['tel:', 'ftp://'])")).found == ["tel:123", "TEL:4", "ftp://a"]
    for scheme in ("javascript:", "JavaScript:", "tel", "data:", "vbscript:", "a b:"):
        with pytest.raises(ValueError, match="is no scheme that links may have"):
            urlize("x", extra_schemes=[scheme])


def test_html_is_kept_and_its_links_and_scripts_are_left_alone() -> None:
    html = Markup(
        '<a href="http://a.org">http://a.org <b>http://a.org</b></a> http://b.org/?x=1&amp;y=2<br>'
        '<script>"http://c.org"</script><textarea>http://d.org</textarea>'
    )
    assert Links(urlize(html)).found == ["http://a.org", "http://b.org/?x=1&y=2"]
    assert Markup(urlize(html)).startswith('<a href="http://a.org">http://a.org <b>')


@given(st.lists(st.sampled_from([*"ab.:/@()<>\"'&# \n", "http://", "www.", "mailto:", ".org", "javascript:"])).map("".join))
def test_class_i_text_stays_text(text: str) -> None:
    read = Links(urlize(text))
    assert read.others == []
    assert all(link.startswith(("http://", "https://", "mailto:")) for link in read.found)
    assert read.text.replace("mailto:", "") == text.replace("mailto:", "")


UNITS = [
    "http://",
    "(",
    ")",
    "a@",
    "a.",
    ".",
    "www.",
    "(a)",
    "http://a.b/(",
    "&",
    "[",
    "@",
    "a@a.",
    ":",
    "<a ",
    "<",
    "&lt;",
    "%",
    "-",
    "aA1.",
    "http://a ",
]


@pytest.mark.parametrize("unit", UNITS)
def test_class_n_the_work_grows_with_the_text(assert_growth: AssertGrowth, unit: str) -> None:
    """CVE-2024-38875, 41990, 41991 and 45230, and the closing punctuation of Jinja's own filter."""
    assert_growth(urlize, unit)
    assert_growth(lambda text: urlize(f"http://a.org/{text}x."), unit)
    assert_growth(lambda text: urlize("(" * len(text) + text + ")" * len(text)), unit)
    assert_growth(lambda text: urlize(Markup(text)), unit)


@pytest.fixture
def factory() -> RequestFactory:
    return RequestFactory(App())


@pytest.mark.parametrize(
    ("path", "expression", "link"),
    [
        ("/?q=a%26b&page=1", "querystring(page=2)", "?q=a%26b&amp;page=2"),
        ("/?page=1&page=2", "querystring(page=none)", "?"),
        ("/", "querystring()", "?"),
        ("/?a=1", "querystring({'sort-by': 'name'}, tag=['x', 'y'])", "?a=1&amp;sort-by=name&amp;tag=x&amp;tag=y"),
        ("/?a=%22%3E%3Cscript%3E", "querystring()", "?a=%22%3E%3Cscript%3E"),
    ],
)
def test_the_query_with_changes(factory: RequestFactory, show: Show, path: str, expression: str, link: str) -> None:
    request: Request = factory.get(path)
    with factory.active(request):
        assert show(expression) == link


def test_the_query_needs_a_request() -> None:
    with pytest.raises(ErlenError, match="there is no request here"):
        querystring(page=2)
