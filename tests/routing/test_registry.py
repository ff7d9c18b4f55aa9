from __future__ import annotations

from enum import Enum, IntEnum, StrEnum
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal, NewType, Optional, cast

import pytest
from msgspec import Meta

from erlen.routing import Converter, Converters, converter_for
from erlen.routing.converter import CheckedConverter, IntConverter, PathConverter, TextConverter

UserId = NewType("UserId", int)


class Kind(StrEnum):
    BOOK = "book"


class Level(IntEnum):
    LOW = 1


class Mixed(Enum):
    ONE = 1
    TEXT = "1"


class Ratio(Enum):
    HALF = 0.5


class Hex(Converter):
    name = "hex"
    produces = int

    def parse(self, text: str) -> int:
        return int(text, 16)

    def format(self, value: int) -> str:
        return f"{value:x}"


class Article(str): ...


class Draft(Article): ...


class DraftConverter(Converter):
    name = "article"
    produces = Draft

    def parse(self, text: str) -> Draft:
        return Draft(text)


@pytest.mark.parametrize(
    ("annotation", "name"),
    [
        (str, "str"),
        (Any, "str"),
        (object, "str"),
        (Optional[int], "int"),  # noqa: UP045 - another class than the next one
        (int | None, "int"),
        (Annotated[int, "doc"], "int"),
        (Annotated[int | None, Meta(description="x")], "int"),
        (UserId, "int"),
        (Path, "path:Path"),
        (Literal["a", "b"], "any:a,b"),
        (Literal["a"] | None, "any:a"),
        (Annotated[int, Meta(ge=1, lt=10)], "int:1..9"),
        (Annotated[UserId, Meta(gt=0)], "int:1.."),
    ],
)
def test_annotations(annotation: object, name: str) -> None:
    converter = converter_for(annotation)
    assert converter is not None
    assert converter.name == name


@pytest.mark.parametrize("annotation", [list[int], int | str, dict, Article, None, "int", bytes])
def test_annotations_without_a_converter(annotation: object) -> None:
    assert converter_for(annotation) is None


@pytest.mark.parametrize(
    "annotation", [Mixed, Ratio, Literal["1", 1], Annotated[Path, Meta(min_length=3)], Annotated[int, Meta(ge=5, le=1)]]
)
def test_annotations_that_a_path_cannot_show(annotation: object) -> None:
    with pytest.raises(ValueError, match=r"path|number"):
        converter_for(annotation)


def test_constraints_are_never_lost() -> None:
    converter = converter_for(Annotated[str, Meta(min_length=2, pattern="^[a-z]+$")])
    assert isinstance(converter, CheckedConverter)
    assert converter.parse("ab") == "ab"
    assert converter.format("ab") == "ab"
    for text in ("a", "AB"):
        with pytest.raises(ValueError, match="Expected"):
            converter.parse(text)
        with pytest.raises(ValueError, match="Expected"):
            converter.format(text)
    even = converter_for(Annotated[int, Meta(multiple_of=2)])
    assert even is not None
    with pytest.raises(ValueError, match="multiple"):
        even.parse("3")


@pytest.mark.parametrize(
    ("name", "argument", "text", "value"),
    [
        ("str", "", "a", "a"),
        ("int", "1..9", "5", 5),
        ("slug", "", "a-b_C", "a-b_C"),
        ("any", "x,y", "y", "y"),
        ("re", "[0-9]{2}", "42", "42"),
        ("path", "", "a/b/", "a/b/"),
        ("path", "optional", "", ""),
        ("bool", "", "true", True),
    ],
)
def test_names(converters: Converters, name: str, argument: str, text: str, value: object) -> None:
    assert converters.named(name, argument).parse(text) == value


def test_unknown_and_misused_names(converters: Converters) -> None:
    with pytest.raises(ValueError, match=r"there is no converter 'uid'\. Did you mean 'uuid'"):
        converters.named("uid")
    for name in ("uuid", "slug"):
        with pytest.raises(ValueError, match="takes no argument"):
            converters.named(name, "4")
    with pytest.raises(ValueError, match="is one segment"):
        converters.named("re", "a/b")
    with pytest.raises(ValueError, match="choice"):
        converters.named("any")
    with pytest.raises(ValueError, match="empty"):
        converters.named("re")
    with pytest.raises(ValueError, match="write 'path', or 'path:optional'"):
        converters.named("path", "empty")


def test_own_converters(converters: Converters) -> None:
    converters.register("hex", Hex())
    converters.register("digits", lambda argument: IntConverter(0, 10 ** int(argument or 1) - 1))
    converters.register(Level, Hex())
    assert converters.named("hex").parse("ff") == 255
    assert converters.named("digits", "2").parse("99") == 99
    assert converters.for_annotation(Level) == Hex()


def test_own_type_converters_serve_subclasses_when_made_for_the_class(converters: Converters) -> None:
    class ByKey(Hex):
        def __init__(self, model: type) -> None:
            self.name = f"key of {model.__name__}"

    converters.register(Article, ByKey)
    for model in (Article, Draft):
        found = converters.for_annotation(model)
        assert found is not None
        assert found.name == f"key of {model.__name__}"


def test_registering_in_one_application_leaves_others_alone(converters: Converters) -> None:
    copy = converters.copy()
    copy.register("hex", Hex())
    assert copy.named("hex") == Hex()
    with pytest.raises(ValueError, match="no converter"):
        converters.named("hex")
    with pytest.raises(ValueError, match="no converter"):
        Converters().named("hex")


def test_mistakes_in_registering(converters: Converters) -> None:
    with pytest.raises(ValueError, match="no name for a converter"):
        converters.register("he:x", Hex())
    with pytest.raises(TypeError, match=r"register an instance: Hex\(\)"):
        converters.register("hex", cast(Any, Hex))


@pytest.mark.parametrize(
    ("name", "argument", "annotation", "text", "value"),
    [
        ("int", "", int, "5", 5),
        ("int", "", Any, "5", 5),
        ("int", "", int | str, "5", 5),
        ("int", "", UserId, "5", 5),
        ("re", "[0-9]{4}", int, "2026", 2026),
        ("re", "[0-9]{4}", str, "2026", "2026"),
        ("slug", "", str, "a-b", "a-b"),
        ("path", "", str, "a/b", "a/b"),
        ("path", "", PurePosixPath, "a/b", PurePosixPath("a/b")),
        ("path", "optional", PurePosixPath, "", PurePosixPath()),
        ("article", "", Article, "new", Draft("new")),
        ("hex", "", int, "ff", 255),
    ],
)
def test_template_and_annotation_agree(
    converters: Converters, name: str, argument: str, annotation: object, text: str, value: object
) -> None:
    converters.register("hex", Hex())
    converters.register("article", DraftConverter())
    parsed = converters.agree(name, argument, annotation).parse(text)
    assert parsed == value
    assert type(parsed) is type(value)


@pytest.mark.parametrize(
    ("name", "annotation"),
    [
        ("int", str),
        ("str", int),
        ("uuid", str),
        ("int", bool),
        ("bool", int),
        ("int", Level),
        ("str", Kind),
        ("path", int),
        ("int", list[int]),
        ("str", Article),
        ("date", Kind),
    ],
)
def test_template_and_annotation_contradict_each_other(converters: Converters, name: str, annotation: object) -> None:
    with pytest.raises(ValueError, match=rf"the path says '{name}' and the annotation says"):
        converters.agree(name, "", annotation)


@pytest.mark.parametrize(
    ("name", "argument", "annotation", "good", "bad"),
    [
        ("int", "", Annotated[int, Meta(ge=3)], "3", "2"),
        ("int", "1..9", Annotated[int, Meta(ge=3)], "9", "2"),
        ("int", "1..9", Annotated[int, Meta(ge=3)], "9", "10"),
        ("slug", "", Annotated[str, Meta(max_length=2)], "ab", "abc"),
        ("slug", "", Annotated[str, Meta(max_length=2)], "ab", "!"),
        ("re", "[a-z]+", Annotated[str, Meta(max_length=2)], "ab", "abc"),
        ("re", "[0-9]+", Annotated[int, Meta(le=5)], "5", "6"),
        ("path", "", Annotated[str, Meta(max_length=2)], "a", "a/b"),
        ("any", "a,b", Annotated[str, Meta(pattern="^a$")], "a", "b"),
    ],
)
def test_agreement_keeps_both_sides_constraints(
    converters: Converters, name: str, argument: str, annotation: object, good: str, bad: str
) -> None:
    converter = converters.agree(name, argument, annotation)
    converter.parse(good)
    with pytest.raises(ValueError, match=r"(?i)expected"):
        converter.parse(bad)


def test_an_unknown_annotation_is_left_to_an_own_converter(converters: Converters) -> None:
    class Loader(Converter):
        name = "article"

    converters.register("article", Loader())
    assert isinstance(converters.agree("article", "", Article), Loader)


def test_an_own_converter_may_make_lists(converters: Converters) -> None:
    class Numbers(Converter):
        name = "numbers"
        produces = list[int]

        def parse(self, text: str) -> list[int]:
            return [int(piece) for piece in text.split("+")]

    converters.register("numbers", Numbers())
    assert converters.agree("numbers", "", list[int]).parse("1+2") == [1, 2]
    with pytest.raises(ValueError, match="the annotation says str"):
        converters.agree("numbers", "", str)


def test_plain_kinds_are_shared(converters: Converters) -> None:
    assert isinstance(converters.named("str"), TextConverter)
    assert isinstance(converters.named("path"), PathConverter)
    assert converters.named("int") is converters.for_annotation(int)
