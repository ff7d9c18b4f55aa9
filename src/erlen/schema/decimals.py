"""Decimals that nobody means: msgspec reads `"NaN"`, `"Infinity"` and `1E+999999999`, and arithmetic on those fails or fills the memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, Protocol

from erlen.schema.model import members_of

__all__ = ["is_odd", "odd_decimals"]

Finder = Callable[[Any], bool]


class Shape(Protocol):
    """What is known of a type: see `erlen.schema.faults.Checker`, which is one."""

    @property
    def annotation(self) -> object: ...
    @property
    def decimal(self) -> bool: ...
    @property
    def names(self) -> Sequence[str]: ...
    @property
    def parts(self) -> Sequence[Shape]: ...


def is_odd(number: Decimal) -> bool:
    """Return whether a number is NaN, infinite, or of a thousand digits or more when written out."""
    return not number.is_finite() or not -1000 < number.adjusted() < 1000


def odd_decimals(shape: Shape) -> Finder:
    """Return the function that says whether an odd Decimal is in a decoded value of the type."""
    return _finder(shape, {})


def _finder(shape: Shape, made: dict[Shape, Finder]) -> Finder:
    if shape in made:
        return made[shape]
    made[shape] = lambda value: made[shape](value)  # a type may hold itself: by then the real one stands here
    if not shape.parts:
        find: Finder = _is_odd_decimal
    elif shape.names:
        named = zip(shape.names, shape.parts, strict=True)
        find = _in_fields([(name, _finder(part, made)) for name, part in named if part.decimal])
    else:
        finders = [_finder(part, made) for part in shape.parts if part.decimal]
        find = _in_any(finders) if len(members_of(shape.annotation)) > 1 else _in_items(finders)
    made[shape] = find
    return find


def _is_odd_decimal(value: Any) -> bool:
    return isinstance(value, Decimal) and is_odd(value)


def _in_fields(fields: Sequence[tuple[str, Finder]]) -> Finder:
    def find(value: Any) -> bool:
        if isinstance(value, dict):
            return any(name in value and found(value[name]) for name, found in fields)
        return any(found(getattr(value, name, None)) for name, found in fields)

    return find


def _in_items(finders: Sequence[Finder]) -> Finder:
    def find(value: Any) -> bool:
        if isinstance(value, dict):
            return any(found(item) for item in value.values() for found in finders)
        if isinstance(value, list | tuple | set | frozenset):
            return any(found(item) for item in value for found in finders)
        return False

    return find


def _in_any(finders: Sequence[Finder]) -> Finder:
    return lambda value: any(found(value) for found in finders)
