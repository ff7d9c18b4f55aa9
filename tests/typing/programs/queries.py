"""Everything that a `Session` adds to SQLAlchemy's, with models, statements of one column and of several."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, TypeVar, assert_type

from sqlalchemy import Row, Select, text, union_all
from sqlalchemy.orm import aliased, joinedload

from erlen.db import Database, ForeignKey, Mapped, Model, Session, delete, func, insert, mapped_column, relationship, select, update
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


def of_models(db: Session) -> None:
    assert_type(db.all(Article), list[Article])
    assert_type(db.all(Article, Article.views > 3, Article.title != ""), list[Article])
    assert_type(db.first(Article), Article | None)
    assert_type(db.one(Article, Article.id == 1), Article)
    assert_type(db.one_or_none(Article, Article.id == 1), Article | None)
    assert_type(db.get_or_404(Article, 1), Article)
    assert_type(db.get(Article, 1), Article | None)
    assert_type(db.get_one(Article, 1), Article)
    assert_type(db.latest(Article, Article.created), Article | None)
    assert_type(db.earliest(Article, by=Article.created), Article | None)
    assert_type(db.exists(Article, Article.views > 3), bool)
    assert_type(db.count(Article), int)
    assert_type(db.in_bulk(Article, [1, 2]), dict[int, Article])
    assert_type(db.in_bulk(Article, ["a"], by=Article.title), dict[str, Article])
    assert_type(db.page(Article, number=2, size=10), Page[Article])
    assert_type(db.keyset(Article, size=10, after=None), Keyset[Article])
    assert_type(db.for_update(Article, Article.id == 1, skip_locked=True), list[Article])
    assert_type(db.lock(Article()), Article)


def of_statements(db: Session) -> None:
    statement = select(Article).where(Article.views > 3).order_by(Article.title)
    assert_type(db.all(statement), list[Article])
    assert_type(db.all(statement, Article.title != ""), list[Article])
    assert_type(db.all(statement.options(joinedload(Article.author)).join(Article.author)), list[Article])
    assert_type(db.first(statement), Article | None)
    assert_type(db.one(statement), Article)
    assert_type(db.one_or_none(statement), Article | None)
    assert_type(db.get_or_404(statement), Article)
    assert_type(db.exists(statement), bool)
    assert_type(db.count(statement), int)
    assert_type(db.page(statement, total="capped"), Page[Article])
    assert_type(db.keyset(statement), Keyset[Article])
    assert_type(db.for_update(statement, nowait=True, of=Article), list[Article])


def of_one_column(db: Session) -> None:
    assert_type(db.all(select(Article.title)), list[str])
    assert_type(db.first(select(Article.created)), datetime | None)
    assert_type(db.one(select(func.count(Article.id))), int)
    assert_type(db.one(select(func.max(Article.views))), int)
    assert_type(db.get_or_404(select(Article.title).where(Article.id == 1)), str)
    assert_type(db.page(select(Article.title).order_by(Article.title)), Page[str])


def of_several_columns(db: Session) -> None:
    statement = select(Article.id, Article.title, Author).join(Article.author)
    assert_type(db.all(statement), list[Row[int, str, Author]])
    assert_type(db.first(statement), Row[int, str, Author] | None)
    assert_type(db.one(statement), Row[int, str, Author])
    assert_type(db.one_or_none(statement), Row[int, str, Author] | None)
    assert_type(db.get_or_404(statement), Row[int, str, Author])
    assert_type(db.page(statement), Page[Row[int, str, Author]])
    assert_type(db.keyset(statement), Keyset[Row[int, str, Author]])
    number, title, author = db.one(statement)
    assert_type(number, int)
    assert_type(title, str)
    assert_type(author, Author)
    for key, name in db.all(select(Author.id, Author.name)):
        assert_type(key, int)
        assert_type(name, str)
    pairs = select(Author, func.count(Article.id)).join(Author.articles).group_by(Author.id)
    for who, number_of in db.all(pairs):
        assert_type(who, Author)
        assert_type(number_of, int)


def of_text(db: Session) -> None:
    written = text("SELECT * FROM articles")
    assert_type(db.all(written), list[Any])
    assert_type(db.all(select(Article).from_statement(written)), list[Any])
    assert_type(db.all(written.columns(Article.id, Article.title)), list[Any])
    assert_type(db.first(written), Any)
    assert_type(db.one(written), Any)
    assert_type(db.one_or_none(written), Any)
    assert_type(db.get_or_404(select(Article).from_statement(written)), Any)
    articles: list[Article] = db.all(select(Article).from_statement(written))
    print(articles)
    for row in db.stream_all(written, size=10):
        assert_type(row, Any)


def of_pages(db: Session) -> None:
    page = db.page(Article)
    assert_type(page.items, Sequence[Article])
    assert_type([article.title for article in page], list[str])
    assert_type((page.number, page.size, page.total, page.has_next), tuple[int, int, int, bool])
    keyset = db.keyset(Article)
    assert_type(keyset.items, Sequence[Article])
    assert_type(keyset.next, str | None)
    assert_type([article.author for article in keyset], list[Author])


def of_streams(db: Session) -> None:
    assert_type(db.batches(Article, size=100), Iterator[list[Article]])
    assert_type(db.stream_all(select(Article)), Iterator[Article])
    for key, title in db.stream_all(select(Article.id, Article.title)):
        assert_type(key, int)
        assert_type(title, str)


def of_writes(db: Session) -> None:
    assert_type(db.get_or_create(Author, name="Ada"), tuple[Author, bool])
    assert_type(db.get_or_create(Author, {"name": "Ada"}, id=1), tuple[Author, bool])
    assert_type(db.update_or_create(Article, {"views": Article.views + 1}, title="Hello"), tuple[Article, bool])
    assert_type(db.upsert(Article, [{"id": 1, "title": "Hello"}], key=Article.id, update=["title"]), list[Article])
    assert_type(db.upsert(Article, [{"id": 1}], update={"views": Article.views + 1}), list[Article])
    assert_type(db.bulk_insert(Article, ({"title": str(number)} for number in range(3))), int)
    assert_type(db.bulk_update(Article, [{"id": 1, "views": 2}]), int)
    with db.advisory_lock("numbers", wait=False):
        db.add(Article(title="Hello"))
    with db.begin_nested():
        db.delete(db.get_or_404(Article, 1))
    with db.independent() as other:
        assert_type(other, Session)
    db.after_commit(print, "done")
    db.after_rollback(lambda: print("undone"))
    db.load(db.all(Article), Article.author, Author.articles)
    db.load(db.get_or_404(Article, 1), Article.author)


def of_sqlalchemy(db: Session) -> None:
    assert_type(db.scalars(select(Article)).all(), Sequence[Article])
    assert_type(db.execute(select(Article.id, Article.title)).all(), Sequence[Row[int, str]])
    assert_type(db.execute(select(Article.id, Article.title)).one(), Row[int, str])
    db.execute(update(Article).where(Article.id == 1).values(views=Article.views + 1))
    db.execute(delete(Article).where(Article.id == 1))
    assert_type(db.scalars(insert(Article).returning(Article), [{"title": "Hello"}]).all(), Sequence[Article])
    other = aliased(Article)
    assert_type(db.all(select(other).where(other.views > 1)), list[Article])
    both = union_all(select(Article.id), select(Author.id))
    assert_type(db.all(both), list[int])


def of_orders(db: Session, wanted: str) -> list[Article]:
    return db.all(select(Article).order_by(*ordering(Article, wanted, allowed=("title", "views"))))


def newest(db: Session, model: type[Item]) -> Item | None:
    return db.first(select(model).order_by(model.id.desc()))


def titles(db: Session, statement: Select[Article, str]) -> dict[str, Article]:
    return {title: article for article, title in db.all(statement.limit(3))}


def of_generics(db: Session) -> None:
    assert_type(newest(db, Article), Article | None)
    assert_type(titles(db, select(Article, Article.title)), dict[str, Article])
    assert_type(db.one(insert(Article).values(title="Hello").returning(Article.id)), int)
    assert_type(db.all(update(Article).values(views=0).returning(Article.id, Article.title)), list[Row[int, str]])


def outside_of_requests() -> None:
    database = Database("sqlite://")
    with database.session(reading=True) as db:
        assert_type(db, Session)
        assert_type(db.all(Article), list[Article])
