"""msgspec's messages, which speak of Python types, as sentences for the person who sent the data."""

from __future__ import annotations

import re
from collections.abc import Sequence

from erlen.schema.model import constraints_of

__all__ = ["choices", "in_words", "sentence", "split_path"]


def sentence(message: str, annotation: object = None) -> str:
    """Return a message of `msgspec.ValidationError`, without its path, as a sentence; one of the user's own is kept as it is.

    Args:
        message: what msgspec says.
        annotation: the type that was refused. A pattern that is not met is told in the words that stand beside it in its `Meta`:
            `Meta(pattern="^[0-9]{5}$", extra={"message": "Must be a postcode."})`.
    """
    own = [meta.extra["message"] for meta in constraints_of(annotation) if meta.pattern and meta.extra and "message" in meta.extra]
    if own and message.startswith("Expected `str` matching regex"):
        return str(own[0])
    if message in _KNOWN:
        return _KNOWN[message]
    for pattern, speak in _PATTERNS:
        match = pattern.fullmatch(message)
        if match is not None:
            return speak(match)
    return message if not message or message.endswith((".", "!", "?")) else message + "."


def choices(values: Sequence[object], limit: int = 20) -> str:
    """Return `Must be one of 'a', 'b'.`, with at most `limit` of the values."""
    shown = ", ".join(repr(value) for value in values[:limit]) + (", …" if len(values) > limit else "")
    return f"Must be one of {shown}." if len(values) != 1 else f"Must be {shown}."


def in_words(name: str) -> str:
    """Return the name of a Python or JSON type in words, with its article."""
    return _WORDS.get(name.lower(), "an IP address or network" if name.startswith("IPv") else "an object")


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


def _types(match: re.Match[str]) -> str:
    words = list(dict.fromkeys(in_words(name) for name in match[1].split(" | ")))
    expected = words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"
    got = {"bool": "a boolean", "bytes": "bytes"}.get(match[2]) or in_words(match[2]) if match[2] else ""
    return f"Expected {expected}, got {got}." if got else f"Expected {expected}."


def _length(match: re.Match[str]) -> str:
    kind, least, sign, low, number = match.groups()
    one, several = _UNITS.get(kind, _UNITS["array"])
    bound = f"{low} to" if low else "at least" if least else _BOUNDS.get(sign, "exactly")
    return f"Must have {bound} {number} {one if number == '1' else several}."


_WORDS = {
    "int": "an integer",
    "float": "a number",
    "decimal": "a decimal number",
    "str": "a string",
    "bool": "true or false",
    "null": "null",
    "nonetype": "null",
    "array": "an array",
    "bytes": "base64 text",
    "bytearray": "base64 text",
    "date": "a date",
    "time": "a time",
    "datetime": "a date and time",
    "duration": "a duration",
    "timedelta": "a duration",
    "uuid": "a UUID",
}
_KNOWN = {
    "Invalid RFC3339 encoded date": "Expected a date such as 2026-11-30.",
    "Invalid RFC3339 encoded datetime": "Expected a date and time such as 2026-11-30T14:00:00Z.",
    "Invalid RFC3339 encoded time": "Expected a time such as 14:00:00.",
    "Invalid ISO8601 duration": "Expected a duration such as P1DT2H30M.",
    "Only units 'D', 'H', 'M', and 'S' are supported when parsing ISO8601 durations": "Expected a duration such as P1DT2H30M.",
    "Invalid UUID": "Expected a UUID.",
    "Invalid decimal string": "Expected a decimal number.",
    "Invalid base64 encoded string": "Expected base64 text.",
}
_BOUNDS = {">=": "at least", ">": "greater than", "<=": "at most", "<": "less than", "that's a multiple of": "a multiple of"}
_UNITS = {"str": ("character", "characters"), "array": ("item", "items"), "object": ("entry", "entries"), "bytes": ("byte", "bytes")}
_RANGED = {"Duration": "duration", "Timestamp": "time", "Number": "number", "Integer": "number"}
_PATTERNS = (
    (
        re.compile(r"Expected `(?:int|float|decimal)` (>=|>|<=|<|that's a multiple of) (\S+)"),
        lambda m: f"Must be {_BOUNDS[m[1]]} {m[2].removesuffix('.0')}.",
    ),
    (re.compile(r"Expected `(\w+)` of (at least )?length (?:(>=|<=) )?(?:(\d+) to )?(\d+)(?:, got \d+)?"), _length),
    (re.compile(r"Expected `str` matching regex (.*)", re.DOTALL), lambda m: f"Must match the pattern {m[1]}."),
    (re.compile(r"(Duration|Timestamp|Number|Integer)(?: is| value)? out of range"), lambda m: f"The {_RANGED[m[1]]} is out of range."),
    (re.compile(r"Expected `\w+` with (a|no) timezone component"), lambda m: f"Must {'not ' * (m[1] == 'no')}have a time zone."),
    (re.compile(r"Expected `([\w |]+)`(?:, got `([^`]+)`)?"), _types),
    (re.compile(r"Invalid (?:enum )?value .*", re.DOTALL), lambda m: "Must be one of the allowed values."),
    (re.compile(r"Object missing required field `[^`]*`"), lambda m: "This field is required."),
    (re.compile(r"Object contains unknown field `[^`]*`"), lambda m: "This field is not known."),
)
_PATH = re.compile(r" - at (?:`key` in )?`\$(?P<path>[^`]*)`\Z").search
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+|\.\.\.)\]").findall
