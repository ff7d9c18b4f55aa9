"""The converters that an application knows, by name and by type."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from types import UnionType
from typing import Annotated, Any, Literal, NewType, TypeAlias, Union, get_args, get_origin
from uuid import UUID

from msgspec import Meta

from erlen.routing.converter import (
    BoolConverter,
    CheckedConverter,
    ChoiceConverter,
    Converter,
    DecimalConverter,
    DurationConverter,
    FloatConverter,
    IntConverter,
    PathConverter,
    RegexConverter,
    TemporalConverter,
    TextConverter,
    UUIDConverter,
)

__all__ = ["Converters", "converter_for", "suggestion"]

NamedFactory: TypeAlias = Callable[[str], Converter]
TypedFactory: TypeAlias = Callable[[type], Converter]


class Converters:
    """The converters of one application: the shipped ones, and those that it registers.

    By name, with the argument that some take after a second colon: `str`, `int` (`int:1..9`), `float`, `decimal`, `bool`, `uuid`,
    `date`, `datetime`, `time`, `timedelta`, `slug`, `any:red,green`, `re:[0-9]{4}`, `path`. By annotation: `str`, `int`, `float`,
    `Decimal`, `bool`, `UUID`, `date`, `datetime`, `time`, `timedelta`, enumerations of text or whole numbers, `Literal`,
    `pathlib` paths; each also in `Annotated`, as an optional, or as a new type.
    """

    def __init__(self) -> None:
        self._named: dict[str, Converter | NamedFactory] = dict(_NAMED)
        self._typed: dict[Any, Converter | TypedFactory] = dict(_TYPED)

    def copy(self) -> Converters:
        """Return an independent copy."""
        other = Converters()
        other._named.update(self._named)
        other._typed.update(self._typed)
        return other

    def register(self, name_or_type: str | type, converter: Converter | Callable[[Any], Converter]) -> None:
        """Register a converter for a name in templates or for a type in annotations; a later one replaces an earlier one.

        Args:
            name_or_type: a name such as `hex`, or a class.
            converter: a converter; or for a name, what makes one of the argument in the template (empty if there is none); for a
                class, what makes one of the annotated class, which then serves its subclasses too.

        Raises:
            ValueError: if the name is no identifier, or the converter has no name.
            TypeError: if `converter` is a class that takes no argument: an instance is what is needed.
        """
        if isinstance(converter, type) and getattr(converter, "__init__", None) is object.__init__:
            raise TypeError(f"register an instance: {converter.__name__}(), not {converter.__name__}")
        if isinstance(converter, Converter) and not converter.name:
            raise ValueError(f"{type(converter).__name__} needs a name: it tells apart the routes which use it")
        if not isinstance(name_or_type, str):
            self._typed[name_or_type] = converter
        elif name_or_type.isidentifier():
            self._named[name_or_type] = converter
        else:
            raise ValueError(f"{name_or_type!r} is no name for a converter: use letters, digits and underscores")

    def named(self, name: str, argument: str = "") -> Converter:
        """Return the converter for `{parameter:name:argument}`.

        Raises:
            ValueError: if the name is unknown or does not take such an argument.
        """
        found = self._named.get(name)
        if found is None:
            raise ValueError(f"there is no converter {name!r}.{suggestion(name, self._named)}")
        if isinstance(found, Converter):
            if argument:
                raise ValueError(f"the converter {name!r} takes no argument, but has {argument!r}")
            return found
        return found(argument)

    def for_annotation(self, annotation: object) -> Converter | None:
        """Return the converter for an annotation, or None where there is none.

        Raises:
            ValueError: if the annotation has constraints that its type cannot have, or choices that a path cannot show.
        """
        plain, metadata = strip(annotation)
        own = next((extra for extra in metadata if isinstance(extra, Converter)), None)
        converter = own or self._for_type(plain)
        return None if converter is None else _constrain(converter, plain, metadata)

    def agree(self, name: str, argument: str, annotation: object) -> Converter:
        """Return the converter for a parameter whose template names one and whose annotation is known.

        The template's wins: a regular expression or `path` then makes what the annotation asks for, the constraints of the annotation
        are kept.

        Raises:
            ValueError: if the two contradict each other, or the name is unknown.
        """
        explicit = self.named(name, argument)
        wanted = self.for_annotation(annotation)
        plain, metadata = strip(annotation)
        if wanted is not None:
            if isinstance(explicit, RegexConverter) and not wanted.spans:
                if plain in (str, object, Any):
                    return _constrain(explicit, plain, metadata)
                return RegexConverter(explicit.pattern.pattern, name=explicit.label, then=wanted)
            if (isinstance(explicit, PathConverter) and wanted.spans) or (not argument and _is_narrower(wanted, explicit)):
                return wanted
        if explicit.produces is object or _fits(explicit.produces, plain):
            return _constrain(explicit, plain, metadata)
        raise ValueError(
            f"the path says {name!r} and the annotation says {_shown(plain)}: change one of them, or leave ':{name}' out of the path"
        )

    def _for_type(self, annotation: Any) -> Converter | None:
        if annotation is Any:
            return _TEXT
        if get_origin(annotation) is Literal:
            return _literal(get_args(annotation))
        if not isinstance(annotation, type):
            return None
        for base in annotation.__mro__:
            found = self._typed.get(base)
            if isinstance(found, Converter):
                if base is annotation:
                    return found
            elif found is not None:
                return found(annotation)
        # A path type that is asked for has been imported; `pathlib` itself costs too much to import for those who do not.
        pathlib = sys.modules.get("pathlib")
        if pathlib is not None and issubclass(annotation, pathlib.PurePath):
            return PathConverter(annotation)
        return None


def converter_for(annotation: object) -> Converter | None:
    """Return the shipped converter for an annotation, or None. An application asks its own `Converters` instead."""
    return Converters().for_annotation(annotation)


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return ` Did you mean 'a' or 'b'?` with the nearest three of the known names, or the empty string."""
    from difflib import get_close_matches

    nearest = [repr(match) for match in get_close_matches(name, list(known), n=3, cutoff=0.5)]
    if not nearest:
        return ""
    return f" Did you mean {', '.join(nearest[:-1])}{' or ' if nearest[1:] else ''}{nearest[-1]}?"


def strip(annotation: object) -> tuple[Any, tuple[object, ...]]:
    """Return an annotation without `Annotated`, `| None`, new types and aliases, and the metadata that it had, outermost last."""
    metadata: tuple[object, ...] = ()
    plain: Any = annotation
    while True:
        origin = get_origin(plain)
        if origin is Annotated:
            metadata = (*plain.__metadata__, *metadata)
            plain = plain.__origin__
        elif origin is Union or origin is UnionType:
            members = [member for member in get_args(plain) if member is not type(None)]
            if len(members) != 1:
                return plain, metadata
            plain = members[0]
        elif isinstance(plain, NewType):
            plain = plain.__supertype__
        elif type(plain).__name__ == "TypeAliasType":
            plain = plain.__value__
        else:
            return plain, metadata


def _constrain(converter: Converter, plain: Any, metadata: tuple[object, ...]) -> Converter:
    metas = [extra for extra in metadata if isinstance(extra, Meta)]
    constraints = [meta for meta in metas if any(getattr(meta, name) is not None for name in _LIMITS)]
    if not constraints:
        return converter
    if type(converter) is IntConverter and len(constraints) == 1:
        # PERF: a range costs 0.1 us in the converter, 0.3 us through msgspec.
        meta = constraints[0]
        bounds = (meta.ge, meta.gt, meta.le, meta.lt)
        if meta.multiple_of is None and all(bound is None or isinstance(bound, int) for bound in bounds):
            lows = [int(bound) + more for bound, more in ((meta.ge, 0), (meta.gt, 1)) if bound is not None]
            highs = [int(bound) - more for bound, more in ((meta.le, 0), (meta.lt, 1)) if bound is not None]
            return IntConverter(max([converter.minimum, *lows]), min([converter.maximum, *highs]))
    return CheckedConverter(converter, Annotated[(plain, *constraints)])


def _is_narrower(wanted: Converter, explicit: Converter) -> bool:
    """Return whether `wanted` is what the template says, only more exactly: `int` for an enumeration of whole numbers."""
    if isinstance(wanted, ChoiceConverter):
        return type(explicit) in (TextConverter, IntConverter) and _fits(wanted.produces, explicit.produces)
    return type(wanted) is type(explicit) and wanted.produces is explicit.produces


def _fits(produced: Any, annotation: Any) -> bool:
    """Return whether a value of the type `produced` is one of the annotation."""
    if annotation is Any or annotation is object:
        return True
    origin = get_origin(annotation)
    if origin is Union or origin is UnionType:
        return any(_fits(produced, strip(member)[0]) for member in get_args(annotation))
    if not isinstance(annotation, type) or not isinstance(produced, type):
        return False
    if produced is bool:
        return annotation is bool
    return issubclass(produced, annotation) or (produced is int and annotation is float)


def _shown(annotation: Any) -> str:
    return annotation.__name__ if isinstance(annotation, type) else str(annotation)


def _slug(argument: str) -> Converter:
    if argument:
        raise ValueError(f"the converter 'slug' takes no argument, but has {argument!r}")
    return RegexConverter("[-a-zA-Z0-9_]+", name="slug")


def _regex(argument: str) -> Converter:
    if "/" in argument:
        raise ValueError(f"the regular expression {argument!r} has a slash, but a parameter is one segment of the path: use 'path'")
    return RegexConverter(argument)


def _enumeration(annotation: type[Enum]) -> Converter:
    choices: dict[str, object] = {}
    for member in annotation:
        value = member.value
        if not isinstance(value, str | int) or isinstance(value, bool):
            raise ValueError(f"{annotation.__name__}.{member.name} is {value!r}: in a path the values are texts or whole numbers")
        text = str.__str__(value) if isinstance(value, str) else int.__repr__(value)
        if text in choices:
            raise ValueError(f"two members of {annotation.__name__} are {text!r} in a path")
        choices[text] = member
    return ChoiceConverter(f"{annotation.__module__}.{annotation.__qualname__}", choices, annotation)


def _literal(values: tuple[object, ...]) -> Converter:
    choices: dict[str, object] = {}
    for value in values:
        if isinstance(value, Enum):
            text = str(value.value)
        elif isinstance(value, bool):
            text = "true" if value else "false"
        elif isinstance(value, str | int):
            text = str(value)
        elif value is None:
            continue
        else:
            raise ValueError(f"{value!r} cannot be written in a path")
        if text in choices:
            raise ValueError(f"two choices are {text!r} in a path")
        choices[text] = value
    kinds = {type(value) for value in choices.values()}
    return ChoiceConverter(f"any:{','.join(choices)}", choices, kinds.pop() if len(kinds) == 1 else object)


_LIMITS = ("gt", "ge", "lt", "le", "multiple_of", "pattern", "min_length", "max_length", "tz")
_TEXT, _INT, _BOOL = TextConverter(), IntConverter(), BoolConverter()
_NUMBER, _DECIMAL, _UUID = FloatConverter(), DecimalConverter(), UUIDConverter()
_DATE, _DATETIME, _TIME, _DURATION = TemporalConverter(date), TemporalConverter(datetime), TemporalConverter(time), DurationConverter()
_NAMED: dict[str, Converter | NamedFactory] = {
    "str": _TEXT,
    "int": lambda argument: IntConverter.of(argument) if argument else _INT,
    "float": _NUMBER,
    "decimal": _DECIMAL,
    "bool": _BOOL,
    "uuid": _UUID,
    "date": _DATE,
    "datetime": _DATETIME,
    "time": _TIME,
    "timedelta": _DURATION,
    "slug": _slug,
    "any": ChoiceConverter.of,
    "re": _regex,
    "path": PathConverter(),
}
_TYPED: dict[Any, Converter | TypedFactory] = {
    object: _TEXT,
    str: _TEXT,
    int: _INT,
    float: _NUMBER,
    Decimal: _DECIMAL,
    bool: _BOOL,
    UUID: _UUID,
    date: _DATE,
    datetime: _DATETIME,
    time: _TIME,
    timedelta: _DURATION,
    Enum: _enumeration,
}
