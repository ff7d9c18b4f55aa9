from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from erlen.static.javascript import javascript_references

if TYPE_CHECKING:
    from tests.conftest import AssertLinear


def urls(text: str) -> list[str]:
    return [reference.url for reference in javascript_references(text)]


@pytest.mark.parametrize(
    "text",
    [
        'import "./x.js"',
        "import './x.js';",
        'import"./x.js"',
        'import x from "./x.js";',
        'import {a,b as c}from"./x.js";',
        'import * as x from "./x.js" with { type: "json" };',
        'import x, { from } from "./x.js"',
        'import from from "./x.js"',
        'export * from "./x.js";',
        'export { default as y } from "./x.js"',
        'const x = await import("./x.js");',
        'import("./x.js").then(run)',
        'import( /* why */ "./x.js", { with: { type: "json" } })',
        'f(`${await import("./x.js")}`)',
        'const s = `a ${`b ${c}` + "}"} d`; import "./x.js"',
    ],
)
def test_imports_are_found(text: str) -> None:
    assert urls(text) == ["./x.js"]


@pytest.mark.parametrize(
    "text",
    [
        '// import "./x.js"',
        '/* import "./x.js" */',
        '/* import "./x.js"',
        "const s = 'import \"./x.js\"'",
        'const s = `import "./x.js"`',
        'const s = `\n${a}\nimport "./x.js"`',
        r'const r = /import ".\/x.js"/',
        'import x from "react"',
        'import x from "https://example.com/x.js"',
        'import("./" + name + ".js")',
        'import("./x" + ".js")',
        "import(`./x.js`)",
        'loader.import("./x.js")',
        'loader?.import("./x.js")',
        "new URL('./x.png', import.meta.url)",
        'import ""',
        'export default "./x.js"',
    ],
)
def test_what_only_looks_like_one_is_none(text: str) -> None:
    assert urls(text) == []


@pytest.mark.parametrize(
    "before",
    [
        "a = b / c; d = e / f",
        "a = (b + c) / 2; '/'",
        "a = b[0] / 2; s = '/'",
        "a++ / 2",
        "x = {a: 1} / 2",
        r"if (a) /['\"`]/.test(b)",
        r"while (a) /[/'\"`]/.exec(b)",
        "return /['`]/",
        "case /`/.test(a):",
        "f(/`/, /'/)",
        "a = !/`/.test(b)",
        "a = b ? /`/ : /'/",
        "a => /`/",
        "function f() {} /`/.exec(a)",
        "class A extends B {} /`/.exec(a)",
        "{ } /`/.exec(a)",
        "a.return / 2 + '`'",
        "a = `${ {b: 1}.b / 2 }`",
        "a = 1 / 2 / 3 / 4",
        "let a = '\\\n'",
        "let a = 'open",
    ],
)
def test_what_stands_before_does_not_hide_an_import(before: str) -> None:
    assert urls(f'{before}\nimport "./x.js"') == ["./x.js"]


def test_one_long_line() -> None:
    text = 'import{a as t}from"./a.js";const e=/["\'`]/g,n=t/2/e.lastIndex;if(n)/`/.test("");export{e as b};export*from"./b.js";'
    assert urls(text) == ["./a.js", "./b.js"]


def test_their_place_is_that_of_the_text_alone() -> None:
    text = 'import x from "./a.js"; import("../b.js")'
    assert [text[one.start : one.end] for one in javascript_references(text)] == ["./a.js", "../b.js"]


def test_the_last_source_map_counts() -> None:
    text = 'const s = "//# sourceMappingURL=no.js.map"\n//# sourceMappingURL=old.js.map\n//# sourceMappingURL=app.js.map\n'
    (found,) = javascript_references(text)
    assert (found.url, found.is_map) == ("app.js.map", True)


@given(st.text(alphabet=st.sampled_from("import(\"'`${}/*\\) \n.=a[]"), max_size=40))
def test_any_text_can_be_read(text: str) -> None:
    for one in javascript_references("import " + text):
        assert 0 <= one.start <= one.end <= len(text) + 7


PIECES = [
    "/*",
    '"\\',
    "`",
    "${",
    "`${",
    "=/[",
    "import ",
    'import("./a"',
    "(/",
    "{",
    "}",
    "\\",
    "/a",
    "\n=/[",
    "(",
    "//# sourceMappingURL=a\n",
]


@pytest.mark.parametrize("piece", PIECES)
def test_time_is_linear(assert_linear: AssertLinear, piece: str) -> None:
    assert_linear(lambda size: "import " + piece * size, lambda text: list(javascript_references(text)), 2_500)
