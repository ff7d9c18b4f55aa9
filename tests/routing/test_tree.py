from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from enum import IntEnum
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from erlen.routing import Converter, Converters, Pattern, Router, shape

if TYPE_CHECKING:
    from tests.conftest import AssertLinear

Resolve = Callable[..., Pattern]
Found = tuple[object, ...]


def router_of(*templates: str) -> Router[list[str]]:
    """A router whose endpoints are the list of the templates that were registered there."""
    router: Router[list[str]] = Router(list)
    for template in templates:
        router.endpoints(Pattern.parse(template).resolve({}, Converters())).append(template)
    router.freeze()
    return router


def match(router: Router[list[str]], path: str) -> tuple[str, Found] | None:
    found = router.match(path)
    return None if found is None else (found[0][0], found[1])


@pytest.mark.parametrize(
    ("path", "template", "values"),
    [
        ("/", "/", ()),
        ("/a", "/a", ()),
        ("/a/", "/a/", ()),
        ("/a/new", "/a/new", ()),
        ("/a/5", "/a/{n:int}", (5,)),
        ("/a/x", "/a/{s}", ("x",)),
        ("/a/new/edit", "/a/{s}/edit", ("new",)),
        ("/a/5/edit", "/a/{s}/edit", ("5",)),
        ("/a/5/more", "/a/{n:int}/more", (5,)),
        ("/a/x/more", "/a/{rest:path}", ("x/more",)),
        ("/a/x/y/z/", "/a/{rest:path}", ("x/y/z/",)),
        ("/a/red", "/a/{c:any:red,green}", ("red",)),
        ("/a/b.json", "/a/{s}.json", ("b",)),
        ("/a/b.min.json", "/a/{s}.min.json", ("b",)),
        ("/a/5/2026", "/a/{n:int}/{y:re:[0-9]{4}}", (5, "2026")),
        ("/a/5/12", "/a/{rest:path}", ("5/12",)),
        ("/größe/ä", "/größe/{s}", ("ä",)),
    ],
)
def test_preference_and_backtracking(path: str, template: str, values: Found) -> None:
    router = router_of(
        "/a/{rest:path}",
        "/a/{s}",
        "/a/{s}/edit",
        "/a/{n:int}",
        "/a/{n:int}/more",
        "/a/{n:int}/{y:re:[0-9]{4}}",
        "/a/{c:any:red,green}",
        "/a/{s}.json",
        "/a/{s}.min.json",
        "/a/new",
        "/a/",
        "/a",
        "/",
        "/größe/{s}",
    )
    assert match(router, path) == (template, values)


@pytest.mark.parametrize("path", ["", "a", "*", "/b", "/a//x", "//a/x", "/a/x/", "/a/x/y", "/a/", "//"])
def test_no_match(path: str) -> None:
    assert router_of("/a/{s}", "/c/{s}/").match(path) is None


def test_the_deepest_parameter_takes_no_slash() -> None:
    router = router_of("/a/{s}")
    assert router.match("/a/x/y") is None
    assert router.match("/a/x/y/z") is None


def test_path_traversal_by_dot_segments_never_matches() -> None:
    router = router_of("/files/{p:path}", "/u/{s}", "/u/{s}/edit")
    for path in ("/files/../../etc/passwd", "/files/a/..", "/files/.", "/files/./x", "/u/..", "/u/.", "/u/../edit"):
        assert router.match(path) is None
    for path in ("/files/.git", "/files/...", "/files/a..b/..c", "/u/.x", "/u/..."):
        assert router.match(path) is not None


def test_path_traversal_by_an_absolute_rest_never_matches() -> None:
    assert router_of("/files/{p:path}").match("/files//etc/passwd") is None


def test_routes_of_one_shape_share_endpoints_whatever_the_names(resolve: Resolve) -> None:
    router: Router[dict[str, str]] = Router(dict)
    first = router.endpoints(resolve("/a/{id:int}/{x}"))
    assert router.endpoints(resolve("/a/{key}/{y:str}", {"key": int})) is first
    assert router.endpoints(resolve("/a/{id}/{x}")) is not first


def test_static_paths_are_a_dictionary() -> None:
    router = router_of("/a", "/a/b/", "/{x}")
    assert router.static == {"/a": ["/a"], "/a/b/": ["/a/b/"]}


def test_shapes(resolve: Resolve) -> None:
    assert shape(resolve("/a/{x}-{n:int}.json/{p:path}")) == "/a/{str}-{int}.json/{path}"
    assert shape(resolve("/")) == "/"
    with pytest.raises(ValueError, match="call resolve"):
        shape(Pattern.parse("/{x}"))


def test_every_match_in_order() -> None:
    router = router_of("/a/{s}", "/a/5", "/{p:path}", "/a/{n:int}", "/{x}/{y}")
    assert [(found[0], values) for found, values in router.matches("/a/5")] == [
        ("/a/5", ()),
        ("/a/{n:int}", (5,)),
        ("/a/{s}", ("5",)),
        ("/{x}/{y}", ("a", "5")),
        ("/{p:path}", ("a/5",)),
    ]
    assert list(router.matches("/")) == []


def test_freezing(resolve: Resolve) -> None:
    router: Router[list[str]] = Router(list)
    router.endpoints(resolve("/{x}"))
    with pytest.raises(RuntimeError, match="freeze"):
        router.match("/a")
    router.freeze()
    router.freeze()
    assert router.match("/a") == ([], ("a",))
    with pytest.raises(RuntimeError, match="frozen"):
        router.endpoints(resolve("/b"))


class First(IntEnum):
    A = 1


Second = IntEnum("Second", {"A": 1}, module=First.__module__, qualname=First.__qualname__)


def test_different_converters_of_one_name_are_told_apart(resolve: Resolve) -> None:
    router: Router[list[str]] = Router(list)
    router.endpoints(resolve("/{x}/y", {"x": First})).append("first")
    router.endpoints(resolve("/{x}/z", {"x": Second})).append("second")
    router.freeze()
    for path, name, kind in (("/1/y", "first", First), ("/1/z", "second", Second)):
        found = router.match(path)
        assert found is not None
        assert found[0] == [name]
        assert type(found[1][0]) is kind


def test_equal_ranks_are_settled_by_registration() -> None:
    router = router_of("/{a:re:[a-z]+}", "/{b:re:[a-f]+}/x", "/{b:re:[a-f]+}", "/{n:int}", "/{s}")
    assert match(router, "/abc") == ("/{a:re:[a-z]+}", ("abc",))
    assert match(router, "/abc/x") == ("/{b:re:[a-f]+}/x", ("abc",))


@pytest.mark.parametrize(
    ("path", "other"),
    [
        ("/a", "/a/"),
        ("/b/", "/b"),
        ("/u/x", "/u/x/"),
        ("/v/x/", "/v/x"),
        ("/a/", "/a"),
        ("/nope", None),
        ("/", None),
        ("", None),
        ("/f", None),
    ],
)
def test_slash_variants(path: str, other: str | None) -> None:
    router = router_of("/a/", "/a", "/b", "/u/{s}/", "/v/{s}", "/f/{p:path}", "/")
    assert router.alternative(path) == other


def test_open_redirect_by_slash_variant() -> None:
    class Everything(Converter):
        name = "all"
        rank = 100
        spans = True

        def parse(self, text: str) -> str:
            return text

    converters = Converters()
    converters.register("all", Everything())
    router: Router[list[str]] = Router(list)
    for template in ("/{s}/", "/{a}/{b}/", "/{p:all}"):
        router.endpoints(Pattern.parse(template).resolve({}, converters))
    router.freeze()
    for path in (
        "//evil.com",
        "//evil.com/x",
        "/\\evil.com",
        "/\t/evil.com",
        "/\n\\evil.com",
        "///evil.com",
        "\\\\evil.com",
        "https://evil.com",
    ):
        assert router.alternative(path) is None
    assert router.alternative("/good") == "/good/"


def test_an_optional_rest_may_be_empty() -> None:
    router = router_of("/m", "/m/{rest:path:optional}", "/{rest:path:optional}")
    assert match(router, "/m") == ("/m", ())
    assert match(router, "/m/") == ("/m/{rest:path:optional}", ("",))
    assert match(router, "/m/a/b") == ("/m/{rest:path:optional}", ("a/b",))
    assert match(router, "/") == ("/{rest:path:optional}", ("",))
    assert router.match("/m/../x") is None
    assert router.match("//x") is None


def test_own_converters_may_take_an_empty_rest() -> None:
    class Mount(Converter):
        name = "mount"
        spans = True

        def parse(self, text: str) -> str:
            return "/" + text

    converters = Converters()
    converters.register("mount", Mount())
    router: Router[list[str]] = Router(list)
    router.endpoints(Pattern.parse("/m/{rest:mount}").resolve({}, converters))
    router.freeze()
    assert router.match("/m/") == ([], ("/",))
    assert router.match("/m/a//b") == ([], ("/a//b",))
    assert router.match("/m") is None


def test_only_value_errors_mean_no_match() -> None:
    class Broken(Converter):
        name = "broken"

        def parse(self, text: str) -> str:
            raise ZeroDivisionError(text)

    converters = Converters()
    converters.register("broken", Broken())
    router: Router[list[str]] = Router(list)
    router.endpoints(Pattern.parse("/{x:broken}").resolve({}, converters))
    router.freeze()
    with pytest.raises(ZeroDivisionError):
        router.match("/a")


# -- against a reference --------------------------------------------------------------------------------------------------------

KINDS: dict[str, tuple[int, Callable[[str], object]]] = {
    "{%s}": (90, str),
    "{%s:int}": (40, int),
    "{%s:any:a,b}": (10, str),
    "{%s:re:[ab]+}": (20, str),
}
EXPRESSIONS = {"{%s}": "[^/]+", "{%s:int}": "-?[0-9]{1,18}", "{%s:any:a,b}": "a|b", "{%s:re:[ab]+}": "[ab]+", "{%s:path}": "[^/].*"}
# Literal text, one parameter, text around one, or (below) the rest.
pieces = st.sampled_from(
    [("a", ""), ("b", ""), ("1", ""), *((kind, "") for kind in KINDS), ("{%s}", ".a"), ("{%s:int}", ".a"), ("{%s}", "b")]
)
templates = st.tuples(st.lists(pieces, max_size=4), st.sampled_from(["", "/", "{%s:path}"])).filter(lambda drawn: drawn != ([], ""))
paths = st.lists(st.sampled_from(["a", "b", "1", "ab", "-7", "1.a", "b.a", "", "..", ".", "c.", "٣"]), max_size=6).map(
    lambda parts: "/" + "/".join(parts)
)


class Reference:
    """All routes tried one by one with an expression for each, then the best by the ranks of its segments."""

    def __init__(self, drawn: tuple[list[tuple[str, str]], str], order: int) -> None:
        parts, tail = drawn
        texts, expressions, self.ranks = [], [], []
        for position, (part, suffix) in enumerate(parts):
            if part in KINDS:
                texts.append(part % f"p{position}" + suffix)
                expressions.append(f"({EXPRESSIONS[part]}){re.escape(suffix)}")
                self.ranks.append((1, -len(suffix), KINDS[part][0]) if suffix else (2, KINDS[part][0], 0))
            else:
                texts.append(part)
                expressions.append(part)
                self.ranks.append((0, 0, 0))
        if tail == "{%s:path}":
            texts.append("{rest:path}")
            expressions.append("([^/].*)")
            self.ranks.append((2, 100, 0))
        elif tail:
            texts.append("")
            expressions.append("")
            self.ranks.append((0, 0, 0))
        self.template = "/" + "/".join(texts)
        self.expression = re.compile("/" + "/".join(expressions), re.DOTALL)
        self.parsers = [KINDS[part][1] for part, _ in parts if part in KINDS] + ([str] if tail == "{%s:path}" else [])
        self.order = order

    def match(self, path: str) -> Found | None:
        found = self.expression.fullmatch(path)
        if found is None or (self.parsers and {".", ".."} & set(path.split("/"))):
            return None
        return tuple(parse(text) for parse, text in zip(self.parsers, found.groups(), strict=True))


@given(st.lists(templates, max_size=12), st.lists(paths, min_size=1, max_size=8))
def test_agrees_with_trying_every_route(drawn: list[tuple[list[tuple[str, str]], str]], tried: list[str]) -> None:
    references = [Reference(one, order) for order, one in enumerate(drawn)]
    router: Router[list[Reference]] = Router(list)
    for reference in references:
        router.endpoints(Pattern.parse(reference.template).resolve({}, Converters())).append(reference)
    router.freeze()

    def expected(path: str) -> Iterator[tuple[str, Found]]:
        seen = set()
        for reference in sorted(references, key=lambda one: one.ranks):
            values = reference.match(path)
            if values is not None and reference.template not in seen:
                seen.add(reference.template)
                yield reference.template, values

    for path in tried:
        everything = list(expected(path))
        assert [(found[0].template, values) for found, values in router.matches(path)] == everything
        first = router.match(path)
        assert (None if first is None else (first[0][0].template, first[1])) == (everything[0] if everything else None)


# -- hostile paths --------------------------------------------------------------------------------------------------------------


def test_ten_thousand_segments() -> None:
    deep = "/x" * 10_000
    router = router_of(deep + "/{last}", "/{a}/{b}", "/f/{p:path}")
    assert match(router, deep + "/y") == (deep + "/{last}", ("y",))
    assert router.match(deep) is None
    assert match(router, "/f" + deep) == ("/f/{p:path}", (deep[1:],))


@pytest.mark.parametrize("piece", ["/", "/a", "/1", "/.a", "/..a", "//a", "a.a-"])
def test_hostile_paths_take_linear_time(piece: str, assert_linear: AssertLinear) -> None:
    router = router_of(
        "/{a}/{b}/x", "/{a:int}/{b}/y", "/a/{b}/{c:int}/{p:path}", "/{a}-{b}.z/{c}", "/1/1/1/{n:int}/z", "/{f:float}", "/{d:date}"
    )
    assert_linear(lambda size: piece * size + "!", lambda path: router.match(str(path)), 10_000)


def test_deep_backtracking_visits_each_node_once() -> None:
    calls: list[str] = []

    class Counting(Converter):
        def __init__(self, name: str, rank: int) -> None:
            self.name, self.rank = name, rank

        def parse(self, text: str) -> str:
            calls.append(text)
            return text

    converters = Converters()
    converters.register("one", Counting("one", 60))
    converters.register("two", Counting("two", 70))
    router: Router[list[str]] = Router(list)
    depth = 8
    for number in range(2**depth):
        kinds = "".join(f"/{{p{level}:{'one' if number >> level & 1 else 'two'}}}" for level in range(depth))
        router.endpoints(Pattern.parse(kinds + "/end").resolve({}, converters))
    router.freeze()
    assert router.match("/a" * depth + "/miss") is None
    assert len(calls) == 2 ** (depth + 1) - 2  # as many as the tree has branches, though no two routes are one shape
