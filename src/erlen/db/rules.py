"""What one field of a model takes: its annotation and its column, made into a quick check and a judgement with a sentence."""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, cast
from uuid import UUID

import msgspec
from sqlalchemy import ARRAY, JSON, BigInteger, Column, Integer, SmallInteger, String
from sqlalchemy.sql.expression import ClauseElement

from erlen.db.columns.encrypted import EncryptedValue
from erlen.db.columns.json import JsonValue, plain_json
from erlen.db.columns.resolve import STRUCTURED, integer_bounds, without_none
from erlen.db.columns.times import Moment
from erlen.errors import Fault, InvalidRequest
from erlen.schema.decode import strict_decoder
from erlen.schema.faults import REQUIRED, Checker, convert_custom, first_fault, own_message
from erlen.schema.model import NOTHINGS, choices_of, constraints_of, kind_of, members_of, strip
from erlen.schema.sentence import choices, in_words

__all__ = ["Rule", "ValidationError", "accepts_nothing", "is_expression"]


class ValidationError(InvalidRequest):
    """422: an object has values that are not valid; `faults` lists them all, each located at `("body", field)`.

    Args:
        faults: the faults; or a sentence for each field, `{"ends": "Must be after the start."}`; or one sentence about the whole.
    """

    default_detail = "The data is not valid."

    def __init__(self, faults: Iterable[Fault] | Mapping[str, str] | str, detail: str = "") -> None:
        if isinstance(faults, str):
            faults = [Fault(("body",), faults)]
        elif isinstance(faults, Mapping):
            said = cast("Mapping[str, str]", faults)
            faults = [Fault(("body", name), message) for name, message in said.items()]
        super().__init__(faults, detail)

    def __str__(self) -> str:
        return "\n".join(": ".join(filter(None, [".".join(map(str, fault.location[1:])), fault.message])) for fault in self.faults)


class Rule:
    """What one field takes.

    Attributes:
        name: the attribute.
        accepts: whether a value is valid as it is, told quickly; what it does not accept, `admit` judges.
        structured: whether values may change inside without being assigned.
    """

    def __init__(self, name: str, annotation: Any, column: Column[Any], *, absent: bool) -> None:
        self.name = name
        self._location = ("body", name)
        self._annotation = without_none(annotation)
        # A foreign key is emptied when what it refers to is taken away: whether it may stay so is asked before it is stored.
        self._nullable = column.nullable or bool(column.foreign_keys) or any(member in NOTHINGS for member in members_of(annotation))
        self._absent = absent
        self._check_type: Callable[[Any], None] | None = getattr(column.type, "check_value", None)
        kind = kind_of(self._annotation)
        if kind in STRUCTURED and not isinstance(column.type, (JsonValue, EncryptedValue, JSON, ARRAY)):
            kind = "other"  # a type of the user's or of one engine's, which has its own idea of values
        self.structured = kind in STRUCTURED
        self._bare: Any = strip(self._annotation)[0]
        self._checker: Checker | None = None
        if self.structured:
            self._checker = Checker(self._annotation)
        elif kind == "scalar":
            strict_decoder(self._annotation)  # constraints that do not suit the type are a mistake
        self._limits = (0.0, math.inf)
        if self._bare is str and isinstance(column.type, String) and column.type.length:
            self._limits = (0, column.type.length)
        elif self._bare is int:
            self._limits = _integer_limits(column)
        metas = constraints_of(self._annotation)
        own = [meta.extra for meta in metas if meta.pattern is not None and meta.extra is not None]
        self._pattern_message = next((str(extra["message"]) for extra in own if "message" in extra), "")
        quick = (
            _is_utc if isinstance(column.type, Moment) and not metas else _quick_check(self._annotation, self._bare, metas, self._limits)
        )
        self.accepts: Callable[[Any], bool] = quick or accepts_nothing
        self._judged = kind != "other"

    def admit(self, value: Any, stored: bool) -> Any:
        """Return the value to keep.

        Args:
            value: what was assigned.
            stored: whether the object is in the database already, so that a missing value would not become the default.

        Raises:
            ValidationError: if it is not valid.
        """
        if value is None:
            if self._nullable or (self._absent and not stored):
                return None
            raise ValidationError([Fault(self._location, REQUIRED)])
        if not self._judged or is_expression(value):
            return value
        return self._structure(value) if self.structured else self._scalar(value)

    def can_hold(self, value: Any) -> bool:
        """Whether the column could have this value, which is of its type; the constraints of the annotation are not asked."""
        try:
            self._check(value)
        except ValueError:
            return False
        return True

    def _scalar(self, value: Any) -> Any:
        if self._bare is Decimal and type(value) is int:
            value = Decimal(value)
        elif self._bare is str and isinstance(value, str):
            value = str.__str__(value)  # of a StrEnum or Markup, its text
        elif self._bare is int and isinstance(value, int) and type(value) is not bool:
            value = int(value)
        try:
            made = msgspec.convert(value, self._annotation, builtin_types=_NATIVE, dec_hook=_instance_of)
            self._check(made)
        except msgspec.ValidationError as error:
            message = first_fault(error, ()).message
            if message == "Must be one of the allowed values." or (not self._pattern_message and choices_of(self._bare)):
                message = choices([plain for plain, _ in choices_of(self._bare)])
            elif self._bare is bytes:  # which JSON has as text
                message = message.replace("base64 text", "bytes")
            elif self._pattern_message and message.startswith("Must match the pattern"):
                message = self._pattern_message
        except ValueError as error:
            message = own_message(error)
        else:
            return made
        raise ValidationError([Fault(self._location, message)]) from None

    def _check(self, value: Any) -> None:
        low, high = self._limits
        if self._bare is str:
            if len(value) > high:
                raise ValueError(f"Must have at most {high:.0f} characters.")
            if "\0" in value:
                raise ValueError("Must not contain the character NUL.")
        elif self._bare is int and not low <= value <= high:
            raise ValueError("The number is out of range.")
        elif self._bare is float and not math.isfinite(value):
            raise ValueError("Expected a finite number.")
        if self._check_type is not None:
            self._check_type(value)

    def _structure(self, value: Any) -> Any:
        checker = self._checker
        assert checker is not None
        try:
            plain = plain_json(value)
            if _NUL_IN_JSON(msgspec.json.encode(plain)):
                raise ValueError("PostgreSQL cannot keep NUL")
            made = msgspec.convert(plain, self._annotation, str_keys=True, dec_hook=convert_custom)
        except msgspec.ValidationError as error:
            faults = checker.faults(plain_json(value), self._location) or [first_fault(error, self._location)]
        except (TypeError, ValueError, RecursionError):
            faults = [Fault(self._location, "Holds something that cannot be kept as JSON.")]
        else:
            is_model = checker.shape.kind in _MODELS and isinstance(value, checker.shape.cls)
            return value if is_model or checker.shape.kind == "any" else made
        raise ValidationError(faults) from None


def is_expression(value: object) -> bool:
    """Return whether a value is an SQL expression, which the database works out."""
    return isinstance(value, ClauseElement) or hasattr(value, "__clause_element__")


def accepts_nothing(value: Any) -> bool:
    """Leave every value to `Rule.admit`."""
    return False


def _is_utc(value: Any) -> bool:
    return type(value) is datetime.datetime and value.tzinfo is datetime.UTC


def _integer_limits(column: Column[Any]) -> tuple[float, float]:
    for cls, bits in ((BigInteger, 63), (SmallInteger, 15), (Integer, 31)):
        if isinstance(column.type, cls):
            return -(2**bits), 2**bits - 1
    return -math.inf, math.inf


def _quick_check(annotation: Any, bare: Any, metas: Sequence[msgspec.Meta], limits: tuple[float, float]) -> Callable[[Any], bool] | None:
    """Return what tells in a fraction of a microsecond that a value is valid; None where that takes longer."""
    if any(meta.multiple_of is not None for meta in metas):
        return None
    if bare is str:
        longest = min([limits[1], *(meta.max_length for meta in metas if meta.max_length is not None)])
        shortest = max([0, *(meta.min_length for meta in metas if meta.min_length is not None)])
        patterns = [re.compile(meta.pattern).search for meta in metas if meta.pattern is not None]
        if patterns:
            return lambda value: (
                type(value) is str
                and shortest <= len(value) <= longest
                and "\0" not in value
                and all(search(value) is not None for search in patterns)
            )
        return lambda value: type(value) is str and shortest <= len(value) <= longest and "\0" not in value
    if bare is int:
        bounds = integer_bounds(annotation)
        low, high = max(limits[0], bounds[0]), min(limits[1], bounds[1])
        return lambda value: type(value) is int and low <= value <= high
    if metas:
        return None
    if bare is float:
        return lambda value: type(value) is float and math.isfinite(value)
    if bare in _PLAIN or (isinstance(bare, type) and choices_of(bare)):
        return lambda value: type(value) is bare
    if literals := {(type(plain), plain) for plain, _ in choices_of(bare)}:
        kinds = {kind for kind, _ in literals}  # looked at first: other values may not even be hashable
        return lambda value: type(value) in kinds and (type(value), value) in literals
    return None


def _instance_of(cls: Any, value: Any) -> Any:
    """For `dec_hook`: what msgspec does not know is taken only as it is."""
    if isinstance(value, cls):
        return value
    raise ValueError(f"Expected {in_words(cls.__name__)}.")


_NATIVE = (bytes, bytearray, datetime.datetime, datetime.date, datetime.time, datetime.timedelta, UUID, Decimal)
"""Not made of text here, as they are of JSON."""
_NUL_IN_JSON = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000").search
_PLAIN = (bool, bytes, datetime.date, UUID)
_MODELS = ("struct", "dataclass", "attrs", "pydantic")
