"""What the tests of columns share: classes of their own, and sessions through the drivers of both colours."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any, Literal

import pytest
from sqlalchemy import event, orm
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from sqlalchemy.orm import DeclarativeBase

from erlen.db.columns import column_type, use_secret_keys
from erlen.db.engines import EngineOptions, make_engines, resolve_url

KEYS = ("the key of these tests, which is long", "a former key of these tests")
Run = Callable[[type[DeclarativeBase], Callable[[orm.Session], Any]], Any]


@pytest.fixture
def base() -> type[DeclarativeBase]:
    """A declarative base of SQLAlchemy's own, whose annotations become Erlen's columns."""

    class Base(DeclarativeBase):
        pass

    event.listen(Base, "resolve_type_annotation", column_type)
    return Base


@pytest.fixture(params=["thread", "loop"])
def run(request: pytest.FixtureRequest, database_url: str) -> Iterator[Run]:
    """Run a function with a session in which the tables are there: on each engine, through its driver of each colour."""
    colour: Literal["thread", "loop"] = request.param
    engines = make_engines(resolve_url(database_url, "/"), colour, EngineOptions())
    use_secret_keys(engines.engine, KEYS)

    def run_in_thread(base: type[DeclarativeBase], work: Callable[[orm.Session], Any]) -> Any:
        base.metadata.create_all(engines.writer)
        with orm.Session(engines.writer) as session:
            return work(session)

    async def run_on_loop(base: type[DeclarativeBase], work: Callable[[orm.Session], Any]) -> Any:
        engine = AsyncEngine(engines.writer)
        try:
            async with engine.begin() as connection:
                await connection.run_sync(base.metadata.create_all)
            async with AsyncSession(engine) as session:
                return await session.run_sync(work)
        finally:
            await AsyncEngine(engines.engine).dispose()

    if colour == "thread":
        yield run_in_thread
        engines.engine.dispose()
    else:
        yield lambda base, work: asyncio.run(run_on_loop(base, work))
