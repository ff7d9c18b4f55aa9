"""What runs in a worker before its first request: the application is found, imported and frozen there."""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
from collections.abc import Callable
from importlib import import_module
from typing import Literal, TypeAlias

from erlen.server.target import load_app

__all__ = ["Door", "load"]

Door: TypeAlias = Literal["rsgi", "asgi", "wsgi"]

# PERF: a young collection every 50,000 containers instead of 700, and none of what was there before the first request: 14 to 36 %
# off reading lists of objects.
COLLECT_AFTER = (50_000, 10, 10)


def load(spec: str | None, door: Door, folder: str, configure: str = "") -> object:
    """Return what a server calls: the door of the frozen application, or the application itself where it is another framework's.

    Args:
        spec: as for `load_app`.
        door: which of the application's doors.
        folder: where the application was started.
        configure: a function as `package.module:name`, called with the settings of the site, such as one that configures logging.
    """
    app = load_app(spec, folder=folder)
    # Asked of the class: an AttributeError while the site is frozen must not pass for its absence.
    site = app.site if hasattr(type(app), "site") else None  # type: ignore[attr-defined]
    if site is None:
        return app
    if configure:
        module, _, name = configure.partition(":")
        getattr(import_module(module), name)(site.settings)
    if door == "wsgi":
        _listen_for_signals(site.draining.start)
    entry: object = getattr(site, door)
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)
    return entry


def _listen_for_signals(drain: Callable[[], object]) -> None:
    """Call `drain` when the worker is told to stop, whatever handlers its server sets later.

    A server with an event loop gives its applications a moment to set theirs; granian's WSGI worker has no such hook, and no loop
    that would use this descriptor.
    """
    if sys.platform == "win32" or threading.current_thread() is not threading.main_thread():
        return
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)

    def listen() -> None:
        # To the end of the process: a descriptor that was closed could be another's before the next signal is written to it.
        while number := os.read(reader, 1):
            if number[0] in (signal.SIGTERM, signal.SIGINT):
                drain()

    threading.Thread(target=listen, name="erlen-signals", daemon=True).start()
