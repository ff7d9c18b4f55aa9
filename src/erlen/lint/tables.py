"""What is known of a schema from the statements that made it: enough to say what a change of it costs."""

from __future__ import annotations

from msgspec import Struct, field
from msgspec.structs import replace

from erlen.lint.change import Change, Column, Constraint

__all__ = ["Index", "Table", "Tables"]


class Index(Struct, frozen=True):
    """An index of a table."""

    name: str
    columns: tuple[str, ...]
    is_unique: bool = False
    condition: str = ""


class Table(Struct):
    """A table. Of one that no migration makes, only what migrations did to it is known."""

    name: str
    columns: dict[str, Column] = field(default_factory=dict)
    constraints: dict[str, Constraint] = field(default_factory=dict)
    indexes: dict[str, Index] = field(default_factory=dict)
    is_known: bool = True

    def column(self, name: str) -> Column:
        """Return a column; one of which nothing is known has no type."""
        return self.columns.get(name) or Column(name=name, type="")

    @property
    def key(self) -> tuple[str, ...]:
        """The columns of the primary key."""
        return next((each.columns for each in self.constraints.values() if each.kind == "primary key"), ())

    def says_not_null(self, name: str) -> str:
        """Return the name of a valid check that a column is not null, or an empty text."""
        for each in self.constraints.values():
            words = each.text.lower().replace('"', "").replace("(", " ").replace(")", " ").split()
            if each.kind == "check" and each.is_valid and words == [*name.lower().split(), "is", "not", "null"]:
                return each.name
        return ""


class Tables:
    """The tables, indexes and enums that a row of changes leaves."""

    def __init__(self) -> None:
        self.tables: dict[str, Table] = {}
        self.enums: dict[str, tuple[str, ...]] = {}

    def table(self, name: str) -> Table:
        """Return a table; one that no migration made begins to be known here."""
        if name not in self.tables:
            self.tables[name] = Table(name, is_known=False)
        return self.tables[name]

    def table_of_index(self, name: str) -> str:
        """Return the table that has an index; an empty text where that is not known."""
        return next((table.name for table in self.tables.values() if name in table.indexes), "")

    def apply(self, change: Change) -> None:
        """Do a change."""
        table = self.table(change.table) if change.table else None
        match change.kind:
            case "create table" if not (change.options and table is not None and table.is_known):
                self._create(change)
            case "rebuild":
                self._create(change)
            case "drop table":
                self.tables.pop(change.table, None)
            case "rename table":
                found = self.tables.pop(change.table)
                found.name = change.to
                self.tables[change.to] = found
            case "drop index":
                for each in self.tables.values():
                    each.indexes.pop(change.name, None)
            case "create enum":
                self.enums[change.name] = change.names
            case "add value":
                self.enums[change.name] = (*self.enums.get(change.name, ()), change.to)
            case "drop other":
                self.enums.pop(change.name, None)
            case _ if table is not None:
                self._alter(table, change)
            case _:
                pass

    def _create(self, change: Change) -> None:
        table = Table(change.table, is_known=bool(change.columns))
        self.tables[change.table] = table
        for column in change.columns:
            self._add_column(table, column)
        for constraint in change.constraints:
            self._add_constraint(table, constraint)

    def _alter(self, table: Table, change: Change) -> None:
        column = table.column(change.name)
        changed: Column | None = None
        match change.kind:
            case "add column" if change.column is not None:
                if not ("if not exists" in change.options and change.name in table.columns):
                    self._add_column(table, change.column)
            case "modify column" if change.column is not None:
                table.columns.pop(change.name, None)
                changed = change.column
            case "drop column":
                table.columns.pop(change.name, None)
                for name, each in list(table.constraints.items()):
                    if change.name in each.columns:
                        del table.constraints[name]
                for index in list(table.indexes.values()):
                    if change.name in index.columns:
                        del table.indexes[index.name]
            case "rename column":
                table.columns.pop(change.name, None)
                changed = replace(column, name=change.to)
            case "alter type":
                changed = replace(column, type=change.to)
            case "set not null":
                changed = replace(column, nullable=False)
            case "drop not null":
                changed = replace(column, nullable=True)
            case "set default":
                changed = replace(column, default=change.to)
            case "drop default":
                changed = replace(column, default=None)
            case "add constraint" if change.constraint is not None:
                self._add_constraint(table, change.constraint)
            case "drop constraint":
                table.constraints.pop(change.name, None)
                table.indexes.pop(change.name, None)
            case "rename constraint":
                if change.name in table.constraints:
                    table.constraints[change.to] = replace(table.constraints.pop(change.name), name=change.to)
            case "validate":
                if change.name in table.constraints:
                    table.constraints[change.name] = replace(table.constraints[change.name], is_valid=True)
            case "create index":
                name = change.name or f"{table.name}_{'_'.join(change.names)}_idx"
                table.indexes[name] = Index(name, change.names, "unique" in change.options, change.source)
            case _:
                pass
        if changed is not None:
            table.columns[changed.name] = changed

    def _add_column(self, table: Table, column: Column) -> None:
        table.columns[column.name] = column
        for constraint in column.constraints:
            self._add_constraint(table, constraint)

    def _add_constraint(self, table: Table, constraint: Constraint) -> None:
        suffix = {
            "primary key": "pkey",
            "unique": "key",
            "foreign key": "fkey",
            "check": "check",
            "exclude": "excl",
            "not null": "not_null",
        }
        parts = [] if constraint.kind == "primary key" else list(constraint.columns)
        name = constraint.name or "_".join([table.name.rpartition(".")[2], *parts, suffix[constraint.kind]])
        if constraint.index and constraint.index in table.indexes:
            constraint = replace(constraint, columns=table.indexes.pop(constraint.index).columns)
        table.constraints[name] = replace(constraint, name=name)
        if constraint.kind == "primary key":
            for each in constraint.columns:
                table.columns[each] = replace(table.column(each), nullable=False)
