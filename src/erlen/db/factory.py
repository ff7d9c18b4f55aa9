"""Objects for tests: `factory(Article).create(db)` makes an article with values that fit, and the author that it needs."""

from __future__ import annotations

import typing
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from ipaddress import IPv4Address, IPv6Address
from itertools import count
from typing import Any, ClassVar, Generic, TypeVar, overload
from uuid import UUID

from sqlalchemy import Column, inspect
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapper, Session

from erlen.db.info import FieldInfo, RelationInfo, describe
from erlen.db.model import Base
from erlen.db.names import snake_case
from erlen.db.validation import ValidationError, validate_values
from erlen.errors import ErlenError
from erlen.schema.model import NOTHINGS, choices_of, constraints_of, kind_of, members_of, unwrap
from erlen.schema.model import fields_of as struct_fields_of

__all__ = ["Factory", "factory"]

M = TypeVar("M", bound=Base)


def factory(model: type[M]) -> type[Factory[M]]:
    """Return the factory of a model: the class derived from `Factory[Article]`, where there is one, or one that guesses every value."""
    found: type[Factory[M]] | None = vars(model).get("__factory__")
    return found if found is not None else type(f"{model.__name__}Factory", (Factory,), {"model": model})


class Factory(Generic[M]):
    """Makes objects of a model, with what they need and nothing more.

    A field that must have a value and has no default gets one that fits its type and constraints, and differs each time: a text with a
    number in it, the first member of an Enum. A relation that must be there is made by the factory of its model. What a test cares about,
    it says: `ArticleFactory.create(db, title="Hello")`.

        class ArticleFactory(Factory[Article]):
            title = "Untitled"
            slug = lambda number: f"article-{number}"      # called with the number of the object
            author = AuthorFactory                          # makes one
    """

    model: ClassVar[type[Base]]

    def __init_subclass__(cls) -> None:
        for base in vars(cls).get("__orig_bases__", ()):
            if typing.get_origin(base) is Factory:
                (cls.model,) = typing.get_args(base)
                type.__setattr__(cls.model, "__factory__", cls)  # not a mapped attribute: past SQLAlchemy's own

    @classmethod
    def build(cls, **values: Any) -> M:
        """Make an object that is in no session. Foreign keys without a relation are left to `create`.

        Raises:
            ErlenError: if a field needs a value that cannot be guessed.
            ValidationError: if a value that was said is not valid.
        """
        return cls._build(values, ())

    @classmethod
    def build_many(cls, number: int, **values: Any) -> list[M]:
        """Make several objects that are in no session."""
        return [cls.build(**values) for _ in range(number)]

    @overload
    @classmethod
    def create(cls, db: Session, **values: Any) -> M: ...
    @overload
    @classmethod
    def create(cls, db: AsyncSession, **values: Any) -> Awaitable[M]: ...
    @classmethod
    def create(cls, db: Session | AsyncSession, **values: Any) -> M | Awaitable[M]:
        """Make an object and store it, with what it needs; `await` it where the session is asynchronous."""
        if isinstance(db, AsyncSession):
            return db.run_sync(lambda session: cls._create(session, values))
        return cls._create(db, values)

    @overload
    @classmethod
    def create_many(cls, db: Session, number: int, **values: Any) -> list[M]: ...
    @overload
    @classmethod
    def create_many(cls, db: AsyncSession, number: int, **values: Any) -> Awaitable[list[M]]: ...
    @classmethod
    def create_many(cls, db: Session | AsyncSession, number: int, **values: Any) -> list[M] | Awaitable[list[M]]:
        """Make several objects and store them."""
        if isinstance(db, AsyncSession):
            return db.run_sync(lambda session: [cls._create(session, values) for _ in range(number)])
        return [cls._create(db, values) for _ in range(number)]

    @classmethod
    def _create(cls, db: Session, values: dict[str, Any]) -> M:
        instance = cls._build({**_stored(db, cls.model, {**cls._said(), **values}), **values}, ())
        db.add(instance)
        db.flush()
        return instance

    @classmethod
    def _build(cls, values: dict[str, Any], makers: tuple[type[Base], ...]) -> M:
        """Make an object; `makers` are the models that are being made already."""
        info = describe(cls.model)
        number = next(_counter_of(cls.model))
        given = {name: _made(value, number, (*makers, cls.model)) for name, value in cls._said().items() if name not in values} | values
        for relation in info.relations:
            if relation.required and not relation.many and relation.name not in given and not given.keys() & set(relation.fields):
                given[relation.name] = _related(cls.model, relation, makers)
        covered = {name for relation in info.relations if relation.name in given for name in relation.fields}
        for field in info.fields:
            if field.required and field.name not in given and field.name not in covered and not _refers(cls.model, field):
                given[field.name] = _guess(cls.model, field, number)
        made: Any = cls.model(**given)
        return made  # type: ignore[no-any-return]

    @classmethod
    def _said(cls) -> dict[str, Any]:
        """Return what the class body says of the model's attributes."""
        bodies = {
            name: value for base in reversed(cls.__mro__) for name, value in vars(base).items() if base not in (Factory, Generic, object)
        }
        return {
            name: value
            for name, value in bodies.items()
            if name != "model" and not name.startswith("_") and not isinstance(value, (classmethod, staticmethod, property))
        }


def _made(value: Any, number: int, makers: tuple[type[Base], ...]) -> Any:
    """Return what is said in the body of a factory as a value: made by another factory, or by a function of the number."""
    if isinstance(value, type) and issubclass(value, Factory):
        return value._build({}, makers)
    return value(number) if callable(value) and not isinstance(value, type) else value


def _related(model: type[Base], relation: RelationInfo, makers: tuple[type[Base], ...]) -> Base:
    if relation.target in (*makers, model):
        raise ErlenError(f"{model.__name__}.{relation.name} needs an object that needs another {model.__name__}: say it in the call")
    return factory(relation.target)._build({}, (*makers, model))


def _refers(model: type[Base], field: FieldInfo) -> bool:
    """Whether a field is filled by `create`, which can store what it refers to."""
    mapper: Mapper[Any] = inspect(model)
    columns = mapper.column_attrs[field.name].columns
    tagged = {name for each in _tagged_of(model) for name in (each._type, each._id)}
    return field.name in tagged or any(isinstance(column, Column) and column.foreign_keys for column in columns)


def _stored(db: Session, model: type[Base], given: dict[str, Any]) -> dict[str, Any]:
    """Store what foreign keys without a relation and tagged references need; return the values of these fields."""
    info = describe(model)
    mapper: Mapper[Any] = inspect(model)
    values: dict[str, Any] = {}
    for field in info.fields:
        column: Any = mapper.column_attrs[field.name].columns[0]
        if not field.required or field.relation or field.name in given or not isinstance(column, Column):
            continue
        for key in column.foreign_keys:
            target = next(each for each in mapper.registry.mappers if each.local_table is key.column.table and each.class_ is not model)
            stored = factory(target.class_)._create(db, {})
            values[field.name] = getattr(stored, target.get_property_by_column(key.column).key)
    for tagged in _tagged_of(model):
        if not tagged.is_optional and not given.keys() & {tagged.key, tagged._type}:
            values[tagged.key] = factory(tagged.targets[0])._create(db, {})
    return values


def _tagged_of(model: type[Base]) -> list[Any]:
    return [each for each in model.registry.metadata.info.get("tagged", ()) if issubclass(model, each.class_)]


def _counter_of(model: type[Base]) -> Iterator[int]:
    """Return what counts the objects of a model in this process, so that unique values are."""
    found: Iterator[int] | None = vars(model).get("__numbers__")
    if found is None:
        found = count(1)
        type.__setattr__(model, "__numbers__", found)
    return found


def _guess(model: type[Base], field: FieldInfo, number: int) -> Any:
    """Return the first guess that is a valid value of the field."""
    for value in _guesses(field.annotation, snake_case(model.__name__), field.label, number):
        try:
            return validate_values(model, {field.name: value}, partial=True)[field.name]
        except ValidationError:
            continue
    raise ErlenError(
        f"no value for {model.__name__}.{field.name} can be guessed: say one, in the call or in a class {model.__name__}Factory"
    )


def _guesses(annotation: Any, word: str, label: str, number: int) -> Iterator[Any]:
    """Yield values that a type may take, the likeliest first."""
    member = next((each for each in members_of(annotation) if each not in NOTHINGS), None)
    bare: Any = unwrap(member)
    if choices := choices_of(bare):
        yield choices[0][1]
    elif bare is str:
        yield from _texts(annotation, word.replace("_", "-"), label, number)
    elif bare in (int, float, Decimal):
        yield from _numbers(annotation, bare, number)
    elif bare in _SIMPLE:
        yield _SIMPLE[bare](number)
    elif kind_of(bare) in ("collection", "mapping"):
        yield from ([], {})
    elif kind_of(bare) in ("struct", "dataclass", "attrs", "typeddict"):
        yield {
            field.encoded_name: next(_guesses(field.annotation, word, field.name, number), None)
            for field in struct_fields_of(bare)
            if field.required
        }
    else:
        yield from (f"{label} {number}", number, {}, [])


def _texts(annotation: Any, word: str, label: str, number: int) -> Iterator[str]:
    metas = [meta for member in members_of(annotation) for meta in constraints_of(member)]
    longest = min((meta.max_length for meta in metas if meta.max_length is not None), default=1000)
    shortest = max((meta.min_length for meta in metas if meta.min_length is not None), default=0)
    plain = (
        f"{label} {number}",
        f"{word}-{number}",
        f"{word}{number}",
        f"{word}{number}@example.com",
        f"https://example.com/{word}-{number}",
    )
    for text in (*plain, str(number).zfill(shortest), f"+1555{number:07}", f"#{number:06x}", f"{word.upper()}{number}"):
        # The number at the end is what makes it another text each time.
        yield text.rjust(shortest, "x")[-longest:] if longest else ""


def _numbers(annotation: Any, kind: Callable[[Any], Any], number: int) -> Iterator[Any]:
    metas = [meta for member in members_of(annotation) for meta in constraints_of(member)]
    step: Any = next((meta.multiple_of for meta in metas if meta.multiple_of is not None), 1)
    lows = [meta.ge for meta in metas if meta.ge is not None] + [meta.gt for meta in metas if meta.gt is not None]
    highs = [meta.le for meta in metas if meta.le is not None] + [meta.lt for meta in metas if meta.lt is not None]
    low = max(lows, default=0 if not highs or min(highs) > 0 else min(highs) - 1000 * step)
    room = max(int((min(highs) - low) // step), 1) if highs else 10**6
    first = -(-low // step)
    for nth in (number % room, number % room + 1, 0, 1):
        yield kind(str(step * (first + nth))) if kind is Decimal else kind(step * (first + nth))
    yield kind(low + (min(highs, default=low + 1) - low) / 2) if kind is float else kind(low)


_BEGINNING = datetime(2026, 1, 1, 12, tzinfo=UTC)
_SIMPLE: dict[Any, Callable[[int], Any]] = {
    bool: lambda _: False,
    bytes: lambda number: str(number).encode(),
    date: lambda number: (_BEGINNING + timedelta(days=number)).date(),
    datetime: lambda number: _BEGINNING + timedelta(minutes=number),
    time: lambda number: (_BEGINNING + timedelta(minutes=number)).time(),
    timedelta: lambda number: timedelta(minutes=number),
    UUID: lambda number: UUID(int=number),
    IPv4Address: lambda number: IPv4Address("192.0.2.0") + number % 256,
    IPv6Address: lambda number: IPv6Address("2001:db8::") + number,
}
