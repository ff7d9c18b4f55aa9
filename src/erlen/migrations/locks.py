"""One deploy at a time; time limits of a connection; and who holds what a statement waits for."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError

from erlen.errors import ErlenError
from erlen.migrations.connection import Limits
from erlen.migrations.migration import Migration

__all__ = ["Busy", "holders", "limit", "not_to_be_had", "one_at_a_time", "pauses", "process_of"]

_KEY = int.from_bytes(sha256(b"erlen.migrations").digest()[:8], signed=True)
_PAUSE = 0.25
"""Seconds between two tries to take the lock."""


class Busy(ErlenError):
    """Another process migrates the database, or holds what a migration needs, for longer than was to be waited."""


@contextmanager
def one_at_a_time(connection: Connection, wait: float, waiting: Callable[[str], None]) -> Generator[None, None, None]:
    """Hold the lock of migrations of a database, on PostgreSQL, MySQL and MariaDB, until the end of the block or of the connection.

    SQLite has one writer at a time anyway: there each migration's transaction is the lock.

    Args:
        connection: which will hold it.
        wait: for how many seconds at most.
        waiting: called once, with who has it, when it is not free.

    Raises:
        Busy: if it is not free in time.
    """
    backend = connection.dialect.name
    if backend == "sqlite":
        yield
        return
    values: dict[str, Any]
    if backend == "postgresql":
        take, release, values = "SELECT pg_try_advisory_lock(:key)", "SELECT pg_advisory_unlock(:key)", {"key": _KEY}
    else:
        take, release, values = "SELECT GET_LOCK(:key, 0)", "SELECT RELEASE_LOCK(:key)", {"key": _mysql_key(connection)}
    end, told = time.monotonic() + wait, False
    # It is asked for again and again: a statement that waits for it would have a snapshot, which CREATE INDEX CONCURRENTLY waits for.
    while not _run(connection, take, values):
        if not told:
            waiting(_holder(connection, values["key"]))
            told = True
        if time.monotonic() > end:
            raise Busy(
                f"another process migrates this database, and has for {wait:g} seconds: {_holder(connection, values['key'])}\n"
                "  fix wait for its end, or wait longer here: `--wait SECONDS`"
            )
        time.sleep(_PAUSE)
    try:
        yield
    finally:
        with suppress(SQLAlchemyError):  # the end of a connection ends its lock too
            connection.rollback()
            _run(connection, release, values)


def limit(connection: Connection, limits: Limits) -> None:
    """Set the time limits of a connection, outside of a transaction."""
    lock, statement = limits.lock_timeout, limits.statement_timeout
    backend = connection.dialect.name
    if backend == "postgresql":
        settings = [f"SET lock_timeout = {round(lock * 1000)}", f"SET statement_timeout = {round((statement or 0) * 1000)}"]
    elif backend == "sqlite":
        settings = [f"PRAGMA busy_timeout = {round(lock * 1000)}"]
    else:
        # Whole seconds; a table's definition has a lock of its own, which by default is waited for a day.
        seconds = max(1, math.ceil(lock))
        settings = [f"SET SESSION innodb_lock_wait_timeout = {seconds}, SESSION lock_wait_timeout = {seconds}"]
        if getattr(connection.dialect, "is_mariadb", False):
            settings.append(f"SET SESSION max_statement_time = {statement or 0:g}")
        else:
            settings.append(f"SET SESSION max_execution_time = {round((statement or 0) * 1000)}")
    for setting in settings:
        connection.exec_driver_sql(setting)
    connection.commit()


def pauses(limits: Limits) -> list[float]:
    """Return for how many seconds to pause before each further try to get a lock."""
    return [limits.lock_timeout * share for share in (0.2, 0.4, 0.8, 1.6)]


def not_to_be_had(migration: Migration | None, limits: Limits, found: list[str]) -> str:
    """Say that a lock was tried for long enough, and who holds it."""
    what = f"{migration.path} needs a lock" if migration is not None else "the migrations need a lock"
    who = "".join(f"\n  held by {each}" for each in found)
    return (
        f"{what} that was not to be had: tried {len(pauses(limits)) + 1} times, each for {limits.lock_timeout:g} seconds{who}\n"
        "  fix try again when there is less going on, end who holds it, or wait longer: `--lock-timeout SECONDS`"
    )


def process_of(connection: Connection) -> int:
    """Return the number by which a server knows a connection; 0 on SQLite."""
    if connection.dialect.name == "sqlite":
        return 0
    query = "SELECT pg_backend_pid()" if connection.dialect.name == "postgresql" else "SELECT CONNECTION_ID()"
    number = int(connection.scalar(text(query)))
    connection.commit()
    return number


def holders(connection: Connection, process: int) -> list[str]:
    """Return who holds what another connection waits for, asked on a connection of its own; empty where it waits for nobody."""
    rows = connection.execute(text(_HOLDERS[connection.dialect.name]), {"process": process})
    return [_described(row) for row in rows]


def _described(row: Any) -> str:
    """Return a line about a connection: its number, who it is, for how long it has its transaction, and what it runs."""
    since = f", for {_seconds(row.seconds)}" if row.seconds is not None else ""
    does = f": {' '.join(row.query.split())[:120]}" if row.query else ""
    return f"process {row.process} ({row.who}{since}){does}"


def _seconds(seconds: float) -> str:
    seconds = round(float(seconds))
    return f"{seconds} s" if seconds < 120 else f"{seconds // 60} min"


def _run(connection: Connection, query: str, values: dict[str, Any]) -> bool:
    found = bool(connection.scalar(text(query), values))
    connection.commit()
    return found


def _holder(connection: Connection, key: Any) -> str:
    query = _HOLDER["postgresql" if connection.dialect.name == "postgresql" else "mysql"]
    values = {"high": (key >> 32) & 0xFFFFFFFF, "low": key & 0xFFFFFFFF} if isinstance(key, int) else {"key": key}
    row = connection.execute(text(query), values).first()
    connection.commit()
    return _described(row) if row is not None else "it has just ended"


def _mysql_key(connection: Connection) -> str:
    """Return a name for the lock: those of MySQL are the server's, not the database's, and of 64 characters at most."""
    name = str(connection.scalar(text("SELECT DATABASE()")))
    connection.commit()
    return f"erlen.migrations.{sha256(name.encode()).hexdigest()[:40]}"


_PROCESSES = """
    SELECT a.pid AS process, concat_ws(' ', nullif(a.application_name, ''), a.usename, host(a.client_addr)) AS who,
           extract(epoch FROM clock_timestamp() - coalesce(a.xact_start, a.backend_start)) AS seconds, a.query AS query
    FROM pg_stat_activity a"""
_THREADS = """
    SELECT p.id AS process, CONCAT_WS(' ', p.user, p.host) AS who, p.time AS seconds, p.info AS query
    FROM information_schema.processlist p"""
# ruff: noqa: S608 - all of it is written here
_HOLDER = {
    "postgresql": f"{_PROCESSES} JOIN pg_locks l ON l.pid = a.pid WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 "
    "AND l.classid = CAST(:high AS bigint) AND l.objid = CAST(:low AS bigint) "
    "AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())",
    "mysql": f"{_THREADS} WHERE p.id = IS_USED_LOCK(:key)",
}
_HOLDERS = {
    "postgresql": f"{_PROCESSES} WHERE a.pid = ANY(pg_blocking_pids(:process))",
    "mysql": f"{_THREADS} JOIN information_schema.innodb_trx t ON t.trx_mysql_thread_id = p.id "
    "WHERE p.db = DATABASE() AND p.id NOT IN (:process, CONNECTION_ID()) AND EXISTS "
    "(SELECT 1 FROM information_schema.processlist w WHERE w.id = :process AND w.state LIKE '%lock%')",
}
_HOLDERS["mariadb"] = _HOLDERS["mysql"]
