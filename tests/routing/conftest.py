from __future__ import annotations

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
