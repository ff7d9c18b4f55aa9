"""Where a template is at work: the line of it that runs, for messages."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import FrameType

from jinja2 import Template
from jinja2.runtime import Context

__all__ = ["running_template", "template_line"]


def running_template(*, outside: Context | None = None) -> FrameType | None:
    """Return the frame of the innermost template that runs, or None; with `outside` the one that called what has this context."""
    return next((frame for frame in _template_frames() if outside is None or frame.f_locals.get("context") is not outside), None)


def template_line(frame: FrameType | None) -> str:
    """Return the place of a frame, such as ` (home.html, line 3)`; nothing where no template runs."""
    if frame is None:
        return ""
    template: Template = frame.f_globals["__jinja_template__"]
    return f" ({template.name or 'a template given as text'}, line {template.get_corresponding_lineno(frame.f_lineno)})"


def _template_frames() -> Iterator[FrameType]:
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        if "__jinja_template__" in frame.f_globals:
            yield frame
        frame = frame.f_back
