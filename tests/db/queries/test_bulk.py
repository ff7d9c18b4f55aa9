"""Many rows at a time, on each engine and in both colours."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Iterator
from typing import Annotated, Any

import pytest
from msgspec import Meta
from sqlalchemy import ForeignKey, String, func, select
from sqlalchemy.orm import Mapped, mapped_column

from erlen.db import Database, Model, Session
from erlen.db.validation import ValidationError
from erlen.errors import Fault


class Base(Model, isolated=True):
    pass


class Reading(Base, ordering="-value"):
    name: Mapped[Annotated[str, Meta(max_length=10)]]
    value: Mapped[int] = mapped_column(default=7)


class Note(Base):
    reading_id: Mapped[int] = mapped_column(ForeignKey("readings.id"))


class Animal(Base):
    kind: Mapped[str] = mapped_column(String(10))
    name: Mapped[str] = mapped_column(String(10))
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "animal"}


class Dog(Animal, table="dogs"):
    id: Mapped[int] = mapped_column(ForeignKey("animals.id"), primary_key=True)
    bark: Mapped[str] = mapped_column(String(10))
    __mapper_args__ = {"polymorphic_identity": "dog"}


@pytest.fixture
def database(make_database: Callable[..., Database]) -> Database:
    return make_database(Base)


@pytest.fixture
def db(database: Database, open_session: Callable[..., Session]) -> Session:
    return open_session(database)


def readings(count: int) -> Iterator[dict[str, Any]]:
    return ({"name": f"r{number}", "value": number} for number in range(count))


def test_rows_are_inserted_a_part_at_a_time(db: Session) -> None:
    read: list[int] = []
    inserted: list[int] = []

    def rows() -> Iterator[dict[str, Any]]:
        for number in range(25):
            if number in (10, 20):
                inserted.append(number)
            read.append(number)
            yield {"name": f"r{number}", "value": number}

    assert db.bulk_insert(Reading, rows(), size=10) == 25
    assert db.all(select(Reading.value).order_by(Reading.value)) == list(range(25))
    assert db.bulk_insert(Reading, []) == 0
    db.commit()
    assert db.count(Reading) == 25


def test_rows_may_have_different_fields_and_subclasses_tables(db: Session) -> None:
    assert db.bulk_insert(Reading, [{"name": "a"}, {"name": "b", "value": 1}, {"name": "c"}]) == 3
    assert db.all(select(Reading.value).order_by(Reading.name)) == [7, 1, 7]
    db.bulk_insert(Dog, [{"name": "rex", "bark": "wow"}, {"name": "fox", "bark": "yip"}])
    assert [(dog.name, dog.kind, dog.bark) for dog in db.all(select(Dog).order_by(Dog.id))] == [
        ("rex", "dog", "wow"),
        ("fox", "dog", "yip"),
    ]


def test_values_that_do_not_fit_are_told_by_row(db: Session) -> None:
    rows = [*readings(11), {"value": 3}, {"name": "x" * 11, "value": "much"}]
    with pytest.raises(ValidationError) as refused:
        db.bulk_insert(Reading, rows, size=10)
    assert {fault.location for fault in refused.value.faults} == {("body", 11, "name"), ("body", 12, "name"), ("body", 12, "value")}
    with pytest.raises(TypeError, match="did you mean 'value'"):
        db.bulk_insert(Reading, [{"name": "a", "valeu": 1}])
    with pytest.raises(ValueError, match="at least 1"):
        db.bulk_insert(Reading, readings(1), size=0)


def test_what_the_database_refuses_is_told_by_field(db: Session) -> None:
    with pytest.raises(ValidationError) as refused:
        db.bulk_insert(Note, [{"reading_id": 999}])
    assert refused.value.faults == (Fault(("body", "reading_id"), "The reading does not exist."),)


def test_rows_are_updated_by_their_keys(db: Session) -> None:
    db.bulk_insert(Reading, readings(25))
    ids = db.all(select(Reading.id).order_by(Reading.value))
    loaded = db.one(Reading, Reading.value == 3)
    assert db.bulk_update(Reading, ({"id": each, "value": -number} for number, each in enumerate(ids)), size=10) == 25
    assert db.all(select(Reading.value).order_by(Reading.id)) == [-number for number in range(25)]
    db.refresh(loaded)
    assert (loaded.value, loaded.name) == (-3, "r3")
    with pytest.raises(ValueError, match="'id' is missing"):
        db.bulk_update(Reading, [{"value": 3}])
    with pytest.raises(ValidationError):
        db.bulk_update(Reading, [{"id": ids[0], "name": "x" * 11}])
    with pytest.raises(ValidationError):
        db.bulk_update(Reading, [{"id": ids[0], "name": None}])


def test_batches_hold_everything_in_the_order_of_the_statement(db: Session, statements: list[str]) -> None:
    db.bulk_insert(Reading, readings(25))
    statements.clear()
    assert [len(batch) for batch in db.batches(Reading, size=10)] == [10, 10, 5]
    assert len(statements) == 3
    assert [len(batch) for batch in db.batches(Reading, Reading.value < 20, size=10)] == [10, 10]
    values = [
        value for batch in db.batches(select(Reading.value).order_by(Reading.value % 3, Reading.value.desc()), size=4) for value in batch
    ]
    assert values == sorted(range(25), key=lambda value: (value % 3, -value))
    assert list(db.batches(Reading, Reading.value < 0)) == []
    rows = [row for batch in db.batches(select(Reading.id, Reading.name), size=10) for row in batch]
    assert {row.name for row in rows} == {f"r{number}" for number in range(25)}


def test_batches_may_be_committed_one_by_one(db: Session) -> None:
    db.bulk_insert(Reading, readings(25))
    db.commit()
    for batch in db.batches(Reading, size=10):
        for reading in batch:
            reading.value += 1000
        db.commit()
    assert db.all(select(func.min(Reading.value))) == [1000]


def test_batches_need_a_statement_that_can_go_on(db: Session) -> None:
    with pytest.raises(ValueError, match="batches"):
        list(db.batches(select(Reading).limit(3)))
    with pytest.raises(ValueError, match="batches"):
        list(db.batches(select(Reading.name, func.count()).group_by(Reading.name)))


@pytest.mark.parametrize("reading", [False, True])
def test_rows_are_streamed(database: Database, open_session: Callable[..., Session], reading: bool) -> None:
    with database.session() as writing:
        writing.bulk_insert(Reading, readings(2500))
    db = open_session(database, reading=reading)
    values = [one.value for one in db.stream_all(Reading, size=100)]
    assert values == list(range(2499, -1, -1))
    assert list(db.stream_all(select(Reading.name), Reading.value < 2, size=10)) in (["r0", "r1"], ["r1", "r0"])
    assert sorted(tuple(row) for row in db.stream_all(select(Reading.value, Reading.name).where(Reading.value < 2))) == [
        (0, "r0"),
        (1, "r1"),
    ]
    begun = iter(db.stream_all(Reading, size=100))
    assert next(begun).value == 2499
    begun.close()  # type: ignore[attr-defined]
    assert db.count(Reading) == 2500  # the connection can be used again


def test_memory_is_bounded(database: Database, open_session: Callable[..., Session]) -> None:
    """No more objects than one batch, and the one before it, are alive at a time."""
    with database.session() as writing:
        writing.bulk_insert(Reading, readings(1000))
    db = open_session(database)
    for items in (
        (reading for reading in db.stream_all(Reading, size=50)),
        (one for batch in db.batches(Reading, size=50) for one in batch),
    ):
        alive: weakref.WeakSet[Any] = weakref.WeakSet()
        most = 0
        for number, reading in enumerate(items):
            alive.add(reading)
            if number % 100 == 99:
                gc.collect()
                most = max(most, len(alive))
        assert 0 < most <= 101
