"""Texts become scalars strictly, and a refusal is a sentence for the sender."""

from __future__ import annotations

import datetime
import enum
import ipaddress
import uuid
from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, Literal, NewType

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta, Struct

from erlen.errors import ConfigurationError, Fault
from erlen.schema.text import InvalidItems, list_decoder, text_decoder, text_faults

if TYPE_CHECKING:
    from tests.conftest import AssertLinear


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Forgiving(enum.Enum):
    ON = "on"

    @classmethod
    def _missing_(cls, value: object) -> Forgiving | None:
        return cls.ON if str(value).lower() == "on" else None


UserId = NewType("UserId", int)
UTC = datetime.UTC

ACCEPTED: list[tuple[object, str, object]] = [
    (str, "", ""),
    (str, " ü ", " ü "),
    (int, "0", 0),
    (int, "-12", -12),
    (int, "007", 7),
    (int, "9" * 4300, int("9" * 4300)),
    (UserId, "5", 5),
    (float, "1", 1.0),
    (float, "-1.5e3", -1500.0),
    (float, ".5", 0.5),
    (bool, "TRUE", True),
    (bool, "0", False),
    (bool, "on", True),
    (bool, "No", False),
    (Decimal, "1.10", Decimal("1.10")),
    (Decimal, "-1e3", Decimal("-1E+3")),
    (datetime.date, "2026-11-30", datetime.date(2026, 11, 30)),
    (datetime.datetime, "2026-11-30T14:00:05Z", datetime.datetime(2026, 11, 30, 14, 0, 5, tzinfo=UTC)),
    (datetime.datetime, "2026-11-30T14:00", datetime.datetime(2026, 11, 30, 14)),
    (datetime.time, "14:30", datetime.time(14, 30)),
    (datetime.timedelta, "P1DT2H", datetime.timedelta(days=1, hours=2)),
    (uuid.UUID, "12345678-1234-5678-1234-567812345678", uuid.UUID("12345678-1234-5678-1234-567812345678")),
    (bytes, "aGk=", b"hi"),
    (Colour, "red", Colour.RED),
    (Level, "2", Level.HIGH),
    (Forgiving, "ON", Forgiving.ON),
    (Literal["a", 1, True], "a", "a"),
    (Literal["a", 1], "1", 1),
    (Literal[True], "true", True),
    (ipaddress.IPv4Address, "10.0.0.1", ipaddress.IPv4Address("10.0.0.1")),
    (Any, "x", "x"),
    (int | None, "", None),
    (int | None, "3", 3),
    (str | None, "", ""),
    (Colour | None, "", None),
    (int | str, "5", 5),
    (int | str, "x", "x"),
    (Literal["all"] | int, "all", "all"),
    (int | float, "5.5", 5.5),
    (uuid.UUID | int | None, "7", 7),
    (Annotated[int, Meta(ge=1)] | None, "1", 1),
    (Annotated[float, Meta(multiple_of=0.5)], "1.5", 1.5),
    (Annotated[str, Meta(pattern="b")], "abc", "abc"),
]
REFUSED: list[tuple[object, str, str]] = [
    *((int, text, "Expected an integer.") for text in ("", "+1", " 1", "1_0", "1.0", "１", "²", "--1", "-", "1e3", "0x1", "1\n", "true")),
    (int, "9" * 4301, "The number has too many digits."),
    *((float, text, "Expected a number.") for text in ("", "nan", "inf", "-Infinity", "1_0", " 1", "1e", ".", "１", "0x1p3", "1e9999999")),
    (float, "1e400", "The number is out of range."),
    *((Decimal, text, "Expected a decimal number.") for text in ("NaN", "sNaN", "Infinity", "1_0", " 1", "１", "")),
    (Decimal, "1e999999", "The number is out of range."),
    (Decimal, "1" * 1001, "The number is out of range."),
    *((bool, text, "Expected true or false.") for text in ("", "2", "truE ", "y")),
    (datetime.date, "2026-02-30", "Expected a date such as 2026-11-30."),
    (datetime.datetime, "yesterday", "Expected a date and time such as 2026-11-30T14:00:00Z."),
    (datetime.time, "25:00", "Expected a time such as 14:00:00."),
    (datetime.timedelta, "P1Y", "Expected a duration such as P1DT2H30M."),
    (uuid.UUID, "12345", "Expected a UUID."),
    (bytes, "?", "Expected base64 text."),
    (Colour, "green", "Must be one of 'red', 'blue'."),
    (Level, "3", "Must be one of '1', '2'."),
    (Forgiving, "off", "Must be 'on'."),
    (Literal["a", "b"], "c", "Must be one of 'a', 'b'."),
    (ipaddress.IPv6Address, "1" * 10_000, "Expected an IP address or network."),
    (int | None, "x", "Expected an integer."),
    (int | datetime.date, "x", "Expected an integer or a date."),
    (Literal["all"] | int, "some", "Expected 'all' or an integer."),
    (Literal["all", "none"] | int, "some", "Expected one of 'all', 'none' or an integer."),
    (Annotated[int, Meta(ge=1)], "0", "Must be at least 1."),
    (Annotated[float, Meta(gt=1)], "1", "Must be greater than 1."),
    (Annotated[int, Meta(le=1)], "2", "Must be at most 1."),
    (Annotated[float, Meta(lt=1)], "1", "Must be less than 1."),
    (Annotated[int, Meta(gt=1)], "1", "Must be at least 2."),
    (Annotated[int, Meta(multiple_of=5)], "9", "Must be a multiple of 5."),
    (Annotated[str, Meta(min_length=2)], "a", "Must have at least 2 characters."),
    (Annotated[str, Meta(max_length=1)], "ab", "Must have at most 1 character."),
    (Annotated[str, Meta(pattern="^a$")], "b", "Must match the pattern '^a$'."),
    (Annotated[str, Meta(pattern="^a$", extra={"message": "Must be an a."})], "b", "Must be an a."),
    (Annotated[str, Meta(pattern="^a$", max_length=1, extra={"message": "Must be an a."})], "aa", "Must have at most 1 character."),
    (Annotated[str, Meta(pattern="^a$", extra={"message": "Must be an a."})] | None, "b", "Must be an a."),
    (Annotated[datetime.datetime, Meta(tz=True)], "2026-11-30T14:00:00", "Must have a time zone."),
]


@pytest.mark.parametrize(("annotation", "text", "value"), ACCEPTED)
def test_accepted(annotation: object, text: str, value: object) -> None:
    decoded = text_decoder(annotation)(text)
    assert decoded == value
    assert type(decoded) is type(value)


@pytest.mark.parametrize(("annotation", "text", "message"), REFUSED)
def test_refused(annotation: object, text: str, message: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the message is compared whole
        text_decoder(annotation)(text)
    assert str(caught.value) == message


SCALARS = (int, float, bool, Decimal, datetime.date, datetime.datetime, datetime.time, datetime.timedelta, uuid.UUID, bytes, Colour, Level)


@given(st.sampled_from(SCALARS), st.text(max_size=30) | st.from_regex(r"[-+0-9.eE_:TZP]{0,20}", fullmatch=True))
def test_any_text_gives_a_value_or_a_sentence(annotation: object, text: str) -> None:
    message = "Accepted."
    try:
        text_decoder(annotation)(text)
    except ValueError as error:
        message = str(error)
    assert message[0].isupper()
    assert message.endswith(".")
    assert "`" not in message


@given(st.integers())
def test_integers_round_trip(value: int) -> None:
    assert text_decoder(int)(str(value)) == value


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_floats_round_trip(value: float) -> None:
    assert text_decoder(float)(repr(value)) == value


@given(st.datetimes(timezones=st.just(UTC)) | st.dates() | st.times() | st.uuids())
def test_what_has_an_iso_form_round_trips(value: datetime.datetime | datetime.date | datetime.time | uuid.UUID) -> None:
    text = str(value) if isinstance(value, uuid.UUID) else value.isoformat()
    assert text_decoder(type(value))(text) == value


def test_lists() -> None:
    assert list_decoder(list[int])(["1", "2"]) == [1, 2]
    assert list_decoder(set[int])(["1", "1"]) == {1}
    assert list_decoder(frozenset[str])(["a"]) == frozenset({"a"})
    assert list_decoder(tuple[int, ...])(["1"]) == (1,)
    assert list_decoder(tuple[int, str])(["1", "a"]) == (1, "a")
    assert list_decoder(Sequence[int] | None)([]) == []
    assert list_decoder(list)(["a"]) == ["a"]


def test_every_fault_of_a_list_has_its_position() -> None:
    with pytest.raises(InvalidItems) as caught:
        list_decoder(list[int])(["1", "x", "2", "y"])
    assert text_faults(caught.value, ("query", "n")) == [
        Fault(("query", "n", 1), "Expected an integer."),
        Fault(("query", "n", 3), "Expected an integer."),
    ]
    assert text_faults(ValueError("Bad."), ("query", "n")) == [Fault(("query", "n"), "Bad.")]


@pytest.mark.parametrize(
    ("annotation", "texts", "message"),
    [
        (Annotated[list[int], Meta(min_length=2)], ["1"], "Must have at least 2 items."),
        (Annotated[list[int], Meta(max_length=1)], ["1", "2"], "Must have at most 1 item."),
        (tuple[int, int], ["1"], "Must have exactly 2 items."),
    ],
)
def test_the_length_of_a_list(annotation: object, texts: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        list_decoder(annotation)(texts)


class Model(Struct):
    x: int


@pytest.mark.parametrize(
    "annotation",
    [
        Model,
        list[int],
        int | Model,
        None,
        Annotated[str, Meta(ge=1)],
        Annotated[int | None, Meta(ge=1)],
        int | Annotated[Colour, Meta(ge=1)],
        type(pytest),
    ],
)
def test_what_no_text_can_become_is_a_mistake_at_freeze(annotation: object) -> None:
    with pytest.raises(ConfigurationError):
        text_decoder(annotation)


@pytest.mark.parametrize("annotation", [int, list[Model], dict[str, int]])
def test_what_is_no_list_of_scalars_is_a_mistake_at_freeze(annotation: object) -> None:
    with pytest.raises(ConfigurationError):
        list_decoder(annotation)


@pytest.mark.parametrize("annotation", [int, float, Decimal, bool, datetime.datetime, datetime.timedelta, uuid.UUID, Colour, bytes])
@pytest.mark.parametrize("unit", ["9", "-", "e", "1e", ".", "x", "P1D"])
def test_super_linear_text_a_hostile_text_costs_no_more_than_its_length(assert_linear: AssertLinear, annotation: object, unit: str) -> None:
    decode = text_decoder(annotation)

    def work(text: str) -> None:
        try:
            decode(text)
        except ValueError:
            pass

    assert_linear(lambda size: unit * (size // len(unit)), work, 25_000)
