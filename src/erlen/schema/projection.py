"""What of a value may leave: the fields that the return annotation names, and no others (OWASP API3:2023).

An instance of a subclass, another object with the same attributes, or a dict with more in it would otherwise be encoded whole.
"""

from __future__ import annotations

import copy
import typing
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from erlen.errors import ConfigurationError, Mistake
from erlen.schema.faults import model_faults
from erlen.schema.hints import place_of
from erlen.schema.model import NOTHINGS, UNIONS, fields_of, kind_of, members_of, type_name, unwrap

__all__ = ["Projection", "Unfit", "projection_of"]

Project = Callable[[Any], Any]


class Unfit(TypeError):
    """A handler returned what its annotation does not describe."""

    def __init__(self, value: object, annotation: object, reason: object) -> None:
        returned, expected = type_name(type(value)), type_name(annotation)
        super().__init__(f"a returned {returned} does not fit {expected}: {reason} - return what the annotation says, or correct it")


class Projection(Struct, frozen=True):
    """How a value is brought to what its annotation names. Instances of exactly `exact` need nothing; `accepts` are the classes meant."""

    project: Project
    accepts: tuple[type, ...]
    exact: type | None = None


def projection_of(annotation: object) -> Projection | None:
    """Return how values are projected onto an annotation, or None where it names no model.

    Raises:
        ConfigurationError: if it names a type with `__secret__ = True`.
    """
    return _projection(annotation, {})


def _projection(annotation: object, made: dict[object, Projection]) -> Projection | None:
    bare: Any = unwrap(annotation)
    cls = typing.get_origin(bare) or bare
    if getattr(cls, "__secret__", False) is True:
        raise ConfigurationError(
            Mistake(f"{type_name(cls)} is secret and cannot be part of an answer", place_of(cls), "leave the field out of the model")
        )
    if bare in made:
        return made[bare]
    if typing.get_origin(bare) in UNIONS:
        return _of_union(bare, made)
    kind = kind_of(bare)
    if kind in ("struct", "dataclass", "attrs"):
        return _of_object(bare, cls, made)
    if kind == "typeddict":
        return _of_typeddict(bare, cls, made)
    if kind == "pydantic":
        return _of_pydantic(bare)
    if kind == "namedtuple":
        return _of_tuple([field.annotation for field in fields_of(bare)], made)
    arguments = typing.get_args(bare)
    if kind == "collection" and arguments:
        if cls is tuple and (len(arguments) != 2 or arguments[1] is not Ellipsis):
            return _of_tuple(arguments, made)
        return _of_items(bare, _projection(arguments[0], made))
    if kind == "mapping" and arguments:
        return _of_mapping(bare, _projection(arguments[1], made))
    return None


def _of_object(bare: Any, cls: type, made: dict[object, Projection]) -> Projection:
    nested: list[tuple[str, Project]] = []
    assign = msgspec.structs.force_setattr if hasattr(cls, "__struct_fields__") else object.__setattr__

    def project(value: Any) -> Any:
        if type(value) is not cls:
            value = _fit(value, bare)
        changes = [(name, part) for name, inner in nested if (part := inner(old := getattr(value, name))) is not old]
        if changes:
            value = copy.copy(value)  # the caller's own is not to change
            for name, part in changes:
                assign(value, name, part)
        return value

    made[bare] = Projection(project, (cls,))
    for field in fields_of(bare):
        inner = _projection(field.annotation, made)
        if inner is not None:
            nested.append((field.name, inner.project))
    if not nested:
        made[bare] = Projection(lambda value: value if type(value) is cls else _fit(value, bare), (cls,), cls)
    return made[bare]


def _of_typeddict(bare: Any, cls: type, made: dict[object, Projection]) -> Projection:
    inner_of: dict[str, Project | None] = {}

    def project(value: Any) -> Any:
        if not isinstance(value, dict):
            value = _fit(value, bare)
        return {
            name: part if inner is None else inner(part)
            for name, inner in inner_of.items()
            if (part := value.get(name, inner_of)) is not inner_of
        }

    made[bare] = Projection(project, (dict,))
    for field in fields_of(bare):
        inner = _projection(field.annotation, made)
        inner_of[field.name] = None if inner is None else inner.project
    return made[bare]


def _of_pydantic(model: Any) -> Projection:
    # The model's own serializer writes only its own fields even of a subclass's instance; `model_dump` would ask the instance's class.
    dump = model.__pydantic_serializer__.to_json

    def project(value: Any) -> Any:
        if not isinstance(value, model):
            try:
                value = model.model_validate(value, from_attributes=True)
            except ValueError as error:
                raise Unfit(
                    value, model, "; ".join(f"{'.'.join(map(str, fault.location))}: {fault.message}" for fault in model_faults(error, ()))
                ) from error
        return msgspec.Raw(dump(value, by_alias=True))

    return Projection(project, (model,))


def _of_tuple(arguments: Sequence[object], made: dict[object, Projection]) -> Projection | None:
    inners = [_projection(argument, made) for argument in arguments]
    if not any(inners):
        return None

    def project(value: Any) -> Any:
        return tuple(part if inner is None else inner.project(part) for part, inner in zip(value, inners, strict=True))

    return Projection(project, (tuple, list))


def _of_items(bare: object, inner: Projection | None) -> Projection | None:
    if inner is None:
        return None
    each, exact = inner.project, {inner.exact}

    def project(value: Any) -> Any:
        if not isinstance(value, Iterable) or isinstance(value, str | bytes | dict):
            raise Unfit(value, bare, "it is no list")
        if not isinstance(value, list | tuple | set | frozenset):
            value = list(value)
        # PERF: a set of types is made in C, 25 ns an item where a call would take 80.
        return value if {*map(type, value)} <= exact else [each(item) for item in value]

    return Projection(project, (list, tuple, set, frozenset))


def _of_mapping(bare: object, inner: Projection | None) -> Projection | None:
    if inner is None:
        return None
    each = inner.project

    def project(value: Any) -> Any:
        if not isinstance(value, typing.Mapping):
            raise Unfit(value, bare, "it is no mapping")
        return {name: each(item) for name, item in value.items()}

    return Projection(project, (dict,))


def _of_union(bare: Any, made: dict[object, Projection]) -> Projection | None:
    members = [member for member in members_of(bare) if member not in NOTHINGS]
    projections = [projection for member in members if (projection := _projection(member, made)) is not None]
    if not projections:
        return None
    exact = {cls: projection.project for projection in reversed(projections) for cls in projection.accepts}
    others = len(members) > len(projections)

    def project(value: Any) -> Any:
        found = exact.get(type(value))
        if found is not None:
            return found(value)
        if value is None or value is msgspec.UNSET:
            return value
        for projection in projections:
            if isinstance(value, projection.accepts):
                return projection.project(value)
        if others and isinstance(value, _SIMPLE):
            return value
        for projection in projections:
            try:
                return projection.project(value)
            except Unfit:
                continue
        raise Unfit(value, bare, "it is none of these")

    return Projection(project, tuple(exact))


def _fit(value: object, annotation: Any) -> Any:
    try:
        return msgspec.convert(value, annotation, from_attributes=True, str_keys=True, dec_hook=_convert_object)
    except msgspec.ValidationError as error:
        raise Unfit(value, annotation, error) from error


def _convert_object(cls: Any, value: Any) -> object:
    if hasattr(cls, "model_validate"):
        return cls.model_validate(value, from_attributes=True)
    raise TypeError(f"expected {type_name(cls)}, got {type_name(type(value))}")


_SIMPLE = (str, int, float, bool, bytes)
