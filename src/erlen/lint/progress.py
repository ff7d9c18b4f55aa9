"""`Progress`: what rules know when they judge a change: the schema before it, what is new, what its transaction holds."""

from __future__ import annotations

import re
from collections.abc import Iterable

from msgspec import Struct, field
from sqlalchemy import MetaData

from erlen.lint.change import Change
from erlen.lint.tables import Tables
from erlen.migrations.statements import Statement

__all__ = ["Progress", "copy_of", "takes_all"]


class Progress(Struct):
    """How far a migration has come."""

    dialect: str
    tables: Tables
    metadata: MetaData
    """The tables of today's models."""
    new_tables: set[str] = field(default_factory=set)
    new_columns: set[tuple[str, str]] = field(default_factory=set)
    updates: dict[str, list[str]] = field(default_factory=dict)
    """The statements that changed rows, by table."""
    in_transaction: bool = False
    exclusive: dict[str, int] = field(default_factory=dict)
    """The tables, in use before, that the transaction has locked for itself, and the line where it did."""
    written: dict[str, int] = field(default_factory=dict)
    """Likewise those whose rows it has changed."""
    values: dict[str, str] = field(default_factory=dict)
    """The values that the transaction has added to enums."""
    views: set[str] = field(default_factory=set)
    """The views that the transaction makes, also later on."""
    successors: set[tuple[str, str]] = field(default_factory=set)
    """The columns whose place the transaction gives to their copies, also later on."""
    dropped: set[tuple[str, str]] = field(default_factory=set)
    """The columns that the transaction has dropped."""
    unchecked: set[str] = field(default_factory=set)
    """The constraints that the transaction has added as NOT VALID."""

    def is_live(self, table: str) -> bool:
        """Whether a table was there before this migration, so that others use it and it may have many rows."""
        return table not in self.new_tables

    def is_succeeded(self, change: Change) -> bool:
        """Whether the transaction puts another thing in the place of what a change takes away: a column, or a view of a renamed table."""
        match change.kind if self.in_transaction else "":
            case "drop column":
                return (change.table, change.name) in self.successors
            case "rename column":
                return (change.table, change.to) in self.dropped & self.successors
            case "rename table":
                return change.table in self.views
            case _:
                return False

    def begin(self, statement: Statement, following: Iterable[Change]) -> None:
        """Come to a statement. One outside of the transaction ends that; where one begins, what follows in it is looked at."""
        if not statement.in_transaction or not self.in_transaction:
            for held in (self.exclusive, self.written, self.values, self.views, self.successors, self.dropped, self.unchecked):
                held.clear()
            for change in following:
                if change.kind == "create view":
                    self.views.add(change.name)
                elif change.kind == "rename column" and change.name == copy_of(change.to):
                    self.successors.add((change.table, change.to))
        self.in_transaction = statement.in_transaction

    def apply(self, change: Change) -> None:
        """Go past a change."""
        if change.kind == "create table" and not self.tables.tables.get(change.table):
            self.new_tables.add(change.table)
        elif change.kind == "rename table" and change.table in self.new_tables:
            self.new_tables.add(change.to)
        elif change.kind == "add column":
            self.new_columns.add((change.table, change.name))
        elif change.kind == "drop table":
            self.new_tables.discard(change.table)
        self.tables.apply(change)

    def is_filled(self, table: str, column: str) -> bool:
        """Whether this migration has changed rows of a table with a statement that names a column."""
        return any(re.search(rf"\b{re.escape(column)}\b", sql) is not None for sql in self.updates.get(table, ()))

    def hold(self, changes: Iterable[Change], statement: Statement) -> None:
        """Remember what a statement leaves locked until the end of its transaction."""
        line = statement.line
        for change in changes:
            if change.kind == "update":
                self.updates.setdefault(change.table, []).append(statement.sql)
            if change.table and self.is_live(change.table):
                if change.kind in _ROWS:
                    self.written.setdefault(change.table, line)
                elif takes_all(change):
                    self.exclusive.setdefault(change.table, line)
            if change.kind == "drop column":
                self.dropped.add((change.table, change.name))
            if change.kind == "add value":
                self.values[change.to] = change.name
            if change.constraint is not None and not change.constraint.is_valid:
                self.unchecked.add(change.constraint.name)


def copy_of(name: str) -> str:
    """Return what a thing is called that is to take the place of one: running code does not know it."""
    return f"{name}_new"


def takes_all(change: Change) -> bool:
    """Whether a change of a table takes PostgreSQL's ACCESS EXCLUSIVE lock of it, for however short a time."""
    if change.kind == "add constraint" and change.constraint is not None:
        return change.constraint.kind != "foreign key"
    return change.kind not in (
        *_ROWS,
        "create index",
        "create table",
        "validate",
        "insert",
        "lock",
        "refresh",
        "reindex",
        "unknown",
    ) and not (change.kind == "drop index" and "concurrently" in change.options)


_ROWS = ("update", "delete")
