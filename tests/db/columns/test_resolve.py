"""Which column an annotation becomes."""

from __future__ import annotations

import datetime
from decimal import Decimal
from enum import Enum, Flag
from typing import Annotated, Any, Literal

import pytest
from msgspec import Meta, Struct
from sqlalchemy import Column, Index, Integer, String, Table, UniqueConstraint, event
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.schema import CreateTable

from erlen.db.columns import Digits, Email, Encrypted, LongText, Money, column_type
from erlen.db.model import Base as AnyBase
from erlen.errors import ConfigurationError

mapped: Any = Mapped
ENGINES: tuple[Any, ...] = (sqlite, postgresql, mysql)


class Settings(Struct):
    name: str = ""


class Power(Flag):
    read = 1
    write = 2


class Mixed(Enum):
    one = 1
    two = "two"


def column_of(annotation: Any, **options: Any) -> Column[Any]:
    class Family(AnyBase, isolated=True):
        pass

    body = {"__annotations__": {"id": Mapped[int], "value": mapped[annotation]}, "id": mapped_column(primary_key=True)}
    thing: Any = type("Thing", (Family,), {**body, "value": mapped_column(**options), "__module__": __name__})
    column: Column[Any] = thing.__table__.c.value
    return column


@pytest.mark.parametrize(
    ("annotation", "types"),
    [
        (str, ("TEXT", "TEXT", "LONGTEXT")),
        (Annotated[str, Meta(max_length=200)], ("VARCHAR(200)",) * 3),
        (Annotated[str, Meta(max_length=5000)], ("TEXT", "TEXT", "LONGTEXT")),
        (Annotated[str, Meta(max_length=200), Meta(max_length=50)], ("VARCHAR(50)",) * 3),
        (Annotated[str, Meta(max_length=200)] | None, ("VARCHAR(200)",) * 3),
        (Annotated[str | None, Meta(max_length=200)], ("VARCHAR(200)",) * 3),
        (Email, ("VARCHAR(254)",) * 3),
        (int, ("INTEGER",) * 3),
        (Annotated[int, Meta(ge=0, le=2**31 - 1)], ("INTEGER",) * 3),
        (Annotated[int, Meta(lt=2**31 + 1)], ("BIGINT",) * 3),
        (Annotated[int, Meta(gt=-(2**31) - 2)], ("BIGINT",) * 3),
        (bool, ("BOOLEAN", "BOOLEAN", "BOOL")),
        (float, ("DOUBLE", "DOUBLE PRECISION", "DOUBLE")),
        (Decimal, ("NUMERIC(30, 10)",) * 3),
        (Money, ("NUMERIC(19, 4)",) * 3),
        (Annotated[Decimal, Digits(5, 0)] | None, ("NUMERIC(5, 0)",) * 3),
        (datetime.datetime, ("DATETIME", "TIMESTAMP WITH TIME ZONE", "DATETIME(6)")),
        (datetime.timedelta, ("BIGINT", "INTERVAL", "BIGINT")),
        (datetime.time, ("TIME", "TIME WITHOUT TIME ZONE", "TIME(6)")),
        (bytes, ("BLOB", "BYTEA", "LONGBLOB")),
        (Settings, ("JSON", "JSONB", "JSON")),
        (dict[str, int] | None, ("JSON", "JSONB", "JSON")),
        (Literal["a", "b"], ("VARCHAR(32)",) * 3),
        (Encrypted[str], ("TEXT", "TEXT", "LONGTEXT")),
        (Encrypted[Annotated[str, Meta(max_length=20)]] | None, ("TEXT", "TEXT", "LONGTEXT")),
    ],
)
def test_the_type_of_a_column(annotation: Any, types: tuple[str, str, str]) -> None:
    column = column_of(annotation)
    assert tuple(column.type.compile(dialect=engine.dialect()) for engine in ENGINES) == types


def test_a_type_that_is_said_is_kept() -> None:
    assert isinstance(column_of(int, type_=String(3)).type, String)


def test_a_registry_that_has_a_type_is_asked_first() -> None:
    class Base(DeclarativeBase):
        type_annotation_map = {str: String(7)}

    event.listen(Base, "resolve_type_annotation", column_type)

    class Thing(Base):
        __tablename__ = "things"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str]

    kept: Any = Thing.__table__.c.name.type
    assert kept.length == 7


def test_a_constraint_that_stayed_text_is_a_mistake() -> None:
    class Base(DeclarativeBase):
        pass

    event.listen(Base, "resolve_type_annotation", column_type)
    with pytest.raises(ConfigurationError, match=r"Thing\.name`: `Meta\(max_length=3\)` was left as text"):

        class Thing(Base):
            __tablename__ = "things"
            id: Mapped[int] = mapped_column(primary_key=True)
            name: Mapped[Annotated[str, Meta(max_length=3)]]


@pytest.mark.parametrize(
    ("annotation", "message"),
    [
        (Power, "is a Flag"),
        (Mixed, "values that are not all texts, or not all integers"),
        (Literal["a", 1], "values that are not all texts, or not all integers"),
        (Annotated[Decimal, Digits(30, 0)] | int, "Could not locate"),
    ],
)
def test_what_no_column_can_hold_is_a_mistake(annotation: Any, message: str) -> None:
    with pytest.raises(Exception, match=message):
        column_of(annotation)


def test_digits_that_make_no_sense_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="Digits needs"):
        Digits(3, 4)


@pytest.mark.parametrize(
    "table",
    [
        lambda metadata: Table("things", metadata, Column("name", LongText, unique=True)),
        lambda metadata: Table("things", metadata, Column("name", LongText, index=True)),
        lambda metadata: Table("things", metadata, Column("name", LongText, primary_key=True)),
        lambda metadata: Table("things", metadata, Column("id", Integer), Column("name", LongText), UniqueConstraint("name", "id")),
        lambda metadata: Table("things", metadata, Column("id", Integer), Column("name", LongText), Index("ix", "name", "id")),
    ],
)
def test_text_without_a_limit_in_an_index_is_an_error_on_mysql(table: Any) -> None:
    class Family(AnyBase, isolated=True):
        pass

    made = table(Family.metadata)
    with pytest.raises(ConfigurationError, match=r"`things\.name` is text without a limit, which MySQL cannot index\n  fix say how long"):
        CreateTable(made).compile(dialect=mysql.dialect())
    for engine in (sqlite, postgresql):
        assert "name TEXT" in str(CreateTable(made).compile(dialect=engine.dialect()))
