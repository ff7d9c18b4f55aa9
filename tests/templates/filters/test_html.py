from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from erlen.templates.filters.html import json_script, linebreaks, linebreaksbr, linenumbers, spaceless, unordered_list

Show = Callable[..., str]
AssertGrowth = Callable[..., None]


class Reader(HTMLParser):
    """What a browser reads: the text, and the names of the elements."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text = ""
        self.names: list[str] = []
        self.feed(str(html))
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def test_paragraphs_and_line_breaks(show: Show) -> None:
    assert show("'a\r\nb\n\n\n<c>\rd\n'|linebreaks") == "<p>a<br>\nb</p>\n\n<p>&lt;c&gt;<br>\nd</p>"
    assert show("'a\r\n<b>'|linebreaksbr") == "a<br>\n&lt;b&gt;"
    assert show("html|linebreaks", html=Markup("<b>a</b>\n&amp;")) == "<p><b>a</b><br>\n&amp;</p>"
    assert show("none|linebreaks ~ missing|linebreaks ~ '\n\n'|linebreaks ~ none|linebreaksbr") == ""


def test_lines_are_numbered(show: Show) -> None:
    assert show("'one\n<two>'|linenumbers") == "1. one\n2. &lt;two&gt;"
    assert linenumbers("x\n" * 9).splitlines()[0] == "01. x"
    assert linenumbers(Markup("<b>")) == Markup("1. <b>")


def test_space_between_tags_is_removed(show: Show) -> None:
    assert spaceless(Markup("\n<ul>\n  <li> a </li>\n</ul> ")) == Markup("<ul><li> a </li></ul>")
    assert show("'<b> <i>'|spaceless") == "&lt;b&gt; &lt;i&gt;"
    assert spaceless(None) == ""


def test_nested_lists(show: Show) -> None:
    assert show("['A', ['<B>', ['C']], 'D']|unordered_list") == (
        "<li>A\n<ul>\n<li>&lt;B&gt;\n<ul>\n<li>C</li>\n</ul>\n</li>\n</ul>\n</li>\n<li>D</li>"
    )
    assert unordered_list([Markup("<b>a</b>"), 1, None]) == Markup("<li><b>a</b></li>\n<li>1</li>\n<li></li>")
    assert unordered_list([["a"]]) == Markup("<li>\n<ul>\n<li>a</li>\n</ul>\n</li>")
    assert show("none|unordered_list ~ missing|unordered_list ~ []|unordered_list") == ""


def test_a_list_that_contains_itself_is_refused() -> None:
    endless: list[object] = ["a"]
    endless.append(endless)
    with pytest.raises(ValueError, match="deeper than 100 levels, or contains itself"):
        unordered_list(endless)


def test_values_for_scripts(show: Show) -> None:
    value = {"day": date(2026, 11, 22), "price": Decimal("1.50"), "tags": ["<b>", "&"]}
    assert show("value|json_script('a\"b')", value=value) == (
        '<script id="a&#34;b" type="application/json">{"day":"2026-11-22","price":"1.50","tags":["\\u003cb\\u003e","\\u0026"]}</script>'
    )
    assert json_script(None) == Markup('<script type="application/json">null</script>')
    assert json_script(Markup("<b>")) == Markup('<script type="application/json">"\\u003cb\\u003e"</script>')


def test_what_is_no_json_is_named() -> None:
    with pytest.raises(TypeError, match=r"cannot make JSON of object \(at \$\['a'\]\)"):
        json_script({"a": object()})


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=10,
    )
)
def test_class_i_a_value_cannot_leave_its_script(value: object) -> None:
    read = Reader(json_script(value) + Markup("<p>"))
    assert read.names == ["script", "p"]
    assert json.loads(read.text) == value


@pytest.mark.parametrize("text", ["</script>", "</ScRiPt ", "<!--<script>", "]]>", "\u2028\u2029", "&lt;/script&gt;"])
def test_class_i_text_cannot_end_the_script(text: str) -> None:
    html = json_script(text)
    inner = html.removeprefix('<script type="application/json">').removesuffix("</script>")
    assert not set(inner) & set("<>&\u2028\u2029")
    assert json.loads(inner) == text


FILTERS = [linebreaks, linebreaksbr, linenumbers]


@pytest.mark.parametrize("work", FILTERS)
@given(text=st.text(st.characters(exclude_characters="\r\0", exclude_categories=["Cs"])))
def test_class_i_text_stays_text(work: Callable[[object], Markup], text: str) -> None:
    read = Reader(work(text))
    assert set(read.names) <= {"p", "br"}
    if work is not linenumbers:
        assert read.text.replace("\n", "") == text.replace("\n", "")


@pytest.mark.parametrize("unit", ["\n", "\r", "a\n", "<", "&", " ", "\n\n ", "> <", ">  "])
@pytest.mark.parametrize(
    "work", [*FILTERS, json_script, spaceless, lambda text: spaceless(Markup(text)), lambda text: linebreaks(Markup(text))]
)
def test_class_n_the_work_grows_with_the_text(assert_growth: AssertGrowth, work: Callable[[str], Any], unit: str) -> None:
    assert_growth(work, unit)


def test_class_n_the_work_grows_with_the_list(assert_growth: AssertGrowth) -> None:
    assert_growth(lambda text: unordered_list([text, list(text)]), "ab")
