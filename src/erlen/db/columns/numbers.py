"""Exact decimal numbers in columns, and money."""

from __future__ import annotations

import operator
from decimal import Context, Decimal
from typing import Annotated, Any, TypeAlias

from msgspec import Struct
from sqlalchemy import Dialect, Numeric
from sqlalchemy.types import TypeEngine

from erlen.db.columns.direct import DirectType

__all__ = ["Digits", "ExactNumber", "Money"]


class Digits(Struct, frozen=True):
    """How many digits a `Decimal` has, and its bounds: `Price = Annotated[Decimal, Digits(10, 2, ge=0)]`.

    Numbers with more digits are refused, never rounded.

    Args:
        total: digits altogether, at most 60.
        places: how many of them stand after the point.
        ge, gt, le, lt: the bounds, as `Meta` has them for other numbers.
    """

    total: int
    places: int
    ge: Decimal | int | None = None
    gt: Decimal | int | None = None
    le: Decimal | int | None = None
    lt: Decimal | int | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.places <= self.total or not 0 < self.total <= 60:
            raise ValueError("Digits needs 1 to 60 digits in total, and not more places than those")

    def check(self, value: Decimal) -> None:
        """Raise ValueError, with a sentence, for a number that does not fit."""
        if not value.is_finite():
            raise ValueError("Expected a finite number.")
        whole = max(0, value.adjusted() + 1) if value else 0
        if whole > self.total - self.places:
            raise ValueError(f"Must have at most {_count(self.total - self.places, 'digit')} before the point.")
        if _places(value) > self.places:
            raise ValueError(
                f"Must have at most {_count(self.places, 'digit')} after the point." if self.places else "Must be a whole number."
            )
        for bound, words, holds in (
            (self.ge, "at least", operator.ge),
            (self.gt, "greater than", operator.gt),
            (self.le, "at most", operator.le),
            (self.lt, "less than", operator.lt),
        ):
            if bound is not None and not holds(value, bound):
                raise ValueError(f"Must be {words} {bound}.")


Money: TypeAlias = Annotated[Decimal, Digits(19, 4)]
"""An amount: 15 digits before the point and 4 after it."""


class ExactNumber(DirectType[Decimal]):
    """A decimal number that stays what it is: what `Mapped[Decimal]` becomes; `Digits` says its size.

    SQLite has no such type: it keeps a number of up to 15 digits exactly, and one that it would not keep exactly is refused.

    Args:
        digits: the size; without one, 20 digits before the point and 10 after it, and no zeros at the end are given back.
    """

    impl = Numeric
    cache_ok = True

    def __init__(self, digits: Digits | None = None) -> None:
        self.digits = digits
        self._size = digits or Digits(30, 10)
        super().__init__(self._size.total, self._size.places)

    def check_value(self, value: Decimal) -> None:
        """Raise ValueError, with a sentence, for a value that cannot be kept."""
        self._size.check(value)

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        size = self._size.total, self._size.places
        if dialect.name == "sqlite":  # SQLAlchemy would warn that SQLite's numbers may be inexact; here none is
            return dialect.type_descriptor(Numeric(*size, asdecimal=False))
        return dialect.type_descriptor(Numeric(*size))

    def process_bind_param(self, value: Decimal | float | None, dialect: Dialect) -> Decimal | None:
        if value is None:
            return None
        number = value if isinstance(value, Decimal) else Decimal(str(value))  # `Model.price * 2` binds the plain number
        if not number.is_finite():
            raise ValueError("Expected a finite number.")
        if dialect.name == "sqlite" and Decimal(repr(float(number))) != number:
            raise ValueError(f"SQLite cannot keep {number} exactly: it holds 15 digits.")
        return number

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:
        if value is None:
            return None
        number = value if isinstance(value, Decimal) else Decimal(repr(value))
        if dialect.name == "sqlite":
            number = number.quantize(Decimal(1).scaleb(-self._size.places), context=_WIDE)
        return number if self.digits is not None else _trimmed(number)


def _places(number: Decimal) -> int:
    exponent = number.normalize(_WIDE).as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def _trimmed(number: Decimal) -> Decimal:
    return number.quantize(Decimal(1).scaleb(-_places(number)), context=_WIDE)


def _count(number: int, word: str) -> str:
    return f"{number or 'no'} {word}{'' if number == 1 else 's'}"


_WIDE = Context(prec=1100)
"""Enough for every number that a request may carry."""
