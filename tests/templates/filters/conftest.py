"""Filters as templates call them, and a count of the work that they do."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

import pytest
from jinja2 import Environment

from erlen.templates.filters import FILTERS, GLOBALS, TESTS

Show: TypeAlias = Callable[..., str]
AssertLinear: TypeAlias = Callable[..., None]


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
def assert_linear() -> AssertLinear:
    """Fail if twice a text takes more than twice the calls, give or take a tenth, or if a long one keeps the processor busy for long.

    The calls tell of work that is written in Python; the bound, many times what is needed, of work within one call, such as
    the backtracking of a regular expression.
    """

    def check(work: Callable[[str], Any], unit: str, size: int = 1_000) -> None:
        small, large = (calls_of(work, unit * times) for times in (size, 2 * size))
        assert large <= 2.2 * small + 100, f"{small} calls, and {large} for twice the text"
        with bounded(5):
            work(unit * (100_000 // len(unit)))

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


@contextmanager
def bounded(seconds: int) -> Iterator[None]:
    """End what uses the processor for longer; time in which others run does not count."""
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "SIGVTALRM"):
        yield
        return

    def stop(*_: object) -> None:
        raise AssertionError(f"still at work after {seconds} seconds of processor time")

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
