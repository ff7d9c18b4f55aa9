"""Values are held to their annotations: on assignment, in the constructor, and before they are stored."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Callable, Iterator
from decimal import Decimal
from enum import Enum
from ipaddress import IPv4Address
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from markupsafe import Markup
from msgspec import Meta, Struct
from sqlalchemy import BigInteger, ForeignKey, SmallInteger, String, create_engine, event, func, insert, orm, select
from sqlalchemy.dialects.postgresql import ARRAY, INT4RANGE, Range
from sqlalchemy.orm import Mapped, mapped_column, relationship, validates

from erlen.db.columns import Choices, Digits, Email, IntegerChoices, Line, Money, Positive, Slug, Url
from erlen.db.model import Base as AnyBase
from erlen.db.validation import ValidationError, assign, validate, validate_pending, validate_values, validator
from erlen.errors import ConfigurationError, InvalidRequest


class Base(AnyBase, isolated=True):
    pass


class Status(Choices):
    draft = "draft"
    public = "public", "Published"


class Level(IntegerChoices):
    low = 1
    high = 2


class Colour(Enum):
    red = "r"


class Item(Struct):
    name: Annotated[str, Meta(max_length=3)]
    count: Annotated[int, Meta(ge=0)] = 0


@dataclasses.dataclass
class Point:
    x: int
    y: int = 0


class Thing(Base):
    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str | None]
    title: Mapped[Annotated[str, Meta(min_length=1, max_length=5)] | None]
    short: Mapped[str | None] = mapped_column(String(3))
    code: Mapped[Annotated[str, Meta(pattern="^[A-Z]+$")] | None]
    email: Mapped[Email | None]
    slug: Mapped[Slug | None]
    url: Mapped[Url | None]
    line: Mapped[Line | None]
    number: Mapped[int | None]
    positive: Mapped[Positive | None]
    even: Mapped[Annotated[int, Meta(multiple_of=2)] | None]
    small: Mapped[int | None] = mapped_column(SmallInteger)
    big: Mapped[int | None] = mapped_column(BigInteger)
    ratio: Mapped[float | None]
    share: Mapped[Annotated[float, Meta(ge=0, le=1)] | None]
    flag: Mapped[bool | None]
    price: Mapped[Money | None]
    age: Mapped[Annotated[Decimal, Digits(3, 0, ge=0, lt=150)] | None]
    at: Mapped[datetime.datetime | None]
    day: Mapped[datetime.date | None]
    clock: Mapped[datetime.time | None]
    length: Mapped[datetime.timedelta | None]
    key: Mapped[UUID | None]
    data: Mapped[bytes | None]
    host: Mapped[IPv4Address | None]
    status: Mapped[Status | None]
    level: Mapped[Level | None]
    colour: Mapped[Colour | None]
    size: Mapped[Literal["s", "m"] | None]
    item: Mapped[Item | None]
    point: Mapped[Point | None]
    items: Mapped[list[Item] | None]
    tags: Mapped[Annotated[list[str], Meta(max_length=2)] | None]
    counts: Mapped[dict[str, int] | None]
    anything: Mapped[Any] = mapped_column(nullable=True)


NOW = datetime.datetime(2026, 11, 30, 12, tzinfo=datetime.UTC)
VALID: list[tuple[str, Any]] = [
    ("text", "x" * 100_000),
    ("title", "fünf!"),
    ("short", "abc"),
    ("code", "ABC"),
    ("email", "name.surname+tag@sub.example-site.org"),
    ("slug", "a-Slug_1"),
    ("url", "https://example.com:8080/path?query=a%20b#top"),
    ("url", "http://[::1]/"),
    ("line", "Ümläut 🦉"),
    ("number", -(2**31)),
    ("positive", 1),
    ("even", 4),
    ("small", 2**15 - 1),
    ("big", 2**63 - 1),
    ("ratio", 0.1),
    ("share", 1.0),
    ("flag", True),
    ("price", Decimal("-999999999999999.9999")),
    ("price", Decimal("1.50000")),
    ("price", Decimal("0E+9")),
    ("age", Decimal(149)),
    ("at", NOW),
    ("day", datetime.date(2026, 1, 1)),
    ("clock", datetime.time(12)),
    ("length", datetime.timedelta(days=-3)),
    ("key", UUID(int=5)),
    ("data", b"\0"),
    ("host", IPv4Address("10.0.0.1")),
    ("status", Status.public),
    ("level", Level.high),
    ("colour", Colour.red),
    ("size", "m"),
    ("item", Item("abc", 1)),
    ("point", Point(1)),
    ("items", [Item("a"), Item("b")]),
    ("tags", ["a", "b"]),
    ("counts", {"a": 1}),
    ("anything", {"a": [1, None]}),
]
INVALID: list[tuple[str, Any, dict[str, str]]] = [
    ("text", 5, {"text": "Expected a string, got an integer."}),
    ("text", "a\0b", {"text": "Must not contain the character NUL."}),
    ("title", "", {"title": "Must have at least 1 character."}),
    ("title", "sechs!", {"title": "Must have at most 5 characters."}),
    ("short", "abcd", {"short": "Must have at most 3 characters."}),
    ("code", "abc", {"code": "Must match the pattern '^[A-Z]+$'."}),
    ("email", "name", {"email": "Must be an email address, such as name@example.com."}),
    ("email", "a@example.com\n", {"email": "Must be an email address, such as name@example.com."}),
    ("email", "a@example.com\r\nBcc: b@example.com", {"email": "Must be an email address, such as name@example.com."}),
    ("email", "a" * 250 + "@example.com", {"email": "Must have at most 254 characters."}),
    ("slug", "a b", {"slug": "Use only letters from a to z, digits, hyphens and underscores."}),
    ("slug", "", {"slug": "Must have at least 1 character."}),
    ("url", "javascript:alert(1)", {"url": "Must be a web address that starts with https:// or http://."}),
    ("url", "https://user@example.com/", {"url": "Must be a web address that starts with https:// or http://."}),
    ("url", "https://example.com/\n", {"url": "Must be a web address that starts with https:// or http://."}),
    ("line", "a\nb", {"line": "Must be one line of text."}),
    ("line", "a\n", {"line": "Must be one line of text."}),
    ("number", 2**31, {"number": "The number is out of range."}),
    ("number", True, {"number": "Expected an integer, got a boolean."}),
    ("number", 1.0, {"number": "Expected an integer, got a number."}),
    ("number", "1", {"number": "Expected an integer, got a string."}),
    ("positive", 0, {"positive": "Must be at least 1."}),
    ("even", 3, {"even": "Must be a multiple of 2."}),
    ("small", 2**15, {"small": "The number is out of range."}),
    ("big", -(2**63) - 1, {"big": "The number is out of range."}),
    ("ratio", float("nan"), {"ratio": "Expected a finite number."}),
    ("share", 1.5, {"share": "Must be at most 1."}),
    ("flag", 1, {"flag": "Expected true or false, got an integer."}),
    ("price", 1.5, {"price": "Expected a decimal number, got a number."}),
    ("price", "1.5", {"price": "Expected a decimal number, got a string."}),
    ("price", Decimal("1.00001"), {"price": "Must have at most 4 digits after the point."}),
    ("price", Decimal("1e15"), {"price": "Must have at most 15 digits before the point."}),
    ("price", Decimal("NaN"), {"price": "Expected a finite number."}),
    ("age", Decimal("1.5"), {"age": "Must be a whole number."}),
    ("age", Decimal(-1), {"age": "Must be at least 0."}),
    ("age", 150, {"age": "Must be less than 150."}),
    ("at", NOW.replace(tzinfo=None), {"at": "The date and time must have a time zone."}),
    ("at", "2026-11-30T12:00:00Z", {"at": "Expected a date and time, got a string."}),
    ("day", NOW, {"day": "Expected a date, got a date and time."}),
    ("clock", datetime.time(12, tzinfo=datetime.UTC), {"clock": "The time of day must not have a time zone."}),
    ("length", datetime.timedelta.max, {"length": "The duration is out of range."}),
    ("key", "00000000-0000-0000-0000-000000000005", {"key": "Expected a UUID, got a string."}),
    ("data", "text", {"data": "Expected bytes, got a string."}),
    ("host", "10.0.0.1", {"host": "Expected an IP address or network."}),
    ("status", "other", {"status": "Must be one of 'draft', 'public'."}),
    ("level", 3, {"level": "Must be one of 1, 2."}),
    ("colour", "red", {"colour": "Must be 'r'."}),
    ("size", "l", {"size": "Must be one of 's', 'm'."}),
    ("size", ["s"], {"size": "Must be one of 's', 'm'."}),
    ("item", Item("long", -1), {"item.name": "Must have at most 3 characters.", "item.count": "Must be at least 0."}),
    ("item", "text", {"item": "Expected an object, got a string."}),
    ("items", [Item("a"), {"name": 1}], {"items.1.name": "Expected a string, got an integer."}),
    ("tags", ["a", "b", "c"], {"tags": "Must have at most 2 items."}),
    ("counts", {"a": "b", "c": 1.5}, {"counts.a": "Expected an integer, got a string.", "counts.c": "Expected an integer, got a number."}),
    ("anything", {"a": object()}, {"anything": "Holds something that cannot be kept as JSON."}),
]
CONVERTED: list[tuple[str, Any, Any]] = [
    ("ratio", 1, 1.0),
    ("price", 3, Decimal(3)),
    ("status", "public", Status.public),
    ("level", 2, Level.high),
    ("colour", "r", Colour.red),
    ("text", Markup("<b>"), "<b>"),
    ("text", Status.draft, "draft"),
    ("number", Level.high, 2),
    ("item", {"name": "a"}, Item("a")),
    ("items", [{"name": "a"}], [Item("a")]),
    ("tags", ("a",), ["a"]),
]


def told(error: InvalidRequest) -> dict[str, str]:
    assert all(fault.location[0] == "body" for fault in error.faults)
    return {".".join(map(str, fault.location[1:])): fault.message for fault in error.faults}


@pytest.mark.parametrize(("field", "value"), VALID)
def test_valid_values_are_kept_as_they_are(field: str, value: Any) -> None:
    thing = Thing()
    setattr(thing, field, value)
    assert getattr(thing, field) == value
    assert validate_values(Thing, {field: value})[field] == value
    validate(thing)


@pytest.mark.parametrize(("field", "value", "faults"), INVALID)
def test_values_that_are_not_valid_are_refused(field: str, value: Any, faults: dict[str, str]) -> None:
    thing = Thing()
    with pytest.raises(ValidationError) as caught:
        setattr(thing, field, value)
    assert told(caught.value) == faults
    assert getattr(thing, field) is None
    with pytest.raises(ValidationError) as caught:
        validate_values(Thing, {field: value})
    assert told(caught.value) == faults


@pytest.mark.parametrize(("field", "value", "kept"), CONVERTED)
def test_the_same_value_of_another_type_is_converted(field: str, value: Any, kept: Any) -> None:
    thing = Thing(**{field: value})
    assert getattr(thing, field) == kept
    assert type(getattr(thing, field)).__name__.removeprefix("Tracked").lower() == type(kept).__name__.lower()


def test_a_model_in_a_json_column_stays_the_same_object() -> None:
    item = Item("a")
    assert Thing(item=item).item is item


def test_the_constructor_tells_all_faults_at_once() -> None:
    with pytest.raises(ValidationError) as caught:
        Thing(title="sechs!", number="x", price=1.5, text="fine")
    assert told(caught.value) == {
        "title": "Must have at most 5 characters.",
        "number": "Expected an integer, got a string.",
        "price": "Expected a decimal number, got a number.",
    }
    assert caught.value.status == 422
    assert str(caught.value).splitlines()[0] == "title: Must have at most 5 characters."


def test_expressions_pass() -> None:
    thing = Thing(number=Thing.number + 1, at=func.now(), text=select(func.max(Thing.text)).scalar_subquery())
    assert thing.text is not None
    validate(thing)
    assert validate_values(Thing, {"at": func.now()})


@pytest.mark.parametrize(
    ("faults", "expected"),
    [
        ("Wrong altogether.", {"": "Wrong altogether."}),
        ({"ends": "Must be later.", "starts": "Must be earlier."}, {"ends": "Must be later.", "starts": "Must be earlier."}),
    ],
)
def test_errors_of_ones_own_are_short_to_write(faults: Any, expected: dict[str, str]) -> None:
    assert told(ValidationError(faults)) == expected


class Author(Base):
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    articles: Mapped[list[Article]] = relationship(back_populates="author")
    notes: Mapped[list[Note]] = relationship()


class Article(Base):
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[Annotated[str, Meta(max_length=20)]]
    views: Mapped[int] = mapped_column(default=0)
    made: Mapped[datetime.datetime] = mapped_column(server_default=func.now())
    starts: Mapped[int | None]
    ends: Mapped[int | None]
    item: Mapped[Item | None]
    tags: Mapped[list[str]] = mapped_column(default=list)
    author_id: Mapped[int] = mapped_column(ForeignKey("authors.id"))
    author: Mapped[Author] = relationship(back_populates="articles")

    def validate(self) -> None:
        if self.starts is not None and self.ends is not None and self.ends <= self.starts:
            raise ValidationError({"ends": "Must be after the start."})
        if self.title == "nothing":
            raise ValueError("There is nothing in it")


class Note(Base):
    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str]
    author_id: Mapped[int] = mapped_column(ForeignKey("authors.id"))


class Stamped(Base):
    id: Mapped[int] = mapped_column(primary_key=True)
    slug: Mapped[str]


class Animal(Base):
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]
    name: Mapped[Annotated[str, Meta(max_length=5)]]
    version: Mapped[int] = mapped_column()
    __mapper_args__: Any = {"polymorphic_on": "kind", "version_id_col": version}


class Dog(Animal):
    __mapper_args__: Any = {"polymorphic_identity": "dog"}
    barks: Mapped[bool | None]


class Cat(Animal, table="cats"):
    __mapper_args__: Any = {"polymorphic_identity": "cat"}
    id: Mapped[int] = mapped_column(ForeignKey("animals.id"), primary_key=True)
    lives: Mapped[Positive]


@event.listens_for(Stamped, "before_insert")
def fill(mapper: Any, connection: Any, stamped: Stamped) -> None:
    stamped.slug = "filled"


@pytest.fixture
def session() -> Iterator[orm.Session]:
    """A session that validates what it stores, as Erlen's does."""
    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine)
    with orm.Session(engine) as session:
        event.listen(session, "before_flush", lambda session, *_: validate_pending(session))
        yield session
    engine.dispose()


def refused(session: orm.Session) -> dict[str, str]:
    with pytest.raises(ValidationError) as caught:
        session.flush()
    return told(caught.value)


def test_what_is_required_must_be_there_before_it_is_stored(session: orm.Session) -> None:
    article = Article()
    session.add(article)
    assert refused(session) == {"title": "This field is required.", "author_id": "This field is required."}
    with pytest.raises(ValidationError) as caught:
        validate(article)
    assert told(caught.value) == {"title": "This field is required.", "author_id": "This field is required."}
    with pytest.raises(ValidationError):
        article.title = None  # type: ignore[assignment]
    article.title, article.author = "One", Author(name="A")
    session.commit()
    assert (article.views, article.tags) == (0, [])


def test_a_foreign_key_may_come_from_either_side_of_a_relation(session: orm.Session) -> None:
    author = Author(name="A", notes=[Note(text="a")])
    author.articles.append(Article(title="One"))
    session.add(author)
    session.commit()
    assert author.articles[0].author_id == author.notes[0].author_id == author.id


def test_what_an_event_before_the_insert_fills_may_be_missing(session: orm.Session) -> None:
    stamped = Stamped()
    session.add(stamped)
    session.commit()
    assert stamped.slug == "filled"


def test_a_default_stands_for_none_only_in_a_new_object(session: orm.Session) -> None:
    article = Article(title="One", author=Author(name="A"), views=None, id=None)
    session.add(article)
    session.commit()
    assert article.views == 0
    with pytest.raises(ValidationError) as caught:
        article.views = None  # type: ignore[assignment]
    assert told(caught.value) == {"views": "This field is required."}


def test_what_is_between_fields_is_judged_before_it_is_stored(session: orm.Session) -> None:
    article = Article(title="One", author=Author(name="A"), starts=2, ends=1)
    session.add(article)
    assert refused(session) == {"ends": "Must be after the start."}
    article.ends = 3
    session.commit()
    article.starts = 4
    assert refused(session) == {"ends": "Must be after the start."}
    article.starts, article.title = 1, "nothing"
    assert refused(session) == {"": "There is nothing in it."}


def test_a_foreign_key_taken_away_is_told_before_it_is_stored(session: orm.Session) -> None:
    article = Article(title="One", author=Author(name="A"))
    session.add(article)
    session.commit()
    article.author_id = None  # type: ignore[assignment]
    article.author = None  # type: ignore[assignment]
    assert refused(session) == {"author_id": "This field is required."}


def test_all_objects_of_a_flush_are_judged(session: orm.Session) -> None:
    session.add_all([Author(), Note()])
    assert refused(session) == {"name": "This field is required.", "text": "This field is required."}


def test_changes_inside_a_value_are_judged_when_they_are_stored(session: orm.Session) -> None:
    article = Article(title="One", author=Author(name="A"), item=Item("a"), tags=["a"])
    session.add(article)
    session.commit()
    article.tags.append(5)  # type: ignore[arg-type]
    assert refused(session) == {"tags.1": "Expected a string, got an integer."}
    article.tags[1] = "b"
    session.commit()
    session.expire_all()
    assert article.tags == ["a", "b"]
    assert article.item is not None
    article.item.count = -1
    orm.attributes.flag_modified(article, "item")
    assert refused(session) == {"item.count": "Must be at least 0."}


def test_what_is_loaded_is_not_judged_again(session: orm.Session) -> None:
    session.execute(insert(Author).values(id=1, name="A"))
    session.execute(insert(Article).values(id=1, title="x" * 30, tags=[], views=0, author_id=1))
    session.commit()
    article = session.get_one(Article, 1)
    article.views = 5
    session.commit()
    assert article.title == "x" * 30
    with pytest.raises(ValidationError) as caught:
        validate(article)
    assert told(caught.value) == {"title": "Must have at most 20 characters."}


def test_judging_loads_nothing(session: orm.Session) -> None:
    session.add(Note(id=1, text="a", author_id=1))
    session.commit()
    note = session.get_one(Note, 1)
    session.expire(note, ["author_id"])
    statements: list[str] = []
    event.listen(session.get_bind(), "before_cursor_execute", lambda _c, _cursor, statement, *_: statements.append(statement))
    note.text = "b"
    session.flush()
    assert [statement.split()[0] for statement in statements] == ["UPDATE"]


def test_subclasses_have_the_fields_of_their_parents(session: orm.Session) -> None:
    for cls in (Dog, Cat):
        with pytest.raises(ValidationError) as caught:
            cls(name="sechs!")
        assert told(caught.value) == {"name": "Must have at most 5 characters."}
    with pytest.raises(ValidationError):
        Cat(lives=0)
    session.add_all([Dog(name="Rex"), Cat(name="Tom", lives=9)])
    session.commit()
    session.add(Cat(name="Tom"))
    assert refused(session) == {"lives": "This field is required."}


def test_values_of_a_row_without_an_object() -> None:
    with pytest.raises(ValidationError) as caught:
        validate_values(Article, {"title": "x" * 21, "views": "y"})
    assert told(caught.value) == {
        "title": "Must have at most 20 characters.",
        "views": "Expected an integer, got a string.",
        "author_id": "This field is required.",
    }
    assert validate_values(Article, {"views": 1}, partial=True) == {"views": 1}
    with pytest.raises(ValidationError) as caught:
        validate_values(Article, {"title": None, "author_id": None}, partial=True)
    assert told(caught.value) == {"title": "This field is required.", "author_id": "This field is required."}
    assert validate_values(Thing, {"status": "public", "price": 1}) == {"status": Status.public, "price": Decimal(1)}


class Post(Base):
    id: Mapped[int] = mapped_column(primary_key=True)
    slug: Mapped[Slug | None]
    alias: Mapped[str | None]
    other: Mapped[str | None]

    @validator("slug", "alias")
    def lower(self, value: str) -> str:
        if "admin" in value:
            raise ValueError("This name is reserved")
        return value.lower()

    @validates("other")
    def check_other(self, key: str, value: str | None) -> str | None:
        if value == "bad":
            raise ValueError("bad words")
        return value


def test_methods_judge_and_change_values() -> None:
    post = Post(slug="A-B", alias="C", other="D")
    assert (post.slug, post.alias, post.other) == ("a-b", "c", "D")
    post.slug = None
    post.alias = func.lower("X")
    with pytest.raises(ValidationError) as caught:
        post.slug = "admin"
    assert told(caught.value) == {"slug": "This name is reserved."}
    with pytest.raises(ValidationError) as caught:
        Post(slug="a b", alias="admin", other="bad")
    assert told(caught.value) == {
        "slug": "Use only letters from a to z, digits, hyphens and underscores.",
        "alias": "This name is reserved.",
        "other": "bad words.",
    }


def test_a_subclass_may_judge_differently() -> None:
    class Special(Post):
        def lower(self, value: str) -> str:
            return value.upper()

    assert Special(slug="a").slug == "a"  # a method that overrides another is marked anew, as with SQLAlchemy's `@validates`


def test_a_type_of_the_user_s_own_has_its_own_idea_of_values() -> None:
    class Family(AnyBase, isolated=True):
        pass

    class Booking(Family):
        id: Mapped[int] = mapped_column(primary_key=True)
        nights: Mapped[Range[int]] = mapped_column(INT4RANGE)
        names: Mapped[list[str]] = mapped_column(ARRAY(String))

    assert Booking(nights=Range(1, 3), names=["a"]).nights == Range(1, 3)
    with pytest.raises(ValidationError, match=r"names\.0: Expected a string, got an integer"):
        Booking(names=[1])


def test_assigning_many_at_once_keeps_what_is_valid() -> None:
    thing = Thing()
    with pytest.raises(ValidationError) as caught:
        assign(thing, {"title": "sechs!", "number": 3, "text": 5})
    assert set(told(caught.value)) == {"title", "text"}
    assert thing.number == 3


def mistake_in(make: Callable[[type[AnyBase]], Any]) -> str:
    class Family(AnyBase, isolated=True):
        pass

    def configure() -> None:
        make(Family)
        Family.registry.configure()

    with pytest.raises(ConfigurationError) as caught:
        configure()
    return str(caught.value)


def test_a_method_for_an_unknown_field_is_a_mistake() -> None:
    def make(base: type[AnyBase]) -> None:
        class Wrong(base):  # type: ignore[misc, valid-type]
            id: Mapped[int] = mapped_column(primary_key=True)

            @validator("slgu")
            def lower(self, value: str) -> str:
                return value

    assert "Wrong.lower` validates `slgu`, which is no field" in mistake_in(make)


def test_constraints_that_do_not_suit_their_type_are_a_mistake() -> None:
    def make(base: type[AnyBase]) -> None:
        class Wrong(base):  # type: ignore[misc, valid-type]
            id: Mapped[int] = mapped_column(primary_key=True)
            number: Mapped[Annotated[int, Meta(max_length=3)]]

    assert "Wrong.number`: " in mistake_in(make)
