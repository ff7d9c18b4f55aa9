"""Taking lines and server-sent events out of a stream as it arrives (WHATWG HTML, section 9.2.6)."""

from __future__ import annotations

import codecs
import re
from collections import deque
from typing import Any

import msgspec
from msgspec import Struct

__all__ = ["EventReader", "LineReader", "ServerEvent"]


class ServerEvent(Struct, frozen=True):
    """A server-sent event as a browser's `EventSource` dispatches it."""

    data: str
    event: str = "message"
    """Its kind."""
    id: str = ""
    """The last id said so far, which the browser would send as `Last-Event-ID`."""
    retry: int | None = None
    """After how many milliseconds the browser would connect again, if the stream has said so."""

    def json(self) -> Any:
        """Parse the data as JSON.

        Raises:
            msgspec.DecodeError: a ValueError, if it is none.
        """
        return msgspec.json.decode(self.data)


class LineReader:
    """Splits UTF-8 text into lines, ended by CRLF, LF or CR; what is not UTF-8 becomes U+FFFD."""

    def __init__(self) -> None:
        self.lines: deque[str] = deque()
        """Lines that are complete, for the reader to take."""
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._pieces: list[str] = []
        self._after_cr = False

    def feed(self, chunk: bytes, *, final: bool = False) -> None:
        """Add bytes; `final` ends the last line, where it has anything in it."""
        text = self._decode(chunk, final)
        # A CR ends its line at once; an LF that follows, perhaps in the next chunk, belongs to it.
        if self._after_cr and text:
            text = text.removeprefix("\n")
            self._after_cr = False
        if text.endswith("\r"):
            self._after_cr = True
        *ended, rest = _BREAK.split(text)
        for line in ended:
            self._pieces.append(line)
            self.lines.append("".join(self._pieces))
            self._pieces.clear()
        if rest:
            self._pieces.append(rest)
        if final and self._pieces:
            self.lines.append("".join(self._pieces))
            self._pieces.clear()


class EventReader:
    """Puts events together from lines."""

    def __init__(self) -> None:
        self._begun = False
        self._data: list[str] = []
        self._event = ""
        self._id = ""
        self._retry: int | None = None

    def feed(self, line: str) -> ServerEvent | None:
        """Take a line; return the event that it ends, if it does. An event without data is none, nor is one that breaks off."""
        if not self._begun:
            line = line.removeprefix("\ufeff")
            self._begun = True
        if line:
            field, _, value = line.partition(":")
            self._set(field, value.removeprefix(" "))
            return None
        data, self._data = self._data, []
        event, self._event = self._event, ""
        return ServerEvent("\n".join(data), event or "message", self._id, self._retry) if data else None

    def _set(self, field: str, value: str) -> None:
        if field == "data":
            self._data.append(value)
        elif field == "event":
            self._event = value
        elif field == "id" and "\x00" not in value:
            self._id = value
        elif field == "retry" and value.isascii() and value.isdigit() and len(value) < 16:
            self._retry = int(value)


_BREAK = re.compile(r"\r\n|\n|\r")
