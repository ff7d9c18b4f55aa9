"""Values into JSON: what the return annotation promises, and nothing more."""

from __future__ import annotations

from collections.abc import Callable, Collection, Coroutine, Iterator, Mapping
from os import PathLike, fsdecode
from typing import Any

import msgspec

from erlen.schema.model import fields_of, is_model, type_name
from erlen.schema.projection import projection_of

__all__ = ["json_encoder"]


def json_encoder(annotation: object = None) -> Callable[[object], bytes]:
    """Return the function that makes JSON (RFC 8259) of a handler's return value.

    Where the annotation names models, only their fields leave: an instance of a subclass, another object or a dict is first projected
    onto the model, at any depth. Decimals become strings, dates ISO 8601, bytes base64, sets arrays, paths and `Markup` strings, NaN and
    infinities null; an object with a method `__json__` is encoded as what that returns. A value whose class has `__secret__ = True` is
    refused rather than masked: a mask would come back with the next update and be stored.

    The function raises `TypeError`, which says what cannot become JSON, where in the value it stands, and what to do.

    Raises:
        ConfigurationError: if the annotation names a secret type.
    """
    projection = projection_of(annotation)
    if projection is None:
        return _encode

    project = projection.project

    def encode_model(value: object) -> bytes:
        return _encode(project(value))

    return encode_model


def _encode(value: object) -> bytes:
    try:
        return _encode_json(value)
    except (TypeError, RecursionError) as error:
        raise _explain(value, error) from error


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


def _explain(value: object, error: Exception) -> TypeError:
    if isinstance(error, RecursionError):
        return TypeError(f"cannot make JSON of {type_name(type(value))}: it refers to itself, or nests too deep")
    path, culprit = _find(value)
    return TypeError(f"cannot make JSON of {type_name(type(culprit))} (at {path}): {error}")


def _find(value: object) -> tuple[str, object]:
    """Return the innermost part of a value that cannot be encoded, and the path to it."""
    path = "$"
    searching = True
    while searching:
        searching = False
        for step, part in _parts(value):
            try:
                _encode_json(part)
            except (TypeError, ValueError, RecursionError):
                path, value, searching = path + step, part, True
                break
    return path, value


def _parts(value: Any) -> list[tuple[str, object]]:
    if isinstance(value, dict):
        return [(f"[{key!r}]", part) for key, part in value.items()]
    if isinstance(value, list | tuple | set | frozenset):
        return [(f"[{index}]", part) for index, part in enumerate(value)]
    if is_model(type(value)):
        return [(f".{field.name}", getattr(value, field.name, None)) for field in fields_of(type(value))]
    return []


_encode_json = msgspec.json.Encoder(enc_hook=_plain).encode
_SUBCLASSES: tuple[tuple[type, Callable[[Any], object]], ...] = (
    (str, str.__str__),
    (int, int.__int__),
    (float, float.__float__),
    (PathLike, fsdecode),
    (Mapping, dict),
    (Collection, list),
)
