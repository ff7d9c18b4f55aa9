"""A traceback as frames to show: whose code it is, its source with the exact place, its variables."""

from __future__ import annotations

import linecache
import os
import re
import sys
import sysconfig
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from types import CodeType, FrameType, TracebackType
from typing import Any

from msgspec import Struct

from erlen.debug.masking import Masker

__all__ = ["Frame", "SourceLine", "frames_of", "is_own_file", "masked", "shown_path", "source_around"]

BEFORE, AFTER = 6, 5
"""Lines of source shown around a line."""
MOST_FRAMES = 60
MOST_VARIABLES = 60


class SourceLine(Struct, frozen=True):
    """A line of source: the part `marked` is what was running."""

    number: int
    before: str
    marked: str = ""
    after: str = ""
    current: bool = False

    @property
    def text(self) -> str:
        """The whole line."""
        return self.before + self.marked + self.after


class Frame(Struct, eq=False):
    """A place that the error came through."""

    file: str
    line: int
    function: str
    own: bool
    """Whether it is the user's code, rather than a library's."""
    template: bool = False
    source: Sequence[SourceLine] = ()
    variables: Sequence[tuple[str, str]] = ()
    frame: FrameType | None = None
    """The frame itself, where there is one: for hints and the console."""
    left_out: int = 0
    """How many frames before this one are not shown."""

    @property
    def place(self) -> str:
        """`file:line`, relative to the current folder where it is below that, else to the folder of libraries."""
        return f"{shown_path(self.file)}:{self.line}"

    @property
    def code(self) -> str:
        """The line of source, without its indentation."""
        return next((line.text.strip() for line in self.source if line.current), "")

    @property
    def marked(self) -> str:
        """The part of the line that was running, or the line."""
        return next((line.marked for line in self.source if line.marked), "") or self.code


def frames_of(error: BaseException, masker: Masker) -> list[Frame]:
    """Return the frames of an exception's traceback, the innermost last; of a very long one the first and the last.

    A `SyntaxError` ends with the place it is about, which has no frame.
    """
    entries = list(_entries(error.__traceback__))
    head, left_out = entries, 0
    if len(entries) > MOST_FRAMES:
        left_out = len(entries) - MOST_FRAMES
        head = entries[: MOST_FRAMES // 4] + entries[len(entries) - MOST_FRAMES * 3 // 4 :]
    frames = [_frame(frame, line, position) for frame, line, position in head]
    if left_out:
        frames[MOST_FRAMES // 4].left_out = left_out
    # The user's own first: the time for variables is bounded.
    for shown in sorted(frames, key=lambda one: not one.own):
        if shown.frame is not None:
            shown.variables = _variables(shown.frame, masker, template=shown.template)
    if isinstance(error, SyntaxError) and error.filename and error.lineno:
        end = error.end_offset if error.end_lineno == error.lineno else None
        columns = (max(0, (error.offset or 1) - 1), max((end or 0) - 1, error.offset or 1))
        source = source_around(error.filename, error.lineno, {error.lineno: columns})
        if not source and error.text:
            source = [_line(error.lineno, error.text.rstrip("\n"), columns, current=True)]
        frames.append(Frame(error.filename, error.lineno, "", is_own_file(error.filename), source=source))
    for shown in frames:
        shown.source = masked(shown.source, masker)
    return frames


def source_around(file: str, line: int, columns: Mapping[int, tuple[int, int]] | None = None) -> list[SourceLine]:
    """Return the lines of source around a line, or none where the file cannot be read.

    Args:
        file: its path.
        line: counted from 1.
        columns: by line: the part to mark, in characters from 0, its end exclusive.
    """
    linecache.checkcache(file)
    lines = linecache.getlines(file)
    if not 0 < line <= len(lines):
        return []
    first, last = max(1, line - BEFORE), min(len(lines), line + AFTER)
    columns = columns or {}
    return [
        _line(number, lines[number - 1].rstrip("\r\n"), columns.get(number), current=number == line) for number in range(first, last + 1)
    ]


def masked(lines: Sequence[SourceLine], masker: Masker) -> list[SourceLine]:
    """Return lines of source without the secrets that are written in them."""
    shown = [(line, masker.line(line.text)) for line in lines]
    return [line if text == line.text else SourceLine(line.number, text, current=line.current) for line, text in shown]


def is_own_file(file: str) -> bool:
    """Return whether a file is the user's: not Erlen's, Python's, an installed library's, nor made up."""
    if file.startswith("<") and file.endswith(">"):
        return False
    path = os.path.abspath(file)
    return not path.startswith(_library_folders()) and not _INSTALLED(path)


def shown_path(file: str) -> str:
    """Return a path as it is shown: relative to the current folder, or to the folder of libraries."""
    if file.startswith("<"):
        return file
    path = os.path.abspath(file)
    here = os.getcwd() + os.sep
    if path.startswith(here) and not _INSTALLED(path):
        return path[len(here) :]
    for folder in sorted(_library_folders(), key=len, reverse=True):
        if path.startswith(folder):
            return path[len(os.path.dirname(folder.rstrip(os.sep))) + 1 :] if folder == _own_package() else path[len(folder) :]
    return _INSTALLED_ROOT("", path)


def _entries(tb: TracebackType | None) -> Iterator[tuple[FrameType, int, tuple[int | None, ...]]]:
    while tb is not None:
        yield tb.tb_frame, tb.tb_lineno, _position(tb.tb_frame.f_code, tb.tb_lasti)
        tb = tb.tb_next


def _position(code: CodeType, instruction: int) -> tuple[int | None, ...]:
    """Return where an instruction stands: first and last line, first and last column, in bytes (PEP 657)."""
    for number, position in enumerate(code.co_positions()):
        if number == instruction // 2:
            return position
    return (None, None, None, None)


def _frame(frame: FrameType, line: int, position: tuple[int | None, ...]) -> Frame:
    file = frame.f_code.co_filename
    template = "__jinja_exception__" in frame.f_globals
    name = frame.f_code.co_qualname.rpartition("<locals>.")[2]
    if not template and name.replace(".", "").isidentifier() and name != "<module>":
        name += "()"
    columns = {} if template else _columns(file, position)
    own = is_own_file(file)
    return Frame(file, line, name, own, template, source_around(file, line, columns), frame=frame)


def _columns(file: str, position: tuple[int | None, ...]) -> dict[int, tuple[int, int]]:
    first, last, start, end = position
    if first is None or last is None or start is None or end is None or last - first > BEFORE + AFTER:
        return {}
    lines = linecache.getlines(file)
    found: dict[int, tuple[int, int]] = {}
    for number in range(first, min(last, len(lines)) + 1):
        line = lines[number - 1].rstrip("\r\n")
        left = _characters(line, start) if number == first else len(line) - len(line.lstrip())
        right = _characters(line, end) if number == last else len(line)
        # A mark on all of a line says nothing.
        if left < right and (first != last or line[left:right].strip() != line.strip()):
            found[number] = (left, right)
    return found


def _characters(line: str, byte: int) -> int:
    return len(line.encode("utf-8", "surrogatepass")[:byte].decode("utf-8", "ignore"))


def _line(number: int, text: str, columns: tuple[int, int] | None, *, current: bool) -> SourceLine:
    if columns is None:
        return SourceLine(number, text, current=current)
    left, right = columns
    return SourceLine(number, text[:left], text[left:right], text[right:], current)


def _variables(frame: FrameType, masker: Masker, *, template: bool) -> list[tuple[str, str]]:
    values: Mapping[str, Any] = frame.f_locals
    if values is frame.f_globals:  # a module's: without what Python and its imports put there
        values = {name: value for name, value in values.items() if not name.startswith("__") and type(value) is not type(sys)}
    if template:
        values = {name: value for name, value in values.items() if not callable(value)}
    return [(name, masker.value(name, value)) for name, value in list(values.items())[:MOST_VARIABLES]]


@cache
def _own_package() -> str:
    return os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep


@cache
def _library_folders() -> tuple[str, ...]:
    paths = sysconfig.get_paths()
    folders = {paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    return (*(os.path.abspath(folder) + os.sep for folder in folders), _own_package())


_INSTALLED = re.compile(r"[/\\](?:site|dist)-packages[/\\]").search
_INSTALLED_ROOT = re.compile(r"^.*[/\\](?:site|dist)-packages[/\\]").sub
