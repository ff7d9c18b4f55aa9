"""Where templates are found: the application's folders, then each blueprint's, then those that Erlen's rooms ship."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from msgspec import Struct

__all__ = ["TemplateFolder", "TemplateFolders"]


class TemplateFolder(Struct, frozen=True):
    """A folder of templates, and whose it is: empty for the application's, such as `blog.` for a blueprint's."""

    path: Path
    names: str = ""


class TemplateFolders:
    """The folders of a site, in the order in which they are searched.

    A template is named by its path below a folder, with `/` between: `books/list.html`. The first folder that has it wins, so that
    an application overrides a blueprint's template with one at the same path. `blog:post.html` is only ever the blueprint `blog`'s,
    `:post.html` the application's. Names under `erlen/` are shipped by Erlen: `erlen/forms/field.html` by the room `forms`.

    A file has one name: those with an empty, `.` or `..` step, a backslash or a NUL find nothing, so that no name leads out of the
    folders. Symbolic links are followed: who can make one there can write templates anyway.
    """

    def __init__(self, folders: Sequence[TemplateFolder]) -> None:
        self.folders = folders

    def find(self, name: str) -> str | None:
        """Return the file of a template, or None."""
        return next((place for place in self._places(name) if os.path.isfile(place)), None)

    def searched(self, name: str) -> list[Path]:
        """Return the folders in which a template is looked for."""
        owner, colon, _ = name.partition(":")
        return [folder.path for folder in self.folders if not colon or _owner(folder) == owner]

    def names(self) -> list[str]:
        """Return the name of every template in the folders of the application and its blueprints, once each."""
        found = dict[str, None]()
        for folder in self.folders:
            for parent, inner, files in os.walk(folder.path):
                inner[:] = sorted(name for name in inner if not name.startswith("."))
                found.update(
                    dict.fromkeys(Path(parent, name).relative_to(folder.path).as_posix() for name in sorted(files) if name[0] != ".")
                )
        return list(found)

    def _places(self, name: str) -> Iterator[str]:
        owner, colon, path = name.partition(":") if ":" in name else ("", "", name)
        steps = path.split("/")
        if any(step in ("", ".", "..") for step in steps) or "\\" in path or "\0" in path or ":" in path:
            return
        for folder in self.folders:
            if not colon or _owner(folder) == owner:
                yield os.path.join(folder.path, *steps)
        if steps[0] == "erlen" and len(steps) > 1 and not colon:
            room = steps[1:-1][:1] or ["templates"]
            yield os.path.join(_PACKAGE, room[0], "shipped" if len(steps) == 2 else "templates", *steps[1 if len(steps) == 2 else 2 :])


def _owner(folder: TemplateFolder) -> str:
    return folder.names.removesuffix(".")


_PACKAGE = Path(__file__).parents[1]
