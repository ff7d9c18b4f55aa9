"""Times in queries and expressions."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import create_engine, func, orm, select, text
from sqlalchemy.exc import StatementError
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from erlen.db.model import Base as AnyBase

Run = Callable[[type[DeclarativeBase], Callable[[orm.Session], Any]], Any]


class Base(AnyBase, isolated=True):
    pass


class Visit(Base):
    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime.datetime] = mapped_column(server_default=func.now())
    length: Mapped[datetime.timedelta]


def test_the_database_s_clock_and_sums_of_durations(run: Run) -> None:
    def work(session: orm.Session) -> None:
        session.add_all([Visit(id=1, length=datetime.timedelta(hours=1)), Visit(id=2, length=datetime.timedelta(microseconds=5))])
        session.commit()
        at = session.scalars(select(Visit.at).where(Visit.id == 1)).one()
        now = datetime.datetime.now(datetime.UTC)
        assert at.tzinfo is datetime.UTC
        assert abs(at - now) < datetime.timedelta(minutes=30)  # a mistaken time zone would be further away
        assert session.scalar(select(func.sum(Visit.length))) == datetime.timedelta(hours=1, microseconds=5)
        assert session.scalars(select(Visit.id).where(Visit.length > datetime.timedelta(minutes=1))).all() == [1]
        assert session.scalars(select(Visit.id).where(Visit.at > now - datetime.timedelta(days=1))).all() == [1, 2]

    run(Base, work)


@pytest.mark.parametrize(
    ("stored", "hour"),
    [
        ("2026-05-06 07:08:09.000001", 7),
        ("2026-05-06T07:08:09.000001Z", 7),
        ("2026-05-06 07:08:09.000001+02:00", 5),
        ("0001-01-01 07:00:00", 7),
        ("9999-12-31 07:59:59.999999", 7),
        ("2026-05-06", 0),
    ],
)
def test_moments_that_other_programs_stored_in_sqlite(stored: str, hour: int) -> None:
    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine)
    with orm.Session(engine) as session:
        session.execute(text("INSERT INTO visits (id, at, length) VALUES (1, :at, 0)"), {"at": stored})
        at = session.scalars(select(Visit.at)).one()
    assert at.tzinfo is datetime.UTC
    assert at.hour == hour
    written = datetime.datetime.fromisoformat(stored)
    assert at.replace(tzinfo=None) == (written if written.tzinfo is None else written.astimezone(datetime.UTC).replace(tzinfo=None))
    engine.dispose()


def test_a_moment_without_a_time_zone_is_refused_in_queries() -> None:
    engine = create_engine("sqlite://")
    with orm.Session(engine) as session, pytest.raises(StatementError, match="The date and time must have a time zone"):
        session.scalars(select(Visit).where(Visit.at > datetime.datetime(2026, 1, 1)))
    engine.dispose()
