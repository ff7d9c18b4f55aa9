from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest

from erlen.templates.filters.words import pluralize

Show = Callable[..., str]


@pytest.mark.parametrize(
    ("value", "ending"),
    [(0, "s"), (1, ""), (2, "s"), (1.0, ""), (1.5, "s"), (Decimal(1), ""), ("1", ""), ("2", "s"), ([], "s"), (["a"], ""), ({1, 2}, "s")],
)
def test_endings(value: object, ending: str) -> None:
    assert pluralize(value) == ending


def test_forms(show: Show) -> None:
    assert show("1|pluralize('es') ~ 2|pluralize('es')") == "es"
    assert show("1|pluralize('child', 'children') ~ ' ' ~ 3|pluralize('child', 'children')") == "child children"


@pytest.mark.parametrize("value", [None, "many", "", object(), float("nan")])
def test_what_cannot_be_counted_has_no_ending(value: object) -> None:
    assert pluralize(value) == ""


def test_three_forms_are_too_many() -> None:
    with pytest.raises(TypeError, match="at most two forms"):
        pluralize(1, "a", "b", "c")


def test_yes_and_no(show: Show) -> None:
    assert show("true|yesno ~ false|yesno ~ none|yesno ~ missing|yesno") == "yesnonono"
    assert show("value|yesno('on', 'off', 'unknown')", value=None) == "unknown"
    assert show("value|yesno('on', 'off', 'unknown')", value=[]) == "off"
    assert show("1|yesno('<on>')") == "&lt;on&gt;"


def test_only_none_has_a_default(show: Show) -> None:
    assert show("none|default_if_none('-') ~ 0|default_if_none('-') ~ ''|default_if_none('-')") == "-0"
