"""Django's ORM as its tutorial has it: managers and querysets, each statement committed by itself, one connection that stays open."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from benchmarks.data_store import NEW, Place

__all__ = ["WAYS"]


@contextmanager
def _orm(place: Place) -> Iterator[Any]:
    import django
    from django.conf import settings

    if place.kind == "sqlite":
        options = {"init_command": "PRAGMA synchronous = NORMAL"}
        database: dict[str, Any] = {"ENGINE": "django.db.backends.sqlite3", "NAME": place.name, "OPTIONS": options}
    else:
        address = {"HOST": place.host, "PORT": place.port, "USER": place.user, "PASSWORD": place.password}
        database = {"ENGINE": "django.db.backends.postgresql", "NAME": place.name, "CONN_MAX_AGE": None, **address}
    settings.configure(DATABASES={"default": database}, USE_TZ=True, DEFAULT_AUTO_FIELD="django.db.models.BigAutoField")
    django.setup()

    from django.db import connections, models

    class Author(models.Model):
        name = models.CharField(max_length=100)
        email = models.EmailField(unique=True)

        class Meta:
            app_label = "blog"
            db_table = "authors"

    class Article(models.Model):
        author = models.ForeignKey(Author, on_delete=models.CASCADE)
        title = models.CharField(max_length=200)
        body = models.TextField()
        views = models.BigIntegerField(default=0)
        published = models.BooleanField(default=False)
        created = models.DateTimeField()

        class Meta:
            app_label = "blog"
            db_table = "articles"

    objects: Any = Article.objects

    def page(after: int) -> Any:
        return objects.filter(id__gt=after).order_by("id")

    class Operations:
        def get(self, key: int) -> Any:
            return objects.get(pk=key)

        def many(self, after: int, limit: int) -> list[Any]:
            return list(page(after)[:limit])

        def with_authors(self, after: int, limit: int) -> list[Any]:
            return [(article, article.author) for article in page(after).select_related("author")[:limit]]

        def insert(self, title: str) -> None:
            objects.create(title=title, **NEW)

        def change(self, key: int, title: str) -> None:
            article = objects.get(pk=key)
            article.title = title
            article.save()

        def update(self, key: int, views: int) -> None:
            objects.filter(pk=key).update(views=views)

        def as_json(self, after: int, limit: int) -> bytes:
            return msgspec.json.encode(list(page(after).values()[:limit]))

    yield Operations()
    connections.close_all()


WAYS = {"orm": _orm}
