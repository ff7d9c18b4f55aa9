"""Statements that need a transaction, found in the SQL that a session without one is about to send.

What is built of `insert()`, `update()`, `delete()` or `with_for_update()` the session sees before. This is for what can only be seen in
the SQL itself: a SELECT with an `INSERT … RETURNING` in its WITH, a lock in a subquery, text.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from erlen.db.aborted import note_write
from erlen.db.engines import wrap_execution

if TYPE_CHECKING:
    from sqlalchemy import Engine

__all__ = ["NeedsTransaction", "may_change", "refuse_changes"]


class NeedsTransaction(Exception):
    """A statement was not sent, because it may change something and would be committed by itself."""


@lru_cache(maxsize=1024)
def may_change(statement: str) -> bool:
    """Whether a statement may change or lock something: everything but what is known to read. What a function does is not known."""
    begins = _FIRST_WORD(statement)
    return begins is None or begins[1].lower() not in _READS or _CHANGES(statement) is not None


@lru_cache(maxsize=1024)
def _may_write(statement: str) -> bool:
    """Whether a statement that may change something does more than to lock rows or to set a savepoint."""
    begins = _FIRST_WORD(statement)
    return (begins is None or begins[1].lower() not in _SAVEPOINTS) and may_change(_LOCK("", statement))


def refuse_changes(*readers: Engine) -> None:
    """Let views of an engine send only what reads; anything else raises `NeedsTransaction` before it is sent."""

    def look(send: Callable[..., None], cursor: Any, statement: str, *rest: Any) -> None:
        # PERF: on the way of every statement; one that was looked at before costs a quarter of a microsecond.
        changes = may_change(statement)
        if changes and rest[-1].root_connection.engine in readers:
            raise NeedsTransaction(
                "this statement may change something: call the session's `start_writing()` before you ask for its engine"
            )
        send(cursor, statement, *rest)
        if changes and is_postgresql and _may_write(statement):
            note_write(rest[-1].root_connection)

    is_postgresql = readers[0].dialect.name == "postgresql"
    wrap_execution(readers[0].dialect, look)


_FIRST_WORD = re.compile(r"[\s(;]*+(\w++)").match
_READS = frozenset({"select", "with", "values", "show", "explain", "pragma", "describe", "table"})
# Not as the name of a column or parameter: a quote or a dot before it.
_CHANGES = re.compile(
    r"(?<![\w.\"`$@:])(?:insert|update|delete|merge|truncate|into|for\s++(?:key\s++)?share|in\s++share\s++mode)\b|;\s*+\w", re.IGNORECASE
).search
_LOCK = re.compile(r"(?<![\w.\"`$@:])for\s++(?:no\s++key\s++update|update|key\s++share|share)\b", re.IGNORECASE).sub
_SAVEPOINTS = frozenset({"savepoint", "release", "rollback"})
