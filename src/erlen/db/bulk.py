"""Many rows at a time: written without making objects, read in parts, so that the memory they need is bounded."""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from sqlalchemy import insert, inspect, select, tuple_, update
from sqlalchemy.exc import DataError, IntegrityError, OperationalError

from erlen.db.fields import names_of
from erlen.db.keyset import fetch_after, terms_for
from erlen.db.validation import ValidationError, validate_values
from erlen.db.violations import explain
from erlen.errors import Fault
from erlen.schema.faults import MAX_FAULTS

if TYPE_CHECKING:
    from erlen.db.queries import Queries

__all__ = [
    "Values",
    "explained",
    "fetch_by_key",
    "in_parts",
    "insert_rows",
    "judged",
    "key_of",
    "read_batch",
    "update_rows",
]

Item = TypeVar("Item")

Values: TypeAlias = Mapping[str, Any]
"""The values of one row, by the names of the model's fields."""


def insert_rows(db: Queries, model: type[Any], rows: Iterable[Values], size: int) -> int:
    """Insert rows, so many at a time, and return how many there were; see `Queries.bulk_insert`."""
    count = 0
    for part in in_parts(rows, size):
        valid = judged(model, part, first=count)
        with explained(model):
            db.execute(insert(model), valid)
        count += len(valid)
    return count


def update_rows(db: Queries, model: type[Any], rows: Iterable[Values], size: int) -> int:
    """Update rows by their primary keys, so many at a time, and return how many there were; see `Queries.bulk_update`."""
    keys = key_of(model)
    count = 0
    for part in in_parts(rows, size):
        for row in part:
            if missing := [name for name in keys if row.get(name) is None]:
                raise ValueError(f"each row of bulk_update() says which {model.__name__} it is: {missing[0]!r} is missing")
        valid = judged(model, part, first=count, partial=True)
        with explained(model):
            db.execute(update(model), valid)
        count += len(valid)
    return count


def read_batch(db: Queries, statement: Any, place: Sequence[Any] | None, size: int) -> tuple[list[Any], Sequence[Any] | None]:
    """Return the rows after a place, and the place of the last one; None where nothing can follow."""
    items, places = fetch_after(db, statement, terms_for(statement, "batches()"), place, size)
    return items, places[-1] if len(places) == size else None


def fetch_by_key(db: Queries, model: type[Any], names: Sequence[str], keys: Iterable[Any], **options: Any) -> Iterator[tuple[Any, Any]]:
    """Yield objects by the values of some fields, as (key, object): a key is one value, or a tuple of several."""
    columns = [getattr(model, name) for name in names]
    one = columns[0] if len(columns) == 1 else None
    for part in in_parts(keys, _KEYS_AT_A_TIME):
        found = select(model).where(one.in_(part) if one is not None else tuple_(*columns).in_(part))
        for instance in db.execute(found, execution_options=options).unique().scalars():
            values = tuple(getattr(instance, name) for name in names)
            yield values if one is None else values[0], instance


def in_parts(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Yield the items in lists of at most `size`."""
    if size < 1:
        raise ValueError(f"a batch has at least 1 row, not {size}")
    iterator = iter(items)
    while part := list(islice(iterator, size)):
        yield part


def judged(model: type[Any], rows: Collection[Values], *, first: int = 0, partial: bool = False) -> list[dict[str, Any]]:
    """Return rows as they are stored.

    Raises:
        TypeError: where one names what is no field of the model; SQLAlchemy would leave it out in silence.
        ValidationError: with the faults of all of them, each located at `("body", number of the row, field)`.
    """
    names_of(model, list(dict.fromkeys(name for row in rows for name in row)))
    valid: list[dict[str, Any]] = []
    faults: list[Fault] = []
    for number, row in enumerate(rows, first):
        try:
            valid.append(validate_values(model, row, partial=partial))
        except ValidationError as error:
            faults += [Fault(("body", number, *fault.location[1:]), fault.message) for fault in error.faults]
            if len(faults) >= MAX_FAULTS:
                break
    if faults:
        raise ValidationError(faults[:MAX_FAULTS])
    return valid


def key_of(model: type[Any]) -> tuple[str, ...]:
    """Return the names of the fields that are the primary key."""
    mapper = inspect(model)
    return tuple(mapper.get_property_by_column(column).key for column in mapper.primary_key)


@contextmanager
def explained(model: type[Any]) -> Generator[None]:
    """Raise the field errors that a database's refusal means, as a flush does."""
    try:
        yield
    except (IntegrityError, DataError, OperationalError) as error:
        found = explain(error, inspect(model).registry.mappers)
        if found is None:
            raise
        raise found from error


_KEYS_AT_A_TIME = 500  # databases limit the parameters of a statement: SQLite and asyncpg at 32,766
