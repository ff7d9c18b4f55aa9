"""`Database`: the battery, and what a program asks for sessions outside of requests."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import AsyncGenerator, Generator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from itertools import count
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from sqlalchemy import URL, Connection, Engine, MetaData, event, inspect, text

from erlen.db.columns import use_secret_keys
from erlen.db.engines import EngineColour, EngineOptions, Engines, is_memory, make_engines, resolve_url
from erlen.db.info import fields_of
from erlen.db.locks import end_of_deadlock
from erlen.db.model import Base, metadata_for
from erlen.db.query_log import watch
from erlen.db.reading import refuse_changes
from erlen.db.session import AsyncSession, Session
from erlen.db.violations import hide_values
from erlen.errors import ConfigurationError, Mistake
from erlen.security.signing import random_key

if TYPE_CHECKING:
    import asyncio
    import sqlite3

    from erlen.app.plugin import Setup

__all__ = ["Database", "Health"]


class Health(Struct, frozen=True):
    """What `Database.health` found of one database."""

    name: str
    ok: bool
    seconds: float
    error: str = ""


class Database:
    """A database, or several: `app.use(Database("sqlite:///blog.db"))`.

    Handlers ask for a session by its type: `db: Session` in a `def`, `db: AsyncSession` in an `async def`. Each request has one, with
    one transaction: committed before the answer is sent, rolled back on an error and on answers of 400 and above. Elsewhere:
    `with database.session() as db: …` and `async with database.async_session() as db: …`, which commit at the end of the block.

    The setting `DATABASE_URL` stands before the URL in code. Engines connect when they are first used, one pool for each process and
    colour; `async def` code has a pool for each event loop.

    Args:
        url: of the database, or of several by name, of which `default` is one:
            `Database({"default": "sqlite:///blog.db", "logs": "postgresql://…"})`. Models say theirs: `class Log(Model, database="logs")`.
        replicas: URLs that GET, HEAD and OPTIONS requests read the default database from, in turn.
        sticky: for how many seconds a visitor who has written reads from the primary database again (a cookie says so); where there
            are replicas.
        pool_size: connections kept open for each process and colour; the setting `threads` by default. As many again may be opened by
            `independent()` sessions, and for what is written while a stream is read.
        lock_timeout: how many seconds a statement waits for another's lock, and a session for a connection.
        statement_timeout: how many seconds a statement may run; None for no limit.
        base: whose subclasses are its models; another than `Base` where applications of one process keep theirs apart.
        create: make missing tables at the start; by default in debug mode where a SQLite file has none.
        slow_query: log statements that take more seconds than this; None for none.

    Raises:
        ConfigurationError: for a URL that cannot be read.
    """

    name = "db"
    requires: Sequence[str] = ()

    def __init__(
        self,
        url: str | Mapping[str, str] = "",
        *,
        replicas: Sequence[str] = (),
        sticky: float = 5.0,
        pool_size: int | None = None,
        lock_timeout: float = 10.0,
        statement_timeout: float | None = 30.0,
        base: type[Base] = Base,
        create: bool | None = None,
        slow_query: float | None = 0.5,
    ) -> None:
        from erlen.app.routes import caller

        self.where = caller()[0]
        self._given = {"default": url} if isinstance(url, str) else dict(url)
        self._given_replicas = tuple(replicas)
        self.sticky = sticky
        self.base = base
        self.create = create
        self.slow_query = slow_query
        self._root = os.getcwd()
        self._options = EngineOptions(pool_size=pool_size or 16, lock_timeout=lock_timeout, statement_timeout=statement_timeout)
        self._sized = pool_size is not None
        self._turn = count()
        self._lock = threading.Lock()
        self.bound: Mapping[str, Connection] = {}
        """In tests: the one connection to each database that every session of either colour uses."""
        self._redirected = False
        self._turn_lock = threading.Lock()
        self.keys: tuple[str, ...] = (random_key(),)
        """What signs cursors: the site's `secret_key` and former ones; without a site a key of this process."""
        self._column_keys: tuple[str, ...] = ()  # none before there is a site: what another key encrypted would be lost with it
        self._keep: list[sqlite3.Connection] = []
        self._urls: dict[str, URL] = {}
        self._finalizer: weakref.finalize[Any, Any] | None = None
        self._forget_engines()
        if any(self._given.values()):
            self._resolve()

    # -- URLs and engines -----------------------------------------------------------------------------------------------------

    def _resolve(self) -> None:
        """Read the URLs; memory databases live from here on."""
        if "default" not in self._given:
            fix = 'say which is the default: `Database({"default": "…", "logs": "…"})`'
            raise ConfigurationError(Mistake("no database is called 'default'", self.where, fix))
        if not self._given["default"]:
            raise self._without_url()
        self._urls = {name: resolve_url(url, self._root) for name, url in self._given.items()}
        for number, url in enumerate(self._given_replicas):
            self._urls[f"default replica {number + 1}"] = resolve_url(url, self._root)

    def _without_url(self) -> ConfigurationError:
        fix = "set DATABASE_URL, or give it one: `Database('sqlite:///app.db')`"
        return ConfigurationError(Mistake("the database has no URL", self.where, fix))

    def _forget_engines(self) -> None:
        if self._finalizer is not None:
            self._finalizer.detach()
        self._process = os.getpid()
        self._thread_engines: dict[str, Engines] = {}
        self._finalizer = weakref.finalize(self, _close, self._process, self._thread_engines, self._keep)
        self._loop_engines: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, Engines]] = weakref.WeakKeyDictionary()

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the databases; `default` is the first."""
        return tuple(self._given)

    def url(self, name: str = "default") -> URL:
        """Return a database's URL, with its driver's default place filled in. Printed, it hides the password."""
        if name not in self._urls:
            if not self._urls:
                raise self._without_url()
            raise ConfigurationError(Mistake(f"there is no database {name!r}", self.where, f"one of {', '.join(self.names)}"))
        return self._urls[name]

    def engines(self, name: str = "default", colour: EngineColour = "thread", *, apart: bool = False) -> Engines:
        """Return the engine of a database for one colour, made on first use; in `loop` colour for the running event loop.

        Args:
            name: of the database.
            colour: of the code that will use it.
            apart: one with a pool of its own, for `independent()` sessions.
        """
        if self._process != os.getpid():
            self._forget_engines()  # a forked child must not share its parent's sockets
        if colour == "thread":
            engines = self._thread_engines
        else:
            import asyncio

            engines = self._loop_engines.setdefault(asyncio.get_running_loop(), {})
        key = f"{name} apart" if apart else name
        found = engines.get(key)
        return found if found is not None else self._make(name, key, colour, engines)

    def _make(self, name: str, key: str, colour: EngineColour, engines: dict[str, Engines]) -> Engines:
        url = self.url(name)
        with self._lock:
            if key not in engines:
                if is_memory(url) and not self._keep:
                    import sqlite3

                    for each in filter(is_memory, self._urls.values()):
                        place = f"{each.database}?vfs={each.query.get('vfs', 'memdb')}"
                        self._keep.append(sqlite3.connect(place, uri=True, check_same_thread=False))
                engines[key] = made = make_engines(url, colour, self._options)
                use_secret_keys(made.engine, self._column_keys)
                event.listen(made.engine, "handle_error", hide_values)
                watch(made.engine, name, slow_query=self.slow_query, private=self._private_columns)
                refuse_changes(made.reader, *(() if name in self.names else (made.writer,)))  # nothing is written to a replica
                if url.get_backend_name() in ("mysql", "mariadb"):
                    event.listen(made.engine, "handle_error", end_of_deadlock)
            return engines[key]

    def _private_columns(self) -> Iterator[str]:
        for mapper in self.base.registry.mappers:
            for field in fields_of(mapper.class_):
                if field.private:
                    yield from (column.key for column in mapper.attrs[field.name].columns)

    def secrets(self) -> list[str]:
        """Return what no page or log may show: the passwords of the databases."""
        return [str(url.password) for url in self._urls.values() if url.password]

    @property
    def engine(self) -> Engine:
        """SQLAlchemy's engine of the default database, for tools that want one."""
        return self.engines().engine

    def next_replica(self) -> str:
        """Return the name of the replica whose turn it is."""
        return f"default replica {next(self._turn) % len(self._given_replicas) + 1}"

    @property
    def has_replicas(self) -> bool:
        return bool(self._given_replicas)

    def name_for(self, mapper: Any, clause: Any) -> str:
        """Return the name of the database that a model or statement belongs to."""
        if len(self._given) == 1:
            return "default"
        mapper = inspect(mapper).mapper if mapper is not None else None
        if mapper is not None:
            return str(mapper.local_table.metadata.info.get("database", "default"))
        if clause is not None:
            for part in _tables_of(clause):
                if (name := part.metadata.info.get("database")) is not None:
                    return str(name)
        return "default"

    def use_keys(self, keys: Sequence[str]) -> None:
        """Sign cursors and encrypt columns with the first of some keys, and accept all of them."""
        self.keys = self._column_keys = tuple(keys)
        for engines in (self._thread_engines, *self._loop_engines.values()):
            for each in engines.values():
                use_secret_keys(each.engine, self.keys)

    def redirect(self, urls: Mapping[str, str]) -> None:
        """Use other databases, whatever the code and the settings say: for tests."""
        self.dispose()
        self.use_keys(self.keys)
        self._given, self._given_replicas, self._redirected = dict(urls), (), True
        self._resolve()
        self._forget_engines()

    # -- sessions -------------------------------------------------------------------------------------------------------------

    @contextmanager
    def session(self, *, reading: bool = False, strict: bool = False) -> Generator[Session, None, None]:
        """Open a session; its transaction is committed at the end of the block, and rolled back when the block raises."""
        with Session(self, reading=reading, strict=strict) as session:
            try:
                yield session
            except BaseException:
                session.finish(keep=False)
                raise
            session.finish(keep=True)

    @asynccontextmanager
    async def async_session(self, *, reading: bool = False, strict: bool = False) -> AsyncGenerator[AsyncSession, None]:
        """Open a session for `async def` code; see `session`."""
        async with AsyncSession(self, reading=reading, strict=strict) as session:
            try:
                yield session
            except BaseException:
                await session.finish(keep=False)
                raise
            await session.finish(keep=True)

    @contextmanager
    def turn(self) -> Generator[None, None, None]:
        """Wait until no other request uses the one connection of a test; without one there is nothing to wait for."""
        if not self.bound:
            yield
        else:
            with self._turn_lock:
                yield

    @asynccontextmanager
    async def async_turn(self) -> AsyncGenerator[None, None]:
        """Do the same as `turn`, without holding up the event loop."""
        if not self.bound:
            yield
            return
        import asyncio

        while not self._turn_lock.acquire(blocking=False):  # noqa: ASYNC110 - it is held by threads too
            await asyncio.sleep(0.001)
        try:
            yield
        finally:
            self._turn_lock.release()

    # -- tables ---------------------------------------------------------------------------------------------------------------

    def metadata(self, name: str = "default") -> MetaData:
        """Return the tables of the models of a database."""
        return metadata_for(name, base=self.base)

    def create_all(self) -> None:
        """Make the tables that are missing, in every database. Tables that exist stay as they are: changing them is for migrations."""
        for name in self.names:
            with self._connect(name) as connection:
                self.metadata(name).create_all(connection)

    def drop_all(self) -> None:
        """Drop the tables of the models, with what is in them."""
        for name in self.names:
            with self._connect(name) as connection:
                self.metadata(name).drop_all(connection)

    def missing_tables(self) -> list[str]:
        """Return the names of the models' tables that are not there."""
        missing = []
        for name in self.names:
            with self._connect(name) as connection:
                there = inspect(connection)
                missing += [
                    table.fullname for table in self.metadata(name).sorted_tables if not there.has_table(table.name, schema=table.schema)
                ]
        return missing

    @contextmanager
    def _connect(self, name: str) -> Generator[Connection, None, None]:
        if self.bound:
            yield self.bound[name]
        else:
            with self.engines(name).writer.begin() as connection:
                yield connection

    # -- health and end ---------------------------------------------------------------------------------------------------------

    def health(self) -> list[Health]:
        """Ask each database, replicas too, for a sign of life; blocks for at most the connection's time limit."""
        import time

        found = []
        for name in self._urls:
            begun = time.perf_counter()
            try:
                with self.engines(name).reader.connect() as connection:
                    connection.execute(text("SELECT 1"))
                error = ""
            except Exception as failure:  # noqa: BLE001 - whatever it is, it is the answer
                error = f"{type(failure).__name__}: {str(getattr(failure, 'orig', failure)).splitlines()[0] if str(failure) else ''}"
            found.append(Health(name, not error, time.perf_counter() - begun, error))
        return found

    def dispose(self) -> None:
        """Close the connections of `def` code; engines connect again when they are used."""
        if self.bound:
            return  # a test's connections outlive the client that stops here
        for engines in list(self._thread_engines.values()):
            engines.engine.dispose()
        self._thread_engines.clear()

    async def dispose_async(self) -> None:
        """Close the connections of the running event loop."""
        import asyncio

        from sqlalchemy.ext.asyncio import AsyncEngine

        for engines in self._loop_engines.pop(asyncio.get_running_loop(), {}).values():
            await AsyncEngine(engines.engine).dispose()

    def setup(self, setup: Setup) -> None:
        """Let handlers of one site ask for sessions."""
        from erlen.db.plugin import set_up

        set_up(self, setup)

    def __repr__(self) -> str:
        return f"<Database {', '.join(map(str, self._urls.values())) or 'without a URL'}>"


def _close(process: int, engines: dict[str, Engines], memory: list[sqlite3.Connection]) -> None:
    """Close what a `Database` that nobody has any more, or the process at its end, has open; a forked child leaves its parent's alone."""
    if process == os.getpid():
        for each in list(engines.values()):  # at the end of the process a worker's thread may dispose them too
            each.engine.dispose()
        for connection in memory:
            connection.close()


def _tables_of(clause: Any) -> Iterator[Any]:
    from sqlalchemy.sql.visitors import iterate

    for part in iterate(clause):
        if getattr(part, "__visit_name__", "") == "table":
            yield part
