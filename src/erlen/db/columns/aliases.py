"""Types that many models need, by name: each says at once the column, what is valid, and what a form shows."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from msgspec import Meta, Struct

__all__ = ["Count", "Email", "FileReference", "Line", "Positive", "Slug", "Url"]

# `$` would also match before a line break at the end; `(?!\n)` does not, and means the same to JavaScript, which reads these in forms.
_END = r"$(?!\n)"
_LABEL = "[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"

Line: TypeAlias = Annotated[
    str,
    Meta(
        max_length=255,
        pattern=r"^[^\x00-\x1f\x7f\u0085\u2028\u2029]*" + _END,
        extra={"message": "Must be one line of text."},
    ),
]
"""One line of text of at most 255 characters, without control characters."""

Email: TypeAlias = Annotated[
    str,
    Meta(
        max_length=254,
        pattern=rf"^[a-zA-Z0-9.!#$%&'*+/=?^_`{{|}}~-]{{1,64}}@{_LABEL}(?:\.{_LABEL})+{_END}",
        extra={"message": "Must be an email address, such as name@example.com."},
        extra_json_schema={"format": "email"},
    ),
]
"""An email address as HTML's `<input type="email">` takes it, with a dot in its domain; at most 254 characters (RFC 5321)."""

Slug: TypeAlias = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=100,
        pattern="^[a-zA-Z0-9_-]+" + _END,
        extra={"message": "Use only letters from a to z, digits, hyphens and underscores."},
    ),
]
"""A name in a URL: letters, digits, hyphens and underscores, at most 100."""

Url: TypeAlias = Annotated[
    str,
    Meta(
        max_length=2000,
        pattern=r"^[hH][tT][tT][pP][sS]?://[^\s/?#@\\\x00-\x20\x7f]+(?:[/?#][^\s\x00-\x20\x7f]*)?" + _END,
        extra={"message": "Must be a web address that starts with https:// or http://."},
        extra_json_schema={"format": "uri"},
    ),
]
"""A web address with `http` or `https` and a host, without a user name: never `javascript:` or a path. At most 2,000 characters."""

Positive: TypeAlias = Annotated[int, Meta(gt=0)]
"""An integer from 1 on."""

Count: TypeAlias = Annotated[int, Meta(ge=0)]
"""An integer from 0 on."""


class FileReference(Struct, frozen=True):
    """A stored file, as a column keeps it; the file itself is elsewhere."""

    path: str
    """Where its storage has it."""
    name: str
    """What it was called by whoever sent it."""
    size: int
    """In bytes."""
    content_type: str
