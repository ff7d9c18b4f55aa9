"""The tables of models: what a family of models shares, and the names of tables and constraints."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, MetaData, Table, event, inspect
from sqlalchemy.orm import MappedColumn, Mapper, TypeResolve, declared_attr, mapped_column, registry
from sqlalchemy.types import TypeEngine

__all__ = ["DEFAULT_DATABASE", "NAMING", "add_parent_key", "has_table", "merge_mapper_arguments", "new_registry"]

DEFAULT_DATABASE = "default"


def new_registry() -> registry:
    """Return what a family of models shares: the names of its classes, and their tables by database."""
    tables = MetaData(naming_convention=NAMING, info={"database": DEFAULT_DATABASE})
    tables.info["databases"] = {DEFAULT_DATABASE: tables}
    made = registry(metadata=tables)
    event.listen(made, "resolve_type_annotation", _resolve_type)
    return made


def _resolve_type(resolve: TypeResolve) -> TypeEngine[Any] | None:
    from erlen.db.columns import column_type

    return column_type(resolve)


def _check_name(constraint: CheckConstraint, table: Table) -> str:
    """The name of a CHECK: what it was given, or else a few letters that say which it is as long as its text stays."""
    given = constraint.name
    return str(given) if isinstance(given, str) else hashlib.sha256(str(constraint.sqltext).encode()).hexdigest()[:8]


# Migrations need names that every database and every run agree on. The name of the token contains "constraint_name", so that SQLAlchemy
# applies it to constraints with a name too: MySQL wants these to be unique among all tables.
NAMING: Mapping[str, Any] = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(check_constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
    "check_constraint_name": _check_name,
}


def has_table(cls: type) -> bool:
    """Whether a class says its table, shares its parent's, or has none."""
    said = vars(cls).keys() & {"__tablename__", "__table__", "__abstract__"}
    inherited = any("__mapper__" in vars(base) for base in cls.__mro__[1:])
    mixed_in = any("__tablename__" in vars(base) for base in cls.__mro__[1:])
    return bool(said) or inherited or mixed_in


def add_parent_key(cls: type) -> None:
    """Give a subclass with a table of its own (joined-table inheritance) its parent's key, which refers to the parent's row.

    A class that says its primary key keeps that.
    """
    parent = _parent_of(cls)
    if parent is None or "__tablename__" not in vars(cls):
        return
    if any(isinstance(value, MappedColumn) and value.column.primary_key for value in vars(cls).values()):
        return
    mapper: Mapper[Any] = inspect(parent)
    for key in mapper.primary_key:
        prop = mapper.get_property_by_column(key)
        column = next(column for column in prop.columns if column.table is mapper.local_table)
        setattr(cls, prop.key, mapped_column(column.name, ForeignKey(column), primary_key=True, sort_order=-1))


def merge_mapper_arguments(cls: type, base: type) -> None:
    """Let `__mapper_args__` of a class, of its mixins and of `base` hold together: SQLAlchemy would take only the first.

    Those of a mapped parent and its mixins are the parent's.
    """
    parent = _parent_of(cls)
    classes = [each for each in reversed(cls.__mro__) if each is base or parent is None or each not in parent.__mro__]
    said = [vars(each)["__mapper_args__"] for each in classes if "__mapper_args__" in vars(each)]
    cls.__mapper_args__ = declared_attr.directive(  # type: ignore[attr-defined]
        lambda mapped: {name: value for each in said for name, value in _mapper_arguments(mapped, each).items()}
    )


def _parent_of(cls: type) -> type | None:
    """Return the mapped class that a class inherits from; None for one that only repeats its columns (concrete inheritance)."""
    if _mapper_arguments(cls, vars(cls).get("__mapper_args__")).get("concrete"):
        return None
    return next((base for base in cls.__mro__[1:] if "__mapper__" in vars(base)), None)


def _mapper_arguments(cls: type, said: Any) -> dict[str, Any]:
    return dict(said.__get__(None, cls) if hasattr(said, "__get__") else said or {})
