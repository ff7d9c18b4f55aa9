"""When a request's transaction begins, ends and is seen (DESIGN, Lifecycles 1 to 6 and 12), on each engine, door and colour."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy.ext.asyncio
import sqlalchemy.orm
from sqlalchemy import event, func, select, text
from sqlalchemy.exc import DBAPIError

from erlen import App, ConfigurationError, Conflict, HTTPError, Request, Unauthorized
from erlen.db import AsyncSession, Database, Mapped, Model, Session
from erlen.errors import ErlenError

Colour = str
MakeClient = Callable[..., Any]


class Base(Model, isolated=True):
    pass


class Note(Base):
    text: Mapped[str]


class Counter(Base):
    value: Mapped[int]


@pytest.fixture(params=["def", "async def"])
def colour(request: pytest.FixtureRequest) -> Colour:
    return str(request.param)


# Every engine and every door, but not each with each.
PLACES = [("sqlite", "asgi"), ("sqlite", "rsgi"), ("sqlite", "wsgi"), ("postgresql", "rsgi"), ("mariadb", "asgi")]


@pytest.fixture(params=PLACES, ids="-".join)
def place(request: pytest.FixtureRequest) -> tuple[str, str]:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
def client_for(place: tuple[str, str], make_client: MakeClient) -> MakeClient:
    return lambda app: make_client(app, door=place[1])


@pytest.fixture
def database(place: tuple[str, str], url_of: Callable[[str], str]) -> Iterator[Database]:
    database = Database(url_of(place[0]), base=Base, create=True)
    yield database
    database.dispose()


def count(database: Database) -> int:
    with database.session() as db:
        return db.scalar(select(func.count()).select_from(Note)) or 0


def notes_app(database: Database, colour: Colour) -> App:
    """An application that writes a note in every way that there is to end."""
    app = App()
    app.use(database)

    class Odd(Exception):
        pass

    def end(way: str) -> tuple[dict[str, str], int]:
        if way == "raise":
            raise Odd
        if way == "refuse":
            raise Conflict("no")
        return {"way": way}, 400 if way == "answer-400" else 201

    @app.error_handler(Odd)
    def odd(request: Request, error: Odd) -> tuple[str, int]:
        return "odd", 418

    if colour == "def":

        @app.post("/notes/{way}")
        def add(way: str, db: Session) -> tuple[dict[str, str], int]:
            db.add(Note(text=way))
            db.flush()
            return end(way)

        @app.get("/notes")
        def show(db: Session) -> list[str]:
            return list(db.scalars(select(Note.text).order_by(Note.id)))

        @app.get("/write")
        def write(db: Session) -> dict[str, bool]:
            was = db.is_reading
            db.add(Note(text="from GET"))
            db.flush()
            return {"before": was, "after": db.is_reading}
    else:

        @app.post("/notes/{way}")
        async def add_async(way: str, db: AsyncSession) -> tuple[dict[str, str], int]:
            db.add(Note(text=way))
            await db.flush()
            return end(way)

        @app.get("/notes")
        async def show_async(db: AsyncSession) -> list[str]:
            return list(await db.scalars(select(Note.text).order_by(Note.id)))

        @app.get("/write")
        async def write_async(db: AsyncSession) -> dict[str, bool]:
            was = db.is_reading
            db.add(Note(text="from GET"))
            await db.flush()
            return {"before": was, "after": db.is_reading}

    return app


@pytest.mark.parametrize(("way", "status", "kept"), [("good", 201, 1), ("answer-400", 400, 0), ("refuse", 409, 0), ("raise", 418, 0)])
def test_a_transaction_is_kept_only_with_a_good_answer(
    client_for: MakeClient, database: Database, colour: Colour, way: str, status: int, kept: int
) -> None:
    client = client_for(notes_app(database, colour))
    assert client.post(f"/notes/{way}").status == status
    assert count(database) == kept
    assert client.get("/notes").json() == ["good"] * kept


@contextmanager
def begun(database: Database) -> Iterator[list[str]]:
    """The kinds of transaction that the engine of `def` code begins: autocommit, or one of its own."""
    kinds: list[str] = []

    def see(connection: Any) -> None:
        autocommit = connection.get_execution_options().get("isolation_level") == "AUTOCOMMIT"
        kinds.append("autocommit" if autocommit or connection.get_execution_options().get("erlen_begin") == "" else "transaction")

    event.listen(database.engine, "begin", see)
    yield kinds


def test_reading_requests_begin_no_transaction_until_they_write(client_for: MakeClient, database: Database) -> None:
    client = client_for(notes_app(database, "def"))
    with begun(database) as kinds:
        client.get("/notes")
        assert kinds == ["autocommit"]
        assert client.get("/write").json() == {"before": True, "after": False}
        assert kinds == ["autocommit", "transaction"]
        client.post("/notes/good")
        assert kinds == ["autocommit", "transaction", "transaction"]
    assert count(database) == 2


def test_a_statement_of_a_reading_request_that_writes_is_undone_with_an_error(client_for: MakeClient, database: Database) -> None:
    app = App()
    app.use(database)

    @app.get("/{way}")
    def write(way: str, db: Session) -> None:
        if way == "text":
            db.execute(text("INSERT INTO notes (text) VALUES ('x')"))
        elif way == "insert":
            db.execute(sqlalchemy.insert(Note).values(text="x"))
        else:
            db.connection().execute(sqlalchemy.insert(Note).values(text="x"))
        raise Conflict

    client = client_for(app)
    for way in ("text", "insert", "connection"):
        assert client.get(f"/{way}").status == 409
    assert count(database) == 0


def test_what_was_written_is_there_when_the_answer_arrives(client_for: MakeClient, database: Database, colour: Colour) -> None:
    client = client_for(notes_app(database, colour))
    for number in range(1, 6):
        client.post("/notes/good")
        assert count(database) == number


def test_an_object_is_answered_after_the_commit_without_loading_it_anew(client_for: MakeClient, database: Database) -> None:
    app = App()
    app.use(database)
    statements: list[str] = []

    @app.post("/notes")
    def add(db: Session) -> Note:
        note = Note(text="new")
        db.add(note)
        db.commit()
        event.listen(database.engine, "before_cursor_execute", lambda *a: statements.append(a[2]))
        return note

    assert client_for(app).post("/notes").json() == {"id": 1, "text": "new"}
    assert not [each for each in statements if each.startswith("SELECT")]


def test_one_request_has_one_session_whichever_name_it_is_asked_by(client_for: MakeClient, database: Database, colour: Colour) -> None:
    from typing import Annotated

    from erlen import Depends

    app = App()
    app.use(database)

    def helper(db: Session) -> int:
        return id(db)

    async def helper_async(db: AsyncSession) -> int:
        return id(db)

    if colour == "def":

        @app.get("/")
        def same(one: Session, two: sqlalchemy.orm.Session, three: Annotated[int, Depends(helper)]) -> bool:
            return one is two and id(one) == three
    else:

        @app.get("/")
        async def same_async(
            one: AsyncSession, two: sqlalchemy.ext.asyncio.AsyncSession, three: Annotated[int, Depends(helper_async)]
        ) -> bool:
            return one is two and id(one) == three

    assert client_for(app).get("/").json() is True


@pytest.mark.parametrize("wrong", ["def", "async def"])
def test_a_session_of_the_other_colour_is_refused_at_freeze(wrong: str) -> None:
    app = App()
    app.use(Database("sqlite://", base=Base))
    if wrong == "def":

        @app.get("/")
        def show(db: AsyncSession) -> None: ...
    else:

        @app.get("/")
        async def show_async(db: Session) -> None: ...

    with pytest.raises(ConfigurationError, match="two colours in one request"):
        app.freeze({"secret_key": "k" * 16 + "abcdefghijklmnopqrst"})


def test_freezing_connects_to_nothing() -> None:
    app = App()
    app.use(Database("postgresql://nobody@127.0.0.1:1/nothing", base=Base))

    @app.get("/")
    def show(db: Session) -> None: ...

    site = app.freeze({"secret_key": "k" * 16 + "abcdefghijklmnopqrst"})
    assert site.extensions["db"]._thread_engines == {}


def test_a_refused_log_in_is_counted(client_for: MakeClient, database: Database, colour: Colour) -> None:
    """What `independent()` writes survives the refusal, also where only one transaction can write at a time."""
    app = App()
    app.use(database)

    if colour == "def":

        @app.post("/log-in")
        def log_in(db: Session) -> None:
            db.scalars(select(Counter)).all()
            with db.independent() as other:
                other.scalars(select(Counter)).one().value += 1
            db.add(Note(text="lost"))
            db.flush()
            raise Unauthorized
    else:

        @app.post("/log-in")
        async def log_in_async(db: AsyncSession) -> None:
            (await db.scalars(select(Counter))).all()
            async with db.independent() as other:
                (await other.scalars(select(Counter))).one().value += 1
            db.add(Note(text="lost"))
            await db.flush()
            raise Unauthorized

    client = client_for(app)
    with database.session() as db:
        db.add(Counter(value=0))
    for _ in range(3):
        assert client.post("/log-in").status == 401
    with database.session() as db:
        assert db.scalars(select(Counter.value)).one() == 3
    assert count(database) == 0


def test_twenty_readers_who_then_write_lose_nothing(make_client: MakeClient, tmp_path: Path, colour: Colour) -> None:
    """SQLite refuses a reader that wants to write after another has, whatever the time limit: these take the lock before they read."""
    database = Database(f"sqlite:///{tmp_path / 'count.db'}", base=Base, create=True)
    app = App()
    app.use(database)
    if colour == "def":

        @app.post("/count")
        def increase(db: Session) -> int:
            counter = db.scalars(select(Counter)).one()
            value = counter.value
            threading.Event().wait(0.002)
            counter.value = value + 1
            return value
    else:

        @app.post("/count")
        async def increase_async(db: AsyncSession) -> int:
            import asyncio

            counter = (await db.scalars(select(Counter))).one()
            value = counter.value
            await asyncio.sleep(0.002)
            counter.value = value + 1
            return value

    client = make_client(app)
    with database.session() as db:
        db.add(Counter(value=0))
    with ThreadPoolExecutor(20) as threads:
        answers = list(threads.map(lambda _: client.post("/count"), range(60)))
    assert {answer.status for answer in answers} == {200}
    assert sorted(answer.json() for answer in answers) == list(range(60))
    database.dispose()


def test_a_stream_begins_after_the_commit_and_reads_on(client_for: MakeClient, database: Database, colour: Colour) -> None:
    app = App()
    app.use(database)
    seen: list[int] = []

    if colour == "def":

        @app.post("/stream")
        def stream(db: Session) -> Iterator[str]:
            db.add(Note(text="streamed"))
            db.flush()

            def lines() -> Iterator[str]:
                seen.append(count(database))  # another session sees it: it is committed
                assert db.is_reading
                yield from db.scalars(select(Note.text))

            return lines()
    else:

        @app.post("/stream")
        async def stream_async(db: AsyncSession) -> AsyncIterator[str]:
            db.add(Note(text="streamed"))
            await db.flush()

            async def lines() -> AsyncIterator[str]:
                seen.append(count(database))
                assert db.is_reading
                for each in await db.scalars(select(Note.text)):
                    yield each

            return lines()

    answer = client_for(app).post("/stream")
    assert (answer.status, answer.text, seen) == (200, "streamed", [1])


def test_a_def_handler_has_its_session_in_one_thread(client_for: MakeClient, database: Database) -> None:
    app = App()
    app.use(database)
    threads: set[int] = set()

    @app.post("/")
    def add(db: Session) -> None:
        threads.add(threading.get_ident())
        db.add(Note(text="x"))
        db.after_commit(lambda: threads.add(threading.get_ident()))

    client_for(app).post("/")
    assert len(threads) == 1
    assert count(database) == 1


def test_hooks_after_the_transaction(client_for: MakeClient, database: Database, colour: Colour) -> None:
    app = App()
    app.use(database)
    calls: list[str] = []

    async def note(text: str) -> None:
        calls.append(text)

    if colour == "def":

        @app.post("/{status}")
        def add(status: int, db: Session) -> None:
            db.after_commit(calls.append, f"kept {count(database)}")
            db.after_rollback(calls.append, "undone")
            with suppress(KeyError), db.savepoint():
                db.after_commit(calls.append, "forgotten")
                db.after_rollback(calls.append, "savepoint undone")
                raise KeyError
            if status != 204:
                raise HTTPError(status=status)
    else:

        @app.post("/{status}")
        async def add_async(status: int, db: AsyncSession) -> None:
            db.after_commit(note, f"kept {count(database)}")
            db.after_rollback(calls.append, "undone")
            with suppress(KeyError):
                async with db.savepoint():
                    db.after_commit(note, "forgotten")
                    db.after_rollback(note, "savepoint undone")
                    raise KeyError
            if status != 204:
                raise HTTPError(status=status)

    client = client_for(app)
    client.post("/204")
    assert calls == ["savepoint undone", "kept 0"]
    calls.clear()
    client.post("/409")
    assert calls == ["savepoint undone", "undone"]


def test_savepoints_undo_what_is_within_them(database: Database) -> None:
    database.create_all()
    with database.session() as db:
        db.add(Note(text="kept"))
        with suppress(KeyError), db.savepoint():
            db.add(Note(text="undone"))
            db.flush()
            raise KeyError
    assert count(database) == 1


def test_blocks_commit_or_roll_back(database: Database) -> None:
    database.create_all()
    with database.session() as db:
        db.add(Note(text="kept"))
    with suppress(KeyError), database.session() as db:
        db.add(Note(text="undone"))
        db.flush()
        raise KeyError
    assert count(database) == 1


def test_isolation_is_chosen_before_the_first_statement(database: Database) -> None:

    database.create_all()
    with database.session() as db:
        db.use_isolation("SERIALIZABLE")
        if database.url().get_backend_name() == "postgresql":
            assert db.scalar(text("SHOW transaction_isolation")) == "serializable"
        assert db.scalar(select(func.count()).select_from(Note)) == 0
        with pytest.raises(ErlenError, match="first statement"):
            db.use_isolation("REPEATABLE READ")


def test_the_environment_says_which_database(make_client: MakeClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path / 'other.db'}")
    app = App()
    database = app.use(Database("sqlite:///code.db", base=Base, create=True))

    @app.get("/")
    def show(db: Session) -> list[str]:
        return list(db.scalars(select(Note.text)))

    assert make_client(app).get("/").json() == []
    assert (tmp_path / "other.db").exists()
    assert database.url().database == str(tmp_path / "other.db")


def test_a_relative_file_lies_beside_the_application(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    app = App()
    database = app.use(Database("sqlite:///beside.db", base=Base))
    app.freeze({"secret_key": "k" * 16 + "abcdefghijklmnopqrst"})
    assert database.url().database == str(Path(__file__).parent / "beside.db")


def test_a_missing_table_is_told_with_what_makes_it(database: Database) -> None:
    with pytest.raises(DBAPIError) as caught, database.session() as db:
        db.all(Note)
    assert any("create=True" in note for note in caught.value.__notes__)


def test_sessions_that_open_a_second_one_do_not_wait_for_each_other(make_client: MakeClient, url_of: Callable[[str], str]) -> None:
    """As many requests as there are connections, each of which holds one and asks for another."""
    database = Database(url_of("postgresql"), base=Base, create=True, pool_size=2)
    app = App()
    app.use(database)

    @app.post("/")
    async def both(db: AsyncSession) -> None:
        await db.scalar(select(func.count()).select_from(Note))
        async with db.independent() as other:
            other.add(Note(text="x"))

    client = make_client(app)
    with ThreadPoolExecutor(8) as threads:
        assert {answer.status for answer in threads.map(lambda _: client.post("/"), range(16))} == {204}
    assert count(database) == 16
    database.dispose()


def test_a_reading_request_streams_rows(make_client: MakeClient, place: tuple[str, str], database: Database) -> None:
    app = App()
    app.use(database)

    @app.get("/")
    async def stream(db: AsyncSession) -> AsyncIterator[str]:
        async for line in await db.stream_scalars(select(Note.text).order_by(Note.id)):
            yield line

    client = make_client(app, door="asgi")
    with database.session() as db:
        db.add_all([Note(text=str(number)) for number in range(5)])
    assert client.get("/").text == "01234"


def test_what_a_handler_adds_and_returns_has_its_key(client_for: MakeClient, database: Database, colour: Colour) -> None:
    app = App()
    app.use(database)

    if colour == "def":

        @app.post("/")
        def add(db: Session) -> tuple[Note, int]:
            note = Note(text="new")
            db.add(note)
            return note, 201
    else:

        @app.post("/")
        async def add_async(db: AsyncSession) -> tuple[Note, int]:
            note = Note(text="new")
            db.add(note)
            return note, 201

    answer = client_for(app).post("/")
    assert (answer.status, answer.json()) == (201, {"id": 1, "text": "new"})


@pytest.mark.parametrize("way", ["for_update", "lock", "statement"])
def test_sqlite_gives_up_no_lock_for_another_session(tmp_path: Any, way: str) -> None:
    """What was locked stays as it was read: another transaction could come between."""
    database = Database(f"sqlite:///{tmp_path / 'test.db'}", base=Base)
    database.create_all()
    with database.session() as db:
        db.add(Counter(value=1))
    with database.session() as db:
        if way == "for_update":
            db.for_update(Counter)
        elif way == "lock":
            db.lock(db.one(Counter))
        else:
            db.scalars(select(Counter).with_for_update()).all()
        with pytest.raises(ErlenError, match="comes after this session has locked rows"), db.independent():
            pass
        db.commit()
        with db.independent() as other:
            other.one(Counter).value += 1
    with database.session() as db:
        assert db.one(Counter).value == 2
    database.dispose()
