"""Where the rows of a stream come from, and what it holds up meanwhile."""

from __future__ import annotations

import os
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url
from tests.db.conftest import connect

from erlen import App
from erlen.db import AsyncSession, Database, Mapped, Model, Session, insert, select
from erlen.errors import ErlenError

MakeClient = Callable[..., Any]


class Own(Model, isolated=True):
    pass


class Place(Own):
    name: Mapped[str]


@pytest.fixture
def make() -> Iterator[Callable[..., Database]]:
    made: list[Database] = []

    def make(url: str, **options: Any) -> Database:
        made.append(Database(url, base=Own, **options))
        made[-1].create_all()
        return made[-1]

    yield make
    for database in made:
        database.dispose()


@pytest.fixture
def replica(url_of: Callable[[str], str]) -> Iterator[tuple[str, str]]:
    """The addresses of a database of PostgreSQL and of one beside it, which never follows: so what it answers shows who was asked."""
    primary = make_url(url_of("postgresql"))
    other = primary.set(database=f"erlen_replica_{os.getpid()}")
    with connect(primary) as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {other.database}")
        yield primary.render_as_string(hide_password=False), other.render_as_string(hide_password=False)
        connection.exec_driver_sql(f"DROP DATABASE {other.database} WITH (FORCE)")


def fill(database: Database, name: str) -> None:
    with database.session() as db:
        db.bulk_insert(Place, ({"name": f"{name} {number}"} for number in range(20)))


def test_a_stream_that_is_read_locks_nobody_out(database_url: str, make: Callable[..., Database]) -> None:
    database = make(database_url, lock_timeout=1)
    fill(database, "place")
    with database.session(reading=True) as db:
        rows = db.stream_all(Place, size=5)
        next(rows)
        with database.session() as other:
            other.add(Place(name="more"))
        assert len(list(rows)) == 19


def test_a_stream_goes_on_where_its_session_begins_to_write(database_url: str, make: Callable[..., Database]) -> None:
    database = make(database_url)
    fill(database, "place")
    with database.session(reading=True) as db:
        for number, place in enumerate(db.stream_all(Place, size=5)):
            place.name = f"new {number}"
            if number == 7:
                db.flush()
    with database.session(reading=True) as db:
        assert db.count(Place, Place.name.startswith("new")) == 20


def test_sessions_that_stream_and_write_do_not_wait_for_each_other(database_url: str, make: Callable[..., Database]) -> None:
    database = make(database_url, pool_size=2, lock_timeout=1)
    fill(database, "place")
    both = threading.Barrier(2, timeout=20)

    def write_while_reading(name: str) -> None:
        with database.session(reading=True) as db:
            for number, _ in enumerate(db.stream_all(Place, size=5)):
                if number == 3:
                    both.wait()
                    db.add(Place(name=name))
                    db.flush()
                    break

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(write_while_reading, ["one", "two"]))
    with database.session(reading=True) as db:
        assert db.count(Place) == 22


def test_a_stream_of_a_database_in_memory_goes_on_where_its_session_writes(make: Callable[..., Database]) -> None:
    database = make("sqlite://", lock_timeout=0.2)
    fill(database, "place")
    with database.session(reading=True) as db:
        for number, place in enumerate(db.stream_all(Place, size=5)):
            place.name = f"new {number}"
            db.flush()
        assert db.count(Place, Place.name.startswith("new")) == 20


def test_a_stream_is_read_at_the_isolation_it_began_with(database_url: str, make: Callable[..., Database]) -> None:
    database = make(database_url)
    fill(database, "place")
    with database.session(reading=True) as db:
        next(db.stream_all(Place, size=5))
        with pytest.raises(ErlenError, match="before the session's first statement"):
            db.use_isolation("SERIALIZABLE")


def test_what_only_its_sql_shows_to_write_goes_to_the_primary_during_a_stream(
    make: Callable[..., Database], replica: tuple[str, str]
) -> None:
    primary, copy = replica
    fill(make(primary), "primary")
    fill(make(copy), "copy")
    database = make(primary, replicas=[copy])
    with Session(database, reading=True, primary=False) as db:
        rows = db.stream_all(select(Place.name), size=5)
        assert next(rows) == "copy 0"
        written = insert(Place).values(name="written").returning(Place.id).cte()
        assert db.scalar(select(written.c.id)) == 21
        assert len(list(rows)) == 19
        db.finish(keep=True)
    with make(copy).session(reading=True) as db:
        assert db.count(Place) == 20
    with make(primary).session(reading=True) as db:
        assert db.count(Place, Place.name == "written") == 1


def test_a_session_reads_from_one_replica_and_what_it_wrote_from_the_primary(make: Callable[..., Database], tmp_path: Path) -> None:
    urls = [f"sqlite:///{tmp_path}/{name}.db" for name in ("primary", "one", "two")]
    for url, name in zip(urls, ("primary", "one", "two"), strict=True):
        fill(make(url), name)
    database = make(urls[0], replicas=urls[1:])
    seen = []
    for _ in range(2):
        with Session(database, reading=True, primary=False) as db:
            seen.append([db.all(select(Place.name).order_by(Place.id))[0] for _ in range(3)])
            db.add(Place(name="new"))
            db.__before_stream__()
            assert db.all(select(Place.name).order_by(Place.id))[0] == "primary 0"
    assert seen == [["one 0"] * 3, ["two 0"] * 3]


@pytest.mark.parametrize("colour", ["def", "async def"])
def test_streams_are_read_from_replicas(
    make: Callable[..., Database], make_client: MakeClient, replica: tuple[str, str], colour: str
) -> None:
    primary, copy = replica
    fill(make(primary), "primary")
    fill(make(copy), "copy")
    app = App()
    app.use(make(primary, replicas=[copy]))
    if colour == "def":

        @app.get("/")
        def show(db: Session, write: bool = False) -> list[str]:
            names = []
            for number, place in enumerate(db.stream_all(select(Place).order_by(Place.id), size=5)):
                names.append(place.name)
                if write and number == 7:
                    db.add(Place(name="written"))
                    db.flush()
            return [*names, *db.all(select(Place.name).order_by(Place.id.desc()).limit(1))]

        @app.get("/streamed")
        def streamed(db: Session) -> Iterator[str]:
            for place in db.stream_all(select(Place).limit(2)):
                yield place.name

    else:

        @app.get("/")
        async def show_async(db: AsyncSession, write: bool = False) -> list[str]:
            names, number = [], 0
            async for place in db.stream_all(select(Place).order_by(Place.id), size=5):
                names.append(place.name)
                number += 1
                if write and number == 7:
                    db.add(Place(name="written"))
                    await db.flush()
            return [*names, *(await db.all(select(Place.name).order_by(Place.id.desc()).limit(1)))]

        @app.get("/streamed")
        async def streamed_async(db: AsyncSession) -> AsyncIterator[str]:
            async for place in db.stream_all(select(Place).limit(2)):
                yield place.name

    client = make_client(app)
    names = [f"copy {number}" for number in range(20)]
    assert client.get("/").json() == [*names, "copy 19"]
    assert client.get("/streamed").text == "copy 0copy 1"
    assert client.get("/?write=true").json() == [*names, "written"]  # by a session that reads and then writes
    assert client.get("/").json() == [*(name.replace("copy", "primary") for name in names), "written", "written"]  # a cookie says so
