"""What attackers send to a database through an application, and what careless programs do with their session."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from sqlalchemy import ForeignKey, delete, func, insert, literal, select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError

from erlen import App, Request
from erlen.db import AsyncSession, Create, Database, Locked, Mapped, Meta, Model, Session, mapped_column
from erlen.db.reading import may_change
from erlen.errors import ErlenError

MakeClient = Callable[..., Any]


class Base(Model, isolated=True):
    pass


class Note(Base):
    text: Mapped[str]
    code: Mapped[Annotated[str, Meta(max_length=20)] | None]
    size: Mapped[int | None]
    price: Mapped[Decimal | None]
    read_at: Mapped[datetime | None]
    ratio: Mapped[float | None]
    day: Mapped[date | None]
    span: Mapped[timedelta | None]
    state: Mapped[Literal["new", "done"] | None]
    data: Mapped[dict[str, Any] | None]


class Deferring(Model, isolated=True):
    pass


class Node(Deferring):
    parent_id: Mapped[int] = mapped_column(ForeignKey("nodes.id", deferrable=True, initially="DEFERRED"))


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url, base=Base, create=True, lock_timeout=3)
    yield database
    pools = [engines.engine.pool for engines in database._thread_engines.values()]
    out: list[int] = [pool.checkedout() for pool in pools]  # type: ignore[attr-defined]  # a QueuePool's
    database.dispose()
    assert sum(out) == 0


def texts(database: Database) -> list[str]:
    with database.session() as db:
        return list(db.scalars(select(Note.text).order_by(Note.id)))


@pytest.mark.parametrize("field", ["id", "text", "code", "size", "price", "read_at"])
def test_a_path_that_no_row_can_have_is_not_found(database: Database, make_client: MakeClient, field: str) -> None:
    """Databases raise errors when they are asked for a number out of range, a NUL, or what is no date."""
    app = App()
    app.use(database)

    def show(note: Note) -> None: ...

    async def show_async(note: Note) -> None: ...

    app.get(f"/def/{{note.{field}}}")(show)
    app.get(f"/async/{{note.{field}}}")(show_async)
    client = make_client(app)
    for colour in ("def", "async"):
        for value in ("9" * 30, "2147483648", "-1", "a%00b", "%ff", "x" * 300, "nan", "2020-01-01T00:00:00", "'%20OR%201=1--"):
            assert client.get(f"/{colour}/{value}").status in (404, 422), value


@pytest.mark.parametrize("data", [{"a\0": 1}, {"a": ["\0"]}])
def test_nul_in_json_is_a_fault(database: Database, make_client: MakeClient, data: dict[str, Any]) -> None:
    app = App()
    app.use(database)

    @app.post("/")
    def add(data: Create[Note], db: Session) -> None:
        db.add(data.build())

    client = make_client(app)
    assert client.post("/", json={"text": "a", "data": data}).status == 422
    assert client.post("/", json={"text": "a", "data": {"a": "\\u0000"}}).status < 300


def begin(db: Session) -> None:
    with db.begin():
        db.add(Note(text="new"))


def commit(db: Session) -> None:
    db.add(Note(text="new"))
    db.commit()


def change(db: Session) -> None:
    db.scalars(select(Note)).one().text = "new"


WRITES: dict[str, Callable[[Session], Any]] = {
    "add": lambda db: db.add(Note(text="new")),
    "commit": commit,
    "begin": begin,
    "change": change,
    "bulk": lambda db: db.bulk_save_objects([Note(text="new")]),
    "mappings": lambda db: db.bulk_insert_mappings(Note.__mapper__, [{"text": "new"}]),
    "from text": lambda db: db.scalars(select(Note).from_statement(text("INSERT INTO notes (text) VALUES ('new') RETURNING *"))).all(),
}


@pytest.mark.parametrize("way", WRITES)
@pytest.mark.parametrize("colour", ["def", "async def"])
def test_what_a_get_writes_is_kept_or_undone_whole(database: Database, make_client: MakeClient, way: str, colour: str) -> None:
    app = App()
    app.use(database)
    write = WRITES[way]

    class Odd(Exception):
        pass

    if colour == "def":

        @app.get("/{fails}")
        def show(fails: bool, db: Session) -> str:
            write(db)
            if fails:
                raise Odd
            return "ok"
    else:

        @app.get("/{fails}")
        async def show_async(fails: bool, db: AsyncSession) -> str:
            await db.run_sync(lambda _: write(db.sync_session))
            if fails:
                raise Odd
            return "ok"

    client = make_client(app, raise_errors=False)
    with database.session() as db:
        db.add(Note(text="first"))
    if way not in ("commit", "begin"):
        assert client.get("/true").status == 500
        assert texts(database) == ["first"]
    assert client.get("/false").status == 200
    assert "new" in texts(database)


@pytest.mark.parametrize("backend", ["sqlite", "postgresql"])
def test_a_commit_that_fails_is_no_success_and_spoils_no_connection(
    url_of: Callable[[str], str], make_client: MakeClient, backend: str
) -> None:
    database = Database(url_of(backend), base=Deferring, create=True)
    app = App()
    app.use(database)

    @app.post("/def")
    def add(db: Session) -> None:
        db.add(Node(parent_id=99))

    @app.post("/async")
    async def add_async(db: AsyncSession) -> None:
        db.add(Node(parent_id=99))

    client = make_client(app)
    for path in ("/def", "/def", "/async", "/async"):
        assert client.post(path).status == 422
    database.dispose()


def test_what_is_written_after_the_commit_is_committed_too(database: Database, make_client: MakeClient) -> None:
    app = App()
    app.use(database)

    @app.post("/def")
    def add(db: Session) -> None:
        db.after_commit(lambda: db.add(Note(text="after")))

    @app.post("/async")
    async def add_async(db: AsyncSession) -> None:
        db.after_commit(lambda: db.add(Note(text="after")))

    client = make_client(app)
    for path in ("/def", "/async"):
        client.post(path)
    assert texts(database) == ["after", "after"]


def test_work_after_the_response_cannot_use_the_session(database: Database, make_client: MakeClient) -> None:
    """It would take a connection that nobody returns."""
    app = App()
    app.use(database)
    told: list[str] = []

    def work(db: Session) -> None:
        try:
            db.scalars(select(func.count())).all()
        except Exception as error:  # noqa: BLE001 - whatever refuses
            told.append(str(error))

    @app.post("/")
    def add(request: Request, db: Session) -> None:
        request.after_response(work, db)

    make_client(app).post("/")
    assert len(told) == 1
    assert "the session was closed at the end of its request" in told[0]


def needs_transaction(backend: str) -> dict[str, Any]:
    """Statements of a SELECT's form that write or lock, as far as an engine knows them."""
    made = insert(Note).values(text="new").returning(Note.id)
    statements: dict[str, Any] = {}
    if backend != "mariadb":  # which has no INSERT that a SELECT could read from, and keeps text() to what it says
        statements["text with columns"] = text("INSERT INTO notes (text) VALUES ('new') RETURNING id").columns(Note.id)
    if backend == "postgresql":
        into = made.cte("made")
        statements |= {
            "cte": select(into.c.id),
            "cte in a subquery": select(Note.id).where(Note.id.in_(select(into.c.id))),
            "cte that nothing reads": select(Note.id).add_cte(into),
            "update": select(update(Note).values(text="new").returning(Note.id).cte("changed").c.id),
            "delete": select(delete(Note).returning(Note.id).cte("gone").c.id),
            "text": text("WITH made AS (INSERT INTO notes (text) VALUES ('new') RETURNING id) SELECT id FROM made"),
            "text after a comment": text(
                "/* why */ WITH made AS (INSERT INTO notes (text) VALUES ('new') RETURNING id) SELECT id FROM made"
            ),
            "two statements": text("SELECT 1; DELETE FROM notes"),
        }
    return statements


@pytest.mark.parametrize("colour", ["def", "async def"])
@pytest.mark.parametrize("backend", ["sqlite", "postgresql", "mariadb"])
def test_what_only_the_sql_shows_to_be_written_is_undone_too(
    url_of: Callable[[str], str], make_client: MakeClient, backend: str, colour: str
) -> None:
    app = App()
    database = app.use(Database(url_of(backend), base=Base, create=True))
    statements = needs_transaction(backend)

    @app.get("/def/{name}/{fails}")
    def show(name: str, fails: bool, db: Session) -> bool:
        db.execute(statements[name]).close()
        if fails:
            raise LookupError
        return db.is_reading

    @app.get("/async def/{name}/{fails}")
    async def show_async(name: str, fails: bool, db: AsyncSession) -> bool:
        (await db.execute(statements[name])).close()
        if fails:
            raise LookupError
        return db.is_reading

    client = make_client(app, raise_errors=False)
    with database.session() as db:
        db.add(Note(text="first"))
    for name in statements:
        if name == "two statements" and colour == "async def":
            continue  # asyncpg sends one
        assert client.get(f"/{colour}/{name}/true").status == 500
        assert texts(database) == ["first"], name
    for name in statements:
        if name == "two statements" and colour == "async def":
            continue
        answer = client.get(f"/{colour}/{name}/false")
        assert (answer.status, answer.text) == (200, "false"), name
    if statements:
        assert texts(database) != ["first"]
    database.dispose()


LOCKS: dict[str, Any] = {
    "for update": lambda: select(Note.id).with_for_update(),
    "in a subquery": lambda: select(func.count()).select_from(select(Note.id).with_for_update().subquery()),
    "text": lambda: text("SELECT id FROM notes FOR UPDATE"),
    "text in a statement": lambda: select(Note.id).suffix_with("FOR UPDATE"),
    "share": lambda: text("SELECT id FROM notes LOCK IN SHARE MODE"),
    "for share": lambda: text("SELECT id FROM notes\nFOR  SHARE"),
}


@pytest.mark.parametrize("way", LOCKS)
@pytest.mark.parametrize("backend", ["postgresql", "mariadb"])
def test_locks_of_a_reading_session_are_held(url_of: Callable[[str], str], backend: str, way: str) -> None:
    if (backend, way) in {("postgresql", "share"), ("mariadb", "for share")}:
        pytest.skip("it has no such words")
    database = Database(url_of(backend), base=Base)
    database.create_all()
    with database.session() as db:
        db.add(Note(text="first"))
    with database.session(reading=True) as db:
        assert len(db.execute(LOCKS[way]()).all()) == 1
        assert not db.is_reading
        with database.session() as other, pytest.raises(Locked):
            other.for_update(Note, nowait=True)
    database.dispose()


@pytest.mark.parametrize(
    "statement",
    [
        'SELECT updated, deleted_at, "update", `into`, notes.share, %(update_1)s FROM insertions',
        "WITH RECURSIVE tree AS (SELECT 1) SELECT * FROM tree",
        "(SELECT 1) UNION (SELECT 2)",
        "\n  select\n1",
        "PRAGMA table_info(notes)",
        "EXPLAIN SELECT 1",
        "SELECT 1;",
    ],
)
def test_what_reads_needs_no_transaction(statement: str) -> None:
    assert not may_change(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "EXPLAIN ANALYZE DELETE FROM notes",
        "SELECT * INTO copies FROM notes",
        "SELECT 1 ; DROP TABLE notes",
        "-- why\nSELECT 1",
        "CALL work()",
        "SET LOCAL lock_timeout = 1",
        "CREATE TABLE a (b INT)",
        "WITH a AS (SELECT 1) MERGE INTO b USING a ON (true)",
        "",
    ],
)
def test_what_is_not_known_to_read_needs_a_transaction(statement: str) -> None:
    assert may_change(statement)


@pytest.mark.parametrize("hostile", ["for ", "; ", "(", "for share ", "select for\t"])
def test_looking_at_statements_is_linear(assert_linear: Any, hostile: str) -> None:
    assert_linear(lambda size: "select " + hostile * (size // len(hostile)), may_change.__wrapped__, 10_000)


UTC = timezone.utc  # noqa: UP017 - what `datetime.max` is given
UNFIT: dict[str, list[Any]] = {
    "text": ["a\0b", "\ud800", "x" * 100_000],
    "size": [2**31, 2**63, -(2**63) - 1, 2**70, 10**400],
    "ratio": [math.nan, math.inf, -math.inf, 1e308],
    "price": [Decimal("1" * 19), Decimal("1" * 40), Decimal("NaN"), Decimal("Infinity"), Decimal("1E+500"), Decimal("1E-30")],
    "read_at": [datetime.max, datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=timezone(timedelta(hours=-5)))],
    "day": [date.min, date.max],
    "span": [timedelta.max, timedelta.min],
    "state": ["lost", "a\0b"],
}


@pytest.mark.parametrize("field", UNFIT)
def test_a_value_that_no_row_can_have_is_never_an_error_of_the_server(database: Database, make_client: MakeClient, field: str) -> None:
    app = App()
    app.use(database)
    values = UNFIT[field]
    attribute = getattr(Note, field)
    ways: dict[str, Callable[[Any], Any]] = {
        "where": lambda value: select(Note).where(attribute == value),
        "in": lambda value: select(Note.id).where(attribute.in_([value])),
        "greater": lambda value: select(func.count()).where(attribute > value),
        "update": lambda value: update(Note).where(attribute == value).values(text="b"),
        "delete": lambda value: delete(Note).where(attribute == value),
        "set": lambda value: update(Note).where(Note.id == 1).values({field: value}),
    }

    @app.route("/def/{way}/{number}", methods=["GET", "POST"])
    def find(way: str, number: int, db: Session) -> int:
        found = db.execute(ways[way](values[number]))
        return len(found.all()) if getattr(found, "returns_rows", True) else 0

    @app.route("/async/{way}/{number}", methods=["GET", "POST"])
    async def find_async(way: str, number: int, db: AsyncSession) -> int:
        found = await db.execute(ways[way](values[number]))
        return len(found.all()) if getattr(found, "returns_rows", True) else 0

    @app.get("/{colour}/free")
    def free(colour: str, db: Session) -> int:
        return db.count(Note)

    client = make_client(app, raise_errors=False)
    for colour in ("def", "async"):
        for way in ways:
            for number in range(len(values)):
                answer = client.post(f"/{colour}/{way}/{number}")
                assert answer.status in (200, 400, 422), (colour, way, values[number], answer.text)
                if way in ("where", "in"):
                    assert client.get(f"/{colour}/{way}/{number}").status in (200, 400)
    assert client.get("/def/free").json() == 0


def test_mistakes_of_the_program_are_no_bad_requests(database: Database) -> None:
    database.create_all()
    with database.session(reading=True) as db:
        with pytest.raises(DBAPIError):
            db.execute(text("SELECT 1 FROM nowhere"))
        if database.url().get_backend_name() == "postgresql":
            with pytest.raises(DBAPIError, match="division by zero"):
                db.execute(text("SELECT 1 / 0"))
            with pytest.raises(DBAPIError):
                db.execute(select(Note).where(Note.size == text("'a'::text")))
    with pytest.raises(IntegrityError), database.session() as db:
        db.execute(insert(Note).values([{"id": 1, "text": "a"}, {"id": 1, "text": "b"}]))


SLOW = {
    "sqlite": "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 2000000) SELECT count(*) FROM c",
    "postgresql": "SELECT pg_sleep(0.4)",
    "mariadb": "SELECT sleep(0.4)",
}


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize("colour", ["def", "async"])
def test_a_task_that_was_not_waited_for_shares_no_connection(
    database: Database, make_client: MakeClient, colour: str, method: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A statement of a task or thread goes on after the handler has returned: nothing is kept, the next one has another connection."""
    app = App()
    app.use(database)
    slow = SLOW[database.url().get_backend_name()]
    told: list[str] = []
    others: list[Any] = []

    def in_thread(db: Session) -> None:
        try:
            db.scalar(text(slow))
            db.scalar(text("SELECT 1"))
        except ErlenError as error:
            told.append(str(error))

    async def in_task(db: AsyncSession) -> None:
        try:
            await db.scalar(text(slow))
            await db.scalar(text("SELECT 1"))
        except ErlenError as error:
            told.append(str(error))

    @app.route("/def", methods=["GET", "POST"])
    def leave(request: Request, db: Session) -> None:
        if request.method == "POST":
            db.execute(insert(Note).values(text="lost"))
        others.append(threading.Thread(target=in_thread, args=(db,)))
        others[-1].start()
        while not db._uses:
            time.sleep(0.001)

    @app.route("/async", methods=["GET", "POST"])
    async def leave_async(request: Request, db: AsyncSession) -> None:
        if request.method == "POST":
            await db.execute(insert(Note).values(text="lost"))
        others.append(asyncio.ensure_future(in_task(db)))
        while not db.sync_session._uses:  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0)

    @app.get("/rest")
    async def rest() -> None:
        for other in others:
            await (asyncio.to_thread(other.join) if isinstance(other, threading.Thread) else other)

    @app.get("/next/{number}")
    def follow(number: int, db: Session) -> Any:
        return db.scalar(select(number + literal(0)))

    @app.get("/next-async/{number}")
    async def follow_async(number: int, db: AsyncSession) -> Any:
        return await db.scalar(select(number + literal(0)))

    client = make_client(app, raise_errors=False)
    answer = client.get(f"/{colour}") if method == "get" else client.post(f"/{colour}")
    assert answer.status == 500
    assert "give it a session of its own" in caplog.text
    for number in range(3):
        assert client.get(f"/next/{number}").json() == number
        assert client.get(f"/next-async/{number}").json() == number
    client.get("/rest")
    assert len(told) == 1
    assert "the session was closed at the end of its request" in told[0]
    assert texts(database) == []


@pytest.mark.parametrize("keeps", [True, False])
def test_a_handler_that_fails_says_so_whoever_still_uses_its_session(make_client: MakeClient, tmp_path: Path, keeps: bool) -> None:
    app = App()
    database = app.use(Database(f"sqlite:///{tmp_path / 'test.db'}", base=Base, create=True))
    others: list[Any] = []

    @app.post("/")
    async def leave(db: AsyncSession) -> None:
        await db.execute(insert(Note).values(text="lost"))
        others.append(asyncio.ensure_future(db.scalar(text(SLOW["sqlite"]))))
        while not db.sync_session._uses:  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0)
        if not keeps:
            raise LookupError("mine")

    @app.get("/rest")
    async def rest() -> None:
        await asyncio.gather(*others, return_exceptions=True)

    client = make_client(app)
    with pytest.raises(ErlenError if keeps else LookupError, match="session" if keeps else "mine"):
        client.post("/")
    client.get("/rest")
    assert texts(database) == []
    database.dispose()
