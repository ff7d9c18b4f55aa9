"""Relations and deferred columns that load for all peers at once, and a clear error where they cannot load.

Peers are the objects of a session that one query loaded. Touching an attribute of one that is not loaded loads it for up to 500 of
them in one statement: SQLAlchemy asks for one object, the event `do_orm_execute` answers for all.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from types import FrameType
from typing import TYPE_CHECKING, Any, cast

from msgspec import Struct
from sqlalchemy import BindParameter, ColumnElement, Result, Select, bindparam, event, inspect, select, tuple_
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.orm import (
    InstanceState,
    Mapper,
    ORMExecuteState,
    RelationshipDirection,
    RelationshipProperty,
    UserDefinedOption,
    lazyload,
    load_only,
)
from sqlalchemy.orm.attributes import InstrumentedAttribute, QueryableAttribute, set_committed_value
from sqlalchemy.orm.exc import DetachedInstanceError
from sqlalchemy.sql import operators
from sqlalchemy.sql.elements import BinaryExpression, BooleanClauseList
from sqlalchemy.sql.visitors import iterate, replacement_traverse
from sqlalchemy.util.concurrency import in_greenlet

from erlen.db.caller import calling_line
from erlen.db.model import Base
from erlen.db.names import plural_of, snake_case
from erlen.errors import ErlenError, Mistake

if TYPE_CHECKING:
    from sqlalchemy.orm import Session as AnySession

    from erlen.db.session import AsyncSession, Session

__all__ = ["AsyncRelations", "NotLoaded", "Relations", "explain_detached", "install"]

MOST_AT_ONCE = 500
"""Objects that one statement loads for: what every database's limit of parameters allows, and what `selectinload` takes."""


class NotLoaded(ErlenError, InvalidRequestError):
    """An attribute is not loaded, and cannot be where it was touched (in `async def` code, after its session) or must not (strict)."""

    def __init__(self, message: str, where: str = "", fix: str = "") -> None:
        super().__init__(str(Mistake(message, where, fix)))
        self.where = where


class Relations:
    """What a session has for loading relations."""

    _asked_for: Sequence[InstanceState[Any]] | None = None
    """While `load` is at work: whom it loads for."""

    def load(self, objects: object, *attributes: QueryableAttribute[Any]) -> None:
        """Load relations, or deferred columns, of objects that are there: `db.load(articles, Article.author)`, one statement each.

        What is loaded already stays as it is.

        Args:
            objects: one, or any number, of this session.
            attributes: of these objects, and of those loaded by the attributes before: `db.load(articles, Article.author, User.company)`.

        Raises:
            NotLoaded: for an object that belongs to no session or to another one.
        """
        given = [objects] if isinstance(inspect(objects, raiseerr=False), InstanceState) else list(cast("Iterable[object]", objects))
        found = dict.fromkeys(map(_state_of, given))
        for attribute in attributes:
            key, owner = attribute.key, attribute.parent.mapper.class_
            states = [state for state in found if isinstance(state.obj(), owner) and state.key is not None]
            for state in states:
                if state.session is not cast("AnySession", self):
                    raise _detached(state, key)
            before, self._asked_for = self._asked_for, states
            try:
                for state in states:
                    if key not in state.dict:
                        getattr(state.obj(), key)
            finally:
                self._asked_for = before
            found |= dict.fromkeys(related for state in states for related in _related(state.dict.get(key)))


class AsyncRelations:
    """What an `AsyncSession` has for loading relations."""

    async def load(self, objects: object, *attributes: QueryableAttribute[Any]) -> None:
        """Load relations, or deferred columns, of objects that are there; see `Session.load`."""
        await cast("AsyncSession", self).run_sync(lambda db: cast("Session", db).load(objects, *attributes))


def install(session_class: type[AnySession]) -> None:
    """Let the sessions of a class load for all peers. Listeners that change statements come before this one, whose statements they see."""
    event.listen(session_class, "do_orm_execute", _see_statement)


class _Strict(UserDefinedOption):
    """Carries the execution option `strict` of a query to what is loaded after it."""

    propagate_to_loaders = True


def _see_statement(execution: ORMExecuteState) -> Result[Any] | None:
    """Answer what SQLAlchemy asks for one object, for all its peers; let every other statement pass."""
    if not execution.is_select:
        return None
    state = execution.lazy_loaded_from
    if state is not None:
        path = execution.loader_strategy_path
        relation = path[-1] if path is not None and not path.is_root else None
        if not isinstance(relation, RelationshipProperty) or state.key is None:
            return None
        _refuse(execution, state, relation.key)
        return _load_relation(execution, state, relation)
    if execution.is_column_load:
        refreshed = _refreshed(execution)
        if refreshed is None:
            return None
        _refuse(execution, refreshed[0], *refreshed[1])
        return _load_columns(execution, *refreshed)
    strict = execution.execution_options.get("strict")
    if strict is not None and execution.is_orm_statement and not execution.is_relationship_load:
        execution.statement = execution.statement.options(_Strict(bool(strict)))
    return None


# -- what must not be loaded ------------------------------------------------------------------------------------------------


def _refuse(execution: ORMExecuteState, state: InstanceState[Any], *keys: str) -> None:
    """Raise NotLoaded where nothing can be awaited, or where a strict session was not asked for this."""
    session = cast("Session", execution.session)
    asynchronous = session.colour == "loop"
    if asynchronous and not in_greenlet():
        raise _not_loaded(state, _touched_among(keys), "`async def` code cannot load it by touching it", asynchronous=True)
    strict = next((option.payload for option in execution.user_defined_options if isinstance(option, _Strict)), session.strict)
    if not strict or session._asked_for is not None or state.expired or not state.expired_attributes.isdisjoint(keys):
        return
    # What SQLAlchemy touches for itself, as to delete what belongs to an object, nobody could have asked for.
    if (touch := _touch()) is not None and touch.f_back is not None:
        raise _not_loaded(state, keys[0], "the session is strict: it loads what it is asked for", asynchronous=asynchronous)


def _not_loaded(state: InstanceState[Any], key: str, why: str, *, asynchronous: bool) -> NotLoaded:
    owner = state.class_.__name__
    one, attribute = snake_case(owner), f"{owner}.{key}"
    many, awaited = plural_of(one), "await " if asynchronous else ""
    option = "selectinload" if key in state.mapper.relationships else "undefer"
    fix = f"with the query: `.options({option}({attribute}))`; for objects that are there: `{awaited}db.load({many}, {attribute})`"
    if key not in state.mapper.relationships and (state.expired or key in state.expired_attributes):
        fix = f"`{awaited}db.refresh({one})` after what changed it"
    elif asynchronous:
        fix += f"; or for all of them where it is needed: `await {one}.awaitable_attrs.{key}`"
    return NotLoaded(f"{attribute} is not loaded, and {why}", calling_line(), fix)


def _detached(state: InstanceState[Any], key: str) -> NotLoaded:
    attribute = f"{state.class_.__name__}.{key}"
    option = "selectinload" if key in state.mapper.relationships else "undefer"
    fix = f"load it before: `.options({option}({attribute}))` with the query, or `db.load(…, {attribute})`; or `db.merge()` the object"
    return NotLoaded(f"{attribute} is not loaded, and the session of its object has ended", calling_line(), fix)


def _touch() -> FrameType | None:
    """Return the frame of the attribute that is touched, if what is being loaded is loaded because one is."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__", "").startswith(("sqlalchemy.", "erlen.")):
        if frame.f_code is InstrumentedAttribute.__get__.__code__:
            return frame
        frame = frame.f_back
    return None


def _touched_among(keys: Collection[str]) -> str:
    """Return which of the columns that are loaded together was touched."""
    touch = _touch()
    touched = None if touch is None else cast("str", touch.f_locals["self"].key)
    return touched if touched is not None and touched in keys else min(keys)


def explain_detached(base: type) -> None:
    """Let the classes derived from `base` say clearly that an object's session has ended."""
    event.listen(base, "mapper_configured", _wrap_loaders, propagate=True)


def _wrap_loaders(mapper: Mapper[Any], _: type) -> None:
    # No event is asked where there is no session: the functions that load are wrapped, which only the first access to what is not
    # loaded calls. `impl.callable_` and `expired_attribute_loader` are SQLAlchemy's own; test_relations.py sees when they change.
    manager: Any = mapper.class_manager
    for key in mapper.attrs.keys():  # noqa: SIM118 - a collection of its own, which iterates over values
        implementation: Any = getattr(manager.get(key), "impl", None)
        if getattr(implementation, "callable_", None) is not None and not hasattr(implementation.callable_, "explains"):
            implementation.callable_ = _explaining(implementation.callable_, key)
    if manager.expired_attribute_loader is not None and not hasattr(manager.expired_attribute_loader, "explains"):
        manager.expired_attribute_loader = _explaining(manager.expired_attribute_loader, None)


def _explaining(load: Callable[..., Any], key: str | None) -> Callable[..., Any]:
    def explained(state: InstanceState[Any], *arguments: Any, **options: Any) -> Any:
        try:
            return load(state, *arguments, **options)
        except DetachedInstanceError:
            raise _detached(state, _touched_among(arguments[0]) if key is None else key) from None

    explained.explains = load  # type: ignore[attr-defined]
    return explained


# -- who is loaded for ------------------------------------------------------------------------------------------------------


def _peers(session: AnySession, state: InstanceState[Any], lacks: Callable[[InstanceState[Any]], bool]) -> list[InstanceState[Any]]:
    """Return an object and at most 499 others that came with it and lack the same."""
    asked_for = cast("Session", session)._asked_for
    among = session.identity_map.all_states() if asked_for is None else asked_for
    found = (
        peer
        for peer in among
        if peer is not state
        and (asked_for is not None or peer.runid == state.runid)
        and peer.expired == state.expired
        and peer.load_options == state.load_options
        and peer.load_path == state.load_path
        and lacks(peer)
    )
    return [state, *islice(found, MOST_AT_ONCE - 1)]


def _state_of(instance: object) -> InstanceState[Any]:
    return cast("InstanceState[Any]", inspect(instance))


def _related(value: Any) -> Iterator[InstanceState[Any]]:
    """Return the objects of a relation's value, which may be a collection of any kind."""
    if isinstance(value, Mapping):
        value = value.values()
    for one in value if isinstance(value, Iterable) else (value,):
        state = inspect(one, raiseerr=False)
        if isinstance(state, InstanceState):
            yield state


# -- columns ----------------------------------------------------------------------------------------------------------------


def _refreshed(execution: ORMExecuteState) -> tuple[InstanceState[Any], list[str]] | None:
    """Return an object whose columns are loaded because one of them was touched, and their names; None for `refresh()`."""
    # The event says publicly that this is a load of columns, but not whose.
    options: Any = execution.load_options
    statement: Any = execution.statement
    state: InstanceState[Any] | None = options._refresh_state
    if state is None or options._is_user_refresh or getattr(statement, "_for_update_arg", None) is not None:
        return None
    # Those of an expired object name its relations too, which are not loaded with its columns.
    columns = set(state.mapper.column_attrs.keys())
    keys = sorted(columns.intersection(statement._compile_options._only_load_props or ()))
    return (state, keys) if keys and state.key is not None else None


def _load_columns(execution: ORMExecuteState, state: InstanceState[Any], keys: Sequence[str]) -> Result[Any] | None:
    """Load columns for an object and its peers, and return the object."""
    mapper = state.mapper
    peers = _peers(execution.session, state, lambda peer: peer.mapper is mapper and peer.dict.keys().isdisjoint(keys))
    if len(peers) == 1:
        return None
    entity = mapper.class_
    statement = select(entity).options(load_only(*(getattr(entity, key) for key in keys)), lazyload("*"))
    owners = [peer.obj() for peer in peers]  # alive until they are loaded
    batch = statement.where(_is_one_of(list(mapper.primary_key)))
    # A soft-deleted object is loaded as well as any other, as SQLAlchemy's own statement would.
    parameters = {"peers": [_single(_key_of(peer)) for peer in peers]}
    loaded = execution.session.execute(batch, parameters, execution_options={"with_deleted": True}).freeze()
    return loaded.with_new_rows([cast("Any", (one,)) for one in loaded.data if one is owners[0]][:1])()


# -- relations --------------------------------------------------------------------------------------------------------------


class _Link(Struct, eq=False):
    """How a relation's objects are found for one object, as SQLAlchemy's own loader does it."""

    criterion: ColumnElement[bool]
    columns: dict[str, ColumnElement[Any]]
    """The owner's columns, by the names of the parameters that stand for them in the criterion."""
    by_key: list[ColumnElement[Any]]
    """Where the related object is found by its key alone: the owner's columns that are equal to it."""
    direct: bool
    """Whether the criterion says no more of the owner than that columns of it are equal to others."""
    local: list[ColumnElement[Any]]
    """Those columns,"""
    remote: list[ColumnElement[Any]]
    """the others,"""
    rest: list[ColumnElement[bool]]
    """and what else the criterion says."""


def _load_relation(execution: ORMExecuteState, state: InstanceState[Any], relation: RelationshipProperty[Any]) -> Result[Any] | None:
    """Load a relation for an object and its peers, and return what is the object's own."""
    link = _link_of(relation)
    if link is None:
        return None
    key, owner = relation.key, relation.parent
    own_loader = state.callables.get(key)
    peers = _peers(
        execution.session,
        state,
        lambda peer: key not in peer.dict and peer.mapper.isa(owner) and peer.callables.get(key) is own_loader,
    )
    owners = [(peer, peer.obj()) for peer in peers]  # alive until they are loaded
    direct = link.direct
    wanted: dict[Any, list[Any]] = {}
    own: Any = None
    for peer, instance in owners:
        values = _values(peer, link.local) if direct else _key_of(peer)
        if values is None or instance is None or (peer is not state and _found_by_key(peer, instance, relation, link)):
            continue
        if None not in values:
            wanted.setdefault(_single(values), []).append(instance)
            own = own if peer is not state else _single(values)
        elif peer is not state and all(value is None for value in values):
            set_committed_value(instance, key, [] if relation.uselist else None)
    if own is None or (len(wanted) == 1 and len(wanted[own]) == 1):
        return None
    found = execution.invoke_statement(_batch(execution.statement, relation, link), {"peers": list(wanted)}).unique().freeze()
    rows: dict[Any, list[Any]] = {}
    for row in found.data:
        rows.setdefault(_single(tuple(row[1:])), []).append(row)
    if direct and _differs(wanted, rows, relation):
        link.direct = False
        return _load_relation(execution, state, relation)
    for value, instances in wanted.items():
        related = [row[0] for row in rows.get(value, ())]
        for instance in instances:
            if instance is not owners[0][1] and key not in _state_of(instance).dict and (relation.uselist or len(related) < 2):
                set_committed_value(instance, key, related if relation.uselist else related[0] if related else None)
    return found.with_new_rows(rows.get(own, []))()


def _differs(wanted: Mapping[Any, Any], rows: Mapping[Any, Any], relation: RelationshipProperty[Any]) -> bool:
    """Return whether the database may find values equal that Python does not, such as texts in another case."""
    if not rows.keys() <= wanted.keys():
        return True
    missing = wanted.keys() - rows.keys() if relation.direction is RelationshipDirection.MANYTOONE else ()
    return any(isinstance(part, str) for value in missing for part in (value if isinstance(value, tuple) else (value,)))


def _found_by_key(peer: InstanceState[Any], instance: Any, relation: RelationshipProperty[Any], link: _Link) -> bool:
    """Set a many-to-one relation to an object that the session has, if it has it."""
    values = _values(peer, link.by_key) if link.by_key else None
    if values is None or None in values or peer.session is None:
        return False
    found = peer.session.identity_map.get(relation.mapper.identity_key_from_primary_key(values, identity_token=peer.identity_token))
    if found is None or _state_of(found).expired:
        return False
    set_committed_value(instance, relation.key, found if isinstance(found, relation.mapper.class_) else None)
    return True


def _batch(statement: Any, relation: RelationshipProperty[Any], link: _Link) -> Select[Any]:
    """Return the statement for one object made into one for all: with the owner's key in each row."""
    if link.direct:
        columns, criteria = link.remote, [*link.rest, _is_one_of(link.remote, link.local)]
    else:
        keys = list(relation.parent.primary_key)
        named = {**{f"key_{number}": key for number, key in enumerate(keys)}, **link.columns}
        labels = [column.label(name) for name, column in named.items()]
        owners = select(*labels).select_from(relation.parent.persist_selectable).where(_is_one_of(keys)).subquery()

        def column_of(element: Any, **_: Any) -> Any:
            return owners.c[element.key] if isinstance(element, BindParameter) and element.key in link.columns else None

        columns = [owners.c[f"key_{number}"] for number in range(len(keys))]
        criteria = [replacement_traverse(link.criterion, {}, column_of)]
    # Labels, since a column of the related object may be among them: twice the same would be ambiguous.
    batch = statement.add_columns(*(column.label(f"peer_{number}") for number, column in enumerate(columns)))
    # Its first criterion is that of the one object; there is no public way to replace it.
    batch._where_criteria = (*criteria, *batch._where_criteria[1:])
    return cast("Select[Any]", batch)


def _link_of(relation: RelationshipProperty[Any]) -> _Link | None:
    """Return how a relation's objects are found, worked out once; None where that cannot be said for several owners."""
    if "erlen.link" not in relation.info:
        relation.info["erlen.link"] = _make_link(relation)
    return cast("_Link | None", relation.info["erlen.link"])


def _make_link(relation: RelationshipProperty[Any]) -> _Link | None:
    # SQLAlchemy's loader of one object has worked out which columns matter, aliases and inheritance included; it is not public.
    loader = cast("Any", relation)._get_strategy((("lazy", "select"),))
    if getattr(relation, "_target_correlates_to_parent", False):
        return None
    criterion, parameters = loader._simple_lazy_clause
    columns = {name: column for name, column, _ in parameters if column is not None}
    by_key = [loader._equated_columns[column] for column in relation.mapper.primary_key] if loader.use_get else []
    link = _Link(criterion, columns, by_key, True, [], [], [])
    conjunction = isinstance(criterion, BooleanClauseList) and criterion.operator is operators.and_
    for part in criterion.clauses if conjunction else (criterion,):
        equal = _equation(part, columns)
        if equal is not None:
            link.local.append(equal[0])
            link.remote.append(equal[1])
        elif _mentions(part, columns):
            link.direct = False
        else:
            link.rest.append(part)
    link.direct = link.direct and bool(link.local)
    return link


def _equation(part: Any, columns: Mapping[str, ColumnElement[Any]]) -> tuple[ColumnElement[Any], ColumnElement[Any]] | None:
    """Return the owner's column and what a criterion says it is equal to."""
    if isinstance(part, BinaryExpression) and part.operator is operators.eq:
        for mine, other in ((part.left, part.right), (part.right, part.left)):
            if isinstance(mine, BindParameter) and mine.key in columns and not _mentions(other, columns):
                return columns[mine.key], other
    return None


def _mentions(part: Any, columns: Mapping[str, ColumnElement[Any]]) -> bool:
    return any(isinstance(element, BindParameter) and element.key in columns for element in iterate(part))


def _is_one_of(columns: Sequence[ColumnElement[Any]], like: Sequence[ColumnElement[Any]] = ()) -> ColumnElement[bool]:
    """Return a criterion for the parameter `peers`."""
    if len(columns) == 1:
        return columns[0].in_(bindparam("peers", type_=(like or columns)[0].type, expanding=True))
    return tuple_(*columns).in_(bindparam("peers", expanding=True))


def _key_of(state: InstanceState[Any]) -> tuple[Any, ...]:
    return cast("tuple[Any, ...]", cast("Any", state.key)[1])


def _values(state: InstanceState[Any], columns: Sequence[ColumnElement[Any]]) -> tuple[Any, ...] | None:
    """Return an object's values of columns, or None where one is not loaded."""
    keys = [state.mapper.get_property_by_column(cast("Any", column)).key for column in columns]
    values = state.dict
    return tuple(values[key] for key in keys) if all(key in values for key in keys) else None


def _single(values: tuple[Any, ...]) -> Any:
    return values[0] if len(values) == 1 else values


explain_detached(Base)
