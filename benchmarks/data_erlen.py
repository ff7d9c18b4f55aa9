"""Erlen's sessions, both colours: one for each piece of work, as a request has it. A reading one begins no transaction."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime
from typing import Annotated, Any

from sqlalchemy.orm import joinedload

from benchmarks.data_store import NEW, Place
from erlen.db import Database, ForeignKey, Mapped, Meta, Model, mapped_column, relationship, select, update
from erlen.schema.encode import json_encoder

__all__ = ["WAYS"]


class Author(Model):
    name: Mapped[Annotated[str, Meta(max_length=100)]]
    email: Mapped[Annotated[str, Meta(max_length=254)]] = mapped_column(unique=True)


class Article(Model):
    author_id: Mapped[int] = mapped_column(ForeignKey("authors.id"))
    title: Mapped[Annotated[str, Meta(max_length=200)]]
    body: Mapped[str]
    views: Mapped[int] = mapped_column(default=0)
    published: Mapped[bool] = mapped_column(default=False)
    created: Mapped[datetime]
    author: Mapped[Author] = relationship()


_encode = json_encoder(None)  # what a handler without a return annotation gets


def _page(after: int, limit: int) -> Any:
    return select(Article).where(Article.id > after).order_by(Article.id).limit(limit)


class _Sync:
    def __init__(self, database: Database, *, reading: bool) -> None:
        self._session = database.session
        self._reading = reading

    def get(self, key: int) -> Any:
        with self._session(reading=self._reading) as db:
            return db.get(Article, key)

    def many(self, after: int, limit: int) -> list[Any]:
        with self._session(reading=self._reading) as db:
            return db.all(_page(after, limit))

    def with_authors(self, after: int, limit: int) -> list[Any]:
        with self._session(reading=self._reading) as db:
            return [(article, article.author) for article in db.all(_page(after, limit).options(joinedload(Article.author)))]

    def insert(self, title: str) -> None:
        with self._session() as db:
            db.add(Article(title=title, **NEW))

    def change(self, key: int, title: str) -> None:
        with self._session() as db:
            db.get_one(Article, key).title = title

    def update(self, key: int, views: int) -> None:
        with self._session() as db:
            db.execute(update(Article).where(Article.id == key).values(views=views))

    def as_json(self, after: int, limit: int) -> bytes:
        with self._session(reading=self._reading) as db:
            return _encode(db.all(_page(after, limit)))


class _Async:
    def __init__(self, database: Database, *, reading: bool) -> None:
        self._session = database.async_session
        self._reading = reading

    async def get(self, key: int) -> Any:
        async with self._session(reading=self._reading) as db:
            return await db.get(Article, key)

    async def many(self, after: int, limit: int) -> list[Any]:
        async with self._session(reading=self._reading) as db:
            return await db.all(_page(after, limit))

    async def with_authors(self, after: int, limit: int) -> list[Any]:
        async with self._session(reading=self._reading) as db:
            return [(article, article.author) for article in await db.all(_page(after, limit).options(joinedload(Article.author)))]

    async def insert(self, title: str) -> None:
        async with self._session() as db:
            db.add(Article(title=title, **NEW))

    async def change(self, key: int, title: str) -> None:
        async with self._session() as db:
            (await db.get_one(Article, key)).title = title

    async def update(self, key: int, views: int) -> None:
        async with self._session() as db:
            await db.execute(update(Article).where(Article.id == key).values(views=views))

    async def as_json(self, after: int, limit: int) -> bytes:
        async with self._session(reading=self._reading) as db:
            return _encode(await db.all(_page(after, limit)))


def _database(place: Place) -> Database:
    return Database(place.url(place.kind))


@contextmanager
def _reading(place: Place) -> Iterator[_Sync]:
    database = _database(place)
    yield _Sync(database, reading=True)
    database.dispose()


@contextmanager
def _writing(place: Place) -> Iterator[_Sync]:
    database = _database(place)
    yield _Sync(database, reading=False)
    database.dispose()


@asynccontextmanager
async def _async_reading(place: Place) -> AsyncIterator[_Async]:
    database = _database(place)
    yield _Async(database, reading=True)
    await database.dispose_async()


@asynccontextmanager
async def _async_writing(place: Place) -> AsyncIterator[_Async]:
    database = _database(place)
    yield _Async(database, reading=False)
    await database.dispose_async()


WAYS = {"reading": _reading, "writing": _writing, "async_reading": _async_reading, "async_writing": _async_writing}
