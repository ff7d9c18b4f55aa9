"""What a database says of its way to a query's rows, on each engine and in both colours."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import String, delete, func, select, union
from sqlalchemy.orm import Mapped, mapped_column

from erlen.db import Database, Model, Session, SoftDelete


class Base(Model, isolated=True):
    pass


class Place(Base):
    name: Mapped[str] = mapped_column(String(20), unique=True, index=True)


class Note(SoftDelete, Base):
    text: Mapped[str]


@pytest.fixture
def database(make_database: Callable[..., Database]) -> Database:
    database = make_database(Base)
    with database.session() as db:
        db.bulk_insert(Place, ({"name": f"place {number}"} for number in range(1000)))
    return database


@pytest.fixture
def db(database: Database, open_session: Callable[..., Session]) -> Session:
    return open_session(database, reading=True)


def test_a_plan_names_the_index_that_is_used(db: Session) -> None:
    assert "ix_places_name" in db.explain(Place, Place.name == "place 3")
    assert db.explain(select(Note.id, Note.deleted_at).where(Note.id.in_([3, 4])))
    assert "ix_places_name" not in db.explain(Place, Place.id == 3)
    assert db.explain(union(select(Place.id), select(Place.id)))
    assert db.is_reading


def test_rows_that_are_softly_deleted_are_left_out_as_in_the_query(db: Session, database: Database) -> None:
    if database.url().get_backend_name() == "sqlite":
        pytest.skip("its plans have no criteria")
    assert "deleted_at" in db.explain(select(Note.id).where(Note.id > 3))
    assert "deleted_at" not in db.explain(select(Note.id).where(Note.id > 3).execution_options(with_deleted=True))


def test_a_query_is_measured(db: Session, database: Database) -> None:
    if database.url().get_backend_name() == "sqlite":
        with pytest.raises(ValueError, match="SQLite measures no queries"):
            db.explain(Place, analyze=True)
        return
    measured = db.explain(Place, Place.name == "place 3", analyze=True)
    assert ("actual time" if database.url().get_backend_name() == "postgresql" else "r_rows") in measured
    assert db.one(select(func.count()).select_from(Place)) == 1000


def test_the_steps_of_sqlite_stand_below_what_they_belong_to(db: Session, database: Database) -> None:
    if database.url().get_backend_name() != "sqlite":
        pytest.skip("of SQLite")
    lines = db.explain(union(select(Place.id), select(Place.id).where(Place.name == "a"))).splitlines()
    assert [len(line) - len(line.lstrip()) for line in lines] == [0, 2, 4, 2, 4]


def test_only_queries_are_explained(db: Session) -> None:
    with pytest.raises(TypeError, match=r"a model or a select\(\), not Delete"):
        db.explain(delete(Place))
