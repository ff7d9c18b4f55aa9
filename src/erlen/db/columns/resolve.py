"""What column an annotation becomes: the rule that `Base` gives SQLAlchemy."""

from __future__ import annotations

import datetime
import math
import re
from decimal import Decimal
from enum import Flag
from typing import Annotated, Any

from sqlalchemy import BigInteger, Double, String
from sqlalchemy.orm import TypeResolve
from sqlalchemy.types import TypeEngine

from erlen.db.columns.choice import Choice
from erlen.db.columns.encrypted import EncryptedValue, Encryption
from erlen.db.columns.json import json_type
from erlen.db.columns.numbers import Digits, ExactNumber
from erlen.db.columns.text import Address, LongBytes, LongText, is_address
from erlen.db.columns.times import Duration, Moment, TimeOfDay
from erlen.errors import ConfigurationError, Mistake
from erlen.schema.hints import place_of, type_name
from erlen.schema.model import NOTHINGS, choices_of, constraints_of, kind_of, members_of, strip

__all__ = ["column_type"]

LONGEST_STRING = 4000
"""A longer text becomes one without a limit in the database: MySQL counts the size of all strings of a row."""


STRUCTURED = ("struct", "dataclass", "typeddict", "attrs", "pydantic", "namedtuple", "collection", "mapping", "union", "any")
"""What is kept as JSON."""


def column_type(resolve: TypeResolve) -> TypeEngine[Any] | None:
    """Return the column type of a mapped annotation; None leaves it to SQLAlchemy. A listener for `resolve_type_annotation`.

    | annotation | column |
    |---|---|
    | `str` | text without a limit; with `Meta(max_length=200)`, `VARCHAR(200)` |
    | `int` | INTEGER, of 32 bits; BIGINT where `Meta`'s bounds need it |
    | `float` | of 64 bits everywhere |
    | `Decimal` | see `Digits` and `ExactNumber` |
    | `datetime`, `timedelta`, `time` | see `Moment`, `Duration`, `TimeOfDay` |
    | `Enum`, `Literal` | see `Choice` |
    | IP addresses | text |
    | `bytes` | without a limit |
    | Struct, dataclass, TypedDict, `dict`, `list`, `set`, `Any` | see `JsonValue` |
    | `Encrypted[…]` | see `EncryptedValue` |

    `bool`, `date` and `UUID` are as SQLAlchemy has them. A type in the `type_annotation_map` of the registry comes first, and one said in
    `mapped_column(...)` is never asked for.

    Raises:
        ConfigurationError: if no column can hold such values.
    """
    mapped = resolve.registry.type_annotation_map
    if any(each in mapped for each in (resolve.raw_pep_695_type, resolve.raw_pep_593_type, resolve.resolved_type) if each is not None):
        return None
    annotation = without_none(resolve.raw_type)
    try:
        return _column_type(annotation, resolve.key)
    except ConfigurationError as error:
        at = f"`{type_name(resolve.cls)}.{resolve.key}`"
        mistakes = [Mistake(f"{at}: {each.message}", each.where or place_of(resolve.cls), each.fix) for each in error.mistakes]
        raise ConfigurationError(mistakes) from None


def _column_type(annotation: Any, key: str) -> TypeEngine[Any] | None:
    bare, metadata = strip(annotation)
    for mark in metadata:
        if isinstance(mark, Encryption):
            return EncryptedValue(annotation, mark)
        if isinstance(mark, str) and _CALL(mark):  # `from __future__ import annotations`, on a base that only SQLAlchemy reads
            fix = "derive the class from `erlen.db.Base`, or give the type a name: `Title = Annotated[str, Meta(...)]`"
            raise ConfigurationError(Mistake(f"`{mark}` was left as text and would have no effect", fix=fix))
    if bare is str:
        return _text_type(annotation)
    if bare is int:
        return _integer_type(annotation)
    if bare is Decimal:
        return ExactNumber(next((mark for mark in metadata if isinstance(mark, Digits)), None))
    if bare in _TYPES:
        return _TYPES[bare]()
    if is_address(bare):
        return Address(bare)
    if choices_of(bare):
        if isinstance(bare, type) and issubclass(bare, Flag):
            fix = "keep an `int`, or a `list` of an Enum"
            raise ConfigurationError(Mistake(f"{type_name(bare)} is a Flag, whose combinations are no values of their own", fix=fix))
        return Choice(bare, key)
    if kind_of(annotation) in STRUCTURED:
        return json_type(annotation)
    return None


def _text_type(annotation: Any) -> TypeEngine[Any]:
    limits = [meta.max_length for meta in constraints_of(annotation) if meta.max_length is not None]
    return String(min(limits)) if limits and 0 < min(limits) <= LONGEST_STRING else LongText()


def _integer_type(annotation: Any) -> TypeEngine[Any] | None:
    low, high = integer_bounds(annotation)
    if (math.isfinite(low) and low < -(2**63)) or (math.isfinite(high) and high >= 2**63):
        raise ConfigurationError(Mistake("an integer column holds 64 bits", fix="use smaller bounds, or Decimal with `Digits(30, 0)`"))
    outside = (math.isfinite(low) and low < -(2**31)) or (math.isfinite(high) and high >= 2**31)
    return BigInteger() if outside else None


def integer_bounds(annotation: Any) -> tuple[float, float]:
    """Return the lowest and highest integer that `Meta` allows; infinities where it does not say."""
    low, high = -math.inf, math.inf
    for meta in constraints_of(annotation):
        low = max(low, -math.inf if meta.ge is None else meta.ge, -math.inf if meta.gt is None else meta.gt + 1)
        high = min(high, math.inf if meta.le is None else meta.le, math.inf if meta.lt is None else meta.lt - 1)
    return low, high


def without_none(annotation: Any) -> Any:
    """Return an annotation without `| None`; what annotates the whole annotates what is left."""
    members: list[Any] = [member for member in members_of(annotation) if member not in NOTHINGS]
    if len(members) != 1 or members[0] is annotation:
        return annotation
    metadata = strip(annotation)[1]
    return Annotated[(members[0], *metadata)] if metadata else members[0]


_CALL = re.compile(r"[\w.]+\(.*\)", re.DOTALL).fullmatch
_TYPES: dict[Any, type[TypeEngine[Any]]] = {
    float: Double,
    datetime.datetime: Moment,
    datetime.timedelta: Duration,
    datetime.time: TimeOfDay,
    bytes: LongBytes,
}
