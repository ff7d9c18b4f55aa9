"""Files as responses: conditions, ranges, downloads, and paths that stay inside their folder."""

from __future__ import annotations

import copy
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from secrets import token_hex
from typing import ClassVar, Literal

from erlen.errors import NotFound
from erlen.http.conditional import apply_conditions, format_http_date, parse_http_date
from erlen.http.headers import Headers
from erlen.http.media import guess_media_type
from erlen.http.request import Request
from erlen.http.response import Response, StreamResponse
from erlen.types import HeadersInit

__all__ = ["FileResponse", "content_disposition", "file_chunks", "safe_join"]


class FileResponse(Response):
    """A file, sent by the server itself where it can.

    Answers GET and HEAD with `ETag`, `Last-Modified` and `Accept-Ranges`, conditional requests with 304 or 412 (RFC 9110, section
    13), and GET with `Range` with 206 (section 14). The file is looked at when the response is prepared, not before.

    The path is taken as it is: join what comes from outside with `safe_join`. The type follows the name, so that an uploaded
    HTML or SVG file is served as one; the site's Content-Security-Policy holds it back only in part. For files of people you do not
    trust pass `attachment=True`, or serve them from another domain (OWASP ASVS 5.0 V5.4).

    Args:
        path: of a regular file.
        filename: the name for a download, by default the path's last part; given without `attachment`, the name for "save as".
        content_type: by default what the file name's ending says.
        attachment: download it instead of showing it (RFC 6266).
        headers: further header fields; an `etag`, `last-modified` or `cache-control` here replaces the one made from the file.
        status: other than 200, the file is sent whole and without conditions, as an error page is.
        max_age: how long caches may use it without asking, in seconds; by default they ask each time (`no-cache`).
    """

    __slots__ = ("attachment", "end", "filename", "max_age", "path", "size", "start")

    kind: ClassVar[Literal["body", "file", "stream"]] = "file"

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        filename: str | None = None,
        content_type: str | None = None,
        attachment: bool = False,
        headers: HeadersInit = None,
        status: int = 200,
        max_age: int | None = None,
    ) -> None:
        self.path: str = os.fspath(path)
        super().__init__(b"", status, headers, content_type or guess_media_type(filename or self.path))
        self.filename = filename
        self.attachment = attachment
        self.max_age = max_age
        self.size = 0
        """The whole file, in bytes; known once prepared."""
        self.start = 0
        """The first byte to send; known once prepared."""
        self.end = 0
        """The byte after the last one to send; known once prepared."""

    def prepare(self, request: Request) -> Response:
        """Return what to write: a copy of this response with its header fields made, Content-Length included; 206, 304 or 412.

        Its `path`, `start` and `end` say what to send; for HEAD, nothing. Several ranges come back as a `StreamResponse` of type
        `multipart/byteranges`.

        Raises:
            NotFound: if there is no such file, or it is not a regular file.
            RangeNotSatisfiable: if no requested range lies within the file.
        """
        try:
            found = os.stat(self.path)
        except (OSError, ValueError) as error:  # ValueError: a NUL in the path.
            raise NotFound from error
        if not stat.S_ISREG(found.st_mode):
            raise NotFound
        whole = copy.copy(self)  # One response may be kept by the application and served to many requests at once.
        whole._headers = headers = Headers(self._headers)
        whole.size = whole.end = found.st_size
        whole.start = 0
        if self.attachment or self.filename is not None:
            name = self.filename or os.path.basename(self.path)
            headers.setdefault("content-disposition", content_disposition(name, self.attachment))
        headers["content-length"] = str(found.st_size)
        if self.status != 200:
            return whole
        headers.setdefault("etag", f'"{found.st_mtime_ns:x}-{found.st_size:x}"')
        headers.setdefault("last-modified", format_http_date(found.st_mtime_ns // 10**9))
        headers.setdefault("cache-control", "no-cache" if self.max_age is None else f"max-age={self.max_age}")
        if request.method not in ("GET", "HEAD"):
            return whole
        headers["accept-ranges"] = "bytes"
        answer = apply_conditions(request, whole)
        if answer is not whole or request.method == "HEAD" or request.header("range") is None:
            return answer
        if not request.conditions.range_applies(headers["etag"], parse_http_date(headers["last-modified"])):
            return whole
        ranges = request.ranges(found.st_size)
        if ranges is None:
            return whole
        if len(ranges) > 1:
            return _multipart(whole, ranges)
        whole.status = 206
        whole.start, whole.end = ranges[0]
        headers["content-range"] = f"bytes {whole.start}-{whole.end - 1}/{whole.size}"
        headers["content-length"] = str(whole.end - whole.start)
        return whole


def content_disposition(filename: str, attachment: bool) -> str:
    """Return the value of `Content-Disposition` for a file name (RFC 6266, RFC 8187), in ASCII.

    A name that is not plain ASCII is given twice: reduced to ASCII, and whole in UTF-8. Quotes, backslashes, slashes, percent signs
    and control characters cannot break out of the field or of the client's folder (reflected file download), and characters that
    turn the direction of writing, which hide a name's true ending, are dropped.
    """
    kind = "attachment" if attachment else "inline"
    name = _UNSAFE_IN_NAME.sub("_", _INVISIBLE.sub("", filename)).strip()
    if not name:
        return kind
    if _PLAIN_NAME(name):
        return f'{kind}; filename="{name}"'

    from unicodedata import normalize
    from urllib.parse import quote

    letters = normalize("NFKD", name).encode("ascii", "ignore").decode("ascii") if not name.isascii() else name
    reduced = _NOT_PLAIN.sub("_", letters)
    if not reduced.rpartition(".")[0].strip("_ ."):  # Nothing of it is left but, at best, the ending.
        reduced = "download" + (reduced[reduced.rindex(".") :] if "." in reduced else "")
    return f"{kind}; filename=\"{reduced}\"; filename*=UTF-8''{quote(name, safe=_RFC8187_SAFE)}"


def file_chunks(path: str, start: int, end: int) -> Iterator[bytes]:
    """Read the bytes from `start` up to, not including, `end`, in pieces of 64 KiB.

    Raises:
        OSError: if the file cannot be read, or ends before `end`: the response must not end as if it were whole.
    """
    with open(path, "rb", buffering=0) as file:
        file.seek(start)
        left = end - start
        while left > 0:
            chunk = file.read(min(left, _CHUNK))
            if not chunk:
                raise OSError(f"{path} became {left} bytes shorter while it was sent")
            left -= len(chunk)
            yield chunk


def safe_join(root: str | os.PathLike[str], *parts: str) -> Path | None:
    """Return the path of `parts` below `root`, symbolic links resolved, or None when it would leave `root` (CWE-22).

    Parts may hold slashes. Refused are absolute parts, `..`, backslashes, control characters, the names of Windows devices (`CON`,
    `nul.txt`), on Windows also colons and names that end in a dot or space, and links that lead out. The path need not exist.
    """
    text = "/".join(parts)
    if len(text) > _LONGEST_PATH or "\\" in text or _CONTROL(text) or any(part[:1] == "/" for part in parts):
        return None
    names = [name for name in text.split("/") if name not in ("", ".")]
    if not all(_is_plain(name, windows=os.name == "nt") for name in names):
        return None
    try:
        base = os.path.realpath(root)
        path = os.path.realpath(os.path.join(base, *names))
    except (OSError, ValueError):  # ValueError: a name the file system cannot encode.
        return None
    return Path(path) if path == base or path.startswith(base.rstrip(os.sep) + os.sep) else None


_CHUNK = 64 * 1024
_LONGEST_PATH = 4096
_CONTROL = re.compile(r"[\x00-\x1f\x7f]").search
_DEVICE = re.compile(r"(?:con|prn|aux|nul|conin\$|conout\$|com[0-9\u00b9\u00b2\u00b3]|lpt[0-9\u00b9\u00b2\u00b3])", re.IGNORECASE).fullmatch

# Controls, and the marks that turn the direction of writing (Unicode Bidi_Control).
_INVISIBLE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]+")
_UNSAFE_IN_NAME = re.compile("[/\\\\\ud800-\udfff]")
# A percent sign is not plain: some browsers decode it in the quoted form.
_PLAIN_NAME = re.compile(r"[\x20\x21\x23\x24\x26-\x5b\x5d-\x7e]+").fullmatch
_NOT_PLAIN = re.compile(r"[^\x20\x21\x23\x24\x26-\x5b\x5d-\x7e]")
_RFC8187_SAFE = "!#$&+-.^_`|~"


def _is_plain(name: str, *, windows: bool) -> bool:
    if name == ".." or _DEVICE(name.partition(".")[0].partition(":")[0].rstrip(" ")):
        return False
    return not (windows and (":" in name or name[-1] in ". "))


def _multipart(whole: FileResponse, ranges: list[tuple[int, int]]) -> StreamResponse:
    # RFC 9110, section 15.3.7.2. The boundary is random, so that no content can hold it.
    boundary = token_hex(16)
    # The type may be what an uploaded file said of itself.
    content_type = "".join(char for char in whole.content_type or "" if " " <= char <= "~")
    start_of_part = f"\r\n--{boundary}\r\ncontent-type: {content_type}\r\ncontent-range: bytes "
    heads = [f"{start_of_part}{start}-{end - 1}/{whole.size}\r\n\r\n".encode("ascii") for start, end in ranges]
    tail = f"\r\n--{boundary}--\r\n".encode("ascii")

    def chunks() -> Iterator[bytes]:
        for (start, end), head in zip(ranges, heads, strict=True):
            yield head
            yield from file_chunks(whole.path, start, end)
        yield tail

    response = StreamResponse(chunks(), 206, whole.headers, f"multipart/byteranges; boundary={boundary}")
    response.headers["content-length"] = str(sum(map(len, heads)) + sum(end - start for start, end in ranges) + len(tail))
    return response
