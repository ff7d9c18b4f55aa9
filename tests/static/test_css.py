from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from erlen.static.css import css_references

if TYPE_CHECKING:
    from tests.conftest import AssertLinear


def urls(text: str) -> list[str]:
    return [reference.url for reference in css_references(text)]


@pytest.mark.parametrize(
    "text",
    [
        'a { background: url("x.png") }',
        "a { background: url('x.png') }",
        "a { background: url(x.png) }",
        "a { background: url(  x.png\n) }",
        "a { background: URL( 'x.png' ) }",
        "a{background:red url(x.png)no-repeat}",
        '@import "x.png";',
        "@import 'x.png' screen;",
        '@import url("x.png") layer(base);',
        "@IMPORT url(x.png);",
        r"a { background: url(x\.png) }",
        r"a { background: url(\78.png) }",
        r'a { background: url("x\2e png") }',
        "/* a */ a { /* url(no.png) */ background: url(x.png) }",
        'a::before { content: "url(no.png)" } b { background: url(x.png) }',
        "a::before { content: 'it\\'s url(no.png)' } b { background: url(x.png) }",
    ],
)
def test_references_are_found(text: str) -> None:
    assert urls(text) == ["x.png"]


@pytest.mark.parametrize(
    "text",
    [
        "/* url(x.png) */",
        "/* url(x.png)",
        "a { content: 'url(x.png)' }",
        "a { b: my-url(x.png) }",
        "a { b: curl(x.png) }",
        "a { b: url() }",
        "a { b: url(x y.png) }",
        "@charset 'x.png';",
    ],
)
def test_what_only_looks_like_one_is_none(text: str) -> None:
    assert urls(text) == []


def test_their_place_is_that_of_the_text_alone() -> None:
    text = '@import "a.css"; b { c: url( d.png ) }'
    assert [text[one.start : one.end] for one in css_references(text)] == ["a.css", "d.png"]


def test_source_maps() -> None:
    (found,) = css_references("a{}\n/*# sourceMappingURL=site.css.map */")
    assert (found.url, found.is_map) == ("site.css.map", True)


@given(st.text(alphabet=st.sampled_from("url(@import\"'/*\\) \n#=a"), max_size=40))
def test_any_text_can_be_read(text: str) -> None:
    for one in css_references(text):
        assert 0 <= one.start <= one.end <= len(text)


@pytest.mark.parametrize(
    "piece", ["/*", '"\\', "'\\", "url(", 'url("', "url(a ", "url( ", "@import ", '@import"', "url(\\", "/*# sourceMappingURL=", " "]
)
def test_time_is_linear(assert_linear: AssertLinear, piece: str) -> None:
    assert_linear(lambda size: piece * size, lambda text: list(css_references(text)), 10_000)
