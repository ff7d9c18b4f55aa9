from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, timedelta
from decimal import Decimal
from enum import Enum
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from erlen.routing import Converter, Converters, HostPattern, Pattern, Router, URLMap

Resolve = Callable[..., Pattern]


class Colour(Enum):
    RED = "red"


def urls_of(template: str, host: str | None = None, annotations: Mapping[str, object] | None = None) -> URLMap:
    urls = URLMap()
    known = annotations or {}
    host_pattern = None if host is None else HostPattern.parse(host).resolve(known, Converters())
    urls.add("it", Pattern.parse(template).resolve(known, Converters()), host_pattern)
    return urls


def test_an_object_gives_the_parameters_that_are_its_attributes() -> None:
    urls = urls_of("/{issue.year}/{issue.slug}/{page}")
    assert urls.build("it", {"issue": SimpleNamespace(year=2026, slug="a b"), "page": 2}) == "/2026/a%20b/2"
    assert urls.build("it", {"issue.year": 2026, "issue.slug": "x", "page": 2}) == "/2026/x/2"
    with pytest.raises(ValueError, match="needs"):
        urls.build("it", {"issue": SimpleNamespace(year=2026), "page": 2})


@pytest.mark.parametrize(
    ("template", "params", "url"),
    [
        ("/", {}, "/"),
        ("/a/", {}, "/a/"),
        ("/größe/a b", {}, "/gr%C3%B6%C3%9Fe/a%20b"),
        ("/u/{id:int}", {"id": -5}, "/u/-5"),
        ("/u/{id}", {"id": 5}, "/u/5"),
        ("/u/{s}/x", {"s": "a b?#%/".removesuffix("/")}, "/u/a%20b%3F%23%25/x"),
        ("/u/{s}", {"s": "a:b@c;d,e=f&g+h!$'()*~"}, "/u/a:b@c;d,e=f&g+h!$'()*~"),
        ("/u/{s}", {"s": "日本"}, "/u/%E6%97%A5%E6%9C%AC"),
        ("/u/{s}", {"s": "%2e%2e"}, "/u/%252e%252e"),
        ("/u/{s}", {"s": "..."}, "/u/..."),
        ("/f/{p:path}", {"p": "a b/c/"}, "/f/a%20b/c/"),
        ("/f/{p:path:optional}", {"p": ""}, "/f/"),
        ("/v{a}/{b}.json", {"a": 1, "b": "x"}, "/v1/x.json"),
        ("/{article.slug}", {"article.slug": "x"}, "/x"),
    ],
)
def test_paths(template: str, params: dict[str, object], url: str) -> None:
    assert urls_of(template).build("it", params) == url


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ({}, ""),
        ({"a": None}, ""),
        ({"q": "a b&c=d+e", "p": 2}, "?q=a%20b%26c%3Dd%2Be&p=2"),
        ({"t": ["x", None, "y"], "u": (), "v": {3}}, "?t=x&t=y&v=3"),
        ({"on": True, "off": False, "none": None}, "?on=true&off=false"),
        ({"c": Colour.RED, "d": date(2026, 1, 2), "e": timedelta(hours=1), "f": Decimal("1.50")}, "?c=red&d=2026-01-02&e=PT3600S&f=1.50"),
        ({"u": UUID(int=1), "x": 1.5}, "?u=00000000-0000-0000-0000-000000000001&x=1.5"),
        ({"naïve key": ""}, "?na%C3%AFve%20key="),
        ({"next": "/a/b"}, "?next=/a/b"),
    ],
)
def test_queries(query: dict[str, object], text: str) -> None:
    assert urls_of("/x").build("it", {}, query) == "/x" + text


def test_fragment_comes_last() -> None:
    assert urls_of("/x").build("it", {}, {"a": 1}, "top ä#") == "/x?a=1#top%20%C3%A4%23"


@given(
    st.lists(
        st.tuples(st.text(st.characters(blacklist_categories=["Cs"])), st.text(st.characters(blacklist_categories=["Cs"]))), max_size=5
    )
)
def test_queries_are_read_back(pairs: list[tuple[str, str]]) -> None:
    query = dict(pairs)
    url = urls_of("/x").build("it", {}, query)
    assert url.isascii()
    assert dict(parse_qsl(urlsplit(url).query, keep_blank_values=True)) == query


def test_a_query_value_without_a_text_is_refused() -> None:
    for value in (object(), float("nan"), b"x"):
        with pytest.raises(ValueError, match=r"'q' is .*turn it into text first"):
            urls_of("/x").build("it", {}, {"q": value})


@pytest.mark.parametrize(
    ("template", "value", "message"),
    [
        ("/u/{s}", "a/b", "it has a slash"),
        ("/u/{s}", "", "it is empty"),
        ("/u/{s}", ".", "browsers would resolve"),
        ("/u/{s}", "..", "browsers would resolve"),
        ("/u/{s}", None, "expected text, got None"),
        ("/u/{s:int}", "5", "expected a whole number, got '5'"),
        ("/u/{s:int}", 2**63, "expected a number from"),
        ("/f/{s:path}", "../x", "browsers would resolve"),
        ("/f/{s:path}", "a/./x", "browsers would resolve"),
        ("/f/{s:path}", "/etc/passwd", "expected a relative path"),
        ("/f/{s:path}", "", "expected a relative path"),
        ("/.{s}", ".", "browsers would resolve"),
        ("/{s}.json", "a/b", "it has a slash"),
        ("/{s}.json", "", "expected more text"),
        ("/u/{s}", "\ud800", "surrogates"),
    ],
)
def test_values_that_cannot_stand_there(template: str, value: object, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        urls_of(template).build("it", {"s": value})
    assert template in str(caught.value)


def test_open_redirect_by_a_value_at_the_beginning() -> None:
    class Everything(Converter):
        name = "all"
        spans = True

        def format(self, value: Any) -> str:
            return str(value)

    converters = Converters()
    converters.register("all", Everything())
    urls = URLMap()
    urls.add("rest", Pattern.parse("/{p:all}").resolve({}, converters))
    urls.add("text", Pattern.parse("/{s}").resolve({}, converters))
    with pytest.raises(ValueError, match="another host"):
        urls.build("rest", {"p": "/evil.com"})
    assert urls.build("rest", {"p": "\\evil.com"}) == "/%5Cevil.com"
    assert urls.build("text", {"s": "\\evil.com"}) == "/%5Cevil.com"
    assert urls.build("text", {"s": "\t"}) == "/%09"
    assert urls.build("rest", {"p": ""}) == "/"


def test_header_injection_by_a_value() -> None:
    assert (
        urls_of("/{s}").build("it", {"s": "a\r\nSet-Cookie: x"}, {"q\r\n": "\r\n"}, "\r\n")
        == "/a%0D%0ASet-Cookie:%20x?q%0D%0A=%0D%0A#%0D%0A"
    )


def test_unknown_names_are_answered_with_the_nearest() -> None:
    urls = URLMap()
    for name in ("article.show", "article.edit", "article.list", "article.shown", "user.show"):
        urls.add(name, Pattern.parse(f"/{name}"))
    with pytest.raises(
        LookupError, match=r"no route is named 'article.shwo'\. Did you mean 'article.show', 'article.shown' or 'article.list'\?"
    ):
        urls.build("article.shwo", {})
    with pytest.raises(LookupError, match=r"no route is named 'zzz'\.$"):
        urls.build_host("zzz", {})


def test_missing_and_unknown_parameters_are_named_with_the_template() -> None:
    urls = urls_of("/a/{x}/{y}", "{tenant}.example.com")
    with pytest.raises(ValueError, match=r"'it', '\{tenant\}.example.com/a/\{x\}/\{y\}', needs 'tenant', 'y' and has no parameter 'z'"):
        urls.build("it", {"x": 1, "z": 2})
    with pytest.raises(ValueError, match=r"needs 'tenant', 'x', 'y'$"):
        urls.build_host("it", {})


def test_hosts_are_built() -> None:
    urls = urls_of("/a/{x}", "{tenant}-{n:int}.example.com")
    params = {"tenant": "Acme", "n": 5, "x": "y"}
    assert urls.build_host("it", params) == "acme-5.example.com"
    assert urls.build("it", params) == "/a/y"
    assert urls_of("/a").build_host("it", {}) is None


@pytest.mark.parametrize("value", ["a.b", "evil.com/", "-a", "a-", "a b", "bücher", "x" * 64, "a@b", "a:1", "", "a\n", "a\r\nX: y"])
def test_host_poisoning_by_a_value(value: str) -> None:
    with pytest.raises(ValueError, match=r"cannot build '\{tenant\}\.example\.com'"):
        urls_of("/", "{tenant}.example.com").build_host("it", {"tenant": value})


def test_a_host_name_has_a_greatest_length() -> None:
    urls = urls_of("/", "{a}.{b}.{c}.{d}.example")
    with pytest.raises(ValueError, match="253"):
        urls.build_host("it", dict.fromkeys("abcd", "x" * 63))


def test_names_are_given_once(resolve: Resolve) -> None:
    urls = URLMap()
    urls.add("a", resolve("/a"))
    urls.add("a", resolve("/a"))
    assert urls.build("a", {}) == "/a"
    with pytest.raises(ValueError, match="two routes are named 'a': '/a' and '/b'"):
        urls.add("a", resolve("/b"))
    with pytest.raises(ValueError, match="needs a name"):
        urls.add("", resolve("/c"))
    with pytest.raises(ValueError, match=r"in the path '/\{x\}' and in the host"):
        urls.add("d", resolve("/{x}"), HostPattern.parse("{x}.example.com"))


words = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="/"), min_size=1).filter(
    lambda text: text not in (".", "..")
)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "str": words,
    "int": st.integers(-(2**63), 2**63 - 1),
    "int:1..9": st.integers(1, 9),
    "float": st.floats(allow_nan=False, allow_infinity=False),
    "decimal": st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-(10**9), max_value=10**9),
    "bool": st.booleans(),
    "uuid": st.uuids(),
    "date": st.dates(),
    "datetime": st.datetimes(),
    "time": st.times(),
    "timedelta": st.timedeltas(),
    "slug": st.from_regex(r"\A[-a-zA-Z0-9_]+\Z"),
    "any:red,green": st.sampled_from(["red", "green"]),
    "re:[0-9]{4}": st.from_regex(r"\A[0-9]{4}\Z", alphabet=st.characters(codec="ascii")),
    "path": st.lists(words, min_size=1).map("/".join),
}


@pytest.mark.parametrize("template", ["/a/{x:%s}", "/{y}/pre{x:%s}"])
@pytest.mark.parametrize("kind", VALUES)
@settings(max_examples=40)
@given(data=st.data())
def test_what_is_built_is_matched(kind: str, template: str, data: st.DataObject) -> None:
    if kind == "path" and "pre" in template:
        return
    pattern = Pattern.parse(template % kind).resolve({}, Converters())
    router: Router[list[str]] = Router(list)
    endpoints = router.endpoints(pattern)
    router.freeze()
    urls = URLMap()
    urls.add("it", pattern)
    params = {name: data.draw(VALUES[kind] if name == "x" else words) for name in pattern.names}
    url = urls.build("it", params)
    assert url.isascii()
    assert router.match(unquote(url)) == (endpoints, tuple(params.values()))


@given(st.lists(words, min_size=2, max_size=2))
def test_mixed_segments_are_matched_as_built_or_refused(texts: list[str]) -> None:
    pattern = Pattern.parse("/{a}-{b}.x").resolve({}, Converters())
    router: Router[list[str]] = Router(list)
    router.endpoints(pattern)
    router.freeze()
    urls = URLMap()
    urls.add("it", pattern)
    try:
        url = urls.build("it", dict(zip("ab", texts, strict=True)))
    except ValueError:
        assert "-" in texts[0]
        return
    assert router.match(unquote(url)) == ([], tuple(texts))
