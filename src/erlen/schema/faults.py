"""Everything that is wrong with data, where msgspec stops at the first fault.

A checker mirrors a type. It lets msgspec judge a value whole, and looks into its parts only where msgspec refused: so the two always
agree, what is in order costs what msgspec costs, and only the way to each fault is walked.
"""

from __future__ import annotations

import typing
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from enum import Enum
from typing import Any, Literal

import msgspec

from erlen.errors import ConfigurationError, Fault, Mistake
from erlen.schema.decimals import is_odd
from erlen.schema.hints import place_of
from erlen.schema.model import NOTHINGS, UNIONS, Field, constraints_of, fields_of, kind_of, members_of, type_name, unwrap
from erlen.schema.sentence import choices, sentence, split_path

__all__ = [
    "MAX_FAULTS",
    "REQUIRED",
    "UNKNOWN",
    "Checker",
    "checker_of",
    "collect_faults",
    "convert_custom",
    "first_fault",
    "model_faults",
    "own_message",
]

MAX_FAULTS = 100
"""At most so many faults are listed: an answer must not grow with what is wrong."""
REQUIRED = "This field is required."
UNKNOWN = "This field is not known."

Location = tuple[str | int, ...]
Look = Callable[[Any, Location, list[Fault], bool], None]


def collect_faults(value: object, annotation: object, location: Location) -> list[Fault]:
    """Return every fault of already decoded JSON, at most `MAX_FAULTS`; none exactly where msgspec accepts it.

    Args:
        value: what JSON decodes to: dict, list, str, int, float, bool, None.
        annotation: the type it should have.
        location: where the value stands; each fault's location starts with it.

    Raises:
        ConfigurationError: if the type cannot be decoded from JSON.
    """
    faults: list[Fault] = []
    checker_of(annotation).check(value, location, faults)
    return faults


class Checker:
    """Lists the faults of values of one type.

    `decimal` says that a Decimal is somewhere in it: msgspec takes NaN, infinities and any exponent there, so those are looked for even
    in what msgspec accepts. `parts` are the checkers of what it is made of, and `names`, where it has fields, their attributes.
    """

    __slots__ = ("annotation", "decimal", "look", "names", "parts")

    def __init__(self, annotation: object) -> None:
        self.annotation: Any = annotation
        self.decimal = False
        self.parts: list[Checker] = []
        self.names: tuple[str, ...] = ()
        self.look: Look | None = None

    def check(self, value: object, location: Location, faults: list[Fault], fits: bool = False) -> None:
        """Append what is wrong with `value`; `fits` says that msgspec accepts it."""
        if len(faults) >= MAX_FAULTS or (fits and not self.decimal):
            return
        error = None if fits else refusal(value, self.annotation)
        if error is None and not self.decimal:
            return
        before = len(faults)
        if self.look is not None:
            self.look(value, location, faults, error is None)
        if error is not None and len(faults) == before:
            faults.append(first_fault(error, location))


def refusal(value: object, annotation: Any) -> Exception | None:
    """Return the error with which msgspec refuses a value, or None where it takes it."""
    try:
        msgspec.convert(value, annotation, str_keys=True, dec_hook=convert_custom)
    except (msgspec.ValidationError, TypeError, RecursionError) as error:
        return error
    return None


def first_fault(error: Exception, location: Location) -> Fault:
    """Return the one fault that a decoding error tells of."""
    if isinstance(error, TypeError):
        return Fault(location, "The items of a set must be simple values." if "unhashable" in str(error) else "The value is not valid.")
    if isinstance(error, RecursionError):
        return Fault(location, "Nests too deep.")
    message, path = split_path(str(error))
    for start in ("Object missing required field `", "Object contains unknown field `"):
        if message.startswith(start):
            path = (*path, message[len(start) :].rstrip("`"))
    return Fault((*location, *path), own_message(error.__cause__) if error.__cause__ is not None else sentence(message))


def own_message(error: BaseException) -> str:
    """Return what a validator of the user's raised, as a sentence (attrs puts more than the message into its errors)."""
    message = error.args[0] if error.args and isinstance(error.args[0], str) else str(error)
    return sentence(message or "The value is not valid.")


def model_faults(error: ValueError, location: Location) -> list[Fault]:
    """Return the faults of a pydantic ValidationError; of another ValueError, its message."""
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
        return cls.model_validate(value)
    if not isinstance(value, str):
        raise ValueError("Expected an IP address or network.")
    try:
        return cls(value[:100])
    except ValueError:
        raise ValueError("Expected an IP address or network.") from None


def checker_of(annotation: object) -> Checker:
    """Return the checker for a type.

    Raises:
        ConfigurationError: if values of it cannot come from JSON, or another library's constraints would be lost.
    """
    made: dict[object, Checker] = {}
    checker = _make(annotation, made)
    growing = True
    while growing:  # types may hold each other, so what one holds is known only once all are made
        holders = [each for each in made.values() if not each.decimal and any(part.decimal for part in each.parts)]
        for each in holders:
            each.decimal = True
        growing = bool(holders)
    return checker


def _make(annotation: object, made: dict[object, Checker]) -> Checker:
    if annotation in made:
        return made[annotation]
    checker = made[annotation] = Checker(annotation)
    constraints_of(annotation)
    bare: Any = unwrap(annotation)
    some = [member for member in members_of(annotation) if member not in NOTHINGS]
    if typing.get_origin(bare) in UNIONS:
        checker.parts = [_make(member, made) for member in some]
        checker.look = _look_into_union(checker.parts)
    elif typing.get_origin(bare) is Literal:
        checker.look = _look_at_choice(typing.get_args(bare))
    elif isinstance(bare, type) and issubclass(bare, Enum):
        checker.look = _look_at_choice([member.value for member in bare])
    elif bare is Decimal:
        checker.decimal, checker.look = True, _look_at_decimal
    else:
        _look_by_kind(checker, bare, made)
    return checker


def _look_by_kind(checker: Checker, bare: Any, made: dict[object, Checker]) -> None:
    kind = kind_of(bare)
    arguments = typing.get_args(bare)
    if kind in ("struct", "dataclass", "attrs", "typeddict", "namedtuple"):
        fields = fields_of(bare)
        checker.parts = [_make(field.annotation, made) for field in fields]
        checker.names = tuple(field.name for field in fields)
        config = getattr(typing.get_origin(bare) or bare, "__struct_config__", None)
        if kind == "namedtuple" or (config is not None and config.array_like):
            checker.look = _look_into_array(checker.parts, 1 if config is not None and config.tag is not None else 0)
        else:
            checker.look = _look_into_object(fields, checker.parts, config)
    elif kind == "collection" and typing.get_origin(bare) is tuple and (len(arguments) != 2 or arguments[1] is not Ellipsis):
        checker.parts = [_make(argument, made) for argument in arguments]
        checker.look = _look_into_array(checker.parts, 0)
    elif kind == "collection" and arguments:
        checker.parts = [_make(arguments[0], made)]
        checker.look = _look_into_items(checker.parts[0])
    elif kind == "mapping" and arguments:
        checker.parts = [_make(arguments[1], made)]
        checker.look = _look_into_mapping(arguments[0], checker.parts[0])
    elif kind == "pydantic":
        checker.look = _look_into_pydantic(bare)
    elif kind == "other" and bare is not msgspec.Raw:
        raise ConfigurationError(
            Mistake(f"{type_name(bare)} cannot be read from JSON", place_of(bare), "use a Struct, dataclass, TypedDict or plain types")
        )


def _look_into_object(fields: Sequence[Field], checkers: Sequence[Checker], config: Any) -> Look:
    plan = [(field.encoded_name, field.required, checker) for field, checker in zip(fields, checkers, strict=True)]
    known = {field.encoded_name for field in fields}
    closed = config is not None and config.forbid_unknown_fields
    tag = None if config is None else config.tag_field

    def look(value: Any, location: Location, faults: list[Fault], fits: bool) -> None:
        if not isinstance(value, dict):
            return
        for name, required, checker in plan:
            if name in value:
                checker.check(value[name], (*location, name), faults, fits)
            elif required:
                faults.append(Fault((*location, name), REQUIRED))
        if closed and not fits:
            faults.extend(Fault((*location, name), UNKNOWN) for name in value if name not in known and name != tag)
        del faults[MAX_FAULTS:]

    return look


def _look_into_array(checkers: Sequence[Checker], start: int) -> Look:
    def look(value: Any, location: Location, faults: list[Fault], fits: bool) -> None:
        if isinstance(value, list):
            for index, checker in enumerate(checkers[: len(value) - start], start):
                checker.check(value[index], (*location, index), faults, fits)

    return look


def _look_into_items(item: Checker) -> Look:
    whole: Any = list[item.annotation]  # type: ignore[name-defined]  # a type made at run time

    def look(value: Any, location: Location, faults: list[Fault], fits: bool) -> None:
        if isinstance(value, list):
            for index, part, part_fits in _suspects(value, whole, item.decimal, fits):
                item.check(part, (*location, index), faults, part_fits)
                if len(faults) >= MAX_FAULTS:
                    return

    return look


def _look_into_mapping(key: Any, item: Checker) -> Look:
    whole: Any = list[item.annotation]  # type: ignore[name-defined]  # a type made at run time
    keyed: Any = None if unwrap(key) in (Any, str) and not constraints_of(key) else dict[key, Any]

    def look(value: Any, location: Location, faults: list[Fault], fits: bool) -> None:
        if not isinstance(value, dict):
            return
        names = list(value)
        if keyed is not None and not fits:
            faults.extend(_wrong_names(names, keyed, location, MAX_FAULTS - len(faults)))
        for index, part, part_fits in _suspects(list(value.values()), whole, item.decimal, fits):
            item.check(part, (*location, names[index]), faults, part_fits)
            if len(faults) >= MAX_FAULTS:
                return

    return look


def _wrong_names(names: list[str], keyed: Any, location: Location, limit: int) -> list[Fault]:
    faults: list[Fault] = []
    for start in range(0, len(names), _CHUNK):
        chunk = names[start : start + _CHUNK]
        if refusal(dict.fromkeys(chunk), keyed) is not None:
            errors = [(name, refusal({name: None}, keyed)) for name in chunk]
            faults += [
                Fault((*location, name), f"Wrong name: {first_fault(error, ()).message}") for name, error in errors if error is not None
            ]
            if len(faults) >= limit:
                break
    return faults[:limit]


def _suspects(values: list[Any], whole: Any, decimal: bool, fits: bool) -> Iterator[tuple[int, Any, bool]]:
    # PERF: a long list with one fault is refused at msgspec's speed, not at this module's: only chunks with faults are walked.
    for start in range(0, len(values), _CHUNK):
        chunk = values[start : start + _CHUNK]
        chunk_fits = fits or refusal(chunk, whole) is None
        if decimal or not chunk_fits:
            for index, value in enumerate(chunk, start):
                yield index, value, chunk_fits


def _look_into_union(checkers: Sequence[Checker]) -> Look:
    tagged = {}
    for checker in checkers:
        config = getattr(unwrap(checker.annotation), "__struct_config__", None)
        if config is not None and config.tag is not None and not config.array_like:
            tagged[config.tag] = (config.tag_field, checker)
    tag_field = next(iter(tagged.values()))[0] if tagged else ""
    by_kind: dict[type, list[Checker]] = {}
    for checker in checkers:
        for kind in _json_kinds(checker.annotation):
            by_kind.setdefault(kind, []).append(checker)

    def look(value: Any, location: Location, faults: list[Fault], fits: bool) -> None:
        if tagged and isinstance(value, dict):
            tag = value.get(tag_field)
            if isinstance(tag, str | int) and tag in tagged:
                tagged[tag][1].check(value, location, faults, fits)
            elif tag_field in value:
                faults.append(Fault((*location, tag_field), choices(list(tagged))))
            return
        fitting = by_kind.get(type(value), ())
        if len(fitting) == 1:
            fitting[0].check(value, location, faults, fits)

    return look


def _json_kinds(annotation: object) -> tuple[type, ...]:
    """The types of decoded JSON that a type of value can come from; a number counts as float only where no int is meant."""
    bare: Any = unwrap(annotation)
    if typing.get_origin(bare) is Literal:
        return tuple({type(value) for value in typing.get_args(bare)})
    if isinstance(bare, type) and issubclass(bare, Enum):
        return tuple({type(member.value) for member in bare})
    kind = kind_of(bare)
    if kind == "scalar":
        return {int: (int,), float: (float, int), bool: (bool,), Decimal: (str, float, int)}.get(bare, (str,))
    config = getattr(typing.get_origin(bare) or bare, "__struct_config__", None)
    if kind in ("collection", "namedtuple") or (config is not None and config.array_like):
        return (list,)
    return (dict, list, str, int, float, bool) if kind in ("any", "other", "pydantic") else (dict,)


def _look_into_pydantic(model: Any) -> Look:
    def look(value: Any, location: Location, faults: list[Fault], fits: bool) -> None:
        try:
            model.model_validate(value)
        except ValueError as error:
            faults.extend(model_faults(error, location))
            del faults[MAX_FAULTS:]

    return look


def _look_at_choice(values: Sequence[object]) -> Look:
    kinds = {type(value) for value in values}

    def look(value: Any, location: Location, faults: list[Fault], fits: bool) -> None:
        if type(value) in kinds:
            faults.append(Fault(location, choices(values)))

    return look


def _look_at_decimal(value: Any, location: Location, faults: list[Fault], fits: bool) -> None:
    if fits and is_odd(msgspec.convert(value, Decimal)):
        faults.append(Fault(location, "Expected a finite number of fewer than 1000 digits."))


_CHUNK = 256
