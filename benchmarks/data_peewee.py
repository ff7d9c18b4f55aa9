"""Peewee as its documentation has it: one connection that stays open, each statement committed by itself. It keeps times without a zone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from benchmarks.data_store import NEW, Place

__all__ = ["WAYS"]


@contextmanager
def _orm(place: Place) -> Iterator[Any]:
    import peewee

    new = dict(NEW)
    database: Any
    if place.kind == "sqlite":
        database = peewee.SqliteDatabase(place.name, pragmas={"synchronous": "normal", "foreign_keys": 1})
        new["created"] = new["created"].replace(tzinfo=None)
    else:
        address = {"host": place.host, "port": place.port, "user": place.user, "password": place.password}
        database = peewee.PostgresqlDatabase(place.name, prefer_psycopg3=True, **address)

    class Author(peewee.Model):
        id = peewee.BigAutoField()
        name = peewee.CharField(100)
        email = peewee.CharField(254, unique=True)

        class Meta:
            table_name = "authors"

    class Article(peewee.Model):
        id = peewee.BigAutoField()
        author = peewee.ForeignKeyField(Author)
        title = peewee.CharField(200)
        body = peewee.TextField()
        views = peewee.BigIntegerField(default=0)
        published = peewee.BooleanField(default=False)
        created = peewee.DateTimeField()

        class Meta:
            table_name = "articles"

    database.bind([Author, Article])
    database.connect()
    model: Any = Article

    def page(after: int, limit: int, *models: Any) -> Any:
        return model.select(*models).where(model.id > after).order_by(model.id).limit(limit)

    class Operations:
        def get(self, key: int) -> Any:
            return model.get_by_id(key)

        def many(self, after: int, limit: int) -> list[Any]:
            return list(page(after, limit))

        def with_authors(self, after: int, limit: int) -> list[Any]:
            return [(article, article.author) for article in page(after, limit, Article, Author).join(Author)]

        def insert(self, title: str) -> None:
            model.create(title=title, **new)

        def change(self, key: int, title: str) -> None:
            article = model.get_by_id(key)
            article.title = title
            article.save()

        def update(self, key: int, views: int) -> None:
            model.update(views=views).where(model.id == key).execute()

        def as_json(self, after: int, limit: int) -> bytes:
            return msgspec.json.encode(list(page(after, limit).dicts()))

    yield Operations()
    database.close()


WAYS = {"orm": _orm}
