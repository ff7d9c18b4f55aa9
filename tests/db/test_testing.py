"""The pytest fixtures of a database: rolled back, both colours, on a database of the tests' own (DESIGN, Lifecycles 11)."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

PROGRAM = """
from erlen import App
from erlen.db import AsyncSession, Database, Mapped, Model, Session, func, select

app = App()
database = app.use(Database("sqlite:///real.db"))

class Note(Model):
    text: Mapped[str]

@app.post("/notes")
def add(db: Session) -> tuple[str, int]:
    db.add(Note(text="from def"))
    db.commit()
    return "added", 201

@app.post("/async-notes")
async def add_async(db: AsyncSession) -> tuple[str, int]:
    db.add(Note(text="from async def"))
    return "added", 201

@app.post("/refused")
def refuse(db: Session) -> tuple[str, int]:
    with db.independent() as other:
        other.add(Note(text="survives"))
    db.add(Note(text="does not"))
    return "refused", 403

@app.get("/notes")
def show(db: Session) -> list[str]:
    return list(db.scalars(select(Note.text).order_by(Note.id)))

@app.get("/async-notes")
async def show_async(db: AsyncSession) -> list[str]:
    return list(await db.scalars(select(Note.text).order_by(Note.id)))
"""
TESTS = """
import asyncio
import pytest
from app import Note
from erlen.db import Database, Session, func, select
from erlen.testing import Client

def count(db):
    return db.scalar(select(func.count()).select_from(Note))

@pytest.mark.parametrize("turn", range(3))
def test_each_test_begins_with_nothing(client: Client, db: Session, turn: int) -> None:
    assert count(db) == 0
    db.add(Note(text="mine"))
    db.commit()
    assert client.get("/notes").json() == ["mine"] == client.get("/async-notes").json()
    client.post("/notes")
    client.post("/async-notes")
    assert client.get("/async-notes").json() == ["mine", "from def", "from async def"] == client.get("/notes").json()
    assert count(db) == 3

def test_what_is_flushed_is_seen_too(client: Client, db: Session) -> None:
    db.add(Note(text="flushed"))
    db.flush()
    assert client.get("/notes").json() == ["flushed"] == client.get("/async-notes").json()
    db.rollback()
    assert count(db) == 0

def test_nested_commits_are_savepoints(db: Session) -> None:
    db.add(Note(text="outer"))
    with db.savepoint():
        db.add(Note(text="inner"))
    with pytest.raises(KeyError), db.savepoint():
        db.add(Note(text="undone"))
        db.flush()
        raise KeyError
    db.commit()
    db.add(Note(text="rolled back"))
    db.flush()
    db.rollback()
    assert list(db.scalars(select(Note.text).order_by(Note.id))) == ["outer", "inner"]

def test_what_survives_a_refusal(client: Client, db: Session) -> None:
    assert client.post("/refused").status == 403
    assert client.get("/notes").json() == ["survives"]

def test_requests_in_threads_take_turns(client: Client, db: Session) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(8) as threads:
        paths = ["/notes", "/async-notes"] * 10
        assert {answer.status for answer in threads.map(client.post, paths)} == {201}
    assert count(db) == 20

def test_async_code_sees_the_same(client: Client, db: Session, async_db) -> None:
    db.add(Note(text="sync"))
    db.flush()

    async def work() -> list[str]:
        async with async_db:
            async_db.add(Note(text="async"))
            await async_db.commit()
            return list(await async_db.scalars(select(Note.text).order_by(Note.id)))

    assert asyncio.run(work()) == ["sync", "async"]
    assert count(db) == 2

def test_without_a_session_nothing_is_kept_either(client: Client) -> None:
    assert client.get("/notes").json() == []
    client.post("/notes")
    assert client.get("/notes").json() == ["from def"]
"""


def run(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error", *arguments]
    return subprocess.run(command, cwd=folder, env={**os.environ, **environment}, capture_output=True, text=True, timeout=300)


@pytest.mark.parametrize("backend", ["sqlite", "postgresql", "mariadb"])
@pytest.mark.parametrize("workers", ["0", "2"])
def test_tests_are_undone_and_never_touch_the_real_database(
    tmp_path: Path, url_of: Callable[[str], str], backend: str, workers: str
) -> None:
    (tmp_path / "app.py").write_text(PROGRAM)
    (tmp_path / "test_app.py").write_text(TESTS)
    url = url_of(backend)
    done = run(tmp_path, "-n", workers, DATABASE_URL="sqlite:///real.db" if backend == "sqlite" else url)
    assert "9 passed" in done.stdout, done.stdout + done.stderr
    if backend == "sqlite":
        assert not (tmp_path / "real.db").exists()
    else:
        from sqlalchemy import inspect

        from erlen.db import Database

        database = Database(url)
        assert inspect(database.engine).get_table_names() == []
        database.dispose()


def test_without_a_database_the_fixture_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("from erlen import App\napp = App()\n")
    (tmp_path / "test_app.py").write_text("def test_it(db): ...\ndef test_client(client): ...\n")
    done = run(tmp_path)
    assert "app.use(Database(…))" in done.stdout
    assert "1 passed, 1 error" in done.stdout
