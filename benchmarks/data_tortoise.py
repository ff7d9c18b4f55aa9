"""Tortoise as its documentation has it: a pool of asyncpg's, or aiosqlite, each statement committed by itself."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from tortoise import Tortoise, fields
from tortoise.models import Model

from benchmarks.data_store import NEW, Place

__all__ = ["WAYS"]


class Author(Model):
    id = fields.BigIntField(primary_key=True)
    name = fields.CharField(max_length=100)
    email = fields.CharField(max_length=254, unique=True)

    class Meta:
        table = "authors"


class Article(Model):
    id = fields.BigIntField(primary_key=True)
    author: Any = fields.ForeignKeyField("models.Author", related_name="articles")
    title = fields.CharField(max_length=200)
    body = fields.TextField()
    views = fields.BigIntField(default=0)
    published = fields.BooleanField(default=False)
    created = fields.DatetimeField()

    class Meta:
        table = "articles"


class _Operations:
    async def get(self, key: int) -> Any:
        return await Article.get(id=key)

    async def many(self, after: int, limit: int) -> list[Any]:
        return await Article.filter(id__gt=after).order_by("id").limit(limit)

    async def with_authors(self, after: int, limit: int) -> list[Any]:
        articles = await Article.filter(id__gt=after).order_by("id").limit(limit).select_related("author")
        return [(article, article.author) for article in articles]

    async def insert(self, title: str) -> None:
        await Article.create(title=title, **NEW)

    async def change(self, key: int, title: str) -> None:
        article = await Article.get(id=key)
        article.title = title
        await article.save()

    async def update(self, key: int, views: int) -> None:
        await Article.filter(id=key).update(views=views)

    async def as_json(self, after: int, limit: int) -> bytes:
        return msgspec.json.encode(await Article.filter(id__gt=after).order_by("id").limit(limit).values())


@asynccontextmanager
async def _orm(place: Place) -> AsyncIterator[_Operations]:
    if place.kind == "sqlite":
        engine, credentials = "tortoise.backends.sqlite", {"file_path": place.name, "synchronous": "NORMAL"}
    else:
        engine = "tortoise.backends.asyncpg"
        credentials = {
            "host": place.host,
            "port": place.port,
            "user": place.user,
            "password": place.password or None,
            "database": place.name,
        }
    config = {
        "connections": {"default": {"engine": engine, "credentials": credentials}},
        "apps": {"models": {"models": [__name__], "default_connection": "default"}},
    }
    await Tortoise.init(config=config, use_tz=True, timezone="UTC")
    yield _Operations()
    await Tortoise.close_connections()


WAYS = {"orm": _orm}
