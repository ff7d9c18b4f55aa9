"""Filters of numbers.

They take integers, floats, decimals, and text that holds a number. None shows as nothing; what is no number, is not finite, or has
hundreds of digits, passes as it is. Halves are rounded away from zero.
"""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Context, Decimal, InvalidOperation

from erlen.templates.filters.text import text_of

__all__ = ["apnumber", "decimal_of", "filesize", "intword", "number", "ordinal", "percent"]


def number(value: object, decimals: int | None = None, *, trim: bool = False, group: str = ",", point: str = ".") -> str:
    """Write a number for people: `{{ 1234567.891|number(2) }}` is `1,234,567.89`.

    Args:
        value: see above.
        decimals: how many digits follow the point, 0 to 100; by default those there are.
        trim: leave out zeros at the end of the fraction.
        group: what separates thousands; empty for nothing.
        point: what separates the fraction.

    Raises:
        ValueError: if `decimals` is out of range.
    """
    amount = decimal_of(value)
    return text_of(value) if amount is None else _write(amount, decimals, trim=trim, group=group, point=point)


def percent(value: object, decimals: int = 0, *, trim: bool = False, group: str = ",", point: str = ".") -> str:
    """Write a share as a percentage: `{{ 0.256|percent }}` is `26%`. The parameters are those of `number`."""
    amount = decimal_of(value)
    if amount is None:
        return text_of(value)
    return _write(amount.scaleb(2, _EXACT), decimals, trim=trim, group=group, point=point) + "%"


def filesize(value: object, binary: bool = False) -> str:
    """Write a number of bytes: `{{ 1500000|filesize }}` is `1.5 MB`; with `binary`, powers of 1024: `1.4 MiB`."""
    amount = decimal_of(value)
    if amount is None:
        return text_of(value)
    step = 1024 if binary else 1000
    if abs(amount) < step:
        whole = _write(amount, 0)
        return f"{whole} {'byte' if whole == '1' else 'bytes'}"
    scaled, unit = _scale(amount, step, "kMGTPEZY")
    return f"{_write(scaled, 1)} {unit.upper() + 'iB' if binary else unit + 'B'}"


def intword(value: object, decimals: int = 1) -> str:
    """Write a large number in words: `{{ 1200000|intword }}` is `1.2 million`; below a million, as `number` does."""
    amount = decimal_of(value)
    if amount is None:
        return text_of(value)
    if abs(amount) < 1_000_000:
        return _write(amount, None)
    scaled, word = _scale(amount.scaleb(-3, _EXACT), 1000, _LARGE, decimals)
    return f"{_write(scaled, decimals, trim=True)} {word}"


def ordinal(value: object) -> str:
    """Write the place in an order: `{{ 3|ordinal }}` is `3rd`. What is no whole number from 0 up passes as it is."""
    amount = decimal_of(value)
    if amount is None or amount < 0 or amount != amount.to_integral_value(context=_EXACT):
        return text_of(value)
    digits = _write(amount, 0, group="")
    ending = "th" if digits[-2:-1] == "1" else {"1": "st", "2": "nd", "3": "rd"}.get(digits[-1], "th")
    return digits + ending


def apnumber(value: object) -> str:
    """Write the numbers from 0 to 9 as words, as the Associated Press does; others pass as they are."""
    amount = decimal_of(value)
    if amount is None or not 0 <= amount < 10 or amount != amount.to_integral_value(context=_EXACT):
        return text_of(value)
    return _SMALL[int(amount)]


def decimal_of(value: object) -> Decimal | None:
    """Return a value as an exact number; None for what is no finite number, or none that anyone would read."""
    try:
        if isinstance(value, int):
            # The bound first: writing out an endless number takes quadratic time.
            amount = Decimal(value) if value.bit_length() < _MOST_DIGITS else None
        elif isinstance(value, Decimal):
            amount = value
        else:
            text = text_of(value)
            amount = Decimal(text) if 0 < len(text) < _MOST_DIGITS else None
    except InvalidOperation:
        return None
    # A short text such as 1e999999 is a long number (CVE-2024-41989).
    return amount if amount is not None and amount.is_finite() and abs(amount.adjusted()) < _MOST_DIGITS and _digits(amount) else None


def _digits(amount: Decimal) -> bool:
    return len(amount.as_tuple().digits) < _MOST_DIGITS


def _write(amount: Decimal, decimals: int | None, *, trim: bool = False, group: str = ",", point: str = ".") -> str:
    amount = amount if decimals is None else _round(amount, decimals)
    # Zero has no sign, however it came about.
    text = f"{amount or abs(amount):,f}"
    whole, _, fraction = text.partition(".")
    if trim:
        fraction = fraction.rstrip("0")
    whole = whole.replace(",", group)
    return whole + point + fraction if fraction else whole


def _round(amount: Decimal, decimals: int) -> Decimal:
    if not 0 <= decimals <= 100:
        raise ValueError(f"decimals is a number from 0 to 100, not {decimals}")
    return amount.quantize(Decimal(1).scaleb(-decimals), context=_EXACT)


def _scale(amount: Decimal, step: int, units: str | tuple[str, ...], decimals: int = 1) -> tuple[Decimal, str]:
    """Divide by `step` until the number, once rounded, is less than it, or the units end."""
    chosen = units[0]
    for unit in units:
        amount, chosen = _EXACT.divide(amount, Decimal(step)), unit
        if abs(_round(amount, decimals)) < step:
            break
    return amount, chosen


_MOST_DIGITS = 300
_EXACT = Context(prec=4 * _MOST_DIGITS, rounding=ROUND_HALF_UP)
_SMALL = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_LARGE = (
    "million",
    "billion",
    "trillion",
    "quadrillion",
    "quintillion",
    "sextillion",
    "septillion",
    "octillion",
    "nonillion",
    "decillion",
)
