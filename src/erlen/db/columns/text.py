"""Text and bytes of any length in columns, and what is kept as text: network addresses."""

from __future__ import annotations

import ipaddress
from typing import Any

from sqlalchemy import Column, Dialect, LargeBinary, PrimaryKeyConstraint, String, Text, UniqueConstraint
from sqlalchemy.dialects import mysql
from sqlalchemy.ext.compiler import compiles

from erlen.db.columns.direct import DirectType
from erlen.errors import ConfigurationError, Mistake

__all__ = ["Address", "LongBytes", "LongText"]


class LongText(Text):
    """Text without a limit: what `Mapped[str]` becomes until its `Meta` says a `max_length`.

    On MySQL and MariaDB it is LONGTEXT, because their TEXT ends at 64 kilobytes. MySQL cannot index it, nor MariaDB make it a key; that is
    an error when the table is made.
    """


class LongBytes(LargeBinary):
    """Bytes without a limit: what `Mapped[bytes]` becomes. On MySQL and MariaDB it is LONGBLOB, because their BLOB ends at 64 kilobytes."""


class Address(DirectType[Any]):
    """An IP address, network or interface of the standard library, as text on every database."""

    impl = String
    cache_ok = True

    def __init__(self, cls: type) -> None:
        self.cls = cls
        super().__init__(49)  # an IPv6 network in full

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        return None if value is None else str(self.cls(value))

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        return None if value is None else self.cls(value)


def is_address(cls: object) -> bool:
    """Return whether a class is one of the standard library's for IP addresses."""
    return getattr(cls, "__module__", "") == ipaddress.__name__


@compiles(LongText, "mysql", "mariadb")
def _long_text(type_: LongText, compiler: Any, **options: Any) -> str:
    column, maria = options.get("type_expression"), compiler.dialect.is_mariadb
    if isinstance(column, Column) and (kind := _key_of(column)) and not (maria and kind == "indexed"):
        name, engine = f"{getattr(column.table, 'name', '')}.{column.name}", "MariaDB" if maria else "MySQL"
        fix = f"say how long it may be: `{column.key}: Mapped[Annotated[str, Meta(max_length=200)]]`"
        raise ConfigurationError(Mistake(f"`{name}` is text without a limit, which {engine} cannot index", fix=fix))
    return str(compiler.process(mysql.LONGTEXT(collation=type_.collation)))


@compiles(LongBytes, "mysql", "mariadb")
def _long_bytes(type_: LongBytes, compiler: Any, **options: Any) -> str:
    return "LONGBLOB"


def _key_of(column: Column[Any]) -> str:
    """Return `key` for a column that is part of a key, `indexed` for one of another index, and nothing for others."""
    table = column.table
    if column.foreign_keys or any(
        isinstance(each, PrimaryKeyConstraint) and each.columns.contains_column(column) for each in table.constraints
    ):
        return "key"
    unique = any(isinstance(each, UniqueConstraint) and each.columns.contains_column(column) for each in table.constraints)
    indexed = any(index.columns.contains_column(column) and not index.dialect_kwargs.get("mysql_length") for index in table.indexes)
    return "indexed" if unique or indexed else ""
