"""Converters: one piece of a path to a value and back."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import cache
from math import isfinite
from typing import Any
from uuid import UUID

import msgspec

from erlen.routing.regex import compile_linear

__all__ = [
    "BoolConverter",
    "CheckedConverter",
    "ChoiceConverter",
    "Converter",
    "DecimalConverter",
    "DurationConverter",
    "FloatConverter",
    "IntConverter",
    "PathConverter",
    "RegexConverter",
    "TemporalConverter",
    "TextConverter",
    "UUIDConverter",
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
    produces: Any = object
    """The type of what `parse` returns: an annotation that contradicts it is refused at freeze."""

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


class FloatConverter(Converter):
    """A finite decimal number, with an exponent if need be."""

    name = "float"
    rank = 45
    produces = float

    def parse(self, text: str) -> float:
        if len(text) > _LONGEST_NUMBER or not _compiled(_FLOAT).fullmatch(text):
            raise ValueError("expected a number")
        value = float(text)
        if not isfinite(value):
            raise ValueError("expected a finite number")
        return value

    def format(self, value: object) -> str:
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise TypeError(f"expected a number, got {value!r}")
        try:
            number = float(value)
        except OverflowError:
            raise ValueError("expected a number that a float can hold") from None
        if not isfinite(number) or number != value:
            raise ValueError(f"expected a finite number that a float holds exactly, got {value!r}")
        return float.__repr__(number).replace("e+", "e")


class DecimalConverter(Converter):
    """An exact decimal number, without an exponent, in at most 64 characters."""

    name = "decimal"
    rank = 45
    produces = Decimal

    def parse(self, text: str) -> Decimal:
        if len(text) > _LONGEST_NUMBER or not _compiled(_DECIMAL).fullmatch(text):
            raise ValueError("expected a number")
        return Decimal(text)

    def format(self, value: object) -> str:
        if not isinstance(value, int | Decimal) or isinstance(value, bool):
            raise TypeError(f"expected a decimal number, got {value!r}")
        number = Decimal(value)
        # A number such as 1E+999999 is short, but not when it is written out.
        if not number.is_finite() or abs(number.adjusted()) >= _LONGEST_NUMBER:
            raise ValueError("expected a finite number of at most 64 digits")
        text = format(number, "f")
        if len(text) > _LONGEST_NUMBER:
            raise ValueError("expected a finite number of at most 64 digits")
        return text


class BoolConverter(Converter):
    """`true` or `1`, `false` or `0`."""

    name = "bool"
    rank = 15
    produces = bool

    def parse(self, text: str) -> bool:
        if text in ("true", "1"):
            return True
        if text in ("false", "0"):
            return False
        raise ValueError("expected true or false")

    def format(self, value: object) -> str:
        if not isinstance(value, bool):
            raise TypeError(f"expected True or False, got {value!r}")
        return "true" if value else "false"


class UUIDConverter(Converter):
    """A UUID in its canonical form of 8-4-4-4-12 digits (RFC 9562), in either case."""

    name = "uuid"
    rank = 30
    produces = UUID

    def parse(self, text: str) -> UUID:
        if not _UUID(text):
            raise ValueError("expected a UUID")
        return UUID(int=int(text.replace("-", ""), 16))

    def format(self, value: object) -> str:
        if not isinstance(value, UUID):
            raise TypeError(f"expected a UUID, got {value!r}")
        return str(value)


class TemporalConverter(Converter):
    """A date, a time, or both, in the extended format of ISO 8601 with at most microseconds; offsets as `Z` or `+01:00`."""

    def __init__(self, produces: type[date | time]) -> None:
        self.produces = produces
        self.rank = 31 + list(_TEMPORAL).index(produces)
        self.name = produces.__name__

    def parse(self, text: str) -> date | time:
        if not _compiled(_TEMPORAL[self.produces]).fullmatch(text):
            raise ValueError(f"expected a {self.name} in ISO 8601 format")
        value: date | time = self.produces.fromisoformat(text)
        return value

    def format(self, value: object) -> str:
        # A datetime is a date too, but would lose its time.
        lossy = self.produces is date and isinstance(value, datetime)
        if lossy or not isinstance(value, date | time) or not isinstance(value, self.produces):
            raise TypeError(f"expected a {self.name}, got {value!r}")
        text = value.isoformat()
        self.parse(text)
        return text


class DurationConverter(Converter):
    """A duration of weeks, days, hours, minutes and seconds in ISO 8601 format, such as `P1DT2H30M` or `-PT0.5S`."""

    name = "timedelta"
    rank = 34
    produces = timedelta

    def parse(self, text: str) -> timedelta:
        found = _compiled(_DURATION).fullmatch(text)
        if found is None:
            raise ValueError("expected a duration in ISO 8601 format")
        weeks, days, hours, minutes, seconds = (int(part or 0) for part in found.group(2, 3, 4, 5, 6))
        fraction = int((found[7] or "").ljust(6, "0"))
        try:
            value = timedelta(weeks=weeks, days=days, hours=hours, minutes=minutes, seconds=seconds, microseconds=fraction)
            return -value if found[1] else value
        except OverflowError:
            raise ValueError("expected a shorter duration") from None

    def format(self, value: object) -> str:
        if not isinstance(value, timedelta):
            raise TypeError(f"expected a timedelta, got {value!r}")
        sign = "-" if value.days < 0 else ""
        # In whole numbers, since the opposite of the least timedelta does not fit into one.
        whole, fraction = divmod(abs((value.days * 86_400 + value.seconds) * 1_000_000 + value.microseconds), 1_000_000)
        days, seconds = divmod(whole, 86_400)
        tail = f"T{seconds}{f'.{fraction:06d}' if fraction else ''}S" if seconds or fraction or not days else ""
        text = f"{sign}P{f'{days}D' if days else ''}{tail}"
        self.parse(text)
        return text


class ChoiceConverter(Converter):
    """One of a few texts, each with its value.

    Raises:
        ValueError: if there is none, or one has a slash.
    """

    rank = 10

    def __init__(self, name: str, choices: Mapping[str, object], produces: Any = str) -> None:
        if not choices or any(not text or "/" in text for text in choices):
            raise ValueError(f"the choices of {name!r} must be texts that are not empty and have no slash")
        self.name = name
        self.produces = produces
        self.choices = dict(choices)
        self._texts = {(type(value), value): text for text, value in reversed(self.choices.items())}
        self._loose = {value: text for text, value in reversed(self.choices.items()) if isinstance(value, str)}

    @classmethod
    def of(cls, argument: str) -> ChoiceConverter:
        """Make one from the template's `red,green`.

        Raises:
            ValueError: if a choice is empty or occurs twice.
        """
        texts = [text.strip() for text in argument.split(",")]
        if len(set(texts)) < len(texts):
            raise ValueError(f"a choice occurs twice in {argument!r}")
        return cls(f"any:{','.join(texts)}", dict(zip(texts, texts, strict=True)))

    def parse(self, text: str) -> object:
        try:
            return self.choices[text]
        except KeyError:
            raise ValueError(f"expected one of {', '.join(self.choices)}") from None

    def format(self, value: object) -> str:
        try:
            # By type first: 1, True and 1.0 are equal, and so are the members of two integer enumerations.
            text = self._texts.get((type(value), value))
            if text is None and isinstance(value, str):
                text = self._loose.get(value)
        except TypeError:
            text = None
        if text is None:
            raise ValueError(f"expected one of {', '.join(self.choices)}, got {value!r}")
        return text


class PathConverter(Converter):
    """The rest of the path, as text or as a `pathlib` path: not empty, without a slash at its beginning.

    The router never gives it `.` or `..` segments, so the path stays below the folder that it is joined to (OWASP ASVS 5.0 V5.3);
    symbolic links and backslashes are for `safe_join` to judge.
    """

    name = "path"
    rank = 100
    spans = True

    def __init__(self, produces: Any = str) -> None:
        self.produces = produces
        if produces is not str:
            self.name = f"path:{produces.__name__}"

    def parse(self, text: str) -> object:
        if not text or text[0] == "/":
            raise ValueError("expected a relative path")
        return text if self.produces is str else self.produces(text)

    def format(self, value: Any) -> str:
        if isinstance(value, str):
            text = str.__str__(value)
        elif self.produces is not str and hasattr(value, "as_posix"):
            text = str(value.as_posix())
        else:
            raise TypeError(f"expected a relative path, got {value!r}")
        if not text or text[0] == "/":
            raise ValueError(f"expected a relative path, got {text!r}")
        return text


class RegexConverter(Converter):
    """Text that a regular expression matches from its beginning to its end, then converted by `then` if that is given.

    Raises:
        ValueError: if the expression is malformed, or not sure to match in linear time.
    """

    rank = 20
    produces = str

    def __init__(self, pattern: str, *, name: str = "", then: Converter | None = None) -> None:
        self.pattern = compile_linear(pattern)
        self.then = then
        self.name = (name or f"re:{pattern}") if then is None else f"{name or f're:{pattern}'} {then.name}"
        self.label = name
        if then is not None:
            self.produces = then.produces

    def parse(self, text: str) -> object:
        if not self.pattern.fullmatch(text):
            raise ValueError(f"expected text like {self.pattern.pattern}")
        return text if self.then is None else self.then.parse(text)

    def format(self, value: Any) -> str:
        text = (_TEXT if self.then is None else self.then).format(value)
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
        return self._check(self.inner.parse(text))

    def format(self, value: Any) -> str:
        text = self.inner.format(value)
        self._check(self.inner.parse(text))
        return text

    def _check(self, value: object) -> object:
        # msgspec.ValidationError is a ValueError.
        return msgspec.convert(value, self.annotation)


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    # PERF: compiled on first use; together they cost 2 ms, which most applications need not pay at start.
    return re.compile(pattern)


_LONGEST_NUMBER = 64
_TEXT = TextConverter()
_FLOAT = r"-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,4})?"
_DECIMAL = r"-?[0-9]+(?:\.[0-9]+)?"
_UUID: Callable[[str], object] = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}").fullmatch
_DAY = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_CLOCK = r"[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?(?:Z|[+-][0-9]{2}:[0-9]{2}(?::[0-9]{2})?)?"
_TEMPORAL: dict[type[date | time], str] = {date: _DAY, datetime: f"{_DAY}T{_CLOCK}", time: _CLOCK}
_DURATION = (
    r"(-)?P(?=[0-9]|T[0-9])(?:([0-9]{1,9})W)?(?:([0-9]{1,9})D)?"
    r"(?:T(?=[0-9])(?:([0-9]{1,12})H)?(?:([0-9]{1,12})M)?(?:([0-9]{1,14})(?:\.([0-9]{1,6}))?S)?)?"
)
