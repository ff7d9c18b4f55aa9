"""Rows that are inserted or updated, on each engine and in both colours; and what others do meanwhile."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Any

import pytest
from msgspec import Meta
from sqlalchemy import ForeignKey, Integer, String, UniqueConstraint, select
from sqlalchemy.orm import Mapped, mapped_column

from erlen.db import Database, Model, Session
from erlen.db.mixins import SoftDelete, soft_delete
from erlen.db.validation import ValidationError
from erlen.errors import Fault


class Base(Model, isolated=True):
    pass


def next_stamp() -> int:
    return 77


class Article(Base):
    slug: Mapped[str] = mapped_column(String(50), unique=True)
    title: Mapped[Annotated[str, Meta(max_length=20)]] = mapped_column(default="untitled")
    views: Mapped[int] = mapped_column(default=0)
    text: Mapped[str | None] = mapped_column("body_text", String(50))
    stamp: Mapped[int] = mapped_column(default=1, onupdate=next_stamp)
    version: Mapped[int] = mapped_column(Integer)
    __mapper_args__ = {"version_id_col": version}


class Stock(Base):
    __table_args__ = (UniqueConstraint("shop", "item"),)
    shop: Mapped[str] = mapped_column(String(20))
    item: Mapped[str] = mapped_column(String(20))
    amount: Mapped[int] = mapped_column(default=0)


class Tag(SoftDelete, Base):
    name: Mapped[str] = mapped_column(String(20), unique=True)


class Line(Base):
    article_id: Mapped[int] = mapped_column(ForeignKey("articles.id"))


class Animal(Base):
    kind: Mapped[str] = mapped_column(String(10))
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "animal"}


class Cat(Animal):
    """It shares the table."""

    __mapper_args__ = {"polymorphic_identity": "cat"}


class Dog(Animal, table="dogs"):
    """It has a table of its own beside."""

    id: Mapped[int] = mapped_column(ForeignKey("animals.id"), primary_key=True)
    bark: Mapped[str] = mapped_column(String(10))
    __mapper_args__ = {"polymorphic_identity": "dog"}


@pytest.fixture
def database(make_database: Callable[..., Database]) -> Database:
    database = make_database(Base)
    with database.session() as db:
        db.add(Article(slug="one", title="One", views=5, text="kept"))
    return database


@pytest.fixture
def db(database: Database, open_session: Callable[..., Session]) -> Session:
    return open_session(database)


def test_rows_are_inserted_or_updated_and_come_back_in_their_order(db: Session) -> None:
    there = db.one(Article, Article.slug == "one")
    rows = [{"slug": "two", "title": "Two"}, {"slug": "one", "title": "First"}, {"slug": "three", "title": "Three"}]
    articles = db.upsert(Article, rows, key="slug")
    assert [(one.slug, one.title, one.views, one.text) for one in articles] == [
        ("two", "Two", 0, None),
        ("one", "First", 5, "kept"),
        ("three", "Three", 0, None),
    ]
    assert articles[1] is there
    assert db.count(Article) == 3
    db.commit()
    assert db.count(Article) == 3


def test_what_is_updated_may_be_said(db: Session) -> None:
    row = {"slug": "one", "title": "New", "views": 1, "text": "new"}
    (article,) = db.upsert(Article, [row], key=Article.slug, update=(Article.text, "views"))
    assert (article.title, article.views, article.text) == ("One", 1, "new")
    (article,) = db.upsert(Article, [row], key=[Article.slug], update={"views": Article.views + 10})
    assert (article.title, article.views) == ("One", 11)
    (article,) = db.upsert(Article, [{"slug": "four", "title": "Four"}], key=Article.slug, update={"views": Article.views + 10})
    assert (article.title, article.views) == ("Four", 0)


def test_nothing_need_be_updated(db: Session) -> None:
    articles = db.upsert(Article, [{"slug": "one", "title": "New"}, {"slug": "two", "title": "Two"}], key=Article.slug, update=())
    assert [(one.slug, one.title, one.version) for one in articles] == [("one", "One", 1), ("two", "Two", 1)]


def test_keys_of_several_fields_and_primary_keys(db: Session) -> None:
    rows = [{"shop": "north", "item": "tea", "amount": 1}, {"shop": "north", "item": "salt", "amount": 2}]
    first = db.upsert(Stock, rows, key=(Stock.shop, Stock.item))
    second = db.upsert(Stock, [{"shop": "north", "item": "salt", "amount": 9}], key=("shop", "item"))
    assert second == [first[1]]
    assert [one.amount for one in first] == [1, 9]
    (third,) = db.upsert(Stock, [{"id": first[0].id, "shop": "south", "item": "tea"}])
    assert third is first[0]
    assert (third.shop, third.amount) == ("south", 1)


def test_a_subclass_that_shares_its_table(db: Session) -> None:
    (cat,) = db.upsert(Cat, [{"id": 7}])
    assert (type(cat), cat.kind) == (Cat, "cat")


def test_what_was_softly_deleted_is_updated_too(db: Session) -> None:
    (tag,) = db.upsert(Tag, [{"name": "old"}], key="name")
    soft_delete(tag)
    db.flush()
    assert db.upsert(Tag, [{"name": "old", "deleted_at": None}], key="name") == [tag]
    assert not tag.is_deleted


def test_rows_with_different_fields_and_the_same_key(db: Session) -> None:
    rows: list[dict[str, Any]] = [
        {"slug": "x", "views": 1},
        {"slug": "y", "title": "Y"},
        {"slug": "x", "title": "X"},
        {"slug": "y", "views": 3, "title": "Z"},
    ]
    x, y = db.upsert(Article, rows, key="slug")
    assert (x.title, x.views, y.title, y.views) == ("X", 1, "Z", 3)
    (z,) = db.upsert(
        Article, [{"slug": "z", "title": "1", "views": 1}, {"slug": "z", "title": "2", "views": 2}], key="slug", update="views"
    )
    assert (z.title, z.views) == ("1", 2)
    with pytest.raises(ValueError, match="two rows"):
        db.upsert(Article, [{"slug": "z"}, {"slug": "z"}], key="slug", update={"views": Article.views + 1})


def test_what_an_update_sets_by_itself_is_set(db: Session) -> None:
    one, two = db.upsert(Article, [{"slug": "one", "title": "New"}, {"slug": "two"}], key="slug")
    assert (one.stamp, one.version) == (77, 2)
    assert (two.stamp, two.version, two.title) == (1, 1, "untitled")
    one.title = "Newer"  # the version in memory is that in the database
    db.flush()
    assert one.version == 3


def test_values_that_do_not_fit_are_told_by_row(db: Session) -> None:
    rows = [{"slug": "a"}, {"slug": "b", "title": "x" * 21}, {"slug": "c", "views": "many"}]
    with pytest.raises(ValidationError) as refused:
        db.upsert(Article, rows, key="slug")
    assert [fault.location for fault in refused.value.faults] == [("body", 1, "title"), ("body", 2, "views")]
    assert db.count(Article) == 1
    with pytest.raises(ValidationError) as refused:
        db.upsert(Line, [{"id": 1, "article_id": 999}])
    assert refused.value.faults == (Fault(("body", "article_id"), "The article does not exist."),)


def test_what_says_no_row_is_refused(db: Session) -> None:
    unsaid: list[dict[str, Any]] = [{"title": "x"}, {"slug": None, "title": "x"}]
    for row in unsaid:
        with pytest.raises(ValueError, match="'slug' is missing"):
            db.upsert(Article, [row], key="slug")
    with pytest.raises(TypeError, match="did you mean 'title'"):
        db.upsert(Article, [{"slug": "x", "titel": "y"}], key="slug")
    with pytest.raises(TypeError, match="no field 'body_text'"):
        db.upsert(Article, [{"slug": "x"}], key="slug", update="body_text")
    with pytest.raises(TypeError, match="no field"):
        db.upsert(Article, [{"slug": "x"}], key="slug); DROP TABLE articles; --")
    with pytest.raises(TypeError, match="several"):
        db.upsert(Dog, [{"id": 1, "bark": "wow"}])
    assert db.upsert(Article, [], key="slug") == []


def test_many_rows(db: Session, statements: list[str]) -> None:
    rows = [{"slug": f"s{number}", "views": number} for number in range(1200)]
    made = db.upsert(Article, iter(rows), key="slug")
    assert [one.views for one in made] == list(range(1200))
    assert len([one for one in statements if one.startswith("SELECT articles")]) == 3


# -- at the same time -----------------------------------------------------------------------------------------------------------


def test_get_or_create_and_update_or_create_in_many_threads(database: Database) -> None:
    """Nobody fails, there is one row, and no update is lost."""
    barrier = threading.Barrier(6)

    def work(number: int) -> bool:
        barrier.wait()
        with database.session() as db:
            stock, is_new = db.get_or_create(Stock, shop="north", item="tea")
            with db.begin_nested():
                db.lock(stock)
                stock.amount += 1
        return is_new

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(work, range(6))) == 1
    with database.session() as db:
        assert [one.amount for one in db.all(Stock)] == [6]


def test_get_or_create_in_many_tasks(database: Database) -> None:
    async def work(number: int) -> bool:
        async with database.async_session() as db:
            _, is_new = await db.get_or_create(Stock, shop="north", item="tea", defaults={"amount": number})
            return is_new

    async def main() -> list[bool]:
        made = await asyncio.gather(*map(work, range(6)))
        await database.dispose_async()
        return made

    assert sum(asyncio.run(main())) == 1


def test_get_or_create_finds_what_another_made_meanwhile(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other commits between the look and the insertion."""
    if database.url().get_backend_name() == "sqlite":
        pytest.skip("SQLite has one writer at a time: nobody can come between")
    with database.session() as db:
        look = db._find
        looks: list[Any] = []

        def look_and_let_another_in(*arguments: Any, **keywords: Any) -> Any:
            found = look(*arguments, **keywords)
            looks.append(found)
            if looks == [None]:
                with database.session() as other:
                    other.add(Article(slug="new", title="theirs"))
            return found

        monkeypatch.setattr(db, "_find", look_and_let_another_in)
        db.add(Stock(shop="mine", item="kept"))
        article, is_new = db.get_or_create(Article, slug="new", defaults={"title": "mine"})
        assert (article.title, is_new, len(looks)) == ("theirs", False, 2)
        article, is_new = db.update_or_create(Article, slug="newer", values={"title": "mine"})
        assert (article.title, is_new) == ("mine", True)
    with database.session() as db:
        assert db.count(Stock) == 1  # what was pending before is kept


@pytest.mark.parametrize("is_there", [True, False])
def test_update_or_create_in_many_threads(database: Database, is_there: bool) -> None:
    """Updates wait for each other, also for whoever makes the row."""
    if is_there:
        with database.session() as db:
            db.add(Stock(shop="north", item="tea", amount=0))
    barrier = threading.Barrier(6)

    def work(number: int) -> bool:
        barrier.wait()
        with database.session() as db:
            stock, is_new = db.update_or_create(Stock, shop="north", item="tea", values={})
            stock.amount += 1
        return is_new

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(work, range(6))) == (not is_there)
    with database.session() as db:
        assert db.all(select(Stock.amount)) == [6]
