"""What runs in a worker before its first request: the application is found, imported and frozen there."""

from __future__ import annotations

import gc
import signal
import sys
import threading
from collections.abc import Callable
from time import monotonic, sleep
from typing import Literal, TypeAlias

from erlen.server.target import load_app

__all__ = ["Door", "load"]

Door: TypeAlias = Literal["rsgi", "asgi", "wsgi"]

# PERF: a young collection every 50,000 containers instead of 700, and none of what was there before the first request: 14 to 36 %
# off reading lists of objects.
COLLECT_AFTER = (50_000, 10, 10)


def load(spec: str | None, door: Door, folder: str) -> object:
    """Return what a server calls: the door of the frozen application, or the application itself where it is another framework's.

    Args:
        spec: as for `load_app`.
        door: which of the application's doors.
        folder: where the application was started.
    """
    app = load_app(spec, folder=folder)
    # Asked of the class: an AttributeError while the site is frozen must not pass for its absence.
    site = app.site if hasattr(type(app), "site") else None  # type: ignore[attr-defined]
    if site is None:
        return app
    if door == "wsgi":
        _watch_signals_later(site.draining.watch_signals)
    entry: object = getattr(site, door)
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)
    return entry


def _watch_signals_later(watch: Callable[[], object]) -> None:
    """Call `watch` in the main thread once the server has set its own handler for SIGTERM.

    A server with an event loop gives its applications a moment for that; granian's WSGI worker has no such hook.
    """
    if sys.platform == "win32" or threading.current_thread() is not threading.main_thread():
        return
    main = threading.get_ident()
    before = signal.getsignal(signal.SIGTERM)
    users = signal.getsignal(signal.SIGUSR1)

    def handle(*_: object) -> None:
        signal.signal(signal.SIGUSR1, users)
        watch()

    def wait() -> None:
        end = monotonic() + PATIENCE
        while signal.getsignal(signal.SIGTERM) is before:
            if monotonic() > end:
                return
            sleep(0.02)
        # To the main thread itself: where another one took the signal, the main thread would go on waiting on its lock.
        signal.pthread_kill(main, signal.SIGUSR1)

    signal.signal(signal.SIGUSR1, handle)
    threading.Thread(target=wait, name="erlen-signals", daemon=True).start()


# The seconds within which a server has set its handlers.
PATIENCE = 10.0
