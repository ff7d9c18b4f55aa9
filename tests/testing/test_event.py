from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from erlen.http.event import Event
from erlen.testing.event import EventReader, LineReader, ServerEvent


def lines_of(*chunks: bytes) -> list[str]:
    reader = LineReader()
    for chunk in chunks:
        reader.feed(chunk)
    reader.feed(b"", final=True)
    return list(reader.lines)


def events_of(text: str) -> list[ServerEvent]:
    reader = EventReader()
    return [event for line in lines_of(text.encode()) if (event := reader.feed(line)) is not None]


@pytest.mark.parametrize(
    ("chunks", "lines"),
    [
        ([b"a\nb\r\nc\rd"], ["a", "b", "c", "d"]),
        ([b"a\r", b"\nb\n"], ["a", "b"]),
        ([b"a\r", b"\r\n", b"b"], ["a", "", "b"]),
        ([b"\n\n"], ["", ""]),
        ([b"a", b"b", b"", b"c\n"], ["abc"]),
        ([b"\xc3", b"\xbc\n"], ["ü"]),
        ([b"\xff\n"], ["\ufffd"]),
        ([b"a\xc3"], ["a\ufffd"]),
        (["a\u2028b\x85c\x0cd\n".encode()], ["a\u2028b\x85c\x0cd"]),
        ([], []),
    ],
)
def test_lines_end_with_cr_lf_or_both(chunks: list[bytes], lines: list[str]) -> None:
    assert lines_of(*chunks) == lines


def test_line_that_ends_with_cr_is_there_at_once() -> None:
    reader = LineReader()
    reader.feed(b"now\r")
    assert list(reader.lines) == ["now"]


@given(st.text(st.sampled_from("ab\r\n ü"), max_size=30), st.integers(1, 5))
def test_lines_do_not_depend_on_how_they_arrive(text: str, size: int) -> None:
    data = text.encode()
    assert lines_of(*(data[at : at + size] for at in range(0, len(data), size))) == lines_of(data)


def test_lines_take_linear_time() -> None:
    """Many pieces of one line are joined once; counted in joins, which do not drift."""
    reader = LineReader()
    for _ in range(100_000):
        reader.feed(b"x")
    assert not reader.lines
    reader.feed(b"\n")
    assert len(reader.lines[0]) == 100_000


@pytest.mark.parametrize(
    ("text", "events"),
    [
        ("data: one\n\n", [ServerEvent("one")]),
        ("data:one\ndata: two\ndata\n\n", [ServerEvent("one\ntwo\n")]),
        ("data:  two spaces\n\n", [ServerEvent(" two spaces")]),
        ("event: kind\ndata: x\n\ndata: y\n\n", [ServerEvent("x", "kind"), ServerEvent("y")]),
        ("id: 7\ndata: x\n\ndata: y\n\nid\ndata: z\n\n", [ServerEvent("x", id="7"), ServerEvent("y", id="7"), ServerEvent("z")]),
        ("id: a\x00b\ndata: x\n\n", [ServerEvent("x")]),
        ("retry: 500\n\ndata: x\n\nretry: soon\ndata: y\n\n", [ServerEvent("x", retry=500), ServerEvent("y", retry=500)]),
        ("retry: " + "9" * 5000 + "\ndata: x\n\n", [ServerEvent("x")]),
        (": comment\n\ndata: x\n\n", [ServerEvent("x")]),
        ("\ufeffdata: x\n\n", [ServerEvent("x")]),
        ("event: only\n\n", []),
        ("data: broken off\n", []),
        ("unknown: field\ndata: x\n\n", [ServerEvent("x")]),
    ],
)
def test_events_are_those_a_browser_dispatches(text: str, events: list[ServerEvent]) -> None:
    assert events_of(text) == events


DATA = st.text(st.characters(codec="utf-8", exclude_characters="\r"), min_size=1)
WORD = st.text(st.characters(codec="ascii", min_codepoint=33), min_size=1)


@given(DATA, WORD)
def test_what_the_application_sends_comes_back(data: str, kind: str) -> None:
    assert events_of(Event(data, event=kind, id=kind, retry=3).encode().decode()) == [ServerEvent(data, kind, kind, 3)]


def test_data_is_parsed_as_json() -> None:
    assert ServerEvent('{"a":[1]}').json() == {"a": [1]}
    with pytest.raises(ValueError, match="truncated"):
        ServerEvent("{").json()
