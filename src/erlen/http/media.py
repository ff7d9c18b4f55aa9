"""The media type of a file, by the end of its name.

A table of our own, the same on every machine and Python: the system's `mime.types` and the Windows registry are never asked, for a
type that changes with the host is a bug to some and a hole to others (`.js` as text/plain, an upload as text/html).
"""

from __future__ import annotations

__all__ = ["guess_media_type"]


def guess_media_type(filename: str) -> str:
    """Return the media type for a file name or path, such as `image/webp` or `text/css; charset=utf-8`.

    Only what follows the last dot counts, without regard to case. Text types say `charset=utf-8`. A name without a known ending, or
    with nothing in front of it (`.json`), is `application/octet-stream`.
    """
    stem, dot, ending = filename.rpartition(".")
    if not dot or not stem or stem[-1] in "/\\":
        return OCTETS
    return _TYPES.get(ending.lower(), OCTETS)


OCTETS = "application/octet-stream"

# By subject: the types of IANA's registry, where it has one.
_ENDINGS = {
    # texts
    "text/calendar": "ics",
    "text/css": "css",
    "text/csv": "csv",
    "text/html": "html htm",
    "text/javascript": "js mjs cjs",  # RFC 9239
    "text/markdown": "md markdown",
    "text/plain": "txt text log",
    "text/vtt": "vtt",
    # documents
    "application/msword": "doc",
    "application/pdf": "pdf",
    "application/vnd.ms-excel": "xls",
    "application/vnd.ms-powerpoint": "ppt",
    "application/vnd.oasis.opendocument.presentation": "odp",
    "application/vnd.oasis.opendocument.spreadsheet": "ods",
    "application/vnd.oasis.opendocument.text": "odt",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": "pptx",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    # data
    "application/atom+xml": "atom",
    "application/geo+json": "geojson",
    "application/json": "json map",
    "application/jsonl": "jsonl",
    "application/manifest+json": "webmanifest",
    "application/rss+xml": "rss",
    "application/xhtml+xml": "xhtml",
    "application/xml": "xml xsl",
    "application/yaml": "yaml yml",  # RFC 9512
    # archives and programs
    "application/gzip": "gz tgz",
    "application/wasm": "wasm",
    "application/zip": "zip",
    # fonts
    "font/otf": "otf",
    "font/ttf": "ttf",
    "font/woff": "woff",
    "font/woff2": "woff2",
    # pictures
    "image/avif": "avif",
    "image/gif": "gif",
    "image/jpeg": "jpg jpeg",
    "image/png": "png",
    "image/svg+xml": "svg",
    "image/vnd.microsoft.icon": "ico",
    "image/webp": "webp",
    # sound
    "audio/mp4": "m4a",
    "audio/mpeg": "mp3",
    "audio/ogg": "ogg oga opus",
    "audio/wav": "wav",
    # films
    "application/vnd.apple.mpegurl": "m3u8",
    "video/mp2t": "ts",
    "video/mp4": "mp4 m4v",
    "video/quicktime": "mov",
    "video/webm": "webm",
}
_TYPES = {
    ending: f"{name}; charset=utf-8" if name.startswith("text/") else name
    for name, endings in _ENDINGS.items()
    for ending in endings.split()
}
