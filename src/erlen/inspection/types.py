"""What annotation and column type a column of a database becomes: no type where the annotation says the same."""

from __future__ import annotations

import datetime
import re
import uuid
from collections.abc import Iterator, Mapping
from copy import copy
from decimal import Decimal
from typing import Any

import sqlalchemy
from msgspec import Struct
from sqlalchemy import JSON, Boolean, Date, Double, Enum, Float, Integer, Interval, Numeric, String, Uuid
from sqlalchemy.dialects import mysql, postgresql
from sqlalchemy.exc import CompileError
from sqlalchemy.types import DOUBLE, NullType, TypeEngine

from erlen.db.columns import Duration, JsonValue, LongBytes, LongText, Moment, TimeOfDay
from erlen.inspection.layout import Call, Expression, Imports, quoted
from erlen.inspection.naming import class_name, free_name, singular_of, snake_name
from erlen.inspection.reading import Found, Table

__all__ = ["TypeWriter", "Typed"]


class Typed(Struct, frozen=True):
    """What a column's type becomes in Python."""

    annotation: str
    """Without `| None`."""
    type: Expression | None = None
    """None where the annotation says it."""


class TypeWriter:
    """Writes types, and keeps the definitions that they need.

    Attributes:
        literals: the sets of values, by name.
        unknown: the classes of types that SQLAlchemy does not know, by what the database calls them.
    """

    def __init__(self, found: Found, imports: Imports, taken: set[str]) -> None:
        self._dialect = found.dialect
        self._collation = found.collation
        self._imports = imports
        self._taken = taken
        self.literals: dict[str, tuple[str | int, ...]] = {}
        self.unknown: dict[str, str] = {}

    def column(self, table: Table, column: Mapping[str, Any]) -> Typed:
        """Return what a column's type becomes."""
        if isinstance(column["type"], NullType):
            return Typed(self._imports.use("Any", "typing"), self._unknown(column.get("unknown", "")))
        return self._typed(self._plain(column["type"]), _literal_name(table, column["name"]))

    def choice(self, table: Table, name: str, values: tuple[str | int, ...]) -> Typed:
        """Return the type of a column that a CHECK holds to some values, as Erlen's own `Literal` columns are."""
        return Typed(self._literal(_literal_name(table, name), values))

    def explicit(self, table: Table, column: Mapping[str, Any]) -> Expression:
        """Return a column's type in full, for a column without annotation."""
        if isinstance(column["type"], NullType):
            return self._unknown(column.get("unknown", ""))
        if column.get("json"):
            return self._imports.use("JSON")
        return self._in_full(self._plain(column["type"]), _literal_name(table, column["name"]))

    def is_same(self, type_: TypeEngine[Any], other: TypeEngine[Any]) -> bool:
        """Whether two types make the same column."""
        return self._same(self._plain(type_), other)

    def _typed(self, type_: TypeEngine[Any], name: str) -> Typed:
        if isinstance(type_, Enum | mysql.ENUM):
            return Typed(self._literal(type_.name or name, tuple(map(str, type_.enums))), self._enum(type_, name))
        if isinstance(type_, postgresql.DOMAIN):
            return Typed(self._typed(self._plain(type_.data_type), name).annotation, self._domain(type_, name))
        if isinstance(type_, postgresql.ARRAY):
            return Typed(f"list[{self._typed(self._plain(type_.item_type), name).annotation}]", self._array(type_, name))
        if isinstance(type_, Numeric) and not isinstance(type_, Float):
            return self._number(type_)
        for kinds, default, module, annotation in _DEFAULTS:
            if isinstance(type_, kinds) and self._same(type_, default):
                return Typed(self._imports.use(annotation, module) if module else annotation)
        return Typed(self._annotation(type_), self._written(type_))

    def _plain(self, type_: TypeEngine[Any]) -> TypeEngine[Any]:
        """Return a type without what a database shows and nobody said: how wide numbers are shown, the ordinary collation."""
        if self._dialect.name not in ("mysql", "mariadb"):
            if isinstance(type_, String) and type_.collation == "default":  # as PostgreSQL says of domains
                return String(type_.length)
            return type_
        if isinstance(type_, mysql.TINYINT) and type_.display_width == 1:
            return Boolean()
        type_ = copy(type_)
        if isinstance(type_, Integer) and not getattr(type_, "zerofill", False):
            type_.display_width = None  # type: ignore[attr-defined]
        if isinstance(type_, String) and type_.collation is not None:
            if type_.collation.startswith(f"{getattr(type_, 'charset', '')}_"):
                setattr(type_, "charset", None)  # noqa: B010 - only MySQL's types have it; the collation says it
            if type_.collation == self._collation:
                type_.collation = None
        return type_

    def _number(self, type_: Numeric[Any]) -> Typed:
        total, places = type_.precision, type_.scale
        same = total is not None and places is not None and self._compiled(type_).replace("DECIMAL", "NUMERIC")
        if same and 0 <= places <= total <= 60 and same == self._compiled(Numeric(total, places)):  # type: ignore[operator]
            number = self._imports.use("Decimal", "decimal")
            digits = self._imports.use("Digits", "erlen.db")
            return Typed(f"{self._imports.use('Annotated', 'typing')}[{number}, {digits}({total}, {places})]")
        if self._dialect.name == "sqlite":  # it has no exact numbers; `Digits` would say which of them are
            type_ = copy(type_)
            type_.asdecimal = False
        return Typed(self._annotation(type_), self._written(type_))

    def _in_full(self, type_: TypeEngine[Any], name: str) -> Expression:
        if isinstance(type_, Enum | mysql.ENUM):
            return self._enum(type_, name)
        if isinstance(type_, postgresql.DOMAIN):
            return self._domain(type_, name)
        return self._array(type_, name) if isinstance(type_, postgresql.ARRAY) else self._written(type_)

    def _enum(self, type_: Enum | mysql.ENUM, name: str) -> Expression:
        literal = self._literal(type_.name or name, tuple(map(str, type_.enums)))
        parts = [f"*{self._imports.use('get_args', 'typing')}({literal})"]
        parts += [f"{option}={quoted(value)}" for option in ("name", "schema") if (value := getattr(type_, option, None))]
        return Call(self._imports.use("Enum"), parts)

    def _array(self, type_: postgresql.ARRAY[Any], name: str) -> Expression:
        dimensions = [f"dimensions={type_.dimensions}"] if (type_.dimensions or 1) > 1 else []
        item = self._in_full(self._plain(type_.item_type), name)
        return Call(f"{self._imports.use('postgresql', _DIALECTS)}.ARRAY", [item, *dimensions])

    def _literal(self, name: str, values: tuple[str | int, ...]) -> str:
        wanted = class_name(name)
        for known, same in self.literals.items():
            if same == values and re.fullmatch(rf"{wanted}(_\d+)?", known):
                return known
        made = free_name([wanted], self._taken)
        self._taken.add(made)
        self.literals[made] = values
        self._imports.use("Literal", "typing")
        return made

    def _domain(self, type_: postgresql.DOMAIN, name: str) -> Expression:
        parts = [quoted(str(type_.name)), self._in_full(self._plain(type_.data_type), name)]
        for option in ("schema", "collation", "constraint_name", "check", "default"):
            value = getattr(type_, option, None)
            if value is not None and str(value) not in ("", "default"):
                parts.append(f"{option}={quoted(str(value))}")
        if type_.not_null:
            parts.append("not_null=True")
        return Call(f"{self._imports.use('postgresql', _DIALECTS)}.DOMAIN", parts)

    def _unknown(self, said: str) -> str:
        """Return the name of the class for a type that SQLAlchemy does not know."""
        if said not in self.unknown:
            name = "".join(word.capitalize() for word in snake_name(said.partition("(")[0] or "unknown").split("_"))
            self.unknown[said] = free_name([name, f"{name}Type"], self._taken)
            self._taken.add(self.unknown[said])
            self._imports.use("Any", "typing")
            self._imports.use("UserDefinedType", "sqlalchemy.types")
        return self.unknown[said]

    def _annotation(self, type_: TypeEngine[Any]) -> str:
        for kind, annotation in _ANNOTATIONS:
            if isinstance(type_, kind):
                return annotation
        try:
            found = type_.python_type
        except NotImplementedError:
            found = object
        if found in (bool, int, float, str, bytes):
            return found.__name__
        return self._imports.use(found.__name__, found.__module__) if found in _CLASSES else self._imports.use("Any", "typing")

    def _written(self, type_: TypeEngine[Any]) -> Expression:
        """Return the source of a type: SQLAlchemy's for every database, where that makes the same column."""
        type_ = next((each for each in self._general(type_) if self._same(type_, each)), type_)
        cls = type(type_)
        if cls.__module__.startswith(f"{_DIALECTS}."):
            head = f"{self._imports.use(cls.__module__.split('.')[2], _DIALECTS)}.{cls.__name__}"
        else:
            head = self._imports.use(cls.__name__)
        if isinstance(type_, JSON | postgresql.HSTORE):
            return head
        _, _, said = repr(type_).partition("(")
        arguments = re.sub(r"'([^'\"\\]*)'", r'"\1"', said[:-1].removeprefix("length="))
        apart = [arguments] if '"' in arguments or "'" in arguments else arguments.split(", ")  # a comma may be within quotes
        return Call(head, apart) if arguments else head

    def _general(self, type_: TypeEngine[Any]) -> Iterator[TypeEngine[Any]]:
        """Yield SQLAlchemy's types for every database that may say the same."""
        try:
            yield type_.as_generic()
        except NotImplementedError:
            pass
        named = getattr(sqlalchemy, type(type_).__name__, None)
        if named is not None:
            yield type_.adapt(named)

    def _same(self, type_: TypeEngine[Any], other: TypeEngine[Any]) -> bool:
        return self._compiled(type_) == self._compiled(other) != ""

    def _compiled(self, type_: TypeEngine[Any]) -> str:
        try:
            return type_.compile(dialect=self._dialect)
        except CompileError:  # VARCHAR without a length, on MySQL
            return ""


def _literal_name(table: Table, column: str) -> str:
    return f"{singular_of(snake_name(table.name))}_{snake_name(column)}"


_DIALECTS = "sqlalchemy.dialects"
_CLASSES = (Decimal, datetime.date, datetime.datetime, datetime.time, datetime.timedelta, uuid.UUID)
# What SQLAlchemy does not say of its types, or otherwise.
_ANNOTATIONS: tuple[tuple[Any, str], ...] = (
    (postgresql.HSTORE, "dict[str, str | None]"),
    (mysql.SET, "set[str]"),
    ((postgresql.TSVECTOR, postgresql.MONEY), "str"),
)
# Kinds of types, what their annotation becomes by itself, and the module and name of the annotation.
_DEFAULTS: tuple[tuple[Any, TypeEngine[Any], str, str], ...] = (
    (Boolean, Boolean(), "", "bool"),
    (Integer, Integer(), "", "int"),
    ((Float, DOUBLE), Double(), "", "float"),
    (String, LongText(), "", "str"),
    (TypeEngine, LongBytes(), "", "bytes"),
    (Date, Date(), "datetime", "date"),
    (Uuid, Uuid(), "uuid", "UUID"),
    ((Interval, postgresql.INTERVAL), Duration(), "datetime", "timedelta"),
    (JSON, JsonValue(Any), "typing", "Any"),
    (TypeEngine, Moment(), "datetime", "datetime"),
    (TypeEngine, TimeOfDay(), "datetime", "time"),
)
