"""What migrations say of tables while they run, which a database remembers only in its own words."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from alembic.operations import BatchOperations, Operations, ops
from msgspec.structs import replace
from sqlalchemy import Dialect

from erlen.migrations.state import Column, Detail, Name, State, details_of, index_detail, key_in, part_key

__all__ = ["Declarations"]


class Declarations:
    """Listens to Alembic's operations, and keeps the columns, constraints and indexes that they make.

    What SQL of a migration's own makes is not seen. Such things belong to whoever wrote them: they are never dropped.
    """

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._columns: dict[Name, dict[str, sa.Column[Any]]] = {}
        self._details: dict[Name, dict[tuple[str, str], Detail]] = {}

    def listen(self, operations: Operations) -> None:
        """Listen to the operations of one migration: for `prepare` of `execution.run`."""
        invoke, batch = operations.invoke, operations.batch_alter_table

        def invoked(operation: Any) -> Any:
            result = invoke(operation)
            self._note(operation, None, result)
            return result

        @contextmanager
        def batch_alter_table(table_name: str, schema: str | None = None, **options: Any) -> Generator[BatchOperations, None, None]:
            with batch(table_name, schema, **options) as within:
                apply = within.invoke

                def invoked(operation: Any) -> Any:
                    self._note(operation, (schema, table_name))
                    return apply(operation)

                within.invoke = invoked  # type: ignore[method-assign]
                yield within

        operations.invoke = invoked  # type: ignore[method-assign]
        operations.batch_alter_table = batch_alter_table  # type: ignore[assignment, method-assign]

    def declare(self, state: State) -> None:
        """Let a schema that was read be written as migrations said it."""
        for name, table in state.tables.items():
            for column, found in table.columns.items():
                if (item := self._columns.get(name, {}).get(column)) is not None:
                    table.columns[column] = Column(facts=found.facts, item=_with_values(item, state), declared=True)
            left = dict(self._details.get(name, {}))
            for own, detail in list(left.items()):
                if (key := key_in(table.parts, detail)) is not None:
                    table.parts[key] = replace(table.parts[key], item=detail, declared=True)
                    del left[own]
            for key, part in table.parts.items():
                if part.declared:
                    continue
                for other, detail in left.items():
                    if detail.name is None and type(detail) is type(part.facts):
                        del left[other]
                        table.parts[key] = replace(part, item=replace(detail, name=part.facts.name), declared=True)
                        break

    def owns(self, name: Name) -> bool:
        """Whether a migration's operations made a table."""
        return name in self._columns

    # -- what operations do -------------------------------------------------------------------------------------------------

    def _note(self, operation: Any, batch: Name | None, result: Any = None) -> None:
        name = batch or (getattr(operation, "schema", None), str(getattr(operation, "table_name", "") or ""))
        columns, details = self._columns.get(name), self._details.setdefault(name, {})
        match operation:
            case ops.CreateTableOp():
                self._add_table(result if isinstance(result, sa.Table) else operation.to_table(None))
            case ops.DropTableOp():
                self._columns.pop(name, None)
                self._details.pop(name, None)
            case ops.RenameTableOp():
                self._rename_table(name, (operation.schema, operation.new_table_name))
            case ops.AddColumnOp():
                copy: Any = operation.column._copy()
                table = sa.Table(name[1], sa.MetaData(), copy, schema=name[0])
                self._columns.setdefault(name, {})[copy.name] = copy
                details.update((part_key(each), each) for each in details_of(_with_targets(table), self._dialect))
            case ops.DropColumnOp() if columns is not None:
                columns.pop(operation.column_name, None)
            case ops.AlterColumnOp() if columns is not None and operation.column_name in columns:
                item = _altered(columns.pop(operation.column_name), operation)
                columns[item.name] = item
            case ops.CreateIndexOp():
                index = index_detail(operation.to_index(), self._dialect)
                details[part_key(index)] = index
            case ops.DropIndexOp():
                details.pop(("index", str(operation.index_name)), None)
                details.pop(("unique", str(operation.index_name)), None)
            case ops.AddConstraintOp():
                constraint: Any = operation.to_constraint()
                if not isinstance(constraint, sa.PrimaryKeyConstraint):
                    details.update((part_key(each), each) for each in details_of(constraint.table, self._dialect))
            case ops.DropConstraintOp():
                for kind in ("unique", "foreign key", "check"):
                    details.pop((kind, str(operation.constraint_name)), None)
            case _:
                pass

    def _add_table(self, table: sa.Table) -> None:
        name = (table.schema, table.name)
        self._columns[name] = {column.name: column for column in table.columns}
        self._details[name] = {part_key(each): each for each in details_of(table, self._dialect)}

    def _rename_table(self, old: Name, new: Name) -> None:
        if old in self._columns:
            self._columns[new] = self._columns.pop(old)
            self._details[new] = self._details.pop(old, {})


def _with_values(item: sa.Column[Any], state: State) -> sa.Column[Any]:
    """Let a column of PostgreSQL's enumerated type have the values that the type has now: `ALTER TYPE` is SQL of migrations."""
    kind = item.type
    if not isinstance(kind, sa.Enum) or not kind.native_enum or kind.name is None:
        return item
    values = state.enums.get((kind.schema, str(kind.name)))
    if values is None or [*values] == kind.enums:
        return item
    made: sa.Column[Any] = item._copy()
    made.type = sa.Enum(*values, name=kind.name, schema=kind.schema)
    return made


def _altered(item: sa.Column[Any], operation: ops.AlterColumnOp) -> sa.Column[Any]:
    default: Any = item.server_default if operation.modify_server_default is False else operation.modify_server_default
    if isinstance(default, sa.DefaultClause):
        default = default.arg
    comment: Any = item.comment if operation.modify_comment is False else operation.modify_comment
    extra = []
    if isinstance(default, sa.Computed | sa.Identity):
        extra, default = [default._copy()], None
    return sa.Column(
        operation.modify_name or item.name,
        operation.modify_type if operation.modify_type is not None else item.type,
        *extra,
        nullable=item.nullable if operation.modify_nullable is None else operation.modify_nullable,
        server_default=default,
        comment=comment,
    )


def _with_targets(table: sa.Table) -> sa.Table:
    """Make the tables that a table's foreign keys refer to known to its metadata."""
    for foreign in table.foreign_keys:
        place, _, column = foreign.target_fullname.rpartition(".")
        schema, _, target = place.rpartition(".")
        there = table.metadata.tables.get(place)
        if there is None:
            sa.Table(target, table.metadata, sa.Column(column), schema=schema or None)
        elif column not in there.columns:
            there.append_column(sa.Column(column))
    return table
