"""Numbered pages, on each engine and in both colours."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import ForeignKey, Row, String, func, select, union_all
from sqlalchemy.orm import Mapped, joinedload, mapped_column, relationship

from erlen.db import Database, Model, Session
from erlen.db.page import Page
from erlen.errors import NotFound
from erlen.templates.pagination import Paginated, Pagination, page_window


class Base(Model, isolated=True):
    pass


class Book(Base, ordering="-year"):
    title: Mapped[str] = mapped_column(String(20), unique=True)
    year: Mapped[int]
    chapters: Mapped[list[Chapter]] = relationship()


class Chapter(Base):
    book_id: Mapped[int] = mapped_column(ForeignKey("books.id"))


@pytest.fixture
def database(make_database: Callable[..., Database]) -> Database:
    database = make_database(Base)
    with database.session() as db:
        db.add_all(Book(title=f"book {number:02}", year=2000 + number % 3, chapters=[Chapter(), Chapter()]) for number in range(45))
    return database


@pytest.fixture
def db(database: Database, open_session: Callable[..., Session]) -> Session:
    return open_session(database)


def test_pages_hold_everything_once(db: Session) -> None:
    statements: list[Any] = [
        Book,
        select(Book),
        select(Book).order_by(Book.year),
        select(Book.title, Book.id).order_by(Book.year.desc()),
        select(Book).options(joinedload(Book.chapters)).order_by(Book.year),
        select(Book).join(Book.chapters).distinct().order_by(Book.year),
        select(Book.title).distinct(),
        select(Book, Chapter).outerjoin(Book.chapters.and_(Chapter.id % 2 == 0)).order_by(Book.year),
    ]
    for statement in statements:
        pages = [db.page(statement, number=number, size=20) for number in (1, 2, 3)]
        assert [len(page) for page in pages] == [20, 20, 5]
        assert {(page.total, page.pages, page.is_exact) for page in pages} == {(45, 3, True)}
        assert [(page.has_previous, page.has_next) for page in pages] == [(False, True), (True, True), (True, False)]
        first_columns = [row[0] if isinstance(row, Row) else row for page in pages for row in page]
        assert len(set(first_columns)) == 45


def test_a_model_is_in_its_default_order_and_ties_by_its_key(db: Session) -> None:
    ids = [book.id for number in (1, 2, 3) for book in db.page(Book, number=number)]
    assert ids == db.all(select(Book.id).order_by(Book.year.desc(), Book.id.desc()))


def test_groups_and_unions(db: Session) -> None:
    groups = db.page(select(Book.year, func.count()).group_by(Book.year), size=2)
    assert (groups.total, [year for year, _ in groups]) == (3, [2000, 2001])
    union = union_all(select(Book.title), select(Book.title)).order_by("title")
    assert (db.page(union, size=3).total, list(db.page(union, size=3))) == (90, ["book 00", "book 00", "book 01"])


def test_what_is_counted(db: Session, statements: list[str]) -> None:
    def page(**options: Any) -> Page[Any]:
        statements.clear()
        return db.page(Book, Book.year > 1999, **options)

    def asked() -> int:
        return len([one for one in statements if one.startswith("SELECT")])

    exact = page(size=10)
    assert (exact.total, exact.is_exact, asked()) == (45, True, 2)
    capped = page(size=10, total="capped", cap=30)
    assert (capped.total, capped.pages, capped.is_exact, asked()) == (30, 3, False, 2)
    assert page(size=10, total="capped", cap=45).is_exact
    late = page(size=10, number=4, total="capped", cap=20)
    assert (late.total, late.pages, late.has_next, late.is_exact) == (41, 5, True, False)
    none = page(size=10, number=2, total="none")
    assert (none.total, none.pages, none.has_next, none.is_exact, asked()) == (21, 3, True, False, 1)
    for total in ("exact", "capped", "none"):
        last = page(size=10, number=5, total=total)
        assert (last.total, last.pages, last.has_next, last.is_exact, asked()) == (45, 5, False, True, 1)


def test_pages_that_are_not_there(db: Session) -> None:
    for number in (0, -1, 4, 2**31, 2**63, 10**30):
        with pytest.raises(NotFound, match="no such page"):
            db.page(Book, number=number)
    empty = db.page(Book, Book.year < 0)
    assert (list(empty), empty.total, empty.pages, empty.first_item, empty.last_item, bool(empty)) == ([], 0, 1, 0, 0, False)
    with pytest.raises(NotFound):
        db.page(Book, Book.year < 0, number=2)


def test_what_makes_no_pages_is_refused(db: Session) -> None:
    with pytest.raises(ValueError, match="size=0"):
        db.page(Book, size=0)
    with pytest.raises(ValueError, match=r"limit\(\)"):
        db.page(select(Book).limit(3))


def test_the_template_component_takes_it() -> None:
    """The same numbers as the pages of a list in memory have."""
    for number, total, size in [(1, 0, 20), (1, 5, 20), (2, 45, 20), (7, 200, 10), (20, 200, 10), (1, 30, 10)]:
        items = list(range((number - 1) * size, min(number * size, total)))
        page: Paginated[int] = Page(items, number=number, size=size, total=total)
        like = Pagination(items, number=number, per_page=size, total=total)
        for name in ("pages", "has_previous", "has_next", "previous", "next", "first_item", "last_item", "total", "number"):
            assert getattr(page, name) == getattr(like, name), name
    for number in range(1, 13):
        for around in (0, 1, 2, 5):
            for ends in (0, 1, 2):
                page = Page([1], number=number, size=1, total=12)
                assert page.window(around, ends) == page_window(number, 12, around=around, ends=ends)


def test_a_window_does_not_grow_with_the_pages() -> None:
    page = Page([1], number=10**12, size=1, total=2 * 10**12)
    assert page.window() == [1, None, *range(10**12 - 2, 10**12 + 3), None, 2 * 10**12]


def test_as_json() -> None:
    from erlen.schema.encode import json_encoder

    page = Page(["a"], number=2, size=1, total=3)
    assert json_encoder()(page) == b'{"items":["a"],"number":2,"size":1,"has_next":true,"total":3}'
    page = Page(["a"], number=2, size=1, total=3, is_exact=False)
    assert json_encoder()(page) == b'{"items":["a"],"number":2,"size":1,"has_next":true}'
    assert repr(page) == "<Page 2 of 3, 3 items or more>"
