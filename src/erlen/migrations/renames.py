"""Which of what is gone and what is new may be the same under another name."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import Any

from msgspec import Struct

from erlen.migrations.compare import Change
from erlen.migrations.state import Column, Name, TableState, full_name

__all__ = ["Pair", "pairs_of_columns", "pairs_of_tables"]


class Pair(Struct, frozen=True, kw_only=True):
    """Something that is gone, and something new that may be the same."""

    table: Name
    """The table that is gone, or the table of the column."""
    old: str
    new: Any
    """The new column, or the new table's `Name`."""
    likeness: float

    @property
    def is_column(self) -> bool:
        return isinstance(self.new, str)

    @property
    def sentence(self) -> str:
        """What is asked."""
        if self.is_column:
            full = full_name(self.table)
            return f"{full}.{self.old} is gone and {full}.{self.new} is new"
        return f"the table {full_name(self.table)} is gone and {full_name(self.new)} is new"

    @property
    def option(self) -> str:
        """What answers it with yes: the value of `--rename`."""
        return f"{full_name(self.table)}.{self.old}={self.new}" if self.is_column else f"{full_name(self.table)}={full_name(self.new)}"

    @property
    def new_option(self) -> str:
        """What answers it with no: the value of `--new`."""
        return f"{full_name(self.table)}.{self.new}" if self.is_column else full_name(self.new)


def pairs_of_tables(changes: Sequence[Change]) -> list[Pair]:
    """Return tables that are gone with new ones that are like them, the most alike first."""
    gone = [change for change in changes if change.kind == "table" and change.action == "-"]
    new = [change for change in changes if change.kind == "table" and change.action == "+"]
    pairs = [
        Pair(table=old.table, old=old.table[1], new=now.table, likeness=likeness)
        for old in gone
        for now in new
        if old.table[0] == now.table[0] and (likeness := _tables_alike(old.before, now.after)) >= 0.5
    ]
    return sorted(pairs, key=lambda pair: -pair.likeness)


def pairs_of_columns(changes: Sequence[Change]) -> list[Pair]:
    """Return columns that are gone with new ones of the same table and kind, the most alike first."""
    gone = [change for change in changes if change.kind == "column" and change.action == "-"]
    new = [change for change in changes if change.kind == "column" and change.action == "+"]
    pairs = [
        Pair(table=old.table, old=old.name, new=now.name, likeness=_columns_alike(old.name, old.before, now.name, now.after))
        for old in gone
        for now in new
        if old.table == now.table and _kind_of(old.before) == _kind_of(now.after)
    ]
    return sorted(pairs, key=lambda pair: -pair.likeness)


def _tables_alike(old: TableState, new: TableState) -> float:
    """Return how many of the columns of two tables have the same name and type, from 0 to 1."""
    first = {(name, column.facts.type) for name, column in old.columns.items()}
    second = {(name, column.facts.type) for name, column in new.columns.items()}
    return 2 * len(first & second) / (len(first) + len(second)) if first or second else 0.0


def _columns_alike(old_name: str, old: Column, new_name: str, new: Column) -> float:
    fields = ("type", "nullable", "default", "comment", "computed")
    same = [getattr(old.facts, each) == getattr(new.facts, each) for each in fields]
    return len(list(filter(None, same))) + SequenceMatcher(None, old_name, new_name).ratio()


def _kind_of(column: Column) -> str:
    """Return a column's type without its size, and whether it is computed."""
    return f"{column.facts.type.partition('(')[0]} {column.facts.computed is not None}"
