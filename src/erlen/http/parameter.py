"""Values of header fields that have parameters: `text/html; charset=utf-8` (RFC 9110, section 5.6.6)."""

from __future__ import annotations

import re
from itertools import islice

__all__ = ["split_list", "split_parameters"]


def split_list(value: str, limit: int) -> list[str]:
    """Return the first `limit` items of a comma-separated list, in linear time; a comma in a quoted string separates nothing."""
    if '"' in value:
        return [match.group() for match in islice(_LIST_ITEM.finditer(value), limit)]
    return value.split(",", limit)[:limit]


def split_parameters(item: str) -> tuple[str, list[tuple[str, str]]]:
    """Return what stands in front of the parameters, in lower case, and each parameter's name, in lower case, with its value.

    Linear in the text. Quoted values lose their quotes; one without a closing quote is left as it is, and so holds a character
    that no valid value has. A parameter without `=` has an empty value.
    """
    name, semicolon, rest = item.partition(";")
    parameters: list[tuple[str, str]] = []
    if semicolon:
        for piece in [match.group() for match in _PARAMETER.finditer(rest)] if '"' in rest else rest.split(";"):
            key, _, value = piece.strip().partition("=")
            if value[:1] == '"' and value[-1:] == '"' and len(value) > 1:
                value = _ESCAPED.sub(r"\1", value[1:-1])
            if key:
                parameters.append((key.lower(), value))
    return name.strip().lower(), parameters


# A quoted string without its end runs to the end of the text, so that no position is scanned twice.
_QUOTED = r'"[^"\\]*(?:\\.[^"\\]*)*"?'
_LIST_ITEM = re.compile(rf'(?:[^",]+|{_QUOTED})+')
_PARAMETER = re.compile(rf'(?:[^";]+|{_QUOTED})+')
_ESCAPED = re.compile(r"\\(.)")
