"""A model filled from named texts: the parameters of a query, headers, cookies, or a form with its files."""

from __future__ import annotations

import typing
from collections.abc import Callable
from typing import Any

from erlen.errors import ConfigurationError, Fault, InvalidRequest, Mistake, raise_all
from erlen.http.headers import Headers
from erlen.http.query import MultiDict
from erlen.schema.faults import MAX_FAULTS, REQUIRED, UNKNOWN, model_faults, own_message
from erlen.schema.hints import place_of, type_name
from erlen.schema.model import NOTHINGS, Field, fields_of, kind_of, members_of, unwrap
from erlen.schema.text import list_decoder, text_decoder, text_faults
from erlen.types import MISSING

__all__ = ["Texts", "fields_decoder"]


Texts = MultiDict[Any] | Headers
"""What fields are read from. Values are text, in forms also files."""


def fields_decoder(model: object, source: str) -> Callable[[Texts], object]:
    """Return the function that fills a model from texts.

    Each field is read as `text_decoder` or `list_decoder` read its type; of a repeated name a single field takes the last value. A header
    field's underscores stand for hyphens. What a Struct with `forbid_unknown_fields` does not know is refused (not among headers and
    cookies, where there is always more; nor a form's `csrf_token`). In a form:

    - an empty text counts as missing, except where the field takes text: browsers send every input;
    - a `bool` without a default is False when missing: browsers do not send a box that is not ticked. One with a default keeps that;
    - a field of any other class takes a file.

    pydantic models are given the texts as they are, and validate them.

    The function raises `InvalidRequest` with every fault, each located at `(source, name)`.

    Args:
        model: a Struct, dataclass, TypedDict, attrs or pydantic class.
        source: `"query"`, `"header"`, `"cookie"`, `"path"` or `"form"`.

    Raises:
        ConfigurationError: if a field's type cannot come from text.
    """
    if kind_of(model) == "pydantic":
        return _pydantic_fields(unwrap(model), source)
    slots, mistakes = [], []
    for field in fields_of(model):
        try:
            slots.append(_slot(field, source))
        except ConfigurationError as error:
            at, where = f"field `{field.name}` of {type_name(model)}", place_of(unwrap(model))
            mistakes += [Mistake(f"{at}: {mistake.message}", mistake.where or where, mistake.fix) for mistake in error.mistakes]
    raise_all(mistakes)
    build: Any = typing.get_origin(unwrap(model)) or unwrap(model)
    config = getattr(build, "__struct_config__", None)
    closed = config is not None and config.forbid_unknown_fields and source not in ("header", "cookie")
    known = {key for key, *_ in slots} | ({"csrf_token"} if source == "form" else set[str]())

    def decode_fields(data: Texts) -> object:
        values: dict[str, object] = {}
        faults: list[Fault] = []
        for key, name, decode, repeated, skip_empty, make_default in slots:
            value = MISSING if key not in data else data.getlist(key) if repeated else data[key]
            if value is not MISSING and not (skip_empty and value == ""):
                try:
                    values[name] = decode(value)
                except ValueError as error:
                    faults += text_faults(error, (source, key))
            elif make_default is None:
                faults.append(Fault((source, key), REQUIRED))
            elif (default := make_default()) is not MISSING:
                values[name] = default
        if closed:
            faults += [Fault((source, name), UNKNOWN) for name in data if name not in known]
        if faults:
            raise InvalidRequest(faults[:MAX_FAULTS])
        try:
            return build(**values)
        except (ValueError, TypeError) as error:  # a validator of the user's, as msgspec understands it
            raise InvalidRequest([Fault((source,), own_message(error))]) from error

    return decode_fields


Decode = Callable[[Any], object]
Slot = tuple[str, str, Decode, bool, bool, Callable[[], object] | None]
"""The key, the field's name, how its value is decoded, whether it is a list, whether an empty text is none, and what makes its default."""


def _slot(field: Field, source: str) -> Slot:
    form = source == "form"
    key = field.encoded_name.replace("_", "-").lower() if source == "header" else field.encoded_name
    some: list[Any] = [unwrap(member) for member in members_of(field.annotation) if member not in NOTHINGS]
    repeated = kind_of(field.annotation) == "collection"
    item: Any = unwrap(typing.get_args(some[0])[0]) if repeated and typing.get_args(some[0]) else some[0] if len(some) == 1 else None
    decode: Decode
    if form and kind_of(item) == "other":
        decode = _only(item, "Expected a file.", repeated, list if repeated else lambda file: file)
    else:
        decode = list_decoder(field.annotation) if repeated else text_decoder(field.annotation)
        if form:
            decode = _only(str, "Expected text, got a file.", repeated, decode)
    skip_empty = form and not repeated and not any(member in (str, Any, object) for member in some)
    box = form and field.required and some == [bool]
    return key, field.name, decode, repeated, skip_empty, bool if box else None if field.required else field.make_default


def _only(cls: type, otherwise: str, repeated: bool, decode: Decode) -> Decode:
    def decode_only(value: Any) -> object:
        if not all(isinstance(each, cls) for each in (value if repeated else (value,))):
            raise ValueError(otherwise)
        return decode(value)

    return decode_only


def _pydantic_fields(model: Any, source: str) -> Callable[[Texts], object]:
    plan = {}
    for field in fields_of(model):
        members = members_of(field.annotation)
        optional = str not in members and any(member in NOTHINGS for member in members)
        for name in (field.name, field.encoded_name):
            key = name.replace("_", "-").lower() if source == "header" else name
            plan[key] = (name, kind_of(field.annotation) == "collection", optional)

    def decode_fields(data: Texts) -> object:
        texts: dict[str, object] = {}
        for key in data:
            name, repeated, optional = plan.get(key, (key, False, False))
            value = list(data.getlist(key)) if repeated else data[key]
            texts[name] = None if value == "" and optional else value
        try:
            return model.model_validate(texts)
        except ValueError as error:
            raise InvalidRequest(model_faults(error, (source,))) from None

    return decode_fields
