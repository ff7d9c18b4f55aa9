"""Rows of large tables, changed in portions: each is a transaction of its own, so that none is locked for long."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, inspect, text

from erlen.errors import ErlenError

__all__ = ["delete_in_batches", "update_in_batches"]


def update_in_batches(op: Any, table: str, assignments: str, *, where: str = "", size: int = 1_000) -> None:
    """Change the rows of a table, in the order of its primary key.

    A run that was interrupted is continued by another if `where` leaves out what is done: `status IS NULL`.

    Args:
        op: Alembic's operations, as a migration imports them.
        table: its name, as SQL has it.
        assignments: SQL, as it stands after SET: `status = 'new'`.
        where: an SQL condition for the rows that are changed; all by default.
        size: how many rows a transaction goes through.

    Raises:
        ErlenError: if the table has no primary key.
    """
    _in_batches(op, f"UPDATE {table} SET {assignments}", table, where, size)  # noqa: S608 - a migration's own


def delete_in_batches(op: Any, table: str, *, where: str = "", size: int = 1_000) -> None:
    """Delete rows of a table, in the order of its primary key; see `update_in_batches`."""
    _in_batches(op, f"DELETE FROM {table}", table, where, size)  # noqa: S608 - a migration's own


def _in_batches(op: Any, head: str, table: str, where: str, size: int) -> None:
    context = op.get_context()
    mark = f"/* in batches of {size} */"
    if context.as_sql:
        op.execute(_plain(f"{head}{f' WHERE {where}' if where else ''} {mark}"))
        return
    with getattr(context, "repeatable_block", context.autocommit_block)() if where else context.autocommit_block():
        connection: Connection = op.get_bind()
        key = _key(connection, table)
        listed = ", ".join(key)
        left = f"({listed})"
        after: Mapping[str, Any] = {}
        while True:
            begin = f"{left} > ({', '.join(f':after_{number}' for number in range(len(key)))})" if after else ""
            rows = f"{table}{f' WHERE {begin}' if begin else ''}"
            query = f"SELECT {listed} FROM {rows} ORDER BY {listed} LIMIT 1 OFFSET {size - 1}"  # noqa: S608 - a migration's own
            last = connection.execute(text(query), after).first()
            upto = {f"upto_{number}": value for number, value in enumerate(last)} if last is not None else {}
            end = f"{left} <= ({', '.join(f':{name}' for name in upto)})" if upto else ""
            conditions = " AND ".join(filter(None, (begin, end, f"({_plain(where)})" if where else "")))
            connection.execute(text(f"{_plain(head)}{f' WHERE {conditions}' if conditions else ''} {mark}"), {**after, **upto})
            if last is None:
                return
            after = {f"after_{number}": value for number, value in enumerate(last)}


def _key(connection: Connection, table: str) -> list[str]:
    schema, _, name = table.replace('"', "").replace("`", "").rpartition(".")
    columns = inspect(connection).get_pk_constraint(name, schema=schema or None)["constrained_columns"]
    if not columns:
        raise ErlenError(f"{table} has no primary key to go through its rows by: change them in one statement, `op.execute(…)`")
    return [connection.dialect.identifier_preparer.quote(column) for column in columns]


def _plain(sql: str) -> str:
    """Return SQL for `text()`, which takes a colon for a parameter."""
    return sql.replace(":", r"\:")
