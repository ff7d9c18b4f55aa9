"""A model filled from named texts: the parameters of a query, headers, cookies, or a form with its files."""

from __future__ import annotations

import typing
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

from msgspec import Struct

from erlen.errors import ConfigurationError, Fault, InvalidRequest, Mistake
from erlen.schema.faults import MAX_FAULTS, REQUIRED, UNKNOWN, model_faults, own_message
from erlen.schema.hints import place_of
from erlen.schema.model import NOTHINGS, Field, fields_of, kind_of, members_of, type_name, unwrap
from erlen.schema.text import list_decoder, text_decoder, text_faults
from erlen.types import MISSING

__all__ = ["Texts", "fields_decoder"]


class Texts(Protocol):
    """What fields are read from: `MultiDict`, `Headers`, or anything like them. Values are text, in forms also files."""

    def __contains__(self, name: object, /) -> bool: ...
    def __getitem__(self, name: str, /) -> Any: ...
    def __iter__(self) -> Iterator[str]: ...
    def getlist(self, name: str, /) -> Sequence[Any]: ...


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
    fields = fields_of(model)
    mistakes = []
    slots = []
    for field in fields:
        try:
            slots.append(_slot(field, source))
        except ConfigurationError as error:
            at = f"field `{field.name}` of {type_name(model)}"
            mistakes += [
                Mistake(f"{at}: {mistake.message}", mistake.where or place_of(unwrap(model)), mistake.fix) for mistake in error.mistakes
            ]
    if mistakes:
        raise ConfigurationError(mistakes)
    return _fill(model, slots, _closed_names(model, slots, source), source)


class _Slot(Struct, frozen=True):
    field: Field
    key: str
    decode: Callable[[Any], object]
    repeated: bool
    skip_empty: bool
    fallback: object

    def missing(self) -> object:
        return self.fallback if self.field.required else self.field.make_default()


def _slot(field: Field, source: str) -> _Slot:
    form = source == "form"
    key = field.encoded_name
    if source == "header":
        key = key.replace("_", "-").lower()
    some = [member for member in members_of(field.annotation) if member not in NOTHINGS]
    repeated = kind_of(field.annotation) == "collection"
    takes_text = any(unwrap(member) in (str, Any, object) for member in some)
    box = form and field.required and [unwrap(member) for member in some] == [bool]
    decode = _decoder(field, repeated, form)
    return _Slot(field, key, decode, repeated, form and not takes_text and not repeated, False if box else MISSING)


def _decoder(field: Field, repeated: bool, form: bool) -> Callable[[Any], object]:
    some = [member for member in members_of(field.annotation) if member not in NOTHINGS]
    if form:
        if len(some) == 1 and kind_of(some[0]) == "other":
            return _file_of(unwrap(some[0]))
        arguments = typing.get_args(unwrap(some[0])) if repeated else ()
        if arguments and kind_of(arguments[0]) == "other":
            return _files_of(unwrap(arguments[0]))
    decode: Callable[[Any], object] = list_decoder(field.annotation) if repeated else text_decoder(field.annotation)
    return _texts_only(decode, repeated) if form else decode


def _file_of(cls: Any) -> Callable[[Any], object]:
    def take_file(value: object) -> object:
        if not isinstance(value, cls):
            raise ValueError("Expected a file.")
        return value

    return take_file


def _files_of(cls: Any) -> Callable[[Any], object]:
    take = _file_of(cls)
    return lambda values: [take(value) for value in values]


def _texts_only(decode: Callable[[Any], object], repeated: bool) -> Callable[[Any], object]:
    def decode_text(value: Any) -> object:
        if not all(isinstance(each, str) for each in value) if repeated else not isinstance(value, str):
            raise ValueError("Expected text, got a file.")
        return decode(value)

    return decode_text


def _closed_names(model: object, slots: Sequence[_Slot], source: str) -> frozenset[str] | None:
    bare: Any = unwrap(model)
    config = getattr(typing.get_origin(bare) or bare, "__struct_config__", None)
    if config is None or not config.forbid_unknown_fields or source in ("header", "cookie"):
        return None
    return frozenset({slot.key for slot in slots} | ({"csrf_token"} if source == "form" else set()))


def _fill(model: object, slots: Sequence[_Slot], known: frozenset[str] | None, source: str) -> Callable[[Texts], object]:
    bare: Any = unwrap(model)
    build: Any = typing.get_origin(bare) or bare

    plan = [(slot.key, slot.field.name, slot.decode, slot.repeated, slot.skip_empty, slot) for slot in slots]

    def decode_fields(data: Texts) -> object:
        values: dict[str, object] = {}
        faults: list[Fault] = []
        for key, name, decode, repeated, skip_empty, slot in plan:
            if key in data:
                value = data.getlist(key) if repeated else data[key]
                if value != "" or not skip_empty:
                    try:
                        values[name] = decode(value)
                    except ValueError as error:
                        faults += text_faults(error, (source, key))
                    continue
            default = slot.missing()
            if default is not MISSING:
                values[name] = default
            elif slot.field.required:
                faults.append(Fault((source, key), REQUIRED))
        if known is not None:
            faults += [Fault((source, name), UNKNOWN) for name in data if name not in known]
        if faults:
            raise InvalidRequest(faults[:MAX_FAULTS])
        try:
            return build(**values)
        except (ValueError, TypeError) as error:  # a validator of the user's, as msgspec understands it
            raise InvalidRequest([Fault((source,), own_message(error))]) from error

    return decode_fields


def _pydantic_fields(model: Any, source: str) -> Callable[[Texts], object]:
    fields = fields_of(model)
    repeated = {name for field in fields if kind_of(field.annotation) == "collection" for name in (field.name, field.encoded_name)}
    optional = {
        name
        for field in fields
        if any(member in NOTHINGS for member in members_of(field.annotation)) and str not in members_of(field.annotation)
        for name in (field.name, field.encoded_name)
    }
    names = (
        {name.replace("_", "-").lower(): name for field in fields for name in (field.name, field.encoded_name)}
        if source == "header"
        else {}
    )

    def decode_fields(data: Texts) -> object:
        texts: dict[str, object] = {}
        for key in data:
            name = names.get(key, key)
            value = list(data.getlist(key)) if name in repeated else data[key]
            texts[name] = None if value == "" and name in optional else value
        try:
            return model.model_validate(texts)
        except ValueError as error:
            raise InvalidRequest(model_faults(error, (source,))) from None

    return decode_fields
