"""A column that another takes the place of, while both are read and written: for a new type, or a new name."""

from __future__ import annotations

import re
from collections.abc import Iterator

from erlen.lint.change import Change, Constraint
from erlen.lint.progress import copy_of
from erlen.lint.tables import Table, Tables
from erlen.lint.writing import Piece, autocommitted, executed, on_postgresql, quoted
from erlen.migrations.migration import HistoryError
from erlen.migrations.render import Call, Text, show

__all__ = ["can_replace", "replaced"]


def can_replace(tables: Tables, table: str, name: str) -> bool:
    """Whether a column can be replaced: it is known, not computed or counted, no key refers to it, no index computes with it."""
    known = tables.table(table)
    column = known.columns.get(name)
    if column is None or column.generated or column.counted or not column.type or name in known.key or not known.key:
        return False
    for other in tables.tables.values():
        for each in other.constraints.values():
            if each.kind == "foreign key" and each.to == table and _mentions(each.text.partition("REFERENCES")[2] or each.text, name):
                return False
    for index in known.indexes.values():
        computed = [part for part in index.columns if part != name and _mentions(part, name)]
        if computed or _mentions(index.condition, name):
            return False
    return all(each.kind in ("check", "foreign key", "unique") for each in _constraints(known, name))


def replaced(tables: Tables, change: Change, otherwise: str, line: int) -> list[Piece]:
    """Return the pieces that replace a column on PostgreSQL; other engines are changed at once, with the last.

    Args:
        tables: before.
        change: `alter type` or `rename column`.
        otherwise: the code of the operation, for other engines.
        line: of the operation.

    Raises:
        HistoryError: if the column cannot be replaced.
    """
    if not can_replace(tables, change.table, change.name):
        raise HistoryError(
            f"line {line}: there is no plan for {change.table}.{change.name}, which is part of a key, computed, or not known"
        )
    return list(_Replacement(tables.table(change.table), change, otherwise).pieces())


class _Replacement:
    def __init__(self, table: Table, change: Change, otherwise: str) -> None:
        self.table = table
        self.change = change
        self.otherwise = otherwise
        self.is_rename = change.kind == "rename column"
        self.old = change.name
        self.new = change.to if self.is_rename else copy_of(change.name)
        self.column = table.column(change.name)
        self.kind = self.column.type if self.is_rename else change.to
        self.name = quoted(table.name)
        self.function = quoted(f"{table.name.rpartition('.')[2]}_{self.old}_copy")

    def pieces(self) -> Iterator[Piece]:
        yield self.add()
        yield self.fill()
        yield from self.checks()
        if (indexes := self.indexes()) is not None:
            yield indexes
        yield self.swap()

    def value(self, prefix: str = "") -> str:
        """Return SQL for the new column's value."""
        old = f"{prefix}{quoted(self.old)}"
        if self.is_rename:
            return old
        return _renamed(self.change.source, self.old, old) if self.change.source else f"CAST({old} AS {self.kind})"

    def add(self) -> Piece:
        old, new = f"NEW.{quoted(self.old)}", f"NEW.{quoted(self.new)}"
        if self.is_rename:
            body = (
                f"IF TG_OP = 'INSERT' THEN IF {new} IS NULL THEN {new} := {old}; ELSE {old} := {new}; END IF; "
                f"ELSIF {new} IS DISTINCT FROM OLD.{quoted(self.new)} THEN {old} := {new}; ELSE {new} := {old}; END IF;"
            )
        else:
            body = f"{new} := {self.value('NEW.')};"
        up = [
            f"ALTER TABLE {self.name} ADD COLUMN {quoted(self.new)} {self.kind}",
            f"CREATE FUNCTION {self.function}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} RETURN NEW; END $$",
            f"CREATE TRIGGER {self.function} BEFORE INSERT OR UPDATE ON {self.name} FOR EACH ROW EXECUTE FUNCTION {self.function}()",
        ]
        down = [*self.without_trigger(), f"ALTER TABLE {self.name} DROP COLUMN {quoted(self.new)}"]
        note = f"A trigger keeps {self.new} like {self.old}."
        if self.is_rename:
            note = f"A trigger keeps {self.old} and {self.new} alike, whichever is written."
        return Piece(
            up=_sent(up), down=_sent(down), table=self.table.name, message=f"copy {self.old} of {self.table.name}", note=note, is_alone=True
        )

    def without_trigger(self) -> list[str]:
        return [f"DROP TRIGGER {self.function} ON {self.name}", f"DROP FUNCTION {self.function}()"]

    def fill(self) -> Piece:
        where = f"{quoted(self.new)} IS NULL AND {quoted(self.old)} IS NOT NULL"
        code = show(Call("update_in_batches", [Text("op"), self.name, f"{quoted(self.new)} = {self.value()}"], {"where": where}))
        return Piece(
            up=on_postgresql(code),
            kind="autocommit",
            message=f"fill {self.new} of {self.table.name}",
            note="In portions, each a transaction of its own. Interrupted, it goes on where it was.",
            imports=("from erlen.migrations import update_in_batches",),
            is_alone=True,
        )

    def checks(self) -> Iterator[Piece]:
        """Put on the new column what the old one is held to, first for rows that are written, then for all."""
        texts = {self.not_null: f"CHECK ({quoted(self.new)} IS NOT NULL)"} if not self.column.nullable else {}
        texts |= {copy_of(each.name): self.text_of(each) for each in _constraints(self.table, self.old) if each.kind != "unique"}
        for name, text in texts.items():
            add = f"ALTER TABLE {self.name} ADD CONSTRAINT {quoted(name)} {text} NOT VALID"
            drop = f"ALTER TABLE {self.name} DROP CONSTRAINT {quoted(name)}"
            yield Piece(up=_sent([add]), down=_sent([drop]), table=self.table.name, message=f"add {name}", is_alone=True)
            check = f"ALTER TABLE {self.name} VALIDATE CONSTRAINT {quoted(name)}"
            yield Piece(
                up=_sent([check]), message=f"validate {name}", note="All rows are read, while others read and write.", is_alone=True
            )

    @property
    def not_null(self) -> str:
        return f"{self.table.name.rpartition('.')[2]}_{self.new}_not_null"

    def text_of(self, constraint: Constraint) -> str:
        if constraint.kind == "check":
            return f"CHECK ({_renamed(constraint.text, self.old, quoted(self.new))})"
        head, bracket, rest = constraint.text.partition(")")
        return _renamed(head, self.old, quoted(self.new)) + bracket + rest

    def indexes(self) -> Piece | None:
        up, down = [], []
        wanted = [
            (each.name, each.columns, each.is_unique, each.condition) for each in self.table.indexes.values() if self.old in each.columns
        ]
        wanted += [(each.name, each.columns, True, "") for each in _constraints(self.table, self.old) if each.kind == "unique"]
        for name, columns, is_unique, condition in wanted:
            listed = ", ".join(quoted(self.new) if column == self.old else _part(column) for column in columns)
            copy = quoted(copy_of(name))
            kind = "UNIQUE INDEX" if is_unique else "INDEX"
            up.append(executed(f"CREATE {kind} CONCURRENTLY IF NOT EXISTS {copy} ON {self.name} ({listed}) {condition}".strip()))
            down.append(executed(f"DROP INDEX CONCURRENTLY IF EXISTS {copy}"))
        if not up:
            return None
        return Piece(
            up=on_postgresql(_block(up)),
            down=on_postgresql(_block(down)),
            kind="autocommit",
            message=f"index {self.new} of {self.table.name}",
            is_alone=True,
        )

    def swap(self) -> Piece:
        lines = [executed(sql) for sql in self.without_trigger()]
        if not self.column.nullable:
            lines.append(executed(f"ALTER TABLE {self.name} ALTER COLUMN {quoted(self.new)} SET NOT NULL"))
            lines.append(executed(f"ALTER TABLE {self.name} DROP CONSTRAINT {quoted(self.not_null)}"))
        if self.column.default is not None:
            lines.append(executed(f"ALTER TABLE {self.name} ALTER COLUMN {quoted(self.new)} SET DEFAULT {self.column.default}"))
        lines.append(executed(f"ALTER TABLE {self.name} DROP COLUMN {quoted(self.old)}"))
        if not self.is_rename:
            lines.append(executed(f"ALTER TABLE {self.name} RENAME COLUMN {quoted(self.new)} TO {quoted(self.old)}"))
        for each in _constraints(self.table, self.old):
            if each.kind == "unique":
                name, index = quoted(each.name), quoted(copy_of(each.name))
                lines.append(executed(f"ALTER TABLE {self.name} ADD CONSTRAINT {name} UNIQUE USING INDEX {index}"))
            else:
                lines.append(executed(f"ALTER TABLE {self.name} RENAME CONSTRAINT {quoted(copy_of(each.name))} TO {quoted(each.name)}"))
        copied = [(quoted(copy_of(each.name)), quoted(each.name)) for each in self.table.indexes.values() if self.old in each.columns]
        lines += [executed(f"ALTER INDEX {copy} RENAME TO {name}") for copy, name in copied]
        full = f"{self.table.name}.{self.old}"
        return Piece(
            up=on_postgresql("\n".join(lines), otherwise=self.otherwise),
            down=None,
            table=self.table.name,
            message=f"swap {self.old} of {self.table.name}",
            note="There is no way back from here." if self.is_rename else f"{self.new} becomes {full}. There is no way back from here.",
            after_deploy=f"the code that reads {self.table.name}.{self.new} instead of {self.old}" if self.is_rename else "",
            is_alone=True,
        )


def _constraints(table: Table, column: str) -> list[Constraint]:
    """Return the constraints of which a column is part."""
    return [
        each for each in table.constraints.values() if column in each.columns or (each.kind == "check" and _mentions(each.text, column))
    ]


def _sent(statements: list[str]) -> str:
    return on_postgresql("\n".join(executed(sql) for sql in statements))


def _block(lines: list[str]) -> str:
    first, *rest = [line for code in lines for line in code.splitlines()]
    return autocommitted("\n".join([first, *(f"    {line}" for line in rest)]))


def _part(column: str) -> str:
    return quoted(column) if re.fullmatch(r"\w+", column) else column


def _mentions(text: str, name: str) -> bool:
    return re.search(rf"\b{re.escape(name)}\b", re.sub(r"'(?:[^']|'')*'", "", text)) is not None


def _renamed(text: str, old: str, new: str) -> str:
    """Put another name in the place of one, outside of strings."""
    parts = re.split(r"('(?:[^']|'')*')", text)
    return "".join(
        part if place % 2 else re.sub(rf'"{re.escape(old)}"|\b{re.escape(old)}\b', new, part) for place, part in enumerate(parts)
    )
