"""Enumerations with labels, and the CHECK of their columns."""

from __future__ import annotations

import re
from typing import Any, Literal

import pytest
from sqlalchemy import CheckConstraint, MetaData, create_engine, insert, select
from sqlalchemy.exc import IntegrityError, StatementError
from sqlalchemy.orm import Mapped, Session, mapped_column
from sqlalchemy.schema import CreateTable

from erlen.db.columns import Choice, Choices, IntegerChoices
from erlen.db.model import Base as AnyBase


class Status(Choices):
    draft = "draft", "A draft"
    in_review = "in_review"


class Level(IntegerChoices):
    low = 1, "Low"
    very_high = 9


class Base(AnyBase, isolated=True):
    pass


class WithStatus:
    state: Mapped[Status]


class Thing(WithStatus, Base):
    id: Mapped[int] = mapped_column(primary_key=True)
    level: Mapped[Level | None]
    size: Mapped[Literal["s", "m"] | None]


class Other(WithStatus, Base):
    id: Mapped[int] = mapped_column(primary_key=True)


def test_members_are_values_with_labels() -> None:
    assert (Status.draft.value, Status.draft.label, str(Status.draft)) == ("draft", "A draft", "draft")
    assert (Level.very_high.value, Level.very_high.label, Level.very_high + 1) == (9, "Very high", 10)
    assert Status("in_review") is Status.in_review
    assert Level(1) is Level.low
    assert Status.choices() == [("draft", "A draft"), ("in_review", "In review")]
    assert Level.choices() == [(1, "Low"), (9, "Very high")]


def checks(cls: Any) -> list[str]:
    found = re.findall(r"CONSTRAINT (ck_\w+) CHECK \((.*)\)", str(CreateTable(cls.__table__)))
    return sorted(f"{name}: {condition}" for name, condition in found)


def test_each_table_has_one_check_by_the_name_of_the_field() -> None:
    assert checks(Thing) == [
        "ck_things_level: level IN (1, 9)",
        "ck_things_size: size IN ('s', 'm')",
        "ck_things_state: state IN ('draft', 'in_review')",
    ]
    assert checks(Other) == ["ck_others_state: state IN ('draft', 'in_review')"]


def test_a_copied_table_has_its_checks_once() -> None:
    copied = Thing.metadata.tables["things"].to_metadata(MetaData())
    assert sum(isinstance(each, CheckConstraint) for each in copied.constraints) == 3
    assert isinstance(copied.c.state.type, Choice)


def test_the_database_takes_no_other_value_and_queries_ask_for_none() -> None:
    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        with pytest.raises(IntegrityError, match="ck_things_state"):
            session.connection().exec_driver_sql("INSERT INTO things (id, state) VALUES (1, 'other')")
        with pytest.raises(StatementError, match="'other' is not one of 'draft', 'in_review'"):
            session.execute(select(Thing).where(Thing.state == "other"))
        session.execute(insert(Thing).values(id=1, state="draft"))
        assert session.scalars(select(Thing.state)).one() is Status.draft
    engine.dispose()


def test_a_value_that_was_taken_out_since_is_given_as_it_is() -> None:
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE things (id INTEGER, state TEXT, level INTEGER, size TEXT)")
        connection.exec_driver_sql("INSERT INTO things VALUES (1, 'gone', 5, NULL)")
        row = connection.execute(select(Thing.state, Thing.level, Thing.size)).one()
    assert tuple(row) == ("gone", 5, None)
    engine.dispose()
