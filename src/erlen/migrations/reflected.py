"""Tables as they are while a migration runs, for the ones that change rows: models may have changed since it was written."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

from erlen.errors import ErlenError

__all__ = ["Tables", "in_batches", "tables"]


class Tables:
    """Tables by name: `t.book`, or `t["sales.book"]` in another schema. Each is read from the database when it is first asked for."""

    def __init__(self, op: Any) -> None:
        self._op = op
        self._found: dict[str, sa.Table] = {}

    def __getattr__(self, name: str) -> sa.Table:
        if name.startswith("__"):
            raise AttributeError(name)
        return self[name]

    def __getitem__(self, name: str) -> sa.Table:
        if name not in self._found:
            if self._op.get_context().as_sql:
                raise ErlenError(f"the table {name} cannot be read without a database: this migration cannot be printed as SQL")
            schema, _, table = name.rpartition(".")
            try:
                made = sa.Table(table, sa.MetaData(), schema=schema or None, autoload_with=self._op.get_bind(), resolve_fks=False)
            except sa.exc.NoSuchTableError:
                raise ErlenError(f"there is no table {name} at this point of the migrations") from None
            self._found[name] = made
        return self._found[name]


def tables(op: Any) -> Tables:
    """Return the tables as they are at this point of the migrations.

        t = tables(op)
        op.execute(t.book.update().where(t.book.c.author.is_(None)).values(author="unknown"))

    Args:
        op: Alembic's operations, as a migration imports them.
    """
    return Tables(op)


def in_batches(op: Any, query: sa.Select[Any], size: int = 1_000) -> Iterator[list[Any]]:
    """Yield the rows that are left to do, some at a time; what is done with them is committed before the next ones are read.

        for rows in in_batches(op, sa.select(t.book).where(t.book.c.slug.is_(None))):
            for row in rows:
                op.execute(t.book.update().where(t.book.c.id == row.id).values(slug=slug_of(row.title)))

    A run that was interrupted is continued by another, as the query leaves out what is done.

    Args:
        op: Alembic's operations, as a migration imports them.
        query: of the rows that are not done yet.
        size: how many rows at a time.

    Raises:
        ErlenError: if rows are read again that were done: the query must leave them out.
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
