"""Workers that are killed, and databases that hang up."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from erlen import App
from erlen.db import AsyncSession, Database, Session

SERVED = """
import os, pathlib, time
from erlen import App
from erlen.db import AsyncSession, Database, Mapped, Model, Session

class Note(Model):
    text: Mapped[str]

app = App()
app.use(Database({url!r}, create=True))

@app.post("/half")
def half(db: Session) -> None:
    db.add(Note(text="first"))
    db.flush()
    pathlib.Path({mark!r}).write_text(str(os.getpid()))
    time.sleep(600)

@app.post("/async-half")
async def async_half(db: AsyncSession) -> None:
    import asyncio

    db.add(Note(text="first"))
    await db.flush()
    pathlib.Path({mark!r}).write_text(str(os.getpid()))
    await asyncio.sleep(600)

@app.get("/")
def ready() -> str:
    return "ready"
"""
START = (
    "from erlen.server.granian import serve\nfrom erlen.server.options import ServeOptions\nserve(ServeOptions(target=None, port={port}))"
)


@pytest.mark.parametrize("path", ["/half", "/async-half"])
def test_a_killed_worker_leaves_no_half_transaction(database_url: str, tmp_path: Path, free_port: Callable[[], int], path: str) -> None:
    import http.client

    mark, port = tmp_path / "written", free_port()
    (tmp_path / "app.py").write_text(SERVED.format(url=database_url, mark=str(mark)))
    environment = {**os.environ, "SECRET_KEY": "a key for tests that is long enough to sign with"}
    with (tmp_path / "log").open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-c", START.format(port=port)], cwd=tmp_path, env=environment, stdout=log, stderr=log, start_new_session=True
        )
    try:
        until(lambda: answers(port), lambda: (tmp_path / "log").read_text())
        connection = http.client.HTTPConnection("127.0.0.1", port)
        connection.request("POST", path)
        until(mark.exists, lambda: (tmp_path / "log").read_text())
    finally:
        os.killpg(server.pid, signal.SIGKILL)  # the server and its workers, with no time for a word
        server.wait()
    connection.close()
    database = Database(database_url, lock_timeout=30)
    with database.session() as db:
        assert db.scalar(text("SELECT count(*) FROM notes")) == 0
        db.execute(text("INSERT INTO notes (text) VALUES ('the lock is free')"))
    database.dispose()


@pytest.mark.parametrize("path", ["/half", "/async-half"])
def test_one_worker_of_erlen_run_that_is_killed_is_replaced_and_leaves_nothing(
    url_of: Callable[[str], str], tmp_path: Path, free_port: Callable[[], int], path: str
) -> None:
    """Only the process that holds the transaction is killed: its server goes on, and PostgreSQL ends its connection."""
    import http.client

    url, mark, port = url_of("postgresql"), tmp_path / "written", free_port()
    (tmp_path / "app.py").write_text(SERVED.format(url=url, mark=str(mark)))
    environment = {**os.environ, "SECRET_KEY": "a key for tests that is long enough to sign with"}
    with (tmp_path / "log").open("wb") as log:
        server = subprocess.Popen(
            [str(Path(sys.executable).with_name("erlen")), "run", "--port", str(port), "--kill-timeout", "5"],
            cwd=tmp_path,
            env=environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    database = Database(url, lock_timeout=30)
    try:
        until(lambda: answers(port), lambda: (tmp_path / "log").read_text())
        connection = http.client.HTTPConnection("127.0.0.1", port)
        connection.request("POST", path)
        until(lambda: mark.exists() and bool(mark.read_text()), lambda: (tmp_path / "log").read_text())
        with database.session(reading=True) as db:
            others = text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")
            waiting = text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle in transaction'")
            assert db.scalar(waiting) == 1
            worker = int(mark.read_text())
            assert worker != server.pid
            before = db.scalar(others) or 0
            os.kill(worker, signal.SIGKILL)
            until(lambda: db.scalar(waiting) == 0, lambda: "the transaction lives on")
            until(lambda: (db.scalar(others) or 0) < before, lambda: "the connection lives on")
            assert db.scalar(text("SELECT count(*) FROM notes")) == 0
        with database.session() as db:
            db.execute(text("INSERT INTO notes (text) VALUES ('the lock is free')"))
        connection.close()
        until(lambda: answers(port), lambda: (tmp_path / "log").read_text())
        assert server.poll() is None
    finally:
        database.dispose()
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def answers(port: int) -> bool:
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def until(condition: Callable[[], bool], explain: Callable[[], str], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, explain()
        time.sleep(0.02)


@pytest.mark.parametrize("colour", ["def", "async def"])
@pytest.mark.parametrize("backend", ["postgresql", "mariadb"])
def test_connections_that_the_server_closed_cost_no_request(
    url_of: Callable[[str], str], make_client: Callable[..., Any], backend: str, colour: str
) -> None:
    """A restarted server ends all connections. Those at rest in the pool are replaced before a request uses them."""
    url = url_of(backend)
    app = App()
    database = app.use(Database(url))
    if colour == "def":

        @app.get("/")
        def show(db: Session) -> Any:
            return db.scalar(text(OWN[backend]))

        @app.post("/")
        def change(db: Session) -> Any:
            return db.scalar(text(OWN[backend]))
    else:

        @app.get("/")
        async def show_async(db: AsyncSession) -> Any:
            return await db.scalar(text(OWN[backend]))

        @app.post("/")
        async def change_async(db: AsyncSession) -> Any:
            return await db.scalar(text(OWN[backend]))

    client = make_client(app)
    other = Database(url)
    for ask in (client.get, client.post):
        number = ask("/").json()
        with other.session() as db:
            db.execute(text(END[backend].format(number)))
        wait_for_the_end(other, backend, number)
        answer = ask("/")
        assert answer.status == 200
        assert answer.json() != number
    database.dispose()
    other.dispose()


def wait_for_the_end(database: Database, backend: str, number: int) -> None:
    def gone() -> bool:
        with database.session(reading=True) as db:
            return bool(db.scalar(text(LIVES[backend]), {"number": number}) == 0)

    until(gone, lambda: "the connection lives on")
    time.sleep(0.05)  # until the end of the connection has come through the loopback


OWN = {"postgresql": "SELECT pg_backend_pid()", "mariadb": "SELECT connection_id()"}
END = {"postgresql": "SELECT pg_terminate_backend({})", "mariadb": "KILL {}"}
LIVES = {
    "postgresql": "SELECT count(*) FROM pg_stat_activity WHERE pid = :number",
    "mariadb": "SELECT count(*) FROM information_schema.processlist WHERE id = :number",
}
