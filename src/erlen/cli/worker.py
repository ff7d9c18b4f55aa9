"""What `erlen run` and `erlen dev` do in each process that serves, besides loading the application."""

from __future__ import annotations

import atexit
import os
import sys
import threading
from typing import TYPE_CHECKING

from erlen.observe.logging import configure_logging

if TYPE_CHECKING:
    from types import FrameType

    from erlen.app.settings import Settings

__all__ = ["leave", "prepare"]


def prepare(settings: Settings) -> None:
    """Configure a worker that has loaded the application: its logging, and how it ends."""
    import multiprocessing
    from multiprocessing.util import Finalize

    configure_logging(settings)
    if multiprocessing.parent_process() is not None:  # uvicorn's only worker is the command itself
        Finalize(None, _leave_unless_failed, exitpriority=LAST)


def leave() -> None:
    """End this process with exit code 0, as Python does, but without taking the interpreter apart.

    Before Python 3.14 a thread of granian's that asks for the interpreter while that is taken apart aborts the process, and prints a
    panic of Rust; without uvloop that happens now and then. What the application has registered to be called at the end is called.
    """
    threading._shutdown()  # type: ignore[attr-defined]  # waits for threads that are no daemons
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _leave_unless_failed() -> None:
    """Leave, but not where the process ends with a traceback or an exit code: that it must keep.

    Python 3.13 calls this so late that nobody knows the exit code any more: there a process ends as Python ends it.
    """
    frame: FrameType | None = sys._getframe()
    while frame is not None and frame.f_code.co_name != "_bootstrap":
        frame = frame.f_back
    if frame is not None and sys.exc_info()[0] is None:
        leave()


LAST = -1000
"""Whatever else multiprocessing has to do when a process ends is done before."""
