"""SQLite: tables altered by a new one that takes their place, with all that belongs to them; and rows that refer to none."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from alembic.operations import BatchOperations, Operations
from alembic.operations.batch import BatchOperationsImpl
from msgspec import Struct
from sqlalchemy import Column, Computed, Connection, Integer, MetaData, PrimaryKeyConstraint, Table, text

from erlen.errors import ErlenError
from erlen.migrations.sqlite_table import (
    Clause,
    ColumnText,
    ConstraintText,
    mentions,
    parse_column,
    parse_table,
)

__all__ = ["ForeignKeyFault", "foreign_key_faults", "rebuilding"]


class ForeignKeyFault(Struct, frozen=True):
    """A row whose foreign key refers to a row that is not there."""

    table: str
    row: int | None
    parent: str

    def __str__(self) -> str:
        row = f"row {self.row}" if self.row is not None else "a row"
        return f"{row} of {self.table} refers to a row of {self.parent} that is not there"


def foreign_key_faults(connection: Connection) -> list[ForeignKeyFault]:
    """Return the rows whose foreign keys refer to rows that are not there."""
    return [ForeignKeyFault(row[0], row[1], row[2]) for row in connection.exec_driver_sql("PRAGMA foreign_key_check")]


def rebuilding(operations: Operations) -> None:
    """Let `batch_alter_table` rebuild a table from its own text, instead of what can be read of it, as Alembic does.

    Operations have the meaning that they have elsewhere: each sees what those before it did, and a column that is dropped takes the
    indexes and constraints along that speak of it.
    """
    alembic = operations.batch_alter_table

    @contextmanager
    def batch_alter_table(
        table_name: str, schema: str | None = None, recreate: Any = "auto", **options: Any
    ) -> Generator[BatchOperations, None, None]:
        if schema is not None or recreate == "never" or any(options.values()):  # somebody knows what they want of Alembic
            with alembic(table_name, schema, recreate, **options) as batch:
                yield batch
            return
        rebuild = Rebuild(operations, table_name)
        yield BatchOperations(operations.migration_context, impl=rebuild)
        rebuild.flush()

    operations.batch_alter_table = batch_alter_table  # type: ignore[method-assign,assignment]


class Rebuild(BatchOperationsImpl):
    """What is to be done to one table, in as few rebuilds as can be: one, in most cases."""

    def __init__(self, operations: Operations, table: str) -> None:
        super().__init__(operations, table, None, "auto", None, (), {}, (), {}, None, ())  # type: ignore[no-untyped-call]
        self._table = table

    def _should_recreate(self) -> bool:
        return True

    def flush(self) -> None:
        """Do what was collected."""
        self._begin()
        for name, arguments, options in self.batch:
            step = getattr(self, f"_{name}", None)
            if step is None:
                raise ErlenError(f"`{name}` cannot be done within `batch_alter_table` on SQLite: do it outside")
            step(*arguments, **options)
        self._end()

    # -- one rebuild --------------------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        sql = self._scalar("SELECT sql FROM sqlite_master WHERE type = 'table' AND lower(name) = lower(:table)", table=self._table)
        if sql is None:
            raise ErlenError(f"there is no table {self._table!r}")
        self._text = parse_table(sql)
        self._source = [column.name for column in self._text.columns if not column.is_generated]
        self._added: list[Column[Any]] = []
        self._only_adds = True
        self._dropped: list[str] = []
        self._new_indexes: list[tuple[Any, dict[str, Any]]] = []

    def _end(self) -> None:
        """Bring the table to its new text."""
        if self._only_adds and all(self._can_be_added(column) for column in self._added):
            for column in self._added:
                self.impl.add_column(self._table, column)
        elif self._added or not self._only_adds:
            self._rebuild()
        for index, options in self._new_indexes:
            self.impl.create_index(index, **options)
        self._added, self._only_adds, self._new_indexes = [], True, []

    def _rebuild(self) -> None:
        """Make the new table, copy the rows, and let it take the place, name, indexes and triggers of the old one."""
        table, text_of = self._table, self._text
        temporary = f"_alembic_tmp_{table}"
        kept = self._kept()
        sequence = self._sequence()
        self._run(text_of.create(self._quote(temporary)))
        there = {name.lower() for name in self._source}
        names = [column.written for column in text_of.columns if column.name.lower() in there and not column.is_generated]
        taken = {"rowid", *(column.name.lower() for column in text_of.columns)}
        if text_of.has_row_numbers and text_of.row_column is None and len(taken) > len(text_of.columns):
            names.insert(0, "rowid")
        listed = ", ".join(names)
        self._run(f"INSERT INTO {self._quote(temporary)} ({listed}) SELECT {listed} FROM {self._quote(table)}")  # noqa: S608 - quoted
        self._run(f"DROP TABLE {self._quote(table)}")
        # With this, views and triggers that speak of the table are left alone while it is gone.
        self._run("PRAGMA legacy_alter_table = ON")
        self._run(f"ALTER TABLE {self._quote(temporary)} RENAME TO {self._quote(table)}")
        self._run("PRAGMA legacy_alter_table = OFF")
        if sequence is not None:
            self._run("UPDATE sqlite_sequence SET seq = :seq WHERE name = :name", seq=sequence, name=table)
            self._run(
                "INSERT INTO sqlite_sequence (name, seq) SELECT :name, :seq "
                "WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = :name)",
                seq=sequence,
                name=table,
            )
        for sql in kept:
            self._run(sql)

    def _kept(self) -> list[str]:
        """Return the text of the indexes and triggers that the table keeps."""
        query = (
            "SELECT type, sql FROM sqlite_master WHERE lower(tbl_name) = lower(:table) AND type IN ('index', 'trigger') AND sql IS NOT NULL"
        )
        rows = self._rows(f"{query} ORDER BY type, rowid", table=self._table)
        return [sql for kind, sql in rows if kind == "trigger" or not any(mentions(sql.partition("(")[2], name) for name in self._dropped)]

    def _sequence(self) -> int | None:
        """Return the number that AUTOINCREMENT gave last."""
        if not any(mentions(clause.text, "autoincrement") for column in self._text.columns for clause in column.clauses):
            return None
        number = self._scalar("SELECT seq FROM sqlite_sequence WHERE name = :table", table=self._table)
        return int(number) if number is not None else None

    def _can_be_added(self, column: Column[Any]) -> bool:
        """Whether SQLite adds a column to a table that is there; it takes no NOT NULL without a default, even if there are no rows."""
        added = self._column_text(column)
        kinds = {clause.kind: clause.text for clause in added.clauses}
        if kinds.keys() & {"primary", "unique", "references", "check"} or ("not" in kinds and "default" not in kinds):
            return False
        if "generated" in kinds and "stored" in kinds["generated"].lower():
            return False
        default = kinds.get("default", "").partition(" ")[2].strip()
        return not default.startswith("(") and not default.upper().startswith("CURRENT_")

    # -- what a batch may do ------------------------------------------------------------------------------------------------------

    def _add_column(
        self, table: str, column: Column[Any], *, insert_before: str | None = None, insert_after: str | None = None, **_: Any
    ) -> None:
        if self._text.column(column.name) is not None:
            raise ErlenError(f"the table {self._table!r} has a column {column.name!r} already")
        self._added.append(column)
        added = self._column_text(column)
        beside = insert_before or insert_after
        place = len(self._text.columns)
        if beside is not None:
            place = self._text.columns.index(self._existing(beside)) + (insert_after is not None)
            self._only_adds = False
        self._text.columns.insert(place, added)
        if column.primary_key and not any(clause.kind == "primary" for clause in added.clauses):
            self._only_adds = False
            self._text.constraints.append(ConstraintText("primary", "", f"PRIMARY KEY ({self._quote(column.name)})"))

    def _drop_column(self, table: str, column: Column[Any], **_: Any) -> None:
        name = self._existing(column.name).name
        self._text.drop_column(name)
        self._dropped.append(name)
        self._source = [each for each in self._source if each.lower() != name.lower()]
        self._only_adds = False

    def _alter_column(
        self,
        table: str,
        column_name: str,
        /,
        *,
        name: str | None = None,
        nullable: bool | None = None,
        server_default: Any = False,
        type_: Any = None,
        autoincrement: Any = None,
        insert_before: str | None = None,
        insert_after: str | None = None,
        **_: Any,
    ) -> None:
        column = self._existing(column_name)
        if nullable is not None:
            column.without("not", "null")
            if not nullable:
                column.clauses.insert(0, Clause("not", "", "NOT NULL"))
        if type_ is not None:
            given = self._column_text(Column(column_name, type_))
            column.type = given.type
            if any(clause.kind == "collate" for clause in given.clauses):
                column.without("collate")
                column.clauses += [clause for clause in given.clauses if clause.kind == "collate"]
        if server_default is not False:
            column.without("default", "generated")
            if server_default is not None:
                made = (
                    Column(column_name, Integer, server_default)
                    if isinstance(server_default, Computed)
                    else Column(column_name, Integer, server_default=server_default)
                )
                column.clauses += [clause for clause in self._column_text(made).clauses if clause.kind in ("default", "generated")]
        if (beside := insert_before or insert_after) is not None:
            self._text.columns.remove(column)
            self._text.columns.insert(self._text.columns.index(self._existing(beside)) + (insert_after is not None), column)
            self._only_adds = False
        if nullable is not None or type_ is not None or server_default is not False:
            self._only_adds = False
        if name is not None and name != column.name:
            self._end()  # SQLite itself renames a column wherever it is spoken of
            self._run(f"ALTER TABLE {self._quote(self._table)} RENAME COLUMN {self._quote(column.name)} TO {self._quote(name)}")
            self._begin()

    def _add_constraint(self, constraint: Any, **_: Any) -> None:
        compiler = self.dialect.ddl_compiler(self.dialect, None)  # type: ignore[arg-type]  # as SQLAlchemy itself calls it
        if constraint._create_rule is not None and not constraint._create_rule(compiler):
            return
        made = compiler.process(constraint)
        if not made:
            return
        if isinstance(constraint, PrimaryKeyConstraint):
            self._text.drop_primary_key()
        self._only_adds = False
        self._text.constraints.append(_constraint_text(made))

    def _drop_constraint(self, constraint: Any, **_: Any) -> None:
        self._only_adds = False
        if constraint.name is not None and self._text.drop_constraint(str(constraint.name)):
            return
        if isinstance(constraint, PrimaryKeyConstraint):
            self._text.drop_primary_key()
        elif constraint._create_rule is None:
            named = f"{constraint.name!r}" if constraint.name is not None else "without a name"
            raise ErlenError(f"the table {self._table!r} has no constraint {named}")

    def _create_index(self, index: Any, **options: Any) -> None:
        self._new_indexes.append((index, options))

    def _drop_index(self, index: Any, **options: Any) -> None:
        self.impl.drop_index(index, **options)

    def _rename_table(self, old: str, new: str, **_: Any) -> None:
        self._end()
        self.impl.rename_table(old, new)
        self._table = new
        self._begin()

    def _create_table_comment(self, *_: Any, **__: Any) -> None:
        """Do nothing, as SQLite has no comments."""

    _drop_table_comment = _create_column_comment = _create_table_comment

    # -- means --------------------------------------------------------------------------------------------------------------------

    def _existing(self, name: str) -> ColumnText:
        column = self._text.column(name)
        if column is None:
            raise ErlenError(
                f"the table {self._table!r} has no column {name!r}, only {', '.join(each.name for each in self._text.columns)}"
            )
        return column

    def _column_text(self, column: Column[Any]) -> ColumnText:
        """Return a column as SQLAlchemy writes it."""
        if getattr(column, "table", None) is None:
            Table(self._table, MetaData(), column)
        compiler = self.dialect.ddl_compiler(self.dialect, None)  # type: ignore[arg-type]  # as SQLAlchemy itself calls it
        return parse_column(compiler.get_column_specification(column))

    def _run(self, statement: str, **values: Any) -> None:
        if values:
            self._connection.execute(text(statement), values)
        else:
            self._connection.exec_driver_sql(statement)

    def _rows(self, query: str, **values: Any) -> list[tuple[Any, ...]]:
        """Ask for rows, past whoever keeps the statements of the migration."""
        driver: Any = self._connection.connection.driver_connection
        rows: list[tuple[Any, ...]] = driver.execute(query, values).fetchall()
        return rows

    def _scalar(self, query: str, **values: Any) -> Any:
        return next((row[0] for row in self._rows(query, **values)), None)

    def _quote(self, name: str) -> str:
        return str(self.dialect.identifier_preparer.quote(name))

    @property
    def _connection(self) -> Connection:
        connection = self.impl.connection
        assert connection is not None
        return connection


def _constraint_text(sql: str) -> ConstraintText:
    table = parse_table(f"CREATE TABLE t (c INTEGER, {sql})")
    return table.constraints[0]
