"""Mistakes with sessions that a type checker finds before the program runs."""

from __future__ import annotations

from sqlalchemy import text

from erlen.db import AsyncSession, Mapped, Model, Session, select


class Article(Model):
    title: Mapped[str]


def sync(db: Session, article: Article) -> None:
    db.all("articles")  # E: call-overload, reportCallIssue, reportArgumentType
    db.all(Article, "title = 'Hello'")  # E: call-overload, reportCallIssue, reportArgumentType
    db.all(text("SELECT 1"), Article.id == 1)  # E: call-overload, reportCallIssue, reportArgumentType
    db.page(text("SELECT 1"))  # E: call-overload, reportCallIssue, reportArgumentType
    db.get_or_404(Article)  # E: call-overload, reportCallIssue, reportArgumentType
    print(db.first(Article).title)  # E: union-attr, reportOptionalMemberAccess
    db.page(Article, total="sometimes")  # E: call-overload, reportCallIssue, reportArgumentType
    db.page(Article, 2)  # E: call-overload, reportCallIssue, reportArgumentType
    db.keyset(Article, after=3)  # E: call-overload, reportCallIssue, reportArgumentType
    db.latest(Article, "title")  # E: call-overload, reportCallIssue, reportArgumentType
    db.load(article, "author")  # E: arg-type, reportArgumentType
    for key, title in db.all(select(Article.id, Article.title)):
        print(key.upper())  # E: attr-defined, reportAttributeAccessIssue
        print(title.bit_length())  # E: attr-defined, reportAttributeAccessIssue
    one, two, three = db.one(select(Article.id, Article.title))  # E: misc, reportAssignmentType
    print(one, two, three)


async def in_async(db: AsyncSession) -> None:
    db.all(Article)  # E: unused-coroutine, reportUnusedCoroutine
    print(db.all(Article)[0])  # E: index, reportIndexIssue
    article = await db.first(Article)
    print(article.title)  # E: union-attr, reportOptionalMemberAccess
    for each in db.stream_all(Article):  # E: attr-defined, reportGeneralTypeIssues
        print(each)
