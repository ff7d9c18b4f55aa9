"""Relations and deferred columns that load for all peers at once.

Peers are the objects of a session that one query loaded. Touching an attribute of one that is not loaded loads it for up to 500 of
them in one statement: SQLAlchemy asks for one object, the event `do_orm_execute` answers for all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, cast

from msgspec import Struct
from sqlalchemy import BindParameter, ColumnElement, Result, Select, bindparam, inspect, select, tuple_
from sqlalchemy.orm import (
    InstanceState,
    Mapper,
    ORMExecuteState,
    RelationshipDirection,
    RelationshipProperty,
    lazyload,
    load_only,
)
from sqlalchemy.orm.attributes import QueryableAttribute, set_committed_value
from sqlalchemy.orm.base import NO_RAISE, PASSIVE_OFF
from sqlalchemy.sql import operators
from sqlalchemy.sql.elements import BinaryExpression, BooleanClauseList
from sqlalchemy.sql.visitors import iterate, replacement_traverse

from erlen.db.not_loaded import Strict, detached, refuse
from erlen.db.tagged import Tagged, load_tagged

if TYPE_CHECKING:
    from sqlalchemy.orm import Session as AnySession

    from erlen.db.session import AsyncSession, Session

__all__ = ["AsyncRelations", "Relations", "load_for_peers"]

MOST_AT_ONCE = 500
"""Objects that one statement loads for: what every database's limit of parameters allows, and what `selectinload` takes."""
CREDIT, CREDIT_FOR_EACH = 1_000_000, 2000
"""How many objects a session may look at in vain, for peers: to begin with, and for each statement, which takes longer than looking."""


class Relations:
    """What a session has for loading relations."""

    _asked_for: Mapping[InstanceState[Any], None] | None = None
    """While `load` is at work: whom it loads for."""
    _credit = CREDIT
    """How many objects may still be looked at in vain, for peers."""

    def load(self, objects: object, *attributes: QueryableAttribute[Any] | Tagged[Any]) -> None:
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
            if isinstance(attribute, Tagged):
                owners = [instance for state in found if isinstance(instance := state.obj(), attribute.class_)]
                load_tagged(cast("AnySession", self), owners, attribute)
                continue
            key, owner = attribute.key, attribute.parent.mapper.class_
            states = [state for state in found if isinstance(state.obj(), owner) and state.key is not None]
            for state in states:
                if state.session is not cast("AnySession", self):
                    raise detached(state, key)
            before, self._asked_for = self._asked_for, dict.fromkeys(states)
            try:
                for state in states:
                    if key not in state.dict:
                        # As `getattr` does it, but also where the relation is declared with `lazy="raise"`.
                        state.get_impl(key).get(state, state.dict, PASSIVE_OFF | NO_RAISE)
            finally:
                self._asked_for = before
            found |= dict.fromkeys(related for state in states for related in _related(state.dict.get(key)))


class AsyncRelations:
    """What an `AsyncSession` has for loading relations."""

    async def load(self, objects: object, *attributes: QueryableAttribute[Any] | Tagged[Any]) -> None:
        """Load relations, or deferred columns, of objects that are there; see `Session.load`."""
        await cast("AsyncSession", self).run_sync(lambda db: db.load(objects, *attributes))


def load_for_peers(execution: ORMExecuteState) -> Result[Any] | None:
    """Answer what SQLAlchemy asks for one object, for all its peers; let every other statement pass.

    For the event `do_orm_execute`; whatever changes statements comes before it.
    """
    if not execution.is_select:
        return None
    state = execution.lazy_loaded_from
    if state is not None:
        path = execution.loader_strategy_path
        relation = path[-1] if path is not None and not path.is_root else None
        if not isinstance(relation, RelationshipProperty) or state.key is None:
            return None
        refuse(execution, state, relation.key)
        return _load_relation(execution, state, relation)
    if execution.is_column_load:
        refreshed = _refreshed(execution)
        if refreshed is None:
            return None
        refuse(execution, refreshed[0], *refreshed[1])
        return _load_columns(execution, *refreshed)
    strict = execution.execution_options.get("strict")
    if strict is not None and execution.is_orm_statement and not execution.is_relationship_load:
        execution.statement = execution.statement.options(Strict(bool(strict)))
    return None


# -- who is loaded for ------------------------------------------------------------------------------------------------------


def _peers(session: AnySession, state: InstanceState[Any], lacks: Callable[[InstanceState[Any]], bool]) -> list[InstanceState[Any]]:
    """Return an object and at most 499 others that came with it and lack the same."""
    db = cast("Session", session)
    asked_for = db._asked_for if db._asked_for is not None and state in db._asked_for else None
    if asked_for is None and not _may_look(db, len(session.identity_map)):
        return [state]
    among = session.identity_map.all_states() if asked_for is None else list(asked_for)
    if state not in among:  # deleted in this transaction
        return [state]
    place = among.index(state)
    # What one query loaded has the number of its run, its options and its path in common; SQLAlchemy does not say so publicly.
    found = (
        peer
        for peer in chain(among[place + 1 :], among[:place])  # those after it will be touched next
        if (asked_for is not None or peer.runid == state.runid)
        and lacks(peer)
        and peer.expired == state.expired
        and peer.load_options == state.load_options
        and peer.load_path == state.load_path
    )
    peers = [state, *islice(found, MOST_AT_ONCE - 1)]
    if len(peers) > 1 and asked_for is None:
        db._credit += len(session.identity_map)
    return peers


def _may_look(db: Session, size: int) -> bool:
    """Return whether to look through a session of some size, and take that from its credit: looking in vain each time is quadratic."""
    db._credit += CREDIT_FOR_EACH
    if size > db._credit:
        return False
    db._credit -= size
    return True


def _state_of(instance: object) -> InstanceState[Any]:
    return cast("InstanceState[Any]", inspect(instance))


def _related(value: Any) -> Iterator[InstanceState[Any]]:
    """Return the objects of a relation's value, which may be a collection of any kind."""
    if value is None or isinstance(inspect(value, raiseerr=False), InstanceState):
        value = () if value is None else (value,)
    for one in value.values() if isinstance(value, Mapping) else value:
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


class _Columns(Struct, eq=False):
    """Columns of an owner."""

    columns: Sequence[ColumnElement[Any]]
    names: dict[Mapper[Any], list[str]]
    """What classes call them, worked out once: an owner's class may be derived from the one that has the relation."""

    def values(self, state: InstanceState[Any]) -> tuple[Any, ...] | None:
        """Return an object's values, or None where one is not loaded."""
        names = self.names.get(state.mapper)
        if names is None:
            names = [state.mapper.get_property_by_column(cast("Any", column)).key for column in self.columns]
            self.names[state.mapper] = names
        values = state.dict
        try:
            return tuple([values[name] for name in names])
        except KeyError:
            return None


class _Link(Struct, eq=False):
    """How a relation's objects are found for one object, as SQLAlchemy's own loader does it."""

    criterion: ColumnElement[bool]
    parameters: dict[str, ColumnElement[Any]]
    """The owner's columns, by the names of the parameters that stand for them in the criterion."""
    by_key: _Columns | None
    """Where the related object is found by its key alone: the owner's columns that are equal to it."""
    direct: bool
    """Whether the criterion says no more of the owner than that columns of it are equal to others."""
    local: _Columns
    """Those columns,"""
    remote: Sequence[ColumnElement[Any]]
    """the others,"""
    rest: Sequence[ColumnElement[bool]]
    """and what else the criterion says."""


def _load_relation(execution: ORMExecuteState, state: InstanceState[Any], relation: RelationshipProperty[Any]) -> Result[Any] | None:
    """Load a relation for an object and its peers, and return what is the object's own."""
    link = _link_of(relation)
    if link is None:
        return None
    key, owner, many, loader = relation.key, relation.parent, relation.uselist, state.callables.get(relation.key)
    peers = _peers(
        execution.session, state, lambda peer: key not in peer.dict and peer.mapper.isa(owner) and peer.callables.get(key) is loader
    )
    instances = {peer: instance for peer in peers if (instance := peer.obj()) is not None}  # alive until they are loaded
    direct = link.direct
    own, wanted = _wanted(state, instances, relation, link, look_for_them=loader is None)
    if own is None or (len(wanted) == 1 and len(wanted[own]) == 1):
        return None
    found = execution.invoke_statement(_batch(execution.statement, relation, link), {"peers": list(wanted)}).unique().freeze()
    rows: dict[Any, list[Any]] = {}
    for row in found.data:
        rows.setdefault(row[1] if len(row) == 2 else tuple(row[1:]), []).append(row)
    if direct and _differs(wanted, rows, relation):
        link.direct = False
        return _load_relation(execution, state, relation)
    for value, owners in wanted.items():
        related = [row[0] for row in rows.get(value, ())]
        if not many and len(related) > 1:
            continue  # SQLAlchemy warns of it where it is touched
        for peer in owners:
            if peer is not state and key not in peer.dict:
                set_committed_value(instances[peer], key, related if many else related[0] if related else None)
    return found.with_new_rows(rows.get(own, []))()


def _wanted(
    state: InstanceState[Any],
    instances: Mapping[InstanceState[Any], Any],
    relation: RelationshipProperty[Any],
    link: _Link,
    *,
    look_for_them: bool,
) -> tuple[Any, dict[Any, list[InstanceState[Any]]]]:
    """Return what to look for: an object's own value, and the owners of each value. What needs no statement is set.

    Args:
        state: the object whose relation was touched.
        instances: it and its peers.
        relation: of theirs.
        link: how to find it.
        look_for_them: whether an object that the session has is the one, whatever a statement would say.
    """
    own: Any = None
    wanted: dict[Any, list[InstanceState[Any]]] = {}
    for peer, instance in instances.items():
        values = link.local.values(peer) if link.direct else _key_of(peer)
        if values is None or (look_for_them and peer is not state and _is_there(peer, instance, relation, link)):
            continue
        if None not in values:
            wanted.setdefault(_single(values), []).append(peer)
            own = _single(values) if peer is state else own
        elif peer is not state and all(value is None for value in values):
            set_committed_value(instance, relation.key, [] if relation.uselist else None)
    return own, wanted


def _differs(wanted: Mapping[Any, Any], rows: Mapping[Any, Any], relation: RelationshipProperty[Any]) -> bool:
    """Return whether the database may find values equal that Python does not, such as texts in another case."""
    if not rows.keys() <= wanted.keys():
        return True
    missing = wanted.keys() - rows.keys() if relation.direction is RelationshipDirection.MANYTOONE else ()
    return any(isinstance(part, str) for value in missing for part in (value if isinstance(value, tuple) else (value,)))


def _is_there(peer: InstanceState[Any], instance: Any, relation: RelationshipProperty[Any], link: _Link) -> bool:
    """Set a many-to-one relation to an object that the session has, if it has it."""
    values = None if link.by_key is None else link.by_key.values(peer)
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
        columns, criteria = link.remote, [*link.rest, _is_one_of(link.remote, link.local.columns)]
    else:
        keys = list(relation.parent.primary_key)
        named = {**{f"key_{number}": key for number, key in enumerate(keys)}, **link.parameters}
        labels = [column.label(name) for name, column in named.items()]
        owners = select(*labels).select_from(relation.parent.persist_selectable).where(_is_one_of(keys)).subquery()

        def column_of(element: Any, **_: Any) -> Any:
            return owners.c[element.key] if isinstance(element, BindParameter) and element.key in link.parameters else None

        columns = [owners.c[f"key_{number}"] for number in range(len(keys))]
        criteria = [replacement_traverse(link.criterion, {}, column_of)]
    # Labels, since a column of the related object may be among them: twice the same would be ambiguous.
    batch = statement.add_columns(*(column.label(f"peer_{number}") for number, column in enumerate(columns)))
    # Its first criterion is that of the one object; there is no public way to replace it.
    batch._where_criteria = (*criteria, *batch._where_criteria[1:])
    return cast("Select[Any]", batch)


def _link_of(relation: RelationshipProperty[Any]) -> _Link | None:
    """Return how a relation's objects are found, worked out once; None where that cannot be said for several owners."""
    kept: dict[Any, _Link | None] = relation.info
    if (_Link, relation) not in kept:  # named for the relation: several may have been given the same `info`
        kept[_Link, relation] = _make_link(relation)
    return kept[_Link, relation]


def _make_link(relation: RelationshipProperty[Any]) -> _Link | None:
    # SQLAlchemy's loader of one object has worked out which columns matter, aliases and inheritance included; it is not public.
    loader = cast("Any", relation)._get_strategy((("lazy", "select"),))
    if getattr(relation, "_target_correlates_to_parent", False):
        return None
    criterion, given = loader._simple_lazy_clause
    parameters = {name: column for name, column, _ in given if column is not None}
    by_key = _Columns([loader._equated_columns[column] for column in relation.mapper.primary_key], {}) if loader.use_get else None
    conjunction = isinstance(criterion, BooleanClauseList) and criterion.operator is operators.and_
    parts = list(criterion.clauses) if conjunction else [criterion]
    equations = [_equation(part, parameters) for part in parts]
    equal = [equation for equation in equations if equation is not None]
    rest = [part for part, equation in zip(parts, equations, strict=True) if equation is None]
    direct = bool(equal) and not any(_mentions(part, parameters) for part in rest)
    return _Link(criterion, parameters, by_key, direct, _Columns([mine for mine, _ in equal], {}), [other for _, other in equal], rest)


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


def _single(values: tuple[Any, ...]) -> Any:
    return values[0] if len(values) == 1 else values
