"""Errors that a handler catches: what its transaction wrote is kept, or the answer is an error, never neither."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, PendingRollbackError

from erlen import App
from erlen.db import AsyncSession, Database, Mapped, Model, Session, TransactionAborted, ValidationError, insert, select

MakeClient = Callable[..., Any]
WRONG = text("SELECT nothing FROM nowhere")


class Own(Model, isolated=True):
    pass


class Word(Own):
    text: Mapped[str]


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url, base=Own)
    database.create_all()
    yield database
    database.dispose()


def words(database: Database) -> list[str]:
    with database.session(reading=True) as db:
        return db.all(select(Word.text))


@pytest.fixture(params=["def", "async def"])
def client(request: pytest.FixtureRequest, database: Database, make_client: MakeClient) -> Any:
    app = App()
    app.use(database)
    if request.param == "def":

        @app.post("/caught")
        def caught(db: Session) -> str:
            db.add(Word(text="first"))
            db.flush()
            try:
                db.execute(WRONG)
            except DBAPIError:
                return "caught"
            raise AssertionError

        @app.post("/savepoint")
        def savepoint(db: Session) -> str:
            db.add(Word(text="first"))
            try:
                with db.savepoint():
                    db.execute(WRONG)
            except DBAPIError:
                return "caught"
            raise AssertionError

        @app.post("/driver")
        def driver(db: Session) -> str:
            db.add(Word(text="first"))
            db.flush()
            try:
                db.execute(text("SELECT :value"), {"value": object()})  # which MariaDB's drivers make a text
            except DBAPIError:
                pass
            return "caught"

    else:

        @app.post("/caught")
        async def caught_async(db: AsyncSession) -> str:
            db.add(Word(text="first"))
            await db.flush()
            try:
                await db.execute(WRONG)
            except DBAPIError:
                return "caught"
            raise AssertionError

        @app.post("/savepoint")
        async def savepoint_async(db: AsyncSession) -> str:
            db.add(Word(text="first"))
            try:
                async with db.savepoint():
                    await db.execute(WRONG)
            except DBAPIError:
                return "caught"
            raise AssertionError

        @app.post("/driver")
        async def driver_async(db: AsyncSession) -> str:
            db.add(Word(text="first"))
            await db.flush()
            try:
                await db.execute(text("SELECT :value"), {"value": object()})  # which MariaDB's drivers make a text
            except DBAPIError:
                pass
            return "caught"

    return make_client(app)


def test_an_error_that_was_caught_loses_nothing_in_silence(client: Any, database: Database) -> None:
    if database.url().get_backend_name() == "postgresql":
        with pytest.raises(TransactionAborted, match=r"UndefinedTable\w* at .*test_aborted\.py:\d+.*with db\.savepoint"):
            client.post("/caught")
        assert words(database) == []
        assert client.post("/savepoint").text == "caught"  # also through the same connection
    else:
        assert client.post("/caught").text == "caught"
    assert words(database) == ["first"]


def test_a_savepoint_keeps_the_rest(client: Any, database: Database) -> None:
    assert client.post("/savepoint").text == "caught"
    assert words(database) == ["first"]


def test_what_only_the_driver_refuses_ends_no_transaction(client: Any, database: Database) -> None:
    assert client.post("/driver").text == "caught"
    assert words(database) == ["first"]


@pytest.mark.parametrize("writes", [False, True])
def test_who_has_written_nothing_loses_nothing(database: Database, writes: bool) -> None:
    """A lock that is not to be had may be the answer, where nothing else is lost with it."""
    kept: list[str] = []
    is_lost = writes and database.url().get_backend_name() == "postgresql"
    with pytest.raises(TransactionAborted) if is_lost else nullcontext(), database.session() as db:
        db.after_commit(kept.append, "kept")
        with db.savepoint():
            db.for_update(Word)
        if writes:
            db.execute(insert(Word).values(text="written"))
        with pytest.raises(DBAPIError):
            db.execute(WRONG)
    assert kept == ([] if is_lost else ["kept"])
    assert words(database) == (["written"] if writes and not is_lost else [])


def test_the_statements_after_one_that_failed_say_why_they_do(url_of: Callable[[str], str]) -> None:
    database = Database(url_of("postgresql"), base=Own)
    with database.session() as db:
        with pytest.raises(DBAPIError):
            db.execute(WRONG)
        with pytest.raises(DBAPIError) as caught:
            db.execute(text("SELECT 1"))
        db.rollback()
    assert "with db.savepoint()" in caught.value.__notes__[-1]
    with database.session() as db:
        db.rollback()
        assert db.scalar(text("SELECT 1")) == 1
    database.dispose()


def test_sqlite_that_rolls_back_takes_no_second_half(url_of: Callable[[str], str]) -> None:
    """SQLite rolls the transaction back with a statement that changes rows for too long."""
    database = Database(url_of("sqlite"), base=Own, statement_timeout=0.05)
    database.create_all()
    endless = text("INSERT INTO words (text) WITH RECURSIVE more(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM more) SELECT 'more' FROM more")
    for goes_on in (True, False):
        with database.session() as db:
            db.add(Word(text="first"))
            db.flush()
            with pytest.raises(DBAPIError, match="interrupted"):
                db.execute(endless)
            if goes_on:
                db.add(Word(text="second half"))
            with pytest.raises(PendingRollbackError) as caught:
                db.commit()
            db.rollback()
        assert "db.savepoint()" in caught.value.__notes__[-1]
    assert words(database) == []
    with database.session() as db:
        db.add(Word(text="the next"))
    assert words(database) == ["the next"]
    database.dispose()


def test_a_rule_that_a_flush_breaks_ends_the_transaction_on_every_database(database: Database) -> None:
    with database.session() as db:
        db.add(Word(id=1, text="first"))
        db.flush()
        db.expunge_all()
        db.add(Word(id=1, text="second"))
        with pytest.raises(ValidationError):
            db.flush()
        with pytest.raises(PendingRollbackError) as caught:
            db.commit()
        db.rollback()
    assert "db.savepoint()" in caught.value.__notes__[-1]
    assert words(database) == []
