"""Tables as they are while a migration runs, for the ones that change rows: models may have changed since it was written."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import NoSuchTableError

from erlen.errors import ErlenError

__all__ = ["Tables", "tables"]


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
            except NoSuchTableError:
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
