"""What a handler returns becomes JSON, and only what its annotation names leaves."""

from __future__ import annotations

import dataclasses
import enum
import ipaddress
import pathlib
import types
from collections.abc import Iterator, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, Generic, Literal, NamedTuple, TypedDict, TypeVar

import attrs
import msgspec
import pydantic
import pytest
from markupsafe import Markup
from msgspec import Struct

from erlen.errors import ConfigurationError
from erlen.http.query import MultiDict
from erlen.schema.encode import Unfit, json_encoder

T = TypeVar("T")


class User(Struct):
    id: int


class FullUser(User):
    password: str = "secret"


@dataclasses.dataclass(frozen=True)
class Person:
    id: int


@dataclasses.dataclass(frozen=True)
class FullPerson(Person):
    password: str = "secret"


@attrs.define
class Member:
    id: int


@attrs.define
class FullMember(Member):
    password: str = "secret"


class Account(pydantic.BaseModel):
    id: int = pydantic.Field(serialization_alias="ID")


class FullAccount(Account):
    password: str = "secret"


class Keys(TypedDict):
    id: int


class Pair(NamedTuple):
    user: User
    n: int


class Row:
    """As an ORM's instance: attributes, no type that msgspec knows."""

    def __init__(self) -> None:
        self.id = 1
        self.password = "secret"


class Page(Struct, Generic[T], frozen=True):
    items: list[T]
    owner: User | None = None


class Tree(Struct):
    user: User
    children: list[Tree] = []


class Token:
    __secret__ = True

    def __str__(self) -> str:
        return "secret"


class TextToken(str):
    __secret__ = True


class Level(enum.IntEnum):
    LOW = 1


class Celsius(float):
    pass


class Own:
    def __json__(self) -> object:
        return {"own": [1, Decimal(1)]}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"a": [1, None, True, 1.5, "ü"]}, '{"a":[1,null,true,1.5,"ü"]}'),
        (float("nan"), "null"),
        (Decimal("1.10"), '"1.10"'),
        (date(2026, 11, 30), '"2026-11-30"'),
        (b"hi", '"aGk="'),
        ({1}, "[1]"),
        (Level.LOW, "1"),
        (pathlib.PurePosixPath("a/b"), '"a/b"'),
        (Markup("<b>"), '"<b>"'),
        (ipaddress.ip_address("::1"), '"::1"'),
        (Celsius(1.5), "1.5"),
        (types.MappingProxyType({"a": 1}), '{"a":1}'),
        (MultiDict([("a", 1)]), '{"a":1}'),
        ({"a": 1}.keys(), '["a"]'),
        (range(2), "[0,1]"),
        (Own(), '{"own":[1,"1"]}'),
        ([User(1), Person(1), Member(1)], '[{"id":1},{"id":1},{"id":1}]'),
        ([Account(id=1)], '[{"ID":1}]'),
    ],
)
def test_values(value: object, expected: str) -> None:
    assert json_encoder()(value).decode() == expected


LEAKS: list[tuple[Any, Any, str]] = [
    (User, FullUser(1), '{"id":1}'),
    (User, Row(), '{"id":1}'),
    (User, {"id": 1, "password": "secret"}, '{"id":1}'),
    (Person, FullPerson(1), '{"id":1}'),
    (Member, FullMember(1), '{"id":1}'),
    (Account, FullAccount(id=1), '{"ID":1}'),
    (Account, Row(), '{"ID":1}'),
    (Keys, {"id": 1, "password": "secret"}, '{"id":1}'),
    (User | None, FullUser(1), '{"id":1}'),
    (User | str, FullUser(1), '{"id":1}'),
    (User | Person, FullPerson(1), '{"id":1}'),
    (str | User, {"id": 1, "password": "secret"}, '{"id":1}'),
    (Literal["x"] | User, Row(), '{"id":1}'),
    (Any | User, FullUser(1), '{"id":1}'),
    (Keys | None, {"id": 1, "password": "secret"}, '{"id":1}'),
    (list[User] | None, (FullUser(1),), '[{"id":1}]'),
    (Page[User] | None, Page([FullUser(1)]), '{"items":[{"id":1}],"owner":null}'),
    (Account | None, FullAccount(id=1), '{"ID":1}'),
    (set[Person], {FullPerson(1)}, '[{"id":1}]'),
    (list[User], [User(1), FullUser(2)], '[{"id":1},{"id":2}]'),
    (list[User], (user for user in [FullUser(1)]), '[{"id":1}]'),
    (Sequence[Account], [FullAccount(id=1)], '[{"ID":1}]'),
    (list[list[User]], [[FullUser(1)]], '[[{"id":1}]]'),
    (tuple[User, int], (FullUser(1), 2), '[{"id":1},2]'),
    (Pair, Pair(FullUser(1), 2), '[{"id":1},2]'),
    (dict[str, User], {"a": FullUser(1)}, '{"a":{"id":1}}'),
    (Page[User], Page([FullUser(1)], FullUser(2)), '{"items":[{"id":1}],"owner":{"id":2}}'),
    (Page[Account], Page([FullAccount(id=1)]), '{"items":[{"ID":1}],"owner":null}'),
    (Tree, Tree(User(1), [Tree(FullUser(2))]), '{"user":{"id":1},"children":[{"user":{"id":2},"children":[]}]}'),
]


@pytest.mark.parametrize(("annotation", "value", "expected"), LEAKS)
def test_no_field_leaves_that_the_annotation_does_not_name(annotation: Any, value: Any, expected: str) -> None:
    assert json_encoder(annotation)(value).decode() == expected


@pytest.mark.parametrize(
    ("annotation", "value", "expected"),
    [
        (User, User(1), '{"id":1}'),
        (User | None, None, "null"),
        (User | str, "x", '"x"'),
        (list[User], [], "[]"),
        (list[User] | User, [User(1)], '[{"id":1}]'),
        (dict[str, int], {"a": 1}, '{"a":1}'),
        (Account, Account(id=1), '{"ID":1}'),
    ],
)
def test_what_fits_is_encoded_as_it_is(annotation: Any, value: Any, expected: str) -> None:
    assert json_encoder(annotation)(value).decode() == expected


def test_projecting_does_not_change_what_the_handler_returned() -> None:
    tree = Tree(FullUser(1))
    json_encoder(Tree)(tree)
    assert tree == Tree(FullUser(1))
    assert isinstance(tree.user, FullUser)


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (User, None),
        (User, 5),
        (User, {"id": "x"}),
        (list[User], User(1)),
        (list[User], "abc"),
        (dict[str, User], [1]),
        (User | Person, object()),
        (User | Literal["x"], object()),
        (Keys, {"id": 1}.keys()),
        (Account, {}),
    ],
)
def test_what_does_not_fit_its_annotation_is_an_error_that_says_so(annotation: Any, value: Any) -> None:
    with pytest.raises(Unfit, match=r"does not fit .* return what the annotation says"):
        json_encoder(annotation)(value)


def test_secrets_are_refused() -> None:
    for value in (Token(), {"a": [Token()]}, TextToken("secret"), User(Token())):  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="it is secret") as caught:
            json_encoder()(value)
        assert "Token" in str(caught.value)

    class Session(Struct):
        token: Token

    with pytest.raises(ConfigurationError, match="Token is secret"):
        json_encoder(list[Session])


def generate() -> Iterator[int]:
    yield 1


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"a": {"b": [1, {"c": object()}]}}, r"cannot make JSON of object \(at \$\['a'\]\['b'\]\[1\]\['c'\]\): return a dict"),
        (Page([object()]), r"cannot make JSON of object \(at \$\.items\[0\]\): return"),
        ([ValueError("x")], r"cannot make JSON of ValueError \(at \$\[0\]\): raise it"),
        (generate(), r"cannot make JSON of generator \(at \$\): return list"),
        (object, r"cannot make JSON of type"),
    ],
)
def test_what_cannot_be_json_is_named_with_its_place(value: object, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        json_encoder()(value)


def test_what_refers_to_itself_is_an_error() -> None:
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(TypeError, match="refers to itself"):
        json_encoder()(loop)


def test_the_encoder_writes_what_msgspec_writes() -> None:
    page = Page([User(n) for n in range(3)], User(9))
    assert json_encoder(Page[User])(page) == msgspec.json.encode(page)
