"""msgspec's messages, which speak of Python types, as sentences for the person who sent the data."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

__all__ = ["choices", "in_words", "sentence", "split_path"]


def sentence(message: str) -> str:
    """Return a message of `msgspec.ValidationError`, without its path, as a sentence; one of the user's own is kept as it is."""
    known = _KNOWN.get(message)
    if known is not None:
        return known
    for pattern, speak in _PATTERNS:
        match = pattern(message)
        if match is not None:
            return speak(match)
    return message if not message or message.endswith((".", "!", "?")) else message + "."


def choices(values: Sequence[object], limit: int = 20) -> str:
    """Return `Must be one of 'a', 'b'.`, with at most `limit` of the values."""
    shown = ", ".join(repr(value) for value in values[:limit]) + (", …" if len(values) > limit else "")
    return f"Must be one of {shown}." if len(values) != 1 else f"Must be {shown}."


def in_words(name: str) -> str:
    """Return the name of a Python or JSON type in words, with its article."""
    return _WORDS.get(name, "an object")


def split_path(message: str) -> tuple[str, tuple[str | int, ...]]:
    """Split `message - at `$.items[0].name`` into the message and the path; the path ends where msgspec does not know the key."""
    match = _PATH(message)
    if match is None:
        return message, ()
    path: list[str | int] = []
    for name, index in _STEP(match["path"]):
        if index == "...":
            break
        path.append(int(index) if index else name)
    return message[: match.start()], tuple(path)


def _list_in_words(names: str) -> str:
    words = list(dict.fromkeys(in_words(name) for name in names.split(" | ")))
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def _count(number: str, kind: str) -> str:
    unit = {"str": "character", "array": "item", "object": "entry", "bytes": "byte"}.get(kind, "item")
    return f"{number} {unit if number == '1' else 'entries' if unit == 'entry' else unit + 's'}"


def _number(text: str) -> str:
    return text.removesuffix(".0")


_WORDS = {
    "int": "an integer",
    "float": "a number",
    "decimal": "a decimal number",
    "Decimal": "a decimal number",
    "str": "a string",
    "bool": "true or false",
    "null": "null",
    "NoneType": "null",
    "object": "an object",
    "array": "an array",
    "bytes": "base64 text",
    "bytearray": "base64 text",
    "date": "a date",
    "time": "a time",
    "datetime": "a date and time",
    "duration": "a duration",
    "timedelta": "a duration",
    "uuid": "a UUID",
    "UUID": "a UUID",
    "IPv4Address": "an IP address",
    "IPv6Address": "an IP address",
}
_GOT = {"bool": "a boolean", "bytes": "bytes"}
_KNOWN = {
    "Invalid RFC3339 encoded date": "Expected a date such as 2026-11-30.",
    "Invalid RFC3339 encoded datetime": "Expected a date and time such as 2026-11-30T14:00:00Z.",
    "Invalid RFC3339 encoded time": "Expected a time such as 14:00:00.",
    "Invalid ISO8601 duration": "Expected a duration such as P1DT2H30M.",
    "Only units 'D', 'H', 'M', and 'S' are supported when parsing ISO8601 durations": "Expected a duration such as P1DT2H30M.",
    "Duration is out of range": "The duration is out of range.",
    "Timestamp is out of range": "The time is out of range.",
    "Invalid UUID": "Expected a UUID.",
    "Invalid decimal string": "Expected a decimal number.",
    "Invalid base64 encoded string": "Expected base64 text.",
    "Number out of range": "The number is out of range.",
    "Integer value out of range": "The number is out of range.",
    "Expected `datetime` with a timezone component": "Must have a time zone.",
    "Expected `datetime` with no timezone component": "Must not have a time zone.",
    "Expected `time` with a timezone component": "Must have a time zone.",
    "Expected `time` with no timezone component": "Must not have a time zone.",
}
_BOUNDS = {">=": "at least", ">": "greater than", "<=": "at most", "<": "less than"}
_PATTERNS: tuple[tuple[Callable[[str], re.Match[str] | None], Callable[[re.Match[str]], str]], ...] = (
    (re.compile(r"Expected `(?:int|float|decimal)` (>=|>|<=|<) (\S+)").fullmatch, lambda m: f"Must be {_BOUNDS[m[1]]} {_number(m[2])}."),
    (
        re.compile(r"Expected `(?:int|float|decimal)` that's a multiple of (\S+)").fullmatch,
        lambda m: f"Must be a multiple of {_number(m[1])}.",
    ),
    (re.compile(r"Expected `(\w+)` of length (>=|<=) (\d+)").fullmatch, lambda m: f"Must have {_BOUNDS[m[2]]} {_count(m[3], m[1])}."),
    (
        re.compile(r"Expected `(\w+)` of (at least )?length (\d+)(?:, got \d+)?").fullmatch,
        lambda m: f"Must have {'at least' if m[2] else 'exactly'} {_count(m[3], m[1])}.",
    ),
    (
        re.compile(r"Expected `(\w+)` of length (\d+) to (\d+)(?:, got \d+)?").fullmatch,
        lambda m: f"Must have {m[2]} to {_count(m[3], m[1])}.",
    ),
    (re.compile(r"Expected `str` matching regex (.*)", re.DOTALL).fullmatch, lambda m: f"Must match the pattern {m[1]}."),
    (
        re.compile(r"Expected `([\w |]+)`, got `([^`]+)`").fullmatch,
        lambda m: f"Expected {_list_in_words(m[1])}, got {_GOT.get(m[2]) or in_words(m[2])}.",
    ),
    (re.compile(r"Expected `([\w |]+)`").fullmatch, lambda m: f"Expected {_list_in_words(m[1])}."),
    (re.compile(r"Invalid (?:enum )?value .*", re.DOTALL).fullmatch, lambda m: "Must be one of the allowed values."),
    (re.compile(r"Object missing required field `[^`]*`").fullmatch, lambda m: "This field is required."),
    (re.compile(r"Object contains unknown field `[^`]*`").fullmatch, lambda m: "This field is not known."),
)
_PATH = re.compile(r" - at (?:`key` in )?`\$(?P<path>[^`]*)`\Z").search
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+|\.\.\.)\]").findall
