"""Who takes part in the data benchmark, and what they are asked to do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

__all__ = ["ARTICLES", "AUTHORS", "CONTESTANTS", "OPERATIONS", "TWINS", "Contestant", "Operation"]

AUTHORS = 1_000
ARTICLES = 4_000

Kind = Literal["raw", "erlen", "peer"]


class Contestant(NamedTuple):
    """One way to a database: `module` makes it by the name `way`. Some are for one database only, and some only read."""

    name: str
    title: str
    kind: Kind
    module: str
    way: str
    database: str = ""
    only_reads: bool = False


class Operation(NamedTuple):
    """What is measured: a method of the contestant, and its arguments the n-th time. Some contestants lack some."""

    name: str
    title: str
    method: str
    arguments: Callable[[int], tuple[object, ...]]
    writes: bool = False
    lacks: tuple[str, ...] = ()


CONTESTANTS: tuple[Contestant, ...] = (
    Contestant("raw_sqlite3", "*raw sqlite3*", "raw", "data_raw", "sqlite3", "sqlite"),
    Contestant("raw_psycopg", "*raw psycopg 3, binary*", "raw", "data_raw", "psycopg", "postgresql"),
    Contestant("raw_asyncpg", "*raw asyncpg*", "raw", "data_raw", "asyncpg", "postgresql"),
    Contestant("sqlalchemy_core", "SQLAlchemy Core, rows", "peer", "data_sqlalchemy", "core"),
    Contestant("sqlalchemy_autocommit", "SQLAlchemy ORM, autocommit", "peer", "data_sqlalchemy", "autocommit", only_reads=True),
    Contestant("sqlalchemy", "SQLAlchemy ORM", "peer", "data_sqlalchemy", "orm"),
    Contestant("sqlalchemy_async_autocommit", "SQLAlchemy ORM, async, autocommit", "peer", "data_sqlalchemy", "async_autocommit", "", True),
    Contestant("sqlalchemy_async", "SQLAlchemy ORM, async", "peer", "data_sqlalchemy", "async_orm"),
    Contestant("erlen_reading", "**Erlen, `Session` that reads**", "erlen", "data_erlen", "reading", only_reads=True),
    Contestant("erlen", "**Erlen, `Session`**", "erlen", "data_erlen", "writing"),
    Contestant("erlen_async_reading", "**Erlen, `AsyncSession` that reads**", "erlen", "data_erlen", "async_reading", only_reads=True),
    Contestant("erlen_async", "**Erlen, `AsyncSession`**", "erlen", "data_erlen", "async_writing"),
    Contestant("django", "Django", "peer", "data_django", "orm"),
    Contestant("peewee", "Peewee", "peer", "data_peewee", "orm"),
    Contestant("tortoise", "Tortoise, async", "peer", "data_tortoise", "orm"),
)

TWINS = {
    "erlen_reading": "sqlalchemy_autocommit",
    "erlen": "sqlalchemy",
    "erlen_async_reading": "sqlalchemy_async_autocommit",
    "erlen_async": "sqlalchemy_async",
}
"""What each of Erlen's sessions adds to: SQLAlchemy itself, in the same colour, with or without a transaction around what it reads."""


def _key(turn: int) -> int:
    """Return another key each time, so that nothing is found where the last one left it."""
    return turn * 7_919 % ARTICLES + 1


def _start(turn: int) -> int:
    return turn * 7_919 % (ARTICLES - 1_000)


OPERATIONS: tuple[Operation, ...] = (
    Operation("get", "get by key", "get", lambda turn: (_key(turn),)),
    Operation("list100", "100 rows → objects", "many", lambda turn: (_start(turn), 100)),
    Operation("list1000", "1,000 rows", "many", lambda turn: (_start(turn), 1_000)),
    Operation("join100", "100 + their author", "with_authors", lambda turn: (_start(turn), 100)),
    Operation("insert", "insert, commit", "insert", lambda turn: (f"A new article, number {turn}",), writes=True),
    Operation(
        "change",
        "load, change, save",
        "change",
        lambda turn: (_key(turn), f"Another title, number {turn}"),
        writes=True,
        lacks=("raw_sqlite3", "raw_psycopg", "raw_asyncpg", "sqlalchemy_core"),
    ),
    Operation("update", "UPDATE by key", "update", lambda turn: (_key(turn), turn), writes=True),
    Operation("json100", "100 rows → JSON", "as_json", lambda turn: (_start(turn), 100)),
)
