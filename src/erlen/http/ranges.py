"""The `Range` field: which parts of a file the client asks for (RFC 9110, section 14)."""

from __future__ import annotations

import re

from erlen.errors import RangeNotSatisfiable

__all__ = ["parse_range"]

_RANGES = 10


def parse_range(value: str, size: int) -> list[tuple[int, int]] | None:
    """Return the byte ranges that a `Range` field asks for, in ascending order.

    Args:
        value: the field's value, such as `bytes=0-499, -500`.
        size: how many bytes the content has.

    Returns:
        `(start, end)` pairs, the end exclusive, within the content; those that overlap or touch are made one. None when the field
        is to be ignored: it is malformed, has another unit than `bytes`, or asks for more than 10 ranges (RFC 9110, section
        14.2, allows it; many ranges are an attack on the server).

    Raises:
        RangeNotSatisfiable: if the field is well-formed and no range lies within the content.
    """
    unit, _, text = value.partition("=")
    specs = [spec for spec in map(str.strip, text.split(",", _RANGES)) if spec]  # RFC 9110, section 5.6.1.2: empty ones are skipped.
    if not specs or unit.strip().lower() != "bytes" or text.count(",") >= _RANGES:
        return None
    ranges: list[tuple[int, int]] = []
    for spec in specs:
        found = _SPEC(spec)
        if found is None:
            return None
        first, last, suffix = (None if digits is None else _number(digits) for digits in found.groups())
        if first is not None:
            if last is not None and last < first:
                return None
            start, end = first, size if last is None else min(last + 1, size)
        elif size == 0 and suffix:
            return None  # The last bytes of nothing can be had, but no Content-Range can say so.
        else:
            start, end = max(size - (suffix or 0), 0), size
        if start < end:
            ranges.append((start, end))
    if not ranges:
        raise RangeNotSatisfiable(size)
    ranges.sort()
    merged = [ranges[0]]
    for start, end in ranges[1:]:
        if start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return merged


_SPEC = re.compile(r"([0-9]+)-([0-9]+)?|-([0-9]+)").fullmatch


def _number(digits: str) -> int:
    # A number of 20 digits or more lies beyond any content; `int` refuses to read thousands of them.
    digits = digits.lstrip("0")
    return int(digits or "0") if len(digits) < 20 else 10**20
