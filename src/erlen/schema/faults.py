"""Everything that is wrong with data, where msgspec stops at the first fault.

A checker lets msgspec judge a value whole, and looks into its parts only where msgspec refused: so the two always agree, what is in
order costs what msgspec costs, and only the way to each fault is walked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from decimal import Decimal
from itertools import count
from types import GenericAlias
from typing import Any

import msgspec

from erlen.errors import ConfigurationError, Fault, Mistake
from erlen.schema.hints import place_of, type_name
from erlen.schema.model import Shape, choices_of, constraints_of
from erlen.schema.sentence import choices, in_words, sentence, split_path

__all__ = ["MAX_FAULTS", "REQUIRED", "UNKNOWN", "Checker", "convert_custom", "first_fault", "is_odd", "model_faults", "own_message"]

MAX_FAULTS = 100
"""At most so many faults are listed: an answer must not grow with what is wrong."""
REQUIRED = "This field is required."
UNKNOWN = "This field is not known."

Location = tuple[str | int, ...]


class Checker:
    """Lists the faults of values of one type.

    Attributes:
        shape: the type.
        refuse_odd: raises `msgspec.ValidationError` if a decoded value holds an odd Decimal; None if the type has no Decimal.

    Raises:
        ConfigurationError: if values of it cannot come from JSON, or another library's constraints would be lost.
    """

    def __init__(self, annotation: object) -> None:
        self.shape = Shape(annotation)
        for part in self.shape.reachable():
            constraints_of(part.annotation)
            if part.kind == "other" and part.bare is not msgspec.Raw:
                wrong = f"{type_name(part.bare)} cannot be read from JSON"
                raise ConfigurationError(Mistake(wrong, place_of(part.bare), "use a Struct, dataclass, TypedDict or plain types"))
        self.refuse_odd = _odd_refuser(self.shape)

    def faults(self, value: object, location: Location) -> list[Fault]:
        """Return every fault of already decoded JSON, at most `MAX_FAULTS`; none exactly where it is accepted.

        Args:
            value: what JSON decodes to: dict, list, str, int, float, bool, None.
            location: where the value stands; each fault's location starts with it.
        """
        faults: list[Fault] = []
        with suppress(RecursionError):  # deeper than the limit that the application chose can be walked
            self._check(self.shape, value, location, faults)
        return faults[:MAX_FAULTS]

    def _check(self, shape: Shape, value: Any, location: Location, faults: list[Fault]) -> None:
        if len(faults) >= MAX_FAULTS or (error := self._refusal(value, shape.annotation)) is None:
            return
        before = len(faults)
        if shape.kind == "union":
            self._look_into_union(shape, value, location, faults)
        elif shape.kind == "scalar":
            values = [plain for plain, _ in choices_of(shape.bare)]
            if type(value) in map(type, values):
                faults.append(Fault(location, choices(values)))
        elif shape.kind == "pydantic":
            try:
                shape.cls.model_validate(value)
            except ValueError as refused:
                faults += model_faults(refused, location)
        else:
            for step, part, item in self._parts(shape, value, location, faults):
                self._check(part, item, (*location, step), faults)
                if len(faults) >= MAX_FAULTS:
                    break
        if len(faults) == before:
            faults.append(first_fault(error, location, shape.annotation))

    def _refusal(self, value: object, annotation: Any) -> Exception | None:
        try:
            made = msgspec.convert(value, annotation, str_keys=True, dec_hook=convert_custom)
            if self.refuse_odd is not None:
                self.refuse_odd(made)
        except (msgspec.ValidationError, TypeError, RecursionError) as error:
            return error
        return None

    def _parts(self, shape: Shape, value: Any, location: Location, faults: list[Fault]) -> Iterator[tuple[str | int, Shape, Any]]:
        """Yield the parts of a refused value that may be why, and append what is wrong with its names."""
        if isinstance(value, list) and _is_array(shape):
            start = 0 if shape.config is None or shape.config.tag is None else 1
            yield from zip(count(start), shape.parts, value[start:], strict=False)
        elif isinstance(value, list) and shape.kind == "collection" and shape.parts:
            for index, item in self._suspects(value, GenericAlias(list, shape.parts[0].annotation)):
                yield index, shape.parts[0], item
        elif isinstance(value, dict) and shape.kind == "mapping" and shape.parts:
            key, whole = GenericAlias(dict, (shape.parts[0].annotation, Any)), GenericAlias(list, shape.parts[1].annotation)
            names = list(value)
            for _, name in self._suspects(names, key, dict.fromkeys):
                if len(faults) >= MAX_FAULTS:
                    return
                if (error := self._refusal({name: None}, key)) is not None:
                    faults.append(Fault((*location, name), f"Wrong name: {first_fault(error, (), shape.parts[0].annotation).message}"))
            for index, item in self._suspects(list(value.values()), whole):
                yield names[index], shape.parts[1], item
        elif isinstance(value, dict) and shape.fields and not _is_array(shape):
            for field, part in zip(shape.fields, shape.parts, strict=True):
                if field.encoded_name in value:
                    yield field.encoded_name, part, value[field.encoded_name]
                elif field.required:
                    faults.append(Fault((*location, field.encoded_name), REQUIRED))
            if shape.config is not None and shape.config.forbid_unknown_fields:
                known = {field.encoded_name for field in shape.fields} | {shape.config.tag_field}
                faults += [Fault((*location, name), UNKNOWN) for name in value if name not in known]

    def _look_into_union(self, shape: Shape, value: Any, location: Location, faults: list[Fault]) -> None:
        tagged = {part.config.tag: part for part in shape.parts if part.config is not None and part.config.tag is not None}
        fitting = [part for part in shape.parts if type(value) in _json_kinds(part)]
        if tagged and isinstance(value, dict):
            field = next(iter(tagged.values())).config.tag_field
            tag = value.get(field)
            fitting = [tagged[tag]] if isinstance(tag, str | int) and tag in tagged else []
            if field in value and not fitting:
                faults.append(Fault((*location, field), choices(list(tagged))))
        if len(fitting) == 1:
            self._check(fitting[0], value, location, faults)

    def _suspects(self, values: list[Any], whole: Any, wrap: Callable[[list[Any]], object] = list) -> Iterator[tuple[int, Any]]:
        # PERF: a long list with one fault is refused at msgspec's speed, not at this module's: only chunks with faults are walked.
        for start in range(0, len(values), _CHUNK):
            chunk = values[start : start + _CHUNK]
            if self._refusal(wrap(chunk), whole) is not None:
                yield from enumerate(chunk, start)


def first_fault(error: Exception, location: Location, annotation: object = None) -> Fault:
    """Return the one fault that a decoding error tells of; `annotation` is the type that was refused, where it is known."""
    if isinstance(error, TypeError):
        return Fault(location, "The items of a set must be simple values." if "unhashable" in str(error) else "The value is not valid.")
    if isinstance(error, RecursionError):
        return Fault(location, "Nests too deep.")
    message, path = split_path(str(error))
    for start in ("Object missing required field `", "Object contains unknown field `"):
        if message.startswith(start):
            path = (*path, message[len(start) :].rstrip("`"))
    return Fault((*location, *path), own_message(error.__cause__) if error.__cause__ is not None else sentence(message, annotation))


def own_message(error: BaseException) -> str:
    """Return what a validator of the user's raised, as a sentence (attrs puts more than the message into its errors)."""
    message = error.args[0] if error.args and isinstance(error.args[0], str) else str(error)
    return sentence(message or "The value is not valid.")


def model_faults(error: ValueError, location: Location) -> list[Fault]:
    """Return the faults of a pydantic ValidationError, at most `MAX_FAULTS`; of another ValueError, its message."""
    errors = getattr(error, "errors", None)
    if errors is None:
        return [Fault(location, own_message(error))]
    return [
        Fault((*location, *item["loc"]), REQUIRED if item["type"] == "missing" else sentence(item["msg"].removeprefix("Value error, ")))
        for item in errors(include_url=False, include_context=False, include_input=False)[:MAX_FAULTS]
    ]


def convert_custom(cls: Any, value: Any) -> object:
    """Make what msgspec cannot: pydantic models and IP addresses. For `dec_hook`."""
    if hasattr(cls, "model_validate"):
        return cls.model_validate(value, from_attributes=True)
    if cls.__module__ == "ipaddress" and isinstance(value, str):
        with suppress(ValueError):
            return cls(value[:100])
    raise ValueError(f"Expected {in_words(cls.__name__)}.")


def is_odd(number: Decimal) -> bool:
    """Return whether a number is NaN, infinite, or of a thousand digits or more when written out."""
    return not number.is_finite() or not -1000 < number.adjusted() < 1000


def _odd_refuser(shape: Shape) -> Callable[[object], None] | None:
    """Return the function that raises `msgspec.ValidationError` if an odd Decimal is in a decoded value; None if the type has no Decimal.

    msgspec reads `"NaN"`, `"Infinity"` and `1E+999999999`, and arithmetic on those fails or fills the memory.
    """
    if not _holds_decimal(shape):
        return None
    names_of: dict[Any, set[str]] = {}
    for each in shape.reachable():
        for field, part in zip(each.fields, each.parts, strict=False):  # what is no model has parts only
            if _holds_decimal(part):
                names_of.setdefault(each.cls, set()).add(field.name)  # a generic model comes with several arguments

    def refuse(value: Any) -> None:
        cls = type(value)
        if cls is Decimal:
            if is_odd(value):
                raise msgspec.ValidationError("Expected a finite number of fewer than 1000 digits.")
        elif cls in names_of:
            for name in names_of[cls]:
                refuse(getattr(value, name, None))
        elif isinstance(value, dict):
            for item in (*value, *value.values()):
                refuse(item)
        elif isinstance(value, list | tuple | set | frozenset):
            for item in value:
                refuse(item)

    return refuse


def _holds_decimal(shape: Shape) -> bool:
    return any(part.bare is Decimal for part in shape.reachable())


def _is_array(shape: Shape) -> bool:
    """Whether each part has its place in a JSON array."""
    array_like = shape.config is not None and shape.config.array_like
    return array_like or shape.kind == "namedtuple" or (shape.kind == "collection" and len(shape.parts) > 1)


def _json_kinds(shape: Shape) -> tuple[type, ...]:
    """The types of decoded JSON that a type of value can come from; a number counts as float only where no int is meant."""
    if shape.kind == "scalar":
        kinds = tuple(type(plain) for plain, _ in choices_of(shape.bare))
        return kinds or {int: (int,), float: (float, int), bool: (bool,), Decimal: (str, float, int)}.get(shape.bare, (str,))
    if shape.kind == "collection" or _is_array(shape):
        return (list,)
    return (dict, list, str, int, float, bool) if shape.kind in ("any", "other", "pydantic") else (dict,)


_CHUNK = 256
