"""What cannot be seen from two schemas: what has another name now, and which values rows get."""

from __future__ import annotations

from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from erlen.migrations.state import Foreign, Index, Name, Part, State, Unique, part_key

__all__ = ["Answers", "renamed"]


class Answers(Struct, kw_only=True):
    """What cannot be seen from two schemas."""

    tables: dict[Name, Name] = field(default_factory=dict)
    """Tables that have another name now: the old one, and the new one."""
    columns: dict[tuple[Name, str], str] = field(default_factory=dict)
    """Columns that have another name now: by the table's new name and the old one."""
    fills: dict[tuple[Name, str], str | None] = field(default_factory=dict)
    """SQL of what rows get in a column that must have a value; None where there are no such rows."""

    values: dict[tuple[Name, str], dict[str, str]] = field(default_factory=dict)
    """Values of a column that have another name now, by the column's new name: the old one, and the new one."""
    replaced: dict[tuple[Name, str], dict[str, str]] = field(default_factory=dict)
    """Values that are gone, and what rows get that have them."""

    def reversed(self) -> Answers:
        """Return what holds for the way back."""
        old_columns = {(table, new): old for (table, old), new in self.columns.items()}
        return Answers(
            tables={new: old for old, new in self.tables.items()},
            columns={(self._old(table), new): old for (table, old), new in self.columns.items()},
            values={
                (self._old(table), old_columns.get((table, column), column)): {new: old for old, new in values.items()}
                for (table, column), values in self.values.items()
            },
        )

    def _old(self, table: Name) -> Name:
        return next((old for old, new in self.tables.items() if new == table), table)


def renamed(state: State, answers: Answers) -> State:
    """Return a schema with the new names of tables and columns in it; what is told by SQL keeps the old ones."""

    def table_of(name: Name) -> Name:
        return answers.tables.get(name, name)

    def column_of(table: Name, name: str) -> str:
        return answers.columns.get((table, name), name)

    def detail(table: Name, found: Any) -> Any:
        if isinstance(found, Foreign):
            target = table_of(found.table)
            return replace(
                found,
                columns=tuple(column_of(table, each) for each in found.columns),
                table=target,
                target=tuple(column_of(target, each) for each in found.target),
            )
        if isinstance(found, Unique):
            return replace(found, columns=tuple(column_of(table, each) for each in found.columns))
        if isinstance(found, Index):
            return replace(found, parts=tuple(column_of(table, each) if type(each) is str else each for each in found.parts))
        return found

    tables = {}
    for old, found in state.tables.items():
        name = table_of(old)
        parts = [
            Part(facts=detail(name, each.facts), item=detail(name, each.item), declared=each.declared) for each in found.parts.values()
        ]
        tables[name] = replace(
            found,
            name=name,
            columns={column_of(name, each): column for each, column in found.columns.items()},
            key=replace(found.key, columns=tuple(column_of(name, each) for each in found.key.columns)) if found.key is not None else None,
            parts={part_key(each.facts): each for each in parts},
        )
    return replace(state, tables=tables)
