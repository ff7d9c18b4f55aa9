"""Transactions that a database has given up for an error that the program caught: what they wrote would be lost without a word.

PostgreSQL takes no statement after one that failed, and answers a COMMIT by rolling back. SQLite rolls back at once for a few errors, such
as a statement that ran out of time, and takes what follows as statements by themselves. MySQL and MariaDB do so after a deadlock, see
`erlen.db.locks.end_of_deadlock`; their other errors, and SQLite's, undo only the statement.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from sqlalchemy import event

from erlen.db.caller import calling_line
from erlen.errors import ErlenError

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection, Engine, ExceptionContext, PoolProxiedConnection

__all__ = ["ADVICE", "TransactionAborted", "forget", "note_write", "refuse_aborted"]


class TransactionAborted(ErlenError):
    """A transaction cannot be committed: a statement failed in it, the program went on, and the database kept nothing of it."""


def refuse_aborted(engine: Engine) -> None:
    """Let an engine of PostgreSQL or SQLite say so where a transaction cannot be committed any more.

    Only a transaction that has written, and in which a statement failed, is asked whether it still stands: others take no round trip more.
    """
    if engine.dialect.name == "postgresql":
        event.listen(engine, "handle_error", _note_failure)
        vars(engine.dialect)["do_commit"] = partial(_commit, engine.dialect.do_commit)
    else:
        event.listen(engine, "handle_error", _give_up)


def note_write(connection: Connection) -> None:
    """Note that a transaction has written: without that it has nothing to lose, and whoever catches an error of it may go on."""
    connection.info[_WROTE] = True


def forget(info: dict[Any, Any]) -> None:
    """Forget what was noted of a connection of PostgreSQL, whose transaction has ended."""
    info.pop(_FAILED, None)
    info.pop(_WROTE, None)


def _note_failure(failure: ExceptionContext) -> None:
    connection, error = failure.connection, failure.original_exception
    if connection is None or failure.is_disconnect or connection.closed or connection.invalidated:
        return
    where = calling_line()
    what = f"{type(error.__cause__ or error).__name__}{f' at {where}' if where else ''}"  # asyncpg's own error is the cause
    what = connection.info.setdefault(_FAILED, what)
    if failure.sqlalchemy_exception is not None and getattr(error, "sqlstate", None) == _ABORTED:
        failure.sqlalchemy_exception.add_note(_said(what))


def _commit(commit: Callable[[PoolProxiedConnection], None], connection: PoolProxiedConnection) -> None:
    info = connection.info
    failed, wrote = info.pop(_FAILED, None), info.pop(_WROTE, False)
    # What only the driver refused, or a savepoint undid, leaves the transaction standing: the server knows.
    if failed is not None and wrote and _is_aborted(connection):
        connection.rollback()  # SQLAlchemy leaves that to a COMMIT that fails
        raise TransactionAborted(_said(failed))
    commit(connection)


def _is_aborted(connection: PoolProxiedConnection) -> bool:
    cursor = connection.cursor()
    try:
        cursor.execute("SELECT 1")
    except Exception as error:
        if getattr(error, "sqlstate", None) != _ABORTED:
            raise
        return True
    finally:
        cursor.close()
    return False


def _give_up(failure: ExceptionContext) -> None:
    """Give up a connection whose transaction SQLite has rolled back: its session refuses what follows, until it is rolled back too."""
    connection = failure.connection
    if connection is None or failure.execution_context is None or connection.closed or connection.invalidated:
        return
    proxy: Any = connection.connection
    driver = getattr(proxy, "driver_connection", proxy)
    begins = getattr(proxy, "erlen_begin", "BEGIN") != ""
    if begins and connection.in_transaction() and not driver.in_transaction:
        failure.is_disconnect = True
        failure.invalidate_pool_on_disconnect = False


def _said(failed: str) -> str:
    return (
        f"the transaction cannot go on: a statement failed ({failed}), and the database keeps nothing of a transaction after that. {ADVICE}"
    )


ADVICE = (
    "Put what may fail into a savepoint, within the `try`: `with db.savepoint(): …`, in `async def` code `async with db.savepoint(): …`"
)
"""What to do about it."""
_FAILED = "erlen.failed"
_WROTE = "erlen.wrote"
_ABORTED = "25P02"
"""PostgreSQL's SQLSTATE `in_failed_sql_transaction`."""
