from __future__ import annotations

import math
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from erlen.routing import Converter, converter_for
from erlen.routing.converter import ChoiceConverter, IntConverter, PathConverter, RegexConverter

if TYPE_CHECKING:
    from tests.conftest import AssertLinear


class Colour(Enum):
    RED = "red"
    GREEN = "green"


class Size(IntEnum):
    SMALL = 1
    LARGE = 2


class Kind(StrEnum):
    BOOK = "book"


zones = st.none() | st.builds(lambda minutes: timezone(timedelta(minutes=minutes)), st.integers(-1439, 1439))
words = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="/"), min_size=1)
VALUES: list[tuple[Any, st.SearchStrategy[Any]]] = [
    (str, words),
    (int, st.integers(-(2**63), 2**63 - 1)),
    (float, st.floats(allow_nan=False, allow_infinity=False)),
    (Decimal, st.decimals(allow_nan=False, allow_infinity=False, places=6, min_value=-(10**20), max_value=10**20)),
    (bool, st.booleans()),
    (UUID, st.uuids()),
    (date, st.dates()),
    (datetime, st.datetimes(timezones=zones)),
    (time, st.times(timezones=zones)),
    (timedelta, st.timedeltas()),
    (Colour, st.sampled_from(Colour)),
    (Size, st.sampled_from(Size)),
    (Kind, st.sampled_from(Kind)),
    (Literal["a", "b", 3], st.sampled_from(["a", "b", 3])),
    (PurePosixPath, st.lists(words.filter(lambda word: word not in (".", "..")), min_size=1).map(lambda parts: PurePosixPath(*parts))),
]


def of(annotation: object) -> Converter:
    converter = converter_for(annotation)
    assert converter is not None
    return converter


@settings(max_examples=60)
@given(data=st.data())
@pytest.mark.parametrize(("annotation", "values"), VALUES, ids=lambda value: getattr(value, "__name__", ""))
def test_parse_gives_back_what_format_was_given(annotation: object, values: st.SearchStrategy[Any], data: st.DataObject) -> None:
    converter = of(annotation)
    value = data.draw(values)
    parsed = converter.parse(converter.format(value))
    assert parsed == value
    assert type(parsed) is type(value)


@settings(max_examples=60)
@given(st.text())
@pytest.mark.parametrize("annotation", [annotation for annotation, _ in VALUES], ids=lambda value: getattr(value, "__name__", ""))
def test_parse_raises_nothing_but_value_error(annotation: object, text: str) -> None:
    converter = of(annotation)
    try:
        value = converter.parse(text)
    except ValueError:
        return
    if text and annotation is not PurePosixPath:
        assert converter.parse(converter.format(value)) == value


@pytest.mark.parametrize(
    ("annotation", "text", "value"),
    [
        (int, "-5", -5),
        (int, "007", 7),
        (float, "1e3", 1000.0),
        (Decimal, "1.50", Decimal("1.50")),
        (bool, "1", True),
        (bool, "false", False),
        (UUID, "12345678-1234-1234-1234-123456789ABC", UUID("12345678-1234-1234-1234-123456789abc")),
        (datetime, "2026-11-22T10:20Z", datetime(2026, 11, 22, 10, 20, tzinfo=UTC)),
        (time, "10:20:30.5", time(10, 20, 30, 500_000)),
        (timedelta, "P1W2DT3H4M5.5S", timedelta(weeks=1, days=2, hours=3, minutes=4, seconds=5.5)),
        (timedelta, "-PT1M", timedelta(minutes=-1)),
        (Size, "2", Size.LARGE),
        (Literal[True, "x"], "true", True),
    ],
)
def test_readable_forms(annotation: object, text: str, value: object) -> None:
    parsed = of(annotation).parse(text)
    assert parsed == value
    assert type(parsed) is type(value)


@pytest.mark.parametrize(
    ("annotation", "texts"),
    [
        (int, ["", "-", "+5", " 5", "5 ", "1_000", "٣", "0x1", "1.0", "--5", "5-", "9" * 19, "9" * 20, "1" * 5000, "²"]),
        (float, ["nan", "inf", "-Infinity", "1e999", "1_0.0", "٣.٣", ".5", "5.", "1" * 65, "", "1e99999"]),
        (Decimal, ["NaN", "Infinity", "sNaN", "1e5", "٣", "1_0", "1" * 65, ""]),
        (bool, ["yes", "True", "", "2"]),
        (UUID, ["{12345678-1234-1234-1234-123456789abc}", "12345678123412341234123456789abc", "1234567_-1234-1234-1234-123456789abc", "x"]),
        (date, ["2026-1-1", "20260101", "2026-W01-1", "2026-02-30", "2026-01-01T00:00", "٢٠٢٦-٠١-٠١"]),
        (datetime, ["2026-01-01", "2026-01-01 10:00", "2026-01-01T25:00", "2026-01-01T10:00+25:00", "2026-01-01T10:00:00.1234567"]),
        (time, ["25:00", "10", "10:00:61", "T10:00"]),
        (timedelta, ["P", "PT", "P1DT", "1D", "P1Y", "PT1.5M", "P999999999W", "PT.5S", "-P"]),
        (Colour, ["RED", "blue", ""]),
        (PurePosixPath, ["", "/etc/passwd"]),
    ],
)
def test_validation_bypass_by_odd_texts(annotation: object, texts: list[str]) -> None:
    for text in texts:
        with pytest.raises(ValueError, match=r"expected|month|day|hour|minute|second|offset"):
            of(annotation).parse(text)


@pytest.mark.parametrize(
    ("annotation", "values"),
    [
        (str, [None, True, 1.5, ["a"]]),
        (int, ["5", 5.0, True, None, 2**63, -(2**63) - 1]),
        (float, ["5", True, None, math.nan, math.inf, 10**400, 2**53 + 1]),
        (Decimal, [1.5, "1", True, Decimal("NaN"), Decimal("1E+999999"), Decimal("1E-999999"), Decimal(10) ** 64]),
        (bool, [1, "true", None]),
        (UUID, ["12345678-1234-1234-1234-123456789abc", None]),
        (date, [datetime(2026, 1, 1), "2026-01-01"]),
        (datetime, [date(2026, 1, 1), datetime(2026, 1, 1, tzinfo=timezone(timedelta(microseconds=1)))]),
        (time, ["10:00", None]),
        (timedelta, [5, None]),
        (Colour, ["red", None, []]),
        (Size, [1, True]),
        (Literal[1, 2], [True, 3, "1"]),
        (PurePosixPath, [None, "/etc/passwd", PurePosixPath("/etc/passwd"), ""]),
    ],
)
def test_format_refuses_what_would_not_come_back(annotation: object, values: list[object]) -> None:
    for value in values:
        with pytest.raises((ValueError, TypeError), match="expected"):
            of(annotation).format(value)


def test_text_is_built_from_keys() -> None:
    converter = of(str)
    key = UUID(int=5)
    assert [converter.format(value) for value in ("a", 5, key, Kind.BOOK)] == ["a", "5", str(key), "book"]


def test_int_range() -> None:
    converter = IntConverter.of("1..9")
    assert converter.name == "int:1..9"
    assert converter.parse("9") == 9
    for text in ("0", "10", "-1"):
        with pytest.raises(ValueError, match="from 1 to 9"):
            converter.parse(text)
    assert IntConverter.of("..-1").parse("-7") == -7
    assert IntConverter.of("..") == IntConverter()
    for argument in ("1", "a..b", "9..1", "1..9..2"):
        with pytest.raises(ValueError, match="number"):
            IntConverter.of(argument)


def test_choices() -> None:
    converter = ChoiceConverter(["red", "green"])
    assert converter.name == "any:red,green"
    assert converter.parse("green") == "green"
    with pytest.raises(ValueError, match="expected one of red, green, got 'blue'"):
        converter.format("blue")
    for values in ([""], ["a", "", "b"], ["a", "a"], ["a/b"], [1.5], ["1", 1]):
        with pytest.raises(ValueError, match="choice"):
            ChoiceConverter(values)


def test_regex_matches_the_whole_text_and_converts_it() -> None:
    converter = RegexConverter("[0-9]{4}", then=IntConverter())
    assert converter.parse("2026") == 2026
    assert converter.format(2026) == "2026"
    for text in ("20261", "2026\n", "x2026"):
        with pytest.raises(ValueError, match="expected text like"):
            converter.parse(text)
    with pytest.raises(ValueError, match="expected text like"):
        converter.format(7)


def test_validation_bypass_by_digits_of_another_alphabet() -> None:
    with pytest.raises(ValueError, match="expected text like"):
        RegexConverter(r"\d+").parse("٣")


@pytest.mark.parametrize("pattern", ["", "(", "a{2}{3}**", "[z-a]"])
def test_malformed_regular_expressions(pattern: str) -> None:
    with pytest.raises(ValueError, match="the regular expression"):
        RegexConverter(pattern)


def test_converters_are_equal_by_what_they_do() -> None:
    assert IntConverter(1, 5) == IntConverter(1, 5) != IntConverter(1, 6)
    assert RegexConverter("a") == RegexConverter("a") != RegexConverter("b")
    assert PathConverter() != PathConverter(PurePosixPath)
    assert len({of(Colour), of(Colour), of(Size)}) == 2


@pytest.mark.parametrize("annotation", [float, Decimal, UUID, datetime, timedelta], ids=lambda value: value.__name__)
def test_redos_in_converters(annotation: object, assert_linear: AssertLinear) -> None:
    def attempt(text: object) -> None:
        with pytest.raises(ValueError, match="expected"):
            of(annotation).parse(str(text))

    assert_linear(lambda size: "-P1" + "1" * size + ".1e1-", attempt, 10_000)
