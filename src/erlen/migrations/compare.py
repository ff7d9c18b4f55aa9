"""What the models of a database have that its migrations do not make, and the other way round."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy import Connection, inspect
from sqlalchemy.exc import DBAPIError

from erlen.errors import ErlenError
from erlen.migrations.connection import scratch
from erlen.migrations.declared import Declarations
from erlen.migrations.enums import enum_changes
from erlen.migrations.execution import run_all
from erlen.migrations.schema import schema_of
from erlen.migrations.state import (
    Check,
    Detail,
    Facts,
    Foreign,
    Index,
    Name,
    State,
    TableState,
    Unique,
    creation_order,
    declare,
    full_name,
    read_state,
    schemas_of,
    with_names_of,
)
from erlen.migrations.target import Target

__all__ = ["Change", "Wanted", "changes_of", "compare", "made_state", "owned", "wanted"]


class Change(Struct, frozen=True, kw_only=True):
    """One difference, of the least thing that has it."""

    kind: str
    """`table`, `column`, `key`, `constraint`, `index`, `comment`, `enum`, or `name` of a table or column, `value` of a column."""
    action: str
    """`+` for what the models add, `-` for what they no longer have, `~` for what they have otherwise."""
    table: Name
    name: str = ""
    before: Any = None
    after: Any = None

    @property
    def sentence(self) -> str:
        """What a person is told: `+ column book.author text not null`."""
        full = full_name(self.table)
        if self.kind == "name":
            return f"~ {'column' if self.name else 'table'} {full}{self.name and '.'}{self.name} renamed to {self.after}"
        if self.kind == "value":
            return f"~ rows with {self.before!r} in {full}.{self.name} get {self.after!r}"
        if self.kind == "table":
            columns = f" with {', '.join(self.after.columns)}" if self.action == "+" else ""
            return f"{self.action} table {full}{columns}"
        if self.kind == "column":
            if self.action == "~":
                return f"~ column {full}.{self.name}: {'; '.join(column_differences(self.before.facts, self.after.facts))}"
            shown = self.after if self.action == "+" else self.before
            return f"{self.action} column {full}.{self.name} {column_text(shown.facts)}"
        if self.kind == "key":
            return f"~ primary key of {full}: {_columns(self.before)} → {_columns(self.after)}"
        if self.kind == "comment":
            return f"~ comment of {full}: {self.before or ''!r} → {self.after or ''!r}"
        if self.kind == "enum":
            return f"{self.action} enum {full}: {', '.join(self.after or self.before)}"
        shown = detail_text(self.before if self.action == "-" else self.after)
        if self.action == "~":
            shown = f"{detail_text(self.before)} → {shown}"
        return f"{self.action} {_word(self.after or self.before)} {self.name or ''} on {full} {shown}".replace("  ", " ")


class Wanted(Struct, kw_only=True):
    """The schema that the models make in a new database."""

    state: State
    schema: dict[str, str]
    """All of it, as `schema_of` describes it."""


def changes_of(target: Target) -> list[str]:
    """Return a sentence for each change of the models that no migration makes; of packages too.

    It runs all migrations in a scratch database, so the database itself is not asked.

    Raises:
        HistoryError: if the migrations make no chain.
        ErlenError: if there can be no scratch database, or a migration or a model fails in it.
    """
    with scratch(target) as connection:
        declarations = Declarations(connection.dialect)
        run_all(connection, target.migrations(), prepare=declarations.listen)
        before = made_state(connection, declarations)
        after = wanted(target, connection).state
        return [change.sentence for change in compare(owned(before, after), after)]


def made_state(connection: Connection, declarations: Declarations) -> State:
    """Return the schema that migrations made in a scratch database, as they declared it."""
    state = read_state(connection)
    declarations.declare(state)
    return state


def wanted(target: Target, connection: Connection) -> Wanted:
    """Return the schema that the models make in a new database.

    Args:
        target: whose models.
        connection: to a scratch database in which the migrations were run. On PostgreSQL the models' tables are made there, among the
            extensions and functions that migrations made, and taken back.
    """
    if connection.dialect.name != "postgresql":
        with scratch(target) as other:
            return _make_models(target, other)
    connection.rollback()
    transaction = connection.begin()
    try:
        _empty(connection)
        return _make_models(target, connection)
    finally:
        transaction.rollback()


def owned(before: State, after: State) -> State:
    """Leave out what migrations made by SQL of their own and no model has: nobody said that it should go."""
    tables = {}
    for name, table in with_names_of(before, after).tables.items():
        other = after.tables.get(name)
        columns = {each: column for each, column in table.columns.items() if column.declared or (other and each in other.columns)}
        parts = {key: part for key, part in table.parts.items() if part.declared or (other and key in other.parts)}
        if other is not None or any(column.declared for column in columns.values()):
            tables[name] = replace(table, columns=columns, parts=parts)
    return replace(before, tables=tables)


def _make_models(target: Target, connection: Connection) -> Wanted:
    """Make the models' tables in an empty database, and return its schema."""
    metadata = target.metadata
    if connection.dialect.name == "postgresql":
        there = schemas_of(inspect(connection))
        for schema in sorted({table.schema for table in metadata.tables.values() if table.schema is not None}):
            if schema not in there:
                connection.execute(sa.schema.CreateSchema(schema))
    try:
        metadata.create_all(connection, checkfirst=False)
    except DBAPIError as error:
        raise ErlenError(
            f"the models' tables cannot be made: {str(error.orig).strip()}\n  in  {' '.join(str(error.statement).split())[:300]}\n"
            "  fix correct the model; what it needs of the database, such as an extension, is made by a migration before: "
            "`erlen db make --empty`"
        ) from error
    state = read_state(connection)
    declare(state, creation_order(metadata.tables.values()), connection.dialect)
    return Wanted(state=state, schema=schema_of(connection))


def _empty(connection: Connection) -> None:
    """Drop the tables and enumerated types of a scratch database of PostgreSQL."""
    state = read_state(connection)
    quote = connection.dialect.identifier_preparer.quote
    for schema, name in state.tables:
        connection.exec_driver_sql(f"DROP TABLE {'' if schema is None else quote(schema) + '.'}{quote(name)} CASCADE")
    for schema, name in state.enums:
        connection.exec_driver_sql(f"DROP TYPE {'' if schema is None else quote(schema) + '.'}{quote(name)} CASCADE")


def compare(before: State, after: State) -> list[Change]:
    """Return what changes from one schema to another: tables that come, tables that change, tables that go."""
    changes = [
        Change(kind="enum", action="+" if name not in before.enums else "~", table=name, before=before.enums.get(name), after=values)
        for name, values in after.enums.items()
        if before.enums.get(name) != values
    ]
    if after.dialect == "sqlite":  # has no types of this kind, but other databases that the migration is for do
        changes += [
            Change(kind="enum", action="~", table=each.name, before=tuple(each.before.enums), after=tuple(each.after.enums))
            for each in enum_changes(before, after)
        ]
    changes += [
        Change(kind="table", action="+", table=name, after=table) for name, table in after.tables.items() if name not in before.tables
    ]
    for name, table in after.tables.items():
        if name in before.tables:
            changes += _compare_tables(before.tables[name], table)
    changes += [
        Change(kind="table", action="-", table=name, before=table) for name, table in before.tables.items() if name not in after.tables
    ]
    changes += [
        Change(kind="enum", action="-", table=name, before=values) for name, values in before.enums.items() if name not in after.enums
    ]
    return changes


def _compare_tables(before: TableState, after: TableState) -> list[Change]:
    table = after.name
    changes = []
    for name, column in after.columns.items():
        old = before.columns.get(name)
        if old is None:
            changes.append(Change(kind="column", action="+", table=table, name=name, after=column))
        elif old.facts != column.facts:
            changes.append(Change(kind="column", action="~", table=table, name=name, before=old, after=column))
    for name, column in before.columns.items():
        if name not in after.columns:
            changes.append(Change(kind="column", action="-", table=table, name=name, before=column))
    if _columns(before.key) != _columns(after.key):
        changes.append(Change(kind="key", action="~", table=table, before=before.key, after=after.key))
    for key, part in after.parts.items():
        found = before.parts.get(key)
        kind = "index" if isinstance(part.facts, Index) else "constraint"
        if found is None:
            changes.append(Change(kind=kind, action="+", table=table, name=part.facts.name or "", after=part))
        elif found.facts != part.facts:
            changes.append(Change(kind=kind, action="~", table=table, name=part.facts.name or "", before=found, after=part))
    for key, part in before.parts.items():
        if key not in after.parts:
            kind = "index" if isinstance(part.facts, Index) else "constraint"
            changes.append(Change(kind=kind, action="-", table=table, name=part.facts.name or "", before=part))
    if before.comment != after.comment:
        changes.append(Change(kind="comment", action="~", table=table, before=before.comment, after=after.comment))
    return changes


# -- in words ---------------------------------------------------------------------------------------------------------------


def column_text(facts: Facts) -> str:
    """Return what a column is, in lower case: `varchar(50) not null default 0`."""
    parts = [facts.type.lower(), "null" if facts.nullable else "not null"]
    if facts.default is not None:
        parts.append(f"default {facts.default}")
    if facts.computed is not None:
        parts.append(f"computed as ({facts.computed}){' stored' if facts.stored else ''}")
    if facts.identity is not None:
        parts.append("identity")
    if facts.comment:
        parts.append(f"comment {facts.comment!r}")
    return " ".join(parts)


def column_differences(before: Facts, after: Facts) -> list[str]:
    """Return what of a column differs, each as `varchar(50) → varchar(100)`."""
    found = []
    if before.type != after.type:
        found.append(f"{before.type.lower()} → {after.type.lower()}")
    if before.nullable != after.nullable:
        found.append("not null → null" if after.nullable else "null → not null")
    names: Mapping[str, str] = {"default": "default", "computed": "computed as", "identity": "identity", "comment": "comment"}
    for field, word in names.items():
        old, new = getattr(before, field), getattr(after, field)
        if old != new:
            found.append(f"{word} {'none' if old is None else old} → {'none' if new is None else new}")
    if before.counted != after.counted:
        found.append("counted by the database" if after.counted else "no longer counted by the database")
    if before.stored != after.stored and before.computed is not None and after.computed is not None:
        found.append("stored" if after.stored else "no longer stored")
    return found


def detail_text(part: Any) -> str:
    """Return what a constraint or index says."""
    detail: Detail = part.item
    if isinstance(detail, Unique):
        return _list(detail.columns)
    if isinstance(detail, Foreign):
        actions = "".join(f" {name} {value}" for name, value in detail.options if isinstance(value, str))
        return f"{_list(detail.columns)} → {full_name(detail.table)} {_list(detail.target)}{actions}"
    if isinstance(detail, Check):
        return f"({detail.sql})"
    where = next((f" where {value}" for name, value in detail.options if name.endswith("_where")), "")
    return f"{_list(detail.parts)}{where}" if detail.parts else detail.sql


def _word(part: Any) -> str:
    if isinstance(part.item, Index):
        return "unique index" if part.item.unique else "index"
    return str(part.kind)


def _columns(key: Any) -> str:
    return _list(key.columns) if key is not None else "none"


def _list(names: Any) -> str:
    return f"({', '.join(names)})"
