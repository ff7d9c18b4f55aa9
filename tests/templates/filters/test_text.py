from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from erlen.templates.filters.text import _Wrapper, capfirst, slugify, text_of, wordwrap

Show = Callable[..., str]
AssertGrowth = Callable[..., None]


class Html:
    def __html__(self) -> str:
        return "<hr>"


def test_text_of_a_value() -> None:
    assert text_of(None) == ""
    assert text_of(7) == "7"
    assert text_of("<") == "<"
    assert text_of(Html()) == Markup("<hr>")
    assert isinstance(text_of(Html()), Markup)
    assert not isinstance(text_of("<"), Markup)


def test_the_first_letter_is_capital(show: Show) -> None:
    assert show("'mcDonald & co'|capfirst") == "McDonald &amp; co"
    assert show("''|capfirst ~ none|capfirst ~ nothing|capfirst") == ""
    assert capfirst(Markup("a<br>")) == Markup("A<br>")


@pytest.mark.parametrize(
    ("text", "slug"),
    [
        ("Crème brûlée!", "creme-brulee"),
        ("Straße & Łódź, Ærø", "strasse-lodz-aero"),
        ("  don't -- stop  ", "dont-stop"),
        ("snake_case stays", "snake_case-stays"),
        ("日本語", ""),
        ("K2 ﬁne", "k2-fine"),
        (None, ""),
        (2026, "2026"),
        (Markup("<b>Tom</b> &amp; Jerry"), "tom-jerry"),
    ],
)
def test_slugs(show: Show, text: object, slug: str) -> None:
    assert show("text|slugify", text=text) == slug


def test_slugs_with_letters_of_every_script(show: Show) -> None:
    assert show("'Größe 日本 語!'|slugify(true)") == "größe-日本-語"


@given(st.text())
def test_a_slug_can_stand_in_a_path(text: str) -> None:
    assert re.fullmatch(r"[a-z0-9_-]*", slugify(text))
    assert slugify(slugify(text)) == slugify(text)


def test_lines_are_wrapped(show: Show) -> None:
    assert show("'the quick brown fox'|wordwrap(10)") == "the quick\nbrown fox"
    assert show("'abcdefghij'|wordwrap(4)") == "abcd\nefgh\nij"
    assert show("'abcdefghij'|wordwrap(4, break_long_words=false)") == "abcdefghij"
    assert show("'a b'|wordwrap(1, wrapstring='|')") == "a|b"
    assert show("none|wordwrap") == ""
    assert wordwrap("one\n\ntwo", 5) == "one\n\ntwo"


def test_wrapping_does_not_break_tags() -> None:
    html = Markup('<a href="https://example.org/a-long-path">x</a> &amp; y')
    assert wordwrap(html, 10) == Markup('<a\nhref="https://example.org/a-long-path">x</a>\n&amp; y')
    assert isinstance(wordwrap(html, 10), Markup)


def test_a_width_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="invalid width 0"):
        wordwrap("text", 0)


@given(st.text(st.characters(codec="ascii", exclude_categories=["Cc"])), st.integers(1, 12))
def test_wrapping_agrees_with_the_standard_library(text: str, width: int) -> None:
    import textwrap

    expected = textwrap.wrap(text, width, expand_tabs=False, replace_whitespace=False)
    assert wordwrap(text, width) == "\n".join(expected)


@given(st.integers(1, 9), st.integers(0, 400), st.text("ab -", max_size=12))
def test_long_words_are_cut_as_the_standard_library_cuts_them(width: int, length: int, before: str) -> None:
    import textwrap

    text = before + "x" * length
    assert wordwrap(text, width) == "\n".join(textwrap.wrap(text, width, expand_tabs=False, replace_whitespace=False))


@pytest.mark.parametrize("unit", ["a", "a-", "-", " ", "a ", "!", "--a", "\n", "\u0300\u0316", "ä ", "<", "&"])
@pytest.mark.parametrize("work", [capfirst, slugify, lambda text: slugify(text, True), wordwrap, lambda text: wordwrap(text, 5)])
def test_class_n_the_work_grows_with_the_text(assert_growth: AssertGrowth, work: Callable[[str], Any], unit: str) -> None:
    assert_growth(work, unit)


def test_class_n_a_long_word_is_cut_before_lines_are_taken_off_it() -> None:
    """CVE-2025-26699: each line taken off the front of a word copies all that follows; here what is copied is at most three lines."""
    pieces = _Wrapper(width=5)._split("a" * 1000)
    assert "".join(pieces) == "a" * 1000
    assert max(map(len, pieces)) <= 15
