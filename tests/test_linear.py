"""The proof of linear work that the root's conftest.py has for every parser and filter, on a clock that the work itself moves."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable
from itertools import chain, repeat
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import AssertLinear

# Seconds that the work of one character takes.
STEP = 1e-6


class Machine:
    """Work whose cost is known, and the clock that measures it; `noise` is what others add to each measurement, in seconds."""

    def __init__(self, cost: Callable[[int], float], noise: Iterable[float] = ()) -> None:
        self.cost, self.noise = cost, chain(noise, repeat(0.0))
        self.now, self.calls = 0.0, 0

    def work(self, text: str) -> None:
        assert not gc.isenabled()
        self.now += self.cost(len(text)) + next(self.noise)
        self.calls += 1

    def clock(self) -> float:
        return self.now


def linear(length: int) -> float:
    return length * STEP


def quadratic(length: int) -> float:
    return length * length * STEP / 1000


def text(size: int) -> str:
    return "a" * size


@pytest.mark.parametrize("size", [1, 100, 1000, 100_000])
def test_linear_work_is_measured_once(assert_linear: AssertLinear, size: int) -> None:
    machine = Machine(linear)
    assert_linear(text, machine.work, size, clock=machine.clock)
    assert machine.calls == 4
    assert gc.isenabled()


def test_quadratic_work_is_found(assert_linear: AssertLinear) -> None:
    machine = Machine(quadratic)
    with pytest.raises(pytest.fail.Exception, match="sixteen times the input takes 256 times as long"):
        assert_linear(text, machine.work, 1000, clock=machine.clock)
    assert gc.isenabled()


def test_quadratic_work_beside_as_much_linear_work_is_found(assert_linear: AssertLinear) -> None:
    machine = Machine(lambda length: linear(length) + quadratic(length))
    with pytest.raises(pytest.fail.Exception, match="136 times as long"):
        assert_linear(text, machine.work, 1000, clock=machine.clock)


def test_noise_in_all_measurements_but_one_does_not_fail_linear_work(assert_linear: AssertLinear) -> None:
    # On each attempt the large input comes first: only on the last is it left alone.
    machine = Machine(linear, [1.0, 0.0, 0.0, 0.0] * 4)
    assert_linear(text, machine.work, 1000, clock=machine.clock)
    assert machine.calls == 20


@pytest.mark.parametrize("attempt", [0, 1, 2])
def test_noise_in_some_measurements_does_not_hide_quadratic_work(assert_linear: AssertLinear, attempt: int) -> None:
    pattern = [0.0, 1.0, 1.0, 1.0]
    pattern[1 + attempt] = 0.0
    machine = Machine(quadratic, pattern * 5)
    with pytest.raises(pytest.fail.Exception, match="times as long"):
        assert_linear(text, machine.work, 1000, clock=machine.clock)


def test_what_is_too_short_to_measure_does_not_fail(assert_linear: AssertLinear) -> None:
    machine = Machine(lambda length: 0.0 if length == 10 else 0.03)
    assert_linear(text, machine.work, 10, clock=machine.clock)


def test_real_quadratic_work_is_found_on_the_real_clock(assert_linear: AssertLinear) -> None:
    def work(numbers: list[int]) -> int:
        return sum(-1 in numbers for _ in numbers)

    with pytest.raises(pytest.fail.Exception, match="times as long"):
        assert_linear(lambda size: list(range(size)), work, 200)


def test_a_mistake_in_the_work_is_told_and_the_collector_runs_again(assert_linear: AssertLinear) -> None:
    def work(given: str) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        assert_linear(text, work, 1)
    assert gc.isenabled()
