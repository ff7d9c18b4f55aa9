"""What stands beside queries: changes, places in a list, tagged references, relations that are awaited."""

from __future__ import annotations

from typing import Any, assert_type

from sqlalchemy import ColumnElement

from erlen.db import AsyncSession, ForeignKey, Mapped, Model, Session, mapped_column, relationship, select
from erlen.db.changes import changes, is_changed
from erlen.db.mixins import Ordered, SoftDelete, move_to, move_up, restore, soft_delete
from erlen.db.tagged import Tagged, tagged
from erlen.db.validation import ValidationError, validator


class Photo(Model):
    path: Mapped[str]


class Article(SoftDelete, Model):
    title: Mapped[str]
    photos: Mapped[list[Picture]] = relationship(back_populates="article")

    @validator("title")
    def without_spaces(self, value: str) -> str:
        return value.strip()

    def validate(self) -> None:
        if not self.photos:
            raise ValidationError({"photos": "Show something."})


class Picture(Ordered, Model, within="article_id"):
    article_id: Mapped[int] = mapped_column(ForeignKey("articles.id"))
    article: Mapped[Article] = relationship(back_populates="photos")


class Comment(Model):
    subject: Tagged[Article | Photo] = tagged(on_delete="delete")
    other: Tagged[Photo | None] = tagged()


def sync(db: Session, article: Article, comment: Comment, picture: Picture) -> None:
    assert_type(changes(article), dict[str, tuple[Any, Any]])
    assert_type(is_changed(article, "title"), bool)
    soft_delete(article)
    restore(article)
    move_up(db, picture)
    move_to(db, picture, 0)
    assert_type(comment.subject, Article | Photo)
    assert_type(comment.other, Photo | None)
    comment.subject = article
    comment.other = None
    assert_type(Comment.subject.is_(article), ColumnElement[bool])
    assert_type(db.all(select(Comment).where(Comment.subject.is_(article))), list[Comment])
    assert_type(article.without_spaces(" Hello "), str)


async def in_async(db: AsyncSession, picture: Picture) -> None:
    await db.load(picture, Picture.article, Article.photos)
    await picture.awaitable_attrs.article
    await db.run_sync(move_up, picture)
    await move_up(db, picture)
    await move_to(db, picture, 0)
    async with db.savepoint():
        await db.start_writing()
