"""Pages that go on from a row instead of a number: `db.keyset(select(Article), after=cursor)`.

A page costs the same wherever it is in the list, and rows that come or go meanwhile neither repeat nor hide others. A cursor holds what
the list is ordered by of the row it stands at: signed, but readable by whoever has it. It fits the lists that select the same and are
ordered the same; other criteria only change which rows follow.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from hashlib import sha256
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from uuid import UUID

from sqlalchemy import Column, ColumnElement, Table, inspect

from erlen.db.columns.choice import Choice
from erlen.db.ordering import Term, follow, terms_of
from erlen.db.selection import backend_of, each_once, is_limited, value_of
from erlen.errors import BadRequest
from erlen.security.signing import BadSignature, Signer

if TYPE_CHECKING:
    from erlen.db.queries import Queries

__all__ = ["Keyset", "fetch_after", "read_keyset", "terms_for"]

Item = TypeVar("Item")


class Keyset(Generic[Item]):
    """One page of a list that is read on from a cursor.

    Args:
        items: the items of this page.
        next: the cursor that the page after this one begins behind, None on the last page.
        previous: the cursor that the page before this one ends at, None on the first page.
    """

    def __init__(self, items: Sequence[Item], *, next: str | None = None, previous: str | None = None) -> None:
        self.items = items
        """The items of this page."""
        self.next = next
        """The cursor to give as `after` for the page after this one, or None."""
        self.previous = previous
        """The cursor to give as `before` for the page before this one, or None."""

    @property
    def has_next(self) -> bool:
        """Whether a page follows."""
        return self.next is not None

    @property
    def has_previous(self) -> bool:
        """Whether a page stands before this one."""
        return self.previous is not None

    def __iter__(self) -> Iterator[Item]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)

    def __bool__(self) -> bool:
        return bool(self.items)

    def __json__(self) -> dict[str, Any]:
        """Return what leaves as JSON."""
        return {"items": self.items, "next": self.next, "previous": self.previous}

    def __repr__(self) -> str:
        return f"<Keyset of {len(self.items)} items>"


def read_keyset(db: Queries, statement: Any, size: int, after: str | None, before: str | None) -> Keyset[Any]:
    """Return one page of what a statement selects; see `Queries.keyset`."""
    if size < 1:
        raise ValueError(f"a page has at least 1 item, not size={size}")
    if after and before:
        raise BadRequest("Give a cursor to go on after or before, not both.")
    terms = terms_for(statement, "keyset()")
    cursors = _Cursors(statement, terms, db.database.keys)
    backward = bool(before)
    token = before or after
    place = cursors.read(token) if token else None
    directed = [term.reverse() for term in terms] if backward else terms
    # One row more tells whether there is a further page.
    items, places = fetch_after(db, statement, directed, place, size + 1)
    is_more = len(items) > size
    items, places = items[:size], places[:size]
    if backward:
        items.reverse()
        places.reverse()
    # Where the page came from there is at least the row of the cursor.
    has_next, has_previous = (bool(items), is_more) if backward else (is_more, bool(items and after))
    return Keyset(
        items,
        next=cursors.write(places[-1]) if has_next else None,
        previous=cursors.write(places[0]) if has_previous else None,
    )


def terms_for(statement: Any, caller: str) -> list[Term]:
    """Return the complete order of a statement that can be read on from a row.

    Raises:
        ValueError: for a statement that cannot.
    """
    if not hasattr(statement, "add_columns") or statement._group_by_clauses:
        raise ValueError(f"{caller} reads rows of tables: put a UNION or GROUP BY into a subquery, and select from that")
    if is_limited(statement):
        raise ValueError(f"{caller} says itself which rows it wants: leave limit() and offset() out of the statement")
    terms = terms_of(statement, complete=True)
    if not terms or not all(isinstance(term.expression, ColumnElement) for term in terms):
        raise ValueError(f"{caller} needs an order that it understands: say attributes in order_by(), no text, which tell the rows apart")
    return terms


def fetch_after(
    db: Queries, statement: Any, terms: Sequence[Term], place: Sequence[Any] | None, limit: int, **options: Any
) -> tuple[list[Any], list[Any]]:
    """Return what follows a place, and the place of each item: the values of the terms."""
    backend = backend_of(db, statement)
    width = len(statement.column_descriptions)
    if place is not None:
        statement = statement.where(follow(terms, place, backend))
    order = [clause for term in terms for clause in term.order(backend)]
    keys = [term.key(backend).label(f"erlen_key_{position}") for position, term in enumerate(terms)]
    statement = statement.add_columns(*keys).order_by(None).order_by(*order).limit(limit)
    result = each_once(db.execute(statement, execution_options=options)).freeze()
    places = list(result().columns(*range(width, width + len(keys))).all())
    return [value_of(row) for row in result().columns(*range(width)).all()], places


class _Cursors:
    """Writes and reads the cursors of one list."""

    def __init__(self, statement: Any, terms: Sequence[Term], keys: tuple[str, ...]) -> None:
        self._terms = terms
        self._signer = _signer(keys)
        self._list = _identify(statement, terms)

    def write(self, place: Sequence[Any]) -> str:
        return self._signer.dumps([self._list, [_pack(value) for value in place]], _PURPOSE)

    def read(self, token: str) -> list[Any]:
        try:
            origin, place = self._signer.loads(token, _PURPOSE)
            if origin != self._list:
                raise BadRequest("This cursor belongs to another list, or to another order of this one. Begin at the first page.")
            return [_unpack(value, term.expression) for value, term in zip(place, self._terms, strict=True)]
        except (BadSignature, ValueError, LookupError, TypeError):
            raise BadRequest("This cursor is not valid. Begin at the first page.") from None


@lru_cache(maxsize=8)
def _signer(keys: tuple[str, ...]) -> Signer:
    return Signer(keys, debug=True)  # whether they are good enough was looked at when the application froze


def _identify(statement: Any, terms: Sequence[Term]) -> str:
    """Return what tells lists apart whose cursors must not be mixed up: what they select, and in which order."""
    parts = [f"{one['name']} {_name(one['expr'])}" for one in statement.column_descriptions]
    parts += [f"{_name(term.expression)} {term.descending:d}{term.nullable:d}{term.nulls_first:d}" for term in terms]
    return sha256("\n".join(parts).encode()).hexdigest()[:16]


def _name(expression: Any) -> str:
    """Return a text that is the same in every process."""
    if isinstance(expression, Column) and isinstance(expression.table, Table):
        return f"{expression.table.fullname}.{expression.name}"  # PERF: making SQL of it takes twenty times as long
    if isinstance(expression, ColumnElement):
        return str(expression)
    inspected: Any = inspect(expression)
    return str(inspected.mapper.class_.__qualname__ if inspected.is_mapper or inspected.is_aliased_class else expression)


def _pack(value: Any) -> object:
    if isinstance(value, Enum):
        return ["enum", value.name]
    for name, (kind, write, _) in _KINDS.items():
        if isinstance(value, kind):
            return [name, write(value)]
    if value is None or isinstance(value, str | int):
        return value
    raise TypeError(f"a list cannot be continued by {type(value).__name__}: order it by numbers, text or times")


def _unpack(value: Any, expression: Any) -> Any:
    if not isinstance(value, list):
        return value
    name, text = value
    if name != "enum":
        return _KINDS[name][2](text)
    kind: Any = expression.type
    return (kind.annotation if isinstance(kind, Choice) else kind.python_type)[text]


_PURPOSE = "erlen.db.keyset"
# What JSON does not have, or would change. The order counts: a datetime is a date.
_KINDS: Mapping[str, tuple[type, Callable[[Any], object], Callable[[Any], object]]] = {
    "float": (float, repr, float),
    "datetime": (datetime, datetime.isoformat, datetime.fromisoformat),
    "date": (date, date.isoformat, date.fromisoformat),
    "time": (time, time.isoformat, time.fromisoformat),
    "microseconds": (timedelta, lambda value: value // timedelta(microseconds=1), lambda count: timedelta(microseconds=count)),
    "decimal": (Decimal, str, Decimal),
    "uuid": (UUID, str, UUID),
    "bytes": (bytes, lambda value: b64encode(value).decode(), b64decode),
    "ipv4": (IPv4Address, str, IPv4Address),
    "ipv6": (IPv6Address, str, IPv6Address),
}
