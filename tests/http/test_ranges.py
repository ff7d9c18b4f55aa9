from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from erlen.errors import RangeNotSatisfiable
from erlen.http.ranges import parse_range

if TYPE_CHECKING:
    from tests.conftest import AssertLinear


@pytest.mark.parametrize(
    ("value", "ranges"),
    [
        ("bytes=0-0", [(0, 1)]),
        ("bytes=0-499", [(0, 500)]),
        ("bytes=500-", [(500, 1000)]),
        ("bytes=-200", [(800, 1000)]),
        ("bytes=-5000", [(0, 1000)]),
        ("bytes=900-5000", [(900, 1000)]),
        ("BYTES = 1-2", [(1, 3)]),
        ("bytes= 0-1 ,\t5-6", [(0, 2), (5, 7)]),
        ("bytes=5-6, 0-1", [(0, 2), (5, 7)]),
        ("bytes=0-5, 3-9", [(0, 10)]),
        ("bytes=0-5, 6-9", [(0, 10)]),
        ("bytes=,0-1,,", [(0, 2)]),
        ("bytes=0-1, 5000-", [(0, 2)]),
        ("bytes=000-001", [(0, 2)]),
        ("bytes=0-" + "9" * 5000, [(0, 1000)]),
        ("bytes=-" + "9" * 5000, [(0, 1000)]),
        # malformed or not for us: ignored
        ("", None),
        ("bytes", None),
        ("bytes=", None),
        ("bytes=,", None),
        ("bytes=-", None),
        ("bytes=5-3", None),
        ("bytes=9" + "9" * 5000 + "-1", None),
        ("bytes=a-b", None),
        ("bytes=0x1-5", None),
        ("bytes=+1-5", None),
        ("bytes=1_0-50", None),
        ("bytes=\u0661-5", None),
        ("bytes=1 - 5", None),
        ("bytes=--5", None),
        ("bytes=0-1, x", None),
        ("items=0-1", None),
    ],
)
def test_ranges_of_a_thousand_bytes(value: str, ranges: list[tuple[int, int]] | None) -> None:
    assert parse_range(value, 1000) == ranges


@pytest.mark.parametrize(("value", "size"), [("bytes=1000-", 1000), ("bytes=-0", 1000), ("bytes=0-", 0), ("bytes=" + "9" * 5000 + "-", 9)])
def test_ranges_outside_of_the_content_are_refused_with_its_size(value: str, size: int) -> None:
    with pytest.raises(RangeNotSatisfiable) as caught:
        parse_range(value, size)
    assert caught.value.headers == {"content-range": f"bytes */{size}"}


def test_the_last_bytes_of_an_empty_file_are_the_empty_file() -> None:
    assert parse_range("bytes=-5", 0) is None


SPECS = st.lists(
    st.tuples(st.integers(0, 60), st.integers(0, 60)).map(lambda pair: f"{min(pair)}-{max(pair)}")
    | st.integers(0, 60).map(lambda first: f"{first}-")
    | st.integers(0, 60).map(lambda count: f"-{count}"),
    min_size=1,
    max_size=10,
)


@given(SPECS, st.integers(1, 50))
def test_the_ranges_hold_exactly_the_bytes_asked_for(specs: list[str], size: int) -> None:
    content = range(size)
    asked: set[int] = set()
    for spec in specs:
        first, _, last = spec.partition("-")
        if not first:
            asked.update(content[-int(last) :] if int(last) else ())
        else:
            asked.update(position for position in content if int(first) <= position and (not last or position <= int(last)))
    try:
        ranges = parse_range("bytes=" + ",".join(specs), size)
    except RangeNotSatisfiable:
        assert not asked
        return
    assert ranges is not None
    assert {position for start, end in ranges for position in range(start, end)} == asked
    assert all(start < end for start, end in ranges)
    assert all(before[1] < after[0] for before, after in pairwise(ranges))


@given(st.text(alphabet="bytes=0123456789-, \t", max_size=60).map("bytes={}".format) | st.text(max_size=40), st.integers(0, 2**63))
def test_any_text_is_parsed_ignored_or_refused(value: str, size: int) -> None:
    try:
        ranges = parse_range(value, size)
    except RangeNotSatisfiable:
        return
    assert ranges is None or all(0 <= start < end <= size for start, end in ranges)


def test_class_b_more_than_ten_ranges_are_ignored() -> None:
    assert parse_range("bytes=" + ",".join(f"{n * 2}-{n * 2}" for n in range(10)), 1000) is not None
    assert parse_range("bytes=" + ",".join(f"{n * 2}-{n * 2}" for n in range(11)), 1000) is None


@pytest.mark.parametrize("piece", ["0-,", "0-1,", ",", "-", "9", " ", "1-9" * 10 + ","])
def test_class_b_the_cost_of_parsing_grows_linearly(assert_linear: AssertLinear, piece: str) -> None:
    def work(value: str) -> None:
        try:
            parse_range(value, 1000)
        except RangeNotSatisfiable:
            pass

    assert_linear(lambda size: "bytes=" + piece * (size // len(piece)), work, 25_000)
