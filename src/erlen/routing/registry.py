"""The converters that an application knows, by name and by type."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from enum import Enum
from typing import Annotated, Any, Literal, TypeAlias, get_args, get_origin

from msgspec import Meta

from erlen.routing.converter import FORMATS, TEXT, CheckedConverter, ChoiceConverter, Converter, IntConverter, PathConverter, RegexConverter
from erlen.schema.model import NOTHINGS, members_of, strip

__all__ = ["Converters", "converter_for", "suggestion"]

NamedFactory: TypeAlias = Callable[[str], Converter]
TypedFactory: TypeAlias = Callable[[type], Converter]


class Converters:
    """The converters of one application: the shipped ones, and those that it registers.

    By name, with the argument that some take after a second colon: `str`, `int` (`int:1..9`), `float`, `decimal`, `bool`, `uuid`,
    `date`, `datetime`, `time`, `timedelta`, `slug`, `any:red,green`, `re:[0-9]{4}`, `path` (`path:optional`, which may be empty). By
    annotation: `str`, `int`, `float`, `Decimal`, `bool`, `UUID`, `date`, `datetime`, `time`, `timedelta`, enumerations of text or whole
    numbers, `Literal`, `pathlib` paths; each also in `Annotated`, as an optional, or as a new type.
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
            ValueError: if the name is no identifier.
            TypeError: if `converter` is a class that takes no argument: an instance is what is needed.
        """
        if isinstance(converter, type) and getattr(converter, "__init__", None) is object.__init__:
            raise TypeError(f"register an instance: {converter.__name__}(), not {converter.__name__}")
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
        if not isinstance(found, Converter):
            return found(argument)
        if argument:
            raise ValueError(f"the converter {name!r} takes no argument, but has {argument!r}")
        return found

    def for_annotation(self, annotation: object) -> Converter | None:
        """Return the converter for an annotation, or None where there is none.

        Raises:
            ValueError: if the annotation has constraints that its type cannot have, or choices that a path cannot show.
        """
        plain, metadata = _bare(annotation)
        converter = self._for_type(plain)
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
        if isinstance(explicit, RegexConverter) and wanted is not None and not wanted.spans:
            return RegexConverter(explicit.pattern.pattern, explicit.label, wanted)
        if isinstance(explicit, PathConverter) and isinstance(wanted, PathConverter):
            return PathConverter(wanted.produces, optional=explicit.optional)
        plain, metadata = _bare(annotation)
        if _allows(plain, explicit.produces):
            return _constrain(explicit, plain, metadata)
        shown = plain.__name__ if isinstance(plain, type) else str(plain)
        raise ValueError(f"the path says {name!r} and the annotation says {shown}: change one of them, or leave ':{name}' out of the path")

    def _for_type(self, annotation: Any) -> Converter | None:
        if annotation is Any:
            return TEXT
        if get_origin(annotation) is Literal:
            return ChoiceConverter(value for value in get_args(annotation) if value is not None)
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
        return PathConverter(annotation) if pathlib is not None and issubclass(annotation, pathlib.PurePath) else None


def converter_for(annotation: object) -> Converter | None:
    """Return the shipped converter for an annotation, or None. An application asks its own `Converters` instead."""
    return Converters().for_annotation(annotation)


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return ` Did you mean 'a' or 'b'?` with the nearest three of the known names, or the empty string."""
    from difflib import get_close_matches

    nearest = [repr(match) for match in get_close_matches(name, list(known), n=3, cutoff=0.5)]
    return f" Did you mean {', '.join(nearest[:-1])}{' or ' if nearest[1:] else ''}{nearest[-1]}?" if nearest else ""


def _bare(annotation: object) -> tuple[Any, list[object]]:
    """Return an annotation without `Annotated`, `| None`, new types and aliases, and the metadata that it had, outermost last."""
    plain, metadata = strip(annotation)
    members = [member for member in members_of(plain) if member not in NOTHINGS]
    if len(members) != 1 or members[0] is plain:
        return plain, metadata
    inner, more = _bare(members[0])
    return inner, more + metadata


def _allows(annotation: Any, produced: type) -> bool:
    """Return whether a value of a class may stand where the annotation is; a boolean is no number here."""
    members: list[Any] = [get_origin(plain) or plain for plain, _ in map(_bare, members_of(annotation))]
    produced = get_origin(produced) or produced
    if produced is object or Any in members:
        return True
    return any(
        isinstance(member, type) and issubclass(produced, member) and (member is not int or produced is not bool) for member in members
    )


def _constrain(converter: Converter, plain: Any, metadata: list[object]) -> Converter:
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


def _regex(argument: str) -> Converter:
    if "/" in argument:
        raise ValueError(f"the regular expression {argument!r} has a slash, but a parameter is one segment of the path: use 'path'")
    return RegexConverter(argument)


def _path(argument: str) -> Converter:
    if argument not in ("", "optional"):
        raise ValueError(f"{argument!r} is no argument of 'path': write 'path', or 'path:optional' for one that may be empty")
    return PathConverter(optional=bool(argument))


def _enumeration(annotation: type[Enum]) -> Converter:
    return ChoiceConverter(annotation, annotation, f"{annotation.__module__}.{annotation.__qualname__}")


_LIMITS = ("gt", "ge", "lt", "le", "multiple_of", "pattern", "min_length", "max_length", "tz")
_INT = IntConverter()
_NAMED: dict[str, Converter | NamedFactory] = {
    **{converter.name: converter for converter in FORMATS},
    "str": TEXT,
    "int": lambda argument: IntConverter.of(argument) if argument else _INT,
    "slug": RegexConverter("[-a-zA-Z0-9_]+", "slug"),
    "any": lambda argument: ChoiceConverter([text.strip() for text in argument.split(",")], str),
    "re": _regex,
    "path": _path,
}
_TYPED: dict[Any, Converter | TypedFactory] = {
    **{converter.produces: converter for converter in FORMATS},
    object: TEXT,
    str: TEXT,
    int: _INT,
    Enum: _enumeration,
}
