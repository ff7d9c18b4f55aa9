"""Values into JSON: what the return annotation promises, and nothing more."""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Coroutine, Iterable, Iterator, Mapping
from os import PathLike, fsdecode
from typing import Any

import msgspec

from erlen.errors import ConfigurationError, Mistake
from erlen.schema.faults import convert_custom, first_fault, model_faults
from erlen.schema.hints import place_of, type_name
from erlen.schema.model import Shape, fields_of, kind_of, unwrap

__all__ = ["Unfit", "json_encoder"]


class Unfit(TypeError):
    """A handler returned what its annotation does not describe."""

    def __init__(self, value: object, annotation: object, reason: object) -> None:
        returned, expected = type_name(type(value)), type_name(annotation)
        super().__init__(f"a returned {returned} does not fit {expected}: {reason} - return what the annotation says, or correct it")


def json_encoder(annotation: object = None) -> Callable[[object], bytes]:
    """Return the function that makes JSON (RFC 8259) of a handler's return value.

    Where the annotation names models, only their fields leave (OWASP API3:2023): an instance of a subclass, another object or a dict is
    first projected onto the model, at any depth. Decimals become strings, dates ISO 8601, bytes base64, sets arrays, paths and `Markup`
    strings, NaN and infinities null; an object with a method `__json__` is encoded as what that returns. A value whose class has
    `__secret__ = True` is refused rather than masked: a mask would come back with the next update and be stored.

    The function raises `TypeError`, which says what cannot become JSON, where in the value it stands, and what to do; `Unfit`, which is
    one, for what the annotation does not describe.

    Raises:
        ConfigurationError: if the annotation names a secret type.
    """
    shape = Shape(unwrap(annotation))
    for part in shape.reachable():
        if getattr(part.cls, "__secret__", False) is True:
            wrong = f"{type_name(part.cls)} is secret and cannot be part of an answer"
            raise ConfigurationError(Mistake(wrong, place_of(part.cls), "leave the field out of the model"))
    projector = _Projector(shape)
    exact, project = projector.exact.get(shape), projector.project

    def encode_model(value: object) -> bytes:
        return _encode(value if type(value) is exact else project(value, shape))

    return encode_model if shape in projector.naming else _encode


def _encode(value: object) -> bytes:
    try:
        return _encode_json(value)
    except RecursionError as error:
        raise TypeError(f"cannot make JSON of {type_name(type(value))}: it refers to itself, or nests too deep") from error
    except TypeError as error:
        path, culprit = _find(value)
        raise TypeError(f"cannot make JSON of {type_name(type(culprit))} (at ${path}): {error}") from error


def _plain(value: Any) -> object:
    cls = type(value)
    if getattr(cls, "__secret__", False) is True:
        raise TypeError("it is secret: leave it out of the answer")
    if hasattr(cls, "__json__"):
        return value.__json__()
    if hasattr(cls, "model_dump_json"):
        return msgspec.Raw(value.model_dump_json(by_alias=True))
    if hasattr(cls, "__html__"):
        return str.__str__(value.__html__())
    for kind, convert in _SUBCLASSES:
        if isinstance(value, kind):
            return convert(value)
    if cls.__module__ == "ipaddress":
        return str(value)
    raise TypeError(_advice(value))


def _advice(value: object) -> str:
    if isinstance(value, BaseException):
        return "raise it instead of returning it"
    if isinstance(value, Coroutine):
        return "await it first"
    if isinstance(value, Iterator):
        return "return list(...) of it, or the iterator itself to stream it"
    return "return a dict, a list, a Struct or a dataclass of it, or give its class a method `__json__`"


def _find(value: object) -> tuple[str, object]:
    """Return the path to the innermost part of a value that cannot be encoded, and that part."""
    for step, part in _parts(value):
        try:
            _encode_json(part)
        except (TypeError, ValueError, RecursionError):
            path, culprit = _find(part)
            return step + path, culprit
    return "", value


def _parts(value: Any) -> list[tuple[str, object]]:
    if isinstance(value, dict):
        return [(f"[{key!r}]", part) for key, part in value.items()]
    if isinstance(value, _ARRAYS):
        return [(f"[{index}]", part) for index, part in enumerate(value)]
    if kind_of(type(value)) in _MODELS:
        return [(f".{field.name}", getattr(value, field.name, None)) for field in fields_of(type(value))]
    return []


class _Projector:
    """Brings values to what a type names: its models, wherever they stand in it, and of them no other fields."""

    def __init__(self, shape: Shape) -> None:
        self.naming = {part for part in shape.reachable() if any(each.kind in _MODELS for each in part.reachable())}
        self.exact: dict[Shape, type | None] = {
            part: part.cls for part in self.naming if part.kind in _CLASSES and self.naming.isdisjoint(part.parts)
        }
        self.exact |= {part: self.exact.get(part.parts[0]) for part in self.naming if part.kind == "union" and len(part.parts) == 1}
        self.nested = {
            part: [
                (field.name, inner, self.exact.get(inner))
                for field, inner in zip(part.fields, part.parts, strict=True)
                if inner in self.naming
            ]
            for part in self.naming
            if part.fields
        }

    def project(self, value: Any, shape: Shape) -> Any:
        """Return the value as its type has it; itself where nothing has to change."""
        if type(value) is self.exact.get(shape, self) or shape not in self.naming:
            return value
        if shape.kind in _CLASSES:
            value = value if type(value) is shape.cls else _fit(value, shape)
            changes = [
                (name, new)
                for name, part, exact in self.nested[shape]
                if type(old := getattr(value, name)) is not exact and (new := self.project(old, part)) is not old
            ]
            if changes:
                value = copy.copy(value)  # the caller's own is not to change
                for name, new in changes:
                    (msgspec.structs.force_setattr if shape.kind == "struct" else object.__setattr__)(value, name, new)
            return value
        if shape.kind == "union":
            return self._project_member(value, shape)
        if shape.kind == "pydantic":
            # The model's own serializer writes only its own fields even of a subclass's instance; `model_dump` would ask the instance's.
            value = value if isinstance(value, shape.cls) else _fit(value, shape)
            return msgspec.Raw(shape.cls.__pydantic_serializer__.to_json(value, by_alias=True))
        if shape.kind == "typeddict":
            value = value if isinstance(value, dict) else _fit(value, shape)
            fields = zip(shape.fields, shape.parts, strict=True)
            return {field.name: self.project(value[field.name], part) for field, part in fields if field.name in value}
        if shape.kind == "mapping":
            value = value if isinstance(value, Mapping) else _fit(value, shape)
            return {name: self.project(item, shape.parts[1]) for name, item in value.items()}
        if not isinstance(value, _ARRAYS):
            if isinstance(value, str | bytes | dict) or not isinstance(value, Iterable):
                raise Unfit(value, shape.annotation, "it is no list")
            value = list(value)
        if len(shape.parts) > 1:
            return [self.project(item, part) for item, part in zip(value, shape.parts, strict=True)]
        # PERF: a set of types is made in C, 25 ns an item where a call would take 150.
        item = shape.parts[0]
        return value if {*map(type, value)} <= {self.exact.get(item)} else [self.project(each, item) for each in value]

    def _project_member(self, value: Any, shape: Shape) -> Any:
        if value is None or value is msgspec.UNSET:
            return value
        part = self._member_of(value, shape)
        if part is None:
            value = _fit(value, shape)
            part = self._member_of(value, shape)
        return value if part is None else self.project(value, part)

    def _member_of(self, value: Any, shape: Shape) -> Shape | None:
        classes = [(dict if part.kind == "typeddict" else part.cls, part) for part in shape.parts]
        exact = [part for cls, part in classes if type(value) is cls]
        near = [part for cls, part in classes if part in self.naming and isinstance(value, cls)]
        return next(iter(exact + near), None)


def _fit(value: object, shape: Shape) -> Any:
    try:
        return msgspec.convert(value, shape.bare, from_attributes=True, str_keys=True, dec_hook=convert_custom)
    except (msgspec.ValidationError, TypeError) as error:  # msgspec knows no unions of several models
        fault = first_fault(error, ())
        faults = model_faults(error.__cause__, fault.location) if isinstance(error.__cause__, ValueError) else [fault]
        reason = " ".join(f"{'.'.join(map(str, ('$', *fault.location)))}: {fault.message}" for fault in faults)
        raise Unfit(value, shape.annotation, reason) from error


_ARRAYS = (list, tuple, set, frozenset)
_CLASSES = ("struct", "dataclass", "attrs")
_MODELS = (*_CLASSES, "typeddict", "pydantic")
_encode_json = msgspec.json.Encoder(enc_hook=_plain).encode
_SUBCLASSES: tuple[tuple[type, Callable[[Any], object]], ...] = (
    (str, str.__str__),
    (int, int.__int__),
    (float, float.__float__),
    (PathLike, fsdecode),
    (Mapping, dict),
    (Collection, list),
)
