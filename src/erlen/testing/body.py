"""Request bodies as browsers encode them: URL-encoded forms (WHATWG URL, section 5.2) and multipart forms (RFC 7578)."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from typing import TypeAlias, cast

from erlen.http.media import guess_media_type

__all__ = ["Content", "Fields", "File", "Files", "encode_multipart", "encode_pairs", "pairs_of"]

Fields: TypeAlias = Mapping[str, object] | Iterable[tuple[str, object]]
"""Values by name: text, numbers, booleans; a list repeats the name, None leaves it out."""
Content: TypeAlias = bytes | str
File: TypeAlias = bytes | tuple[str, Content] | tuple[str, Content, str]
"""The content of a file; or its name and content, and perhaps its media type."""
Files: TypeAlias = Mapping[str, "File | list[File]"]


def pairs_of(fields: Fields) -> list[tuple[str, str]]:
    """Return fields as pairs of text: True is `true`, False `false`, None is left out, a list or tuple repeats its name."""
    pairs: list[tuple[str, str]] = []
    for name, value in fields.items() if isinstance(fields, Mapping) else fields:
        items = value if isinstance(value, (list, tuple)) else (value,)
        pairs += [(str(name), str(item).lower() if isinstance(item, bool) else str(item)) for item in items if item is not None]
    return pairs


def encode_pairs(fields: Fields) -> str:
    """Return fields as a query string or an `application/x-www-form-urlencoded` body, in UTF-8."""
    from urllib.parse import urlencode

    return urlencode(pairs_of(fields))


def encode_multipart(fields: Fields, files: Files) -> tuple[bytes, str]:
    """Return fields and files as a `multipart/form-data` body, and its content type with the boundary.

    A file without a name is sent under that of its field; one without a media type has that of its name's ending.
    """
    boundary = "----erlen" + secrets.token_hex(16)
    parts: list[bytes] = []
    for name, value in pairs_of(fields):
        parts.append(f'--{boundary}\r\nContent-Disposition: form-data; name="{_escape(name)}"\r\n\r\n{value}\r\n'.encode())
    for name, given in files.items():
        for file in given if isinstance(given, list) else [given]:
            filename, content, media_type = _file(name, file)
            head = (
                f'--{boundary}\r\nContent-Disposition: form-data; name="{_escape(name)}"; filename="{_escape(filename)}"\r\n'
                f"Content-Type: {media_type}\r\n\r\n"
            )
            parts.append(head.encode() + content + b"\r\n")
    parts.append(f"--{boundary}--\r\n".encode())
    return b"".join(parts), f"multipart/form-data; boundary={boundary}"


def _file(field: str, file: File) -> tuple[str, bytes, str]:
    if isinstance(file, bytes):
        return field, file, guess_media_type(field)
    if not isinstance(cast("object", file), tuple):
        raise TypeError(f"a file is bytes, (name, content) or (name, content, media type), not {type(file).__name__}")
    content = file[1].encode() if isinstance(file[1], str) else file[1]
    return file[0], content, file[2] if len(file) == 3 else guess_media_type(file[0])


def _escape(name: str) -> str:
    # As browsers do (WHATWG HTML, section 4.10.21.8); everything else stands as it is, in UTF-8.
    return name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
