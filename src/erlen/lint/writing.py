"""Pieces of a plan → migration files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from msgspec import Struct
from sqlalchemy.dialects import postgresql

from erlen.migrations.render import Call, show

__all__ = ["Piece", "autocommitted", "executed", "grouped", "indented", "on_postgresql", "quoted"]


class Piece(Struct, kw_only=True):
    """Part of a migration, in code at the left margin."""

    up: str
    down: str | None = ""
    """None where there is no way back."""
    kind: Literal["schema", "rows", "autocommit"] = "schema"
    table: str = ""
    """The table that it locks for a moment, which was there before."""
    new_table: str = ""
    """The table that it makes, or that this migration has made."""
    message: str = ""
    note: str = ""
    imports: tuple[str, ...] = ()
    is_alone: bool = False
    """Whether it has a file of its own."""
    guards: str = ""
    """The column that it lets no more NULL into: rows are filled in after it, so that none comes up behind."""
    fills: str = ""
    """The table whose rows it changes."""
    after_deploy: str = ""
    """What must be deployed before."""
    late: str = ""
    """Of one that waits for a deployment, the name that it is about: it comes last, if nothing after it says that name."""


def grouped(pieces: Sequence[Piece]) -> list[list[Piece]]:
    """Put pieces together that can share a migration; those of a new table are with what makes it, where they still cost nothing."""
    waiting = [piece for place, piece in enumerate(pieces) if piece.late and not _is_named(piece.late, pieces[place + 1 :])]
    ordered: list[Piece] = []
    for piece in [*(each for each in pieces if each not in waiting), *waiting]:
        made = [place for place, each in enumerate(ordered) if piece.new_table and each.new_table == piece.new_table]
        ordered.insert(made[-1] + 1 if made and piece.kind == "schema" else len(ordered), piece)
    groups: list[list[Piece]] = []
    for piece in ordered:
        if groups and _fits(groups[-1], piece):
            groups[-1].append(piece)
        else:
            groups.append([piece])
    return groups


def _is_named(name: str, pieces: Sequence[Piece]) -> bool:
    """Whether pieces make, rename, alter or drop what has a name, beyond what is built upon it."""
    texts = [piece.up for piece in pieces if piece.late != name and _NAMING.search(piece.up) is not None]
    return any(re.search(rf"\b{re.escape(name)}\b", text) is not None for text in texts)


_NAMING = re.compile(r"create_table|drop_table|rename_table|add_column|drop_column|alter_column|RENAME|ALTER COLUMN")


def _fits(group: Sequence[Piece], piece: Piece) -> bool:
    if piece.is_alone or any(each.is_alone for each in group) or group[0].kind != piece.kind:
        return False
    return piece.kind != "schema" or len({each.table for each in (*group, piece)} - {""}) <= 1


def executed(sql: str) -> str:
    """Return code that sends a statement."""
    return show(Call("op.execute", [sql]))


def indented(code: str, by: int = 4) -> str:
    """Move code in, or out."""
    if by < 0:
        return "\n".join(line.removeprefix(" " * -by) for line in code.splitlines())
    return "\n".join(f"{' ' * by}{line}" if line else "" for line in code.splitlines())


def autocommitted(code: str) -> str:
    """Return code for outside of the transaction."""
    lines = code.splitlines()
    return "\n".join(["with op.get_context().autocommit_block():", f"    {lines[0]}", *lines[1:]])


def on_postgresql(code: str, otherwise: str = "") -> str:
    """Return code that PostgreSQL alone needs, and what does for others."""
    rest = f"\nelse:\n{indented(otherwise)}" if otherwise else ""
    return f'if op.get_context().dialect.name == "postgresql":\n{indented(code)}{rest}'


def quoted(name: str) -> str:
    """Return a name as PostgreSQL takes it."""
    prepare = postgresql.dialect().identifier_preparer  # type: ignore[no-untyped-call]
    return ".".join(prepare.quote(part) for part in name.split("."))
