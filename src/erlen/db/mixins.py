"""What several models have in common: time stamps, soft deletion, optimistic versions, a place in a list.

Mixins stand before `Model`: `class Article(Timestamps, SoftDelete, Model)`.
"""

from __future__ import annotations

import weakref
from collections.abc import Coroutine, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, TypeVar, overload

from sqlalchemy import Connection, Executable, Select, event, func, inspect, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstanceState, Mapped, Mapper, ORMExecuteState, Session, mapped_column, object_session, with_loader_criteria
from sqlalchemy.orm.exc import StaleDataError

from erlen.db.info import read_only
from erlen.errors import Conflict

__all__ = [
    "Ordered",
    "SoftDelete",
    "Timestamps",
    "Versioned",
    "criteria",
    "hide_deleted",
    "move_down",
    "move_to",
    "move_up",
    "restore",
    "soft_delete",
    "stale_conflict",
]

AnyStatement = TypeVar("AnyStatement", bound=Executable)


def now() -> datetime:
    """Return the time in UTC."""
    return datetime.now(UTC)


# -- time stamps ------------------------------------------------------------------------------------------------------------


class Timestamps:
    """When an object was stored (`created`) and last changed (`updated`), in UTC; `update()` statements change `updated` too.

    Both are set when the object is flushed, by the program's clock.
    """

    created: Mapped[Annotated[datetime, read_only]] = mapped_column(default=now, sort_order=90)
    updated: Mapped[Annotated[datetime, read_only]] = mapped_column(default=now, onupdate=now, sort_order=91)


# -- soft deletion ------------------------------------------------------------------------------------------------------------


class SoftDelete:
    """Rows that stay after they are deleted, and are seen no more: `soft_delete(article)`, `restore(article)`.

    Every `select()` of a session leaves them out, in relations and joins too, and `get` does not find them unless the session holds them
    already; so a relation to a deleted object is None. A statement sees them with `.execution_options(with_deleted=True)`.
    `db.delete(article)`, `delete()` and `update()` statements do what they always do. Unique columns hold for deleted rows too, unless the
    unique index has a condition.
    """

    deleted_at: Mapped[Annotated[datetime | None, read_only]] = mapped_column(default=None, index=True, sort_order=92)

    @property
    def is_deleted(self) -> bool:
        return self.deleted_at is not None


def soft_delete(instance: SoftDelete) -> None:
    """Mark an object as deleted; it is so from the next flush on."""
    instance.deleted_at = now()


def restore(instance: SoftDelete) -> None:
    """Undo `soft_delete`."""
    instance.deleted_at = None


def criteria(statement: AnyStatement) -> AnyStatement:
    """Return a SELECT that leaves out what is softly deleted, also in its joins and in the relations that are loaded after it."""
    if not SoftDelete.__subclasses__() or any(option is _NOT_DELETED for option in getattr(statement, "_with_options", ())):
        return statement
    return statement.options(_NOT_DELETED)


def hide_deleted(state: ORMExecuteState) -> None:
    """Apply `criteria` to what a session executes: a listener for its event `do_orm_execute`.

    Reloading an object that is there already finds it, deleted or not.
    """
    if state.is_select and not state.is_column_load and not state.execution_options.get("with_deleted"):
        state.statement = criteria(state.statement)


def _is_there(cls: type[SoftDelete]) -> Any:  # not a lambda: objects keep the options of their query, also pickled
    return cls.deleted_at.is_(None)


_NOT_DELETED = with_loader_criteria(SoftDelete, _is_there, include_aliases=True)


# -- versions ----------------------------------------------------------------------------------------------------------------


class Versioned:
    """A number that grows with each change, so that nobody overwrites a change they have not seen (optimistic locking).

    An UPDATE or DELETE of a row that has changed since it was loaded fails with `Conflict` (409).
    """

    version: Mapped[Annotated[int, read_only]] = mapped_column(default=1, sort_order=93)
    __mapper_args__: Any = {"version_id_col": version}  # noqa: RUF012 - as in `Base`


def stale_conflict(_: StaleDataError) -> Conflict:
    """Return the answer to an UPDATE that found no row, or a newer version of it."""
    return Conflict("Somebody else has changed or deleted this in the meantime: load it again, and repeat your change.")


# -- places in a list --------------------------------------------------------------------------------------------------------


class Ordered:
    """A place in a list: `class Item(Ordered, Model, within="list_id")` has a `position` in the list it belongs to.

    A new object, and one that changes to another list, comes last. Positions grow but may have gaps; of equal ones, which two
    transactions at once can make, the smaller key comes first. Lists are ordered by position unless the model says another `ordering`.

    `move_up(db, item)`, `move_down(db, item)` and `move_to(db, item, 0)` change the order; with an `AsyncSession` they are awaited, as its
    methods are. The class keyword `within` names the field, or fields, that say which list it is; without it all objects are one list.
    """

    __within__: ClassVar[tuple[str, ...]] = ()
    position: Mapped[Annotated[int, read_only]] = mapped_column(index=True, sort_order=94)

    def __init_subclass__(cls, *, within: str | Sequence[str] | None = None, **keywords: Any) -> None:
        if within is not None:
            cls.__within__ = (within,) if isinstance(within, str) else tuple(within)
        keywords.setdefault("ordering", (*cls.__within__, "position"))
        super().__init_subclass__(**keywords)


@overload
def move_up(db: Session, item: Ordered) -> None: ...
@overload
def move_up(db: AsyncSession, item: Ordered) -> Coroutine[Any, Any, None]: ...
def move_up(db: Session | AsyncSession, item: Ordered) -> Coroutine[Any, Any, None] | None:
    """Change places with the one before it; the first stays where it is.

    Args:
        db: the session of the item; with an `AsyncSession`, `await move_up(db, item)`.
        item: what to move.
    """
    if isinstance(db, AsyncSession):
        return db.run_sync(move_up, item)
    if (other := db.scalars(_neighbours(db, item, before=True)).first()) is not None:
        _swap(db, other, item)
    return None


@overload
def move_down(db: Session, item: Ordered) -> None: ...
@overload
def move_down(db: AsyncSession, item: Ordered) -> Coroutine[Any, Any, None]: ...
def move_down(db: Session | AsyncSession, item: Ordered) -> Coroutine[Any, Any, None] | None:
    """Change places with the one after it; the last stays where it is.

    Args:
        db: the session of the item; with an `AsyncSession`, `await move_down(db, item)`.
        item: what to move.
    """
    if isinstance(db, AsyncSession):
        return db.run_sync(move_down, item)
    if (other := db.scalars(_neighbours(db, item, before=False)).first()) is not None:
        _swap(db, item, other)
    return None


@overload
def move_to(db: Session, item: Ordered, place: int) -> None: ...
@overload
def move_to(db: AsyncSession, item: Ordered, place: int) -> Coroutine[Any, Any, None]: ...
def move_to(db: Session | AsyncSession, item: Ordered, place: int) -> Coroutine[Any, Any, None] | None:
    """Move an item within its list.

    Args:
        db: the session of the item; with an `AsyncSession`, `await move_to(db, item, place)`.
        item: what to move.
        place: how many come before it then; the end where there are not as many.
    """
    if isinstance(db, AsyncSession):
        return db.run_sync(move_to, item, place)
    db.flush()
    cls: Any = type(item)
    others = select(cls.position).where(*_same_list(item), *_is_not(item)).order_by(cls.position, *_key_of(cls))
    around = db.scalars(others.offset(max(place - 1, 0)).limit(2)).all()
    if place > 0 and len(around) == 2 and around[0] == around[1]:
        _renumber(db, item)
        around = db.scalars(others.offset(place - 1).limit(2)).all()
    following = around[place > 0 :]
    if following:
        position = following[0]
        db.execute(update(cls).where(*_same_list(item), *_is_not(item), cls.position >= position).values(position=cls.position + 1))
        item.position = position
    else:
        item.position = (db.scalar(select(func.max(cls.position)).where(*_same_list(item), *_is_not(item))) or 0) + 1
    db.flush()
    return None


def _swap(db: Session, first: Ordered, second: Ordered) -> None:
    if first.position == second.position:
        _renumber(db, first)
    first.position, second.position = second.position, first.position
    db.flush()


def _renumber(db: Session, item: Ordered) -> None:
    """Give the items of a list different positions, in the order they have."""
    cls: Any = type(item)
    for number, each in enumerate(db.scalars(select(cls).where(*_same_list(item)).order_by(cls.position, *_key_of(cls))), 1):
        each.position = number
    db.flush()


def _neighbours(db: Session, item: Ordered, *, before: bool) -> Select[Any]:
    db.flush()
    cls: Any = type(item)
    keys = _key_of(cls)
    order = [cls.position, *keys]
    here = [item.position, *(getattr(item, key.key) for key in keys)]
    # (position, key) < (…) spelled out: not every database compares rows.
    further = [mine < value if before else mine > value for mine, value in zip(order, here, strict=True)]
    found: Any = further[-1]
    for mine, value, step in zip(order[-2::-1], here[-2::-1], further[-2::-1], strict=True):
        found = step | ((mine == value) & found)
    return select(cls).where(*_same_list(item), found).order_by(*(each.desc() if before else each for each in order)).limit(1)


def _same_list(item: Ordered) -> list[Any]:
    return [getattr(type(item), name) == getattr(item, name) for name in item.__within__]


def _is_not(item: Ordered) -> list[Any]:
    state: InstanceState[Any] = inspect(item)
    keys = _key_of(type(item))
    different: Any = keys[0] != getattr(item, keys[0].key)
    for key in keys[1:]:
        different = different | (key != getattr(item, key.key))
    return [different] if state.persistent else []


def _key_of(cls: type) -> list[Any]:
    mapper: Mapper[Any] = inspect(cls)
    return [getattr(cls, mapper.get_property_by_column(column).key) for column in mapper.primary_key]


@event.listens_for(Ordered, "before_insert", propagate=True)
def _place_new(mapper: Mapper[Any], connection: Connection, target: Ordered) -> None:
    if inspect(target).dict.get("position") is None:
        target.position = _next_position(mapper, connection, target)


@event.listens_for(Ordered, "before_update", propagate=True)
def _place_moved(mapper: Mapper[Any], connection: Connection, target: Ordered) -> None:
    attributes = inspect(target).attrs
    if any(attributes[name].history.has_changes() for name in target.__within__) and not attributes["position"].history.has_changes():
        target.position = _next_position(mapper, connection, target)


def _next_position(mapper: Mapper[Any], connection: Connection, target: Ordered) -> int:
    """Return the position after the last. All objects of one flush ask before any is stored, so the session remembers what was given."""
    session = object_session(target)
    assert session is not None
    transaction = session.get_transaction()
    given: dict[Any, int]
    of, given = session.info.get("erlen.positions", (None, {}))
    if of is None or of() is not transaction:
        given = {}
        session.info["erlen.positions"] = (None if transaction is None else weakref.ref(transaction), given)
    column = mapper.column_attrs["position"].columns[0]
    scope = tuple(getattr(target, name) for name in target.__within__)
    if (column, scope) not in given:
        same = [mapper.column_attrs[name].columns[0] == value for name, value in zip(target.__within__, scope, strict=True)]
        given[column, scope] = connection.scalar(select(func.max(column)).where(*same)) or 0
    given[column, scope] += 1
    return given[column, scope]
