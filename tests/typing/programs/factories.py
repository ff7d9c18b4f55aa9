"""Factories of tests, sync and async, with and without a class of their own."""

from __future__ import annotations

from typing import assert_type

from erlen.db import AsyncSession, ForeignKey, Mapped, Model, Session, mapped_column, relationship
from erlen.db.factory import Factory, factory


class Author(Model):
    name: Mapped[str]


class Article(Model):
    title: Mapped[str]
    author_id: Mapped[int] = mapped_column(ForeignKey("authors.id"))
    author: Mapped[Author] = relationship()


class ArticleFactory(Factory[Article]):
    title = "Untitled"
    author = factory(Author)


def sync(db: Session) -> None:
    assert_type(ArticleFactory.build(), Article)
    assert_type(ArticleFactory.build_many(3, title="Hello"), list[Article])
    assert_type(ArticleFactory.create(db, title="Hello"), Article)
    assert_type(ArticleFactory.create_many(db, 3), list[Article])
    assert_type(factory(Author), type[Factory[Author]])
    assert_type(factory(Author).build(), Author)
    assert_type(factory(Author).create(db), Author)


async def in_async(db: AsyncSession) -> None:
    assert_type(await ArticleFactory.create(db, title="Hello"), Article)
    assert_type(await factory(Author).create_many(db, 3), list[Author])


assert ArticleFactory.build().author.name
