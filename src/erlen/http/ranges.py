"""The `Range` field: which parts of a file the client asks for (RFC 9110, section 14)."""

from __future__ import annotations

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
    unit, equals, text = value.partition("=")
    if not equals or unit.strip().lower() != "bytes" or text.count(",") >= _RANGES:
        return None
    specs = [spec.strip(" \t") for spec in text.split(",")]
    ranges: list[tuple[int, int]] = []
    seen = False
    for spec in specs:
        if not spec:  # RFC 9110, section 5.6.1.2: empty list elements are skipped.
            continue
        seen = True
        parsed = _parse_spec(spec, size)
        if parsed is None:
            return None
        if parsed[0] < parsed[1]:
            ranges.append(parsed)
        elif size == 0 and spec[0] == "-" and spec.strip("-0"):
            return None  # The last bytes of nothing can be had, but no Content-Range can say so.
    if not seen:
        return None
    if not ranges:
        raise RangeNotSatisfiable(size)
    return _coalesced(ranges)


def _parse_spec(spec: str, size: int) -> tuple[int, int] | None:
    # An empty range, start == end, for one that lies outside of the content; None for what is no range.
    first, dash, last = spec.partition("-")
    if not dash or not (first or last):
        return None
    if (first and not _is_number(first)) or (last and not _is_number(last)):
        return None
    if not first:
        return max(size - _number(last), 0), size
    start = _number(first)
    if not last:
        return min(start, size), size
    if _by_length(last) < _by_length(first):
        return None
    return min(start, size), min(_number(last) + 1, size)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _by_length(digits: str) -> tuple[int, str]:
    digits = digits.lstrip("0")
    return len(digits), digits


def _number(digits: str) -> int:
    # A number of 20 digits or more lies beyond any content; `int` refuses to read thousands of them.
    length, digits = _by_length(digits)
    return int(digits or "0") if length < 20 else 10**20


def _coalesced(ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    ranges.sort()
    merged = [ranges[0]]
    for start, end in ranges[1:]:
        last_start, last_end = merged[-1]
        if start <= last_end:
            merged[-1] = (last_start, max(last_end, end))
        else:
            merged.append((start, end))
    return merged
