"""Structured values in one column: Structs, dataclasses, dicts and lists, as JSON that has their type again when it is loaded."""

from __future__ import annotations

import operator
import typing
import weakref
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Self, SupportsIndex

import msgspec
from sqlalchemy import JSON, ColumnElement, Dialect, TypeDecorator, type_coerce
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.mutable import Mutable
from sqlalchemy.types import TypeEngine

from erlen.schema.faults import convert_custom, first_fault
from erlen.schema.hints import type_name
from erlen.schema.model import kind_of, unwrap

__all__ = ["JsonValue", "TrackedDict", "TrackedList", "json_type", "plain_json"]


def json_type(annotation: object) -> TypeEngine[Any]:
    """Return the column type of a structured value.

    Changes inside a dict or list are noticed, at any depth (`article.data["tags"].append("new")`). Changes inside a Struct, dataclass or
    set are not: assign a new one (`msgspec.structs.replace`), or say `sqlalchemy.orm.attributes.flag_modified(article, "data")`.
    """
    bare: Any = unwrap(annotation)
    origin = typing.get_origin(bare) or bare
    made = JsonValue(annotation)
    if origin is list:
        return TrackedList.as_mutable(made)
    if origin is dict or kind_of(annotation) == "typeddict":
        return TrackedDict.as_mutable(made)
    return made


def plain_json(value: object) -> Any:
    """Return what a value is in JSON: dicts, lists, texts, numbers, booleans and None.

    Raises:
        TypeError: if it, or something in it, has no form in JSON.
    """
    return msgspec.to_builtins(value, str_keys=True, enc_hook=_plain)


class JsonValue(TypeDecorator[Any]):
    """A value of any type that JSON can hold; JSONB on PostgreSQL.

    None is NULL. A part of it is plain JSON in queries, as SQLAlchemy documents: `Article.data["views"].as_integer() > 3`.
    """

    impl = JSON
    cache_ok = True

    class Comparator(TypeDecorator.Comparator[Any], JSON.Comparator[Any]):
        """Makes a part of the value plain JSON: it has not the type of the whole."""

        def operate(self, op: Any, *other: Any, **options: Any) -> ColumnElement[Any]:
            if op is operator.getitem:
                return type_coerce(self.expr, _PLAIN)[other[0]]
            return super().operate(op, *other, **options)

    comparator_factory = Comparator  # pyright: ignore[reportAssignmentType]  # SQLAlchemy declares a property

    def __init__(self, annotation: Any) -> None:
        self.annotation = annotation
        super().__init__(none_as_null=True)

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        kind = JSONB if dialect.name == "postgresql" else JSON
        return dialect.type_descriptor(kind(none_as_null=True))

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        return None if value is None else plain_json(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        if value is None:
            return None
        try:
            return msgspec.convert(value, self.annotation, str_keys=True, dec_hook=convert_custom)
        except (msgspec.ValidationError, TypeError) as error:
            fault = first_fault(error, ())
            path = "".join(f"[{step!r}]" for step in fault.location)
            raise ValueError(f"a stored value is no {type_name(self.annotation)}{path and f' (at {path})'}: {fault.message}") from None


class _Tracked(Mutable):
    """A container that tells the object whose attribute it is in, through the containers around it, of every change."""

    _owner: weakref.ref[_Tracked] | None = None

    def changed(self) -> None:
        """Mark what holds this as changed."""
        owner = None if self._owner is None else self._owner()
        if owner is None:
            super().changed()
        else:
            owner.changed()

    def _own(self, value: Any) -> Any:
        """Return a value as it stands in this container: dicts and lists tracked."""
        tracked: _Tracked
        if isinstance(value, _Tracked):
            tracked = value
        elif type(value) is dict:
            tracked = TrackedDict(value)
        elif type(value) is list:
            tracked = TrackedList(value)
        else:
            return value
        tracked._owner = weakref.ref(self)
        return tracked


class TrackedDict(_Tracked, dict[Any, Any]):
    """A dict of a JSON column."""

    def __init__(self, values: Mapping[Any, Any] | Iterable[tuple[Any, Any]] = (), /, **more: Any) -> None:
        super().__init__()
        for key, value in dict(values, **more).items():
            dict.__setitem__(self, key, self._own(value))

    @classmethod
    def coerce(cls, key: str, value: Any) -> Any:
        """Return a value as it is set on an attribute."""
        return cls(value) if isinstance(value, dict) and not isinstance(value, cls) else value

    def __setitem__(self, key: Any, value: Any) -> None:
        super().__setitem__(key, self._own(value))
        self.changed()

    def __delitem__(self, key: Any) -> None:
        super().__delitem__(key)
        self.changed()

    def __ior__(self, other: Any) -> Self:  # type: ignore[misc]  # as dict's own, but of this class
        self.update(other)
        return self

    def update(self, *values: Any, **more: Any) -> None:
        super().update({key: self._own(value) for key, value in dict(*values, **more).items()})
        self.changed()

    def setdefault(self, key: Any, default: Any = None) -> Any:
        if key not in self:
            self[key] = default
        return self[key]

    def pop(self, key: Any, *default: Any) -> Any:
        value = super().pop(key, *default)
        self.changed()
        return value

    def popitem(self) -> tuple[Any, Any]:
        item = super().popitem()
        self.changed()
        return item

    def clear(self) -> None:
        super().clear()
        self.changed()

    def __reduce_ex__(self, protocol: SupportsIndex) -> tuple[Any, ...]:
        return type(self), (dict(self),)


class TrackedList(_Tracked, list[Any]):
    """A list of a JSON column."""

    def __init__(self, values: Iterable[Any] = ()) -> None:
        super().__init__()
        list.extend(self, self._own_all(values))

    @classmethod
    def coerce(cls, key: str, value: Any) -> Any:
        """Return a value as it is set on an attribute."""
        return cls(value) if isinstance(value, list) and not isinstance(value, cls) else value

    def _own_all(self, values: Iterable[Any]) -> Iterator[Any]:
        return map(self._own, values)

    def __setitem__(self, index: Any, value: Any) -> None:
        super().__setitem__(index, list(self._own_all(value)) if isinstance(index, slice) else self._own(value))
        self.changed()

    def __delitem__(self, index: Any) -> None:
        super().__delitem__(index)
        self.changed()

    def __iadd__(self, values: Iterable[Any]) -> Self:  # type: ignore[misc]  # as list's own, but of this class
        self.extend(values)
        return self

    def __imul__(self, times: SupportsIndex) -> Self:
        self[:] = list(self) * times
        return self

    def append(self, value: Any) -> None:
        super().append(self._own(value))
        self.changed()

    def extend(self, values: Iterable[Any]) -> None:
        super().extend(list(self._own_all(values)))
        self.changed()

    def insert(self, index: SupportsIndex, value: Any) -> None:
        super().insert(index, self._own(value))
        self.changed()

    def pop(self, index: SupportsIndex = -1) -> Any:
        value = super().pop(index)
        self.changed()
        return value

    def remove(self, value: Any) -> None:
        super().remove(value)
        self.changed()

    def clear(self) -> None:
        super().clear()
        self.changed()

    def sort(self, **options: Any) -> None:
        super().sort(**options)
        self.changed()

    def reverse(self) -> None:
        super().reverse()
        self.changed()

    def __reduce_ex__(self, protocol: SupportsIndex) -> tuple[Any, ...]:
        return type(self), (list(self),)


def _plain(value: Any) -> object:
    if isinstance(value, dict):
        return dict(value)
    if isinstance(value, list):
        return list(value)
    if hasattr(type(value), "model_dump"):
        return value.model_dump(mode="json", by_alias=True)
    if type(value).__module__ == "ipaddress":
        return str(value)
    raise TypeError(f"{type_name(type(value))} has no form in JSON")


_PLAIN = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
