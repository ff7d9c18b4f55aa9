"""The limit: drivers alone, one connection, rows as they come. `sqlite3` has no booleans and times, and gives numbers and text."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import msgspec

from benchmarks.data_store import ARTICLE, NEW, Place

__all__ = ["WAYS"]

_ALL = ", ".join(f"articles.{name}" for name in ARTICLE)
_GET = f"SELECT {_ALL} FROM articles WHERE id = {{}}"
_MANY = f"SELECT {_ALL} FROM articles WHERE id > {{}} ORDER BY id LIMIT {{}}"
_WITH_AUTHORS = (
    f"SELECT {_ALL}, authors.id, authors.name, authors.email FROM articles JOIN authors ON authors.id = articles.author_id "
    "WHERE articles.id > {} ORDER BY articles.id LIMIT {}"
)
_INSERT = f"INSERT INTO articles (title, {', '.join(NEW)}) VALUES ({{}}, {{}}, {{}}, {{}}, {{}}, {{}}) RETURNING id"
_UPDATE = "UPDATE articles SET views = {} WHERE id = {}"


def _dict(row: Any) -> dict[str, Any]:
    return dict(zip(ARTICLE, row, strict=True))


class _Sync:
    """A driver of the DB-API, in autocommit."""

    def __init__(self, connection: Any, mark: str, values: tuple[Any, ...], **options: Any) -> None:
        self._connection = connection
        self._values = values
        self._options = options
        # PERF: statements are made here, once, as whoever writes without a library has them.
        self._get = _GET.format(mark)
        self._many = _MANY.format(mark, mark)
        self._with_authors = _WITH_AUTHORS.format(mark, mark)
        self._insert = _INSERT.format(*[mark] * 6)
        self._update = _UPDATE.format(mark, mark)

    def get(self, key: int) -> Any:
        return self._connection.execute(self._get, (key,), **self._options).fetchone()

    def many(self, after: int, limit: int) -> list[Any]:
        found: list[Any] = self._connection.execute(self._many, (after, limit), **self._options).fetchall()
        return found

    def with_authors(self, after: int, limit: int) -> list[Any]:
        rows = self._connection.execute(self._with_authors, (after, limit), **self._options).fetchall()
        return [(row[:7], row[7:]) for row in rows]

    def insert(self, title: str) -> None:
        self._connection.execute(self._insert, (title, *self._values)).fetchone()

    def update(self, key: int, views: int) -> None:
        self._connection.execute(self._update, (views, key))

    def as_json(self, after: int, limit: int) -> bytes:
        return msgspec.json.encode([_dict(row) for row in self.many(after, limit)])


@contextmanager
def _sqlite3(place: Place) -> Iterator[_Sync]:
    import sqlite3

    connection = sqlite3.connect(place.name, isolation_level=None)
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA foreign_keys = ON")
    values = {**NEW, "created": NEW["created"].replace(tzinfo=None).isoformat(" ", "microseconds")}
    yield _Sync(connection, "?", tuple(values.values()))
    connection.close()


@contextmanager
def _psycopg(place: Place) -> Iterator[_Sync]:
    import psycopg

    with psycopg.connect(place.url("postgresql"), autocommit=True) as connection:
        yield _Sync(connection, "%s", tuple(NEW.values()), binary=True)


class _Asyncpg:
    def __init__(self, connection: Any) -> None:
        self._connection = connection

    async def get(self, key: int) -> Any:
        return await self._connection.fetchrow(_GET.format("$1"), key)

    async def many(self, after: int, limit: int) -> list[Any]:
        found: list[Any] = await self._connection.fetch(_MANY.format("$1", "$2"), after, limit)
        return found

    async def with_authors(self, after: int, limit: int) -> list[Any]:
        rows = await self._connection.fetch(_WITH_AUTHORS.format("$1", "$2"), after, limit)
        return [(row[:7], row[7:]) for row in rows]

    async def insert(self, title: str) -> None:
        await self._connection.fetchval(_INSERT.format("$1", "$2", "$3", "$4", "$5", "$6"), title, *NEW.values())

    async def update(self, key: int, views: int) -> None:
        await self._connection.execute(_UPDATE.format("$1", "$2"), views, key)

    async def as_json(self, after: int, limit: int) -> bytes:
        return msgspec.json.encode([dict(row) for row in await self.many(after, limit)])


@asynccontextmanager
async def _asyncpg(place: Place) -> AsyncIterator[_Asyncpg]:
    import asyncpg

    connection = await asyncpg.connect(place.url("postgresql"))
    yield _Asyncpg(connection)
    await connection.close()


WAYS = {"sqlite3": _sqlite3, "psycopg": _psycopg, "asyncpg": _asyncpg}
