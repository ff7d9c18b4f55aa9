"""One text value - of a path, query, header, cookie or form - into what its parameter's annotation asks for."""

from __future__ import annotations

import datetime
import math
import re
import types
import typing
from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from functools import partial
from itertools import repeat
from typing import Any

import msgspec

from erlen.errors import ConfigurationError, Fault, Mistake
from erlen.schema.decode import strict_decoder
from erlen.schema.faults import convert_custom, is_odd
from erlen.schema.hints import type_name
from erlen.schema.model import NOTHINGS, SCALARS, choices_of, constraints_of, kind_of, members_of, unwrap
from erlen.schema.sentence import choices, in_words, sentence

__all__ = ["InvalidItems", "TextDecoder", "list_decoder", "text_decoder", "text_faults"]

TextDecoder = Callable[[str], object]

MAX_DIGITS = 4300
"""What Python itself converts at most; more takes quadratic time."""


class InvalidItems(ValueError):
    """Some values of a list are wrong; `items` has the position and message of each."""

    def __init__(self, items: Iterable[tuple[int, str]]) -> None:
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
    members = members_of(annotation)
    some = sorted((member for member in members if member not in NOTHINGS), key=_strictness) or [annotation]
    for each in (annotation, *some):
        if constraints_of(each):
            strict_decoder(each)
    decoders = [_member_decoder(member) for member in some]
    decode = decoders[0] if len(decoders) == 1 else _first_of(decoders, [_in_words(member) for member in some])
    optional = types.NoneType in members and not any(unwrap(member) in (str, Any, object) for member in some)
    return (lambda text: decode(text) if text else None) if optional else decode


def list_decoder(annotation: object) -> Callable[[Sequence[str]], object]:
    """Return the function that turns the texts of a repeated name into a list, set, frozenset or tuple of scalars.

    The function raises `InvalidItems`, which has every fault with its position, or `ValueError` where the whole is wrong.

    Raises:
        ConfigurationError: if the annotation is no collection of scalars.
    """
    member: Any = next((member for member in members_of(annotation) if member not in NOTHINGS), annotation)
    bare: Any = unwrap(member)
    if kind_of(member) != "collection":
        wrong = f"{type_name(annotation)} is no list of simple values"
        raise ConfigurationError(Mistake(wrong, fix="use list[...], set[...] or tuple[...]"))
    arguments = typing.get_args(bare) or (str,)
    origin = typing.get_origin(bare) or bare
    fixed = origin is tuple is not bare and arguments[-1] is not Ellipsis
    decoders = [text_decoder(argument) for argument in arguments if argument is not Ellipsis]
    plain = origin in (list, set, frozenset, tuple) and not constraints_of(member)
    if not plain:
        strict_decoder(member)

    def decode_list(texts: Sequence[str]) -> object:
        if fixed and len(texts) != len(arguments):
            raise ValueError(f"Must have exactly {len(arguments)} items.")
        try:
            values = [decode(text) for decode, text in zip(decoders, texts, strict=True)] if fixed else [*map(decoders[0], texts)]
            return origin(values) if plain else msgspec.convert(values, member)
        except msgspec.ValidationError as error:
            raise ValueError(sentence(str(error))) from None
        except ValueError:
            raise InvalidItems(_wrong_items(texts, decoders if fixed else repeat(decoders[0]))) from None

    return decode_list


def text_faults(error: ValueError, location: tuple[str | int, ...]) -> list[Fault]:
    """Return what a text or list decoder raised as faults at `location`."""
    if isinstance(error, InvalidItems):
        return [Fault((*location, position), message) for position, message in error.items]
    return [Fault(location, str(error))]


def _wrong_items(texts: Sequence[str], decoders: Iterable[TextDecoder]) -> Iterator[tuple[int, str]]:
    for position, (text, decode) in enumerate(zip(texts, decoders, strict=False)):
        try:
            decode(text)
        except ValueError as error:
            yield position, str(error)


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
    if values := _choices(bare):
        return _choice(values, bare if isinstance(bare, type) else None)
    if bare in (Any, object):
        return str
    if getattr(bare, "__module__", "") == "ipaddress":
        return partial(convert_custom, bare)
    if bare not in SCALARS:
        fix = "use str, int, float, bool, a date, UUID, Decimal, an Enum or a Literal"
        raise ConfigurationError(Mistake(f"{type_name(annotation)} cannot be read from text", fix=fix))
    plain = _PLAIN.get(bare)
    return plain if plain is not None and not constraints_of(annotation) else _checked(plain or str, annotation)


def _checked(decode: TextDecoder, annotation: object) -> TextDecoder:
    # An HTML input leaves out seconds that are zero; RFC 3339 does not.
    short = {datetime.datetime: 16, datetime.time: 5}.get(typing.cast(Any, unwrap(annotation)), -1)
    # PERF: by way of JSON a constraint costs 130 ns; `msgspec.convert`, which takes the type apart each time, 880.
    encode, decode_json = msgspec.json.encode, strict_decoder(annotation).decode

    def decode_checked(text: str) -> object:
        value = decode(text + ":00" if len(text) == short else text)
        try:
            return decode_json(encode(value))
        except msgspec.ValidationError as error:
            raise ValueError(sentence(str(error), annotation)) from None

    return decode_checked


def _text_to_int(text: str) -> int:
    # PERF: two C calls guard int(), which would take underscores, spaces and other scripts' digits.
    if text.isascii() and (text.isdigit() or (text[:1] == "-" and text[1:].isdigit())):
        if len(text) > MAX_DIGITS:
            raise ValueError("The number has too many digits.")
        return int(text)
    raise ValueError("Expected an integer.")


def _number(make: Callable[[str], Any], expected: str, is_out_of_range: Callable[[Any], bool]) -> TextDecoder:
    def decode_number(text: str) -> object:
        if len(text) > MAX_DIGITS or _DECIMAL(text) is None:
            raise ValueError(expected)
        value = make(text)
        if is_out_of_range(value):
            raise ValueError("The number is out of range.")
        return value

    return decode_number


def _text_to_bool(text: str) -> bool:
    if (value := _BOOLEANS.get(text.lower())) is None:
        raise ValueError("Expected true or false.")
    return value


def _choice(values: dict[str, Any], enum: Callable[[str], object] | None) -> TextDecoder:
    expected = choices(list(values))

    def decode_choice(text: str) -> object:
        try:
            return values[text] if text in values or enum is None else enum(text)  # an Enum may have `_missing_`
        except (KeyError, ValueError):
            raise ValueError(expected) from None

    return decode_choice


def _choices(annotation: object) -> dict[str, Any]:
    """Return the values of a Literal or Enum by their texts; of texts that are the same, the first counts."""
    pairs = [(_to_text(plain), value) for plain, value in choices_of(annotation)]
    return {**dict(pairs), **dict(reversed(pairs))}


def _to_text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else "" if value is None else str(value)


def _strictness(annotation: object) -> int:
    bare = unwrap(annotation)
    return -1 if choices_of(bare) else SCALARS.index(bare) if bare in SCALARS else len(SCALARS)


def _in_words(annotation: object) -> str:
    values = _choices(annotation)
    return choices(list(values)).removeprefix("Must be ")[:-1] if values else in_words(getattr(unwrap(annotation), "__name__", "value"))


_DECIMAL = re.compile(r"-?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,6})?").fullmatch
_BOOLEANS = {"true": True, "false": False, "1": True, "0": False, "on": True, "off": False, "yes": True, "no": False}
_text_to_float = _number(float, "Expected a number.", math.isinf)
_text_to_decimal = _number(Decimal, "Expected a decimal number.", is_odd)
_PLAIN: dict[object, TextDecoder] = {str: str, int: _text_to_int, float: _text_to_float, bool: _text_to_bool, Decimal: _text_to_decimal}
