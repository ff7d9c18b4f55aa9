"""Path and host patterns: templates such as `/articles/{id:int}` and `{tenant}.example.com`, taken apart."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from msgspec import Struct
from msgspec.structs import replace

from erlen.routing.converter import Converter
from erlen.routing.registry import Converters

__all__ = ["HostPattern", "Parameter", "Pattern", "Segment"]


class Parameter(Struct, frozen=True):
    """A parameter of a pattern, `{name}`, `{name:kind}` or `{name:kind:argument}`; `converter` is None until it is resolved."""

    name: str
    kind: str = ""
    argument: str = ""
    converter: Converter | None = None


class Segment(Struct, frozen=True):
    """What stands between two slashes of a path, or two dots of a host: literal texts and parameters in turn."""

    parts: tuple[str | Parameter, ...]

    @property
    def literal(self) -> str | None:
        """The text of a segment without parameters, else None."""
        if not self.parts:
            return ""
        first = self.parts[0]
        return first if isinstance(first, str) and len(self.parts) == 1 else None

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the parameters, in order."""
        return tuple(part.name for part in self.parts if isinstance(part, Parameter))

    @property
    def shape(self) -> tuple[str | Converter, ...]:
        """The parts with converters in the place of parameters: what two segments that match the same texts have in common.

        Raises:
            ValueError: if the pattern was not resolved.
        """
        return tuple(part if isinstance(part, str) else _resolved(part) for part in self.parts)

    @property
    def converters(self) -> tuple[Converter, ...]:
        """The converters of the parameters, in order.

        Raises:
            ValueError: if the pattern was not resolved.
        """
        return tuple(part for part in self.shape if isinstance(part, Converter))

    def split(self, text: str) -> list[str]:
        """Return the text of each parameter.

        Each takes at least one character, and ends where the literal text after it first occurs; time is linear.

        Raises:
            ValueError: if the text does not match.
        """
        parts = self.parts
        first, last = parts[0], parts[-1]
        start, end = 0, len(text)
        if isinstance(first, str):
            if not text.startswith(first):
                raise ValueError(f"expected text that begins with {first!r}")
            start, parts = len(first), parts[1:]
        if isinstance(last, str):
            if not text.endswith(last):
                raise ValueError(f"expected text that ends with {last!r}")
            end, parts = end - len(last), parts[:-1]
        texts = []
        for part in parts:
            if isinstance(part, str):
                found = text.find(part, start + 1, end)
                if found < 0:
                    raise ValueError(f"expected text with {part!r} in it")
                texts.append(text[start:found])
                start = found + len(part)
        if start >= end:
            raise ValueError("expected more text")
        texts.append(text[start:end])
        return texts

    def reader(self) -> Callable[[str], list[object]]:
        """Return the function from a text to the values of the parameters, which raises ValueError if the text does not match."""
        parsers = [converter.parse for converter in self.converters]
        return lambda text: [parse(piece) for parse, piece in zip(parsers, self.split(text), strict=True)]

    def compose(self, texts: list[str]) -> str:
        """Return the segment with these texts in the place of its parameters; `split` gives them back.

        Raises:
            ValueError: if it would not.
        """
        remaining = iter(texts)
        composed = "".join(part if isinstance(part, str) else next(remaining) for part in self.parts)
        if self.split(composed) != texts:
            raise ValueError(f"{composed!r} would be read differently")
        return composed


class Pattern(Struct, frozen=True):
    """The pattern of a path. Make one with `Pattern.parse`; `resolve` gives its parameters their converters."""

    template: str
    segments: tuple[Segment, ...]
    names: tuple[str, ...]

    @classmethod
    def parse(cls, template: str) -> Pattern:
        """Take a template apart.

        Args:
            template: a path, not percent-encoded, with parameters in braces: `/articles/{id}`, `/{id:int}`, `/{n:int:1..9}`,
                `/{year:re:[0-9]{4}}` (braces in the expression balanced or escaped), `/files/{rest:path}`, `/v{major}/{name}.json`,
                `/{article.slug}`.

        Raises:
            ValueError: if it is malformed, saying how to write it.
        """
        try:
            if template[:1] != "/":
                raise ValueError(f"a path begins with a slash: write {'/' + template!r}")
            segments = tuple(_tokenize(template[1:], "/"))
            for segment in segments:
                _check_segment(segment)
            if any(not segment.parts for segment in segments[:-1]):
                raise ValueError("two slashes follow each other: write one")
            return cls(template, segments, _names(segments))
        except ValueError as error:
            raise ValueError(f"{template!r}: {error}") from None

    @property
    def literal(self) -> str | None:
        """The path itself if it has no parameters, else None."""
        return None if self.names else self.template

    def resolve(self, annotations: Mapping[str, object], converters: Converters) -> Pattern:
        """Return the pattern with a converter for each parameter: the one it names, else its annotation's, else text.

        Args:
            annotations: those of the handler, by parameter name; names that are not in the path are ignored.
            converters: the application's.

        Raises:
            ValueError: if a converter is unknown, contradicts the annotation, or there is none for it; or if a parameter that takes the
                rest of the path is not the last thing in it.
        """
        try:
            segments = _resolve(self.segments, annotations, converters)
            for segment in segments:
                if any(converter.spans for converter in segment.converters) and (len(segment.parts) > 1 or segment is not segments[-1]):
                    raise ValueError("where a parameter takes the rest of the path, no text may touch it, and nothing may come after it")
        except ValueError as error:
            raise ValueError(f"{self.template!r}: {error}") from None
        return replace(self, segments=segments)


class HostPattern(Struct, frozen=True):
    """The pattern of a host name. Make one with `HostPattern.parse`; `resolve` gives its parameters their converters."""

    template: str
    labels: tuple[Segment, ...]
    names: tuple[str, ...]

    @classmethod
    def parse(cls, template: str) -> HostPattern:
        """Take a host template apart: `{tenant}.example.com`. Labels that are not ASCII are written as A-labels (RFC 5890).

        Raises:
            ValueError: if it is malformed, has a port, or a label that no host name has.
        """
        try:
            labels = tuple(_host_label(segment) for segment in _tokenize(template, "."))
            return cls(template, labels, _names(labels))
        except ValueError as error:
            raise ValueError(f"{template!r}: {error}") from None

    def resolve(self, annotations: Mapping[str, object], converters: Converters) -> HostPattern:
        """Return the pattern with a converter for each parameter, as `Pattern.resolve` does.

        Raises:
            ValueError: if a converter is unknown, contradicts the annotation, takes more than one label, or there is none.
        """
        try:
            labels = _resolve(self.labels, annotations, converters)
            if any(converter.spans for label in labels for converter in label.converters):
                raise ValueError("a parameter of a host is one label and cannot take the rest")
        except ValueError as error:
            raise ValueError(f"{self.template!r}: {error}") from None
        return replace(self, labels=labels)

    def match(self, host: str) -> tuple[object, ...] | None:
        """Return the values of the parameters, in order, or None.

        Args:
            host: a host name in lower case and ASCII, without port, as `HostPolicy` has validated it.
        """
        texts = host.split(".", len(self.labels))
        if len(texts) != len(self.labels):
            return None
        values: list[object] = []
        for text, label in zip(texts, self.labels, strict=True):
            literal = label.literal
            if literal is None:
                try:
                    values += label.reader()(text)
                except ValueError:
                    return None
            elif literal != text:
                return None
        return tuple(values)


def _host_label(segment: Segment) -> Segment:
    if not segment.parts:
        raise ValueError("a label is empty: write one dot between two labels")
    for part in segment.parts:
        if isinstance(part, str) and ":" in part:
            raise ValueError("leave the port out: hosts are matched without it")
        if isinstance(part, str) and not re.fullmatch("[A-Za-z0-9_-]+", part):
            raise ValueError(
                f"{part!r} is no part of a host name: use letters, digits and hyphens, or the A-label 'xn--' of another script"
            )
    return Segment(tuple(part.lower() if isinstance(part, str) else part for part in segment.parts))


def _tokenize(template: str, separator: str) -> Iterator[Segment]:
    parts: list[str | Parameter] = []
    start = at = 0
    while True:
        char = template[at : at + 1]
        if char not in ("{", "}", separator, ""):
            at += 1
            continue
        if start < at:
            parts.append(template[start:at])
        if char == "{":
            if parts and isinstance(parts[-1], Parameter):
                raise ValueError(f"two parameters touch at {template[at:]!r}: put text between them")
            end = _closing(template, at)
            parts.append(_parameter(template[at + 1 : end]))
            at = end
        elif char == "}":
            raise ValueError(f"a brace is closed that was never opened: {template[: at + 1]!r}")
        else:
            yield Segment(tuple(parts))
            parts = []
            if not char:
                return
        at += 1
        start = at


def _closing(template: str, opening: int) -> int:
    depth = 0
    at = opening
    while at < len(template):
        char = template[at]
        if char == "\\":
            at += 1
        elif char == "{":
            depth += 1
        elif char == "}":
            depth -= 1
            if not depth:
                return at
        at += 1
    raise ValueError(f"a brace is never closed: {template[opening:]!r}")


def _parameter(text: str) -> Parameter:
    name, colon, rest = text.partition(":")
    kind, second, argument = rest.partition(":")
    if not name:
        raise ValueError(f"a parameter has no name: write {{name{colon}{rest}}}")
    if not all(piece.isidentifier() for piece in name.split(".")):
        raise ValueError(f"{name!r} is no name for a parameter: use letters, digits and underscores, and dots between them")
    if colon and not kind:
        raise ValueError(f"the converter of {name!r} is missing after the colon")
    if second and not argument:
        raise ValueError(f"the argument of {kind!r} is missing after the second colon")
    return Parameter(name, kind, argument)


def _check_segment(segment: Segment) -> None:
    if segment.literal in (".", ".."):
        raise ValueError(f"no browser asks for the segment {segment.literal!r}: write the path without it")
    for part in segment.parts:
        if isinstance(part, Parameter):
            continue
        if "<" in part or ">" in part:
            raise ValueError("parameters are written in braces: {name} or {name:int}")
        if "?" in part or "#" in part:
            raise ValueError("a path has no query or fragment: make query parameters arguments of the handler")
        if re.search("%[0-9A-Fa-f]{2}", part):
            raise ValueError("write the characters themselves instead of their percent-encoding")
        if re.search(r"[\x00-\x1f\x7f]", part):
            raise ValueError("the path has a control character")


def _names(segments: tuple[Segment, ...]) -> tuple[str, ...]:
    names = tuple(name for segment in segments for name in segment.names)
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"the parameter {name!r} occurs twice: rename one of them")
    return names


def _resolve(segments: tuple[Segment, ...], annotations: Mapping[str, object], converters: Converters) -> tuple[Segment, ...]:
    def resolve(part: str | Parameter) -> str | Parameter:
        return part if isinstance(part, str) else replace(part, converter=_find(part, annotations, converters))

    return tuple(Segment(tuple(map(resolve, segment.parts))) for segment in segments)


def _find(parameter: Parameter, annotations: Mapping[str, object], converters: Converters) -> Converter:
    name, kind = parameter.name, parameter.kind
    try:
        if name not in annotations:
            found = converters.named(kind or "str", parameter.argument)
        elif kind:
            found = converters.agree(kind, parameter.argument, annotations[name])
        else:
            known = converters.for_annotation(annotations[name])
            if known is None:
                raise ValueError(
                    f"there is no converter for the annotation {annotations[name]}: register one, or annotate it as str, int, UUID, ..."
                )
            found = known
    except ValueError as error:
        raise ValueError(f"{name!r}: {error}") from None
    if not found.name:
        raise ValueError(f"{name!r}: {type(found).__name__} needs a name: it tells apart the routes which use it")
    return found


def _resolved(parameter: Parameter) -> Converter:
    if parameter.converter is None:
        raise ValueError(f"the parameter {parameter.name!r} has no converter yet: call resolve() first")
    return parameter.converter
