"""Files that came with a form."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from erlen.http.headers import Headers
from erlen.http.limits import Limits

if TYPE_CHECKING:
    from tempfile import SpooledTemporaryFile

__all__ = ["UploadFile", "safe_filename"]


class UploadFile:
    """An uploaded file: in memory while small, then in an unnamed temporary file.

    Args:
        raw_filename: the name as the client sent it.
        content_type: the media type that the client claims, without parameters; nobody has checked it.
        headers: the header fields of its part.
        file_memory: over this many bytes it goes to disk.

    `filename` is the last component of the client's name, without control characters: right to show, not to store under. For that take
    `safe_filename(upload.filename)`, or better a name of your own. `size` is in bytes; `file` is a binary file object.
    """

    __slots__ = ("_file_memory", "content_type", "file", "filename", "headers", "raw_filename", "size")

    file: SpooledTemporaryFile[bytes]

    def __init__(
        self,
        raw_filename: str = "",
        content_type: str = "application/octet-stream",
        headers: Headers | None = None,
        *,
        file_memory: int = Limits().file_memory,
    ) -> None:
        from tempfile import SpooledTemporaryFile

        self.raw_filename = raw_filename
        self.filename = _last_component(raw_filename)
        self.content_type = content_type
        self.headers = Headers() if headers is None else headers
        self.size = 0
        self.file = SpooledTemporaryFile(max_size=file_memory)  # noqa: SIM115 - closed by `close`
        self._file_memory = file_memory

    @property
    def on_disk(self) -> bool:
        """Whether it is over `file_memory`."""
        return self.size > self._file_memory

    def write(self, data: bytes) -> None:
        """Append bytes."""
        self.size += len(data)
        self.file.write(data)

    def read(self, size: int = -1) -> bytes:
        """Read up to `size` bytes, or to the end."""
        return self.file.read(size)

    def seek(self, position: int) -> None:
        """Go to a position in bytes from the start."""
        self.file.seek(position)

    def chunks(self, size: int = 256 * 1024) -> Iterator[bytes]:
        """Read from the start to the end in pieces of at most `size` bytes."""
        self.file.seek(0)
        while chunk := self.file.read(size):
            yield chunk

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Write the file to `path`, which appears only when it is complete. Its mode is 0o644 less the umask.

        Args:
            path: a file's path, never a folder, made by you: joined from a folder and `safe_filename(upload.filename)` at the most.
            overwrite: replace a file that is there; a symbolic link is replaced, not followed.

        Raises:
            FileExistsError: if something is there and `overwrite` is false.
            IsADirectoryError: if it is a folder.
        """
        target = os.fspath(path)
        if os.path.isdir(target):
            raise IsADirectoryError(f"{target!r} is a folder: add a file name, for example safe_filename(upload.filename)")
        from secrets import token_hex

        partial = os.path.join(os.path.dirname(target), f".{token_hex(8)}.partial")
        descriptor = os.open(partial, _NEW_FILE, 0o644)
        try:
            position = self.file.tell()
            with open(descriptor, "wb") as copy:
                copy.writelines(self.chunks())
            self.file.seek(position)
            if not overwrite:
                try:
                    os.close(os.open(target, _NEW_FILE, 0o644))  # Takes the name, or fails if something has it.
                except FileExistsError:
                    raise FileExistsError(f"{target!r} exists: choose another name, or pass overwrite=True") from None
            os.replace(partial, target)
        except BaseException:
            os.unlink(partial)
            raise

    async def aread(self, size: int = -1) -> bytes:
        """`read` for `async def` handlers: what is on disk is read in a thread."""
        if not self.on_disk:
            return self.read(size)
        from asyncio import to_thread

        return await to_thread(self.read, size)

    async def asave(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """`save` for `async def` handlers, in a thread."""
        from asyncio import to_thread

        await to_thread(self.save, path, overwrite=overwrite)

    def close(self) -> None:
        """Close the file; it is deleted if it is on disk."""
        self.file.close()

    def __repr__(self) -> str:
        return f"<UploadFile {self.filename!r} {self.content_type} {self.size} bytes>"


def safe_filename(name: str) -> str:
    """Return a file name that is safe on every system: ASCII letters, digits, `.`, `_` and `-`, at most 200 of them.

    Only the last component is kept; it starts with neither a dot nor a hyphen, is no Windows device (`CON`, `nul.txt`; CVE-2026-21860)
    and never empty. Two names may become one: add something of your own where that matters.
    """
    from unicodedata import normalize

    plain = normalize("NFKD", _last_component(name)[-1000:]).encode("ascii", "ignore").decode("ascii")
    # Once more: folding to ASCII can make a slash.
    pieces = [piece.strip("_-") for piece in _UNSAFE_RUN("_", _last_component(plain)).rstrip("._-").split(".")]
    suffix = pieces.pop()[:20].rstrip("_-") if len(pieces) > 1 else ""
    stem = ".".join(filter(None, pieces))[:170].rstrip("._-")
    if not stem:
        stem = "file"
    elif _DEVICE(stem):
        stem = f"file_{stem}"
    return f"{stem}.{suffix}" if suffix else stem


_NEW_FILE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)

# Control characters, and those that turn the direction of what follows: "gpj.exe" must not look like "exe.jpg".
_HIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]").sub
_UNSAFE_RUN = re.compile(r"[^A-Za-z0-9.\-]+").sub
_DEVICE = re.compile(r"(?:CON|PRN|AUX|NUL|(?:COM|LPT)[0-9])(?:\..*)?", re.IGNORECASE | re.ASCII).fullmatch


def _last_component(name: str) -> str:
    last = _HIDDEN("", name).replace("\\", "/").rpartition("/")[2].strip()
    return "" if last in (".", "..") else last
