"""Names that say their content: `css/site.css` with its hash is `css/site.3f2a9c01d5e7.css`."""

from __future__ import annotations

import os
import re

__all__ = ["digest_of", "hashed_name", "plain_name"]


def digest_of(content: bytes | str | os.PathLike[str]) -> str:
    """Return the hash of bytes, or of a file by its path: the first 48 bits of SHA-256, in hexadecimal."""
    import hashlib

    if isinstance(content, bytes):
        digest = hashlib.sha256(content, usedforsecurity=False)
    else:
        with open(content, "rb") as file:
            digest = hashlib.file_digest(file, lambda: hashlib.sha256(usedforsecurity=False))
    return digest.hexdigest()[:_LENGTH]


def hashed_name(name: str, digest: str) -> str:
    """Put a hash into a name, before its ending; a source map keeps both of its endings (`app.3f2a9c01d5e7.js.map`)."""
    folder, slash, last = name.rpartition("/")
    stem, ending = os.path.splitext(last)
    if ending == ".map":
        stem, before = os.path.splitext(stem)
        ending = before + ending
    return f"{folder}{slash}{stem}.{digest}{ending}"


def plain_name(name: str) -> tuple[str, str] | None:
    """Return the name without its hash, and the hash; None for a name that has none."""
    found = _HASHED(name)
    return None if found is None else (found[1] + found[3], found[2])


_LENGTH = 12
_HASHED = re.compile(rf"(.*[^/])\.([0-9a-f]{{{_LENGTH}}})((?:\.[^./]+)?(?:\.map)?)", re.DOTALL).fullmatch
