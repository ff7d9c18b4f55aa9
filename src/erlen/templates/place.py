"""Where a template is at work: the line of it that runs, for messages."""

from __future__ import annotations

import linecache
import re
import sys
from collections.abc import Iterator
from types import FrameType, TracebackType

from jinja2 import Template
from jinja2.runtime import Context

__all__ = ["line_note", "names_line", "running_template", "template_line"]


def running_template(*, outside: Context | None = None) -> FrameType | None:
    """Return the frame of the innermost template that runs, or None; with `outside` the one that called what has this context."""
    return next((frame for frame in _template_frames() if outside is None or frame.f_locals.get("context") is not outside), None)


def template_line(frame: FrameType | None) -> str:
    """Return the place of a frame, such as ` (home.html, line 3)`; nothing where no template runs."""
    if frame is None:
        return ""
    template: Template = frame.f_globals["__jinja_template__"]
    return f" ({template.name or 'a template given as text'}, line {template.get_corresponding_lineno(frame.f_lineno)})"


def line_note(tb: TracebackType | None) -> str:
    """Return the innermost line of a template in a traceback, as `file:line: text`; nothing where there is none."""
    note = ""
    while tb is not None:
        if "__jinja_exception__" in tb.tb_frame.f_globals:
            file = tb.tb_frame.f_code.co_filename
            linecache.checkcache(file)
            text = linecache.getline(file, tb.tb_lineno).strip()
            note = f"{file}:{tb.tb_lineno}: {text}" if text else f"{file}:{tb.tb_lineno}"
        tb = tb.tb_next
    return note


def names_line(error: BaseException) -> bool:
    """Return whether the message of an error ends with what `template_line` says."""
    return _ENDS_WITH_LINE(str(error)) is not None


def _template_frames() -> Iterator[FrameType]:
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        if "__jinja_template__" in frame.f_globals:
            yield frame
        frame = frame.f_back


_ENDS_WITH_LINE = re.compile(r" \([^()]+, line \d+\)\Z").search
