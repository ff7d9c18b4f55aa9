"""Every type of column, on each engine and through the drivers of both colours: what goes in comes out, is found, and may be NULL."""

from __future__ import annotations

import dataclasses
import datetime
import ipaddress
from collections.abc import Callable
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal, TypedDict
from uuid import UUID

import msgspec
from msgspec import Meta
from pydantic import BaseModel
from sqlalchemy import orm, select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from erlen.db.columns import UUID7, Choices, Email, Encrypted, FileReference, IntegerChoices, Money, uuid7

Run = Callable[[type[DeclarativeBase], Callable[[orm.Session], Any]], Any]
UTC = datetime.UTC
BERLIN = datetime.timezone(datetime.timedelta(hours=2))


class Status(Choices):
    draft = "draft", "A draft"
    published = "published"


class Level(IntegerChoices):
    low = 1, "Low"
    high = 2, "High"


class Colour(Enum):
    red = "r"
    green = "g"


class Address(msgspec.Struct, frozen=True):
    street: str
    since: datetime.date
    amount: Decimal = Decimal("1.50")
    host: ipaddress.IPv4Address | None = None


@dataclasses.dataclass
class Point:
    x: float
    y: float


class Options(TypedDict, total=False):
    name: str
    until: datetime.datetime


class Pydantic(BaseModel):
    name: str
    day: datetime.date


MOMENT = datetime.datetime(2026, 11, 30, 14, 30, 15, 123456, tzinfo=BERLIN)

# The annotation, two values of which the first is less than the second where there is an order, and whether queries can compare them.
VALUES: dict[str, tuple[Any, Any, Any, bool]] = {
    "text": (str, "a", "Ünïcödé 🦉 " * 30_000, True),
    "string": (Annotated[str, Meta(max_length=20)], "", "x" * 20, True),
    "email": (Email, "a@example.com", "b@example.com", True),
    "integer": (int, -(2**31), 2**31 - 1, True),
    "big integer": (Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)], -(2**63), 2**63 - 1, True),
    "float": (float, -1.0, 0.1 + 0.2, True),
    "boolean": (bool, False, True, False),
    "decimal": (Decimal, Decimal("-3.5"), Decimal("12345.0123456789"), True),
    "money": (Money, Decimal("0.1000"), Decimal("12345678901.2345"), True),
    "moment": (datetime.datetime, MOMENT, datetime.datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC), True),
    "early moment": (datetime.datetime, datetime.datetime(1001, 1, 1, tzinfo=UTC), datetime.datetime(1969, 1, 1, tzinfo=UTC), True),
    "date": (datetime.date, datetime.date(1001, 2, 3), datetime.date(9999, 12, 31), True),
    "time": (datetime.time, datetime.time(0), datetime.time(23, 59, 59, 999999), True),
    "duration": (datetime.timedelta, datetime.timedelta(days=-1, microseconds=1), datetime.timedelta(days=999_999, hours=3), True),
    "uuid": (UUID, UUID(int=1), UUID(int=2**128 - 1), True),
    "bytes": (bytes, b"", bytes(range(256)) * 1000, True),
    "ipv4": (ipaddress.IPv4Address, ipaddress.IPv4Address("10.0.0.1"), ipaddress.IPv4Address("192.168.0.1"), True),
    "ipv6": (ipaddress.IPv6Address, ipaddress.IPv6Address("2001:db8::1"), ipaddress.IPv6Address("ffff::"), True),
    "network": (ipaddress.IPv6Network, ipaddress.IPv6Network("2001:db8::/32"), ipaddress.IPv6Network("ff00::/8"), True),
    "choices": (Status, Status.draft, Status.published, True),
    "integer choices": (Level, Level.low, Level.high, True),
    "enum": (Colour, Colour.green, Colour.red, True),
    "literal": (Literal["a", "b"], "a", "b", True),
    "integer literal": (Literal[1, 2], 1, 2, True),
    "struct": (
        Address,
        Address("Main", datetime.date(2020, 1, 1)),
        Address("Ü", datetime.date(2021, 1, 1), Decimal("9.99"), ipaddress.IPv4Address("10.0.0.1")),
        False,
    ),
    "file": (FileReference, FileReference("a/b", "b.png", 3, "image/png"), FileReference("c", "ü", 0, "text/plain"), False),
    "dataclass": (Point, Point(1.5, 2.0), Point(0.0, -1.0), False),
    "typed dict": (Options, Options(name="a"), Options(until=datetime.datetime(2026, 1, 1, tzinfo=UTC)), False),
    "pydantic": (Pydantic, Pydantic(name="a", day=datetime.date(2026, 1, 1)), Pydantic(name="b", day=datetime.date(2026, 1, 2)), False),
    "dict": (dict, {}, {"a": [1, 2.5, None, True, {"b": "ü"}]}, False),
    "dict of dates": (dict[str, datetime.date], {"a": datetime.date(2026, 1, 1)}, {}, False),
    "dict by number": (dict[int, str], {1: "one"}, {2: "two"}, False),
    "list": (list[str], [], ["a", "ü"], False),
    "list of structs": (list[Address], [], [Address("Main", datetime.date(2020, 1, 1))], False),
    "set": (set[int], {1, 2}, set(), False),
    "tuple": (tuple[int, str], (1, "a"), (2, "b"), False),
    "anything": (Any, [1], "text", False),
    "encrypted": (Encrypted[str], "DE02", "ü" * 1000, False),
    "encrypted struct": (Encrypted[Address], Address("Main", datetime.date(2020, 1, 1)), Address("x", datetime.date(2020, 1, 1)), False),
}


mapped: Any = Mapped


def name_of(kind: str) -> str:
    return kind.replace(" ", "_")


def test_values_of_every_type_come_back_as_they_were(base: Any, run: Run) -> None:
    types = {name_of(kind): annotation for kind, (annotation, *_) in VALUES.items()}
    annotations = {name: mapped[annotation if annotation is Any else annotation | None] for name, annotation in types.items()}
    columns = {name: mapped_column(nullable=True) for name in types}
    body = {"__tablename__": "things", "__annotations__": {"id": Mapped[int], **annotations}, "id": mapped_column(primary_key=True)}
    thing: Any = type("Thing", (base,), {**body, **columns})
    lows = {name_of(kind): low for kind, (_, low, _, _) in VALUES.items()}
    highs = {name_of(kind): high for kind, (_, _, high, _) in VALUES.items()}
    nothing = dict.fromkeys(types)

    def values_of(loaded: Any) -> dict[str, Any]:
        return {name: getattr(loaded, name) for name in types}

    def work(session: orm.Session) -> None:
        def ids(where: Any) -> list[int]:
            return list(session.scalars(select(thing.id).where(where).order_by(thing.id)))

        session.add_all([thing(id=1, **lows), thing(id=2, **highs), thing(id=3)])
        session.commit()
        loaded = session.scalars(select(thing).order_by(thing.id)).all()
        for instance, values in zip(loaded, (lows, highs, nothing), strict=True):
            assert values_of(instance) == values
            for name, value in values.items():
                assert type(getattr(instance, name)).__name__.removeprefix("Tracked").lower() == type(value).__name__.lower(), name
        for kind, (_, low, high, comparable) in VALUES.items():
            column = getattr(thing, name_of(kind))
            assert ids(column.is_(None)) == [3], kind
            if comparable:
                assert ids(column == low) == [1], kind
                assert ids(column.in_([high, low])) == [1, 2], kind
                assert ids(column > low) == [2], kind
        for name in types:
            setattr(loaded[0], name, highs[name])
            setattr(loaded[1], name, None)
        session.commit()
        assert [values_of(each) for each in session.scalars(select(thing).order_by(thing.id))] == [highs, nothing, nothing]

    run(base, work)


def test_moments_come_back_in_utc_and_compare_across_time_zones(base: Any, run: Run) -> None:
    class Thing(base):  # type: ignore[misc]
        __tablename__ = "things"
        id: Mapped[int] = mapped_column(primary_key=True)
        at: Mapped[datetime.datetime]

    def work(session: orm.Session) -> None:
        session.add(Thing(id=1, at=MOMENT))
        session.commit()
        at = session.scalars(select(Thing.at)).one()
        assert at.tzinfo is UTC
        assert session.scalars(select(Thing.id).where(Thing.at == MOMENT.astimezone(UTC))).all() == [1]
        assert session.scalars(select(Thing.id).where(Thing.at < MOMENT + datetime.timedelta(microseconds=1))).all() == [1]
        assert session.scalars(select(Thing.id).where(Thing.at < MOMENT)).all() == []

    run(base, work)


def test_keys_made_by_the_program_are_in_order(base: Any, run: Run) -> None:
    class Thing(base):  # type: ignore[misc]
        __tablename__ = "things"
        id: Mapped[UUID7]
        number: Mapped[int]

    def work(session: orm.Session) -> None:
        for number in range(5):
            session.add(Thing(number=number))
            session.flush()
        session.commit()
        assert session.scalars(select(Thing.number).order_by(Thing.id)).all() == [0, 1, 2, 3, 4]
        first = session.scalars(select(Thing).where(Thing.number == 0)).one()
        assert first.id.version == 7
        assert session.get(Thing, first.id) is first
        assert session.get(Thing, uuid7()) is None

    run(base, work)
