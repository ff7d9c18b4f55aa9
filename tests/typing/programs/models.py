"""Models: fields, annotated aliases, choices, mixins and relations, on objects and on classes."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Literal, assert_type
from uuid import UUID

from msgspec import Struct
from sqlalchemy import BigInteger, BinaryExpression, Column, ColumnElement, Table
from sqlalchemy.orm import DynamicMapped, InstrumentedAttribute, WriteOnlyMapped, configure_mappers

from erlen.db import Base, ForeignKey, Mapped, Meta, Model, func, mapped_column, relationship
from erlen.db.columns import UUID7, Choices, Count, Email, Encrypted, IntegerChoices, Line, Money, Slug, Url
from erlen.db.info import FieldInfo, describe, private, read_only
from erlen.db.mixins import Ordered, SoftDelete, Timestamps, Versioned


class Status(Choices):
    draft = "draft", "Draft"
    published = "published"


class Priority(IntegerChoices):
    low = 1, "Low"
    high = 2, "High"


class Address(Struct):
    street: str
    city: str = ""


class Author(Timestamps, Model):
    name: Mapped[Line]
    email: Mapped[Email] = mapped_column(unique=True)
    site: Mapped[Url | None]
    secret: Mapped[Annotated[str, private]] = mapped_column(default="")
    token: Mapped[Encrypted[str] | None]
    address: Mapped[Address | None]
    birthday: Mapped[date | None]
    articles: Mapped[list[Article]] = relationship(back_populates="author", order_by="Article.id")
    profile: Mapped[Profile | None] = relationship(back_populates="author")
    comments: DynamicMapped[Comment] = relationship()
    visits: WriteOnlyMapped[Visit] = relationship()


class Profile(Model):
    author_id: Mapped[int] = mapped_column(ForeignKey("authors.id"), unique=True)
    author: Mapped[Author] = relationship(back_populates="profile")


article_tags = Table(
    "article_tags",
    Base.metadata,
    Column("article_id", BigInteger, ForeignKey("articles.id"), primary_key=True),
    Column("tag_id", BigInteger, ForeignKey("tags.id"), primary_key=True),
)


class Tag(Model, ordering="name"):
    name: Mapped[Annotated[str, Meta(max_length=50)]] = mapped_column(unique=True)
    articles: Mapped[set[Article]] = relationship(secondary=article_tags, back_populates="tags")


class Article(Timestamps, SoftDelete, Versioned, Model, ordering=("-published_at", "title"), label="Article", plural="Articles"):
    title: Mapped[Annotated[str, Meta(min_length=1, max_length=200)]]
    slug: Mapped[Slug] = mapped_column(unique=True)
    body: Mapped[str] = mapped_column(default="", deferred=True)
    status: Mapped[Status] = mapped_column(default=Status.draft)
    priority: Mapped[Priority] = mapped_column(default=Priority.low)
    kind: Mapped[Literal["news", "essay"]] = mapped_column(default="news")
    price: Mapped[Money | None]
    views: Mapped[Annotated[Count, read_only]] = mapped_column(default=0)
    reading_time: Mapped[timedelta | None]
    labels: Mapped[list[str]] = mapped_column(default=list)
    options: Mapped[dict[str, int]] = mapped_column(default=dict)
    published_at: Mapped[datetime | None]
    author_id: Mapped[int] = mapped_column(ForeignKey("authors.id"))
    author: Mapped[Author] = relationship(back_populates="articles")
    tags: Mapped[set[Tag]] = relationship(secondary=article_tags, back_populates="articles")


class Comment(Model):
    author_id: Mapped[int | None] = mapped_column(ForeignKey("authors.id"))
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("comments.id"))
    parent: Mapped[Comment | None] = relationship(back_populates="replies", remote_side="Comment.id")
    replies: Mapped[list[Comment]] = relationship(back_populates="parent")


class Visit(Base):
    id: Mapped[UUID7] = mapped_column(primary_key=True)
    author_id: Mapped[int] = mapped_column(ForeignKey("authors.id"))


class Step(Ordered, Model, within="article_id"):
    article_id: Mapped[int] = mapped_column(ForeignKey("articles.id"))


class Log(Model, database="logs", table="log_entries"):
    text: Mapped[str]


def on_objects(article: Article, author: Author, comment: Comment, visit: Visit, step: Step) -> None:
    assert_type(article.id, int)
    assert_type(article.title, str)
    assert_type(article.slug, str)
    assert_type(article.status, Status)
    assert_type(article.status.label, str)
    assert_type(article.priority, Priority)
    assert_type(article.kind, Literal["news", "essay"])
    assert_type(article.price, Decimal | None)
    assert_type(article.views, int)
    assert_type(article.reading_time, timedelta | None)
    assert_type(article.labels, list[str])
    assert_type(article.options, dict[str, int])
    assert_type(article.published_at, datetime | None)
    assert_type(article.created, datetime)
    assert_type(article.updated, datetime)
    assert_type(article.deleted_at, datetime | None)
    assert_type(article.is_deleted, bool)
    assert_type(article.version, int)
    assert_type(article.author, Author)
    assert_type(article.author.articles, list[Article])
    assert_type(article.tags, set[Tag])
    assert_type({tag.name for tag in article.tags}, set[str])
    assert_type(author.email, str)
    assert_type(author.site, str | None)
    assert_type(author.secret, str)
    assert_type(author.token, str | None)
    assert_type(author.address, Address | None)
    assert_type(author.birthday, date | None)
    assert_type(author.profile, Profile | None)
    assert_type(comment.parent, Comment | None)
    assert_type(comment.replies, list[Comment])
    assert_type(visit.id, UUID)
    assert_type(step.position, int)


def on_classes() -> None:
    assert_type(Article.title, InstrumentedAttribute[str])
    assert_type(Article.author, InstrumentedAttribute[Author])
    assert_type(Article.title == "Hello", ColumnElement[bool])
    assert_type(Article.status == Status.draft, ColumnElement[bool])
    assert_type(Article.views > 10, ColumnElement[bool])
    assert_type(Article.views + 1, ColumnElement[int])
    assert_type(Article.title.startswith("A"), ColumnElement[bool])
    assert_type(Article.published_at.is_(None), BinaryExpression[bool])
    assert_type(Article.author.has(Author.name == "Ada"), ColumnElement[bool])
    assert_type(Status.choices(), list[tuple[str, str]])
    assert_type(Status.draft.value, str)
    assert_type(Status("draft"), Status)


def making(author: Author) -> None:
    article = Article(title="Hello", slug="hello", author=author, price=Decimal("9.90"))
    assert_type(article, Article)
    article.published_at = None
    article.views = Article.views + 1
    article.created = func.now()
    author.articles.append(article)
    author.comments.append(Comment())
    author.visits.add(Visit())
    assert_type(describe(Article).field("title"), FieldInfo)
    assert_type(describe(Article).fields, tuple[FieldInfo, ...])


configure_mappers()
