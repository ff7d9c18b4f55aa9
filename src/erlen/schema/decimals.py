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

    def find_later(value: Any) -> bool:  # a type may hold itself: when this is called, the real one stands in its place
        return made[shape](value)

    made[shape] = find_later
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


# PERF: plain loops: `any` with a generator costs 400 ns more a value.
def _in_fields(fields: Sequence[tuple[str, Finder]]) -> Finder:
    def find(value: Any) -> bool:
        if value is None:  # also where an attribute is missing, or a type that holds itself would be followed for ever
            return False
        keyed = isinstance(value, dict)
        for name, found in fields:  # noqa: SIM110 - as above
            if found(value.get(name) if keyed else getattr(value, name, None)):
                return True
        return False

    return find


def _in_items(finders: Sequence[Finder]) -> Finder:
    def find(value: Any) -> bool:
        if isinstance(value, dict):
            value = value.values()
        elif not isinstance(value, list | tuple | set | frozenset):
            return False
        for item in value:
            for found in finders:
                if found(item):
                    return True
        return False

    return find


def _in_any(finders: Sequence[Finder]) -> Finder:
    def find(value: Any) -> bool:
        for found in finders:  # noqa: SIM110 - as above
            if found(value):
                return True
        return False

    return find
