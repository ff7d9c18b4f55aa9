"""`Database`: URLs, several databases, replicas, time limits, health, forks and event loops."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, func, select, text
from sqlalchemy.exc import DBAPIError

from erlen import App, ConfigurationError
from erlen.db import AsyncSession, Database, Mapped, Model, PoolExhausted, Session
from erlen.errors import ErlenError

MakeClient = Callable[..., Any]


class Base(Model, isolated=True):
    pass


class Place(Base):
    name: Mapped[str]


class Visit(Base, database="logs"):
    name: Mapped[str]


@pytest.fixture
def make() -> Iterator[Callable[..., Database]]:
    made: list[Database] = []

    def make(*arguments: Any, **options: Any) -> Database:
        made.append(Database(*arguments, base=Base, **options))
        return made[-1]

    yield make
    for database in made:
        database.dispose()


@pytest.mark.parametrize(
    ("url", "wrong"),
    [
        ("nonsense", "cannot be read"),
        ("oracle://x@y/z", "no support for 'oracle'"),
        ("postgresql+pg8000://x@y/z", "'pg8000' is not known"),
    ],
)
def test_urls_that_cannot_be_used_say_so(url: str, wrong: str) -> None:
    with pytest.raises(ConfigurationError, match=wrong):
        Database(url)


def test_a_database_without_a_url_says_what_to_set() -> None:
    app = App()
    app.use(Database())
    with pytest.raises(ConfigurationError, match="DATABASE_URL"):
        app.freeze({"secret_key": "a key for tests that is long enough to sign with"})


def test_passwords_are_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    database = Database("postgresql://me:hunter2@127.0.0.1:1/x", base=Base)
    (health,) = database.health()
    assert "hunter2" not in repr(database) + repr(database.engine) + str(database.url()) + health.error
    app = App()
    settings, _ = app.read_settings({"database_url": "postgresql://me:hunter2@h/x"})
    assert "hunter2" not in repr(settings)


def test_models_are_kept_in_the_database_that_they_name(make: Callable[..., Database], tmp_path: Path) -> None:
    database = make({"default": f"sqlite:///{tmp_path}/a.db", "logs": f"sqlite:///{tmp_path}/b.db"})
    database.create_all()
    with database.session() as db:
        db.add_all([Place(name="here"), Visit(name="now")])
    with database.session(reading=True) as db:
        assert db.all(select(Place.name)) == ["here"]
        assert db.all(select(Visit.name)) == ["now"]
    alone = make(f"sqlite:///{tmp_path}/b.db")
    with alone.session() as db:
        assert db.scalar(text("SELECT name FROM visits")) == "now"
        with pytest.raises(DBAPIError):
            db.scalar(text("SELECT name FROM places"))


def test_several_databases_need_a_default() -> None:
    with pytest.raises(ConfigurationError, match="default"):
        Database({"one": "sqlite://", "two": "sqlite://"})


@pytest.mark.parametrize("colour", ["def", "async def"])
def test_reads_go_to_a_replica_until_the_visitor_writes(
    make: Callable[..., Database], make_client: MakeClient, tmp_path: Path, colour: str
) -> None:
    """The replica never follows here, so that what it answers shows who was asked."""
    replica = make(f"sqlite:///{tmp_path}/replica.db")
    replica.create_all()
    with replica.session() as db:
        db.add(Place(name="old"))
    replica.dispose()
    database = make(f"sqlite:///{tmp_path}/primary.db", replicas=[f"sqlite:///{tmp_path}/replica.db"], create=True)
    app = App()
    app.use(database)
    if colour == "def":

        @app.get("/")
        def show(db: Session) -> list[str]:
            return db.all(select(Place.name))

        @app.post("/{name}")
        def add(name: str, db: Session) -> list[str]:
            db.add(Place(name=name))
            return db.all(select(Place.name))
    else:

        @app.get("/")
        async def show_async(db: AsyncSession) -> list[str]:
            return await db.all(select(Place.name))

        @app.post("/{name}")
        async def add_async(name: str, db: AsyncSession) -> list[str]:
            db.add(Place(name=name))
            return await db.all(select(Place.name))

    client, other = make_client(app), make_client(app)
    assert client.get("/").json() == ["old"]
    answer = client.post("/new")
    assert answer.json() == ["new"]
    assert "Max-Age=5" in answer.headers["set-cookie"]
    assert client.get("/").json() == ["new"]
    assert other.get("/").json() == ["old"]


@pytest.mark.parametrize("colour", ["def", "async def"])
def test_a_statement_that_takes_too_long_is_ended(database_url: str, make: Callable[..., Database], colour: str) -> None:
    database = make(database_url, statement_timeout=0.2)
    endless = "SELECT SLEEP(60)"
    if not database_url.startswith("mariadb"):
        endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000000000) SELECT count(*) FROM n"
    if colour == "def":
        with pytest.raises(DBAPIError), database.session() as db:
            db.scalar(text(endless))
        with database.session() as db:
            assert db.scalar(text("SELECT 1")) == 1
    else:

        async def work() -> None:
            with pytest.raises(DBAPIError):
                async with database.async_session() as db:
                    await db.scalar(text(endless))
            async with database.async_session() as db:
                assert await db.scalar(text("SELECT 1")) == 1
            await database.dispose_async()

        asyncio.run(work())


def test_health_tells_who_answers(make: Callable[..., Database], tmp_path: Path) -> None:
    database = make({"default": f"sqlite:///{tmp_path}/a.db", "logs": "postgresql://nobody@127.0.0.1:1/none"})
    good, bad = database.health()
    assert (good.name, good.ok, good.error) == ("default", True, "")
    assert (bad.name, bad.ok) == ("logs", False)
    assert bad.error.startswith("OperationalError: ")


def test_each_event_loop_has_connections_of_its_own(database_url: str, make: Callable[..., Database]) -> None:
    database = make(database_url)
    database.create_all()

    async def work() -> int | None:
        async with database.async_session() as db:
            db.add(Place(name="x"))
        async with database.async_session(reading=True) as db:
            found = await db.scalar(select(func.count()).select_from(Place))
        await database.dispose_async()
        return found

    assert [asyncio.run(work()) for _ in range(3)] == [1, 2, 3]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_forked_child_does_not_use_its_parents_connections(url_of: Callable[[str], str], make: Callable[..., Database]) -> None:
    database = make(url_of("postgresql"))
    with database.session() as db:
        parents = db.scalar(text("SELECT pg_backend_pid()"))
    read, write = os.pipe()
    child = os.fork()
    if not child:  # nothing of pytest may go on in the child
        try:
            with database.session() as db:
                os.write(write, str(db.scalar(text("SELECT pg_backend_pid()"))).encode())
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as answer:
        childs = answer.read()
    os.waitpid(child, 0)
    assert childs
    assert int(childs) != parents
    with database.session() as db:
        assert db.scalar(text("SELECT pg_backend_pid()")) == parents


def test_a_stream_of_mysql_is_not_lost_without_a_word(url_of: Callable[[str], str], make: Callable[..., Database]) -> None:
    """Its drivers would drop the rest of a stream when another statement is sent on its connection."""
    database = make(url_of("mariadb"))
    database.create_all()
    with database.session() as db:
        db.add_all([Place(name=str(number)) for number in range(50)])
    with database.session() as db:
        rows = db.scalars(select(Place.name).execution_options(yield_per=5))
        assert rows.fetchmany(1)
        with pytest.raises(ErlenError, match="one result at a time"):
            db.scalar(text("SELECT 1"))
        rows.close()


def test_a_cancelled_statement_of_sqlite_gives_its_lock_back(make: Callable[..., Database], tmp_path: Path) -> None:
    """Its thread would go on for up to the time limit of statements, with everybody else locked out."""
    database = make(f"sqlite:///{tmp_path}/x.db", lock_timeout=5, statement_timeout=600)
    database.create_all()
    numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000000000)"

    async def work() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3), database.async_session() as db:
                await db.execute(text(f"INSERT INTO places (name) {numbers} SELECT max(i) FROM n"))
        async with database.async_session() as db:
            db.add(Place(name="after"))
        async with database.async_session(reading=True) as db:
            assert await db.all(select(Place.name)) == ["after"]
        await database.dispose_async()

    asyncio.run(work())


def test_engines_may_be_disposed_by_another_thread_at_the_end_of_the_process(make: Callable[..., Database], tmp_path: Path) -> None:
    database = make({"default": f"sqlite:///{tmp_path}/a.db", "logs": f"sqlite:///{tmp_path}/b.db"})
    event.listen(database.engines("default").engine, "engine_disposed", lambda _: database._thread_engines.clear())
    logs = database.engines("logs").engine
    with logs.connect():
        pass
    pool = logs.pool
    assert database._finalizer is not None
    database._finalizer()
    assert logs.pool is not pool


@pytest.mark.parametrize("backend", ["sqlite", "postgresql", "mariadb"])
def test_a_full_pool_is_an_answer_that_asks_to_try_again(
    make: Callable[..., Database], make_client: MakeClient, url_of: Callable[[str], str], backend: str
) -> None:
    database = make(url_of(backend), pool_size=1, lock_timeout=0.1)
    database.create_all()
    app = App()
    app.use(database)

    @app.get("/read")
    def read(db: Session) -> list[str]:
        return db.all(select(Place.name))

    @app.get("/connect")
    def connect(db: Session) -> None:
        db.connection()

    @app.post("/add")
    def add(db: Session) -> None:
        db.add(Place(name="new"))

    client = make_client(app, raise_errors=False)
    with database.session(reading=True) as holder:
        holder.all(Place)
        for answer in (client.get("/read"), client.get("/connect"), client.post("/add")):
            assert (answer.status, answer.headers["retry-after"]) == (503, "1")
            assert "pool_size" not in answer.text
    assert client.post("/add").status == 204
    assert client.get("/read").json() == ["new"]


def test_a_full_pool_of_async_code_says_what_to_do(make: Callable[..., Database], tmp_path: Path) -> None:
    async def wait_in_vain() -> None:
        database = make(f"sqlite:///{tmp_path}/test.db", pool_size=1, lock_timeout=0.1)
        database.create_all()
        async with database.async_session(reading=True) as holder:
            await holder.all(Place)
            async with database.async_session(reading=True) as db:
                with pytest.raises(PoolExhausted) as caught:
                    await db.all(Place)
        assert "pool_size=" in caught.value.__notes__[0]
        await database.dispose_async()

    asyncio.run(wait_in_vain())
