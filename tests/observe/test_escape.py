from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from erlen.observe.escape import escape, escape_json, escape_lines

TEXT = st.text(st.characters(codec=None))


def is_harmless(text: str, allowed: str = "") -> bool:
    """Whether no character ends a line, steers a terminal or turns the order of letters around."""
    return text.replace("\t", "").splitlines() in ([], [text.replace("\t", "")]) and all(
        char in allowed
        or (
            (ord(char) >= 0x20 and not 0x7F <= ord(char) < 0xA0 and char not in "\u061c\u200e\u200f\ufeff")
            and not "\u2028" <= char <= "\u202e"
            and not "\u2066" <= char <= "\u2069"
        )
        for char in text
    )


@given(TEXT)
def test_escaped_text_is_one_harmless_line(text: str) -> None:
    shown = escape(text)
    assert is_harmless(shown)
    shown.encode()


@given(TEXT)
def test_lines_stay_lines(text: str) -> None:
    shown = escape_lines(text)
    assert shown.count("\n") == text.count("\n")
    assert all(is_harmless(line, "\t") for line in shown.split("\n"))


@given(st.text())
def test_json_means_the_same(text: str) -> None:
    document = escape_json(json.dumps(text, ensure_ascii=False))
    assert is_harmless(document)
    assert json.loads(document) == text


def test_what_people_write_is_left_as_it_is() -> None:
    for text in ("Grüße, 世界 – “ok”", "👩‍👧 שלום", "C:\\temp"):
        assert escape(text) == text
