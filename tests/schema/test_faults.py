"""Odd Decimals are found wherever a type can hold one, and nothing else is taken for one."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Generic, NamedTuple, TypedDict, TypeVar

import msgspec
import pytest
from msgspec import Struct

from erlen.schema.faults import Checker, is_odd

T = TypeVar("T")


class Price(Struct):
    amount: Decimal
    currency: str = "EUR"


class Chain(Struct):
    next: Chain | None = None
    price: Price | None = None


class Keys(TypedDict):
    amount: Decimal


class Point(NamedTuple):
    x: Decimal


class Box(Struct, Generic[T]):
    value: T
    other: int = 0


class Boxes(Struct):
    number: Box[Decimal]
    text: Box[str]


ODD, FINE = Decimal("NaN"), Decimal("1.5")
HOLDERS: list[tuple[Any, Any]] = [
    (Decimal, lambda d: d),
    (Decimal | int | None, lambda d: d),
    (list[Decimal] | None, lambda d: [FINE, d]),
    (set[Decimal], lambda d: {d}),
    (tuple[str, Decimal], lambda d: ("a", d)),
    (dict[str, list[Decimal]], lambda d: {"a": [d]}),
    (Price, Price),
    (Keys | None, lambda d: {"amount": d}),
    (Point, Point),
    (Chain, lambda d: Chain(Chain(price=Price(d)))),
    (list[Price | int], lambda d: [1, Price(d)]),
    (dict[Decimal, int], lambda d: {d: 1}),
    (Boxes, lambda d: Boxes(Box(d), Box("a"))),
]


@pytest.mark.parametrize(("annotation", "hold"), HOLDERS)
def test_an_odd_decimal_is_found_anywhere(annotation: Any, hold: Any) -> None:
    refuse = Checker(annotation).refuse_odd
    assert refuse is not None
    with pytest.raises(msgspec.ValidationError, match="finite"):
        refuse(hold(ODD))
    refuse(hold(FINE))


def test_types_without_a_decimal_are_known() -> None:
    assert Checker(dict[str, list[int | str]]).refuse_odd is None


@pytest.mark.parametrize("text", ["NaN", "sNaN", "Infinity", "-Infinity", "1E+1000", "1E-1000", "1" * 1001])
def test_odd(text: str) -> None:
    assert is_odd(Decimal(text))


@pytest.mark.parametrize("text", ["0", "-1.5", "1E+999", "1E-999", "1" * 1000])
def test_fine(text: str) -> None:
    assert not is_odd(Decimal(text))
