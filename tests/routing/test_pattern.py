from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from erlen.routing import Converters, HostPattern, Parameter, Pattern
from erlen.routing.converter import TextConverter
from erlen.routing.pattern import Segment

if TYPE_CHECKING:
    from tests.conftest import AssertLinear

Resolve = Callable[..., Pattern]


def spelled(pattern: Pattern) -> str:
    """The template again, from the parts."""
    return "".join(
        "/"
        + "".join(part if isinstance(part, str) else f"{{{':'.join(filter(None, msgspec.structs.astuple(part)))}}}" for part in one.parts)
        for one in pattern.segments
    )


@pytest.mark.parametrize(
    ("template", "parts", "names"),
    [
        ("/", [()], ()),
        ("/articles/", [("articles",), ()], ()),
        ("/articles/{id}", [("articles",), (Parameter("id"),)], ("id",)),
        ("/{id:int}", [(Parameter("id", "int"),)], ("id",)),
        ("/{n:int:1..9}", [(Parameter("n", "int", "1..9"),)], ("n",)),
        ("/{year:re:[0-9]{4}}", [(Parameter("year", "re", "[0-9]{4}"),)], ("year",)),
        (r"/{x:re:a\}b(?:c|d)}", [(Parameter("x", "re", r"a\}b(?:c|d)"),)], ("x",)),
        ("/v{major}/{name}.json", [("v", Parameter("major")), (Parameter("name"), ".json")], ("major", "name")),
        ("/{a}-{b}", [(Parameter("a"), "-", Parameter("b"))], ("a", "b")),
        ("/{article.slug}", [(Parameter("article.slug"),)], ("article.slug",)),
        ("/größe/a b", [("größe",), ("a b",)], ()),
        ("/.well-known/x", [(".well-known",), ("x",)], ()),
    ],
)
def test_templates(template: str, parts: list[tuple[str | Parameter, ...]], names: tuple[str, ...]) -> None:
    pattern = Pattern.parse(template)
    assert [segment.parts for segment in pattern.segments] == parts
    assert pattern.names == names
    assert pattern.template == template
    assert spelled(pattern) == template


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("", "begins with a slash: write '/'"),
        ("articles", "begins with a slash: write '/articles'"),
        ("/{id", "never closed: '{id'"),
        ("/id}", "never opened"),
        ("/{a:re:{}", "never closed"),
        ("/{}", "no name"),
        ("/{:int}", "no name"),
        ("/{a b}", "no name for a parameter"),
        ("/{a.}", "no name for a parameter"),
        ("/{1}", "no name for a parameter"),
        ("/{a:}", "missing after the colon"),
        ("/{a:int:}", "missing after the second colon"),
        ("/{id}/{id}", "'id' occurs twice"),
        ("/{a}{b}", "two parameters touch"),
        ("/a//b", "two slashes"),
        ("//evil.com", "two slashes"),
        ("/a/../b", "no browser asks"),
        ("/.", "no browser asks"),
        ("/<int:id>", "in braces"),
        ("/a?b={c}", "query"),
        ("/a#b", "fragment"),
        ("/a%20b", "percent-encoding"),
        ("/a\r\nb", "control character"),
    ],
)
def test_malformed_templates(template: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        Pattern.parse(template)
    assert str(caught.value).startswith(repr(template))


@given(st.text("/{}:.\\abc-[]1", max_size=20))
def test_any_template_parses_or_raises_value_error(text: str) -> None:
    try:
        pattern = Pattern.parse(text)
    except ValueError:
        return
    assert spelled(pattern) == text


def test_converters_come_from_the_template_then_the_annotation_then_are_text(resolve: Resolve) -> None:
    pattern = resolve("/{a:int}/{b}/{c}", {"b": UUID, "unrelated": list[int]})
    assert [converter.name for one in pattern.segments for converter in one.converters] == ["int", "uuid", "str"]


def test_a_dotted_name_is_one_name(resolve: Resolve) -> None:
    pattern = resolve("/{article.slug}", {"article": dict})
    assert pattern.names == ("article.slug",)
    assert isinstance(pattern.segments[0].converters[0], TextConverter)


@pytest.mark.parametrize(
    ("template", "annotations", "message"),
    [
        ("/{id:itn}", {}, "'id': there is no converter 'itn'. Did you mean 'int'"),
        ("/{id:int}", {"id": str}, "the path says 'int' and the annotation says str"),
        ("/{id}", {"id": list[int]}, "no converter for the annotation"),
        ("/{p:path}/x", {}, "nothing may come after it"),
        ("/{p:path}/", {}, "nothing may come after it"),
        ("/v{p:path}", {}, "no text may touch it"),
        ("/{x:re:(a}", {}, "malformed"),
        ("/{x:re:a/b}", {}, "has a slash"),
    ],
)
def test_mistakes_found_when_resolving(template: str, annotations: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        Pattern.parse(template).resolve(annotations, Converters())
    assert str(caught.value).startswith(repr(template))


def test_a_nameless_converter_is_refused(converters: Converters) -> None:
    class Nameless(TextConverter):
        name = ""

    converters.register("odd", lambda _: Nameless())
    with pytest.raises(ValueError, match="Nameless needs a name"):
        Pattern.parse("/{x:odd}").resolve({}, converters)


def segment(template: str) -> Segment:
    return Pattern.parse("/" + template).segments[0]


@pytest.mark.parametrize(
    ("template", "text", "texts"),
    [
        ("{name}.json", "a.json", ["a"]),
        ("{name}.json", "a.json.json", ["a.json"]),
        ("{name}.{kind}", "a.tar.gz", ["a", "tar.gz"]),
        ("{name}.{kind}", ".htaccess.x", [".htaccess", "x"]),
        ("{a}-{b}", "-5--3", ["-5", "-3"]),
        ("v{a}", "v1", ["1"]),
        ("a{x}a", "aba", ["b"]),
    ],
)
def test_splitting_and_composing(template: str, text: str, texts: list[str]) -> None:
    assert segment(template).split(text) == texts
    assert segment(template).compose(texts) == text


@pytest.mark.parametrize(
    ("template", "text"),
    [("{name}.json", ".json"), ("{a}-{b}", "a-"), ("{a}-{b}", "-b"), ("a{x}a", "a"), ("v{a}", "v"), ("v{a}", "1"), ("{a}", "")],
)
def test_splitting_fails(template: str, text: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        segment(template).split(text)


def test_composing_refuses_what_would_be_read_differently() -> None:
    with pytest.raises(ValueError, match="read differently"):
        segment("{name}.{kind}").compose(["a.tar", "gz"])


@pytest.mark.parametrize(
    ("template", "host", "values"),
    [
        ("example.com", "example.com", ()),
        ("{tenant}.example.com", "acme.example.com", ("acme",)),
        ("{tenant}.example.com", "example.com", None),
        ("{tenant}.example.com", "a.b.example.com", None),
        ("{tenant}.example.com", ".example.com", None),
        ("{tenant}.example.com", "acme.example.org", None),
        ("{n:int}.example.com", "5.example.com", (5,)),
        ("{n:int}.example.com", "a.example.com", None),
        ("shop-{n:int}.{tld:any:com,org}", "shop-7.org", (7, "org")),
        ("{t}.xn--bcher-kva.example", "a.xn--bcher-kva.example", ("a",)),
        ("EXAMPLE.com", "example.com", ()),
    ],
)
def test_hosts(converters: Converters, template: str, host: str, values: tuple[object, ...] | None) -> None:
    assert HostPattern.parse(template).resolve({}, converters).match(host) == values


def test_host_annotations(converters: Converters) -> None:
    assert HostPattern.parse("{n}.example.com").resolve({"n": int}, converters).match("5.example.com") == (5,)


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("", "a label is empty"),
        ("example.com:80", "leave the port out"),
        ("a..b", "a label is empty"),
        (".example.com", "a label is empty"),
        ("exa mple.com", "no part of a host name"),
        ("example.com/x", "no part of a host name"),
        ("user@example.com", "no part of a host name"),
        ("straße.de", "A-label"),
        ("{x}ü.de", "A-label"),
        ("{a}.{a}", "occurs twice"),
        ("{a", "never closed"),
    ],
)
def test_malformed_hosts(template: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        HostPattern.parse(template)
    assert str(caught.value).startswith(repr(template))


def test_hosts_have_no_rest(converters: Converters) -> None:
    with pytest.raises(ValueError, match="one label"):
        HostPattern.parse("{x:path}.example.com").resolve({}, converters)


def test_hostile_templates_and_segments_take_linear_time(assert_linear: AssertLinear) -> None:
    assert_linear(lambda size: "/{a:re:" + "{" * size + "}" * size + "}", lambda text: Pattern.parse(str(text)), 10_000)
    mixed = segment("{a}-{b}-{c}.x")

    def split(text: object) -> None:
        with pytest.raises(ValueError, match="expected"):
            mixed.split(str(text))

    assert_linear(lambda size: "-" * size, split, 25_000)


def test_unresolved_parameters_are_reported() -> None:
    with pytest.raises(ValueError, match="call resolve"):
        _ = segment("{a}").converters
