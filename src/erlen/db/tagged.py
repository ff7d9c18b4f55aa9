"""Tagged (generic) references: a field that points at an object of any of several models, by the name of its table and its key.

    class Comment(Model):
        subject: Tagged[Article | Photo] = tagged()

has the columns `subject_type` and `subject_id`, with an index over both. No database can hold such a reference to an existing row: what
becomes of it when the object is deleted is for `on_delete` to say, and happens only where the object is deleted through a session
(`db.delete(article)`), not by `delete()` statements or by cascades of the database.
"""

from __future__ import annotations

import re
import typing
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any, Generic, Literal, TypeAlias, TypeVar, overload

import msgspec
from sqlalchemy import BigInteger, Column, ColumnElement, Index, Integer, Table, and_, event, inspect, select
from sqlalchemy.orm import Mapped, Mapper, ORMDescriptor, Session, mapped_column, object_session
from sqlalchemy.types import TypeEngine
from sqlalchemy.util.concurrency import in_greenlet

from erlen.db.caller import calling_line
from erlen.db.info import describe
from erlen.db.model import Base
from erlen.db.not_loaded import NotLoaded
from erlen.errors import ConfigurationError, Conflict, ErlenError, Mistake
from erlen.schema.hints import place_of, type_name
from erlen.schema.model import NOTHINGS, members_of

__all__ = ["Tagged", "load_tagged", "tagged"]

T = TypeVar("T")
OnDelete: TypeAlias = Literal["keep", "delete", "refuse"]
MOST_AT_ONCE = 500


def tagged(*, on_delete: OnDelete = "keep", key: TypeEngine[Any] | None = None) -> Any:
    """Declare a tagged reference: `subject: Tagged[Article | Photo] = tagged()`; with `| None` where there may be none.

    Args:
        on_delete: what becomes of the reference when its object is deleted through a session: `keep` leaves it as it is, and it reads as
            None from then on; `delete` deletes what refers to the object, too; `refuse` raises `Conflict` where something does.
        key: the type of the keys of the models; integers by default.
    """
    return Tagged(on_delete, key)


class Tagged(ORMDescriptor[T], Generic[T]):
    """The type of a tagged reference; made by `tagged()`.

    Reading it on one object of a session loads it for all objects of that class in the session, in one statement for each model. `async
    def` code loads it before: `await db.load(comments, Comment.subject)`. On the class it gives criteria:
    `Comment.subject.is_(article)`, `Comment.subject.of_type(Article)`.
    """

    def __init__(self, on_delete: OnDelete = "keep", key_type: TypeEngine[Any] | None = None) -> None:
        self.on_delete = on_delete
        self.key_type = key_type or BigInteger().with_variant(Integer, "sqlite")
        self.key = ""
        self.class_: Any = None
        self.targets: tuple[type[Base], ...] = ()
        self.is_optional = False

    # -- declaring ------------------------------------------------------------------------------------------------------------

    def __declare__(self, cls: type[Base], name: str, annotation: Any) -> None:
        """Add the columns to the class; called by `Base` before the class is mapped."""
        self.key, self.class_ = name, cls
        if typing.get_origin(annotation) is not Tagged:
            fix = f"write `{name}: Tagged[Article | Photo] = tagged()`, with models that are defined before"
            raise ConfigurationError(Mistake(f"`{type_name(cls)}.{name}` does not say what it refers to: {annotation}", place_of(cls), fix))
        members = members_of(annotation.__args__[0])
        self.is_optional = any(member in NOTHINGS for member in members)
        self.targets = tuple(member for member in members if isinstance(member, type) and issubclass(member, Base))
        if len(self.targets) != len([member for member in members if member not in NOTHINGS]):
            raise ConfigurationError(
                Mistake(f"`{type_name(cls)}.{name}` refers to what is no model", place_of(cls), "name models, or `Model`")
            )
        kind: Any = typing.Annotated[str, _meta_of(self.targets)]
        cls.__annotations__[self._type] = Mapped[kind | None] if self.is_optional else Mapped[kind]
        key: Any = self.key_type.python_type
        cls.__annotations__[self._id] = Mapped[key | None] if self.is_optional else Mapped[key]
        columns = {self._type: mapped_column(), self._id: mapped_column(self.key_type, nullable=self.is_optional)}
        for part, column in columns.items():
            setattr(cls, part, column)
            event.listen(column.column, "after_parent_attach", self._add_index)
        cls.registry.metadata.info.setdefault("tagged", []).append(self)

    def _add_index(self, column: Column[Any], table: Table) -> None:
        if self._type in table.c and self._id in table.c and isinstance(table, Table):
            Index(None, table.c[self._type], table.c[self._id])

    @property
    def _type(self) -> str:
        return f"{self.key}_type"

    @property
    def _id(self) -> str:
        return f"{self.key}_id"

    # -- in queries -----------------------------------------------------------------------------------------------------------

    def is_(self, instance: Base) -> ColumnElement[bool]:
        """Return the criterion that it refers to this object."""
        tag, key = self._tag_and_key(instance)
        return and_(getattr(self.class_, self._type) == tag, getattr(self.class_, self._id) == key)

    def of_type(self, model: type[Base]) -> ColumnElement[bool]:
        """Return the criterion that it refers to an object of this model."""
        return typing.cast("ColumnElement[bool]", getattr(self.class_, self._type) == tag_of(model))

    # -- reading and setting ----------------------------------------------------------------------------------------------------

    @overload  # type: ignore[override]  # on the class it is itself, and no column
    def __get__(self, instance: None, owner: Any) -> Tagged[T]: ...
    @overload
    def __get__(self, instance: object, owner: Any) -> T: ...
    def __get__(self, instance: Any, owner: Any) -> Any:
        if instance is None:
            return self
        known, target = self._known(instance)
        if not known:
            session = object_session(instance)
            colour = getattr(session, "colour", "thread")
            if session is None or (colour == "loop" and not in_greenlet()):
                why = "the object belongs to no session" if session is None else "reading it would ask the database, which needs an await"
                name = f"{type(instance).__name__}.{self.key}"
                raise NotLoaded(
                    f"{name} is not loaded: {why}", calling_line(), f"load it before: `await db.run_sync(load_tagged, […], {name})`"
                )
            load_tagged(session, [instance, *_peers(session, type(instance))], self)
            target = self._known(instance)[1]
        return target

    def __set__(self, instance: Any, target: T) -> None:
        tag, key = (None, None) if target is None else self._tag_and_key(target)
        setattr(instance, self._type, tag)
        setattr(instance, self._id, key)
        self._remember(instance, tag, key, target)

    def _tag_and_key(self, target: Any) -> tuple[str, Any]:
        if not isinstance(target, self.targets):
            raise TypeError(f"{self.class_.__name__}.{self.key} refers to {_names(self.targets)}, not to a {type(target).__name__}")
        cls, name = type(target), f"{self.class_.__name__}.{self.key}"
        key = _key_of(cls)
        if getattr(target, key) is None:
            raise ErlenError(f"{name} cannot refer to {cls.__name__} objects without a key: add it and flush first")
        return tag_of(cls), getattr(target, key)

    def _remember(self, instance: Any, tag: Any, key: Any, target: Any) -> None:
        vars(instance)[self.key] = target
        vars(instance)[f"_{self.key}"] = (tag, key)

    def _known(self, instance: Any) -> tuple[bool, Any]:
        """Return whether it is known what an object refers to, and that."""
        tag, key = getattr(instance, self._type), getattr(instance, self._id)
        if tag is None or key is None:
            return True, None
        known = vars(instance).get(f"_{self.key}") == (tag, key)
        return known, vars(instance)[self.key] if known else None


def load_tagged(db: Session, instances: Iterable[Any], field: Tagged[Any]) -> None:
    """Load what a tagged reference of many objects refers to, in one statement for each model and 500 objects.

    A reference to what is not there, or of a model that is not, is None.
    """
    waiting = [(getattr(each, field._type), getattr(each, field._id), each) for each in instances if not field._known(each)[0]]
    for tag, group in groupby(sorted(waiting, key=lambda one: str(one[0])), key=lambda one: one[0]):
        members = list(group)
        model = next((mapper.class_ for mapper in field.class_.registry.mappers if _tag(mapper) == tag and mapper.inherits is None), None)
        found = {} if model is None else dict(_by_key(db, model, {key for _, key, _ in members}))
        for _, key, instance in members:
            field._remember(instance, tag, key, found.get(key))


def _by_key(db: Session, model: Any, keys: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
    name = _key_of(model)
    keys = list(keys)
    for start in range(0, len(keys), MOST_AT_ONCE):
        for instance in db.scalars(select(model).where(getattr(model, name).in_(keys[start : start + MOST_AT_ONCE]))):
            yield getattr(instance, name), instance


def _key_of(model: type[Base]) -> str:
    mapper: Mapper[Any] = inspect(model)
    first, *more = mapper.primary_key
    if more:
        raise ErlenError(f"{model.__name__} has a key of several columns: a tagged reference holds one value")
    return mapper.get_property_by_column(first).key


def tag_of(model: type[Base]) -> str:
    """Return what stands for a model in a tagged reference: the name of the table that holds its key."""
    return _tag(inspect(model).base_mapper)


def _tag(mapper: Mapper[Any]) -> str:
    return str(getattr(mapper.local_table, "fullname", ""))


def _meta_of(targets: tuple[type[Base], ...]) -> msgspec.Meta:
    """Return the constraint of the column of types: clients may send it."""
    if any(vars(target).get("__abstract__") for target in targets):
        return msgspec.Meta(max_length=100)
    tags = sorted({tag_of(target) for target in targets})
    pattern = rf"^(?:{'|'.join(map(re.escape, tags))})$(?!\n)"
    return msgspec.Meta(max_length=100, pattern=pattern, extra={"message": f"Must be one of {', '.join(tags)}."})


def _names(models: tuple[type[Base], ...]) -> str:
    return " or ".join(model.__name__ for model in models)


def _peers(session: Session, model: type) -> list[Any]:
    """Return the objects of a class in a session whose columns are loaded."""
    return [each for each in session.identity_map.values() if type(each) is model and not inspect(each).expired]


@event.listens_for(Session, "before_flush")
def _see_deletions(session: Session, *_: Any) -> None:
    """Do what `on_delete` says for each object that is about to be deleted, and for what is deleted because of that."""
    seen: set[int] = set()
    while waiting := [instance for instance in session.deleted if id(instance) not in seen and isinstance(instance, Base)]:
        for instance in waiting:
            seen.add(id(instance))
            for field in instance.registry.metadata.info.get("tagged", ()):
                if field.on_delete != "keep" and isinstance(instance, field.targets):
                    _settle(session, field, instance)


def _settle(session: Session, field: Tagged[Any], instance: Base) -> None:
    with session.no_autoflush:
        referring = session.scalars(select(field.class_).where(field.is_(instance))).all()
    left = [each for each in referring if each not in session.deleted]
    if left and field.on_delete == "refuse":
        raise Conflict(f"This is still referred to by {len(left)} {(describe(field.class_).plural).lower()}.")
    for each in left:
        session.delete(each)
