"""How many more calls of Python functions a session makes than SQLAlchemy's own for the same work: what Erlen adds cannot creep up.

Both work on SQLite with the same rows; the counts are exact and the same on every machine.
"""

from __future__ import annotations

import gc
import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from types import FrameType
from typing import Annotated, Any, TypeAlias

import pytest
from sqlalchemy import BigInteger, DateTime, String, create_engine, orm
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
    gc.collect()
    gc.disable()  # what it calls belongs to whoever left the garbage
    sys.setprofile(see)
    try:
        work(open_session, model, WARM)
    finally:
        sys.setprofile(None)
        gc.enable()
    return calls


def main(folder: str) -> None:
    """Print the calls of each piece of work, of SQLAlchemy's session and of Erlen's, as JSON."""
    database = Database(f"sqlite:///{folder}/test.db", base=Root)
    database.create_all()
    with database.session() as db:
        db.add_all([Article(title=f"article {number}", created=NOW) for number in range(ROWS)])
    engine = create_engine(f"sqlite:///{folder}/test.db")
    plain = orm.sessionmaker(engine)
    found: dict[str, tuple[int, int]] = {}
    for work in (get, read, insert, change, change_by_statement):
        found[work.__name__] = calls_of(work, plain, PlainArticle), calls_of(work, database.session, Article)
    for work in (get, read):
        bare = calls_of(work, plain, PlainArticle)
        found[f"{work.__name__}_only"] = bare, calls_of(work, lambda: database.session(reading=True), Article)
    database.dispose()
    engine.dispose()
    print(json.dumps(found))


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[int, int]]:
    """Count in a process of its own: other tests leave listeners and models behind."""
    command = [sys.executable, __file__, str(tmp_path_factory.mktemp("calls"))]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("work", "most"),
    {"get": 1.32, "get_only": 1.2, "read": 1.15, "read_only": 1.15, "insert": 1.25, "change": 1.2, "change_by_statement": 1.17}.items(),
)
def test_sessions_add_few_calls(calls: dict[str, tuple[int, int]], work: str, most: float) -> None:
    bare, ours = calls[work]
    assert ours / bare <= most, f"{bare} calls of SQLAlchemy's session became {ours}"


if __name__ == "__main__":
    main(sys.argv[1])
