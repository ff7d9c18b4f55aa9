"""What a build is made of: the files, what they refer to, and the names that say their content."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Iterator, Mapping, Sequence

from msgspec import Struct

from erlen.static.css import css_references
from erlen.static.index import StaticFile
from erlen.static.javascript import javascript_references
from erlen.static.naming import digest_of, hashed_name
from erlen.static.reference import Reference, resolve, rewrite

__all__ = ["Missing", "Plan", "Planned"]


class Missing(Struct, frozen=True):
    """A reference to a file that is not there."""

    path: str
    """Of the file that has the reference."""
    line: int
    url: str
    is_map: bool
    """Whether it is of a source map: a page works without."""

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.url}"


class Planned(Struct):
    """A file to build."""

    file: StaticFile
    text: str | None = None
    """The source, where it may refer to others."""
    targets: list[tuple[Reference, str]] = []
    """Its references to other files, with their names."""
    source: str = ""
    """The hash of the source."""
    hashed: str = ""
    """The name it gets."""
    content: bytes | None = None
    """What is written, where that is not the source."""


class Plan:
    """Reads static files and gives each a name by its content.

    A file's references are rewritten to the hashed names of what they mean, so its own name depends on theirs: whatever changes,
    everything that leads to it gets a new name. Files that refer to each other in a circle are named together, by the content of all of
    them. Files that are not UTF-8 are not looked into.

    Args:
        files: by name.
        base_urls: what the URLs of static files begin with: `/static`.
    """

    def __init__(self, files: Mapping[str, StaticFile], base_urls: Collection[str]) -> None:
        self.base_urls = base_urls
        self.missing: list[Missing] = []
        """References to files that are not there; they stay as they are."""
        self.files = {name: self._read(name, file, files) for name, file in sorted(files.items())}
        for circle in _circles({name: [target for _, target in planned.targets] for name, planned in self.files.items()}):
            self._name(circle)

    def _read(self, name: str, file: StaticFile, files: Mapping[str, StaticFile]) -> Planned:
        find = _REFERENCES.get(os.path.splitext(name)[1].lower())
        if find is None:
            return Planned(file, source=digest_of(file.path))
        with open(file.path, "rb") as opened:
            data = opened.read()
        planned = Planned(file, source=digest_of(data), targets=[])
        try:
            planned.text = text = data.decode("utf-8")
        except UnicodeDecodeError:
            return planned
        for reference in find(text):
            target = resolve(reference, name, self.base_urls)
            if target is None:
                continue
            if target in files:
                planned.targets.append((reference, target))
            else:
                line = text.count("\n", 0, reference.start) + 1
                self.missing.append(Missing(file.path, line, reference.url, reference.is_map))
        return planned

    def _name(self, circle: Sequence[str]) -> None:
        """Name files whose targets outside the circle are named: mostly a single file."""
        if len(circle) > 1 or any(target == circle[0] for _, target in self.files[circle[0]].targets):
            together = hashlib.sha256(usedforsecurity=False)
            for name in sorted(circle):
                together.update(f"{name}\0{digest_of(self._written(name, outside=circle))}\n".encode())
            for name in circle:
                self.files[name].hashed = hashed_name(name, digest_of(f"{name}\0{together.hexdigest()}".encode()))
        for name in circle:
            planned = self.files[name]
            if planned.targets:
                planned.content = self._written(name)
            if not planned.hashed:
                planned.hashed = hashed_name(name, planned.source if planned.content is None else digest_of(planned.content))

    def _written(self, name: str, outside: Collection[str] = ()) -> bytes:
        """Return a file's text with its references rewritten, but those to some files."""
        planned = self.files[name]
        changes = [
            (reference, self.files[target].hashed.rpartition("/")[2]) for reference, target in planned.targets if target not in outside
        ]
        return rewrite(planned.text or "", changes).encode()


_REFERENCES = {".css": css_references, ".js": javascript_references, ".mjs": javascript_references}


def _circles(graph: Mapping[str, Sequence[str]]) -> Iterator[list[str]]:
    """Yield the strongly connected parts of a graph, each after those it leads to (Tarjan 1972), without recursion."""
    order: dict[str, int] = {}
    lowest: dict[str, int] = {}
    path: list[str] = []
    on_path: set[str] = set()
    for root in graph:
        if root in order:
            continue
        work = [(root, iter(graph[root]))]
        while work:
            node, targets = work[-1]
            if node not in order:
                order[node] = lowest[node] = len(order)
                path.append(node)
                on_path.add(node)
            for target in targets:
                if target not in order:
                    work.append((target, iter(graph[target])))
                    break
                if target in on_path:
                    lowest[node] = min(lowest[node], order[target])
            else:
                work.pop()
                if work:
                    above = work[-1][0]
                    lowest[above] = min(lowest[above], lowest[node])
                if lowest[node] == order[node]:
                    part = [path.pop()]
                    while part[-1] != node:
                        part.append(path.pop())
                    on_path.difference_update(part)
                    yield part
