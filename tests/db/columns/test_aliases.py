"""The named types: their patterns are linear in what they are given."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Annotated, Any

import msgspec
import pytest

from erlen.db.columns import Count, Email, Line, Positive, Slug, Url


def patterns(annotation: Any) -> list[str]:
    return [mark.pattern for mark in annotation.__metadata__ if mark.pattern is not None]


@pytest.mark.parametrize(
    ("annotation", "make"),
    [
        (Email, lambda size: "a" * size + "@"),
        (Email, lambda size: "a@" + "a" * size),
        (Email, lambda size: "a@" + "a." * size),
        (Email, lambda size: "a@" + "a-" * size + "!"),
        (Slug, lambda size: "a" * size + " "),
        (Line, lambda size: "a" * size + "\n"),
        (Url, lambda size: "http://" + "a" * size + " "),
        (Url, lambda size: "http://a/" + "/" * size + "\n"),
    ],
)
def test_patterns_are_linear(assert_linear: Any, annotation: Any, make: Callable[[int], str]) -> None:
    bare = msgspec.Meta(pattern=patterns(annotation)[0])  # without the limit of the length, which comes first

    def work(value: str) -> None:
        with contextlib.suppress(msgspec.ValidationError):
            msgspec.convert(value, Annotated[str, bare])

    assert_linear(make, work, 4000)


@pytest.mark.parametrize(("annotation", "least"), [(Positive, 1), (Count, 0)])
def test_numbers_from_a_least_one_on(annotation: Any, least: int) -> None:
    assert msgspec.convert(least, annotation) == least
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(least - 1, annotation)
