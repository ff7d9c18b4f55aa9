"""Path and host patterns: templates such as `/articles/{id:int}` and `{tenant}.example.com`, taken apart."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

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
    def parameters(self) -> tuple[Parameter, ...]:
        """The parameters, in order."""
        return tuple(part for part in self.parts if isinstance(part, Parameter))

    @property
    def converters(self) -> tuple[Converter, ...]:
        """The converters of the parameters, in order.

        Raises:
            ValueError: if the pattern was not resolved.
        """
        return tuple(_converter(parameter) for parameter in self.parameters)

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

    def __str__(self) -> str:
        return "".join(part if isinstance(part, str) else f"{{{_spelled(part)}}}" for part in self.parts)


class Pattern(Struct, frozen=True):
    """The pattern of a path. Make one with `Pattern.parse`; `resolve` gives its parameters their converters."""

    template: str
    segments: tuple[Segment, ...] = ()
    names: tuple[str, ...] = ()
    where: str = ""

    @classmethod
    def parse(cls, template: str, where: str = "") -> Pattern:
        """Take a template apart.

        Args:
            template: a path, not percent-encoded, with parameters in braces: `/articles/{id}`, `/{id:int}`, `/{n:int:1..9}`,
                `/{year:re:[0-9]{4}}` (braces in the expression balanced or escaped), `/files/{rest:path}`, `/v{major}/{name}.json`,
                `/{article.slug}`. An empty template adds nothing to a prefix.
            where: `file:line` of the route, for messages.

        Raises:
            ValueError: if it is malformed, saying how to write it.
        """
        try:
            return cls(template, *_parse_path(template), where)
        except ValueError as error:
            raise _mistake(template, where, error) from None

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """The parameters, in order."""
        return tuple(parameter for segment in self.segments for parameter in segment.parameters)

    @property
    def literal(self) -> str | None:
        """The path itself if it has no parameters, else None."""
        return None if self.names or not self.segments else self.template

    @property
    def spans(self) -> bool:
        """Whether the last parameter takes the rest of the path. Only known once resolved."""
        return any(parameter.converter is not None and parameter.converter.spans for parameter in self.parameters)

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
            segments = tuple(_resolve(self.segments, annotations, converters))
            _check_spanning(segments)
        except ValueError as error:
            raise _mistake(self.template, self.where, error) from None
        return replace(self, segments=segments)

    def __add__(self, other: Pattern) -> Pattern:
        """Return the pattern of `other` under this one as its prefix; a slash at the end of the prefix is dropped.

        Raises:
            ValueError: if both have a parameter of the same name, or the prefix takes the rest of the path.
        """
        if not self.segments or not other.segments:
            return other if not self.segments else replace(self, where=other.where or self.where)
        own = self.segments[:-1] if self.segments[-1].literal == "" else self.segments
        template = self.template.removesuffix("/") + other.template
        where = other.where or self.where
        segments = own + other.segments
        names = self.names + other.names
        try:
            _check_names(names)
            _check_spanning(segments)
        except ValueError as error:
            raise _mistake(template, where, error) from None
        return Pattern(template, segments, names, where)

    def __str__(self) -> str:
        return self.template


class HostPattern(Struct, frozen=True):
    """The pattern of a host name. Make one with `HostPattern.parse`; `resolve` gives its parameters their converters."""

    template: str
    labels: tuple[Segment, ...]
    names: tuple[str, ...] = ()
    where: str = ""

    @classmethod
    def parse(cls, template: str, where: str = "") -> HostPattern:
        """Take a host template apart: `{tenant}.example.com`. Literal labels that are not ASCII become A-labels (RFC 5890).

        Raises:
            ValueError: if it is malformed, has a port, or a label that no host name has.
        """
        try:
            labels, names = _parse_host(template)
        except ValueError as error:
            raise _mistake(template, where, error) from None
        return cls(template, labels, names, where)

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """The parameters, in order."""
        return tuple(parameter for label in self.labels for parameter in label.parameters)

    @property
    def literal(self) -> str | None:
        """The host name itself, in lower case and ASCII, if it has no parameters, else None."""
        return None if self.names else ".".join(str(label) for label in self.labels)

    def resolve(self, annotations: Mapping[str, object], converters: Converters) -> HostPattern:
        """Return the pattern with a converter for each parameter, as `Pattern.resolve` does.

        Raises:
            ValueError: if a converter is unknown, contradicts the annotation, takes more than one label, or there is none.
        """
        try:
            labels = tuple(_resolve(self.labels, annotations, converters))
            if any(converter.spans for label in labels for converter in label.converters):
                raise ValueError("a parameter of a host is one label and cannot take the rest")
        except ValueError as error:
            raise _mistake(self.template, self.where, error) from None
        return replace(self, labels=labels)

    def match(self, host: str) -> tuple[object, ...] | None:
        """Return the values of the parameters, in order, or None.

        Args:
            host: a host name in lower case and ASCII, without port, as `HostPolicy` has validated it.
        """
        labels = host.split(".", len(self.labels))
        if len(labels) != len(self.labels):
            return None
        values: list[object] = []
        for text, label in zip(labels, self.labels, strict=True):
            literal = label.literal
            if literal is not None:
                if literal != text:
                    return None
                continue
            try:
                values.extend(converter.parse(part) for part, converter in zip(label.split(text), label.converters, strict=True))
            except ValueError:
                return None
        return tuple(values)

    def __str__(self) -> str:
        return self.template


def _parse_path(template: str) -> tuple[tuple[Segment, ...], tuple[str, ...]]:
    if not template:
        return (), ()
    if template[0] != "/":
        raise ValueError(f"a path begins with a slash: write {'/' + template!r}")
    segments = tuple(_tokenize(template[1:], "/"))
    for segment in segments[:-1]:
        if not segment.parts:
            raise ValueError("two slashes follow each other: write one")
    for segment in segments:
        if segment.literal in (".", ".."):
            raise ValueError(f"no browser asks for the segment {segment.literal!r}: write the path without it")
        for part in segment.parts:
            if isinstance(part, str):
                _check_literal(part)
    names = tuple(parameter.name for segment in segments for parameter in segment.parameters)
    _check_names(names)
    return segments, names


def _parse_host(template: str) -> tuple[tuple[Segment, ...], tuple[str, ...]]:
    if not template:
        raise ValueError("a host pattern has at least one label")
    labels = tuple(_host_label(segment) for segment in _tokenize(template, "."))
    names = tuple(parameter.name for label in labels for parameter in label.parameters)
    _check_names(names)
    return labels, names


def _host_label(segment: Segment) -> Segment:
    parts: list[str | Parameter] = []
    for part in segment.parts:
        if isinstance(part, Parameter):
            parts.append(part)
            continue
        text = part.lower()
        if not text.isascii():
            if len(segment.parts) > 1 or any(char in _DEVIANT for char in text):
                raise ValueError(f"write {part!r} as an A-label: its 'xn--' form, as browsers send it")
            try:
                text = text.encode("idna").decode("ascii")
            except UnicodeError as error:
                raise ValueError(f"{part!r} is no label of a host name: {error}") from None
        if ":" in text:
            raise ValueError("leave the port out: hosts are matched without it")
        if not _LABEL_TEXT(text):
            raise ValueError(f"{part!r} is no part of a host name: use letters, digits and hyphens")
        parts.append(text)
    if not parts:
        raise ValueError("a label is empty: write one dot between two labels")
    return Segment(tuple(parts))


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


def _check_literal(text: str) -> None:
    if "<" in text or ">" in text:
        raise ValueError("parameters are written in braces: {name} or {name:int}")
    if "?" in text or "#" in text:
        raise ValueError("a path has no query or fragment: make query parameters arguments of the handler")
    if re.search("%[0-9A-Fa-f]{2}", text):
        raise ValueError("write the characters themselves instead of their percent-encoding")
    if re.search(r"[\x00-\x1f\x7f]", text):
        raise ValueError("the path has a control character")


def _check_names(names: tuple[str, ...]) -> None:
    for position, name in enumerate(names):
        if name in names[:position]:
            raise ValueError(f"the parameter {name!r} occurs twice: rename one of them")


def _check_spanning(segments: tuple[Segment, ...]) -> None:
    for position, segment in enumerate(segments):
        for parameter in segment.parameters:
            if parameter.converter is None or not parameter.converter.spans:
                continue
            if len(segment.parts) > 1:
                raise ValueError(f"{parameter.name!r} takes the rest of the path, so no text may touch it: put it after a slash")
            if position + 1 < len(segments):
                raise ValueError(f"{parameter.name!r} takes the rest of the path, so nothing may come after it")


def _resolve(segments: tuple[Segment, ...], annotations: Mapping[str, object], converters: Converters) -> Iterator[Segment]:
    for segment in segments:
        parts: list[str | Parameter] = []
        for part in segment.parts:
            if isinstance(part, Parameter):
                try:
                    converter = _find(part, annotations, converters)
                except ValueError as error:
                    raise ValueError(f"{part.name!r}: {error}") from None
                if not converter.name:
                    raise ValueError(f"{part.name!r}: {type(converter).__name__} needs a name: it tells apart the routes which use it")
                parts.append(replace(part, converter=converter))
            else:
                parts.append(part)
        yield Segment(tuple(parts))


def _find(parameter: Parameter, annotations: Mapping[str, object], converters: Converters) -> Converter:
    if parameter.name not in annotations:
        return converters.named(parameter.kind or "str", parameter.argument)
    annotation = annotations[parameter.name]
    if parameter.kind:
        return converters.agree(parameter.kind, parameter.argument, annotation)
    converter = converters.for_annotation(annotation)
    if converter is None:
        raise ValueError(f"there is no converter for the annotation {annotation}: register one, or annotate it as str, int, UUID, ...")
    return converter


def _converter(parameter: Parameter) -> Converter:
    if parameter.converter is None:
        raise ValueError(f"the parameter {parameter.name!r} has no converter yet: call resolve() first")
    return parameter.converter


def _spelled(parameter: Parameter) -> str:
    return ":".join(text for text in (parameter.name, parameter.kind, parameter.argument) if text)


def _mistake(template: str, where: str, error: ValueError) -> ValueError:
    return ValueError(f"{template!r}: {error}" + (f" ({where})" if where else ""))


_DEVIANT = "ßς\u200c\u200d"  # IDNA 2003, which Python has, maps these where browsers (UTS 46) keep them
_LABEL_TEXT = re.compile(r"[a-z0-9_-]+").fullmatch
