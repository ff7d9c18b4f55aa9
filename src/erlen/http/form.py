"""Forms: `application/x-www-form-urlencoded` (WHATWG URL, section 5) and `multipart/form-data` (RFC 7578), with uploaded files."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from functools import cached_property
from typing import TYPE_CHECKING, Final

from erlen.errors import BadRequest, ContentTooLarge, UnsupportedMediaType
from erlen.http.headers import Headers
from erlen.http.limits import Limits
from erlen.http.parameter import split_parameters
from erlen.http.query import MultiDict
from erlen.http.upload import UploadFile, safe_filename

if TYPE_CHECKING:
    # The package is typed but does not say so.
    from multipart import MultipartSegment  # type: ignore[import-untyped]

__all__ = ["FormData", "UploadFile", "parse_form", "safe_filename"]


async def parse_form(content_type: str, chunks: AsyncIterator[bytes], limits: Limits) -> FormData:
    """Parse a body as a form, while it arrives.

    Args:
        content_type: the `Content-Type` field; empty is right for an empty body.
        chunks: the body; whoever reads it holds it to `limits.body_size`.
        limits: `form_fields`, `form_files`, `field_size` (for one field, and four times that for all of them, names included),
            `part_headers_size`, `file_memory`.

    Raises:
        UnsupportedMediaType: for another content type, or a charset other than UTF-8 and ASCII.
        BadRequest: if it is malformed. ContentTooLarge: over one of the limits.
    """
    media_type, pairs = split_parameters(content_type)
    parameters = dict(pairs)
    if len(parameters) < len(pairs):
        raise BadRequest("The Content-Type says a parameter twice.")
    if media_type == "multipart/form-data":
        return await _parse_multipart(parameters.get("boundary", ""), chunks, limits)
    if media_type == "application/x-www-form-urlencoded":
        _check_charset(parameters.get("charset", "utf-8"))
        return await _parse_urlencoded(chunks, limits)
    if not media_type:
        async for chunk in chunks:
            if chunk:
                break
        else:
            return FormData()
    raise UnsupportedMediaType(f"A form is multipart/form-data or application/x-www-form-urlencoded, not {media_type or 'of no type'!r}.")


class FormData(MultiDict[str | UploadFile]):
    """The fields and files of a form, in order; `form["name"]` is the last of a name, `getlist` gives all."""

    @cached_property
    def fields(self) -> MultiDict[str]:
        """The fields that are text."""
        return MultiDict((name, value) for name, value in self.pairs if isinstance(value, str))

    @cached_property
    def files(self) -> MultiDict[UploadFile]:
        """The files; a file input that was left empty is not among them."""
        return MultiDict((name, value) for name, value in self.pairs if not isinstance(value, str))

    def text(self, name: str, default: str = "") -> str:
        """Return the last text field of this name."""
        return self.fields.get(name, default)

    def file(self, name: str) -> UploadFile | None:
        """Return the last file of this name; `files.getlist(name)` gives all, and each wants checking (CVE-2023-31047)."""
        return self.files.get(name)

    def close(self) -> None:
        """Close the files, which deletes those on disk. `Request.form` does it at the end of the request."""
        for _, upload in self.files.pairs:
            upload.close()


_PIECE: Final = 64 * 1024
_PART_HEADERS: Final = 8

_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]").fullmatch  # RFC 2046, section 5.1.1
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]").search


def _check_charset(charset: str) -> None:
    if charset.lower() not in ("utf-8", "utf8", "us-ascii", "ascii"):
        raise UnsupportedMediaType("Send the form in UTF-8.")


# -- application/x-www-form-urlencoded ------------------------------------------------------------------------------------------


async def _parse_urlencoded(chunks: AsyncIterator[bytes], limits: Limits) -> FormData:
    pairs: list[tuple[str, str]] = []
    budget = _Budget(limits)
    begun = bytearray()
    separators = 0
    async for chunk in chunks:
        begun += chunk
        count = chunk.count(b"&")
        if count:
            # Before splitting, which makes an object of every piece, empty ones too.
            separators += count
            if separators > limits.form_fields:
                raise budget.too_many_fields()
            *whole, begun = begun.split(b"&")
            for piece in whole:
                _add_pair(bytes(piece), pairs, budget)
        if len(begun) > 3 * limits.field_size:  # Too large even if each byte takes three characters, percent-encoded.
            budget.grow_field(len(begun))
    _add_pair(bytes(begun), pairs, budget)
    return FormData(pairs)


def _add_pair(piece: bytes, pairs: list[tuple[str, str]], budget: _Budget) -> None:
    if not piece:
        return
    name, _, value = piece.partition(b"=")
    if b"%" in piece or b"+" in piece:
        from urllib.parse import unquote_to_bytes

        name = unquote_to_bytes(name.replace(b"+", b" "))
        value = unquote_to_bytes(value.replace(b"+", b" "))
    budget.begin_field(len(name))
    budget.grow_field(len(value))
    pairs.append((name.decode("utf-8", "replace"), value.decode("utf-8", "replace")))


class _Budget:
    """What the fields of one form have used of the limits."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.count = self.field = self.total = 0

    def begin_field(self, name_size: int) -> None:
        self.count += 1
        if self.count > self.limits.form_fields:
            raise self.too_many_fields()
        self.field = 0
        self.grow_field(name_size)

    def grow_field(self, size: int) -> None:
        self.field += size
        self.total += size
        if self.field > self.limits.field_size:
            raise ContentTooLarge(f"A field of the form has more than {self.limits.field_size} bytes; send it as a file.")
        # One total, not one counter per field (CVE-2025-69228).
        if self.total > 4 * self.limits.field_size:
            raise ContentTooLarge(f"The form's fields have more than {4 * self.limits.field_size} bytes together.")

    def too_many_fields(self) -> ContentTooLarge:
        return ContentTooLarge(f"The form has more than {self.limits.form_fields} fields.")


# -- multipart/form-data --------------------------------------------------------------------------------------------------------


async def _parse_multipart(boundary: str, chunks: AsyncIterator[bytes], limits: Limits) -> FormData:
    if not _BOUNDARY(boundary):
        raise BadRequest("The Content-Type of a multipart form has a boundary of 1 to 70 characters.")
    from multipart import MultipartError, ParserLimitReached, PushMultipartParser

    parser = PushMultipartParser(boundary, max_header_size=limits.part_headers_size, max_header_count=_PART_HEADERS, strict=True)
    parts = _Parts(limits)

    def parse(piece: bytes) -> None:
        # The last byte by itself: the parser refuses what follows the last boundary, but not within one piece.
        for part in filter(None, (piece[:-1], piece[-1:])):
            for event in parser.parse(part):
                parts.take(event)

    received = 0
    try:
        async for piece in _pieces(chunks):
            if not received and not piece.startswith(f"--{boundary}".encode("ascii")):
                raise BadRequest("The multipart form is malformed: it does not begin with its boundary.")
            received += len(piece)
            if received > limits.file_memory:  # Only now can a file be on disk.
                await _away_from_the_loop(parse, piece)
            else:
                parse(piece)
        parser.close()
    except BaseException as error:
        for upload in parts.uploads:
            upload.close()
        if isinstance(error, ParserLimitReached):
            raise parts.headers_too_large() from None
        if isinstance(error, MultipartError):
            raise BadRequest(f"The multipart form is malformed: {error.args[0]}.") from None
        raise
    return FormData(parts.pairs)


async def _pieces(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield a multipart body in pieces of some size, so that one in single bytes costs what one in blocks does (CVE-2025-69229).

    The line break that may stand before the first boundary and after the last one is left out. RFC 2046 lets any text stand there.
    No client sends any, and parsers have been kept busy with it (CVE-2024-53981, CVE-2026-40347).
    """
    waiting = bytearray()
    start = b"\r\n"
    async for chunk in chunks:
        waiting += chunk
        if len(waiting) > _PIECE:
            yield bytes(waiting[:-2]).removeprefix(start)
            del waiting[:-2]
            start = b""
    yield bytes(waiting).removeprefix(start).removesuffix(b"\n").removesuffix(b"\r")


async def _away_from_the_loop(work: Callable[[bytes], None], piece: bytes) -> None:
    """Do what may wait for the disk: in a thread if there is an event loop, which must not wait."""
    from asyncio import get_running_loop, to_thread

    try:
        get_running_loop()
    except RuntimeError:
        work(piece)
    else:
        await to_thread(work, piece)


class _Parts:
    """The fields and files of a multipart form, as the parser finds them."""

    def __init__(self, limits: Limits) -> None:
        self.pairs: list[tuple[str, str | UploadFile]] = []
        self.uploads: list[UploadFile] = []
        self._budget = _Budget(limits)
        self._name = ""
        self._field: list[bytes] = []
        self._upload: UploadFile | None = None

    def take(self, event: MultipartSegment | bytes | None) -> None:
        """Handle the start of a part, some of its content, or its end."""
        if event is None:
            self._end()
        elif not isinstance(event, bytes):
            self._begin(event)
        elif self._upload is None:
            self._budget.grow_field(len(event))
            self._field.append(event)
        else:
            self._upload.write(event)

    def headers_too_large(self) -> ContentTooLarge:
        return ContentTooLarge(
            f"A part of the form has more than {self._budget.limits.part_headers_size} bytes or {_PART_HEADERS} lines of header fields."
        )

    def _begin(self, part: MultipartSegment) -> None:
        headers = [(name.lower(), value) for name, value in part.headerlist]
        if sum(len(name) + len(value.encode()) + 4 for name, value in headers) > self._budget.limits.part_headers_size:
            raise self.headers_too_large()
        if len(dict(headers)) < len(headers) or any(_CONTROL(value) for _, value in headers):
            raise BadRequest("The multipart form is malformed: a part has a header field twice, or with control characters.")
        for name, value in headers:
            if name == "content-transfer-encoding" and value.strip().lower() not in ("7bit", "8bit", "binary"):
                raise BadRequest("Send the parts of the form without a Content-Transfer-Encoding (RFC 7578, section 4.7).")
        if (part.content_type or "").startswith("multipart/"):
            raise BadRequest("Send several files as several parts, not as one that is multipart itself (RFC 7578, section 4.3).")
        self._name = part.name or ""
        if part.filename is None:
            _check_charset(part.charset or "utf-8")
            self._field = []
            self._budget.begin_field(len(self._name.encode()))
            return
        if len(self.uploads) >= self._budget.limits.form_files:
            raise ContentTooLarge(f"The form has more than {self._budget.limits.form_files} files.")
        content_type = part.content_type or "application/octet-stream"
        self._upload = UploadFile(part.filename, content_type, Headers.trusted(headers), file_memory=self._budget.limits.file_memory)
        self.uploads.append(self._upload)

    def _end(self) -> None:
        if self._upload is None:
            self.pairs.append((self._name, b"".join(self._field).decode("utf-8", "replace")))
        elif self._upload.size or self._upload.raw_filename:
            self._upload.seek(0)
            self.pairs.append((self._name, self._upload))
        else:  # A file input that was left empty is sent as an empty file without a name.
            self._upload.close()
        self._upload = None
