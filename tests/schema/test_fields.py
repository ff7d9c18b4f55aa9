"""Models of every kind are filled from texts and files, with every fault at once."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import date
from typing import Annotated, Any, Generic, NotRequired, TypedDict, TypeVar

import attrs
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET, Meta, Struct, UnsetType

from erlen.errors import ConfigurationError, InvalidRequest
from erlen.http.headers import Headers
from erlen.http.query import MultiDict
from erlen.schema.fields import fields_decoder

T = TypeVar("T")
Size = Annotated[int, Meta(ge=1)]


class Upload:
    pass


class Filters(Struct, forbid_unknown_fields=True, rename="camel"):
    page_size: Size
    tags: list[int] = []
    since: date | None = None
    title: str = "x"


@dataclasses.dataclass
class Data:
    page_size: Size
    tags: list[int] = dataclasses.field(default_factory=list)


@attrs.define
class Attr:
    page_size: Size = attrs.field(validator=attrs.validators.lt(100))
    tags: list[int] = attrs.Factory(list)


class Keys(TypedDict):
    page_size: Size
    tags: NotRequired[list[int]]


class Pyd(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid")
    page_size: int = pydantic.Field(ge=1)
    tags: list[int] = []
    since: date | None = None


class Form(Struct):
    title: str
    count: int
    ticked: bool
    subscribed: bool = True
    size: int | None = None
    file: Upload | None = None
    files: list[Upload] = []


class Patch(Struct):
    size: int | UnsetType = UNSET


class Page(Struct, Generic[T]):
    first: T


def data(*pairs: tuple[str, Any]) -> MultiDict[Any]:
    return MultiDict(pairs)


def faults_of(decode: Callable[[Any], object], given: object) -> list[tuple[Any, ...]]:
    with pytest.raises(InvalidRequest) as caught:
        decode(given)
    return [(*fault.location, fault.message) for fault in caught.value.faults]


@pytest.mark.parametrize("model", [Data, Attr, Keys, Pyd])
def test_every_kind_of_model_is_filled(model: Any) -> None:
    decode = fields_decoder(model, "query")
    assert decode(data(("page_size", "5"), ("tags", "1"), ("tags", "2"))) == model(page_size=5, tags=[1, 2])
    assert decode(data(("page_size", "4"), ("page_size", "5"))) == model(page_size=5)
    faults = faults_of(decode, data(("tags", "1"), ("tags", "x")))
    assert faults[0] == ("query", "page_size", "This field is required.")
    assert faults[1][:-1] == ("query", "tags", 1)


def test_every_fault_at_once() -> None:
    decode = fields_decoder(Filters, "query")
    assert decode(data(("pageSize", "5"), ("since", ""))) == Filters(5)
    assert faults_of(decode, data(("pageSize", "0"), ("tags", "x"), ("since", "soon"), ("page_size", "5"))) == [
        ("query", "pageSize", "Must be at least 1."),
        ("query", "tags", 0, "Expected an integer."),
        ("query", "since", "Expected a date such as 2026-11-30."),
        ("query", "page_size", "This field is not known."),
    ]
    assert len(faults_of(decode, data(*((f"x{n}", "1") for n in range(500))))) == 100


def test_defaults_are_not_shared() -> None:
    decode: Any = fields_decoder(Filters, "query")
    first, second = decode(data(("pageSize", "1"))), decode(data(("pageSize", "1")))
    assert first.tags is not second.tags
    assert fields_decoder(Patch, "query")(data()) == Patch(UNSET)
    assert fields_decoder(Page[int], "query")(data(("first", "1"))) == Page(1)


def test_validators_of_the_users_own_are_faults() -> None:
    assert faults_of(fields_decoder(Attr, "query"), data(("page_size", "100"))) == [("query", "'page_size' must be < 100: 100.")]


def test_header_and_cookie_models_ignore_what_else_is_sent() -> None:
    class Wanted(Struct, forbid_unknown_fields=True):
        x_page_size: Size
        accept: str = ""

    decode = fields_decoder(Wanted, "header")
    assert decode(Headers({"X-Page-Size": "3", "Accept": "a", "Host": "h"})) == Wanted(3, "a")
    assert faults_of(decode, Headers({"X-Page-Size": "0"})) == [("header", "x-page-size", "Must be at least 1.")]
    assert fields_decoder(Wanted, "cookie")(data(("x_page_size", "3"), ("session", "s"))) == Wanted(3)

    class Model(pydantic.BaseModel):
        page_size: int

    assert fields_decoder(Model, "header")(Headers({"Page-Size": "3", "Host": "h"})) == Model(page_size=3)


def test_forms_as_browsers_send_them() -> None:
    decode = fields_decoder(Form, "form")
    file = Upload()
    assert decode(data(("title", ""), ("count", "1"), ("size", ""))) == Form("", 1, False)
    assert decode(data(("title", "a"), ("count", "1"), ("ticked", "on"), ("file", file), ("files", file))) == Form(
        "a", 1, True, file=file, files=[file]
    )
    assert faults_of(decode, data(("title", file), ("count", ""), ("file", "text"), ("files", "text"))) == [
        ("form", "title", "Expected text, got a file."),
        ("form", "count", "This field is required."),
        ("form", "file", "Expected a file."),
        ("form", "files", "Expected a file."),
    ]
    assert fields_decoder(Filters, "form")(data(("pageSize", "1"), ("csrf_token", "t"))) == Filters(1)


def test_several_files_in_one_field_are_all_checked() -> None:
    decode = fields_decoder(Form, "form")
    assert faults_of(decode, data(("title", "a"), ("count", "1"), ("files", Upload()), ("files", "text"))) == [
        ("form", "files", "Expected a file.")
    ]


def test_pydantic_reads_aliases_lists_and_empty_optionals() -> None:
    class Model(pydantic.BaseModel):
        ids: list[int] = pydantic.Field(alias="id")
        since: date | None = None
        name: str | None = None

    decode = fields_decoder(Model, "query")
    assert decode(data(("id", "1"), ("id", "2"), ("since", ""), ("name", ""))) == Model(id=[1, 2], since=None, name="")
    assert faults_of(fields_decoder(Pyd, "query"), data(("page_size", "0"), ("zz", "1"))) == [
        ("query", "page_size", "Input should be greater than or equal to 1."),
        ("query", "zz", "Extra inputs are not permitted."),
    ]


def test_fields_that_no_text_can_fill_are_mistakes_at_freeze_all_at_once() -> None:
    class Wrong(Struct):
        nested: Filters
        fine: int
        mapping: dict[str, int]
        file: Upload

    with pytest.raises(ConfigurationError) as caught:
        fields_decoder(Wrong, "query")
    assert [mistake.message.partition(":")[0] for mistake in caught.value.mistakes] == [
        f"field `{name}` of {Wrong.__qualname__}" for name in ("nested", "mapping", "file")
    ]
    assert all(mistake.where for mistake in caught.value.mistakes)


@given(st.lists(st.tuples(st.sampled_from(["pageSize", "tags", "since", "title", "zz"]), st.text(max_size=12)), max_size=8))
def test_no_texts_raise_anything_but_faults(pairs: list[tuple[str, str]]) -> None:
    faults: tuple[Any, ...] = ()
    value = None
    try:
        value = fields_decoder(Filters, "query")(MultiDict(pairs))
    except InvalidRequest as error:
        faults = error.faults
    assert isinstance(value, Filters) is not bool(faults)
