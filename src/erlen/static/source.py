"""A folder of static files: what in it is public, and where each file is.

Text from a client never reaches the file system: a name is looked up among the names that a folder lists, so there is nothing for
`..`, an absolute path, a drive, a UNC path or another case of a letter to do (CWE-22, CWE-178).
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator

from msgspec import Struct

__all__ = ["Source", "is_public"]


class Source(Struct, frozen=True):
    """A folder of static files.

    Not public are names that begin with a dot (but `.well-known` at the top, RFC 8615), copies that editors leave behind, anything
    but regular files, and links that lead out of the folder or to something in it that is not public.
    """

    root: str
    """The folder, symbolic links resolved; it need not exist."""
    base: str = ""
    """What the names of its files begin with: `blog/`."""

    def walk(self) -> Iterator[tuple[str, str]]:
        """Yield the name and the path of each public file, in the order of the names."""
        yield from self._walk(self.base, (self.root,))

    def find(self, name: str) -> str | None:
        """Return the path of a public file, or None."""
        if not name.startswith(self.base):
            return None
        folders = [self.root]
        *parents, last = name[len(self.base) :].split("/")
        for parent in parents:
            path, is_folder = self._entries(folders).get(parent, ("", False))
            if not is_folder:
                return None
            folders.append(path)
        path, is_folder = self._entries(folders).get(last, ("", True))
        return None if is_folder else path

    def _walk(self, base: str, folders: tuple[str, ...]) -> Iterator[tuple[str, str]]:
        for name, (path, is_folder) in sorted(self._entries(folders).items()):
            if is_folder:
                yield from self._walk(f"{base}{name}/", (*folders, path))
            else:
                yield base + name, path

    def _entries(self, folders: tuple[str, ...] | list[str]) -> dict[str, tuple[str, bool]]:
        """Return what is public in the last of nested folders, by name: the path, and whether it is a folder."""
        found: dict[str, tuple[str, bool]] = {}
        try:
            with os.scandir(folders[-1]) as entries:
                for entry in entries:
                    path = entry.path
                    if not is_public(entry.name) and not (entry.name == _WELL_KNOWN and len(folders) == 1):
                        continue
                    # Junctions of Windows are links that do not say so.
                    if (entry.is_symlink() or os.name == "nt") and (path := self._resolve(path)) == "":
                        continue
                    mode = _mode(path)
                    # A link to a folder that it lies in would have no end.
                    if stat.S_ISREG(mode) or (stat.S_ISDIR(mode) and path not in folders):
                        found[entry.name] = path, stat.S_ISDIR(mode)
        except OSError:  # It is not there (any more), or closed to us.
            return {}
        return found

    def _resolve(self, path: str) -> str:
        """Return where a link leads, or an empty text where that is not public."""
        real = os.path.realpath(path)
        top = self.root.rstrip(os.sep) + os.sep
        if not real.startswith(top):
            return ""
        first, *rest = real[len(top) :].split(os.sep)
        return real if (first == _WELL_KNOWN or is_public(first)) and all(map(is_public, rest)) else ""


def is_public(name: str) -> bool:
    """Return whether a file or folder of this name may be served."""
    return _PRIVATE(name) is None


_WELL_KNOWN = ".well-known"
# Dotfiles; what editors, patch, and Python leave behind; and names that no URL can hold.
_PRIVATE = re.compile(
    r"\..*|.*~|#.*#|.*\.(?:bak|orig|rej|swo|swp|tmp|pyc)|__pycache__|.*[\x00-\x1f\x7f\\\ud800-\udfff].*", re.DOTALL | re.IGNORECASE
).fullmatch


def _mode(path: str) -> int:
    try:
        return os.stat(path).st_mode
    except OSError:  # A link to nothing.
        return 0
