"""What runs in a worker before its first request: the application is found, imported and frozen there."""

from __future__ import annotations

import gc
import signal
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
    if door == "wsgi" and hasattr(signal, "SIGUSR1"):
        # Granian's WSGI worker sets its handlers for SIGTERM after this and offers no hook: its main process tells it first.
        signal.signal(signal.SIGUSR1, lambda *_: site.draining.start())
    entry: object = getattr(site, door)
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)
    return entry
