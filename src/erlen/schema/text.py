"""One text value - of a path, query, header, cookie or form - into what its parameter's annotation asks for."""

from __future__ import annotations

import datetime
import math
import operator
import re
import types
import typing
from collections.abc import Callable, Sequence, Sized
from decimal import Decimal
from enum import Enum
from functools import partial
from typing import Any, Literal
from uuid import UUID

import msgspec

from erlen.errors import ConfigurationError, Fault, Mistake
from erlen.schema.decimals import is_odd
from erlen.schema.model import NOTHINGS, constraints_of, kind_of, members_of, type_name, unwrap
from erlen.schema.sentence import choices, in_words, sentence

__all__ = ["InvalidItems", "TextDecoder", "list_decoder", "text_decoder", "text_faults"]

TextDecoder = Callable[[str], object]

MAX_DIGITS = 4300
"""What Python itself converts at most; more takes quadratic time."""


class InvalidItems(ValueError):
    """Some values of a list are wrong; `items` has the position and message of each."""

    def __init__(self, items: Sequence[tuple[int, str]]) -> None:
        self.items = tuple(items)
        super().__init__(self.items[0][1])


def text_decoder(annotation: object) -> TextDecoder:
    """Return the function that turns one text into a value of a scalar type (see `kind_of`).

    Numbers are ASCII, finite and without ornament (no `+`, space or underscore); booleans are true/false, 1/0, on/off or yes/no in any
    case; dates, times and durations are ISO 8601 (seconds may be left out, as HTML inputs do); enumerations go by value; bytes are
    base64. For `T | None` an empty text is None, unless T takes text. Of a union, the first member that fits wins, the strictest first.
    `Meta` constraints hold.

    The function raises `ValueError` with a sentence for the sender.

    Raises:
        ConfigurationError: if no text can become such a value, or the constraints do not suit the type.
    """
    if constraints_of(annotation):
        check_type(annotation)
    members = members_of(annotation)
    some = sorted((member for member in members if member not in NOTHINGS), key=_strictness)
    if not some:
        return _nothing
    decoders = [_member_decoder(member) for member in some]
    decode = decoders[0] if len(decoders) == 1 else _first_of(decoders, [_in_words(member) for member in some])
    if any(member in (None, types.NoneType) for member in members) and not any(_takes_text(member) for member in some):
        return _or_none(decode)
    return decode


def list_decoder(annotation: object) -> Callable[[Sequence[str]], object]:
    """Return the function that turns the texts of a repeated name into a list, set, frozenset or tuple of scalars.

    The function raises `InvalidItems`, which has every fault with its position, or `ValueError` where the whole is wrong.

    Raises:
        ConfigurationError: if the annotation is no collection of scalars.
    """
    member = next((member for member in members_of(annotation) if member not in NOTHINGS), annotation)
    bare: Any = unwrap(member)
    origin, arguments = typing.get_origin(bare) or bare, typing.get_args(bare)
    if constraints_of(member):
        check_type(member)
    if kind_of(member) != "collection":
        raise ConfigurationError(
            Mistake(f"{type_name(annotation)} is no list of simple values", fix="use list[...], set[...] or tuple[...]")
        )
    build = next((kind for kind in (set, frozenset, tuple) if origin is kind), set if "Set" in origin.__name__ else list)
    if origin is tuple and arguments and arguments[-1] is not Ellipsis:
        return _fixed(tuple(text_decoder(argument) for argument in arguments))
    decode = text_decoder(arguments[0]) if arguments else str
    checks = _length_checks(member, "item")

    def decode_list(texts: Sequence[str]) -> object:
        try:
            value = build([decode(text) for text in texts])
        except ValueError:
            value = build(_each(texts, [decode] * len(texts)))
        for passes, message in checks:
            if not passes(value):
                raise ValueError(message)
        return value

    return decode_list


def text_faults(error: ValueError, location: tuple[str | int, ...]) -> list[Fault]:
    """Return what a text or list decoder raised as faults at `location`."""
    if isinstance(error, InvalidItems):
        return [Fault((*location, position), message) for position, message in error.items]
    return [Fault(location, str(error))]


def _each(texts: Sequence[str], decoders: Sequence[TextDecoder]) -> list[object]:
    values, wrong = [], []
    for position, (text, decode) in enumerate(zip(texts, decoders, strict=True)):
        try:
            values.append(decode(text))
        except ValueError as error:
            wrong.append((position, str(error)))
    if wrong:
        raise InvalidItems(wrong)
    return values


def _fixed(decoders: tuple[TextDecoder, ...]) -> Callable[[Sequence[str]], object]:
    def decode_tuple(texts: Sequence[str]) -> object:
        if len(texts) != len(decoders):
            raise ValueError(f"Must have exactly {len(decoders)} items.")
        return tuple(_each(texts, decoders))

    return decode_tuple


def _nothing(text: str) -> object:
    if text:
        raise ValueError("Must be empty.")
    return None


def _or_none(decode: TextDecoder) -> TextDecoder:
    def decode_optional(text: str) -> object:
        return decode(text) if text else None

    return decode_optional


def _first_of(decoders: list[TextDecoder], names: list[str]) -> TextDecoder:
    expected = f"Expected {' or '.join(dict.fromkeys(names))}."

    def decode_union(text: str) -> object:
        for decode in decoders:
            try:
                return decode(text)
            except ValueError:
                continue
        raise ValueError(expected)

    return decode_union


def _member_decoder(annotation: object) -> TextDecoder:
    bare: Any = unwrap(annotation)
    constraints = constraints_of(annotation)
    if constraints:  # a union's members have their own
        check_type(annotation)
    if typing.get_origin(bare) is Literal:
        return _choice({_literal_text(value): value for value in reversed(typing.get_args(bare))})
    if isinstance(bare, type) and issubclass(bare, Enum):
        return _choice({str(member.value): member for member in reversed(bare)}, bare)
    plain = _PLAIN.get(bare)
    if plain is not None:
        checks = [*_number_checks(constraints), *_length_checks(annotation, "character"), *_pattern_checks(constraints)]
        return _checked(plain, checks) if checks else plain
    if bare in _CONVERTED:
        return _converted(annotation, bare)
    if getattr(bare, "__module__", "") == "ipaddress":
        return _address(bare)
    if bare in (Any, object):
        return str
    raise ConfigurationError(
        Mistake(
            f"{type_name(annotation)} cannot be read from text",
            fix="use str, int, float, bool, a date, UUID, Decimal, an Enum or a Literal",
        )
    )


def check_type(annotation: object) -> None:
    """Raise ConfigurationError if msgspec refuses a type: one it does not know, or constraints that do not suit it."""
    try:
        msgspec.json.Decoder(annotation)
    except (TypeError, ValueError, NameError) as error:
        raise ConfigurationError(Mistake(f"{type_name(annotation)} cannot be validated: {error}", fix="correct the annotation")) from None


def _text_to_int(text: str) -> int:
    # PERF: two C calls guard int(), which would take underscores, spaces and other scripts' digits.
    if text.isascii() and (text.isdigit() or (text[:1] == "-" and text[1:].isdigit())):
        if len(text) > MAX_DIGITS:
            raise ValueError("The number has too many digits.")
        return int(text)
    raise ValueError("Expected an integer.")


def _text_to_float(text: str) -> float:
    if len(text) > MAX_DIGITS or _DECIMAL(text) is None:
        raise ValueError("Expected a number.")
    value = float(text)
    if not math.isfinite(value):
        raise ValueError("The number is out of range.")
    return value


def _text_to_decimal(text: str) -> Decimal:
    if len(text) > MAX_DIGITS or _DECIMAL(text) is None:
        raise ValueError("Expected a decimal number.")
    value = Decimal(text)
    if is_odd(value):
        raise ValueError("The number is out of range.")
    return value


def _text_to_bool(text: str) -> bool:
    value = _BOOLEANS.get(text)
    if value is None:
        value = _BOOLEANS.get(text.lower())
        if value is None:
            raise ValueError("Expected true or false.")
    return value


def _choice(values: dict[str, Any], enum: Any = None) -> TextDecoder:
    expected = choices(list(reversed(values)))
    missing = None if enum is None or enum._missing_.__func__ is Enum._missing_.__func__ else enum  # type: ignore[attr-defined]

    def decode_choice(text: str) -> object:
        try:
            return values[text]
        except KeyError:
            if missing is not None:
                try:
                    return missing(text)
                except ValueError:
                    pass
            raise ValueError(expected) from None

    return decode_choice


def _literal_text(value: object) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else "" if value is None else str(value)


def _converted(annotation: object, bare: object) -> TextDecoder:
    # An HTML input leaves out seconds that are zero; RFC 3339 does not.
    short = {datetime.datetime: 16, datetime.time: 5}.get(typing.cast(Any, bare), -1)
    convert = msgspec.convert

    def decode_converted(text: str) -> object:
        try:
            return convert(text + ":00" if len(text) == short else text, annotation)
        except msgspec.ValidationError as error:
            raise ValueError(sentence(str(error))) from None

    return decode_converted


def _address(cls: Callable[[str], object]) -> TextDecoder:
    def decode_address(text: str) -> object:
        try:
            return cls(text[:100])
        except ValueError:
            raise ValueError("Expected an IP address or network.") from None

    return decode_address


Check = tuple[Callable[[Any], bool], str]


def _checked(decode: TextDecoder, checks: Sequence[Check]) -> TextDecoder:
    def decode_checked(text: str) -> object:
        value = decode(text)
        for passes, message in checks:
            if not passes(value):
                raise ValueError(message)
        return value

    return decode_checked


def _number_checks(constraints: Sequence[msgspec.Meta]) -> list[Check]:
    checks: list[Check] = []
    for meta in constraints:
        if meta.ge is not None:
            checks.append((partial(operator.le, meta.ge), f"Must be at least {meta.ge}."))
        if meta.gt is not None:
            checks.append((partial(operator.lt, meta.gt), f"Must be greater than {meta.gt}."))
        if meta.le is not None:
            checks.append((partial(operator.ge, meta.le), f"Must be at most {meta.le}."))
        if meta.lt is not None:
            checks.append((partial(operator.gt, meta.lt), f"Must be less than {meta.lt}."))
        if meta.multiple_of is not None:
            checks.append((partial(_is_multiple, meta.multiple_of), f"Must be a multiple of {meta.multiple_of}."))
    return checks


def _is_multiple(step: float, value: float) -> bool:
    return value % step == 0 if isinstance(value, int) and isinstance(step, int) else math.fmod(value, step) == 0


def _length_checks(annotation: object, unit: str) -> list[Check]:
    checks: list[Check] = []
    for meta in constraints_of(annotation):
        if (shortest := meta.min_length) is not None:
            checks.append((partial(_has_at_least, shortest), f"Must have at least {shortest} {unit}{'s' * (shortest != 1)}."))
        if (longest := meta.max_length) is not None:
            checks.append((partial(_has_at_most, longest), f"Must have at most {longest} {unit}{'s' * (longest != 1)}."))
    return checks


def _has_at_least(length: int, value: Sized) -> bool:
    return len(value) >= length


def _has_at_most(length: int, value: Sized) -> bool:
    return len(value) <= length


def _pattern_checks(constraints: Sequence[msgspec.Meta]) -> list[Check]:
    patterns = [meta.pattern for meta in constraints if meta.pattern is not None]
    return [(partial(_is_found, re.compile(pattern)), f"Must match the pattern {pattern!r}.") for pattern in patterns]


def _is_found(pattern: re.Pattern[str], value: str) -> bool:
    return pattern.search(value) is not None  # not fullmatch: as msgspec and JSON Schema have it


def _takes_text(annotation: object) -> bool:
    return unwrap(annotation) in (str, Any, object)


def _strictness(annotation: object) -> int:
    bare = unwrap(annotation)
    if typing.get_origin(bare) is Literal or (isinstance(bare, type) and issubclass(bare, Enum)):
        return -1
    return _ORDER.index(bare) if bare in _ORDER else len(_ORDER)


def _in_words(annotation: object) -> str:
    bare: Any = unwrap(annotation)
    if typing.get_origin(bare) is Literal:
        return choices([_literal_text(value) for value in typing.get_args(bare)])[len("Must be ") : -1]
    if isinstance(bare, type) and issubclass(bare, Enum):
        return choices([str(member.value) for member in bare])[len("Must be ") : -1]
    return in_words(getattr(bare, "__name__", "value"))


_DECIMAL = re.compile(r"-?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,6})?").fullmatch
_BOOLEANS = {"true": True, "false": False, "1": True, "0": False, "on": True, "off": False, "yes": True, "no": False}
_PLAIN: dict[object, TextDecoder] = {str: str, int: _text_to_int, float: _text_to_float, bool: _text_to_bool, Decimal: _text_to_decimal}
_CONVERTED = (datetime.datetime, datetime.date, datetime.time, datetime.timedelta, UUID, bytes, bytearray)
_ORDER = (UUID, int, Decimal, float, bool, datetime.datetime, datetime.date, datetime.time, datetime.timedelta, bytes, bytearray, str)
