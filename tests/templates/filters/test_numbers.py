from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from erlen.templates.filters import FILTERS
from erlen.templates.filters.numbers import apnumber, filesize, intword, number, ordinal, percent

Show = Callable[..., str]
NUMBERS = [apnumber, filesize, intword, number, ordinal, percent]


def test_numbers_are_grouped(show: Show) -> None:
    assert show("1234567.891|number") == "1,234,567.891"
    assert show("1234567.891|number(2)") == "1,234,567.89"
    assert show("1234567|number(2, group='.', point=',')") == "1.234.567,00"
    assert show("1234567|number(group='')") == "1234567"
    assert show("'1234.5'|number") == "1,234.5"
    assert show("1.50|number(2, trim=true) ~ ' ' ~ 2.0|number(2, trim=true)") == "1.5 2"


@pytest.mark.parametrize(
    ("value", "decimals", "text"),
    [
        (0.5, 0, "1"),
        (1.5, 0, "2"),
        (2.5, 0, "3"),
        (-2.5, 0, "-3"),
        (1.005, 2, "1.01"),
        (-0.001, 2, "0.00"),
        (Decimal("-0"), None, "0"),
        (999.999, 2, "1,000.00"),
        (10**40, 2, "1" + "0" * 1 + ",000" * 13 + ".00"),
        (True, 0, "1"),
        (Decimal("1E+5"), None, "100,000"),
    ],
)
def test_numbers_are_rounded_by_halves(value: object, decimals: int | None, text: str) -> None:
    assert number(value, decimals) == text


@given(st.integers(-(10**20), 10**20), st.integers(0, 6))
def test_a_number_reads_back(whole: int, decimals: int) -> None:
    value = Decimal(whole).scaleb(-decimals)
    assert Decimal(number(value, decimals).replace(",", "")) == value


def test_decimals_have_bounds() -> None:
    with pytest.raises(ValueError, match="from 0 to 100, not 101"):
        number(1, 101)
    with pytest.raises(ValueError, match="not -1"):
        number(1, -1)


def test_percentages(show: Show) -> None:
    assert show("0.256|percent ~ ' ' ~ 0.256|percent(1) ~ ' ' ~ 12|percent") == "26% 25.6% 1,200%"


@pytest.mark.parametrize(
    ("size", "text", "binary"),
    [
        (0, "0 bytes", "0 bytes"),
        (1, "1 byte", "1 byte"),
        (999, "999 bytes", "999 bytes"),
        (1000, "1.0 kB", "1,000 bytes"),
        (1024, "1.0 kB", "1.0 KiB"),
        (1_500_000, "1.5 MB", "1.4 MiB"),
        (999_999, "1.0 MB", "976.6 KiB"),
        (10**30, "1,000,000.0 YB", "827,180.6 YiB"),
        (-1_500_000, "-1.5 MB", "-1.4 MiB"),
    ],
)
def test_sizes_of_files(size: int, text: str, binary: str) -> None:
    assert filesize(size) == text
    assert filesize(size, binary=True) == binary


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (999_999, "999,999"),
        (1_000_000, "1 million"),
        (1_250_000, "1.3 million"),
        (999_950_000, "1 billion"),
        (-2_000_000_000_000, "-2 trillion"),
        (10**33, "1 decillion"),
        (10**36, "1,000 decillion"),
        ("1200000", "1.2 million"),
    ],
)
def test_large_numbers_in_words(value: object, text: str) -> None:
    assert intword(value) == text


def test_places_in_an_order() -> None:
    assert [ordinal(place) for place in (0, 1, 2, 3, 4, 11, 12, 13, 21, 101, 111, 1002)] == (
        ["0th", "1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "101st", "111th", "1002nd"]
    )
    assert [ordinal(value) for value in (-1, 2.5, "3", "x")] == ["-1", "2.5", "3rd", "x"]


def test_small_numbers_in_words() -> None:
    assert [apnumber(value) for value in (0, 9, 10, 2.5, "7", -1)] == ["zero", "nine", "10", "2.5", "seven", "-1"]


@pytest.mark.parametrize("work", NUMBERS)
def test_what_is_no_number_passes_as_it_is(work: Callable[..., str]) -> None:
    assert work(None) == ""
    assert work("") == ""
    assert work("n/a") == "n/a"
    assert work(float("nan")) == "nan"
    assert work(float("inf")) == "inf"
    assert work(Markup("<b>")) == Markup("<b>")


@pytest.mark.parametrize("name", sorted(work.__name__ for work in NUMBERS))
def test_an_undefined_number_shows_nothing_and_text_is_escaped(show: Show, name: str) -> None:
    assert FILTERS[name] in NUMBERS
    assert show(f"missing|{name}") == ""
    assert show(f"'<b>'|{name}") == "&lt;b&gt;"


@pytest.mark.parametrize("work", NUMBERS)
@pytest.mark.parametrize("text", ["1e999999", "1e-999999", "-1E+99999999999999999999", "9" * 1_000_000, "1_" * 1000])
def test_class_n_a_number_that_is_too_long_to_read_is_not_written_out(work: Callable[..., str], text: str) -> None:
    assert work(text) == text


@pytest.mark.parametrize("work", NUMBERS)
def test_class_n_a_decimal_of_endless_digits_is_not_written_out(work: Callable[..., str]) -> None:
    assert len(work(Decimal("1e5000000"))) < 20
    # Python itself refuses to write out an integer of more than 4,300 digits.
    assert work(10**1000) == str(10**1000)
