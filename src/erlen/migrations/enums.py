"""Columns with a fixed set of values, of which some come, go, or have another name now."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from msgspec import Struct

from erlen.migrations.state import Check, Column, Name, State, TableState

__all__ = ["EnumChange", "bare_type", "enum_changes", "enum_columns", "enum_types", "is_array", "literal_sql", "values_of"]


class EnumChange(Struct, kw_only=True):
    """A named type of enumerated values that is there before and after, with others."""

    before: sa.Enum
    after: sa.Enum
    columns: list[tuple[Name, str]]
    """The columns that have it before and after, by their new names."""

    @property
    def name(self) -> Name:
        return self.after.schema, str(self.after.name)


def values_of(column: Column, table: TableState) -> tuple[str, ...]:
    """Return the values that a column may have, where these are texts: of its type, or of its CHECK as Erlen writes it."""
    kind = bare_type(column.item.type)
    if isinstance(kind, sa.Enum):
        return tuple(kind.enums)
    for part in table.parts.values():
        if isinstance(part.item, Check) and (found := _choices(part.item.sql, column.item.name)) is not None:
            return tuple(found)
    return ()


def first_choice(column: Column, table: TableState) -> str | None:
    """Return SQL of the first value that a CHECK lets a column have."""
    for part in table.parts.values():
        if isinstance(part.item, Check) and (found := _listed(part.item.sql, column.item.name)) is not None:
            first = re.match(r"'(?:[^']|'')*'|-?\d+", found)
            return first.group() if first else None
    return None


def enum_changes(before: State, after: State) -> list[EnumChange]:
    """Return the named types whose values differ.

    Args:
        before: with the new names of tables and columns in it.
        after: what is wanted.
    """
    types, columns = enum_types(before), enum_columns(before)
    wanted = enum_columns(after)
    return [
        EnumChange(before=types[name], after=kind, columns=[each for each in wanted[name] if each in columns[name]])
        for name, kind in enum_types(after).items()
        if name in types and types[name].enums != kind.enums
    ]


def enum_types(state: State) -> dict[Name, sa.Enum]:
    """Return the named types of enumerated values that columns have."""
    found: dict[Name, sa.Enum] = {}
    for table in state.tables.values():
        for column in table.columns.values():
            if (kind := enum_of(column)) is not None:
                found.setdefault((kind.schema, str(kind.name)), kind)
    return found


def enum_columns(state: State) -> dict[Name, list[tuple[Name, str]]]:
    """Return the columns that have each named type of enumerated values, or arrays of it."""
    found: dict[Name, list[tuple[Name, str]]] = {}
    for name, table in state.tables.items():
        for place, column in table.columns.items():
            if (kind := enum_of(column)) is not None:
                found.setdefault((kind.schema, str(kind.name)), []).append((name, place))
    return found


def enum_of(column: Column) -> sa.Enum | None:
    """Return the named type of enumerated values that a column has, or that its array is of."""
    kind = bare_type(column.item.type)
    kind = bare_type(kind.item_type) if isinstance(kind, sa.ARRAY) else kind
    return kind if isinstance(kind, sa.Enum) and kind.native_enum and kind.name else None


def is_array(column: Column) -> bool:
    """Whether a column has an array of PostgreSQL."""
    return isinstance(bare_type(column.item.type), sa.ARRAY)


def is_same_enum(first: Any, second: Any) -> bool:
    """Whether two types are one named type of enumerated values, perhaps with other values."""
    both = isinstance(first, sa.Enum) and isinstance(second, sa.Enum) and first.native_enum and second.native_enum
    return both and bool(second.name) and (first.schema, first.name) == (second.schema, second.name)


def is_added_to(before: Sequence[str], after: Sequence[str]) -> bool:
    """Whether values only came."""
    return [value for value in after if value in before] == list(before)


def is_renamed(before: Sequence[str], after: Sequence[str], renames: Mapping[str, str]) -> bool:
    """Whether values only have other names."""
    return [renames.get(value, value) for value in before] == list(after)


def bare_type(kind: Any) -> Any:
    """Return a type without the decorators around it."""
    while isinstance(kind, sa.types.TypeDecorator):
        kind = kind.impl_instance
    return kind


def literal_sql(text: str) -> str:
    """Return a text as SQL."""
    return "'" + text.replace("'", "''") + "'"


def _choices(sql: str, column: str) -> list[str] | None:
    listed = _listed(sql, column)
    if listed is None or not listed.startswith("'"):
        return None
    return [each[1:-1].replace("''", "'") for each in re.findall(r"'(?:[^']|'')*'", listed)]


def _listed(sql: str, column: str) -> str | None:
    found = re.fullmatch(rf"""["`]?{re.escape(column)}["`]? IN \(((?:'(?:[^']|'')*'|-?\d+)(?:, .*)?)\)""", sql, re.DOTALL | re.IGNORECASE)
    return found.group(1) if found else None
