"""What the tests of HTTP share: the doubling test."""

from __future__ import annotations

from collections.abc import Callable
from time import thread_time
from typing import Any, TypeAlias

import pytest

AssertLinear: TypeAlias = Callable[[Callable[[int], Any], Callable[[Any], object], int], None]


@pytest.fixture
def assert_linear() -> AssertLinear:
    """Fail unless twice the input takes at most two and a half times as long: `assert_linear(make_input, work, size)`."""

    def check(make: Callable[[int], Any], work: Callable[[Any], object], size: int) -> None:
        small, large = make(size), make(2 * size)
        ratios: list[float] = []
        # A busy machine can spoil a measurement, but not turn quadratic work, which takes four times as long, into linear.
        for _ in range(8):
            ratios.append(min(cost(work, large) for _ in range(3)) / min(cost(work, small) for _ in range(3)))
            if ratios[-1] <= 2.5:
                return
        pytest.fail(f"twice the input takes {min(ratios):.1f} times as long")

    return check


def cost(work: Callable[[Any], object], given: Any) -> float:
    """The CPU time of one call in seconds."""
    begun = thread_time()
    work(given)
    return thread_time() - begun
