from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from erlen.static.collection import Collection
from erlen.static.naming import digest_of, hashed_name
from erlen.static.plan import Plan, _circles

Fill = Callable[..., Path]
Files = dict[str, str | bytes]


@pytest.fixture
def plan(fill: Fill, collect: Callable[..., Collection]) -> Callable[[Files], Plan]:
    def plan(files: Files) -> Plan:
        fill(files)
        return Plan(collect().collect(), {"/static"})

    return plan


def named(plan: Plan) -> dict[str, str]:
    return {name: planned.hashed for name, planned in plan.files.items()}


def test_a_name_says_the_content(plan: Callable[[Files], Plan]) -> None:
    names = named(plan({"a.png": b"\x89", "deep/b.css": "b {}"}))
    assert names == {"a.png": hashed_name("a.png", digest_of(b"\x89")), "deep/b.css": hashed_name("deep/b.css", digest_of(b"b {}"))}


def test_references_are_rewritten_to_the_new_names(plan: Callable[[Files], Plan]) -> None:
    made = plan(
        {
            "css/site.css": "@import 'more.css'; a { b: url(../img/x.png) }\n/*# sourceMappingURL=site.css.map */",
            "css/more.css": "c { d: url(/static/img/x.png?v=1) }",
            "css/site.css.map": "{}",
            "img/x.png": b"\x89",
            "app.js": 'import "./lib/a.js";',
            "lib/a.js": "export {}",
        }
    )
    names = named(made)
    last = {name: hashed.rpartition("/")[2] for name, hashed in names.items()}
    content = made.files["css/site.css"].content
    assert content is not None
    assert content.decode() == (
        f"@import '{last['css/more.css']}'; a {{ b: url(../img/{last['img/x.png']}) }}\n/*# sourceMappingURL={last['css/site.css.map']} */"
    )
    assert made.files["css/more.css"].content == f"c {{ d: url(/static/{names['img/x.png']}?v=1) }}".encode()
    assert made.files["app.js"].content == f'import "./{names["lib/a.js"]}";'.encode()
    assert names["css/site.css"] == hashed_name("css/site.css", digest_of(content))
    assert made.missing == []


def test_what_changes_renames_all_that_leads_to_it(plan: Callable[[Files], Plan]) -> None:
    files: Files = {"a.css": "@import 'b.css'", "b.css": "b { c: url(x.png) }", "x.png": b"1", "other.css": "d {}"}
    first = named(plan(files))
    second = named(plan({**files, "x.png": b"2"}))
    assert {name for name in files if first[name] != second[name]} == {"a.css", "b.css", "x.png"}


def test_files_that_refer_to_each_other_are_named_together(plan: Callable[[Files], Plan]) -> None:
    files: Files = {
        "a.js": 'import "./b.js"; import "./leaf.js"',
        "b.js": 'import "./a.js"',
        "self.js": 'import "./self.js"',
        "leaf.js": "",
        "top.js": 'import "./a.js"',
    }
    made = plan(files)
    first = named(made)
    assert made.files["a.js"].content == f'import "./{first["b.js"]}"; import "./{first["leaf.js"]}"'.encode()
    assert made.files["b.js"].content == f'import "./{first["a.js"]}"'.encode()
    assert made.files["self.js"].content == f'import "./{first["self.js"]}"'.encode()
    assert first == named(plan({}))
    for changed, renamed in (
        ("b.js", {"a.js", "b.js", "top.js"}),
        ("leaf.js", {"leaf.js", "a.js", "b.js", "top.js"}),
        ("self.js", {"self.js"}),
    ):
        second = named(plan({**files, changed: f"{files[changed]!s}\n// changed"}))
        assert {name for name in files if first[name] != second[name]} == renamed


def test_missing_files_are_all_named_with_their_line(plan: Callable[[Files], Plan], folder: Path) -> None:
    made = plan(
        {"a.css": "x { y: url(gone.png) }\n\nx { y: url(gone.svg#a) }\n/*# sourceMappingURL=a.css.map */", "b.js": '\nimport "./no.js"'}
    )
    assert [(str(one), one.is_map) for one in made.missing] == [
        (f"{folder}/a.css:1: gone.png", False),
        (f"{folder}/a.css:3: gone.svg#a", False),
        (f"{folder}/a.css:4: a.css.map", True),
        (f"{folder}/b.js:2: ./no.js", False),
    ]
    assert made.files["a.css"].content is None


def test_what_is_not_utf_8_is_left_as_it_is(plan: Callable[[Files], Plan]) -> None:
    made = plan({"a.css": b"/* \xe9 */ @import 'b.css'", "b.css": ""})
    assert made.files["a.css"].content is None
    assert made.missing == []


def test_a_long_chain_is_no_deep_recursion() -> None:
    count = 3000
    chain = {str(number): [str(number + 1)] if number < count else [] for number in range(count + 1)}
    assert list(_circles(chain))[:2] == [[str(count)], [str(count - 1)]]


def test_circles_come_after_what_they_lead_to() -> None:
    graph = {"a": ["b"], "b": ["c"], "c": ["a", "d"], "d": ["e"], "e": ["d"], "f": []}
    assert [sorted(part) for part in _circles(graph)] == [["d", "e"], ["a", "b", "c"], ["f"]]
