"""Values of columns as JSON and back, exactly: what `dump` writes and `load` reads of each type."""

from __future__ import annotations

import base64
import binascii
import datetime
import math
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from enum import Enum
from typing import Any
from uuid import UUID

import msgspec
import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy import Dialect
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeDecorator, TypeEngine

from erlen.db.columns.choice import Choice
from erlen.db.columns.encrypted import EncryptedValue
from erlen.db.columns.json import JsonValue
from erlen.db.columns.numbers import ExactNumber
from erlen.db.columns.text import Address, LongText
from erlen.db.columns.times import Duration, Moment, TimeOfDay
from erlen.schema.faults import convert_custom

__all__ = ["SEALED", "Codec", "Sealed", "codec_of"]

SEALED = "sealed"
"""The one key of what stands for an encrypted value: `{"sealed": "…"}`. It stays encrypted in a dump."""


class Sealed(str):
    """An encrypted value as it is stored."""

    __slots__ = ()


class Codec(Struct, frozen=True):
    """How the values of one column are written. NULL is `null` everywhere, and neither function is asked about it."""

    type: TypeEngine[Any]
    """What the column is read and written as: its own type, or a plainer one where values are written as they are stored."""
    encode: Callable[[Any], Any]
    """From what the database gives to what JSON has."""
    decode: Callable[[Any], Any]
    """Back; raises ValueError, with a sentence, for what is no such value."""
    judged: bool = True
    """Whether the model's rule knows the values."""
    raw: bool = False
    """Whether a value is stored as it was read, although the rule makes another of it."""


def codec_of(kind: TypeEngine[Any], dialect: Dialect) -> Codec:
    """Return how values of a column's type are written."""
    if isinstance(kind, EncryptedValue):
        return Codec(LongText(), lambda value: {SEALED: value}, _encrypted(kind), raw=True)
    if isinstance(kind, JsonValue | sa.JSON):
        return Codec(_JSON, _plain, _same, raw=True)
    if isinstance(kind, Choice):
        return Codec(kind, _enum_value, _same)
    if isinstance(kind, Address):
        return Codec(kind, str, lambda value: kind.cls(_text(value)))
    if isinstance(kind, TypeDecorator) and not isinstance(kind, ExactNumber | Moment | Duration | TimeOfDay):
        # Of somebody else's type is known how it is stored, and not what its values are.
        stored = codec_of(kind.load_dialect_impl(dialect), dialect)
        return Codec(stored.type, stored.encode, stored.decode, judged=False)
    if isinstance(kind, sa.ARRAY):
        item = codec_of(kind.item_type, dialect)
        return Codec(kind, _each(item.encode), _each(item.decode))
    for classes, encode, decode in _KINDS:
        if isinstance(kind, classes):
            return Codec(kind, encode, decode(kind))
    return Codec(kind, _unknown, _same)


def _same(value: Any) -> Any:
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("Expected text.")
    return value


def _integer(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError("Expected an integer.")
    return value


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("Expected true or false.")
    return value


def _number(value: Any) -> Any:
    """JSON has no infinities and no NaN: they are texts. A zero has no sign, which not every database keeps."""
    if isinstance(value, Decimal):  # a column that gives numbers as Decimal
        return _decimal(value)
    return float(value) + 0.0 if math.isfinite(value) else str(value)


def _float(value: Any) -> float:
    if isinstance(value, bool) or not (isinstance(value, int | float) or value in ("inf", "-inf", "nan")):
        raise ValueError("Expected a number.")
    return float(value)


def _decimal(value: Any) -> Any:
    return format(value, "f") if isinstance(value, Decimal) else _number(value)


def _exactly(value: Any) -> Decimal:
    try:
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise InvalidOperation
        return Decimal(str(value))
    except InvalidOperation:
        raise ValueError("Expected a number, as text.") from None


def _moment(value: datetime.datetime) -> str:
    return value.isoformat().replace("+00:00", "Z")


def _read_as(cls: Any, words: str) -> Callable[[Any], Any]:
    """Return what reads a text as ISO 8601 (RFC 3339) has it."""

    def read(value: Any) -> Any:
        try:
            return msgspec.convert(_text(value), cls)
        except (msgspec.ValidationError, ValueError):
            raise ValueError(f"Expected {words}.") from None

    return read


def _bytes(value: Any) -> bytes:
    try:
        return base64.b64decode(_text(value), validate=True)
    except binascii.Error:
        raise ValueError("Expected bytes in base64.") from None


def _uuid(value: Any) -> UUID:
    try:
        return UUID(_text(value))
    except ValueError:
        raise ValueError("Expected a UUID.") from None


def _uuid_of(kind: sa.Uuid[Any]) -> Callable[[Any], Any]:
    return _uuid if kind.as_uuid else lambda value: str(_uuid(value))


def _enum_value(value: Any) -> Any:
    return value.value if isinstance(value, Enum) else value


def _enum_name(value: Any) -> Any:
    return value.name if isinstance(value, Enum) else value


def _member_of(kind: sa.Enum) -> Callable[[Any], Any]:
    """SQLAlchemy's own Enum is known by the names of its members."""
    cls = kind.enum_class
    if cls is None:
        return _text

    def read(value: Any) -> Any:
        try:
            return cls[_text(value)]
        except KeyError:
            raise ValueError(f"Must be one of {', '.join(member.name for member in cls)}.") from None

    return read


def _each(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def convert(values: Any) -> Any:
        if isinstance(values, list | tuple):
            return [None if value is None else convert(value) if isinstance(value, list) else function(value) for value in values]
        raise ValueError("Expected a list.")

    return convert


def _plain(value: Any) -> Any:
    """Return JSON as every database would give it: PostgreSQL orders names, and writes whole numbers without an exponent."""
    if isinstance(value, dict):
        return {name: _plain(value[name]) for name in sorted(value)}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, float):
        return int(Decimal(repr(value))) if value.is_integer() and "e" in repr(value) else value + 0.0
    return value


def _unknown(value: Any) -> Any:
    if isinstance(value, str | int | float | bool | list | dict):
        return value
    if type(value).__module__ == "ipaddress":
        return str(value)
    raise ValueError(f"values of the type {type(value).__name__} have no form in a dump")


def _encrypted(kind: EncryptedValue) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        if isinstance(value, dict) and value.keys() == {SEALED} and isinstance(value[SEALED], str):
            return Sealed(value[SEALED])
        try:  # what a person wrote
            return msgspec.convert(value, kind.annotation, str_keys=True, dec_hook=convert_custom)
        except msgspec.ValidationError as error:
            raise ValueError(str(error)) from None

    return read


_JSON = sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
_Decoder = Callable[[Any], Callable[[Any], Any]]
_KINDS: tuple[tuple[Any, Callable[[Any], Any], _Decoder], ...] = (
    (sa.Boolean, bool, lambda _: _boolean),
    (sa.Integer, int, lambda _: _integer),
    (ExactNumber, _decimal, lambda _: _exactly),
    (sa.Numeric, _decimal, lambda _: _exactly),
    (sa.Float, _number, lambda _: _float),
    (Moment, _moment, lambda _: _read_as(datetime.datetime, "a date and time with a time zone, such as 2026-11-30T14:30:00Z")),
    (sa.DateTime, _moment, lambda _: _read_as(datetime.datetime, "a date and time, such as 2026-11-30T14:30:00")),
    (sa.Date, datetime.date.isoformat, lambda _: _read_as(datetime.date, "a date, such as 2026-11-30")),
    (TimeOfDay | sa.Time, datetime.time.isoformat, lambda _: _read_as(datetime.time, "a time of day, such as 14:30:00")),
    (Duration | sa.Interval, msgspec.to_builtins, lambda _: _read_as(datetime.timedelta, "a duration, such as P1DT2H (ISO 8601)")),
    (sa.LargeBinary, lambda value: base64.b64encode(value).decode("ascii"), lambda _: _bytes),
    (sa.Uuid, str, _uuid_of),
    (sa.Enum, _enum_name, _member_of),
    (sa.String, str, lambda _: _text),
)
