"""`Change`: what a statement does to the schema or to rows."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

__all__ = ["Change", "Column", "Constraint", "Kind"]

Kind = Literal[
    "add column",
    "add constraint",
    "add value",
    "alter type",
    "cluster",
    "create enum",
    "create index",
    "create table",
    "create view",
    "delete",
    "drop column",
    "drop constraint",
    "drop default",
    "drop index",
    "drop not null",
    "drop other",
    "drop table",
    "insert",
    "lock",
    "modify column",
    "rebuild",
    "refresh",
    "reindex",
    "rename column",
    "rename constraint",
    "rename table",
    "rename value",
    "rewrite",
    "set default",
    "set not null",
    "short",
    "truncate",
    "unknown",
    "update",
    "vacuum full",
    "validate",
]


class Column(Struct, frozen=True, kw_only=True):
    """A column, as a statement writes it."""

    name: str
    type: str
    """In small letters, by its usual name: `varchar(50)`."""
    nullable: bool = True
    default: str | None = None
    generated: Literal["", "stored", "virtual"] = ""
    counted: bool = False
    """Whether the database numbers it: SERIAL, IDENTITY, AUTO_INCREMENT."""
    constraints: tuple[Constraint, ...] = ()
    """Those that are written with it."""


class Constraint(Struct, frozen=True, kw_only=True):
    """A constraint, as a statement writes it."""

    kind: Literal["primary key", "unique", "foreign key", "check", "exclude", "not null"]
    name: str = ""
    columns: tuple[str, ...] = ()
    to: str = ""
    """The table that a foreign key refers to."""
    text: str = ""
    """Of a check, its condition; of others, all from the kind on."""
    is_valid: bool = True
    """False for NOT VALID."""
    index: str = ""
    """The index that it takes over: USING INDEX."""


class Change(Struct, frozen=True, kw_only=True):
    """One thing that a statement does; an ALTER TABLE may do several."""

    kind: Kind
    table: str = ""
    """As SQL names it, in small letters unless quoted, without the schema `public`."""
    name: str = ""
    """Of the column, constraint, index, enum or other thing."""
    to: str = ""
    """The new name, type, value or default."""
    column: Column | None = None
    columns: tuple[Column, ...] = ()
    """Of a new table."""
    constraint: Constraint | None = None
    constraints: tuple[Constraint, ...] = ()
    """Of a new table."""
    names: tuple[str, ...] = ()
    """The columns of an index or of an INSERT, the values of an enum."""
    source: str = ""
    """Of an INSERT from a query, that query; of an UPDATE or DELETE, its condition; of a change of type, what follows USING."""
    options: frozenset[str] = frozenset()
    """Words such as `concurrently`, `cascade`, `unique`, `if not exists`."""
