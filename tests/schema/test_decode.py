"""A JSON body becomes a typed value, or every one of its faults; no bytes at all raise anything else."""

from __future__ import annotations

import dataclasses
import datetime
import enum
import json
import math
import sys
import uuid
from collections.abc import Callable
from decimal import Decimal
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, NotRequired, TypedDict

import attrs
import msgspec
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta, Struct

from erlen.errors import BadRequest, ConfigurationError, Fault, InvalidRequest
from erlen.http.request import too_deep
from erlen.schema.decode import json_decoder
from erlen.schema.faults import Checker, convert_custom
from erlen.schema.model import Shape

if TYPE_CHECKING:
    from tests.conftest import AssertLinear


class Colour(enum.Enum):
    RED = "red"


class Cat(Struct, tag=True):
    lives: Annotated[int, Meta(ge=1, le=9)]


class Dog(Struct, tag=True):
    good: bool


class Item(Struct, forbid_unknown_fields=True, rename="camel"):
    name: Annotated[str, Meta(min_length=2)]
    unit_price: Decimal
    tags: list[int] = []


@dataclasses.dataclass
class Address:
    street: str
    city: str = "Ulm"


@attrs.define
class Size:
    width: int = attrs.field(validator=attrs.validators.gt(0))


class Extra(TypedDict):
    note: str
    when: NotRequired[datetime.date]


class Rating(pydantic.BaseModel):
    stars: int = pydantic.Field(ge=1, le=5)
    by: str


class Point(NamedTuple):
    x: int
    y: int


class Pair(Struct, array_like=True):
    left: int
    right: str


class Span(Struct):
    start: int
    end: int

    def __post_init__(self) -> None:
        if self.end < self.start:
            raise ValueError("The end is before the start.")


class Node(Struct):
    value: int
    child: Node | None = None


class Order(Struct):
    items: list[Item]
    pet: Cat | Dog
    address: Address | None = None
    size: Size | None = None
    extra: Extra | None = None
    rating: Rating | None = None
    by_id: dict[int, Cat] = {}
    point: Point | None = None
    pair: Pair | None = None
    span: Span | None = None
    colour: Colour | int = Colour.RED
    choice: Literal["a", "b"] | None = None
    mixed: int | list[str] | None = None
    numbers: tuple[int, str] = (1, "a")
    ids: set[uuid.UUID] = set()
    anything: Any = None


def faults_of(decode: Callable[[Any], object], data: object) -> list[tuple[Any, ...]]:
    with pytest.raises(InvalidRequest) as caught:
        decode(data)
    return [(*fault.location, fault.message) for fault in caught.value.faults]


GOOD = (
    b'{"items":[{"name":"ab","unitPrice":"1.5","tags":[1]}],"pet":{"type":"Cat","lives":3},'
    b'"extra":{"note":"x","more":1},"rating":{"stars":3,"by":"me"}}'
)


def test_every_kind_of_model_is_decoded() -> None:
    order = json_decoder(Order, depth=9)(GOOD)
    assert order == Order([Item("ab", Decimal("1.5"), [1])], Cat(3), extra={"note": "x"}, rating=Rating(stars=3, by="me"))
    assert json_decoder(Address, depth=9)(b'{"street":"A"}') == Address("A")
    assert json_decoder(Size, depth=9)(b'{"width":2}') == Size(2)
    assert json_decoder(Extra, depth=9)(b'{"note":"n"}') == {"note": "n"}
    assert json_decoder(Rating, depth=9)(b'{"stars":2,"by":"me"}') == Rating(stars=2, by="me")
    assert json_decoder(list[Rating], depth=9)(b'[{"stars":2,"by":"me"}]') == [Rating(stars=2, by="me")]
    assert json_decoder(dict, depth=9)(b'{"a":[1]}') == {"a": [1]}
    assert json_decoder(Order | None, depth=9)(b"null") is None


def test_every_fault_has_its_path() -> None:
    body = {
        "items": [{"name": "a", "unitPrice": "x", "tags": [1, "x", True], "more": 1}, {"name": 5}, 7],
        "pet": {"type": "Cow"},
        "address": {"city": None},
        "size": {"width": 0},
        "extra": {"when": "soon"},
        "rating": {"stars": 9},
        "by_id": {"1": {"type": "Cat", "lives": 10}, "z": {"type": "Cat", "lives": 1}},
        "point": [1, "y"],
        "pair": ["x", 1],
        "span": {"start": 2, "end": 1},
        "colour": "blue",
        "choice": "c",
        "mixed": ["a", 1],
        "numbers": [1],
        "ids": ["12345"],
    }
    assert faults_of(json_decoder(Order, depth=9), json.dumps(body).encode()) == [
        ("body", "items", 0, "name", "Must have at least 2 characters."),
        ("body", "items", 0, "unitPrice", "Expected a decimal number."),
        ("body", "items", 0, "tags", 1, "Expected an integer, got a string."),
        ("body", "items", 0, "tags", 2, "Expected an integer, got a boolean."),
        ("body", "items", 0, "more", "This field is not known."),
        ("body", "items", 1, "name", "Expected a string, got an integer."),
        ("body", "items", 1, "unitPrice", "This field is required."),
        ("body", "items", 2, "Expected an object, got an integer."),
        ("body", "pet", "type", "Must be one of 'Cat', 'Dog'."),
        ("body", "address", "street", "This field is required."),
        ("body", "address", "city", "Expected a string, got null."),
        ("body", "size", "'width' must be > 0: 0."),
        ("body", "extra", "note", "This field is required."),
        ("body", "extra", "when", "Expected a date such as 2026-11-30."),
        ("body", "rating", "stars", "Input should be less than or equal to 5."),
        ("body", "rating", "by", "This field is required."),
        ("body", "by_id", "z", "Wrong name: Expected an integer, got a string."),
        ("body", "by_id", "1", "lives", "Must be at most 9."),
        ("body", "point", 1, "Expected an integer, got a string."),
        ("body", "pair", 0, "Expected an integer, got a string."),
        ("body", "pair", 1, "Expected a string, got an integer."),
        ("body", "span", "The end is before the start."),
        ("body", "colour", "Must be 'red'."),
        ("body", "choice", "Must be one of 'a', 'b'."),
        ("body", "mixed", 1, "Expected a string, got an integer."),
        ("body", "numbers", "Must have exactly 2 items."),
        ("body", "ids", 0, "Expected a UUID."),
    ]


Postcode = Annotated[str, Meta(min_length=2, pattern="^[0-9]*$", extra={"message": "Must be a postcode."})]
Plate = Annotated[str, Meta(pattern="^[A-Z]*$", extra={"example": "U"})]


class Parcel(Struct):
    sender: Postcode
    receiver: Postcode | None
    stops: list[Annotated[Postcode, Meta(title="stop")]]
    by_code: dict[Postcode, int]
    plate: Plate


def test_a_pattern_that_is_not_met_is_told_in_the_words_of_its_annotation() -> None:
    body = {"sender": "x1", "receiver": "y1", "stops": ["1", "z1"], "by_code": {"w1": 1}, "plate": "a"}
    with pytest.raises(InvalidRequest) as caught:
        json_decoder(Parcel, depth=64)(msgspec.json.encode(body))
    assert {".".join(map(str, fault.location[1:])): fault.message for fault in caught.value.faults} == {
        "sender": "Must be a postcode.",
        "receiver": "Must be a postcode.",
        "stops.0": "Must have at least 2 characters.",
        "stops.1": "Must be a postcode.",
        "by_code.w1": "Wrong name: Must be a postcode.",
        "plate": "Must match the pattern '^[A-Z]*$'.",
    }


def test_faults_of_a_pydantic_body() -> None:
    assert faults_of(json_decoder(Rating, depth=9), b'{"stars":"x"}') == [
        ("body", "stars", "Input should be a valid integer, unable to parse string as an integer."),
        ("body", "by", "This field is required."),
    ]
    assert faults_of(json_decoder(list[Rating], depth=9), b'[{"stars":1}]') == [("body", 0, "by", "This field is required.")]


def test_a_tag_that_is_missing_or_no_text_is_a_fault_too() -> None:
    decode = json_decoder(Cat | Dog, depth=9)
    assert faults_of(decode, b'{"lives":1}') == [("body", "type", "This field is required.")]
    assert faults_of(decode, b'{"type":[],"lives":1}') == [("body", "type", "Must be one of 'Cat', 'Dog'.")]


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b'{"a":1,}', b"\xff", b'"\xff"', b'{"name":1,"x":"\xff"}', b'{"name":1', b"[NaN]", b"1 2", b'{"x":Infinity}', b"'a'"],
)
@pytest.mark.parametrize("annotation", [Item, Any, Rating, dict[str, int], list[int]])
def test_what_is_no_json_is_a_bad_request(annotation: object, body: bytes) -> None:
    with pytest.raises(BadRequest, match="not valid JSON"):
        json_decoder(annotation, depth=9)(body)


@pytest.mark.parametrize("annotation", [Node, Any, Rating, dict])
def test_json_depth_is_bounded(annotation: object) -> None:
    deep = b'{"value":1,"child":' * 9 + b"null" + b"}" * 9
    with pytest.raises(BadRequest, match="deeper than 8"):
        json_decoder(annotation, depth=8)(deep)


@pytest.mark.parametrize(
    ("annotation", "deepest"),
    [
        (int, 0),
        (list[list[int]], 2),
        (dict[str, Address] | None, 2),
        (Item, 2),
        (tuple[int, list[Cat | Dog]], 3),
        (Node, math.inf),
        (list[Any], math.inf),
        (dict, math.inf),
        (list[Rating], math.inf),
        (list[msgspec.Raw], math.inf),
    ],
)
def test_how_deep_a_type_nests_is_known(annotation: object, deepest: float) -> None:
    assert Shape(annotation).nesting() == deepest


def test_json_depth_what_the_type_bounds_is_not_walked_for_its_depth() -> None:
    decode = json_decoder(list[Address], depth=2)
    assert decode(b'[{"street":"A","more":[[[1]]]}]') == [Address("A")]  # skipped, not made
    with pytest.raises(BadRequest, match="deeper than 1"):
        json_decoder(list[Address], depth=1)(b'[{"street":"A"}]')


@pytest.mark.parametrize("opener", [b"[", b'{"a":'])
def test_json_depth_unknown_fields_do_not_overflow_the_stack(opener: bytes) -> None:
    decode = json_decoder(Address, depth=9)
    for field in (b'"street":"A","more":', b'"street":1,"more":'):
        with pytest.raises(BadRequest):
            decode(b"{" + field + opener * 200_000)


texts = st.text(alphabet='[]{}"\\,: aü', max_size=8)
nested = st.recursive(texts, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3), max_leaves=30)


def depth_of(value: object) -> int:
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if parts is None else 1 + max(map(depth_of, parts), default=0)


@given(nested, st.integers(0, 9), st.sampled_from([None, 1]))
def test_json_depth_is_counted_outside_of_strings(value: object, depth: int, indent: int | None) -> None:
    assert too_deep(json.dumps(value, indent=indent, ensure_ascii=False).encode(), depth) is (depth_of(value) > depth)


@pytest.mark.parametrize(("start", "end"), [(b'["[{",', b"1]"), (b'{"]]":', b"1}"), (b'["\\\\\\"[",', b"1]")])
def test_json_depth_is_counted_across_long_texts(start: bytes, end: bytes) -> None:
    body = start * 30_000 + end * 30_000
    assert not too_deep(body, 30_000)
    assert too_deep(body, 29_999)


class Amounts(Struct):
    amount: Decimal = Decimal(0)
    inner: Amounts | None = None


def test_json_depth_a_walk_after_decoding_does_not_overflow_the_stack() -> None:
    deep = b'{"inner":' * 500 + b"null" + b"}" * 500
    for decode in (json_decoder(Amounts, depth=10**9), json_decoder(list[Amounts], depth=10**9)):
        with pytest.raises((BadRequest, InvalidRequest)):
            decode(deep.replace(b"null", b'{"amount":"NaN"}'))
        with pytest.raises((BadRequest, InvalidRequest)):
            decode(b"[" + deep + b",1]")


def test_json_depth_no_depth_overflows_the_stack() -> None:
    deep = b'{"value":1,"child":' * 200_000
    for annotation in (Node, Any, Rating):
        with pytest.raises(BadRequest):
            json_decoder(annotation, depth=10**9)(deep)
        with pytest.raises(BadRequest):
            json_decoder(annotation, depth=10**9)(deep + b"null" + b"}" * 200_000)


@pytest.mark.parametrize("number", [b"1e400", b"-1e400", b"1" * 5000, b"1" * 400 + b".5"])
@pytest.mark.parametrize("annotation", [int, float])
def test_huge_numbers_are_refused(annotation: type, number: bytes) -> None:
    with pytest.raises(InvalidRequest):
        json_decoder(annotation, depth=9)(number)


ODD = [
    b'"NaN"',
    b'"sNaN"',
    b'"-Infinity"',
    b'" inf "',
    b'"N_a_N"',
    b'"\\u004eaN"',
    b"1e1000",
    b'"1E+999999999"',
    b'"1e-99999"',
    b"1e99999",
    b"1" * 1001,
]


@pytest.mark.parametrize("number", ODD)
@pytest.mark.parametrize(
    ("annotation", "template", "location"),
    [
        (Decimal, b"%s", ()),
        (list[Decimal | None], b"[null,1,%s]", (2,)),
        (dict[str, tuple[str, Decimal]], b'{"a":["x",%s]}', ("a", 1)),
        (list[Item] | None, b'[{"name":"ab","unitPrice":%s}]', (0, "unitPrice")),
    ],
)
def test_nan_and_infinity_decimals_that_nobody_means_are_refused(
    number: bytes, annotation: object, template: bytes, location: tuple[Any, ...]
) -> None:
    fault = faults_of(json_decoder(annotation, depth=9), template % number)[0]
    assert fault in (
        ("body", *location, "Expected a finite number of fewer than 1000 digits."),
        ("body", *location, "The number is out of range."),
        ("body", "Expected a finite number of fewer than 1000 digits."),  # an integer so long that nothing but a Decimal reads it
    )


def test_bool_as_int_is_refused() -> None:
    assert faults_of(json_decoder(list[int], depth=9), b"[true]") == [("body", 0, "Expected an integer, got a boolean.")]
    assert faults_of(json_decoder(bool, depth=9), b"1") == [("body", "Expected true or false, got an integer.")]


def test_duplicate_json_keys_the_last_value_counts_and_is_validated() -> None:
    decode = json_decoder(Address, depth=9)
    assert decode(b'{"street":"A","street":"B"}') == Address("B")
    assert faults_of(decode, b'{"street":"A","street":1}') == [("body", "street", "Expected a string, got an integer.")]
    assert faults_of(decode, b'{"street":1,"street":"A"}') == [("body", "street", "Expected a string, got an integer.")]


def test_unhashable_items_of_a_set_are_a_fault_not_a_crash() -> None:
    assert faults_of(json_decoder(set[Any], depth=9), b"[[1]]") == [("body", "The items of a set must be simple values.")]


def test_at_most_a_hundred_faults_are_listed() -> None:
    body = json.dumps({"items": [{"name": 1} for _ in range(1000)], "pet": {}}).encode()
    assert len(faults_of(json_decoder(Order, depth=9), body)) == 100
    wide = json.dumps({"name": "ab", "unitPrice": 1, **{f"x{n}": 1 for n in range(500)}}).encode()
    assert len(faults_of(json_decoder(Item, depth=9), wide)) == 100


@pytest.mark.parametrize(
    "annotation",
    [type(pytest), list[type(pytest)], Annotated[str, Meta(ge=1)], dict[str, Annotated[int, pydantic.Field(ge=1)]], Cat | Address],  # type: ignore[misc]
)
def test_what_cannot_come_from_json_is_a_mistake_at_freeze(annotation: object) -> None:
    with pytest.raises(ConfigurationError):
        json_decoder(annotation, depth=9)


# -- properties -------------------------------------------------------------------------------------------------------------------

TYPES: list[Any] = [
    Order,
    list[Item],
    Node,
    dict[int, Cat | Dog],
    Address | list[int] | None,
    Rating,
    tuple[int, float, bool],
    dict[str, Extra],
    Span,
]
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.sampled_from(["", "a", "Cat", "red", "1", "NaN", "2026-11-30", "x" * 9])
)
MODEL_KEYS = "items pet address size extra rating by_id point pair span colour mixed numbers ids"
FIELD_KEYS = "type lives good name unitPrice tags value child start end 1 stars by note street width"
names = st.sampled_from(f"{MODEL_KEYS} {FIELD_KEYS}".split())
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=6), max_leaves=20)


def outcome(decode: Callable[[bytes], object], body: bytes) -> str:
    try:
        decode(body)
    except BadRequest:
        return "malformed"
    except InvalidRequest as error:
        faults = error.faults
    else:
        return "accepted"
    assert faults
    assert all(fault.location[0] == "body" and fault.message and "`" not in fault.message for fault in faults)
    return "invalid"


def msgspec_accepts(annotation: Any, body: bytes) -> bool:
    try:
        value = msgspec.json.decode(body, type=annotation, dec_hook=convert_custom)
    except (msgspec.DecodeError, TypeError):
        return False
    return "Decimal('NaN')" not in repr(value)


@given(st.sampled_from(TYPES), values)
def test_faults_are_found_exactly_where_msgspec_refuses(annotation: Any, data: object) -> None:
    body = msgspec.json.encode(data)
    accepted = msgspec_accepts(annotation, body)
    assert (outcome(json_decoder(annotation, depth=64), body) == "accepted") is accepted
    assert (not Checker(annotation).faults(msgspec.json.decode(body), ("body",))) is accepted


@given(
    st.sampled_from([*TYPES, Any, set[Any], Decimal, list[bytes]]),
    st.binary(max_size=60) | st.text(alphabet='{}[]",:\\0eE1.-ntNaIu \ud800ü', max_size=60),
)
def test_no_bytes_raise_anything_else(annotation: Any, text: bytes | str) -> None:
    body = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    assert outcome(json_decoder(annotation, depth=64), body) in ("accepted", "malformed", "invalid")


DECODE_ORDER = json_decoder(Order, depth=64)


@given(st.integers(0, 60), st.binary(max_size=2))
def test_a_good_body_that_is_cut_or_changed_raises_nothing_else(position: int, change: bytes) -> None:
    assert outcome(DECODE_ORDER, GOOD[: position * 2] + change + GOOD[position * 2 + len(change) :]) in (
        "accepted",
        "malformed",
        "invalid",
    )


# -- cost -------------------------------------------------------------------------------------------------------------------------

HOSTILE: list[tuple[Any, Callable[[int], bytes]]] = [
    (list[int], lambda n: b"[" + b"1," * n + b'"x"]'),
    (list[Item], lambda n: b"[" + b'{"name":1},' * (n // 4) + b"1]"),
    (dict[int, int], lambda n: b"{" + b",".join(b'"%d":1' % i for i in range(n)) + b',"x":1}'),
    (dict[int, int], lambda n: b"{" + b",".join(b'"x%d":1' % i for i in range(n)) + b"}"),
    (Item, lambda n: b"{" + b",".join(b'"x%d":1' % i for i in range(n)) + b"}"),
    (list[list[int]], lambda n: b"[" + b"[]," * n + b"[true]]"),
    (list[Decimal], lambda n: b"[" + b'"1",' * n + b'"NaN"]'),
    (str, lambda n: b'"' + b"\\\\" * n),
    (Any, lambda n: b"[" * n),
    (Any, lambda n: b'"[{' * n),
    (Any, lambda n: b"[" + b'{"[":[]},' * n),
    (set[int], lambda n: b"[" + b"1," * n + b"null]"),
    (Colour, lambda n: b'"' + b" - at `$[" * n + b'"'),
]


@pytest.mark.parametrize(("annotation", "build"), HOSTILE)
def test_super_linear_json_a_hostile_body_costs_no_more_than_its_length(
    assert_linear: AssertLinear, annotation: Any, build: Callable[[int], bytes]
) -> None:
    decode = json_decoder(annotation, depth=64)

    def work(body: bytes) -> None:
        with pytest.raises((BadRequest, InvalidRequest)):
            decode(body)

    assert_linear(build, work, 10_000)


def test_one_fault_in_a_long_list_is_found_without_a_call_for_each_item() -> None:
    body = b"[" + b"1," * 200_000 + b'"x"]'
    decode = json_decoder(list[int], depth=64)
    calls = 0

    def note(frame: FrameType, event: str, argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        with pytest.raises(InvalidRequest) as caught:
            decode(body)
    finally:
        sys.setprofile(before)
    assert caught.value.faults == (Fault(("body", 200_000), "Expected an integer, got a string."),)
    # msgspec goes over them: only near the fault is each one looked at.
    assert calls < 10_000
