"""Forms: `application/x-www-form-urlencoded` (WHATWG URL, section 5) and `multipart/form-data` (RFC 7578), with uploaded files."""

from __future__ import annotations

import re
import sys
from collections.abc import AsyncIterator, Iterable
from typing import Final, Protocol

from erlen.errors import BadRequest, ContentTooLarge, UnsupportedMediaType
from erlen.http.headers import Headers
from erlen.http.limits import Limits
from erlen.http.query import MultiDict
from erlen.http.upload import UploadFile, safe_filename

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
    media_type, parameters = _parse_content_type(content_type)
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

    __slots__ = ("_fields", "_files")

    def __init__(self, pairs: Iterable[tuple[str, str | UploadFile]] = ()) -> None:
        super().__init__(pairs)
        self._fields: MultiDict[str] | None = None
        self._files: MultiDict[UploadFile] | None = None

    @property
    def fields(self) -> MultiDict[str]:
        """The fields that are text."""
        if self._fields is None:
            self._fields = MultiDict((name, value) for name, value in self.pairs if isinstance(value, str))
        return self._fields

    @property
    def files(self) -> MultiDict[UploadFile]:
        """The files; a file input that was left empty is not among them."""
        if self._files is None:
            self._files = MultiDict((name, value) for name, value in self.pairs if not isinstance(value, str))
        return self._files

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

_MEDIA_TYPE = re.compile(r"[ \t]*([!#$%&'*+\-.^_`|~0-9A-Za-z]+/[!#$%&'*+\-.^_`|~0-9A-Za-z]+)?[ \t]*").match
# The value without quotes is wider than RFC 9110's token: some clients leave boundaries such as "----=_Part_1" unquoted.
_PARAMETER = re.compile(r""";[ \t]*(?:([!#$%&'*+\-.^_`|~0-9A-Za-z]+)=([!#-:<-\[\]-~]+|"(?:[^"\\]|\\.)*")[ \t]*)?""").match
_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]").fullmatch  # RFC 2046, section 5.1.1
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]").search


def _parse_content_type(text: str) -> tuple[str, dict[str, str]]:
    if len(text) > 1000:
        raise BadRequest("The Content-Type is too long.")
    found = _MEDIA_TYPE(text)
    parameters: dict[str, str] = {}
    if found is None:
        raise BadRequest("The Content-Type is malformed.")
    position = found.end()
    while position < len(text):
        parameter = _PARAMETER(text, position)
        if parameter is None:
            raise BadRequest("The Content-Type is malformed.")
        position = parameter.end()
        name, value = parameter.groups()
        if name is not None:
            if name.lower() in parameters:
                raise BadRequest(f"The Content-Type says {name!r} twice.")
            parameters[name.lower()] = re.sub(r"\\(.)", r"\1", value[1:-1]) if value[0] == '"' else value
    return (found[1] or "").lower(), parameters


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
        if len(begun) > 3 * limits.field_size:  # three characters for one percent-encoded byte
            raise budget.field_too_large()
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

    __slots__ = ("count", "field", "limits", "total")

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
            raise self.field_too_large()
        # One total, not one counter per field (CVE-2025-69228).
        if self.total > 4 * self.limits.field_size:
            raise ContentTooLarge(f"The form's fields have more than {4 * self.limits.field_size} bytes together.")

    def too_many_fields(self) -> ContentTooLarge:
        return ContentTooLarge(f"The form has more than {self.limits.form_fields} fields.")

    def field_too_large(self) -> ContentTooLarge:
        return ContentTooLarge(f"A field of the form has more than {self.limits.field_size} bytes; send it as a file.")


# -- multipart/form-data --------------------------------------------------------------------------------------------------------


async def _parse_multipart(boundary: str, chunks: AsyncIterator[bytes], limits: Limits) -> FormData:
    if not _BOUNDARY(boundary):
        raise BadRequest("The Content-Type of a multipart form has a boundary of 1 to 70 characters.")
    # The package is typed but does not say so.
    from multipart import MultipartError, ParserLimitReached, PushMultipartParser  # type: ignore[import-untyped]

    parser = PushMultipartParser(boundary, max_header_size=limits.part_headers_size, max_header_count=_PART_HEADERS, strict=True)
    envelope = _Envelope(boundary.encode("ascii"))
    parts = _Parts(limits)
    try:
        async for chunk in chunks:
            piece = envelope.open(chunk)
            if piece:
                for event in parser.parse(piece):
                    parts.take(event)
                if parts.for_disk:
                    await parts.write_to_disk()
        for event in parser.parse(envelope.rest()):
            parts.take(event)
        await parts.write_to_disk()
        parser.close()
        for upload in parts.uploads:
            upload.seek(0)
    except BaseException as error:
        for upload in parts.uploads:
            upload.close()
        if isinstance(error, ParserLimitReached):
            raise parts.headers_too_large() from None
        if isinstance(error, MultipartError):
            raise BadRequest(f"The multipart form is malformed: {error.args[0]}.") from None
        raise
    return FormData(parts.pairs)


class _Envelope:
    """What surrounds the parts: nothing before the first boundary, and at most a line break after the last one.

    RFC 2046 lets any text stand there. No client sends any, and parsers have been kept busy with it (CVE-2024-53981, CVE-2026-40347).
    Small chunks are joined meanwhile, so that a body in single bytes costs what one in blocks does (CVE-2025-69229).
    """

    __slots__ = ("_close", "_ended", "_epilogue", "_first", "_joined", "_started", "_tail")

    def __init__(self, boundary: bytes) -> None:
        self._first = b"--" + boundary
        self._close = b"\r\n--" + boundary + b"--"
        self._joined = bytearray()
        self._started = self._ended = False
        self._epilogue = b""
        # The first boundary needs no line break before it, and may be the last one as well.
        self._tail = b"\r\n"

    def open(self, chunk: bytes) -> bytes:
        """Return what to parse next, or nothing while it is too little."""
        if not self._joined and len(chunk) >= _PIECE:
            return self._check(chunk)
        self._joined += chunk
        return self.rest() if len(self._joined) >= _PIECE else b""

    def rest(self) -> bytes:
        """Return what is left to parse."""
        piece = bytes(self._joined)
        self._joined.clear()
        return self._check(piece)

    def _check(self, piece: bytes) -> bytes:
        if self._ended:
            return self._check_epilogue(piece)
        if not self._started:
            self._started = True
            if piece.startswith(b"\r\n"):
                piece = piece[2:]
            if not piece.startswith(self._first):
                raise BadRequest("The multipart form is malformed: it does not begin with its boundary.")
        window = self._tail + piece
        at = window.find(self._close)
        if at >= 0:
            self._ended = True
            end = at + len(self._close) - len(self._tail)
            self._check_epilogue(piece[end:])
            return piece[:end]
        self._tail = window[1 - len(self._close) :]
        return piece

    def _check_epilogue(self, piece: bytes) -> bytes:
        self._epilogue += piece[:3]
        if self._epilogue not in (b"", b"\r", b"\n", b"\r\n"):
            raise BadRequest("The multipart form is malformed: something follows its last boundary.")
        return b""


class _Part(Protocol):
    """What the parser says at the start of a part (`multipart.MultipartSegment`)."""

    headerlist: list[tuple[str, str]]
    name: str | None
    filename: str | None
    content_type: str | None
    charset: str | None


class _Parts:
    """The fields and files of a multipart form, as the parser finds them."""

    __slots__ = ("_budget", "_field", "_file_count", "_limits", "_name", "_upload", "_upload_size", "for_disk", "pairs", "uploads")

    def __init__(self, limits: Limits) -> None:
        self.pairs: list[tuple[str, str | UploadFile]] = []
        self.uploads: list[UploadFile] = []
        self.for_disk: list[tuple[UploadFile, bytes]] = []
        self._limits = limits
        self._budget = _Budget(limits)
        self._file_count = 0
        self._name = ""
        self._field: list[bytes] = []
        self._upload: UploadFile | None = None
        self._upload_size = 0

    def take(self, event: _Part | bytes | None) -> None:
        """Handle the start of a part, some of its content, or its end."""
        if event is None:
            self._end()
        elif isinstance(event, bytes):
            self._grow(event)
        else:
            self._begin(event)

    async def write_to_disk(self) -> None:
        """Write what is over `file_memory`: in a thread if there is an event loop, which must not wait for the disk."""
        if not self.for_disk:
            return
        waiting, self.for_disk = self.for_disk, []
        if _has_event_loop():
            from asyncio import to_thread

            await to_thread(_write_all, waiting)
        else:
            _write_all(waiting)

    def headers_too_large(self) -> ContentTooLarge:
        return ContentTooLarge(
            f"A part of the form has more than {self._limits.part_headers_size} bytes or {_PART_HEADERS} lines of header fields."
        )

    def _begin(self, part: _Part) -> None:
        headers = [(name.lower(), value) for name, value in part.headerlist]
        if sum(len(name) + len(value.encode()) + 4 for name, value in headers) > self._limits.part_headers_size:
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
        self._file_count += 1
        if self._file_count > self._limits.form_files:
            raise ContentTooLarge(f"The form has more than {self._limits.form_files} files.")
        content_type = part.content_type or "application/octet-stream"
        memory = self._limits.file_memory
        self._upload = UploadFile(part.filename, content_type, Headers.trusted(headers), file_memory=memory)
        self._upload_size = 0
        self.uploads.append(self._upload)

    def _grow(self, data: bytes) -> None:
        if self._upload is None:
            self._budget.grow_field(len(data))
            self._field.append(data)
            return
        self._upload_size += len(data)
        if self._upload_size > self._limits.file_memory:
            self.for_disk.append((self._upload, data))
        else:
            self._upload.write(data)

    def _end(self) -> None:
        if self._upload is None:
            self.pairs.append((self._name, b"".join(self._field).decode("utf-8", "replace")))
            return
        if self._upload_size or self._upload.raw_filename:
            self.pairs.append((self._name, self._upload))
        else:
            # A file input that was left empty is sent as an empty file without a name.
            self.uploads.remove(self._upload)
            self._upload.close()
        self._upload = None


def _write_all(waiting: list[tuple[UploadFile, bytes]]) -> None:
    for upload, data in waiting:
        upload.write(data)


def _has_event_loop() -> bool:
    if "asyncio" not in sys.modules:
        return False
    from asyncio import get_running_loop

    try:
        get_running_loop()
    except RuntimeError:
        return False
    return True
