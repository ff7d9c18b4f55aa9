from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from erlen.templates.filters.scan import scan_html
from erlen.templates.filters.shorten import truncate_html, truncate_words

Show = Callable[..., str]
AssertGrowth = Callable[..., None]
HTML = Markup('<p class="a">One <b title="a > b">two &amp; three</b><br> four</p>')


def test_words(show: Show) -> None:
    assert show("'one  two three'|truncate_words(2)") == "one  two…"
    assert show("'one two three'|truncate_words(3)") == "one two three"
    assert show("'one two three'|truncate_words(1, end=' [more]')") == "one [more]"
    assert show("'<b>one two'|truncate_words(1)") == "&lt;b&gt;one…"
    assert show("none|truncate_words(2) ~ missing|truncate_words(2) ~ ''|truncate_words(0)") == ""
    assert truncate_words("one two", 0) == "…"
    assert truncate_words(HTML, 2) == truncate_html(HTML, 2)


def test_words_of_html() -> None:
    assert truncate_html(HTML, 2) == Markup('<p class="a">One <b title="a > b">two…</b></p>')
    assert truncate_html(HTML, 3) == Markup('<p class="a">One <b title="a > b">two &amp;…</b></p>')
    assert truncate_html(HTML, 4) == Markup('<p class="a">One <b title="a > b">two &amp; three…</b></p>')
    assert truncate_html(HTML, 5) == HTML
    assert truncate_html(HTML, 0) == Markup("…")


def test_characters_of_html(show: Show) -> None:
    assert truncate_html(HTML, 9, "characters") == Markup('<p class="a">One <b title="a > b">two &amp;…</b></p>')
    assert truncate_html(Markup("a&nbsp;b&#x1F600;c"), 4, "characters") == Markup("a&nbsp;b&#x1F600;…")
    assert show("'a&amp;<b>'|truncate_html(3, 'characters')") == "a&amp;a…"
    assert show("'abc'|truncate_html(3, by='characters')") == "abc"


def test_the_end_is_escaped_unless_it_is_html() -> None:
    assert truncate_html(HTML, 1, end="<more>") == Markup('<p class="a">One&lt;more&gt;</p>')
    assert truncate_html(HTML, 1, end=Markup("<i>more</i>")) == Markup('<p class="a">One<i>more</i></p>')
    assert truncate_html("<a b", 1, end="<more>") == Markup("&lt;a&lt;more&gt;")


def test_scripts_and_comments_count_nothing() -> None:
    html = Markup("<!-- a b c --><script>if (a < b) c d</script><style>p q</style><!doctype x>one two")
    assert truncate_html(html, 1) == html.removesuffix(" two") + "…"
    assert truncate_html(html, 2) == html


def test_unfinished_html_is_closed_or_dropped() -> None:
    assert truncate_html(Markup("<p><i>one two</p> three"), 1) == Markup("<p><i>one…</i></p>")
    assert truncate_html(Markup("<p></i>one two"), 1) == Markup("<p></i>one…</p>")
    assert truncate_html(Markup('<p>one two <a href="x'), 1) == Markup("<p>one…</p>")
    assert truncate_html(Markup("1 < 2 and 3"), 3) == Markup("1 < 2…")


def test_other_units_are_refused() -> None:
    with pytest.raises(ValueError, match="by words or by characters, not by 'bytes'"):
        truncate_html(HTML, 1, "bytes")  # type: ignore[arg-type]


@given(st.text("ab <>/=\"'!-p", max_size=60), st.integers(0, 9))
def test_what_is_shortened_has_as_many_words_as_asked_for(html: str, count: int) -> None:
    short = truncate_html(Markup(html), count, end="")
    words = [word for piece in scan_html(short) if piece.kind == "text" for word in piece.source.split()]
    assert short == html or len(words) == count


@given(st.text("ab <>/=\"'!-p", max_size=60))
def test_the_pieces_of_html_are_its_beginning(html: str) -> None:
    joined = "".join(piece.source for piece in scan_html(html))
    assert html.startswith(joined)
    assert html[len(joined) :][:1] in ("", "<") or "<" in html


UNITS = [
    "<b>",
    "</b>",
    "<b></i>",
    "<",
    "<a",
    '<a "',
    "<a ='",
    "<!--",
    "<!-- -->",
    "&",
    "&amp;",
    "&a",
    "a ",
    " ",
    "<script>",
    "<br/>",
    "<a =",
    ">",
]


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("by", ["words", "characters"])
@pytest.mark.parametrize("count", [3, 10_000_000])
def test_class_n_the_work_grows_with_the_html(assert_growth: AssertGrowth, unit: str, by: Any, count: int) -> None:
    assert_growth(lambda text: truncate_html(Markup(text), count, by), unit)


def test_class_n_closing_tags_of_other_elements_cost_no_search(assert_growth: AssertGrowth) -> None:
    """CVE-2024-27351 and CVE-2026-1285: many open elements, then ends of elements that are not open."""
    assert_growth(lambda text: truncate_html(Markup("<b>" * len(text) + "</i>" * len(text) + "x y"), 1), "a")


def test_class_n_words_are_counted_once(assert_growth: AssertGrowth) -> None:
    assert_growth(lambda text: truncate_words(text, len(text)), "a ")
