from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from erlen.templates.filters.markdown import markdown

Show = Callable[..., str]
AssertGrowth = Callable[..., None]


class Elements(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.attributes: list[tuple[str, str, str]] = []
        self.names: set[str] = set()
        self.feed(str(html))
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]


def test_markdown(show: Show) -> None:
    assert show("'# Hi *you*'|markdown") == "<h1>Hi <em>you</em></h1>\n"
    assert "<table>" in markdown("|a|\n|-|\n|b|")
    assert markdown("~~a~~") == Markup("<p><s>a</s></p>\n")
    assert show("none|markdown ~ missing|markdown ~ ''|markdown") == ""


def test_html_in_it_is_text(show: Show) -> None:
    assert markdown("a <b>c</b> & &lt;") == Markup("<p>a &lt;b&gt;c&lt;/b&gt; &amp; &lt;</p>\n")
    assert markdown(Markup("<b>")) == Markup("<p>&lt;b&gt;</p>\n")


@pytest.mark.parametrize(
    "source",
    [
        "[x](javascript:alert(1))",
        "[x](JaVaScRiPt:alert(1))",
        "[x](&#106;avascript:alert(1))",
        "[x](java\tscript:alert(1))",
        "[x](<javascript:alert(1)>)",
        "<javascript:alert(1)>",
        "[x]\n\n[x]: javascript:alert(1)",
        "![x](javascript:alert(1))",
        "[x](vbscript:x)",
        "[x](data:text/html;base64,PHNjcmlwdD4=)",
        "![x](data:image/svg+xml;base64,PHN2Zz4=)",
        "[x](file:///etc/passwd)",
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        '[x](http://a "\\" onclick=alert(1) ")',
        '[x](http://a"onclick=alert(1))',
        '```"><script>\n```',
        "<!--><script>",
        "<![CDATA[<script>",
        "<?php <script> ?>",
    ],
)
def test_class_i_markdown_of_visitors_runs_nothing(source: str) -> None:
    read = Elements(markdown(source))
    assert not read.names & {"script", "img"} or all(value.startswith("http") for _, name, value in read.attributes if name == "src")
    for _, name, value in read.attributes:
        assert not name.startswith("on")
        assert not value.lower().replace("\t", "").startswith(("javascript:", "vbscript:", "data:", "file:"))


@given(
    st.lists(st.sampled_from([*"ab[]()<>!`*_~|:\"'&#\\ \n-=>1.", "javascript:", "http://", "onclick=", "<script>", "&#106;"])).map("".join)
)
def test_class_i_only_known_elements_and_attributes_come_out(source: str) -> None:
    read = Elements(markdown(source))
    known = {"a", "blockquote", "br", "code", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "img", "li", "ol", "p", "pre"}
    known |= {"s", "strong", "table", "tbody", "td", "th", "thead", "tr", "ul"}
    assert read.names <= known
    assert {name for _, name, _ in read.attributes} <= {"href", "src", "alt", "title", "class", "start", "style"}
    assert not any(value.lower().startswith("javascript:") for _, _, value in read.attributes)


def test_deep_nesting_ends() -> None:
    assert markdown("> " * 5000 + "a").count("<blockquote>") <= 20
    assert markdown("- " * 5000 + "a").count("<ul>") <= 20
    assert markdown("[" * 5000) == Markup(f"<p>{'[' * 5000}</p>\n")


@pytest.mark.parametrize("unit", ["[", "![", "*a_", "`a``", "<", "&", "[a](", "\\", "- a\n", "|a", "](", "***a", "a**b", "> ", "\n", "~~a"])
def test_class_n_the_work_grows_with_the_text(assert_growth: AssertGrowth, unit: str) -> None:
    assert_growth(markdown, unit, 300, 20_000)


def test_without_the_package_the_error_says_how_to_install_it() -> None:
    program = """
import sys
sys.modules["markdown_it"] = None
from erlen.errors import ConfigurationError
from erlen.templates.filters import FILTERS
try:
    FILTERS["markdown"]("*a*")
except ConfigurationError as error:
    print(error)
"""
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert "needs the package `markdown-it-py`" in answer.stdout
    assert "pip install 'erlen[markdown]'" in answer.stdout
