from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from erlen.http.accept import Accept

if TYPE_CHECKING:
    from tests.conftest import AssertLinear

FIREFOX = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"
JSON, HTML = "application/json", "text/html"


def accept(**fields: str) -> Accept:
    return Accept({name.replace("_", "-"): value for name, value in fields.items()}.get)


@pytest.mark.parametrize(
    ("value", "offers", "chosen"),
    [
        ("", (JSON, HTML), JSON),
        ("*/*", (JSON, HTML), JSON),
        ("text/html", (JSON, HTML), HTML),
        ("text/html", (JSON,), None),
        ("application/json;q=0.5, text/html", (JSON, HTML), HTML),
        ("application/json; q=0", (JSON,), None),
        ("*/*, application/json;q=0", (JSON, HTML), HTML),
        ("text/*;q=0.5, text/html;q=0.1, */*;q=0.3", (HTML, "text/plain", JSON), "text/plain"),
        ("application/json, text/plain, */*", (HTML, JSON), JSON),
        (FIREFOX, (JSON, HTML), HTML),
        ("TEXT/HTML", (JSON, HTML), HTML),
        ("*; q=.2", (JSON,), JSON),
        ("text/html;level=1, text/html;q=0.4", ("text/html;level=2", "text/html;level=1"), "text/html;level=1"),
        ("text/html;level=1", (HTML,), None),
        ('text/plain;x="a,b;c=\\"d";q=0.5, text/html;q=0.4', ('text/plain;x="a,b;c=\\"d"', HTML), 'text/plain;x="a,b;c=\\"d"'),
        ("application/json; charset=utf-8", (JSON,), JSON),
        ("text/plain;charset=latin-1", ("text/plain; charset=utf-8",), None),
        ("application/vnd.acme+json; version=2", ("application/vnd.acme+json; version=1", "application/vnd.acme+json; version=2"),
         "application/vnd.acme+json; version=2"),
        ("text/html", (), None),
    ],
)  # fmt: skip
def test_media_type_follows_quality_then_specificity_then_order(value: str, offers: tuple[str, ...], chosen: str | None) -> None:
    assert accept(accept=value).media_type(*offers) == chosen


def test_the_table_of_rfc_9110_section_12_5_1() -> None:
    client = accept(accept="text/*;q=0.3, text/plain;q=0.7, text/plain;format=flowed, text/plain;format=fixed;q=0.4, */*;q=0.5")
    liked = ["text/plain;format=flowed", "text/plain", "image/jpeg", "text/plain;format=fixed", "text/html;level=3"]
    for better, worse in pairwise(liked):
        assert client.media_type(worse, better) == better


def test_without_a_preference_the_first_offer_is_taken() -> None:
    assert accept().media_type(HTML, JSON) == HTML
    assert accept().media_type() is None
    assert accept().accepts("image/png")
    assert accept(accept="nonsense, /, a/b/c, text /html").media_type(HTML) == HTML


@pytest.mark.parametrize(
    "bad", ["text", "/", "text/", "*/html", "te xt/html", "text/html;q=2", "text/html;q=x", "text/html;q=-1", "text/html;q="]
)
def test_a_malformed_item_is_skipped_and_the_others_count(bad: str) -> None:
    client = accept(accept=f"{bad}, application/json")
    assert client.media_type(HTML, JSON) == JSON
    assert not client.accepts(HTML)


@pytest.mark.parametrize(
    ("value", "html"),
    [(FIREFOX, True), ("*/*", False), (None, False), ("application/json", False), ("text/html, application/json", False),
     ("text/html", True), ("application/json, text/plain, */*", False)],
)  # fmt: skip
def test_prefers_html_only_for_clients_that_say_so(value: str | None, html: bool) -> None:
    assert accept(**({} if value is None else {"accept": value})).prefers_html is html


@pytest.mark.parametrize(
    ("value", "offers", "chosen"),
    [
        ("de-CH, en;q=0.5", ("en", "de"), "de"),
        ("en;q=0.5, de;q=0.9", ("en", "de"), "de"),
        ("EN-us", ("en-US", "en"), "en-US"),
        ("zh-Hant-CN-x-private1-private2", ("zh", "zh-Hant"), "zh-Hant"),
        ("zh-x-abc", ("zh-x", "zh"), "zh"),
        ("en", ("fr", "en-GB"), "en-GB"),
        ("fr", ("en", "de"), None),
        ("fr, *;q=0.1", ("en", "de"), "en"),
        ("*, en;q=0", ("en-GB", "de"), "de"),
        ("en-GB, en;q=0", ("en", "en-GB"), "en-GB"),
        ("en;q=0", ("en",), None),
        ("e", ("en",), None),
        ("", ("en", "de"), "en"),
    ],
)
def test_language_by_lookup_then_filtering(value: str, offers: tuple[str, ...], chosen: str | None) -> None:
    assert accept(accept_language=value).language(*offers) == chosen


@pytest.mark.parametrize(
    ("value", "chosen"),
    [
        (None, "identity"),
        ("", "identity"),
        ("gzip, deflate, br", "br"),
        ("gzip", "gzip"),
        ("x-gzip", "gzip"),
        ("gzip;q=1.0, br;q=0.5", "gzip"),
        ("br;q=0, gzip;q=0.1", "gzip"),
        ("*", "br"),
        ("*;q=0.5, br;q=0", "gzip"),
        ("identity", "identity"),
        ("gzip;q=0.5, identity;q=0.8", "identity"),
        ("gzip;q=0.5, identity;q=0.5", "gzip"),
        ("identity;q=0", None),
        ("*;q=0", None),
        ("*;q=0, identity", "identity"),
        ("deflate", "identity"),
        ("gzip;q=junk", "identity"),
    ],
)
def test_encoding_and_the_rules_of_identity(value: str | None, chosen: str | None) -> None:
    assert accept(**({} if value is None else {"accept_encoding": value})).encoding("br", "gzip") == chosen


@given(st.text(alphabet='abt/*;,=q.01" \\-\t', max_size=200) | st.text(max_size=100))
def test_any_field_is_answered_with_an_offer_or_none(value: str) -> None:
    client = accept(accept=value, accept_language=value, accept_encoding=value)
    assert client.media_type(JSON, HTML) in (JSON, HTML, None)
    assert client.language("en", "de") in ("en", "de", None)
    assert client.encoding("br", "gzip") in ("br", "gzip", "identity", None)


def test_class_b_only_the_first_64_items_count() -> None:
    assert accept(accept="a/b," * 63 + "text/html").media_type(HTML) == HTML
    assert accept(accept="a/b," * 64 + "text/html").media_type(HTML) is None


@pytest.mark.parametrize("piece", ["a,", "a/b;", '"\\', '"', "en-", "en-a-", ";q=", "a/b;c=d,", ' "a"', "*"])
def test_class_b_the_cost_of_parsing_grows_linearly(assert_linear: AssertLinear, piece: str) -> None:
    def work(value: str) -> None:
        client = accept(accept=value, accept_language=value, accept_encoding=value)
        client.media_type(HTML)
        client.language("en")
        client.encoding("gzip")

    assert_linear(lambda size: "a/b;" + piece * (size // len(piece)), work, 10_000)
