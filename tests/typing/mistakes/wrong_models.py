"""Mistakes with models that a type checker finds before the program runs."""

from __future__ import annotations

from erlen.db import Mapped, Model, Session, mapped_column, relationship, select
from erlen.db.columns import Choices
from erlen.db.derived import Create, Read, Update
from erlen.db.factory import factory


class Status(Choices):
    draft = "draft", "Draft"


class Author(Model):
    name: Mapped[str]


class Article(Model):
    title: Mapped[str]
    status: Mapped[Status] = mapped_column(default=Status.draft)
    views: Mapped[int | None]
    author: Mapped[Author] = relationship()


def fields(db: Session, article: Article) -> None:
    article.title = 3  # E: assignment, reportAttributeAccessIssue
    article.title = None  # E: assignment, reportAttributeAccessIssue
    article.status = "no such status"  # E: assignment, reportAttributeAccessIssue
    article.author = "Ada"  # E: assignment, reportAttributeAccessIssue
    print(article.autor)  # E: attr-defined, reportAttributeAccessIssue
    print(article.views + 1)  # E: operator, reportOptionalOperand
    print(select(Article).where(Article.titel == "Hello"))  # E: attr-defined, reportAttributeAccessIssue
    print(Status.published)  # E: attr-defined, reportAttributeAccessIssue
    print(db.all(Article)[0].author.nickname)  # E: attr-defined, reportAttributeAccessIssue


def derived(data: Create[Article], update: Update[Article], author: Author) -> None:
    author = data.build()  # E: assignment, reportAssignmentType
    update.apply(author)  # E: arg-type, reportArgumentType
    Read.of("Ada")  # E: type-var, reportCallIssue, reportArgumentType
    Read[Article].of(author)  # E: arg-type, reportArgumentType
    print(Create[int])  # E: type-var, reportInvalidTypeArguments
    factory(int)  # E: type-var, reportArgumentType
    print(factory(Author).build().title)  # E: attr-defined, reportAttributeAccessIssue
