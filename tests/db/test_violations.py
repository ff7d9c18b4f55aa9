"""What each database refuses becomes the errors of fields, through the drivers of both colours."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Annotated, Any, Literal

import pytest
from msgspec import Meta
from sqlalchemy import (
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    SmallInteger,
    Table,
    UniqueConstraint,
    delete,
    event,
    insert,
    literal_column,
    orm,
    text,
    update,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from sqlalchemy.orm import Mapped, mapped_column, relationship

from erlen.db.engines import EngineOptions, make_engines, resolve_url
from erlen.db.model import Base as AnyBase
from erlen.db.validation import ValidationError, validate_pending
from erlen.db.violations import explain

Work = Callable[[orm.Session], Any]
Told = list[tuple[tuple[str | int, ...], str]]


class Base(AnyBase, isolated=True):
    pass


class Author(Base):
    id: Mapped[int] = mapped_column(primary_key=True)
    articles: Mapped[list[Article]] = relationship(back_populates="author", passive_deletes="all")


class Article(Base):
    __table_args__ = (
        UniqueConstraint("author_id", "address"),
        CheckConstraint("views >= 0", name="views"),
        CheckConstraint("starts < ends", name="order", info={"message": "Must end after it starts."}),
        CheckConstraint("starts + ends < 1000", name="sum"),
        Index("ix_code", "code", unique=True),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    slug: Mapped[Annotated[str, Meta(max_length=10)]] = mapped_column("address", unique=True)
    title: Mapped[str]
    code: Mapped[int | None]
    small: Mapped[int | None] = mapped_column(SmallInteger)
    views: Mapped[int] = mapped_column(default=0)
    starts: Mapped[int] = mapped_column(default=0)
    ends: Mapped[int] = mapped_column(default=1)
    status: Mapped[Literal["draft", "public"] | None]
    author_id: Mapped[int] = mapped_column(ForeignKey("authors.id"))
    author: Mapped[Author] = relationship(back_populates="articles")


class Vote(Base):
    article_id: Mapped[int] = mapped_column(ForeignKey("articles.id"), primary_key=True)
    author_id: Mapped[int] = mapped_column(ForeignKey("authors.id"), primary_key=True)


class Country(Base):
    id: Mapped[int] = mapped_column(primary_key=True)


class City(Base):
    id: Mapped[int] = mapped_column(primary_key=True)
    country_id: Mapped[int] = mapped_column(ForeignKey("countries.id"))


tags = Table("tags", Base.metadata, Column("article_id", ForeignKey("articles.id"), primary_key=True))


def run(url: str, colour: Literal["thread", "loop"], work: Work) -> Any:
    """Run a function with a session in which the tables are there, through the driver of a colour."""
    engines = make_engines(resolve_url(url, "/"), colour, EngineOptions())

    async def on_loop() -> Any:
        async with AsyncEngine(engines.writer).begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
        try:
            async with AsyncSession(AsyncEngine(engines.writer)) as session:
                return await session.run_sync(work)
        finally:
            await AsyncEngine(engines.engine).dispose()

    if colour == "loop":
        return asyncio.run(on_loop())
    Base.metadata.create_all(engines.writer)
    with orm.Session(engines.writer) as session:
        result = work(session)
    engines.engine.dispose()
    return result


def refusal(session: orm.Session, work: Work) -> Told:
    """Return what is told of work that the database refuses; it is undone."""
    try:
        with session.begin_nested():
            work(session)
            session.flush()
    except DBAPIError as error:
        return told_of(error)
    pytest.fail("the database took it")


def told_of(error: DBAPIError) -> Told:
    explained = explain(error, Base.registry.mappers)
    assert explained is not None, str(error)
    return [(fault.location, fault.message) for fault in explained.faults]


def inserting(values: dict[str, Any]) -> Work:
    return lambda session: session.execute(insert(Article).values(NEW | values))


def at(message: str, *fields: str) -> Told:
    return [(("body", field), message) for field in fields]


NEW: dict[str, Any] = {"id": 2, "slug": "two", "title": "Two", "author_id": 1}
ROWS: list[tuple[dict[str, Any], Told]] = [
    ({"code": 1}, at("This is already taken.", "code")),
    ({"slug": "one", "author_id": 2}, at("This is already taken.", "slug")),
    ({"id": 1}, at("This is already taken.", "id")),
    ({"title": None}, at("This field is required.", "title")),
    ({"views": -1}, at("This value is not allowed.", "views")),
    ({"starts": 5}, at("Must end after it starts.", "starts", "ends")),
    ({"starts": 999, "ends": 1001}, at("These values are not allowed together.", "starts", "ends")),
    ({"author_id": 7}, at("The author does not exist.", "author_id")),
    ({"status": literal_column("'other'")}, at("Must be one of 'draft', 'public'.", "status")),
]


@pytest.mark.parametrize("colour", ["thread", "loop"])
def test_what_a_database_refuses(database_url: str, colour: Literal["thread", "loop"]) -> None:
    def work(session: orm.Session) -> None:
        session.add(Author(id=1, articles=[Article(id=1, slug="one", title="One", code=1)]))
        session.add_all([Author(id=2), Country(id=1)])
        session.flush()
        session.add_all([Vote(article_id=1, author_id=2), City(id=1, country_id=1)])
        session.flush()
        for values, told in ROWS:
            assert refusal(session, inserting(values)) == told
        assert refusal(session, lambda session: session.add(Article(**(NEW | {"code": 1})))) == at("This is already taken.", "code")
        absent = at("The author does not exist.", "author_id")
        assert refusal(session, lambda session: session.execute(update(Article).values(author_id=9))) == absent
        both = at("This combination of article and author is already taken.", "article_id", "author_id")
        assert refusal(session, lambda session: session.execute(insert(Vote).values(article_id=1, author_id=2))) == both
        unmapped = at("The article does not exist.", "article_id")
        assert refusal(session, lambda session: session.execute(insert(tags).values(article_id=5))) == unmapped
        # SQLite does not say which of two tables uses it.
        used = "It is still used." if session.get_bind().dialect.name == "sqlite" else "It is still used by votes."
        assert refusal(session, lambda session: session.execute(delete(Article))) == [(("body",), used)]
        assert refusal(session, lambda session: session.execute(delete(Country))) == [(("body",), "It is still used by cities.")]

    run(database_url, colour, work)


def test_an_error_that_is_no_broken_rule_is_left_alone(database_url: str) -> None:
    engine = make_engines(resolve_url(database_url, "/"), "thread", EngineOptions()).writer
    with orm.Session(engine) as session, pytest.raises(DBAPIError) as caught:
        session.execute(text("SELECT * FROM nowhere"))
    assert explain(caught.value, Base.registry.mappers) is None
    engine.dispose()


def test_values_that_do_not_fit_their_column(url_of: Callable[[str], str]) -> None:
    def work(session: orm.Session) -> list[Told]:
        session.add(Author(id=1))
        session.flush()
        rows: list[dict[str, Any]] = [{"slug": "x" * 11}, {"small": 2**15}]
        return [refusal(session, inserting(row)) for row in rows]

    # PostgreSQL does not say which column it is.
    assert run(url_of("postgresql"), "thread", work) == [[(("body",), "A text is too long.")], [(("body",), "A number is out of range.")]]
    assert run(url_of("mariadb"), "thread", work) == [
        at("Must have at most 10 characters.", "slug"),
        at("A number is out of range.", "small"),
    ]


def test_a_session_knows_what_its_errors_are_about(tmp_path: Any) -> None:
    engine = make_engines(resolve_url(f"sqlite:///{tmp_path}/test.db", "/"), "thread", EngineOptions()).writer
    Base.metadata.create_all(engine)
    with orm.Session(engine) as session:
        event.listen(session, "before_flush", lambda session, *_: validate_pending(session))
        session.add(Author(id=1))
        session.commit()
        session.expunge_all()
        session.add(Author(id=1))
        with pytest.raises(DBAPIError) as caught:
            session.flush()
        explained = explain(caught.value, session)
    assert isinstance(explained, ValidationError)
    assert [(fault.location, fault.message) for fault in explained.faults] == [(("body", "id"), "This is already taken.")]
    engine.dispose()
