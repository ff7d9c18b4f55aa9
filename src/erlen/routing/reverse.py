"""URLs from route names: the way back from a name and parameters to a path, a query and a host."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from enum import Enum
from typing import TypeAlias

from erlen.routing.converter import FORMATS
from erlen.routing.pattern import HostPattern, Pattern, Segment
from erlen.routing.registry import suggestion

__all__ = ["URLMap"]


class URLMap:
    """The named routes of an application."""

    def __init__(self) -> None:
        self._routes: dict[str, _Route] = {}

    def add(self, name: str, pattern: Pattern, host: HostPattern | None = None) -> None:
        """Give a resolved pattern a name. The same name may be given to the same pattern again, for another method.

        Raises:
            ValueError: if the name is empty or taken by another pattern, or a parameter is in both the path and the host.
        """
        if not name:
            raise ValueError(f"the route {pattern.template!r} needs a name")
        known = self._routes.get(name)
        if known is not None:
            if (known.pattern.template, known.host and known.host.template) == (pattern.template, host and host.template):
                return
            raise ValueError(f"two routes are named {name!r}: {known.pattern.template!r} and {pattern.template!r}; rename one with name=")
        for parameter in () if host is None else host.names:
            if parameter in pattern.names:
                raise ValueError(f"the parameter {parameter!r} is in the path {pattern.template!r} and in the host: rename one of them")
        self._routes[name] = _Route(pattern, host)

    def build(self, name: str, params: Mapping[str, object], query: Mapping[str, object] | None = None, fragment: str | None = None) -> str:
        """Return the percent-encoded path of a route, with query and fragment.

        Args:
            name: the route's.
            params: the parameters of the path, and those of the host if it has some; `article=article` for `{article.slug}`.
            query: text, numbers, booleans (`true`, `false`), dates, durations, UUIDs or enumerations; a sequence or set repeats its name,
                what is None is left out.
            fragment: what follows `#`, not yet encoded.

        Raises:
            LookupError: if no route has that name.
            ValueError: if a parameter is missing, unknown, or cannot stand in its place: one that would be matched differently, an empty
                one, or `.` and `..`, which browsers would resolve (WHATWG URL).
        """
        route, params = self._route(name, params)
        path = "".join([piece if piece.__class__ is str else piece(params) for piece in route.pieces])  # type: ignore[operator]
        if query and (text := "&".join(_query_pairs(query))):
            path += "?" + text
        if fragment:
            path += "#" + quote(fragment, "!$&'()*+,;=:@/?")
        return path

    def build_host(self, name: str, params: Mapping[str, object]) -> str | None:
        """Return the host name of a route, in lower case and without port, or None if the route is for every host.

        Raises:
            LookupError: if no route has that name.
            ValueError: if a parameter is missing, unknown, or no label of a host name (RFC 1123).
        """
        route, params = self._route(name, params)
        if route.host is None:
            return None
        template = route.host.template
        lowered = {key: value.lower() if isinstance(value, str) else value for key, value in params.items()}
        host = ".".join([label.literal or _filler(template, label, _check_label)(lowered) for label in route.host.labels])
        if len(host) > _LONGEST_HOST:
            raise ValueError(f"the host name {host!r} has more than {_LONGEST_HOST} characters")
        return host

    def _route(self, name: str, params: Mapping[str, object]) -> tuple[_Route, Mapping[str, object]]:
        route = self._routes.get(name)
        if route is None:
            raise LookupError(f"no route is named {name!r}.{suggestion(name, self._routes)}")
        if params.keys() != route.names:
            # What `/articles/{article.slug}` needs, `article=article` has.
            dotted = [(key, *key.split(".", 1)) for key in route.names if "." in key and key not in params]
            had = {key: getattr(params[owner], part) for key, owner, part in dotted if hasattr(params.get(owner), part)}
            params = {key: value for key, value in params.items() if key not in {owner for _, owner, _ in dotted}} | had
            if params.keys() != route.names:
                raise _mismatch(name, route, params)
        return route, params


def quote(text: str, safe: str) -> str:
    """Percent-encode text as UTF-8, but for letters, digits, `-._~` and the characters in `safe` (RFC 3986, section 2).

    Raises:
        ValueError: if it has a lone surrogate.
    """
    # PERF: most text needs nothing, and then `urllib.parse` is not even imported.
    if text.isalnum() and text.isascii():
        return text
    from urllib.parse import quote as percent_encode

    return percent_encode(text, safe)


class _Route:
    """A named route, its path and host taken apart into texts and functions from parameters to texts."""

    def __init__(self, pattern: Pattern, host: HostPattern | None) -> None:
        self.pattern = pattern
        self.host = host
        self.names = frozenset(pattern.names) | frozenset(() if host is None else host.names)
        self.pieces: list[str | _Filler] = []
        literal = ""
        for segment in pattern.segments:
            text = segment.literal
            literal += "/"
            if text is not None:
                literal += quote(text, _SEGMENT_SAFE)
                continue
            encode = _encode_rest if segment.converters[0].spans else _encode_segment
            self.pieces += [literal, _filler(pattern.template, segment, encode)]
            literal = ""
        self.pieces.append(literal)


def _filler(template: str, segment: Segment, finish: Callable[[str], str]) -> _Filler:
    """Return the function that fills a segment's parameters in, and then lets `finish` check and encode the text."""
    named = [(name, converter.format) for name, converter in zip(segment.names, segment.converters, strict=True)]
    (only, format_only), mixed = named[0], len(segment.parts) > 1

    def fill(params: Mapping[str, object]) -> str:
        try:
            # PERF: most segments are one parameter, which needs no list.
            return finish(segment.compose([form(params[name]) for name, form in named]) if mixed else format_only(params[only]))
        except (ValueError, TypeError) as error:
            given = ", ".join(f"{name}={params[name]!r}" for name, _ in named)
            raise ValueError(f"cannot build {template!r}: {given}: {error}") from None

    return fill


def _encode_segment(text: str) -> str:
    # PERF: nothing to check or encode in what is only letters and digits.
    if text.isalnum() and text.isascii():
        return text
    if not text:
        raise ValueError("it is empty")
    if "/" in text:
        raise ValueError("it has a slash, but is one segment of the path: use the converter 'path'")
    if text in (".", ".."):
        raise ValueError("browsers would resolve '.' or '..'")
    return quote(text, _SEGMENT_SAFE)


def _encode_rest(text: str) -> str:
    if text[:1] == "/":
        raise ValueError("a path that begins with a slash could lead to another host")
    if any(piece in (".", "..") for piece in text.split("/")):
        raise ValueError("browsers would resolve its '.' or '..'")
    return quote(text, _SEGMENT_SAFE + "/")


def _check_label(text: str) -> str:
    if not _LABEL(text):
        raise ValueError(f"{text!r} is no label of a host name: use letters, digits and hyphens")
    return text


def _mismatch(name: str, route: _Route, params: Mapping[str, object]) -> ValueError:
    host = route.host
    ordered = route.pattern.names if host is None else (*host.names, *route.pattern.names)
    missing = [repr(parameter) for parameter in ordered if parameter not in params]
    unknown = [repr(parameter) for parameter in params if parameter not in route.names]
    faults = []
    if missing:
        faults.append(f"needs {', '.join(missing)}")
    if unknown:
        faults.append(f"has no parameter {', '.join(unknown)} (those of the query go into query=)")
    template = route.pattern.template if host is None else f"{host.template}{route.pattern.template}"
    return ValueError(f"the route {name!r}, {template!r}, {' and '.join(faults)}")


def _query_pairs(query: Mapping[str, object]) -> Iterator[str]:
    for name, value in query.items():
        values = value if isinstance(value, Sequence | AbstractSet) and not isinstance(value, str | bytes | bytearray) else (value,)
        for one in values:
            if one is not None:
                yield f"{quote(name, _QUERY_SAFE)}={quote(_query_text(name, one), _QUERY_SAFE)}"


def _query_text(name: str, value: object) -> str:
    plain = value.value if isinstance(value, Enum) else value
    if isinstance(plain, str):
        return str.__str__(plain)
    if isinstance(plain, int) and not isinstance(plain, bool):
        return int.__repr__(plain)
    try:
        return next(converter.format(plain) for converter in FORMATS if isinstance(plain, converter.produces))
    except (StopIteration, ValueError):
        raise ValueError(f"the query parameter {name!r} is {value!r}: turn it into text first") from None


_Filler: TypeAlias = Callable[[Mapping[str, object]], str]
_SEGMENT_SAFE = "!$&'()*+,;=:@"  # RFC 3986, section 3.3: pchar
_QUERY_SAFE = "/:,@"
_LONGEST_HOST = 253
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)").fullmatch
