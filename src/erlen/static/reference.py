"""References between static files: where they stand in a text, what they mean, and how they are rewritten."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from urllib.parse import quote, unquote

from msgspec import Struct

__all__ = ["Reference", "resolve", "rewrite"]


class Reference(Struct, frozen=True):
    """A URL in a style sheet or script."""

    start: int
    """Where its text begins in the file, inside the quotes."""
    end: int
    url: str
    """The text, unescaped."""
    is_map: bool = False
    """Whether it is of a source map, which only developers miss."""


def resolve(reference: Reference, name: str, base_urls: Collection[str]) -> str | None:
    """Return the name of the file that a reference means, or None where it is none of ours.

    Ours are relative URLs, and those that begin with one of `base_urls` and a slash. What leads above the top of the static files, or to a
    folder, another host or a part of the same file, is left alone.

    Args:
        reference: from the file.
        name: the file's own name.
        base_urls: what the URLs of static files begin with: `/static`.
    """
    path = _QUERY.split(reference.url, maxsplit=1)[0]
    base = next((base for base in base_urls if path.startswith(f"{base}/")), None)
    if base is not None:
        steps = path[len(base) + 1 :].split("/")
    elif path.startswith("/") or _SCHEME(path) or not path:
        return None
    else:
        steps = [*name.split("/")[:-1], *path.split("/")]
    found: list[str] = []
    for step in map(unquote, steps):
        if step == "..":
            if not found:
                return None
            found.pop()
        elif step != ".":
            found.append(step)
    return "/".join(found) if found and found[-1] and steps[-1] not in (".", "..") else None


def rewrite(text: str, changes: list[tuple[Reference, str]]) -> str:
    """Return a text in which references have the new last part of their path that is given; hashed files stay in their folder."""
    parts: list[str] = []
    done = 0
    for reference, last in sorted(changes, key=lambda change: change[0].start):
        raw = text[reference.start : reference.end]
        # With escapes in it, the text is written anew without.
        url = raw if "\\" not in raw else quote(reference.url, safe="/:?#[]@!$&*+,;=%")
        path = _QUERY.split(url, maxsplit=1)[0]
        folder = path[: path.rfind("/") + 1]
        parts += text[done : reference.start], folder, quote(last, safe="!$&*+,;=:@"), url[len(path) :]
        done = reference.end
    return "".join([*parts, text[done:]])


_QUERY = re.compile("[?#]")
_SCHEME: Callable[[str], object] = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:").match
