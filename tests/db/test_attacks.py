from __future__ import annotations
import asyncio, threading, gc
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Annotated, Any
import pytest
from sqlalchemy import ForeignKey, func, select, text, insert, event
from erlen import App, Request
from erlen.db import AsyncSession, Database, Mapped, Model, Session, Create, Update, Read, Meta, mapped_column


class Base(Model, isolated=True):
    pass


class Note(Base):
    text: Mapped[str]


class Deferring(Model, isolated=True):
    pass


class Node(Deferring):
    parent_id: Mapped[int] = mapped_column(ForeignKey("nodes.id", deferrable=True, initially="DEFERRED"))


@pytest.fixture(params=["def", "async def"])
def colour(request):
    return request.param


@pytest.fixture
def database(database_url):
    database = Database(database_url, base=Base, create=True, lock_timeout=3, pool_size=4)
    yield database
    database.dispose()


def out(database):
    n = sum(e.engine.pool.checkedout() for e in database._thread_engines.values())
    for d in list(database._loop_engines.values()):
        n += sum(e.engine.pool.checkedout() for e in d.values())
    return n


def count(database):
    with database.session() as db:
        return db.scalar(select(func.count()).select_from(Note)) or 0


WAYS = {
    "add": "db.add(Note(text='x'))",
    "addcommit": "db.add(Note(text='x')); W(db.commit())",
    "dirty": "W(db.scalars(select(Note))).first().text = 'new'",
    "bulk": "W(R(db, lambda s: s.bulk_save_objects([Note(text='x')])))",
    "bulkmap": "W(R(db, lambda s: s.bulk_insert_mappings(Note, [{'text': 'x'}])))",
    "cte": "W(db.execute(select(insert(Note).values(text='x').returning(Note.id).cte('c').c.id))).all()",
    "from": "W(db.scalars(select(Note).from_statement(insert(Note).values(text='x').returning(Note)))).all()",
    "fromtext": "W(db.scalars(select(Note).from_statement(text(\"INSERT INTO notes (text) VALUES ('x') RETURNING id, text\")))).all()",
    "explain": "W(db.execute(text(\"EXPLAIN ANALYZE INSERT INTO notes (text) VALUES ('x')\"))).all()",
    "query": "W(R(db, lambda s: s.query(Note).update({'text': 'new'})))",
    "beginadd": "W(R(db, lambda s: BEG(s)))",
}


def BEG(s):
    with s.begin():
        s.add(Note(text="x"))


@pytest.mark.parametrize("raises", [False, True])
@pytest.mark.parametrize("way", WAYS)
def test_get_writes(database, make_client, way, raises, colour):
    app = App()
    app.use(database)
    code = WAYS[way]
    env = dict(globals())
    if colour == "def":
        env.update(W=lambda x: x, R=lambda db, f: f(db), Session=Session)
        exec(f"def h(db: Session) -> str:\n    {code}\n    if {raises}: raise KeyError('x')\n    return 'ok'", env)
    else:
        env.update(R=lambda db, f: db.run_sync(f))
        code = code.replace("W(", "(await ")
        exec(f"async def h(db: AsyncSession) -> str:\n    {code}\n    if {raises}: raise KeyError('x')\n    return 'ok'", env)
    app.get("/")(env["h"])
    client = make_client(app, raise_errors=False)
    with database.session() as db:
        db.add(Note(text="first"))
    r = client.get("/")
    with database.session() as db:
        texts = list(db.scalars(select(Note.text).order_by(Note.id)))
    assert out(database) == 0
    kept = texts != ["first"]
    assert (r.status, kept) in (
        [(200, True)] if not raises else [(500, False)] + ([(500, True)] if "commit" in way or way == "beginadd" else [])
    ), (r.status, texts)


def test_deferred(database, make_client, colour):
    if database.url().get_backend_name() == "mariadb":
        pytest.skip("")
    database.base = Deferring
    app = App()
    app.use(database)
    if colour == "def":

        @app.post("/")
        def h(db: Session) -> str:
            db.add(Node(parent_id=99))
            return "ok"
    else:

        @app.post("/")
        async def h(db: AsyncSession) -> str:
            db.add(Node(parent_id=99))
            return "ok"

    client = make_client(app, raise_errors=False)
    r = client.post("/")
    assert out(database) == 0
    assert r.status in (409, 422), r.status
    assert client.post("/").status == r.status


def test_after_commit_raises(database, make_client, colour):
    app = App()
    app.use(database)

    def bad():
        raise KeyError("hook")

    if colour == "def":

        @app.post("/{n}")
        def h(n: int, db: Session) -> str:
            db.add(Note(text="x"))
            db.after_commit(bad)
            if n:
                db.commit()
            return "ok"
    else:

        @app.post("/{n}")
        async def h(n: int, db: AsyncSession) -> str:
            db.add(Note(text="x"))
            db.after_commit(bad)
            if n:
                await db.commit()
            return "ok"

    client = make_client(app, raise_errors=False)
    for n in (0, 1):
        r = client.post(f"/{n}")
        assert out(database) == 0
        print(n, r.status, count(database))


def test_after_commit_uses_session(database, make_client, colour):
    app = App()
    app.use(database)
    if colour == "def":

        @app.post("/")
        def h(db: Session) -> str:
            db.add(Note(text="x"))
            db.after_commit(lambda: db.add(Note(text="hook")))
            return "ok"
    else:

        @app.post("/")
        async def h(db: AsyncSession) -> str:
            db.add(Note(text="x"))

            async def hook():
                db.add(Note(text="hook"))
                await db.flush()

            db.after_commit(hook)
            return "ok"

    client = make_client(app, raise_errors=False)
    r = client.post("/")
    assert out(database) == 0
    assert (r.status, count(database)) != (200, 1), "silently lost"


def test_work_after(database, make_client, colour):
    app = App()
    app.use(database)
    if colour == "def":

        @app.post("/")
        def h(request: Request, db: Session) -> str:
            request.after_response(work, db)
            return "ok"

        def work(db):
            db.add(Note(text="x"))
            db.flush()
    else:

        @app.post("/")
        async def h(request: Request, db: AsyncSession) -> str:
            request.after_response(work, db)
            return "ok"

        async def work(db):
            db.add(Note(text="x"))
            await db.flush()

    client = make_client(app, raise_errors=False)
    r = client.post("/")
    assert out(database) == 0
    assert count(database) == 1, "silently lost"


@pytest.mark.parametrize("what", ["gather", "left", "taskgroup"])
def test_concurrent_tasks(database, make_client, what):
    app = App()
    app.use(database)

    @app.post("/")
    async def h(db: AsyncSession) -> str:
        db.add(Note(text="x"))
        await db.flush()

        async def one():
            return (await db.scalars(select(Note))).all()

        if what == "gather":
            await asyncio.gather(*(one() for _ in range(5)))
        elif what == "taskgroup":
            async with asyncio.TaskGroup() as g:
                for _ in range(5):
                    g.create_task(one())
        else:
            global T
            T = asyncio.create_task(one())
            await asyncio.sleep(0)
        return "ok"

    @app.get("/")
    async def g(db: AsyncSession) -> int:
        return len((await db.scalars(select(Note))).all())

    client = make_client(app, raise_errors=False)
    rs = [client.post("/").status for _ in range(6)]
    print(rs, client.get("/").text, count(database))
    assert out(database) == 0
    assert client.get("/").json() == rs.count(200)


@pytest.mark.parametrize("n", [12])
def test_independent_many(database, make_client, n, colour):
    from concurrent.futures import ThreadPoolExecutor

    app = App()
    app.use(database)
    if colour == "def":

        @app.post("/")
        def h(db: Session) -> str:
            db.scalars(select(Note)).all()
            with db.independent() as o:
                o.add(Note(text="x"))
            return "ok"
    else:

        @app.post("/")
        async def h(db: AsyncSession) -> str:
            (await db.scalars(select(Note))).all()
            await asyncio.sleep(0.2)
            async with db.independent() as o:
                o.add(Note(text="x"))
            return "ok"

    client = make_client(app, raise_errors=False, threads=4)
    with ThreadPoolExecutor(n) as t:
        rs = list(t.map(lambda _: client.post("/").status, range(n)))
    assert out(database) == 0
    assert set(rs) == {200}, rs


class Scope:
    @staticmethod
    def of(method, path):
        return {
            "type": "http",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "headers": [(b"host", b"localhost")],
            "http_version": "1.1",
            "scheme": "http",
            "client": ("127.0.0.1", 1),
            "server": ("localhost", 80),
        }


@pytest.mark.parametrize("kind", ["cancel", "cancel2", "cancelindb", "timeout", "stream"])
@pytest.mark.parametrize("method", ["POST", "GET"])
def test_cancel(database, kind, method):
    app = App()
    app.use(database)
    started = None
    SLOW = {
        "sqlite": "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c WHERE x < 8000000) SELECT count(*) FROM c",
        "postgresql": "SELECT pg_sleep(1)",
        "mariadb": "SELECT sleep(1)",
    }[database.url().get_backend_name()]

    @app.route("/", methods=["POST", "GET"])
    async def h(db: AsyncSession) -> str:
        db.add(Note(text="x"))
        await db.flush()
        started.set()
        if kind == "cancelindb":
            await db.execute(text(SLOW))
        elif kind == "timeout":
            async with asyncio.timeout(0.1):
                await db.execute(text(SLOW))
        else:
            await asyncio.sleep(60)
        return "ok"

    @app.get("/s")
    async def s(db: AsyncSession) -> AsyncIterator[str]:
        async for each in await db.stream_scalars(select(Note.text)):
            yield each
            started.set()
            await asyncio.sleep(60)

    site = app.freeze({"secret_key": "k" * 16 + "abcdefghijklmnopqrst"})
    database.create_all()
    with database.session() as db:
        db.add_all([Note(text="a"), Note(text="b")])

    async def main():
        nonlocal started
        started = asyncio.Event()
        gone = asyncio.Event()
        first = True

        async def receive():
            nonlocal first
            if first:
                first = False
                return {"type": "http.request", "body": b""}
            await gone.wait()
            return {"type": "http.disconnect"}

        sent = []

        async def send(m):
            sent.append(m)

        door = __import__("erlen.doors.asgi", fromlist=["AsgiDoor"]).AsgiDoor(site)
        task = asyncio.create_task(door(Scope.of("GET" if kind == "stream" else method, "/s" if kind == "stream" else "/"), receive, send))
        await asyncio.wait_for(started.wait(), 5)
        if kind == "stream":
            gone.set()
        elif kind != "timeout":
            await asyncio.sleep(0.05)
            task.cancel()
            if kind == "cancel2":
                await asyncio.sleep(0)
                task.cancel()
        try:
            await asyncio.wait_for(task, 5)
        except asyncio.CancelledError:
            pass
        except Exception as e:
            print(repr(e))
        o = out(database)
        async with database.async_session() as db:
            n = await db.scalar(select(func.count()).select_from(Note))
        # the write lock is free
        async with database.async_session() as db:
            db.add(Note(text="free"))
        await database.dispose_async()
        return o, n

    o, n = asyncio.run(main())
    assert (o, n) == (0, 2)
