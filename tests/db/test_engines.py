"""Engines: two views with one pool, of which one commits each statement and one begins transactions, in both colours."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, event, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.util import greenlet_spawn

from erlen.db.engines import EngineColour, EngineOptions, Engines, make_engines, resolve_url, wrap_execution

Work = Callable[[Engines], None]
Run = Callable[[Work], None]


@pytest.fixture(params=["thread", "loop"])
def run(request: pytest.FixtureRequest, database_url: str) -> Run:
    """Run a function with engines that have one connection, as code of either colour runs it."""
    colour: EngineColour = request.param

    def work_with(work: Work) -> None:
        engines = make_engines(resolve_url(database_url, "/"), colour, EngineOptions(pool_size=1))
        try:
            with engines.writer.begin() as connection:
                connection.execute(text("CREATE TABLE notes (number integer)"))
            work(engines)
        finally:
            engines.engine.dispose()

    async def work_on_loop(work: Work) -> None:
        await greenlet_spawn(work_with, work)

    return work_with if colour == "thread" else lambda work: asyncio.run(work_on_loop(work))


def keeps(engine: Engine, others: Engine) -> bool:
    """Whether a statement is kept that nothing commits."""
    with engine.connect() as connection:
        connection.execute(text("INSERT INTO notes VALUES (1)"))
    with others.begin() as connection:
        kept = bool(connection.scalar(text("SELECT count(*) FROM notes")))
        connection.execute(text("DELETE FROM notes"))
    return kept


def test_one_view_commits_each_statement_and_the_other_does_not(run: Run) -> None:
    def work(engines: Engines) -> None:
        views = {engines.reader: True, engines.writer: False, engines.engine: False}
        # In turn: whatever a connection was used for before must not show.
        for engine in [*views, *reversed(views), *views]:
            assert keeps(engine, engines.writer) is views[engine]

    run(work)


def test_views_of_a_view_do_as_it_does(run: Run) -> None:
    def work(engines: Engines) -> None:
        assert keeps(engines.reader.execution_options(logging_token="read"), engines.writer)
        assert not keeps(engines.writer.execution_options(logging_token="write"), engines.writer)
        assert not keeps(engines.engine.execution_options(logging_token="tool"), engines.writer)

    run(work)


def test_a_transaction_can_follow_another_on_one_connection(run: Run) -> None:
    def work(engines: Engines) -> None:
        with engines.writer.connect() as connection:
            connection.execute(text("INSERT INTO notes VALUES (1)"))
            connection.rollback()
            connection.execute(text("INSERT INTO notes VALUES (2)"))
            connection.commit()
            connection.execute(text("INSERT INTO notes VALUES (3)"))
        with engines.reader.connect() as connection:
            assert connection.scalars(text("SELECT number FROM notes")).all() == [2]

    run(work)


def test_a_listener_to_the_engine_hears_of_both_views(run: Run) -> None:
    def work(engines: Engines) -> None:
        heard: list[str] = []
        event.listen(engines.engine, "before_cursor_execute", lambda _connection, _cursor, statement, *_: heard.append(statement))
        for engine in (engines.reader, engines.writer):
            with engine.connect() as connection:
                connection.execute(text("SELECT 1"))
        assert heard == ["SELECT 1", "SELECT 1"]

    run(work)


def test_a_writer_of_sqlite_takes_the_lock_as_it_begins(tmp_path: Path) -> None:
    options = EngineOptions(lock_timeout=0.05)
    first, second = (make_engines(resolve_url(f"sqlite:///{tmp_path}/test.db", "/"), "thread", options) for _ in range(2))
    with first.writer.execution_options(logging_token="first").connect() as one, second.writer.connect() as other:
        transaction = one.begin()
        with pytest.raises(OperationalError, match="locked"):
            other.begin()
        transaction.rollback()
        other.begin().rollback()
    first.engine.dispose()
    second.engine.dispose()


def test_what_sends_statements_can_be_wrapped() -> None:
    engine = create_engine("sqlite://")
    sent: list[tuple[str, str]] = []

    def wrapper(name: str) -> Callable[..., None]:
        def execute(send: Callable[..., None], cursor: Any, statement: str, *rest: Any) -> None:
            sent.append((name, statement))
            assert rest[-1].root_connection is connection
            send(cursor, statement, *rest)

        return execute

    with engine.connect() as connection:
        wrap_execution(engine.dialect, wrapper("inner"))
        wrap_execution(engine.dialect, wrapper("outer"))
        connection.execute(text("CREATE TABLE notes (number integer)"))
        connection.execute(text("INSERT INTO notes VALUES (:number)"), [{"number": 1}, {"number": 2}])
        assert connection.exec_driver_sql("SELECT count(*) FROM notes", execution_options={"no_parameters": True}).scalar() == 2
    assert [name for name, _ in sent] == ["outer", "inner"] * 3
    assert [statement.split()[0] for _, statement in sent[::2]] == ["CREATE", "INSERT", "SELECT"]
    engine.dispose()
