"""What a database refuses, as the same field errors that validation gives.

A race, a bulk statement or another program's data can break a rule that only the database can hold: that a value is there once, that what
is referred to exists. Its message names constraints, columns and values; of these only the fields are told, never a value nor SQL.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal

from msgspec import Struct
from sqlalchemy import CheckConstraint, Column, ForeignKeyConstraint, String, Table, orm
from sqlalchemy.exc import DataError, DBAPIError, StatementError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Mapper
from sqlalchemy.orm.exc import UnmappedColumnError

from erlen.db.columns.choice import Choice
from erlen.db.locks import Locked, is_locked
from erlen.db.names import label_of
from erlen.db.validation import ValidationError, mappers_of
from erlen.errors import BadRequest, Fault, HTTPError, ServiceUnavailable
from erlen.schema.faults import REQUIRED
from erlen.schema.sentence import choices

if TYPE_CHECKING:
    from sqlalchemy import ExceptionContext

__all__ = ["InvalidValue", "PoolExhausted", "explain", "hide_values", "refusal_of", "without_values"]

Kind = Literal["unique", "missing", "check", "reference", "conflict", "long", "range"]


class InvalidValue(BadRequest):
    """400: a statement has a value that its database cannot hold, such as a number out of range or a text with NUL."""

    default_detail = "A value is out of range, or has characters that cannot be stored."


class PoolExhausted(ServiceUnavailable):
    """503: every connection that the pool may open was in use for as long as `lock_timeout` says. The client may try again at once."""

    default_detail = "Too many requests are using the database at the moment. Try again."

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail, retry_after=1)
        self.add_note(
            "All connections of the pool are in use. Find what keeps them, such as requests that wait for something else or sessions that "
            "are not closed, or allow more: `Database(…, pool_size=…)`; the setting `threads` is its default."
        )


class Violation(Struct):
    """What a driver tells of a broken rule, as far as it does.

    Attributes:
        kind: which rule: `reference` is a foreign key, `conflict` an exclusion constraint.
        table: the table whose rule it is.
        columns: the names of the columns.
        constraint: the name of the constraint or index.
    """

    kind: Kind
    table: str = ""
    columns: tuple[str, ...] = ()
    constraint: str = ""


def explain(error: DBAPIError, about: orm.Session | Iterable[Mapper[Any]]) -> ValidationError | None:
    """Return what a database refused as faults of fields; None for what is no broken rule of the data.

    MySQL and MariaDB report a broken CHECK as an `OperationalError`.

    Args:
        error: what SQLAlchemy raised: an `IntegrityError`, `DataError` or `OperationalError`.
        about: the session that stored objects (see `validate_pending`), or the mappers of the classes: `Base.registry.mappers`.
    """
    violation = _read(error)
    if violation is None:
        return None
    verb, written = _statement(error.statement or "")
    mappers = mappers_of(about) if isinstance(about, orm.Session) else about
    schema = _Schema(mappers, violation.table or written)
    return ValidationError(schema.faults(violation, deleting=_is_deleting(violation, verb, written)))


def refusal_of(error: Exception) -> HTTPError | None:
    """Return what a client is told of a statement that was refused for its values, for the locks of others or for want of a connection.

    None for other errors.
    """
    if isinstance(error, PoolTimeout):
        return PoolExhausted()
    if isinstance(error, DBAPIError) and is_locked(error.orig):
        return Locked()
    return InvalidValue() if _is_value_refused(error) else None


def hide_values(failure: ExceptionContext) -> None:
    """Take the values of rows out of an error's message, which is logged: they are the users', and may be secret. For `handle_error`."""
    errors: list[Any] = [failure.original_exception, failure.original_exception.__cause__, failure.sqlalchemy_exception]
    for error in filter(None, errors):
        error.args = tuple(without_values(each) if isinstance(each, str) else each for each in error.args)
        if isinstance(detail := getattr(error, "detail", None), str):  # of asyncpg's, which writes it behind the message
            error.detail = without_values(detail)


def without_values(message: str) -> str:
    """Return a database's message without the values of rows that PostgreSQL and MySQL write into it."""
    return _ENTRY(r"\1…\2", _ROW("Failing row contains (…).", _KEY("=(…) ", message)))


def _is_value_refused(error: Exception) -> bool:
    """Whether a database, its driver or a column's type refused a value as such: that nothing of the kind can be stored or looked for."""
    if not isinstance(error, StatementError):
        return isinstance(error, OverflowError | UnicodeEncodeError)
    cause: Any = error.orig
    if not isinstance(error, DBAPIError):  # what a column's type raised
        return isinstance(cause, ValueError | OverflowError | LookupError)
    state = getattr(cause, "sqlstate", None)
    if state == _ASYNCPGS_OWN:
        return not isinstance(getattr(cause.__cause__, "__cause__", None), TypeError)  # the program's mistake
    if state is not None and state.startswith("22"):
        return state in _VALUE_STATES
    return isinstance(error, DataError) or not all(map(_is_finite, _values(error.params)))  # which MySQL's drivers make no SQL of


def _values(parameters: Any) -> Iterator[object]:
    """Yield the values of a statement's parameters, of one row or of many, by name or in their order."""
    for value in parameters.values() if isinstance(parameters, Mapping) else parameters or ():
        if isinstance(value, Mapping | tuple | list):
            yield from _values(value)
        else:
            yield value


def _is_finite(value: object) -> bool:
    return not isinstance(value, float) or math.isfinite(value)


class _Schema:
    """The table that a violation is about, with the classes that are mapped to it."""

    def __init__(self, mappers: Iterable[Mapper[Any]], name: str) -> None:
        self._mappers = tuple(mappers)
        self._tables = {table.name: table for mapper in self._mappers for table in mapper.tables if isinstance(table, Table)}
        for metadata in {table.metadata for table in self._tables.values()}:  # also tables without a class, between two others
            self._tables = {table.name: table for table in metadata.tables.values()} | self._tables
        self._table: Table | None = self._tables.get(name)

    def faults(self, violation: Violation, *, deleting: bool) -> list[Fault]:
        constraint = self._constraint(violation)
        columns = self._columns(violation, constraint)
        if violation.kind == "reference" and deleting:
            return [Fault(("body",), self._still_used(violation))]
        message = self._message(violation, constraint, columns)
        return [Fault(("body", self._field(column)), message) for column in columns] or [Fault(("body",), message)]

    def _message(self, violation: Violation, constraint: Any, columns: tuple[Column[Any], ...]) -> str:
        if violation.kind == "missing":
            return REQUIRED
        if violation.kind == "unique" and len(columns) > 1:
            names = [self._word(column) for column in columns]
            return f"This combination of {', '.join(names[:-1])} and {names[-1]} is already taken."
        if violation.kind == "reference":
            if len(columns) == 1:
                return f"The {self._word(columns[0])} does not exist."
            return "Something that this refers to does not exist."
        if violation.kind == "check":
            if constraint is not None and "message" in constraint.info:
                return str(constraint.info["message"])
            if len(columns) == 1 and isinstance(kept := columns[0].type, Choice):
                return choices(kept.values)
            return "This value is not allowed." if len(columns) == 1 else "These values are not allowed together."
        if violation.kind == "long" and len(columns) == 1 and isinstance(text := columns[0].type, String) and text.length:
            return f"Must have at most {text.length} characters."
        return _MESSAGES[violation.kind]

    def _still_used(self, violation: Violation) -> str:
        """Name what uses a row that cannot be deleted; SQLite does not say what it is."""
        using = [self._table] if violation.constraint else [key.table for key in self._keys_to(self._table)]
        names = {label_of(table.name).lower() for table in using if table is not None}
        return f"It is still used by {names.pop()}." if len(names) == 1 else "It is still used."

    def _keys_to(self, table: Table | None) -> Iterator[ForeignKeyConstraint]:
        for other in self._tables.values():
            for constraint in other.constraints:
                if isinstance(constraint, ForeignKeyConstraint) and constraint.referred_table is table:
                    yield constraint

    def _constraint(self, violation: Violation) -> Any:
        if self._table is None or not violation.constraint:
            return None
        every: tuple[Any, ...] = (*self._table.constraints, *self._table.indexes)
        return next((each for each in every if each.name == violation.constraint), None)

    def _columns(self, violation: Violation, constraint: Any) -> tuple[Column[Any], ...]:
        table = self._table
        if table is None:
            return ()
        if violation.columns:
            return tuple(column for name in violation.columns for column in table.columns if column.name == name)
        if constraint is None:
            if violation.constraint == "PRIMARY" or violation.constraint == f"{table.name}_pkey":
                return tuple(table.primary_key.columns)
            keys = [each for each in table.constraints if isinstance(each, ForeignKeyConstraint)]
            return tuple(keys[0].columns) if violation.kind == "reference" and len(keys) == 1 else ()
        if isinstance(constraint, CheckConstraint) and not len(constraint.columns):
            words = set(re.findall(r"\w+", str(constraint.sqltext)))  # a condition written as text knows no columns
            return tuple(column for column in table.columns if column.name in words)
        return tuple(constraint.columns)

    def _field(self, column: Column[Any]) -> str:
        for mapper in self._mappers:
            try:
                return mapper.get_property_by_column(column).key
            except UnmappedColumnError:
                continue
        return str(column.key)

    def _word(self, column: Column[Any]) -> str:
        name = self._field(column)
        return label_of(name.removesuffix("_id") or name).lower()


def _read(error: DBAPIError) -> Violation | None:
    cause: Any = error.orig
    if len(cause.args) > 1 and isinstance(cause.args[0], int):  # MySQL's number comes first: its drivers have an SQLSTATE too
        return _read_mysql(cause.args[0], str(cause.args[1]))
    state = getattr(cause, "sqlstate", None)
    return _read_sqlite(str(cause)) if state is None else _read_postgresql(str(state), cause)


def _read_postgresql(state: str, cause: Any) -> Violation | None:
    kind = _STATES.get(state)
    if kind is None:
        return None
    # psycopg keeps the details in `diag`; asyncpg on its exception, which SQLAlchemy wraps.
    told = getattr(cause, "diag", None) or cause.__cause__
    column = getattr(told, "column_name", None)
    return Violation(
        kind,
        table=getattr(told, "table_name", None) or "",
        columns=(column,) if column else (),
        constraint=getattr(told, "constraint_name", None) or "",
    )


def _read_mysql(number: int, message: str) -> Violation | None:
    if number not in _NUMBERS:
        return None
    kind, pattern = _NUMBERS[number]
    match = re.search(pattern, message)
    told = match.groupdict() if match is not None else {}
    table, name = told.get("table") or "", told.get("constraint") or ""
    if kind == "unique" and "." in name:  # MySQL 8 says `table.name`
        table, _, name = name.rpartition(".")
    return Violation(kind, table=table, columns=tuple(filter(None, [told.get("column")])), constraint=name)


def _read_sqlite(message: str) -> Violation | None:
    what, _, rest = message.partition(" constraint failed")
    kind = _SQLITE.get(what)
    if kind is None:
        return None
    rest = rest.removeprefix(": ")
    if kind == "check":
        return Violation(kind, constraint=rest)
    if rest.startswith("index "):
        return Violation(kind, constraint=rest.removeprefix("index ").strip("'"))
    places = [place.rpartition(".") for place in rest.split(", ") if place]
    return Violation(kind, table=places[0][0] if places else "", columns=tuple(column for _, _, column in places))


def _statement(statement: str) -> tuple[str, str]:
    """Return the verb of a statement and the name of the table that it writes."""
    match = _WRITTEN(statement)
    return (match["verb"].lower(), match["table"]) if match is not None else ("", "")


def _is_deleting(violation: Violation, verb: str, written: str) -> bool:
    """Whether a foreign key was broken at its other end: where what it refers to was deleted, or got another key."""
    return verb == "delete" or (verb == "update" and violation.table not in ("", written))


_STATES: dict[str, Kind] = {
    "23505": "unique",
    "23502": "missing",
    "23503": "reference",
    "23514": "check",
    "23P01": "conflict",
    "22001": "long",
    "22003": "range",
}
_ASYNCPGS_OWN = "22000"
_VALUE_STATES = frozenset({"22001", "22003", "22007", "22008", "22018", "22021", "22P02", "22P03", "22P05"})
"""Those of class 22, "data exception", that are no mistake in an expression, such as a division by zero."""
# What PostgreSQL says of rows ("Key (email)=(ada@example.com) already exists."), and MySQL of keys.
_KEY = re.compile(r"=\(.*\) (?=already exists|is not present|is still|conflicts|is duplicated)", re.DOTALL).sub
_ROW = re.compile(r"Failing row contains \(.*\)\.", re.DOTALL).sub
_ENTRY = re.compile(r"(Duplicate entry ').*(' for key )", re.DOTALL).sub
_TABLE = r"`(?:[^`]*`\.`)?(?P<table>[^`]+)`"
_NUMBERS: dict[int, tuple[Kind, str]] = {
    1062: ("unique", r"for key '(?P<constraint>[^']+)'\Z"),
    1586: ("unique", r"for key '(?P<constraint>[^']+)'\Z"),
    1048: ("missing", r"Column '(?P<column>[^']+)'"),
    1364: ("missing", r"Field '(?P<column>[^']+)'"),
    1451: ("reference", rf"\({_TABLE}, CONSTRAINT `(?P<constraint>[^`]+)`"),
    1452: ("reference", rf"\({_TABLE}, CONSTRAINT `(?P<constraint>[^`]+)`"),
    3819: ("check", r"constraint '(?P<constraint>[^']+)'"),
    4025: ("check", r"CONSTRAINT `(?P<constraint>[^`]+)` failed"),
    1406: ("long", r"column '(?P<column>[^']+)'"),
    1264: ("range", r"column '(?P<column>[^']+)'"),
}
_SQLITE: dict[str, Kind] = {"UNIQUE": "unique", "NOT NULL": "missing", "CHECK": "check", "FOREIGN KEY": "reference"}
_MESSAGES: dict[Kind, str] = {
    "unique": "This is already taken.",
    "conflict": "This conflicts with what is there already.",
    "long": "A text is too long.",
    "range": "A number is out of range.",
}
_WRITTEN = re.compile(
    r"\s*(?P<verb>INSERT|REPLACE|UPDATE|DELETE)\b(?:\s+(?:OR\s+\w+|IGNORE|INTO|FROM|ONLY))*\s+(?:[\"`\[]?\w+[\"`\]]?\.)?[\"`\[]?(?P<table>\w+)",
    re.IGNORECASE,
).match
