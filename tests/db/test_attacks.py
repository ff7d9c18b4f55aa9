"""What attackers send to a database through an application, and what careless programs do with their session."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

import pytest
from sqlalchemy import ForeignKey, func, select, text

from erlen import App, Request
from erlen.db import AsyncSession, Create, Database, Mapped, Meta, Model, Session, mapped_column

MakeClient = Callable[..., Any]


class Base(Model, isolated=True):
    pass


class Note(Base):
    text: Mapped[str]
    code: Mapped[Annotated[str, Meta(max_length=20)] | None]
    size: Mapped[int | None]
    price: Mapped[Decimal | None]
    read_at: Mapped[datetime | None]
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
    assert "closed" in told[0]
