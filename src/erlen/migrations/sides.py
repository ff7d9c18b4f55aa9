"""Two schemas between which a migration is written, and the lines that all its parts write."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from erlen.migrations.answers import Answers, renamed
from erlen.migrations.enums import enum_changes, literal_sql
from erlen.migrations.render import Call, Renderer, Text, escaped, show
from erlen.migrations.state import Check, Column, Detail, Foreign, Index, Name, State, Unique

__all__ = ["Sides", "indented", "on_postgresql"]


class Sides:
    """What is there and what is wanted.

    Args:
        before: what is there; `before` of the object has the new names of tables and columns in it.
        after: what is wanted.
        answers: renames and values that were asked for.
        renderer: writes items, and collects what the file needs.
        is_neutral: give rows 0, an empty text and so on where no answer says more.
    """

    def __init__(self, before: State, after: State, answers: Answers, renderer: Renderer, *, is_neutral: bool) -> None:
        self.original = before
        self.before = renamed(before, answers)
        self.after = after
        self.answers = answers
        self.renderer = renderer
        self.is_neutral = is_neutral
        self.quote = renderer.dialect.identifier_preparer.quote
        self.is_mysql = renderer.dialect.name in ("mysql", "mariadb")
        self.old_columns = {(table, new): old for (table, old), new in answers.columns.items()}
        self.enum_changes = enum_changes(self.before, after)
        self.losses: list[str] = []
        self.problems: list[str] = []

    def full(self, name: Name) -> str:
        """Return a table's name with its schema, as SQL."""
        return self.quote(name[1]) if name[0] is None else f"{self.quote(name[0])}.{self.quote(name[1])}"

    def batch(self, name: Name, calls: Sequence[Call]) -> list[str]:
        """Return calls on a table as one block; those of `op` come after it."""
        outside = [call for call in calls if call.name.startswith("op.")]
        inside = [call for call in calls if not call.name.startswith("op.")]
        blocks = []
        if inside:
            head = show(Call("op.batch_alter_table", [name[1]], {} if name[0] is None else {"schema": name[0]}))
            blocks.append("\n".join([f"with {head} as batch:", *(f"    {show(call, 4)}" for call in inside)]))
        return [*blocks, *(show(call) for call in outside)]

    def drop(self, detail: Detail) -> Call:
        """Return what drops a constraint or index, within a block of its table."""
        if isinstance(detail, Index):
            return Call("batch.drop_index", [detail.name])
        kinds: dict[type, str] = {Unique: "unique", Foreign: "foreignkey", Check: "check"}
        return Call("batch.drop_constraint", [detail.name], {"type_": kinds[type(detail)]})

    def existing(self, column: Column, *, but: Iterable[str] = ()) -> dict[str, Any]:
        """Return what MySQL has to be told again of a column that it changes."""
        found: dict[str, Any] = {"existing_type": self.type_of(column)}
        if not column.facts.nullable and "nullable" not in but:
            found["existing_nullable"] = False
        if column.facts.default is not None and "default" not in but:
            found["existing_server_default"] = self.renderer.default(column.item)
        if column.facts.comment is not None and "comment" not in but:
            found["existing_comment"] = column.facts.comment
        if column.facts.counted and self.is_mysql:
            found["existing_autoincrement"] = True
        return found

    def type_of(self, column: Column) -> Text:
        """Return a column's type as code."""
        return self.renderer.type(column.item.type, declared=column.declared)

    def replace_values(self, table: Name, column: str, values: Mapping[str, str]) -> list[str]:
        """Return what gives rows other values for those of a column that are gone."""
        quoted = self.quote(column)
        return [
            show(
                Call(
                    "op.execute",
                    [escaped(f"UPDATE {self.full(table)} SET {quoted} = {literal_sql(new)} WHERE {quoted} = {literal_sql(old)}")],  # noqa: S608
                )
            )
            for old, new in values.items()
        ]


def on_postgresql(statements: Sequence[str]) -> list[str]:
    """Return statements that only PostgreSQL gets."""
    return [
        'if op.get_context().dialect.name == "postgresql":',
        *indented(show(Call("op.execute", [escaped(each)])) for each in statements),
    ]


def indented(blocks: Iterable[str]) -> list[str]:
    """Return the lines of blocks, moved in."""
    return [f"    {line}" for block in blocks for line in block.splitlines()]
