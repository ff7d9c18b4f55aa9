from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from ipaddress import IPv4Address
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from msgspec import Meta, Struct
from sqlalchemy import ForeignKey, String, func, select
from sqlalchemy.orm import Mapped, mapped_column, relationship

from erlen.db.columns import Count, Email, Line, Money, Positive, Slug, Url
from erlen.db.database import Database
from erlen.db.factory import Factory, factory
from erlen.db.model import Model
from erlen.db.tagged import Tagged, tagged
from erlen.db.validation import ValidationError, validate
from erlen.errors import ErlenError


class Own(Model, isolated=True):
    pass


class Size(Enum):
    SMALL = "s"
    LARGE = "l"


class Place(Struct):
    street: str
    number: int
    note: str = ""


class Everything(Own):
    text: Mapped[str]
    line: Mapped[Line]
    short: Mapped[Annotated[str, Meta(max_length=3)]]
    long: Mapped[Annotated[str, Meta(min_length=60, max_length=70)]]
    column: Mapped[str] = mapped_column(String(4))
    email: Mapped[Email] = mapped_column(unique=True)
    slug: Mapped[Slug] = mapped_column(unique=True)
    url: Mapped[Url]
    digits: Mapped[Annotated[str, Meta(min_length=6, max_length=6, pattern=r"^\d+$")]]
    colour: Mapped[Annotated[str, Meta(pattern="^#[0-9a-f]{6}$")]]
    whole: Mapped[int]
    positive: Mapped[Positive]
    count: Mapped[Count]
    narrow: Mapped[Annotated[int, Meta(ge=5, lt=7)]]
    below: Mapped[Annotated[int, Meta(le=-5)]]
    tens: Mapped[Annotated[int, Meta(multiple_of=10, ge=15)]]
    real: Mapped[Annotated[float, Meta(gt=0, lt=1)]]
    price: Mapped[Money]
    yes: Mapped[bool]
    size: Mapped[Size]
    kind: Mapped[Literal["b", "a"]]
    day: Mapped[date]
    moment: Mapped[datetime]
    clock: Mapped[time]
    lasting: Mapped[timedelta]
    uuid: Mapped[UUID]
    address: Mapped[IPv4Address]
    blob: Mapped[bytes]
    tags: Mapped[list[str]]
    place: Mapped[Place]
    maybe: Mapped[str | None]
    given: Mapped[int] = mapped_column(default=7)


class Company(Own):
    name: Mapped[str] = mapped_column(unique=True)


class Author(Own):
    name: Mapped[str]
    company_id: Mapped[int] = mapped_column(ForeignKey("companies.id"))
    company: Mapped[Company] = relationship()
    friend_id: Mapped[int | None] = mapped_column(ForeignKey("authors.id"))
    friend: Mapped[Author | None] = relationship(remote_side="Author.id")
    articles: Mapped[list[Article]] = relationship(back_populates="author")


class Article(Own):
    title: Mapped[str]
    author_id: Mapped[int] = mapped_column(ForeignKey("authors.id"))
    author: Mapped[Author] = relationship(back_populates="articles")


class Visit(Own):
    article_id: Mapped[int] = mapped_column(ForeignKey("articles.id"))


class Comment(Own):
    subject: Tagged[Article | Author] = tagged()


class Coded(Own):
    code: Mapped[Annotated[str, Meta(pattern="^Q[xyz]{3}Q$")]]


class Hen(Own):
    egg_id: Mapped[int] = mapped_column(ForeignKey("eggs.id"))
    egg: Mapped[Egg] = relationship(foreign_keys=egg_id)


class Egg(Own):
    hen_id: Mapped[int] = mapped_column(ForeignKey("hens.id", use_alter=True))
    hen: Mapped[Hen] = relationship(foreign_keys=hen_id)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url)
    Own.metadata.create_all(database.engine)
    yield database
    database.dispose()


def test_values_fit_their_types_and_constraints() -> None:
    for made in factory(Everything).build_many(30):
        validate(made)
        assert (made.maybe, made.given, made.size, made.kind) == (None, 7, Size.SMALL, "b")
        assert made.place.note == ""
    first, second = factory(Everything).build_many(2)
    for name in ("text", "email", "slug", "url", "digits", "whole", "uuid", "moment"):
        assert getattr(first, name) != getattr(second, name)


def test_everything_can_be_stored(database: Database) -> None:
    with database.session() as db:
        made = factory(Everything).create_many(db, 3)
        assert db.scalar(select(func.count()).select_from(Everything)) == 3
        assert isinstance(made[0].price, Decimal)


def test_required_relations_are_made(database: Database) -> None:
    article = factory(Article).build()
    assert isinstance(article.author.company, Company)
    assert article.author.friend is None
    with database.session() as db:
        stored = factory(Article).create(db)
        assert stored.author_id == stored.author.id
        again = factory(Article).create(db, author=stored.author)
        assert stored.author.articles == [stored, again]
        assert factory(Article).create(db, author_id=stored.author.id).author is stored.author
        assert db.scalar(select(func.count()).select_from(Company)) == 1


def test_foreign_keys_without_a_relation_and_tagged_references_are_stored_first(database: Database) -> None:
    with database.session() as db:
        visit = factory(Visit).create(db)
        assert db.get(Article, visit.article_id) is not None
        assert isinstance(factory(Comment).create(db).subject, Article)
        author = factory(Author).create(db)
        assert factory(Comment).create(db, subject=author).subject is author
    assert factory(Visit).build().article_id is None


def test_a_class_says_values(database: Database) -> None:
    class Shop(Model, isolated=True):
        pass

    class Owner(Shop):
        name: Mapped[str]

    class Item(Shop):
        title: Mapped[str]
        code: Mapped[str]
        price: Mapped[int] = mapped_column(default=1)
        owner_id: Mapped[int] = mapped_column(ForeignKey("owners.id"))
        owner: Mapped[Owner] = relationship()

    class OwnerFactory(Factory[Owner]):
        name = "Ada"

    class ItemFactory(Factory[Item]):
        title = "Hammer"
        code = lambda number: f"H-{number}"  # noqa: E731
        price = 3

    class DearFactory(ItemFactory):
        price = 30
        owner = OwnerFactory

    item, dear = ItemFactory.build(), DearFactory.build(title="Golden hammer")
    assert (item.title, item.price, item.owner.name) == ("Hammer", 3, "Ada")
    assert (dear.title, dear.price, dear.owner.name) == ("Golden hammer", 30, "Ada")
    assert item.code != dear.code
    assert item.code.startswith("H-")
    assert factory(Item) is ItemFactory


def test_what_cannot_be_guessed_is_to_be_said() -> None:
    with pytest.raises(ErlenError, match=r"no value for Coded.code can be guessed: say one, in the call or in a class CodedFactory"):
        factory(Coded).build()
    assert factory(Coded).build(code="QxyzQ").code == "QxyzQ"
    with pytest.raises(ValidationError):
        factory(Coded).build(code="no")
    with pytest.raises(ErlenError, match=r"Egg.hen needs an object that needs another Egg: say it in the call"):
        factory(Hen).build()


def test_asynchronous_sessions(database: Database) -> None:
    async def make() -> tuple[Any, int]:
        async with database.async_session() as db:
            article = await factory(Article).create(db, title="t")
            several = await factory(Visit).create_many(db, 2)
            seen = article.title, len(several)
        await database.dispose_async()
        return seen

    assert asyncio.run(make()) == ("t", 2)
