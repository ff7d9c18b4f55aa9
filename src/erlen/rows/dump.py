"""Rows, written: one JSON object on each line, streamed from one moment of the database.

    {"erlen":"rows","version":1}
    {"model":"Author","fields":{"id":1,"name":"Ada"}}
    {"rows":1}

Rows come after those that they refer to, where that is possible, and in the order of their keys: the same rows give the same file on
every database.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from msgspec import Struct
from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    LargeBinary,
    Select,
    String,
    Uuid,
    cast,
    collate,
    select,
    text,
    type_coerce,
)
from sqlalchemy.types import TypeDecorator

from erlen.migrations.connection import Limits, connect
from erlen.migrations.target import Target
from erlen.rows.entity import Entity, Field, RowsError, chosen, entities_of, find
from erlen.rows.files import HEADER

__all__ = ["Dumped", "dump"]

Read = Callable[[Sequence[Any]], Any]
"""Gives a value of JSON from a row of the database."""
AT_ONCE = 1000
"""Rows that are fetched at a time."""


class Dumped(Struct, kw_only=True):
    """What `dump` has written: so far, while it writes."""

    rows: dict[str, int] = {}
    """How many rows, by model."""
    unnamed: list[str] = []
    """With natural keys: the models that have none, whose rows keep their ids."""

    @property
    def total(self) -> int:
        return sum(self.rows.values())


def dump(
    target: Target,
    write: Callable[[bytes], object],
    *,
    models: Iterable[str] = (),
    exclude: Iterable[str] = (),
    natural: bool = False,
    where: Mapping[str, str] | None = None,
) -> Dumped:
    """Write the rows of a database. They are read in one transaction that sees one moment, with memory that does not grow.

    Encrypted values stay encrypted. What the database computes is left out.

    Args:
        target: the database and its models.
        write: is given the file in pieces.
        models: names of models; all by default.
        exclude: names of models to leave out.
        natural: let rows name each other by their natural keys and leave out keys that are only counted, for a database with other ids.
        where: conditions in SQL by model, written into the statement as they are: `{"Book": "price > 10"}`.

    Raises:
        RowsError: for a model that is not known, or a value that has no form in JSON.
    """
    done = Dumped()
    with _one_moment(target) as connection:
        every = entities_of(target.metadata, target.database.base, connection.dialect)
        conditions = {id(find(every, name)): condition for name, condition in (where or {}).items()}
        wanted = chosen(every, models, exclude)
        write(_line(HEADER))
        for entity in wanted:
            source = _Source(entity, natural)
            if natural and entity.counted and not entity.natural:
                done.unnamed.append(entity.name)
            for lines in source.read(connection, conditions.get(id(entity))):
                write(b"".join(lines))
                done.rows[entity.name] = done.rows.get(entity.name, 0) + len(lines)
        write(_line({"rows": done.total}))
    return done


@contextmanager
def _one_moment(target: Target) -> Generator[Connection, None, None]:
    """Connect in a transaction for which all statements see the same rows."""
    with connect(target, Limits(statement_timeout=None)) as connection:
        if not target.database.bound and connection.dialect.name != "sqlite":  # whose transactions are so always
            connection.execution_options(isolation_level="REPEATABLE READ")
        yield connection


class _Source:
    """The statement that reads a table, and how its rows become lines."""

    def __init__(self, entity: Entity, natural: bool) -> None:
        self.entity = entity
        self._columns: list[ColumnElement[Any]] = []
        self._from: FromClause = entity.table
        left_out = entity.key if natural and entity.counted and entity.natural else ()
        fields = [field for name, field in entity.fields.items() if name not in left_out]
        self._readers = [(field.name, self._reader(field, entity.table, natural)) for field in fields]

    def read(self, connection: Connection, condition: str | None) -> Iterator[list[bytes]]:
        """Yield the lines, so many at a time."""
        statement: Select[Any] = select(*self._columns).select_from(self._from).order_by(*self._order(connection))
        if condition is not None:
            statement = statement.where(text(f"({condition})"))
        result = connection.execute(statement, execution_options={"stream_results": True, "yield_per": AT_ONCE})
        start = f'{{"model":{json.dumps(self.entity.name, ensure_ascii=False)},"fields":'.encode()
        with result:
            for rows in result.partitions():
                yield [start + _line({name: read(row) for name, read in self._readers})[:-1] + b"}\n" for row in rows]

    def _reader(self, field: Field, table: FromClause, natural: bool) -> Read:
        """Return what reads a field from a row, and see to it that the row has what is needed."""
        column: Any = table.c[field.column.key]
        place = len(self._columns)
        self._columns.append(type_coerce(column, field.codec.type).label(f"c{place}"))
        encode, name = field.codec.encode, f"{self.entity.name}.{field.name}"

        def plain(row: Sequence[Any]) -> Any:
            value = row[place]
            try:
                return None if value is None else encode(value)
            except ValueError as error:
                raise RowsError(f"{name}: {error}: leave the model out with `--exclude {self.entity.name}`") from None

        target = field.target if natural else None
        if target is None:
            return plain
        other = target.table.alias()
        self._from = self._from.outerjoin(other, column == other.c[target.fields[target.key[0]].column.key])
        parts = [(part, self._reader(target.fields[part], other, natural)) for part in target.natural]

        def named(row: Sequence[Any]) -> Any:
            found = {part: read(row) for part, read in parts}
            # What refers to nothing keeps the id, for `load` to complain of.
            return plain(row) if all(value is None for value in found.values()) else found

        return named

    def _order(self, connection: Connection) -> Iterator[ColumnElement[Any]]:
        fields = self.entity.fields.values()
        for field in [self.entity.fields[name] for name in self.entity.key] or fields:
            yield _ordered(field, connection.dialect.name)


def _ordered(field: Field, dialect: str) -> ColumnElement[Any]:
    """Return what orders by a column in the same way on every database."""
    column, kind = field.column, field.codec.type
    if isinstance(kind, TypeDecorator):
        kind = kind.impl_instance
    if dialect == "postgresql" and isinstance(kind, String) and not hasattr(kind, "enums"):
        return collate(column, "C")
    if dialect in ("mysql", "mariadb") and isinstance(kind, String):
        return cast(column, LargeBinary)
    if dialect in ("mysql", "mariadb") and isinstance(kind, Uuid):  # whose own order is by the parts of time
        return cast(column, String(36))
    return column


def _line(data: Any) -> bytes:
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
