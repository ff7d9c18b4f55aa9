"""What the tests of queries share: a session of either colour that is used without `await`, and the statements it sends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import Any, cast

import pytest
from sqlalchemy import Engine, event

from erlen.db import AsyncSession, Base, Database, Session


class OnLoop:
    """An `AsyncSession` whose methods are run to their end on a loop of its own."""

    def __init__(self, session: AsyncSession, runner: asyncio.Runner) -> None:
        self._session = session
        self._runner = runner

    def __getattr__(self, name: str) -> Any:
        member = getattr(self._session, name)
        if not callable(member):
            return member

        def call(*arguments: Any, **keywords: Any) -> Any:
            made = member(*arguments, **keywords)
            if hasattr(made, "__aenter__"):
                return self._within(made)
            if hasattr(made, "__aiter__"):
                return self._each(made)
            return self._wait(made) if hasattr(made, "__await__") else made

        return call

    def _wait(self, awaitable: Any) -> Any:
        async def wait() -> Any:
            return await awaitable

        return self._runner.run(wait())

    def _each(self, items: AsyncIterator[Any]) -> Iterator[Any]:
        try:
            while True:
                try:
                    yield self._wait(anext(items))
                except StopAsyncIteration:
                    return
        finally:
            self._wait(cast(Any, items).aclose())

    @contextmanager
    def _within(self, manager: AbstractAsyncContextManager[Any]) -> Iterator[Any]:
        made = self._wait(manager.__aenter__())
        try:
            yield made
        except BaseException as error:
            if not self._wait(manager.__aexit__(type(error), error, error.__traceback__)):
                raise
        else:
            self._wait(manager.__aexit__(None, None, None))


@pytest.fixture
def make_database(database_url: str) -> Iterator[Callable[..., Database]]:
    """A function that makes the `Database` of a base, with its tables, on each engine in turn."""
    made: list[Database] = []

    def make(base: type[Base], **options: Any) -> Database:
        database = Database(database_url, base=base, **options)
        database.create_all()
        made.append(database)
        return database

    yield make
    for database in made:
        database.dispose()


@pytest.fixture(params=["def", "async def"])
def open_session(request: pytest.FixtureRequest) -> Iterator[Callable[..., Session]]:
    """A function that opens a session of each colour in turn: `open_session(database)`. An `AsyncSession` needs no `await` here."""
    colour = request.param
    with asyncio.Runner() as runner:
        opened: list[Any] = []
        databases: dict[int, Database] = {}

        def make(database: Database, **options: Any) -> Session:
            databases[id(database)] = database
            if colour == "def":
                opened.append(Session(database, **options))
            else:

                async def make_on_loop() -> AsyncSession:
                    return AsyncSession(database, **options)

                opened.append(OnLoop(runner.run(make_on_loop()), runner))
            return cast("Session", opened[-1])

        yield make
        for session in opened:
            session.close()
        if colour == "async def":
            for database in databases.values():
                runner.run(database.dispose_async())


@pytest.fixture
def statements() -> Iterator[list[str]]:
    """The statements that are sent to any database, as they are sent."""
    sent: list[str] = []

    def note(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        sent.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    yield sent
    event.remove(Engine, "before_cursor_execute", note)
