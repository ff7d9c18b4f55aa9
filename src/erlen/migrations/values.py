"""Values that rows get in columns that must have one, and types that become others."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy import Dialect
from sqlalchemy.dialects import postgresql

from erlen.migrations.enums import bare_type, first_choice, is_same_enum, literal_sql
from erlen.migrations.state import Column, TableState

__all__ = ["is_retyped", "neutral_value", "python_type", "using"]


def neutral_value(column: Column, table: TableState) -> str:
    """Return SQL of a value that says as little as can be, for rows that must have one: the first of a choice, 0, an empty text."""
    kind = bare_type(column.item.type)
    if isinstance(kind, sa.Enum):
        return literal_sql(kind.enums[0])
    if isinstance(kind, sa.JSON):
        return "'{}'"
    if (first := first_choice(column, table)) is not None:
        return first
    python = python_type(kind)
    if column.facts.type.startswith("INTERVAL"):
        return "'0'"
    if python is bool:
        return "false"
    if python in (int, float) or python.__name__ == "Decimal":
        return "0"
    fixed = {
        "datetime": "'1970-01-01 00:00:00'",
        "date": "'1970-01-01'",
        "time": "'00:00:00'",
        "UUID": "'00000000-0000-0000-0000-000000000000'",
    }
    return fixed.get(python.__name__, "''")


def python_type(kind: Any) -> type:
    """Return the Python type of a column type's values; `str` where it has none."""
    try:
        found: type = bare_type(kind).python_type
    except NotImplementedError:
        found = str
    return found


def is_retyped(old: Column, new: Column) -> bool:
    """Whether a column has another type; a named type with other values is the same."""
    return not is_same_enum(bare_type(old.item.type), bare_type(new.item.type)) and old.facts.type != new.facts.type


def using(column: str, old: Column, new: Column, dialect: Dialect) -> str | None:
    """Return SQL by which PostgreSQL converts a column that gets another type; None where it knows by itself.

    Args:
        column: its name, quoted.
        old: the column before.
        new: the column after.
        dialect: of the database that the migration is written for.
    """
    first, second = _family(old), _family(new)
    if first == second != "":
        return None
    cast = new.item.type.compile(dialect=dialect if dialect.name == "postgresql" else _POSTGRESQL)
    return f"{column}{'::text' if isinstance(bare_type(old.item.type), sa.Enum) else ''}::{cast}"


def _family(column: Column) -> str:
    kind = bare_type(column.item.type)
    if isinstance(kind, sa.Enum):
        return ""
    return next((word for cls, word in _FAMILIES if isinstance(kind, cls)), "")


_POSTGRESQL: Dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
_FAMILIES = (
    (sa.types.String, "text"),
    (sa.types.Integer, "number"),
    (sa.types.Numeric, "number"),
    (sa.types.DateTime, "moment"),
    (sa.types.Date, "date"),
)
