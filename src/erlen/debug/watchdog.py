"""Finds the line of an `async def` that blocks the event loop of a worker, while it does."""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Iterator
from time import monotonic
from types import FrameType
from typing import TYPE_CHECKING

from erlen.debug.frames import is_own_file, shown_path, source_around

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, TimerHandle

__all__ = ["Watchdog", "advice_for"]

PATIENCE = 0.25
BEAT = 0.1
LOGGER = "erlen.debug"
DEBUGGERS = ("bdb", "pdb", "pydevd")


class Watchdog:
    """Logs, once for each line, where the loop has stood still for over 0.25 seconds, and what to do about it.

    The loop beats ten times a second; a thread looks whether it still does. A pause in a debugger does not count.
    """

    def __init__(self, *, patience: float = PATIENCE, beat: float = BEAT) -> None:
        self._patience = patience
        self._beat = beat
        self._last = 0.0
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()
        self._timer: TimerHandle | None = None
        self._told: set[tuple[str, int]] = set()

    def start(self) -> None:
        """Watch the event loop of the calling thread; nothing where it has none."""
        from asyncio import get_running_loop

        try:
            loop = get_running_loop()
        except RuntimeError:
            return
        self._stopping.clear()
        self._pulse(loop)
        self._thread = threading.Thread(target=self._watch, args=(threading.get_ident(),), name="erlen-watchdog", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Watch no longer."""
        self._stopping.set()
        if self._timer is not None:
            self._timer.cancel()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _pulse(self, loop: AbstractEventLoop) -> None:
        self._last = monotonic()
        self._timer = loop.call_later(self._beat, self._pulse, loop)

    def _watch(self, thread: int) -> None:
        while not self._stopping.wait(self._beat):
            if monotonic() - self._last > self._patience + self._beat:
                frame = sys._current_frames().get(thread)
                if frame is not None:
                    self._tell(frame)

    def _tell(self, frame: FrameType) -> None:
        stack = list(_outwards(frame))
        if any(one.f_globals.get("__name__") in DEBUGGERS for one in stack):
            return
        own = next((one for one in stack if is_own_file(one.f_code.co_filename)), None)
        if own is None:
            return
        # What a compiler adds has no line.
        place = (own.f_code.co_filename, own.f_lineno or own.f_code.co_firstlineno)
        if place in self._told:
            return
        self._told.add(place)
        import logging

        code = next((line.text.strip() for line in source_around(*place) if line.current), "")
        modules = [str(one.f_globals.get("__name__", "")) for one in stack[: stack.index(own)]]
        logging.getLogger(LOGGER).warning(
            "%s:%d, in %s, has blocked the event loop for over %g s, and with it every other request: %s  Fix: %s",
            shown_path(place[0]),
            place[1],
            own.f_code.co_name,
            self._patience,
            code,
            advice_for(code, modules),
        )


def advice_for(code: str, modules: list[str]) -> str:
    """Return what to do about a blocking call.

    Args:
        code: the line.
        modules: of what it called, the innermost first.
    """
    called = f"{code} {' '.join(modules)}"
    for words, advice in _ADVICE:
        if words.search(called):
            return advice
    return "make the handler `def`: it then runs in a thread; or wait for the call with `await asyncio.to_thread(…)`"


def _outwards(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back


_ADVICE = (
    (re.compile(r"\bsleep\("), "`await asyncio.sleep(…)`"),
    (
        re.compile(r"\b(?:requests|urllib|http\.client|urllib3)\b"),
        "an asynchronous client, such as httpx's AsyncClient; or make the handler `def`",
    ),
    (re.compile(r"\bsubprocess\b"), "`await asyncio.create_subprocess_exec(…)`, or make the handler `def`"),
    (re.compile(r"\b(?:sqlite3|psycopg2?|pymysql|sqlalchemy)\b"), "an asynchronous session, or make the handler `def`"),
)
