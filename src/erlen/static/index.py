"""Names to files: as they are at the moment (development), as they were at the start, or as they were built."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Protocol, TypeAlias

from msgspec import Struct

from erlen.static.manifest import Manifest
from erlen.static.naming import digest_of, hashed_name, plain_name
from erlen.static.source import Source

__all__ = ["ENDINGS", "BuiltIndex", "Found", "Index", "LiveIndex", "StartIndex", "StaticFile"]

ENDINGS = {"br": ".br", "zstd": ".zst", "gzip": ".gz"}
"""What a compressed file's name ends with, by content coding; the preferred first."""


class StaticFile(Struct, frozen=True):
    """A file that may be served."""

    name: str
    """Without the hash, so that its ending says the type."""
    path: str
    variants: tuple[tuple[str, str], ...] = ()
    """Compressed files of the same content: coding and path, the preferred first."""
    etag: str = ""
    """Known from the build; else the file says it when it is served."""


Found: TypeAlias = tuple[StaticFile, bool]
"""A file, and whether the name that found it says its content, so that it can be kept for ever."""


class Index(Protocol):
    """What is served under which name."""

    def find(self, name: str) -> Found | None:
        """Return the file of a name, plain or hashed."""
        ...

    def public_name(self, name: str) -> str | None:
        """Return the name to link to for a plain name, or None where there is no such file."""
        ...

    def names(self) -> Iterable[str]:
        """Return all plain names."""
        ...


class LiveIndex:
    """The files as they are when they are asked for, under their plain names."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self.sources = sources

    def find(self, name: str) -> Found | None:
        path = next((path for source in self.sources if (path := source.find(name)) is not None), None)
        return None if path is None else (StaticFile(name, path), False)

    def public_name(self, name: str) -> str | None:
        return None if self.find(name) is None else name

    def names(self) -> Iterable[str]:
        return sorted({name for source in self.sources for name, _ in source.walk()})


class StartIndex:
    """The files that were there when it was first used; nothing else is ever served.

    Args:
        sources: where a name is in several, the first counts.
        hashes: whether `public_name` gives names with the hash of the content; a file is hashed when its name is first asked for.
        immutable: a pattern of names that say their content already, as bundlers write them: `assets/*`.
    """

    def __init__(self, sources: Sequence[Source], *, hashes: bool = True, immutable: str = "") -> None:
        self.sources = sources
        self.hashes = hashes
        self.immutable = immutable
        self._hashed: dict[str, str] = {}

    @cached_property
    def files(self) -> dict[str, StaticFile]:
        """The files by plain name."""
        paths: dict[str, str] = {}
        for source in self.sources:
            for name, path in source.walk():
                paths.setdefault(name, path)
        return {name: StaticFile(name, path, _variants(name, path, paths)) for name, path in paths.items()}

    def find(self, name: str) -> Found | None:
        file = self.files.get(name)
        if file is not None:
            return file, bool(self.immutable) and fnmatchcase(name, self.immutable)
        plain = plain_name(name) if self.hashes else None
        file = None if plain is None else self.files.get(plain[0])
        # Another hash is one of a page from before or after a deployment: it gets the file as it is here, and may not keep it.
        return None if file is None else (file, self.public_name(file.name) == name)

    def public_name(self, name: str) -> str | None:
        file = self.files.get(name)
        if file is None:
            return None
        if not self.hashes:
            return name
        if name not in self._hashed:
            # Reading a large file would hold up the event loop, at a client's wish; a build names it by its content too.
            large = os.path.getsize(file.path) > _LARGE
            self._hashed[name] = name if large else hashed_name(name, digest_of(file.path))
        return self._hashed[name]

    def names(self) -> Iterable[str]:
        return self.files


class BuiltIndex:
    """The files of a build, as its manifest lists them."""

    def __init__(self, folder: str, manifest: Manifest) -> None:
        self._public = {name: built.hashed for name, built in manifest.files.items()}
        self._found: dict[str, Found] = {}
        for hashed, encodings in manifest.former.items():
            self._found[hashed] = self._file(folder, hashed, hashed, encodings), True
        for name, built in manifest.files.items():
            file = self._file(folder, name, built.hashed, built.encodings)
            self._found[name], self._found[built.hashed] = (file, False), (file, True)

    def find(self, name: str) -> Found | None:
        found = self._found.get(name)
        if found is None and (plain := plain_name(name)) is not None and (found := self._found.get(plain[0])) is not None:
            return found[0], False
        return found

    def public_name(self, name: str) -> str | None:
        return self._public.get(name)

    def names(self) -> Iterable[str]:
        return self._public

    def _file(self, folder: str, name: str, hashed: str, encodings: tuple[str, ...]) -> StaticFile:
        path = os.path.join(folder, *hashed.split("/"))
        variants = tuple((encoding, path + ENDINGS[encoding]) for encoding in encodings if encoding in ENDINGS)
        return StaticFile(name, path, variants, (plain_name(hashed) or ("", ""))[1])


_LARGE = 4 * 1024 * 1024


def _variants(name: str, path: str, paths: dict[str, str]) -> tuple[tuple[str, str], ...]:
    # One from another folder, or a link to elsewhere, is of something else.
    return tuple((encoding, path + ending) for encoding, ending in ENDINGS.items() if paths.get(name + ending) == path + ending)
