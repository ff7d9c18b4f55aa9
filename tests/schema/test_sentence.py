"""What msgspec says reaches the sender as a sentence, with the path taken apart."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from erlen.schema.sentence import choices, in_words, sentence, split_path


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("Expected `int | str | null`, got `float`", "Expected an integer, a string or null, got a number."),
        ("Expected `object`, got `Thing`", "Expected an object, got an object."),
        ("Expected `float` > 4.0", "Must be greater than 4."),
        ("Expected `float` <= 4.5", "Must be at most 4.5."),
        ("Expected `array` of length >= 1", "Must have at least 1 item."),
        ("Expected `object` of length >= 3", "Must have at least 3 entries."),
        ("Expected `str` of length <= 1", "Must have at most 1 character."),
        ("Expected `array` of at least length 2, got 1", "Must have at least 2 items."),
        ("Expected `array` of length 2 to 3, got 1", "Must have 2 to 3 items."),
        ("Expected `int` that's a multiple of 2", "Must be a multiple of 2."),
        ("Expected `str` matching regex '^a$'", "Must match the pattern '^a$'."),
        ("Invalid enum value 'a\nb'", "Must be one of the allowed values."),
        ("Object missing required field `a`", "This field is required."),
        ("the end is before the start", "the end is before the start."),
        ("Really?", "Really?"),
    ],
)
def test_sentences(message: str, expected: str) -> None:
    assert sentence(message) == expected


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("Bad - at `$.items[0].name`", ("Bad", ("items", 0, "name"))),
        ("Bad - at `key` in `$.a`", ("Bad", ("a",))),
        ("Bad - at `$.a[...].b`", ("Bad", ("a",))),
        ("Bad - at `$`", ("Bad", ())),
        ("A user's own - at `$.x` of it", ("A user's own - at `$.x` of it", ())),
    ],
)
def test_paths(message: str, expected: tuple[str, tuple[str | int, ...]]) -> None:
    assert split_path(message) == expected


@given(st.text())
def test_any_message_gives_text_that_ends_like_a_sentence(message: str) -> None:
    assert sentence(message)[-1:] in ("", ".", "!", "?")


def test_choices_are_bounded() -> None:
    assert choices(["a"]) == "Must be 'a'."
    assert choices([1, 2]) == "Must be one of 1, 2."
    assert choices(range(100)) == f"Must be one of {', '.join(map(str, range(20)))}, …."
    assert in_words("Nothing") == "an object"
