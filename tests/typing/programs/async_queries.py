"""Everything that an `AsyncSession` adds to SQLAlchemy's, with models, statements of one column and of several."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any, TypeVar, assert_type

from sqlalchemy import Row, Select, text, union_all
from sqlalchemy.orm import aliased, joinedload

from erlen.db import AsyncSession, Database, ForeignKey, Mapped, Model, delete, func, insert, mapped_column, relationship, select, update
from erlen.db.keyset import Keyset
from erlen.db.ordering import ordering
from erlen.db.page import Page

Item = TypeVar("Item", bound=Model)


class Author(Model):
    name: Mapped[str]
    articles: Mapped[list[Article]] = relationship(back_populates="author")


class Article(Model):
    title: Mapped[str]
    views: Mapped[int] = mapped_column(default=0)
    created: Mapped[datetime | None]
    author_id: Mapped[int] = mapped_column(ForeignKey("authors.id"))
    author: Mapped[Author] = relationship(back_populates="articles")


async def of_models(db: AsyncSession) -> None:
    assert_type(await db.all(Article), list[Article])
    assert_type(await db.all(Article, Article.views > 3, Article.title != ""), list[Article])
    assert_type(await db.first(Article), Article | None)
    assert_type(await db.one(Article, Article.id == 1), Article)
    assert_type(await db.one_or_none(Article, Article.id == 1), Article | None)
    assert_type(await db.get_or_404(Article, 1), Article)
    assert_type(await db.get(Article, 1), Article | None)
    assert_type(await db.get_one(Article, 1), Article)
    assert_type(await db.latest(Article, Article.created), Article | None)
    assert_type(await db.earliest(Article, by=Article.created), Article | None)
    assert_type(await db.exists(Article, Article.views > 3), bool)
    assert_type(await db.count(Article), int)
    assert_type(await db.in_bulk(Article, [1, 2]), dict[int, Article])
    assert_type(await db.in_bulk(Article, ["a"], by=Article.title), dict[str, Article])
    assert_type(await db.page(Article, number=2, size=10), Page[Article])
    assert_type(await db.keyset(Article, size=10, after=None), Keyset[Article])
    assert_type(await db.for_update(Article, Article.id == 1, skip_locked=True), list[Article])
    assert_type(await db.lock(Article()), Article)


async def of_statements(db: AsyncSession) -> None:
    statement = select(Article).where(Article.views > 3).order_by(Article.title)
    assert_type(await db.all(statement), list[Article])
    assert_type(await db.all(statement, Article.title != ""), list[Article])
    assert_type(await db.all(statement.options(joinedload(Article.author)).join(Article.author)), list[Article])
    assert_type(await db.first(statement), Article | None)
    assert_type(await db.one(statement), Article)
    assert_type(await db.one_or_none(statement), Article | None)
    assert_type(await db.get_or_404(statement), Article)
    assert_type(await db.exists(statement), bool)
    assert_type(await db.count(statement), int)
    assert_type(await db.page(statement, total="capped"), Page[Article])
    assert_type(await db.keyset(statement), Keyset[Article])
    assert_type(await db.for_update(statement, nowait=True, of=Article), list[Article])


async def of_one_column(db: AsyncSession) -> None:
    assert_type(await db.all(select(Article.title)), list[str])
    assert_type(await db.first(select(Article.created)), datetime | None)
    assert_type(await db.one(select(func.count(Article.id))), int)
    assert_type(await db.one(select(func.max(Article.views))), int)
    assert_type(await db.get_or_404(select(Article.title).where(Article.id == 1)), str)
    assert_type(await db.page(select(Article.title).order_by(Article.title)), Page[str])


async def of_several_columns(db: AsyncSession) -> None:
    statement = select(Article.id, Article.title, Author).join(Article.author)
    assert_type(await db.all(statement), list[Row[int, str, Author]])
    assert_type(await db.first(statement), Row[int, str, Author] | None)
    assert_type(await db.one(statement), Row[int, str, Author])
    assert_type(await db.one_or_none(statement), Row[int, str, Author] | None)
    assert_type(await db.get_or_404(statement), Row[int, str, Author])
    assert_type(await db.page(statement), Page[Row[int, str, Author]])
    assert_type(await db.keyset(statement), Keyset[Row[int, str, Author]])
    number, title, author = await db.one(statement)
    assert_type(number, int)
    assert_type(title, str)
    assert_type(author, Author)
    for key, name in await db.all(select(Author.id, Author.name)):
        assert_type(key, int)
        assert_type(name, str)
    pairs = select(Author, func.count(Article.id)).join(Author.articles).group_by(Author.id)
    for who, number_of in await db.all(pairs):
        assert_type(who, Author)
        assert_type(number_of, int)


async def of_text(db: AsyncSession) -> None:
    written = text("SELECT * FROM articles")
    assert_type(await db.all(written), list[Any])
    assert_type(await db.all(select(Article).from_statement(written)), list[Any])
    assert_type(await db.all(written.columns(Article.id, Article.title)), list[Any])
    assert_type(await db.first(written), Any)
    assert_type(await db.one(written), Any)
    assert_type(await db.one_or_none(written), Any)
    assert_type(await db.get_or_404(select(Article).from_statement(written)), Any)
    articles: list[Article] = await db.all(select(Article).from_statement(written))
    print(articles)
    async for row in db.stream_all(written, size=10):
        assert_type(row, Any)


async def of_pages(db: AsyncSession) -> None:
    page = await db.page(Article)
    assert_type(page.items, Sequence[Article])
    assert_type([article.title for article in page], list[str])
    assert_type((page.number, page.size, page.total, page.has_next), tuple[int, int, int, bool])
    keyset = await db.keyset(Article)
    assert_type(keyset.items, Sequence[Article])
    assert_type(keyset.next, str | None)
    assert_type([article.author for article in keyset], list[Author])


async def of_streams(db: AsyncSession) -> None:
    assert_type(db.batches(Article, size=100), AsyncIterator[list[Article]])
    assert_type(db.stream_all(select(Article)), AsyncIterator[Article])
    async for key, title in db.stream_all(select(Article.id, Article.title)):
        assert_type(key, int)
        assert_type(title, str)


async def of_writes(db: AsyncSession) -> None:
    assert_type(await db.get_or_create(Author, name="Ada"), tuple[Author, bool])
    assert_type(await db.get_or_create(Author, {"name": "Ada"}, id=1), tuple[Author, bool])
    assert_type(await db.update_or_create(Article, {"views": Article.views + 1}, title="Hello"), tuple[Article, bool])
    assert_type(await db.upsert(Article, [{"id": 1, "title": "Hello"}], key=Article.id, update=["title"]), list[Article])
    assert_type(await db.upsert(Article, [{"id": 1}], update={"views": Article.views + 1}), list[Article])
    assert_type(await db.bulk_insert(Article, ({"title": str(number)} for number in range(3))), int)
    assert_type(await db.bulk_update(Article, [{"id": 1, "views": 2}]), int)
    async with db.advisory_lock("numbers", wait=False):
        db.add(Article(title="Hello"))
    async with db.begin_nested():
        await db.delete(await db.get_or_404(Article, 1))
    async with db.independent() as other:
        assert_type(other, AsyncSession)
    db.after_commit(print, "done")
    db.after_rollback(lambda: print("undone"))
    await db.load(await db.all(Article), Article.author, Author.articles)
    await db.load(await db.get_or_404(Article, 1), Article.author)


async def of_sqlalchemy(db: AsyncSession) -> None:
    assert_type((await db.scalars(select(Article))).all(), Sequence[Article])
    assert_type((await db.execute(select(Article.id, Article.title))).all(), Sequence[Row[int, str]])
    assert_type((await db.execute(select(Article.id, Article.title))).one(), Row[int, str])
    await db.execute(update(Article).where(Article.id == 1).values(views=Article.views + 1))
    await db.execute(delete(Article).where(Article.id == 1))
    assert_type((await db.scalars(insert(Article).returning(Article), [{"title": "Hello"}])).all(), Sequence[Article])
    other = aliased(Article)
    assert_type(await db.all(select(other).where(other.views > 1)), list[Article])
    both = union_all(select(Article.id), select(Author.id))
    assert_type(await db.all(both), list[int])


async def of_orders(db: AsyncSession, wanted: str) -> list[Article]:
    return await db.all(select(Article).order_by(*ordering(Article, wanted, allowed=("title", "views"))))


async def newest(db: AsyncSession, model: type[Item]) -> Item | None:
    return await db.first(select(model).order_by(model.id.desc()))


async def titles(db: AsyncSession, statement: Select[Article, str]) -> dict[str, Article]:
    return {title: article for article, title in await db.all(statement.limit(3))}


async def of_generics(db: AsyncSession) -> None:
    assert_type(await newest(db, Article), Article | None)
    assert_type(await titles(db, select(Article, Article.title)), dict[str, Article])
    assert_type(await db.one(insert(Article).values(title="Hello").returning(Article.id)), int)
    assert_type(await db.all(update(Article).values(views=0).returning(Article.id, Article.title)), list[Row[int, str]])


async def outside_of_requests() -> None:
    database = Database("sqlite://")
    async with database.async_session(reading=True) as db:
        assert_type(db, AsyncSession)
        assert_type(await db.all(Article), list[Article])
