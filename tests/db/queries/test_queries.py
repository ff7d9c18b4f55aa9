"""The queries of both sessions, on each engine."""

from __future__ import annotations

import inspect as source
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import ForeignKey, Row, String, UniqueConstraint, func, select, text, union_all
from sqlalchemy.exc import MultipleResultsFound, NoResultFound
from sqlalchemy.orm import Mapped, aliased, joinedload, mapped_column, relationship, selectinload, with_loader_criteria

from erlen.db import Database, Model, Session
from erlen.db.async_queries import AsyncQueries
from erlen.db.mixins import SoftDelete, soft_delete
from erlen.db.queries import Queries
from erlen.db.selection import MultipleFound, NoneFound
from erlen.db.validation import ValidationError
from erlen.errors import NotFound


class Base(Model, isolated=True):
    pass


class Author(Base, ordering=("-name",)):
    name: Mapped[str] = mapped_column(String(50), unique=True)
    age: Mapped[int | None]
    books: Mapped[list[Book]] = relationship(back_populates="author")


class Book(Base):
    title: Mapped[str] = mapped_column(String(50))
    author_id: Mapped[int] = mapped_column(ForeignKey("authors.id"))
    published: Mapped[datetime | None]
    author: Mapped[Author] = relationship(back_populates="books")


class Stock(Base):
    __table_args__ = (UniqueConstraint("shop", "item"),)
    shop: Mapped[str] = mapped_column(String(20))
    item: Mapped[str] = mapped_column(String(20))
    amount: Mapped[int] = mapped_column(default=0)
    note: Mapped[str] = mapped_column(String(20), default="")


class Shelf(SoftDelete, Base):
    room: Mapped[str] = mapped_column(String(5))


class Seat(Base):
    id = None  # type: ignore[assignment]
    row: Mapped[str] = mapped_column(String(5), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)


def day(number: int) -> datetime:
    return datetime(2024, 1, number, tzinfo=UTC)


@pytest.fixture
def database(make_database: Callable[..., Database]) -> Database:
    database = make_database(Base)
    with database.session() as db:
        ann, bob, eve = Author(name="ann", age=30), Author(name="bob", age=None), Author(name="eve", age=20)
        ann.books = [Book(title="one", published=day(1)), Book(title="two", published=day(3))]
        bob.books = [Book(title="three", published=None)]
        db.add_all([ann, bob, eve, Seat(row="a", number=1), Seat(row="a", number=2), Seat(row="b", number=1)])
    return database


@pytest.fixture
def db(database: Database, open_session: Callable[..., Session]) -> Session:
    return open_session(database)


def names(authors: Any) -> list[str]:
    return [author.name for author in authors]


# -- rows ---------------------------------------------------------------------------------------------------------------------


def test_all_of_a_model_comes_in_its_default_order(db: Session) -> None:
    assert names(db.all(Author)) == ["eve", "bob", "ann"]


def test_all_takes_criteria(db: Session) -> None:
    assert names(db.all(Author, Author.age.is_not(None), Author.name != "ann")) == ["eve"]
    assert names(db.all(select(Author).order_by(Author.name), Author.age.is_not(None))) == ["ann", "eve"]


def test_a_statement_is_left_as_it_is(db: Session, statements: list[str]) -> None:
    db.all(select(Author))
    assert "ORDER BY" not in statements[-1]


def test_all_of_one_column_gives_values_and_of_several_rows(db: Session) -> None:
    assert db.all(select(Author.name).order_by(Author.id)) == ["ann", "bob", "eve"]
    rows = db.all(select(Author.id, Author.name).order_by(Author.id))
    assert isinstance(rows[0], Row)
    assert rows[0].name == "ann"


def test_all_takes_unions_and_aliases(db: Session) -> None:
    assert sorted(db.all(union_all(select(Author.name), select(Book.title)))) == ["ann", "bob", "eve", "one", "three", "two"]
    other = aliased(Author)
    assert names(db.all(other, other.age == 20)) == ["eve"]


def test_criteria_to_what_takes_none_are_refused(db: Session) -> None:
    with pytest.raises(TypeError, match="takes no criteria"):
        db.all(union_all(select(Author.name), select(Book.title)), Author.age == 1)


def test_text_gives_rows_and_objects(db: Session) -> None:
    written = text("SELECT id, name FROM authors ORDER BY id")
    whole = select(Author).from_statement(text("SELECT * FROM authors ORDER BY id"))
    first, *_ = rows = db.all(written)
    assert [row.id for row in rows] == db.all(select(Author.id).order_by(Author.id))
    assert [author.id for author in db.all(whole)] == [row.id for row in rows]
    assert db.first(written) == first
    assert [row.id for row in db.stream_all(written)] == [row.id for row in rows]
    assert db.one(text("SELECT count(*) FROM authors")) == len(rows)
    with pytest.raises(TypeError, match="a TextClause cannot be counted: select from it"):
        db.count(written)


def test_joined_collections_do_not_repeat_objects(db: Session) -> None:
    statement = select(Author).options(joinedload(Author.books)).order_by(Author.name)
    authors = db.all(statement)
    assert names(authors) == ["ann", "bob", "eve"]
    assert len(authors[0].books) == 2
    first = db.first(statement)
    assert first is not None
    assert len(first.books) == 2
    assert db.one(statement.where(Author.name == "ann")).name == "ann"


def test_first_of_a_model_is_by_its_default_order_or_its_key(db: Session) -> None:
    first = db.first(Author)
    assert first is not None
    assert first.name == "eve"
    book = db.first(Book)
    assert book is not None
    assert book.title == "one"
    assert db.first(Author, Author.name == "nobody") is None


def test_first_asks_for_one_row(db: Session, statements: list[str]) -> None:
    db.first(select(Author.name, Author.age).order_by(Author.name))
    assert "LIMIT" in statements[-1]
    assert db.first(select(Author.name).order_by(Author.name).limit(2).offset(1)) == "bob"


def test_one_is_the_only_one(db: Session) -> None:
    assert db.one(Author, Author.name == "bob").age is None
    assert db.one(select(Author.age).where(Author.name == "bob")) is None
    assert db.one(select(Author.name, Author.age).where(Author.name == "eve")) == ("eve", 20)
    with pytest.raises(NoneFound, match="Author") as none:
        db.one(Author, Author.name == "nobody")
    assert isinstance(none.value, NoResultFound)
    with pytest.raises(MultipleFound, match="Author") as several:
        db.one(select(Author))
    assert isinstance(several.value, MultipleResultsFound)


def test_one_or_none(db: Session) -> None:
    assert db.one_or_none(Author, Author.name == "nobody") is None
    found = db.one_or_none(Author, Author.name == "ann")
    assert found is not None
    with pytest.raises(MultipleFound):
        db.one_or_none(Author)


def test_get_or_404(db: Session) -> None:
    author = db.one(Author, Author.name == "ann")
    assert db.get_or_404(Author, author.id) is author
    assert db.get_or_404(select(Author).where(Author.name == "ann")) is author
    assert db.get_or_404(select(Author.name, Author.age).where(Author.name == "eve")) == ("eve", 20)
    assert db.get_or_404(Seat, ("b", 1)).number == 1
    with pytest.raises(NotFound, match=r"There is no such Author\."):
        db.get_or_404(Author, 999)
    with pytest.raises(NotFound, match=r"There is no such Author\."):
        db.get_or_404(select(Author).where(Author.name == "nobody"))
    with pytest.raises(MultipleFound):
        db.get_or_404(select(Author))


def test_what_the_database_cannot_hold_is_a_404(db: Session) -> None:
    for key in (2**31, 2**63, 2**70, -(2**70)):
        with pytest.raises(NotFound):
            db.get_or_404(Author, key)
        db.rollback()
    for name in ("\0", "\ud800"):
        with pytest.raises(NotFound):
            db.get_or_404(select(Author).where(Author.name == name))
        db.rollback()


def test_an_error_of_the_program_is_no_404(db: Session) -> None:
    with pytest.raises(Exception, match="nothing"):
        db.get_or_404(select(Author).where(func.no_such_function_nothing(Author.name) == 1))


def test_latest_and_earliest_leave_null_out(db: Session) -> None:
    latest, earliest = db.latest(Book, Book.published), db.earliest(Book, Book.published)
    assert latest is not None
    assert earliest is not None
    assert (latest.title, earliest.title) == ("two", "one")
    assert db.latest(select(Book.title).where(Book.title == "three"), Book.published) is None


# -- counting -----------------------------------------------------------------------------------------------------------------


COUNTED: list[tuple[Any, int]] = [
    (Author, 3),
    (select(Author), 3),
    (select(Author).order_by(Author.name), 3),
    (select(Author).where(Author.age.is_(None)), 1),
    (select(Author.age), 3),
    (select(Author.age).distinct(), 3),
    (select(Book.author_id).distinct(), 2),
    (select(func.max(Author.age)), 1),
    (select(Book.author_id, func.count()).group_by(Book.author_id), 2),
    (select(Book.author_id).group_by(Book.author_id).having(func.count() > 1), 1),
    (select(Author).join(Author.books), 3),
    (select(Author).join(Author.books).distinct(), 2),
    (select(Author, Book).join(Author.books), 3),
    (select(Author).limit(2), 2),
    (select(Author).offset(2).limit(5), 1),
    (select(Author).options(joinedload(Author.books)), 3),
    (select(Author).options(selectinload(Author.books)).where(Author.name == "ann"), 1),
    (union_all(select(Author.name), select(Book.title)), 6),
    (select(Author).where(Author.name == "nobody"), 0),
]


def test_count_and_exists_agree_with_all(db: Session) -> None:
    for statement, expected in COUNTED:
        assert len(db.all(statement)) == expected, statement
        assert db.count(statement) == expected, statement
        assert db.exists(statement) == bool(expected), statement


def test_count_and_exists_take_criteria(db: Session) -> None:
    assert db.count(Author, Author.age > 25) == 1
    assert db.exists(Author, Author.age > 25)
    assert not db.exists(Author, Author.age > 35)


def test_criteria_of_the_session_and_of_options_hold_everywhere(db: Session) -> None:
    shelves = [Shelf(room=room) for room in "aabbc"]
    db.add_all(shelves)
    soft_delete(shelves[0])
    soft_delete(shelves[4])
    db.flush()
    not_b = with_loader_criteria(Shelf, Shelf.room != "b")
    counted: list[tuple[Any, int, int, int]] = [
        (select(Shelf), 3, 5, 1),
        (select(Shelf.room), 3, 5, 1),
        (select(Shelf.room).distinct(), 2, 3, 1),
        (select(Shelf.room, func.count()).group_by(Shelf.room), 2, 3, 1),
        (select(Shelf).limit(4), 3, 4, 1),
    ]
    for statement, there, with_deleted, limited in counted:
        for asked, expected in [
            (statement, there),
            (statement.execution_options(with_deleted=True), with_deleted),
            (statement.options(not_b), limited),
            (statement.where(Shelf.room == "c"), 0),
        ]:
            assert len(db.all(asked)) == expected
            assert db.count(asked) == expected
            assert db.exists(asked) == bool(expected)
            if statement is not counted[-1][0]:
                page = db.page(asked.order_by(Shelf.room), size=1, total="capped")
                assert (page.total, len(page)) == (expected, min(1, expected))
    assert list(db.in_bulk(Shelf, [shelf.id for shelf in shelves])) == [shelf.id for shelf in shelves[1:4]]
    assert sum(map(len, db.batches(Shelf, size=2))) == 3
    assert len(db.keyset(Shelf)) == 3
    with pytest.raises(NotFound):
        db.get_or_404(select(Shelf).where(Shelf.id == shelves[0].id))


def test_whole_objects_are_counted_without_a_subquery(db: Session, statements: list[str]) -> None:
    db.count(select(Author).join(Author.books).where(Book.title == "one").order_by(Author.name))
    assert statements[-1].count("SELECT") == 1
    assert "ORDER BY" not in statements[-1]


# -- by keys ------------------------------------------------------------------------------------------------------------------


def test_in_bulk_is_in_the_order_of_the_keys(db: Session) -> None:
    ids = dict(db.all(select(Author.name, Author.id)))
    found = db.in_bulk(Author, [ids["eve"], 999, ids["ann"], ids["eve"]])
    assert list(found) == [ids["eve"], ids["ann"]]
    assert found[ids["ann"]].name == "ann"
    assert list(db.in_bulk(Author, iter(["eve", "ann", "nobody"]), by=Author.name)) == ["eve", "ann"]
    assert db.in_bulk(Author, []) == {}


def test_in_bulk_by_a_key_of_several_columns(db: Session) -> None:
    assert list(db.in_bulk(Seat, [("b", 1), ("a", 2), ("c", 9)])) == [("b", 1), ("a", 2)]


def test_in_bulk_of_many_keys(db: Session, statements: list[str]) -> None:
    assert len(db.in_bulk(Author, range(-1500, 100))) == 3
    assert len([one for one in statements if "authors" in one]) == 4


# -- there or not ---------------------------------------------------------------------------------------------------------------


def test_get_or_create(db: Session) -> None:
    made, is_new = db.get_or_create(Stock, shop="north", item="tea", defaults={"amount": 3})
    assert (made.amount, is_new) == (3, True)
    again, is_new = db.get_or_create(Stock, shop="north", item="tea", defaults={"amount": 9})
    assert again is made
    assert (again.amount, is_new) == (3, False)


def test_update_or_create(db: Session) -> None:
    made, is_new = db.update_or_create(Stock, shop="north", item="tea", values={"amount": 3}, defaults={"note": "new"})
    assert (made.amount, made.note, is_new) == (3, "new", True)
    again, is_new = db.update_or_create(Stock, shop="north", item="tea", values={"amount": 9}, defaults={"note": "other"})
    assert again is made
    assert (again.amount, again.note, is_new) == (9, "new", False)
    db.expire_all()
    db.refresh(again)
    assert again.amount == 9


def test_what_get_or_create_cannot_make_is_told(db: Session) -> None:
    with pytest.raises(ValidationError):
        db.get_or_create(Stock, shop="north" * 9, item="tea")
    with pytest.raises(TypeError, match="did you mean 'amount'"):
        db.get_or_create(Stock, shop="north", amont="tea")
    with pytest.raises(ValidationError):
        db.get_or_create(Book, title="x", author_id=999)
    assert db.count(Book) == 3  # the transaction goes on


def test_parity_of_the_colours() -> None:
    """Both have the same names with the same arguments."""
    public = [name for name, member in vars(Queries).items() if name[0] != "_" and callable(member)]
    assert len(public) > 20
    for name in public:
        sync, on_loop = source.signature(getattr(Queries, name)), source.signature(getattr(AsyncQueries, name))
        assert sync.parameters == on_loop.parameters, name
        assert getattr(AsyncQueries, name).__doc__.endswith(f"see `Queries.{name}`."), name
