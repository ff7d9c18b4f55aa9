"""Rows of large tables, changed in portions, which are committed one by one: none is locked for long, and what is done stays done."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import Connection, Select, inspect, text

from erlen.errors import ErlenError

__all__ = ["delete_in_batches", "in_batches", "update_in_batches"]


def update_in_batches(op: Any, table: str, assignments: str, *, where: str = "", size: int = 1_000) -> None:
    """Change the rows of a table with one statement for each portion, in the order of its primary key.

        update_in_batches(op, "book", "author = 'unknown'", where="author IS NULL")

    A run that was interrupted is continued by another if `where` leaves out what is done.

    Args:
        op: Alembic's operations, as a migration imports them.
        table: its name, as SQL has it.
        assignments: SQL, as it stands after SET: `status = 'new'`.
        where: an SQL condition for the rows that are changed; all by default.
        size: how many rows a transaction goes through.

    Raises:
        ErlenError: if the table has no primary key.
    """
    _change(op, f"UPDATE {table} SET {assignments}", table, where, size, is_repeatable=bool(where))  # noqa: S608 - a migration's own


def delete_in_batches(op: Any, table: str, *, where: str = "", size: int = 1_000) -> None:
    """Delete rows of a table in the same way: `delete_in_batches(op, "visit", where="at < '2020-01-01'")`.

    A run that was interrupted is continued by another in any case: what is deleted is left out.
    """
    _change(op, f"DELETE FROM {table}", table, where, size, is_repeatable=True)  # noqa: S608 - a migration's own


def in_batches(op: Any, query: Select[Any], *, size: int = 1_000) -> Iterator[list[Any]]:
    """Yield the rows that are left to do, a portion at a time, for what SQL cannot say.

        t = tables(op)
        for rows in in_batches(op, sa.select(t.book).where(t.book.c.slug.is_(None))):
            for row in rows:
                op.execute(t.book.update().where(t.book.c.id == row.id).values(slug=slug_of(row.title)))

    Each statement on them is committed by itself. A run that was interrupted is continued by another, as the query leaves out what is done.

    Args:
        op: Alembic's operations, as a migration imports them.
        query: of the rows that are not done yet.
        size: how many rows a portion has.

    Raises:
        ErlenError: if a portion has the rows of the one before: the query must leave out what is done.
    """
    context = op.get_context()
    if context.as_sql:
        raise ErlenError("rows cannot be read without a database: this migration cannot be printed as SQL")
    with getattr(context, "repeatable_block", context.autocommit_block)():
        before: list[Any] = []
        while rows := list(op.get_bind().execute(query.limit(size))):
            if rows == before:
                raise ErlenError("the same rows are left again: the query must leave out rows that are done, as `… IS NULL` does")
            yield rows
            before = rows


def _change(op: Any, head: str, table: str, where: str, size: int, *, is_repeatable: bool) -> None:
    context = op.get_context()
    mark = f"/* in batches of {size} */"
    if context.as_sql:
        op.execute(_plain(f"{head}{f' WHERE {where}' if where else ''} {mark}"))
        return
    with getattr(context, "repeatable_block", context.autocommit_block)() if is_repeatable else context.autocommit_block():
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
