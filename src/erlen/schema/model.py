"""What a type is, and the fields of a model: Struct, dataclass, TypedDict, attrs or pydantic, told apart without importing any of them."""

from __future__ import annotations

import datetime
import types
import typing
from collections import abc
from collections.abc import Callable
from decimal import Decimal
from enum import Enum
from typing import Any, Literal
from uuid import UUID

import msgspec
from msgspec import Struct

from erlen.errors import ConfigurationError, Mistake
from erlen.schema.hints import Names, class_hints, place_of
from erlen.types import MISSING

__all__ = ["NOTHINGS", "UNIONS", "Field", "Kind", "constraints_of", "fields_of", "is_model", "kind_of", "members_of", "type_name", "unwrap"]

Kind = Literal[
    "struct", "dataclass", "typeddict", "attrs", "pydantic", "namedtuple", "scalar", "collection", "mapping", "union", "any", "other"
]

NOTHINGS = (None, types.NoneType, msgspec.UnsetType)
"""The members of a union that stand for no value."""
UNIONS = (typing.Union, types.UnionType)


class Field(Struct, frozen=True):
    """One field of a model."""

    name: str
    """The attribute."""
    encoded_name: str
    """The name in JSON and in forms: what `rename` or an alias makes of it."""
    annotation: object
    """Evaluated; `Annotated` is kept, `Required`, `NotRequired` and `Final` are not."""
    required: bool
    default: object = MISSING
    factory: Callable[[], object] | None = None

    def make_default(self) -> object:
        """Return the default, made anew where a factory makes it; `MISSING` where there is none."""
        return self.default if self.factory is None else self.factory()


def kind_of(annotation: object) -> Kind:
    """Return what kind of type an annotation is, seen through `Annotated`, `NewType`, aliases and `| None`.

    Scalars are what one text value can hold: text, numbers, booleans, dates and times, UUID, bytes, enumerations, literals, IP addresses,
    and unions of these. A union of several members of which not all are scalars is `union`.
    """
    bare = unwrap(annotation)
    origin: Any = typing.get_origin(bare) or bare
    if origin in UNIONS:
        members = [member for member in members_of(bare) if member not in NOTHINGS]
        kinds: set[Kind] = {kind_of(member) for member in members} or {"scalar"}
        return kinds.pop() if len(members) < 2 else "scalar" if kinds == {"scalar"} else "union"
    if origin is Any or origin is object or isinstance(bare, typing.TypeVar):
        return "any"
    if origin is Literal or bare in _SCALARS:
        return "scalar"
    if origin in _COLLECTIONS:
        return "collection"
    if origin in _MAPPINGS:
        return "mapping"
    return _kind_of_class(origin) if isinstance(origin, type) else "other"


def is_model(annotation: object) -> bool:
    """Return whether the annotation is a type with named fields, which a JSON object or a form can fill."""
    return kind_of(annotation) in ("struct", "dataclass", "typeddict", "attrs", "pydantic")


def fields_of(model: object, localns: Names | None = None) -> tuple[Field, ...]:
    """Return the fields of a model class, or of a generic one with its parameters filled in (`Page[Item]`).

    Args:
        model: a `msgspec.Struct`, dataclass, TypedDict, attrs or pydantic class, or a NamedTuple.
        localns: names that its annotations may use besides those of its module.

    Raises:
        ConfigurationError: if an annotation cannot be evaluated.
        TypeError: if `model` is no model.
    """
    bare = unwrap(model)
    kind = kind_of(bare)
    cls: Any = typing.get_origin(bare) or bare
    if kind == "pydantic":
        return tuple(_pydantic_field(name, info) for name, info in cls.model_fields.items())
    reader = _READERS.get(kind)
    if reader is None:
        raise TypeError(f"{type_name(model)} is no model: use a msgspec.Struct, dataclass, TypedDict, attrs or pydantic class")
    return tuple(_without_qualifier(field) for field in reader(cls, class_hints(bare, localns)))


def unwrap(annotation: object) -> object:
    """Return the type inside `Annotated`, `NewType`, `type` aliases, `Final`, `Required` and `NotRequired`."""
    bare, _ = _unwrap(annotation)
    return bare


def constraints_of(annotation: object) -> tuple[msgspec.Meta, ...]:
    """Return the `Meta` objects that annotate a type, the innermost first.

    Raises:
        ConfigurationError: on constraints of another library, which would be lost without a word.
    """
    _, metadata = _unwrap(annotation)
    for item in metadata:
        if type(item).__module__.partition(".")[0] in ("annotated_types", "pydantic"):
            raise ConfigurationError(
                Mistake(
                    f"{item!r} has no effect on {type_name(annotation)}",
                    fix="outside pydantic models write constraints as erlen's `Meta(...)`",
                )
            )
    return tuple(item for item in metadata if isinstance(item, msgspec.Meta))


def members_of(annotation: object) -> tuple[object, ...]:
    """Return the members of a union, those of unions within it included; of anything else, itself."""
    bare = unwrap(annotation)
    if typing.get_origin(bare) in UNIONS:
        return tuple(inner for member in typing.get_args(bare) for inner in (members_of(member) if _is_union(member) else (member,)))
    return (annotation,)


def type_name(annotation: object) -> str:
    """Return an annotation as the developer would write it, for messages."""
    return annotation.__qualname__ if isinstance(annotation, type) and typing.get_origin(annotation) is None else str(annotation)


def _is_union(annotation: object) -> bool:
    return typing.get_origin(unwrap(annotation)) in UNIONS


def _unwrap(annotation: Any) -> tuple[Any, list[object]]:
    metadata: list[object] = []
    while True:
        origin = typing.get_origin(annotation)
        if origin is typing.Annotated:
            metadata[:0] = annotation.__metadata__
            annotation = annotation.__origin__
        elif origin in _WRAPPERS:
            annotation = annotation.__args__[0]
        elif hasattr(annotation, "__supertype__"):
            annotation = annotation.__supertype__
        elif type(annotation).__name__ == "TypeAliasType":
            annotation = annotation.__value__
        elif type(origin).__name__ == "TypeAliasType":
            annotation = typing.cast(Any, origin).__value__[annotation.__args__]
        else:
            return (types.NoneType if annotation is None else annotation), metadata


def _without_qualifier(field: Field) -> Field:
    annotation: Any = field.annotation
    while typing.get_origin(annotation) in _WRAPPERS:
        annotation = annotation.__args__[0]
    return field if annotation is field.annotation else msgspec.structs.replace(field, annotation=annotation)


def _kind_of_class(cls: type) -> Kind:
    if hasattr(cls, "__struct_fields__"):
        return "struct"
    if hasattr(cls, "model_validate") and hasattr(cls, "model_fields"):
        return "pydantic"
    if hasattr(cls, "__dataclass_fields__"):
        if hasattr(cls, "__pydantic_validator__"):
            raise ConfigurationError(
                Mistake(
                    f"{type_name(cls)} is a pydantic dataclass, whose rules would be lost",
                    place_of(cls),
                    "make it a pydantic BaseModel or a Struct",
                )
            )
        return "dataclass"
    if hasattr(cls, "__attrs_attrs__"):
        return "attrs"
    if issubclass(cls, dict):
        return "typeddict" if hasattr(cls, "__total__") else "mapping"
    if issubclass(cls, tuple) and hasattr(cls, "_fields"):
        return "namedtuple"
    return "scalar" if issubclass(cls, Enum) or cls.__module__ == "ipaddress" else "other"


def _struct_fields(cls: Any, hints: dict[str, object]) -> tuple[Field, ...]:
    # Not `msgspec.structs.fields`: it evaluates the annotations again, and its way.
    fields = []
    defaults = (msgspec.NODEFAULT,) * (len(cls.__struct_fields__) - len(cls.__struct_defaults__)) + cls.__struct_defaults__
    for name, encoded, default in zip(cls.__struct_fields__, cls.__struct_encode_fields__, defaults, strict=True):
        factory = getattr(default, "factory", None) if type(default).__name__ == "Factory" else None
        required = default is msgspec.NODEFAULT
        fields.append(Field(name, encoded, hints[name], required, MISSING if required or factory else default, factory))
    return tuple(fields)


def _dataclass_fields(cls: Any, hints: dict[str, object]) -> tuple[Field, ...]:
    import dataclasses

    none = dataclasses.MISSING
    return tuple(
        Field(
            field.name,
            field.name,
            hints[field.name],
            field.default is none and field.default_factory is none,
            MISSING if field.default is none else field.default,
            None if field.default_factory is none else field.default_factory,
        )
        for field in dataclasses.fields(cls)
    )


def _attrs_fields(cls: Any, hints: dict[str, object]) -> tuple[Field, ...]:
    from attrs import NOTHING

    fields = []
    for attribute in cls.__attrs_attrs__:
        factory = getattr(attribute.default, "factory", None)
        default = MISSING if factory is not None or attribute.default is NOTHING else attribute.default
        required = attribute.default is NOTHING
        fields.append(Field(attribute.name, attribute.name, hints.get(attribute.name, attribute.type), required, default, factory))
    return tuple(fields)


def _typeddict_fields(cls: Any, hints: dict[str, object]) -> tuple[Field, ...]:
    # Under `from __future__ import annotations`, __required_keys__ does not see Required and NotRequired.
    def required(name: str, hint: object) -> bool:
        origin = typing.get_origin(hint)
        return origin is typing.Required or (origin is not typing.NotRequired and name in cls.__required_keys__)

    return tuple(Field(name, name, hint, required(name, hint)) for name, hint in hints.items())


def _namedtuple_fields(cls: Any, hints: dict[str, object]) -> tuple[Field, ...]:
    defaults = cls._field_defaults
    return tuple(Field(name, name, hints.get(name, Any), name not in defaults, defaults.get(name, MISSING)) for name in cls._fields)


def _pydantic_field(name: str, info: Any) -> Field:
    alias = info.validation_alias if isinstance(info.validation_alias, str) else info.alias
    required = info.is_required()
    default = MISSING if required or info.default_factory is not None else info.default
    return Field(name, alias or name, info.annotation, required, default, info.default_factory)


_READERS: dict[Kind, Callable[[Any, dict[str, object]], tuple[Field, ...]]] = {
    "struct": _struct_fields,
    "dataclass": _dataclass_fields,
    "attrs": _attrs_fields,
    "typeddict": _typeddict_fields,
    "namedtuple": _namedtuple_fields,
}
_WRAPPERS = (typing.Final, typing.Required, typing.NotRequired)
_SCALARS: frozenset[object] = frozenset(
    {
        str,
        int,
        float,
        bool,
        bytes,
        bytearray,
        memoryview,
        types.NoneType,
        datetime.datetime,
        datetime.date,
        datetime.time,
        datetime.timedelta,
        Decimal,
        UUID,
        msgspec.UnsetType,
    }
)
_COLLECTIONS: frozenset[object] = frozenset(
    {
        list,
        set,
        frozenset,
        tuple,
        abc.Collection,
        abc.Sequence,
        abc.MutableSequence,
        abc.Set,
        abc.MutableSet,
    }
)
_MAPPINGS: frozenset[object] = frozenset({dict, abc.Mapping, abc.MutableMapping})
