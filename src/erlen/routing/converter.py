"""Converters: one piece of a path to a value and back."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from functools import cached_property
from math import isfinite
from typing import Any
from uuid import UUID

import msgspec

__all__ = [
    "FORMATS",
    "TEXT",
    "CheckedConverter",
    "ChoiceConverter",
    "Converter",
    "FormatConverter",
    "IntConverter",
    "PathConverter",
    "RegexConverter",
    "TextConverter",
]


class Converter:
    """One kind of path parameter. Subclass it for your own, and register that with `Converters.register`.

    Converters that are equal share a place in the tree: by default those of one class with the same attributes.
    """

    name: str = ""
    """What stands for it in the shape of a route, such as `int`; with its argument, such as `int:1..9`."""
    rank: int = 50
    """Where routes compete for a segment the lowest rank is tried first: 10 choices, 20 regular expressions, 30 to 45 strict
    formats, 50 your own, 90 any text, 100 the rest of the path."""
    spans: bool = False
    """Whether it takes the rest of the path, slashes and all."""
    produces: type[Any] = object
    """The class of what `parse` returns: an annotation that contradicts it is refused at freeze."""

    def parse(self, text: str) -> object:
        """Return the value of a decoded piece of a path, which is not empty unless the converter spans.

        Raises:
            ValueError: if the text does not match: the next route is tried, and with none left the answer is 404.
        """
        raise NotImplementedError

    def format(self, value: Any) -> str:
        """Return the text, not yet percent-encoded, that `parse` turns into an equal value.

        Raises:
            ValueError: if there is none.
            TypeError: if the value is of another type.
        """
        raise NotImplementedError

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash((type(self), self.name))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"


class TextConverter(Converter):
    """Any text without a slash; builds from whole numbers and UUIDs too, since keys are often given as they are."""

    name = "str"
    rank = 90
    produces = str

    def parse(self, text: str) -> str:
        return text

    def format(self, value: object) -> str:
        if isinstance(value, str):
            return str.__str__(value)
        if (isinstance(value, int) and not isinstance(value, bool)) or isinstance(value, UUID):
            return str(value)
        raise TypeError(f"expected text, got {value!r}")


TEXT = TextConverter()


class IntConverter(Converter):
    """A whole number in ASCII digits, at most 19 of them; by default one that a database's 64-bit column holds."""

    rank = 40
    produces = int

    def __init__(self, minimum: int = -(2**63), maximum: int = 2**63 - 1) -> None:
        if minimum > maximum:
            raise ValueError(f"no number is from {minimum} to {maximum}")
        self.minimum = minimum
        self.maximum = maximum
        low = "" if minimum == -(2**63) else str(minimum)
        high = "" if maximum == 2**63 - 1 else str(maximum)
        self.name = f"int:{low}..{high}" if low or high else "int"

    @classmethod
    def of(cls, argument: str) -> IntConverter:
        """Make one from the template's `1..9`, `1..` or `..9`.

        Raises:
            ValueError: if the argument is something else.
        """
        bounds = re.fullmatch(r"(-?[0-9]{1,19})?\.\.(-?[0-9]{1,19})?", argument)
        if bounds is None:
            raise ValueError(f"{argument!r} is no range: write the least and the greatest number as in 'int:1..9', 'int:1..' or 'int:..9'")
        return cls(int(bounds[1] or -(2**63)), int(bounds[2] or 2**63 - 1))

    def parse(self, text: str) -> int:
        # PERF: C calls instead of a regular expression; `int` alone would take spaces, "_" and the digits of every alphabet.
        if not (len(text) < 20 and text.isdigit() and text.isascii()):
            digits = text.removeprefix("-")
            if len(digits) > 19 or not (digits.isdigit() and digits.isascii()):
                raise ValueError("expected a whole number")
        value = int(text)
        if not self.minimum <= value <= self.maximum:
            raise ValueError(f"expected a number from {self.minimum} to {self.maximum}")
        return value

    def format(self, value: object) -> str:
        if not isinstance(value, int) or isinstance(value, bool):
            raise TypeError(f"expected a whole number, got {value!r}")
        if not self.minimum <= value <= self.maximum:
            raise ValueError(f"expected a number from {self.minimum} to {self.maximum}, got {value}")
        return int.__repr__(value)


class FormatConverter(Converter):
    """Values that have one way to be written, in at most 64 characters.

    Args:
        produces: their class, which gives the converter its name.
        rank: see `Converter.rank`.
        expected: what a text that does not match should have been, such as `a UUID`.
        pattern: the regular expression of the whole text.
        read: makes a value of a text that matches, or raises ValueError.
        write: makes the text of a value; one that does not match the pattern is refused.
    """

    def __init__(
        self, produces: type[Any], rank: int, expected: str, pattern: str, read: Callable[[str], object], write: Callable[[Any], str] = str
    ) -> None:
        self.name = produces.__name__.lower()
        self.rank = rank
        self.produces = produces
        self.expected = expected
        self.pattern = pattern
        self.read = read
        self.write = write
        # A whole number is a number too.
        self.accepts = (produces, int) if produces in (float, Decimal) else (produces,)

    @cached_property
    def matches(self) -> Callable[[str], object]:
        """Tells whether a text has the format."""
        # PERF: compiled on first use; together they cost 2 ms, which most applications need not pay at start.
        return re.compile(self.pattern).fullmatch

    def parse(self, text: str) -> object:
        if len(text) > _LONGEST or not self.matches(text):
            raise ValueError(f"expected {self.expected}")
        return self.read(text)

    def format(self, value: object) -> str:
        if not isinstance(value, self.accepts) or (isinstance(value, bool) and self.produces is not bool):
            raise TypeError(f"expected {self.expected}, got {value!r}")
        text = self.write(value)
        if len(text) > _LONGEST or not self.matches(text):
            raise ValueError(f"expected {self.expected} that can be written in {_LONGEST} characters, got {value!r}")
        return text


class ChoiceConverter(Converter):
    """One of a few values: texts, whole numbers, booleans, or members of an enumeration of those.

    Raises:
        ValueError: if a value cannot be written in a path, or two are written alike.
    """

    rank = 10

    def __init__(self, values: Iterable[object], produces: type[Any] = object, name: str = "") -> None:
        self.produces = produces
        self.choices: dict[str, object] = {}
        for value in values:
            plain = value.value if isinstance(value, Enum) else value
            text = str(plain).lower() if isinstance(plain, bool) else str(plain)
            if not isinstance(plain, str | int) or not text or "/" in text:
                raise ValueError(f"{value!r} is no choice in a path: use whole numbers, or texts that are not empty and have no slash")
            if text in self.choices:
                raise ValueError(f"two choices are {text!r} in a path")
            self.choices[text] = value
        self.name = name or f"any:{','.join(self.choices)}"

    def parse(self, text: str) -> object:
        try:
            return self.choices[text]
        except KeyError:
            raise ValueError(f"expected one of {', '.join(self.choices)}") from None

    def format(self, value: object) -> str:
        for text, choice in self.choices.items():
            # By type too: 1, True and 1.0 are equal, and so are the members of two integer enumerations.
            if choice == value and (type(choice) is type(value) or isinstance(value, str)):
                return text
        raise ValueError(f"expected one of {', '.join(self.choices)}, got {value!r}")


class PathConverter(Converter):
    """The rest of the path, as text or as a `pathlib` path: without a slash at its beginning, and not empty unless it is `optional`.

    The router never gives it `.` or `..` segments, so the path stays below the folder that it is joined to (OWASP ASVS 5.0 V5.3);
    symbolic links and backslashes are for `safe_join` to judge.
    """

    rank = 100
    spans = True

    def __init__(self, produces: type[Any] = str, *, optional: bool = False) -> None:
        self.produces = produces
        self.optional = optional
        self.name = "path" + (":optional" if optional else "") + ("" if produces is str else f":{produces.__name__}")

    def parse(self, text: str) -> object:
        if text[:1] == "/" or not (text or self.optional):
            raise ValueError(f"expected a relative path, got {text!r}")
        return text if self.produces is str else self.produces(text)

    def format(self, value: Any) -> str:
        text = value.as_posix() if self.produces is not str and hasattr(value, "as_posix") else value
        if not isinstance(text, str):
            raise TypeError(f"expected a relative path, got {value!r}")
        self.parse(text)
        return str.__str__(text)


class RegexConverter(Converter):
    r"""Text that a regular expression matches from its beginning to its end, then converted by `then`.

    `\d`, `\w` and `\s` are ASCII. The expression is the developer's own responsibility: what it reads is at most
    `Limits.target_size` long, which bounds the time of most, but not of a repetition that can read one text in many ways, such as
    `(a+)+`.

    Raises:
        ValueError: if the expression is empty or malformed.
    """

    rank = 20
    produces = str

    def __init__(self, pattern: str, label: str = "", then: Converter = TEXT) -> None:
        if not pattern:
            raise ValueError("the regular expression is empty")
        try:
            self.pattern = re.compile(pattern, re.ASCII)
        except (re.error, RecursionError, OverflowError) as error:
            raise ValueError(f"the regular expression {pattern!r} is malformed: {error}") from None
        self.label = label or f"re:{pattern}"
        self.then = then
        self.name = self.label if then == TEXT else f"{self.label} {then.name}"

    def parse(self, text: str) -> object:
        if not self.pattern.fullmatch(text):
            raise ValueError(f"expected text like {self.pattern.pattern}")
        return self.then.parse(text)

    def format(self, value: Any) -> str:
        text = self.then.format(value)
        if not self.pattern.fullmatch(text):
            raise ValueError(f"expected text like {self.pattern.pattern}, got {text!r}")
        return text


class CheckedConverter(Converter):
    """Another converter, and the constraints (`msgspec.Meta`) of an annotation on its value.

    Raises:
        ValueError: if the annotation's type cannot have such constraints.
    """

    def __init__(self, inner: Converter, annotation: Any) -> None:
        try:
            msgspec.json.Decoder(annotation)
        except TypeError as error:
            raise ValueError(f"a path parameter cannot be held to its annotation: {error}") from None
        self.inner = inner
        self.annotation = annotation
        self.name = f"{inner.name} {annotation.__metadata__}"
        self.rank = inner.rank - 1
        self.spans = inner.spans
        self.produces = inner.produces

    def parse(self, text: str) -> object:
        # msgspec.ValidationError is a ValueError.
        return msgspec.convert(self.inner.parse(text), self.annotation)

    def format(self, value: Any) -> str:
        text = self.inner.format(value)
        self.parse(text)
        return text


def _read_float(text: str) -> float:
    value = float(text)
    if not isfinite(value):
        raise ValueError("expected a finite number")
    return value


def _write_float(value: float) -> str:
    text = str(value).replace("e+", "e")
    if _read_float(text) != value:
        raise ValueError("expected a number that a float holds exactly")
    return text


def _write_decimal(value: Decimal | int) -> str:
    # A number such as 1E+999999 is short, but not when it is written out.
    if isinstance(value, Decimal) and abs(value.adjusted()) < _LONGEST:
        return f"{value:f}"
    return str(value)


def _read_duration(text: str) -> timedelta:
    amounts = {_UNITS[unit]: float(number) if "." in number else int(number) for number, unit in re.findall("([0-9.]+)(.)", text)}
    try:
        value = timedelta(**amounts)
        return -value if text[0] == "-" else value
    except OverflowError:
        raise ValueError("expected a shorter duration") from None


def _write_duration(value: timedelta) -> str:
    sign = "-" if value.days < 0 else ""
    # In whole numbers, since the opposite of the least timedelta does not fit into one.
    whole, fraction = divmod(abs((value.days * 86_400 + value.seconds) * 1_000_000 + value.microseconds), 1_000_000)
    days, seconds = divmod(whole, 86_400)
    tail = f"T{seconds}{f'.{fraction:06d}' if fraction else ''}S" if seconds or fraction or not days else ""
    return f"{sign}P{f'{days}D' if days else ''}{tail}"


_LONGEST = 64
_DAY = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_CLOCK = r"[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?(?:Z|[+-][0-9]{2}:[0-9]{2}(?::[0-9]{2})?)?"
_DURATION = (
    r"-?P(?=[0-9]|T[0-9])(?:[0-9]{1,9}W)?(?:[0-9]{1,9}D)?"
    r"(?:T(?=[0-9])(?:[0-9]{1,9}H)?(?:[0-9]{1,9}M)?(?:[0-9]{1,9}(?:\.[0-9]{1,6})?S)?)?"
)
_UNITS = {"W": "weeks", "D": "days", "H": "hours", "M": "minutes", "S": "seconds"}
FORMATS = (
    FormatConverter(
        bool, 15, "true or false", "true|false|1|0", lambda text: text in ("true", "1"), lambda value: "true" if value else "false"
    ),
    FormatConverter(
        UUID, 30, "a UUID", r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", lambda text: UUID(int=int(text.replace("-", ""), 16))
    ),
    FormatConverter(datetime, 32, "a datetime in ISO 8601 format", f"{_DAY}T{_CLOCK}", datetime.fromisoformat, datetime.isoformat),
    FormatConverter(date, 31, "a date in ISO 8601 format", _DAY, date.fromisoformat, lambda value: value.isoformat()),
    FormatConverter(time, 33, "a time in ISO 8601 format", _CLOCK, time.fromisoformat, time.isoformat),
    FormatConverter(timedelta, 34, "a duration in ISO 8601 format", _DURATION, _read_duration, _write_duration),
    FormatConverter(float, 45, "a number", r"-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,4})?", _read_float, _write_float),
    FormatConverter(Decimal, 45, "a decimal number", r"-?[0-9]+(?:\.[0-9]+)?", Decimal, _write_decimal),
)
"""Booleans as `true` or `1`, `false` or `0`; UUIDs as 8-4-4-4-12 digits (RFC 9562), in either case; dates and times in the extended
format of ISO 8601 with at most microseconds, offsets as `Z` or `+01:00`; durations of weeks to seconds, such as `P1DT2H30M` or
`-PT0.5S`; floats, finite, with an exponent if need be; decimals without one."""
