"""Which line of the user's code is at work: for the query log and for errors about relations."""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Iterator
from functools import cache
from types import FrameType
from typing import Any

from erlen.binding.parameter import short

__all__ = ["calling_line"]


def calling_line(frame: FrameType | None = None) -> str:
    """Return the innermost line of the user's own code, or of a template, as `file:line`; empty where there is none.

    Args:
        frame: where to begin; by default the caller.
    """
    for one in _frames(sys._getframe(1) if frame is None else frame):
        template = one.f_globals.get("__jinja_template__")
        if template is not None:
            return short(f"{one.f_code.co_filename}:{template.get_corresponding_lineno(one.f_lineno)}")
        if _is_own(one.f_code.co_filename):
            return short(f"{one.f_code.co_filename}:{one.f_lineno}")
    return ""


def _frames(frame: FrameType | None) -> Iterator[FrameType]:
    """Go up the stack. SQLAlchemy runs what is awaited in a greenlet: the stack goes on where that one was entered."""
    greenlets: Any = sys.modules.get("greenlet")
    greenlet = None if greenlets is None else greenlets.getcurrent()
    while frame is not None:
        yield frame
        frame = frame.f_back
        if frame is None and greenlet is not None:
            greenlet = greenlet.parent
            frame = None if greenlet is None else greenlet.gr_frame


@cache
def _is_own(file: str) -> bool:
    """Whether a file is the user's: not Erlen's, Python's, an installed library's, nor made up."""
    if file.startswith("<"):
        return False
    path = os.path.abspath(file)
    return not path.startswith(_library_folders()) and f"{os.sep}site-packages{os.sep}" not in path


@cache
def _library_folders() -> tuple[str, ...]:
    paths = sysconfig.get_paths()
    own = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    folders = [*(paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")), own]
    return tuple(os.path.abspath(folder) + os.sep for folder in folders)
