"""Engines: one for each URL and colour, with what production needs (DESIGN 6).

Reads outside a transaction cost no BEGIN and ROLLBACK, so every engine has two views, which share its pool: `reader`, whose connections
commit each statement by themselves, and `writer`, whose connections begin a transaction with their first statement.
"""

from __future__ import annotations

import math
import os
import re
import select
import time
from collections.abc import Callable, Mapping
from functools import partial
from importlib.util import find_spec
from typing import Any, Literal, TypeAlias

from msgspec import Struct
from sqlalchemy import URL, Dialect, Engine, ExceptionContext, PoolProxiedConnection, create_engine, event, make_url
from sqlalchemy.engine.base import OptionEngine
from sqlalchemy.exc import ArgumentError, DisconnectionError
from sqlalchemy.ext.asyncio import create_async_engine

from erlen.db.aborted import forget, refuse_aborted
from erlen.errors import ConfigurationError, ErlenError, Mistake

__all__ = ["EngineOptions", "Engines", "make_engines", "resolve_url", "wrap_execution"]

EngineColour: TypeAlias = Literal["thread", "loop"]
Send: TypeAlias = Callable[..., None]
"""Sends a statement: called with a cursor, the statement, in most cases its parameters, and its `ExecutionContext`."""


class EngineOptions(Struct, frozen=True, kw_only=True):
    """What all engines of a `Database` have in common; times are in seconds."""

    pool_size: int = 16
    lock_timeout: float = 10.0
    statement_timeout: float | None = 30.0
    connect_timeout: float = 10.0
    application_name: str = "erlen"


class Engines(Struct, frozen=True, eq=False):
    """The two views of one engine, and the engine."""

    engine: Engine
    reader: Engine
    writer: Engine


def resolve_url(given: str, root: str) -> URL:
    """Read a database URL. A relative SQLite path is relative to `root`; memory is shared by all connections of this process.

    Raises:
        ConfigurationError: if it is malformed, or names an engine or driver that Erlen does not know.
    """
    try:
        url = make_url(given)
    except (ArgumentError, ValueError):
        fix = "write `sqlite:///file.db`, `postgresql://user:password@host/name` or `mysql://user:password@host/name`"
        raise ConfigurationError(Mistake("the database URL cannot be read", fix=fix)) from None
    backend, _, driver = url.drivername.partition("+")
    backend = {"postgres": "postgresql"}.get(backend, backend)
    if backend not in _DRIVERS:
        fix = "use SQLite, PostgreSQL, MySQL or MariaDB: `sqlite:///file.db`, `postgresql://…`, `mysql://…`"
        raise ConfigurationError(Mistake(f"there is no support for {backend!r} databases", fix=fix))
    if driver and driver not in {each for drivers in _DRIVERS[backend] for each in drivers}:
        known = ", ".join(f"{backend}+{each}" for drivers in _DRIVERS[backend] for each in drivers)
        raise ConfigurationError(Mistake(f"the driver {driver!r} is not known", fix=f"write `{backend}://…`, or one of {known}"))
    url = url.set(drivername=f"{backend}+{driver}" if driver else backend)
    if backend == "sqlite":
        if url.database in (None, "", ":memory:"):
            # SQLite's own memory databases have one connection each; the memdb VFS (3.36) has locks and lets connections share one.
            return url.set(database=f"file:/erlen-{os.urandom(8).hex()}", query={"vfs": "memdb", "uri": "true"})
        if not url.database.startswith("file:"):
            return url.set(database=os.path.join(root, os.path.expanduser(url.database)))
    return url


def is_memory(url: URL) -> bool:
    """Whether a database is gone with the process."""
    return url.query.get("vfs") == "memdb" or url.query.get("mode") == "memory"


def make_engines(url: URL, colour: EngineColour, options: EngineOptions) -> Engines:
    """Make the engine of a resolved URL for one colour. It connects when it is first used.

    Raises:
        ConfigurationError: if the driver is not installed.
    """
    backend, _, asked = url.drivername.partition("+")
    drivers = _DRIVERS[backend][0 if colour == "thread" else 1]
    driver = asked if asked in drivers else drivers[0]
    if driver not in _BUILT_IN and find_spec(driver) is None:
        extra = {"mariadb": "mysql"}.get(backend, backend)
        extra = "standard" if backend == "sqlite" else extra
        message = f"{backend} in {'`async def`' if colour == 'loop' else '`def`'} handlers needs the driver {driver}"
        raise ConfigurationError(Mistake(message, fix=f'install it: pip install "erlen[{extra}]"'))
    url = url.set(drivername=f"{backend}+{driver}")
    arguments: dict[str, Any] = {
        "connect_args": _connect_args(backend, driver, options),
        "pool_size": options.pool_size,
        "max_overflow": 0,
        "pool_timeout": options.lock_timeout,
        "pool_use_lifo": True,
        "hide_parameters": True,
    }
    # PERF: SQLAlchemy chooses a pool without a limit for memory, and none for other files; every database has the same here.
    if colour == "loop":
        engine = create_async_engine(url, **arguments).sync_engine
    else:
        from sqlalchemy.pool import QueuePool

        engine = create_engine(url, poolclass=QueuePool, **arguments)
    _prepare(engine, backend, options)
    if backend == "postgresql":
        return Engines(engine, _View(engine, {"erlen_begin": ""}), engine)
    # SQLite and MySQL drivers are left in autocommit, and transactions begun by name: a switch would cost a round trip each way.
    return Engines(engine, _View(engine, {"erlen_begin": ""}), _View(engine, {"erlen_begin": _BEGIN[backend]}))


class _View(OptionEngine):
    """An engine's view whose connections begin a transaction with the statement `erlen_begin`; empty for none.

    PERF: by what its connections carry and the dialect reads, since one listener to an engine costs each of its statements thirty calls.
    """

    def raw_connection(self) -> PoolProxiedConnection:
        connection = super().raw_connection()
        if self.dialect.name == "postgresql":
            connection.dbapi_connection.autocommit = True  # type: ignore[union-attr]  # which all its drivers have
        else:
            vars(connection)["erlen_begin"] = self.get_execution_options()["erlen_begin"]
        return connection


_View._option_cls = _View


def _connect_args(backend: str, driver: str, options: EngineOptions) -> dict[str, Any]:
    if backend == "sqlite":
        return {"isolation_level": None, "timeout": options.lock_timeout, "check_same_thread": False}
    if backend == "postgresql":
        parameters = {"lock_timeout": str(_milliseconds(options.lock_timeout)), "application_name": options.application_name}
        if options.statement_timeout is not None:
            parameters["statement_timeout"] = str(_milliseconds(options.statement_timeout))
        if driver == "asyncpg":
            return {"server_settings": parameters, "timeout": options.connect_timeout}
        settings = " ".join(f"-c {name}={value}" for name, value in parameters.items())
        return {"options": settings, "connect_timeout": max(2, round(options.connect_timeout))}
    return {"autocommit": True, "charset": "utf8mb4", "connect_timeout": max(1, round(options.connect_timeout))}


def _prepare(engine: Engine, backend: str, options: EngineOptions) -> None:
    if backend == "sqlite":
        sqlite = _Sqlite(options)
        event.listen(engine, "connect", sqlite.connect)
        if options.statement_timeout is not None:
            wrap_execution(engine.dialect, sqlite.execute)
        event.listen(engine, "invalidate", _interrupt)
        event.listen(engine, "reset", _end_transaction)
    else:
        event.listen(engine, "checkout", _refuse_dead)
    if backend in ("mysql", "mariadb"):
        event.listen(engine, "connect", _Mysql(options).connect)
        wrap_execution(engine.dialect, _refuse_during_stream)
    if backend == "postgresql":
        event.listen(engine, "reset", _end_autocommit)
    else:
        vars(engine.dialect)["do_begin"] = _begin  # instead of its own, which does nothing
    if backend in ("postgresql", "sqlite"):
        refuse_aborted(engine)
    event.listen(engine, "handle_error", _explain_missing_table)


def _explain_missing_table(failure: ExceptionContext) -> None:
    """Add to an error about a table that is not there what makes it."""
    if failure.sqlalchemy_exception is not None and _MISSING_TABLE(str(failure.original_exception)):
        failure.sqlalchemy_exception.add_note(
            "The table is not there yet. Where there are migrations, `erlen db migrate` makes it; without them, "
            "`Database(…, create=True)` makes the tables of the models that are missing at each start, `database.create_all()` once."
        )


def wrap_execution(dialect: Dialect, execute: Callable[..., None]) -> None:
    """Let a function do what sends statements through a dialect: it is given that as a function, and what to call it with.

    PERF: listeners to the engine's events would cost each statement thirty calls, whatever they do.
    """
    for name in ("do_execute", "do_executemany", "do_execute_no_params"):
        setattr(dialect, name, partial(execute, getattr(dialect, name)))


def _begin(connection: PoolProxiedConnection) -> None:
    if statement := getattr(connection, "erlen_begin", "BEGIN"):
        cursor = connection.cursor()
        cursor.execute(statement)
        cursor.close()


def _end_autocommit(connection: Any, record: Any, state: Any) -> None:
    """Let PostgreSQL's drivers begin transactions again: whoever has the connection next may write."""
    forget(record.info)
    if state.asyncio_safe and connection.autocommit:
        if not state.transaction_was_reset:
            connection.rollback()
        connection.autocommit = False


def _end_transaction(connection: Any, record: Any, state: Any) -> None:
    """Roll back what a COMMIT that failed leaves open on SQLite, such as one that a deferred constraint refuses."""
    driver = getattr(connection, "driver_connection", connection)
    if not state.terminate_only and driver.in_transaction:
        connection.rollback()


def _refuse_during_stream(send: Send, cursor: Any, statement: str, *rest: Any) -> None:
    """Refuse a statement while a stream is open: the MySQL drivers would drop the rest of the stream, with no more than a warning."""
    connection = rest[-1].root_connection.connection.dbapi_connection
    driver = getattr(connection, "driver_connection", connection)
    if getattr(getattr(driver, "_result", None), "unbuffered_active", False):
        raise ErlenError(
            "MySQL and MariaDB send one result at a time, and a stream is being read: load what it needs with the stream's own query "
            "(`joinedload`), or read it with `db.batches(…)`"
        )
    send(cursor, statement, *rest)


def _refuse_dead(connection: Any, record: Any, proxy: Any) -> None:
    """Let the pool replace a connection whose server has closed it.

    A connection at rest has nothing to read unless the server hung up or sent a notice: asking the socket costs a microsecond, where a
    ping would cost a round trip.
    """
    if _is_dead(getattr(connection, "driver_connection", connection)):
        raise DisconnectionError("the server closed the connection")


def _is_dead(driver: Any) -> bool:
    """Whether a connection at rest has ended; the MySQL drivers have no public name for where that shows."""
    if hasattr(driver, "is_closed"):  # asyncpg, which watches its socket itself
        return bool(driver.is_closed())
    if (transport := getattr(driver, "_transport", None)) is not None:  # asyncmy
        return bool(transport.is_closing())
    if (reader := getattr(driver, "_reader", None)) is not None:  # aiomysql
        return bool(reader.at_eof())
    if getattr(driver, "closed", False) is True:
        return True
    socket = getattr(driver, "_sock", None) or driver  # PyMySQL; psycopg
    return hasattr(socket, "fileno") and _readable(socket.fileno())


def _readable(descriptor: int) -> bool:
    if descriptor < 0:
        return True
    if hasattr(select, "poll"):
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        return bool(poll.poll(0))
    return bool(select.select([descriptor], [], [], 0)[0])


def _interrupt(connection: Any, record: Any, error: BaseException | None) -> None:
    """End the statement of a connection that is given up, such as one whose task was cancelled: it would go on, with the lock."""
    driver = getattr(connection, "driver_connection", connection)
    getattr(driver, "_conn", driver).interrupt()  # aiosqlite's own method is a coroutine function, and here nothing can wait


class _Sqlite:
    """Prepares SQLite connections: write-ahead log, foreign keys, and a deadline for statements."""

    def __init__(self, options: EngineOptions) -> None:
        self._limit = options.statement_timeout
        self._pragmas = [
            f"PRAGMA busy_timeout = {_milliseconds(options.lock_timeout)}",
            "PRAGMA journal_mode = WAL",
            "PRAGMA synchronous = NORMAL",
            "PRAGMA foreign_keys = ON",
            "PRAGMA temp_store = MEMORY",
            "PRAGMA cache_size = -20000",  # kibibytes
            "PRAGMA journal_size_limit = 67108864",  # bytes
        ]

    def connect(self, connection: Any, record: Any) -> None:
        cursor = connection.cursor()
        for pragma in self._pragmas:
            cursor.execute(pragma)
        cursor.close()
        if self._limit is None:
            return
        deadline = record.info["deadline"] = _Deadline()
        driver = getattr(connection, "driver_connection", connection)
        if driver is connection:
            driver.set_progress_handler(deadline.passed, _STEPS)
        else:
            connection.run_async(lambda driver: driver.set_progress_handler(deadline.passed, _STEPS))

    def execute(self, send: Send, cursor: Any, statement: str, *rest: Any) -> None:
        deadline = rest[-1].root_connection.connection.info.get("deadline")
        if deadline is not None:
            deadline.end = time.monotonic() + (self._limit or math.inf)
        send(cursor, statement, *rest)


class _Deadline:
    """When SQLite, which has no time limit of its own, gives a statement up."""

    __slots__ = ("end",)

    def __init__(self) -> None:
        self.end = math.inf

    def passed(self) -> bool:
        return time.monotonic() > self.end


class _Mysql:
    """Prepares MySQL and MariaDB connections: strict SQL, UTC, time limits, and the isolation that PostgreSQL has."""

    def __init__(self, options: EngineOptions) -> None:
        self._statements = [
            f"SET SESSION innodb_lock_wait_timeout = {max(1, round(options.lock_timeout))}",
            "SET SESSION time_zone = '+00:00'",
            "SET SESSION sql_mode = 'TRADITIONAL'",
            "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
        ]
        self._limit = options.statement_timeout

    def connect(self, connection: Any, record: Any) -> None:
        cursor = connection.cursor()
        for statement in self._statements:
            cursor.execute(statement)
        if self._limit is not None:
            cursor.execute("SELECT VERSION()")
            is_maria = "mariadb" in str(cursor.fetchone()).lower()
            limit = f"max_statement_time = {self._limit:g}" if is_maria else f"max_execution_time = {_milliseconds(self._limit)}"
            cursor.execute(f"SET SESSION {limit}")
        cursor.close()


def _milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000))


_DRIVERS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "sqlite": (("pysqlite",), ("aiosqlite",)),
    "postgresql": (("psycopg",), ("asyncpg", "psycopg")),
    "mysql": (("pymysql", "mysqldb"), ("asyncmy", "aiomysql")),
    "mariadb": (("pymysql", "mysqldb"), ("asyncmy", "aiomysql")),
}
"""By engine: the drivers of `def` code, and of `async def` code; the first of each is the default."""
_MISSING_TABLE = re.compile(r"no such table|relation \S+ does not exist|Table \S+ doesn't exist|UndefinedTable").search
_BUILT_IN = ("pysqlite",)
_STEPS = 50_000
"""How many instructions SQLite runs between two looks at the clock: some milliseconds."""
# A transaction that reads and then writes cannot wait for another's end in WAL mode, whatever the busy timeout: it takes the lock first.
_BEGIN = {"sqlite": "BEGIN IMMEDIATE", "mysql": "BEGIN", "mariadb": "BEGIN"}
