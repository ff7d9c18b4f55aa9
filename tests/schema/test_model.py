"""Types are told apart by their marks, and models of every kind show the same fields."""

from __future__ import annotations

import dataclasses
import enum
import ipaddress
import typing
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Generic, Literal, NamedTuple, NewType, NotRequired, TypedDict, TypeVar
from uuid import UUID

import attrs
import msgspec
import pydantic
import pydantic.dataclasses
import pytest
from msgspec import Meta, Struct

from erlen.errors import ConfigurationError
from erlen.schema.hints import type_name
from erlen.schema.model import Field, constraints_of, fields_of, kind_of, members_of, unwrap
from erlen.types import MISSING

T = TypeVar("T")
UserId = NewType("UserId", int)


class Colour(enum.Enum):
    RED = "red"


class Item(Struct, rename="camel"):
    unit_price: Annotated[int, Meta(ge=0)]
    tags: list[str] = []
    note: str | None = None


class Page(Struct, Generic[T]):
    items: list[T]


class Late(Struct, kw_only=True):
    optional: int = 1
    required: int


@dataclasses.dataclass
class Data:
    shared: typing.ClassVar[int] = 1
    name: str
    tags: list[str] = dataclasses.field(default_factory=list)
    size: int = 3


@attrs.define
class Attr:
    name: str
    tags: list[str] = attrs.Factory(list)
    _size: int = 3


class Keys(TypedDict):
    name: str
    size: NotRequired[int]


class Point(NamedTuple):
    x: int
    y: int = 0


class Pyd(pydantic.BaseModel):
    name: str = pydantic.Field(alias="Name")
    tags: list[str] = pydantic.Field(default_factory=list)
    size: int = 3


KINDS: list[tuple[object, str]] = [
    (Item, "struct"),
    (Page[int], "struct"),
    (Annotated[Item | None, "x"], "struct"),
    (Data, "dataclass"),
    (Attr, "attrs"),
    (Keys, "typeddict"),
    (Pyd, "pydantic"),
    (Point, "namedtuple"),
    *((scalar, "scalar") for scalar in (str, int, float, bool, bytes, None, date, Decimal, UUID, Colour, UserId, ipaddress.IPv4Address)),
    (Literal[1, "a"], "scalar"),
    (int | str | None, "scalar"),
    (typing.Optional[int], "scalar"),  # noqa: UP045 - the other spelling
    (Annotated[UserId, Meta(ge=1)], "scalar"),
    (list[int], "collection"),
    (list, "collection"),
    (Sequence[Item] | None, "collection"),
    (tuple[int, str], "collection"),
    (dict[str, int], "mapping"),
    (Mapping[str, int], "mapping"),
    (Item | Data, "union"),
    (int | list[int], "union"),
    (Any, "any"),
    (object, "any"),
    (T, "any"),
    (Callable[[], int], "other"),
    (type(pytest), "other"),
]


@pytest.mark.parametrize(("annotation", "kind"), KINDS)
def test_kind(annotation: object, kind: str) -> None:
    assert kind_of(annotation) == kind


def test_struct_fields() -> None:
    price, tags, note = fields_of(Item)
    assert price == Field("unit_price", "unitPrice", Annotated[int, Meta(ge=0)], True)
    assert (tags.required, tags.default, tags.make_default()) == (False, MISSING, [])
    assert tags.make_default() is not tags.make_default()
    assert note == Field("note", "note", str | None, False, None)
    assert fields_of(Annotated[Page[Item], "x"]) == (Field("items", "items", list[Item], True),)
    assert [(field.name, field.required) for field in fields_of(Late)] == [("optional", False), ("required", True)]


@pytest.mark.parametrize(
    ("model", "names"), [(Data, ["name", "tags", "size"]), (Attr, ["name", "tags", "_size"]), (Pyd, ["name", "tags", "size"])]
)
def test_dataclass_attrs_and_pydantic_fields(model: object, names: list[str]) -> None:
    name, tags, size = fields_of(model)
    assert [name.name, tags.name, size.name] == names
    assert (name.required, name.annotation, name.make_default()) == (True, str, MISSING)
    assert (tags.required, tags.annotation, tags.make_default()) == (False, list[str], [])
    assert (size.required, size.annotation, size.make_default()) == (False, int, 3)


def test_aliases_and_keys_and_tuples() -> None:
    assert fields_of(Pyd)[0].encoded_name == "Name"
    assert [(field.name, field.required) for field in fields_of(Keys)] == [("name", True), ("size", False)]
    assert fields_of(Keys)[1].annotation is int
    assert [(field.name, field.required) for field in fields_of(Point)] == [("x", True), ("y", False)]


def test_what_is_no_model_is_refused() -> None:
    with pytest.raises(TypeError, match=r"list\[int\] is no model"):
        fields_of(list[int])


def test_wrappers_are_seen_through() -> None:
    assert unwrap(Annotated[typing.Final[UserId], "x"]) is int
    assert unwrap(None) is type(None)


def test_unions_are_flattened() -> None:
    inner = Annotated[int | None, "x"]
    assert members_of(str | inner) == (str, int, None.__class__)
    assert members_of(int) == (int,)


def test_constraints_of_another_library_are_refused_not_lost() -> None:
    assert constraints_of(Annotated[int, Meta(ge=1), "other"]) == (Meta(ge=1),)
    with pytest.raises(ConfigurationError, match=r"Meta\(\.\.\.\)"):
        constraints_of(Annotated[int, pydantic.Field(ge=1)])


def test_pydantic_dataclasses_are_refused() -> None:
    @pydantic.dataclasses.dataclass
    class Loose:
        x: int

    with pytest.raises(ConfigurationError, match="pydantic dataclass"):
        kind_of(Loose)


def test_type_names() -> None:
    assert type_name(Item) == "Item"
    assert type_name(list[int]) == "list[int]"
    assert type_name(msgspec.UnsetType) == "UnsetType"
