"""Locks: rows that nobody else changes meanwhile, and names that one transaction holds at a time."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from sqlalchemy import event, inspect, text
from sqlalchemy.exc import DBAPIError, InvalidRequestError

from erlen.db.selection import NoneFound, fetch_all, statement_of
from erlen.errors import Conflict

if TYPE_CHECKING:
    from sqlalchemy import ExceptionContext

    from erlen.db.queries import Queries

__all__ = ["Locked", "acquire", "end_of_deadlock", "is_locked", "lock_object", "lock_rows"]


class Locked(Conflict):
    """409: another transaction holds the lock, or each of two waited for the other. The client may try again at once."""

    default_detail = "Someone else is changing this at the moment. Try again."

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail, headers={"retry-after": "1"})


def lock_rows(db: Queries, what: Any, where: tuple[Any, ...], *, nowait: bool, skip_locked: bool, of: Any) -> list[Any]:
    """Lock and return what a statement selects; see `Queries.for_update`."""
    db.start_writing()
    statement = statement_of(what, where, ordered=False).with_for_update(nowait=nowait, skip_locked=skip_locked, of=of)
    # What was loaded before the lock may be out of date.
    return fetch_all(db, statement, populate_existing=True)


def lock_object(db: Queries, instance: Any, *, nowait: bool) -> None:
    """Lock the row of an object and read it anew; see `Queries.for_update`."""
    db.start_writing()
    # Only the columns: relations that are loaded stay so.
    try:
        db.refresh(instance, inspect(instance).mapper.column_attrs.keys(), with_for_update={"nowait": nowait})
    except InvalidRequestError:
        if instance not in db:
            raise
        raise NoneFound(f"the row of this {type(instance).__name__} is gone") from None


def acquire(db: Queries, name: str, *, wait: bool) -> None:
    """Take the lock of a name until the transaction ends; see `Queries.advisory_lock`."""
    digest = sha256(name.encode("utf-8", "surrogatepass")).digest()
    with refusing():
        connection = db.connection()  # on SQLite this is the lock
        backend = connection.dialect.name
        if backend == "postgresql":
            function = "pg_advisory_xact_lock" if wait else "pg_try_advisory_xact_lock"
            taken = connection.scalar(text(f"SELECT {function}(:number)"), {"number": int.from_bytes(digest[:8], signed=True)})
            if taken is False:
                raise Locked
        elif backend in ("mysql", "mariadb"):
            # Their locks are the server's, not the database's, and the connection's, not the transaction's.
            pool = connection.engine.pool
            if not event.contains(pool, "reset", _release):
                event.listen(pool, "reset", _release)
            connection.info[_HELD] = True
            seconds = "@@innodb_lock_wait_timeout" if wait else "0"
            statement = text(f"SELECT GET_LOCK(CONCAT(LEFT(DATABASE(), 24), :digest), {seconds})")
            if connection.scalar(statement, {"digest": digest.hex()[:40]}) != 1:
                raise Locked


@contextmanager
def refusing() -> Generator[None]:
    """Raise `Locked` where the database says that it would have to wait, or has waited long enough."""
    try:
        yield
    except DBAPIError as error:
        if is_locked(error.orig):
            raise Locked from error
        raise


def is_locked(error: Any) -> bool:
    """Whether a driver's error tells of a lock that was not to be had: in time, at once, or without a deadlock."""
    arguments: tuple[Any, ...] = getattr(error, "args", ())
    if arguments and isinstance(arguments[0], int):
        return arguments[0] in _NUMBERS
    if hasattr(error, "sqlite_errorname"):
        return str(error.sqlite_errorname).startswith("SQLITE_BUSY")
    return getattr(error, "sqlstate", None) in _STATES


def end_of_deadlock(failure: ExceptionContext) -> None:
    """Give up the connection of a transaction that MySQL or MariaDB has rolled back to end a deadlock. For `handle_error`.

    They would take what follows as statements by themselves, and keep the second half of what was to be one transaction: the session
    refuses them instead, until it is rolled back.
    """
    arguments: tuple[Any, ...] = failure.original_exception.args
    if arguments and arguments[0] == _DEADLOCK:
        failure.is_disconnect = True
        failure.invalidate_pool_on_disconnect = False


def _release(connection: Any, record: Any, state: Any) -> None:
    """Release the locks of a connection that goes back to its pool, when its transaction has ended."""
    if record.info.pop(_HELD, False) and not state.terminate_only:
        cursor = connection.cursor()
        cursor.execute("SELECT RELEASE_ALL_LOCKS()")
        cursor.close()


_HELD = "erlen.held"
_DEADLOCK = 1213
_NUMBERS = (1020, 1205, _DEADLOCK, 3572)
"""Of MySQL's and MariaDB's errors: a row that changed since it was read, a time limit, a deadlock, NOWAIT."""
_STATES = ("55P03", "40P01", "40001")
"""Of PostgreSQL's: a time limit or NOWAIT, a deadlock, a transaction that could not run as if it were alone."""
