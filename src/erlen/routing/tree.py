"""The router: a path to the endpoints that stand there and the values of its parameters.

Paths without parameters are one dictionary; the others a tree of segments. Each node of the tree is at one depth and is visited
at most once for a path, so time is linear in the path plus the routes, whatever the path.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final, Generic, TypeAlias, TypeVar

from erlen.routing.converter import Converter, TextConverter
from erlen.routing.pattern import Pattern, Segment

__all__ = ["Router", "shape"]

Endpoints = TypeVar("Endpoints")


class Router(Generic[Endpoints]):
    """A map from path shapes to endpoints, which the caller makes and fills.

    Literal text is preferred to parameters, and parameters in the order of their rank: text around parameters first (the longer the
    earlier), then choices, regular expressions, strict formats, any text, the rest of the path; equal ranks in the order of
    registration. Where a preferred way leads nowhere, the next is tried.

    Args:
        endpoint_factory: makes the endpoints of a shape that is new.
    """

    def __init__(self, endpoint_factory: Callable[[], Endpoints]) -> None:
        self.static: Final[dict[str, Endpoints]] = {}
        """The endpoints of the paths without parameters, for a look-up before `match`."""
        self._factory = endpoint_factory
        self._draft: _Node[Endpoints] = _Node(0)
        self._root: _Node[Endpoints] | None = None
        self._splits = 1

    # -- before freeze ------------------------------------------------------------------------------------------------------

    def endpoints(self, pattern: Pattern) -> Endpoints:
        """Return the endpoints of a pattern's shape, made if they are new.

        The names of parameters do not count, so routes of one shape may name them differently: values come in the pattern's order.

        Raises:
            ValueError: if the pattern is not resolved.
            RuntimeError: after `freeze`.
        """
        if self._root is not None:
            raise RuntimeError("the routes are frozen: register them before the application starts")
        literal = pattern.literal
        if literal is not None:
            if literal not in self.static:
                self.static[literal] = self._factory()
            return self.static[literal]
        self._splits = max(self._splits, len(pattern.segments) + 1)
        node = self._draft
        for segment in pattern.segments:
            node = node.child(segment)
        if node.endpoints is None:
            node.endpoints = self._factory()
        return node.endpoints

    def freeze(self) -> None:
        """Order the branches; from now on paths can be matched, and nothing registered."""
        nodes = [self._draft]
        while nodes:
            nodes.extend(nodes.pop().freeze())
        self._root = self._draft

    # -- after freeze -------------------------------------------------------------------------------------------------------

    def match(self, path: str, skip: int = 0) -> tuple[Endpoints, tuple[object, ...]] | None:
        """Return the endpoints at a path and the converted values of its parameters, or None.

        A path with a `.` or `..` segment that literal routes do not have never matches: browsers resolve such segments before they
        ask (RFC 3986, section 5.2.4), so what still has them is after files outside a folder.

        Args:
            path: decoded, with its slash at the beginning.
            skip: how many matches to pass over; see `matches`.

        Raises:
            RuntimeError: before `freeze`.
        """
        found = self.static.get(path)
        if found is not None:
            if not skip:
                return found, ()
            skip -= 1
        node = self._root
        if node is None:
            raise RuntimeError("freeze() the router before matching")
        # PERF: with no more pieces than routes have, thousands of slashes cost no more than one.
        segments = path.split("/", self._splits)
        if segments[0] or ("/." in path and _dot_segment(path)):
            return None
        count = len(segments)
        position = 1
        turn = 0  # what to try next here: 0 is the literal text, 1 the first branch
        values: list[object] = []
        waiting: list[tuple[_Node[Endpoints], int, int]] = []
        while True:
            text = ""
            branches: tuple[_Branch[Endpoints], ...] = ()
            if position < count:
                text = segments[position]
                branches = node.branches
                if turn:
                    branches = branches[turn - 1 :]
                else:
                    child = node.children.get(text)
                    if child is not None:
                        if branches:
                            waiting.append((node, position, 1))
                        node = child
                        position += 1
                        continue
            elif node.endpoints is not None:
                if not skip:
                    return node.endpoints, tuple(values)
                skip -= 1
            for kind, read, child, later in branches:
                if kind == _REST:
                    try:
                        value = read("/".join(segments[position:]))
                    except ValueError:
                        continue
                    if not skip and child.endpoints is not None:
                        return child.endpoints, (*values, value)
                    skip -= 1
                    continue
                if not text:
                    continue
                if kind == _TEXT:
                    values.append(text)
                else:
                    try:
                        value = read(text)
                    except ValueError:
                        continue
                    if kind == _VALUE:
                        values.append(value)
                    else:
                        values.extend(value)  # type: ignore[arg-type]  # this kind of branch reads a list
                if later:
                    waiting.append((node, position, later))
                node = child
                position += 1
                turn = 0
                break
            else:
                if not waiting:
                    return None
                node, position, turn = waiting.pop()
                del values[node.values :]

    def matches(self, path: str) -> Iterator[tuple[Endpoints, tuple[object, ...]]]:
        """Yield every match of a path, the preferred first: for a method that the first does not have, and for `Allow`."""
        skip = 0
        while (found := self.match(path, skip)) is not None:
            yield found
            skip += 1

    def alternative(self, path: str) -> str | None:
        """Return the path with the slash at its end added or taken away if that matches, else None.

        The result is decoded: percent-encode it before it becomes a `Location`. It never begins with two slashes or backslashes and has
        no control characters, which browsers take for another host (OWASP ASVS 5.0 V3.7.2).
        """
        if path[:1] != "/" or path[1:2] in ("", "/", "\\") or _CONTROL(path):
            return None
        other = path[:-1] if path[-1] == "/" else path + "/"
        return None if self.match(other) is None else other


def shape(pattern: Pattern) -> str:
    """Return what two patterns that match the same paths have in common: the template with converters in the place of names.

    Raises:
        ValueError: if the pattern is not resolved.
    """
    parts = [part for segment in pattern.segments for part in ("/", *segment.shape)]
    return "".join(part if isinstance(part, str) else f"{{{part.name}}}" for part in parts)


_TEXT, _VALUE, _VALUES, _REST = range(4)
_Reader: TypeAlias = Callable[[str], object]
# Kind, reader, child, and the turn to come back to if there are more branches, else 0.
_Branch: TypeAlias = "tuple[int, _Reader, _Node[Endpoints], int]"


class _Node(Generic[Endpoints]):
    """A place in the tree: the children by literal text, and the branches with parameters."""

    __slots__ = ("branches", "children", "drafts", "endpoints", "values")

    def __init__(self, values: int) -> None:
        self.endpoints: Endpoints | None = None
        self.children: dict[str, _Node[Endpoints]] = {}
        self.branches: tuple[_Branch[Endpoints], ...] = ()
        self.drafts: dict[tuple[str | Converter, ...], tuple[Segment, _Node[Endpoints]]] = {}
        self.values = values  # how many values the path has up to here

    def child(self, segment: Segment) -> _Node[Endpoints]:
        """Return the child for a segment, made if it is new."""
        literal = segment.literal
        if literal is not None:
            return self.children.setdefault(literal, _Node(self.values))
        return self.drafts.setdefault(segment.shape, (segment, _Node(self.values + len(segment.converters))))[1]

    def freeze(self) -> list[_Node[Endpoints]]:
        """Order the branches, and return all children."""
        ordered = sorted([(*_reader(segment), child) for segment, child in self.drafts.values()], key=lambda draft: draft[0])
        laters = [*range(2, len(ordered) + 1), 0]
        self.branches = tuple((kind, read, child, later) for (_, kind, read, child), later in zip(ordered, laters, strict=False))
        return [*self.children.values(), *(child for _, child in self.drafts.values())]


def _reader(segment: Segment) -> tuple[tuple[int, ...], int, _Reader]:
    """Return the rank of a segment with parameters, its kind, and what reads it."""
    converters = segment.converters
    if len(segment.parts) == 1:
        only = converters[0]
        kind = _REST if only.spans else _TEXT if type(only) is TextConverter else _VALUE
        return (1, only.rank), kind, only.parse
    literal = sum(len(part) for part in segment.parts if isinstance(part, str))
    return (0, -literal, *(converter.rank for converter in converters)), _VALUES, segment.reader()


_dot_segment: Callable[[str], object] = re.compile(r"/\.{1,2}(?:/|\Z)").search
_CONTROL: Callable[[str], object] = re.compile(r"[\x00-\x1f\x7f]").search
