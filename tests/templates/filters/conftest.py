"""Filters as templates call them, and a count of the work that they do."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest
from jinja2 import Environment

from erlen.templates.filters import FILTERS, GLOBALS, TESTS

if TYPE_CHECKING:
    from tests.conftest import AssertLinear

Show: TypeAlias = Callable[..., str]
AssertGrowth: TypeAlias = Callable[..., None]


@pytest.fixture(scope="session")
def environment() -> Environment:
    environment = Environment(autoescape=True)
    environment.filters.update(FILTERS)
    environment.tests.update(TESTS)
    environment.globals.update(GLOBALS)
    return environment


@pytest.fixture
def show(environment: Environment) -> Show:
    """What a template makes of an expression: `show("value|number(2)", value=1)`."""

    def show(expression: str, **values: Any) -> str:
        return environment.from_string("{{ " + expression + " }}").render(**values)

    return show


@pytest.fixture
def assert_growth(assert_linear: AssertLinear) -> AssertGrowth:
    """Fail if twice a text takes more than twice the calls, give or take a tenth, or if the work within them grows with its square.

    The calls, of `size` units, tell of work that is written in Python; the other comparison, up to `length` characters, of work within one
    call, such as the backtracking of a regular expression.
    """

    def check(work: Callable[[str], Any], unit: str, size: int = 1_000, length: int = 100_000) -> None:
        small, large = (calls_of(work, unit * times) for times in (size, 2 * size))
        assert large <= 2.2 * small + 100, f"{small} calls, and {large} for twice the text"
        assert_linear(lambda times: unit * times, work, length // 16 // len(unit))

    return check


def calls_of(work: Callable[[str], Any], text: str) -> int:
    count = 0

    def note(*_: object) -> None:
        nonlocal count
        count += 1

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        work(text)
    finally:
        sys.setprofile(before)
    return count
