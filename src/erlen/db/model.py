"""`Base` and `Model`: mapped classes with a table name, an id, a readable `repr`, defaults and a constructor that helps.

They are SQLAlchemy's declarative classes, and everything that SQLAlchemy documents about those holds.
"""

from __future__ import annotations

from collections.abc import Hashable
from copy import copy, deepcopy
from difflib import get_close_matches
from typing import Any, ClassVar

from msgspec import Struct
from sqlalchemy import BigInteger, Integer, MetaData, inspect
from sqlalchemy.ext.asyncio import AsyncAttrs
from sqlalchemy.orm import DeclarativeBase, InstanceState, Mapped, Mapper, mapped_column
from sqlalchemy.orm.attributes import set_committed_value

from erlen.app.settings import is_secret
from erlen.db.annotations import names_at_definition, settle_annotations
from erlen.db.info import fields_of
from erlen.db.names import plural_of, snake_case
from erlen.db.tables import DEFAULT_DATABASE, NAMING, add_parent_key, has_table, merge_mapper_arguments, new_registry
from erlen.db.validation import assign, install
from erlen.schema.hints import _annotations
from erlen.types import MISSING

__all__ = ["Base", "Model", "metadata_for"]


class Options(Struct, frozen=True):
    """What the class keywords of a model say."""

    label: str = ""
    plural: str = ""
    ordering: tuple[str, ...] = ()


def _declare(cls: type[Base]) -> None:
    """Let attributes that make columns, such as `Tagged`, make those of a class: its own, and those of its mixins."""
    for base in cls.__mro__:
        if base is not cls and "__mapper__" in vars(base):
            return
        for name, value in list(vars(base).items()):
            if hasattr(type(value), "__declare__"):
                own = value if base is cls else copy(value)
                type.__setattr__(cls, name, own)
                own.__declare__(cls, name, _annotations(base).get(name))


class Base(AsyncAttrs, DeclarativeBase):
    """What every mapped class is derived from: as `Model`, but without a key, for classes that declare their own.

    A class has these keywords, all optional:

    - `table`: the name of its table; otherwise its own name in snake_case and plural: `class HTTPLog` has `http_logs`, `class Category`
      has `categories`. A subclass of a mapped class shares its table (single-table inheritance) unless this or `__tablename__` gives it
      one of its own (joined-table inheritance). `__tablename__` and `__table__` work as SQLAlchemy documents them.
    - `database`: the name of the database it is kept in, when there are several; subclasses inherit it.
    - `ordering`: names of fields, each with a `-` in front for the descending order; what lists are ordered by that say nothing else.
    - `label`, `plural`: what one and several are called, for people; otherwise the class's name in words.
    - `isolated`: makes an abstract base of which all subclasses share neither tables nor names with other models. For tests.
    """

    __abstract__ = True
    # What the database computes is read back with the same statement: reading it later would need an `await` in `async def` code.
    __mapper_args__: Any = {"eager_defaults": True}  # noqa: RUF012 - declared as SQLAlchemy does, or a subclass could not say its own
    __erlen__: ClassVar[Options] = Options()
    __database__: ClassVar[str] = DEFAULT_DATABASE
    registry = new_registry()

    def __init_subclass__(
        cls,
        *,
        table: str | None = None,
        database: str | None = None,
        ordering: tuple[str, ...] | str | None = None,
        label: str = "",
        plural: str = "",
        isolated: bool = False,
        **keywords: Any,
    ) -> None:
        if isolated:
            cls.__abstract__ = True
            cls.registry = cls._sa_registry = new_registry()
            cls.metadata = cls.registry.metadata
        if database is not None:
            cls.__database__ = database
            cls.metadata = metadata_for(database, base=cls)
        if ordering is None:
            ordering = cls.__erlen__.ordering
        cls.__erlen__ = Options(label, plural, (ordering,) if isinstance(ordering, str) else tuple(ordering))
        settle_annotations(cls, names_at_definition())
        if table is not None:
            cls.__tablename__ = table
        elif not has_table(cls):
            cls.__tablename__ = plural_of(snake_case(cls.__name__))
        add_parent_key(cls)
        if not vars(cls).get("__abstract__"):
            _declare(cls)
            merge_mapper_arguments(cls, Base)
        super().__init_subclass__(**keywords)

    def __init__(self, **values: Any) -> None:
        """Set attributes by their names.

        Raises:
            TypeError: for a name that the class does not have; the message says which one is nearest.
            ValidationError: with every value that is not valid.
        """
        cls = type(self)
        for name in values:
            # A hybrid property may fail on the class, and still be set on an object.
            if not hasattr(cls, name) and not any(name in vars(base) for base in cls.__mro__):
                raise TypeError(_unknown(cls, name))
        for name, default, is_shared in _defaults_of(cls):
            if name in values:
                continue
            if is_shared:
                set_committed_value(self, name, default)
            else:
                values[name] = deepcopy(default)
        assign(self, values)

    def __repr__(self) -> str:
        return _repr_of(self)

    def __json__(self) -> dict[str, Any]:
        """Return what leaves as JSON: the public fields that are loaded. Relations do not: name them in a Struct, or `Read[…]`."""
        values = vars(self)
        return {field.name: values[field.name] for field in fields_of(type(self)) if not field.private and field.name in values}


class Model(Base):
    """A class mapped to a table, with an integer `id` that the database counts."""

    __abstract__ = True

    # SQLite counts only a column that is exactly INTEGER, which holds 64 bits there.
    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True, sort_order=-1)


install(Base)


def metadata_for(database: str = DEFAULT_DATABASE, *, base: type[Base] = Base) -> MetaData:
    """Return the tables of one database, by its name.

    Args:
        database: as models name it: `class Log(Model, database="logs")`.
        base: an isolated base, for the tables of that.
    """
    tables: dict[str, MetaData] = base.registry.metadata.info["databases"]
    if database not in tables:
        tables[database] = MetaData(naming_convention=NAMING, info={"database": database})
    return tables[database]


def _defaults_of(cls: type[Base]) -> tuple[tuple[str, Any, bool], ...]:
    """Return the fields with a default that exists before the flush, and whether objects may share it."""
    found: tuple[tuple[str, Any, bool], ...] | None = vars(cls).get("__defaults__")
    if found is None:
        # What may be nothing is None from the beginning, as in the object that a query gives.
        settled = [
            (field.name, None if field.default is MISSING else field.default)
            for field in fields_of(cls)
            if field.default is not MISSING or (field.nullable and not field.made and not field.deferred)
        ]
        found = tuple((name, default, isinstance(default, Hashable)) for name, default in settled)
        type.__setattr__(cls, "__defaults__", found)  # not a mapped attribute: past SQLAlchemy's own
    return found


def _unknown(cls: type[Base], name: str) -> str:
    mapper: Mapper[Any] = inspect(cls)
    near = get_close_matches(name, mapper.all_orm_descriptors.keys(), n=1)
    return f"{cls.__name__} has no field {name!r}" + (f": did you mean {near[0]!r}?" if near else "")


def _repr_of(instance: Base) -> str:
    """Return the class, the key, and the first text that may be shown, of what is loaded."""
    cls = type(instance)
    state: InstanceState[Any] = inspect(instance)
    values = state.dict
    names = [state.mapper.get_property_by_column(column).key for column in state.mapper.primary_key]
    key = state.identity or [values.get(name) for name in names]
    shown = [f"{name}={value!r}" for name, value in zip(names, key, strict=True) if value is not None] or ["new"]
    for field in fields_of(cls):
        value = values.get(field.name)
        if isinstance(value, str) and not field.key and not field.private and not is_secret(field.name):
            shown.append(f"{field.name}={value if len(value) <= 40 else value[:39] + '…'!r}")
            break
    return f"<{cls.__name__} {' '.join(shown)}>"
