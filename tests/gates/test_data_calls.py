"""How many more calls of Python functions a session makes than SQLAlchemy's own for the same work: what Erlen adds cannot creep up.

Both work on SQLite with the same rows; the counts are exact and the same on every machine.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, TypeAlias

import pytest
from sqlalchemy import BigInteger, DateTime, String, create_engine, event, orm
from sqlalchemy.orm import DeclarativeBase

from erlen.db import Database, Mapped, Meta, Model, Session, mapped_column, select, update

ROWS = 1_000
WARM = 5  # what is made or compiled at the first times does not count
NOW = datetime(2026, 5, 6, tzinfo=UTC)

Open: TypeAlias = Callable[[], AbstractContextManager[Any]]
Work: TypeAlias = Callable[[Open, Any, int], None]


class Root(Model, isolated=True):
    """The models of this file."""


class Article(Root):
    title: Mapped[Annotated[str, Meta(max_length=200)]]
    views: Mapped[int] = mapped_column(default=0)
    created: Mapped[datetime]


class PlainBase(DeclarativeBase):
    pass


class PlainArticle(PlainBase):
    __tablename__ = "articles"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    title: Mapped[str] = mapped_column(String(200))
    views: Mapped[int] = mapped_column(default=0)
    created: Mapped[datetime] = mapped_column(DateTime)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path}/test.db", base=Root)
    database.create_all()
    with database.session() as db:
        db.add_all([Article(title=f"article {number}", created=NOW) for number in range(ROWS)])
    yield database
    database.dispose()


@pytest.fixture
def plain(database: Database) -> Iterator[orm.sessionmaker[orm.Session]]:
    engine = create_engine(f"sqlite:///{database.url().database}")
    event.listen(engine, "connect", lambda connection, record: connection.execute("PRAGMA busy_timeout = 10000"))
    yield orm.sessionmaker(engine)
    engine.dispose()


def get(open_session: Open, model: Any, turn: int) -> None:
    with open_session() as db:
        assert db.get(model, turn + 1) is not None


def read(open_session: Open, model: Any, turn: int) -> None:
    with open_session() as db:
        found = db.all(select(model)) if isinstance(db, Session) else db.scalars(select(model)).all()
        assert len(found) >= ROWS


def insert(open_session: Open, model: Any, turn: int) -> None:
    created = NOW if model is Article else NOW.replace(tzinfo=None)
    key = {} if model is Article else {"id": 2 * ROWS + turn}
    with open_session() as db:
        db.add(model(title="new", views=1, created=created, **key))
        if not isinstance(db, Session):
            db.commit()


def change(open_session: Open, model: Any, turn: int) -> None:
    with open_session() as db:
        db.get_one(model, turn + 1).title = f"title {turn}, {model.__name__}"
        if not isinstance(db, Session):
            db.commit()


def change_by_statement(open_session: Open, model: Any, turn: int) -> None:
    with open_session() as db:
        db.execute(update(model).where(model.id == turn + 1).values(views=turn))
        if not isinstance(db, Session):
            db.commit()


def calls_of(work: Work, open_session: Open, model: Any) -> int:
    """Return how many Python functions one piece of work calls."""
    calls = 0

    def see(frame: FrameType, event: str, argument: object) -> None:
        nonlocal calls
        calls += event == "call"

    for turn in range(WARM):
        work(open_session, model, turn)
    sys.setprofile(see)
    try:
        work(open_session, model, WARM)
    finally:
        sys.setprofile(None)
    return calls


MOST = {get: 1.5, read: 1.15, insert: 1.3, change: 1.33, change_by_statement: 1.25}


@pytest.mark.parametrize("work", MOST, ids=lambda work: work.__name__)
def test_sessions_add_few_calls(database: Database, plain: orm.sessionmaker[orm.Session], work: Work) -> None:
    bare = calls_of(work, plain, PlainArticle)
    ours = calls_of(work, database.session, Article)
    assert ours / bare <= MOST[work], f"{bare} calls of SQLAlchemy's session became {ours}"


@pytest.mark.parametrize("work", [get, read], ids=lambda work: work.__name__)
def test_sessions_that_read_add_few_calls(database: Database, plain: orm.sessionmaker[orm.Session], work: Work) -> None:
    bare = calls_of(work, plain, PlainArticle)
    ours = calls_of(work, lambda: database.session(reading=True), Article)
    assert ours / bare <= MOST[work], f"{bare} calls of SQLAlchemy's session became {ours}"
