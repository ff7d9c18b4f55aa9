from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import pytest

from erlen.routing import Converters, Pattern

Resolve = Callable[..., Pattern]


@pytest.fixture
def converters() -> Converters:
    return Converters()


@pytest.fixture
def resolve(converters: Converters) -> Resolve:
    def resolve(template: str, annotations: Mapping[str, object] | None = None) -> Pattern:
        return Pattern.parse(template).resolve(annotations or {}, converters)

    return resolve


@pytest.fixture
def assert_linear() -> Callable[[Callable[[int], object], Callable[[object], object]], None]:
    """The doubling test: time at 2n is at most 2.5 times that at n. The best of many rounds, again if the machine was busy."""

    def best(run: Callable[[object], object], material: object) -> float:
        times = []
        for _ in range(7):
            start = time.perf_counter()
            run(material)
            times.append(time.perf_counter() - start)
        return min(times)

    def check(make: Callable[[int], object], run: Callable[[object], object], size: int = 20_000) -> None:
        small, large = make(size), make(2 * size)
        ratios = []
        for _ in range(5):
            # What takes under 50 us is too short to compare, and fast enough.
            ratios.append(best(run, large) / max(best(run, small), 5e-5))
            if ratios[-1] <= 2.5:
                return
        pytest.fail(f"twice the input takes {min(ratios):.1f} times as long")

    return check
