"""What a type is, and the fields of a model: Struct, dataclass, TypedDict, attrs or pydantic, told apart without importing any of them."""

from __future__ import annotations

import datetime
import math
import types
import typing
from collections import abc
from collections.abc import Callable, Iterator
from decimal import Decimal
from enum import Enum
from typing import Any, Literal
from uuid import UUID

import msgspec
from msgspec import Struct

from erlen.errors import ConfigurationError, Mistake
from erlen.schema.hints import class_hints, place_of, type_name
from erlen.types import MISSING

__all__ = ["NOTHINGS", "SCALARS", "Field", "Shape", "choices_of", "constraints_of", "fields_of", "kind_of", "members_of", "strip", "unwrap"]

Kind = Literal[
    "struct", "dataclass", "typeddict", "attrs", "pydantic", "namedtuple", "scalar", "collection", "mapping", "union", "any", "other"
]

NOTHINGS = (None, types.NoneType, msgspec.UnsetType)
"""The members of a union that stand for no value."""
UNIONS = (typing.Union, types.UnionType)
SCALARS = (UUID, int, Decimal, float, bool, datetime.datetime, datetime.date, datetime.time, datetime.timedelta, bytes, bytearray, str)
"""What one text can become besides enumerations, literals and IP addresses; the strictest first."""


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
    if origin is Literal or bare in SCALARS or bare in NOTHINGS:
        return "scalar"
    if origin in _COLLECTIONS:
        return "collection"
    if origin in _MAPPINGS:
        return "mapping"
    return _kind_of_class(origin) if isinstance(origin, type) else "other"


def fields_of(model: object) -> tuple[Field, ...]:
    """Return the fields of a model class, or of a generic one with its parameters filled in (`Page[Item]`).

    Args:
        model: a `msgspec.Struct`, dataclass, TypedDict, attrs or pydantic class, or a NamedTuple.

    Raises:
        ConfigurationError: if an annotation cannot be evaluated.
        TypeError: if `model` is no model.
    """
    bare = unwrap(model)
    kind = kind_of(bare)
    cls: Any = typing.get_origin(bare) or bare
    if kind == "pydantic":
        return tuple(_pydantic_field(name, info) for name, info in cls.model_fields.items())
    if kind not in _FIELDED:
        raise TypeError(f"{type_name(model)} is no model: use a msgspec.Struct, dataclass, TypedDict, attrs or pydantic class")
    hints = class_hints(bare)
    if kind == "typeddict":
        return tuple(Field(name, name, _without_qualifier(hint), _is_required(cls, name, hint)) for name, hint in hints.items())
    fields = []
    for name, encoded_name, default in _defaults(cls, kind):
        factory = default.factory if type(default).__name__ == "Factory" else None
        required = type(default).__name__ in _ABSENT
        annotation = _without_qualifier(hints.get(name, Any))
        fields.append(Field(name, encoded_name, annotation, required, MISSING if required or factory else default, factory))
    return tuple(fields)


class Shape:
    """A type together with the types of its parts; a type that holds itself is a part of its own parts.

    Attributes:
        annotation: the type as it was written; `bare` and `cls` are it without what is around it, and without its arguments.
        kind: see `kind_of`; but every union is a `union`, also one of scalars or with None.
        config: a Struct's, else None.
        fields: a model's or NamedTuple's, except pydantic's.
        parts: the members of a union that stand for a value, the types of the fields, those of a collection's or fixed tuple's items, or
            those of a mapping's names and values.

    Raises:
        ConfigurationError: if an annotation within it cannot be evaluated.
    """

    def __init__(self, annotation: object, made: dict[object, Shape] | None = None) -> None:
        made = {} if made is None else made
        made[annotation] = self
        self.annotation: Any = annotation
        self.bare: Any = unwrap(annotation)
        self.cls: Any = typing.get_origin(self.bare) or self.bare
        self.kind: Kind = "union" if self.cls in UNIONS else kind_of(self.bare)
        self.config: Any = getattr(self.cls, "__struct_config__", None)
        self.fields = fields_of(self.bare) if self.kind in _FIELDED else ()
        types = [field.annotation for field in self.fields]
        if self.kind == "union":
            types = [member for member in members_of(annotation) if member not in NOTHINGS]
        elif self.kind in ("collection", "mapping"):
            types = [argument for argument in typing.get_args(self.bare) if argument is not Ellipsis]
        self.parts: list[Shape] = [made.get(each) or Shape(each, made) for each in types]

    def reachable(self) -> list[Shape]:
        """Return this and every shape within it, each once."""
        found: dict[Shape, bool] = {self: True}
        waiting: list[Shape] = [self]
        for shape in waiting:
            new = [part for part in dict.fromkeys(shape.parts) if part not in found]
            found.update(dict.fromkeys(new, True))
            waiting.extend(new)
        return waiting

    def nesting(self, known: dict[Shape, float] | None = None) -> float:
        """Return how deep JSON nests at most that becomes such a value; infinity where the type does not say."""
        known = {} if known is None else known
        if self not in known:
            known[self] = math.inf  # what a type within it finds that holds it
            inner = max([part.nesting(known) for part in self.parts], default=0.0)
            is_open = self.kind in ("any", "other", "pydantic") or (self.kind in ("collection", "mapping") and not self.parts)
            known[self] = math.inf if is_open else inner + (self.kind not in ("scalar", "union"))
        return known[self]


def unwrap(annotation: object) -> object:
    """Return the type inside `Annotated`, `NewType`, `type` aliases, `Final`, `Required` and `NotRequired`."""
    return strip(annotation)[0]


def strip(annotation: Any) -> tuple[Any, list[object]]:
    """Return what `unwrap` returns, and the metadata of every `Annotated` around it, the outermost last."""
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


def constraints_of(annotation: object) -> tuple[msgspec.Meta, ...]:
    """Return the `Meta` objects that annotate a type, the innermost first.

    Raises:
        ConfigurationError: on constraints of another library, which would be lost without a word.
    """
    _, metadata = strip(annotation)
    for item in metadata:
        if type(item).__module__.partition(".")[0] in ("annotated_types", "pydantic"):
            wrong = f"{item!r} has no effect on {type_name(annotation)}"
            raise ConfigurationError(Mistake(wrong, fix="outside pydantic models write constraints as erlen's `Meta(...)`"))
    return tuple(item for item in metadata if isinstance(item, msgspec.Meta))


def members_of(annotation: object) -> tuple[object, ...]:
    """Return the members of a union, those of unions within it included; of anything else, itself."""
    bare = unwrap(annotation)
    if typing.get_origin(bare) in UNIONS:
        return tuple(inner for member in typing.get_args(bare) for inner in members_of(member))
    return (annotation,)


def choices_of(annotation: object) -> list[tuple[object, object]]:
    """Return the values of a Literal or Enum, each as JSON has it and as itself; of another type, none."""
    bare: Any = unwrap(annotation)
    if typing.get_origin(bare) is Literal:
        return [(value, value) for value in typing.get_args(bare)]
    return [(member.value, member) for member in bare] if isinstance(bare, type) and issubclass(bare, Enum) else []


def _without_qualifier(annotation: Any) -> object:
    while typing.get_origin(annotation) in _WRAPPERS:
        annotation = annotation.__args__[0]
    return annotation


def _kind_of_class(cls: type) -> Kind:
    if hasattr(cls, "__struct_fields__"):
        return "struct"
    if hasattr(cls, "model_validate") and hasattr(cls, "model_fields"):
        return "pydantic"
    if hasattr(cls, "__dataclass_fields__"):
        if hasattr(cls, "__pydantic_validator__"):
            wrong = f"{type_name(cls)} is a pydantic dataclass, whose rules would be lost"
            raise ConfigurationError(Mistake(wrong, place_of(cls), "make it a pydantic BaseModel or a Struct"))
        return "dataclass"
    if hasattr(cls, "__attrs_attrs__"):
        return "attrs"
    if issubclass(cls, dict):
        return "typeddict" if hasattr(cls, "__total__") else "mapping"
    if issubclass(cls, tuple) and hasattr(cls, "_fields"):
        return "namedtuple"
    return "scalar" if issubclass(cls, Enum) or cls.__module__ == "ipaddress" else "other"


def _defaults(cls: Any, kind: Kind) -> Iterator[tuple[str, str, Any]]:
    """Yield the name, the encoded name and the default of each field: a value, a `Factory`, or what the library has for none."""
    if kind == "struct":  # not `msgspec.structs.fields`: it evaluates the annotations again, and its way
        absent = (msgspec.NODEFAULT,) * (len(cls.__struct_fields__) - len(cls.__struct_defaults__))
        yield from zip(cls.__struct_fields__, cls.__struct_encode_fields__, absent + cls.__struct_defaults__, strict=True)
    elif kind == "dataclass":
        import dataclasses

        for field in dataclasses.fields(cls):
            factory = field.default_factory
            yield field.name, field.name, field.default if factory is dataclasses.MISSING else Factory(factory)
    elif kind == "attrs":
        for attribute in cls.__attrs_attrs__:
            yield attribute.name, attribute.name, attribute.default
    else:
        for name in cls._fields:
            yield name, name, cls._field_defaults.get(name, msgspec.NODEFAULT)


class Factory(Struct):
    """What makes a default, as msgspec and attrs name it."""

    factory: Callable[[], object]


def _is_required(cls: Any, name: str, hint: object) -> bool:
    # Under `from __future__ import annotations`, __required_keys__ does not see Required and NotRequired.
    origin = typing.get_origin(hint)
    return origin is typing.Required or (origin is not typing.NotRequired and name in cls.__required_keys__)


def _pydantic_field(name: str, info: Any) -> Field:
    alias = info.validation_alias if isinstance(info.validation_alias, str) else info.alias
    required = info.is_required()
    default = MISSING if required or info.default_factory is not None else info.default
    return Field(name, alias or name, info.annotation, required, default, info.default_factory)


_FIELDED = ("struct", "dataclass", "attrs", "typeddict", "namedtuple")
_WRAPPERS = (typing.Final, typing.Required, typing.NotRequired)
_ABSENT = (type(msgspec.NODEFAULT).__name__, "_MISSING_TYPE", "_Nothing")
_COLLECTIONS = (list, set, frozenset, tuple, abc.Collection, abc.Sequence, abc.MutableSequence, abc.Set, abc.MutableSet)
_MAPPINGS = (dict, abc.Mapping, abc.MutableMapping)
