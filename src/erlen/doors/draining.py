"""Telling the open streams of a worker that it is about to stop."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Future

__all__ = ["Draining"]

Handler: TypeAlias = "Callable[[int, FrameType | None], object]"
SIGNALS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGINT", "SIGBREAK") if hasattr(signal, name))


class Draining:
    """A flag that is raised once, when the worker is told to stop, and that tasks and threads can wait for.

    Servers wait for open connections before they stop, so a stream without an end would hold a worker until it is killed.
    The doors end event streams (`text/event-stream`, whose clients connect again) when this starts; other streams go on to
    their end. An endless stream of another kind should look at `started`.
    """

    __slots__ = ("_lock", "_replaced", "_waiting", "started")

    def __init__(self) -> None:
        self.started = False
        """Whether the worker is stopping."""
        # Reentrant: a signal handler may call `start` while its own thread holds the lock.
        self._lock = threading.RLock()
        self._waiting: set[tuple[AbstractEventLoop, Future[None]]] = set()
        self._replaced: list[tuple[int, Handler, Handler]] = []

    def start(self) -> None:
        """Raise the flag, wake everyone who waits, and put back the signal handlers that `watch_signals` replaced.

        Safe in any thread and in a signal handler; a second call does nothing.
        """
        with self._lock:
            self.started = True
            waiting, self._waiting = self._waiting, set()
        for loop, future in waiting:
            try:
                loop.call_soon_threadsafe(_wake, future)
            except RuntimeError:  # its loop was closed meanwhile
                continue
        while self._replaced and threading.current_thread() is threading.main_thread():
            number, ours, theirs = self._replaced.pop()
            if signal.getsignal(number) is ours:
                signal.signal(number, theirs)

    async def wait(self) -> None:
        """Return once the worker is stopping, on any event loop."""
        from asyncio import get_running_loop

        loop = get_running_loop()
        entry = (loop, loop.create_future())
        with self._lock:
            if self.started:
                return
            self._waiting.add(entry)
        try:
            await entry[1]
        finally:
            with self._lock:
                self._waiting.discard(entry)

    def watch_signals(self) -> None:
        """Start when SIGTERM or SIGINT comes, before what the server itself does about them.

        Called by a worker in its main thread, after its server has set its own handlers; elsewhere it does nothing.
        """
        if threading.current_thread() is not threading.main_thread():
            return
        for number in SIGNALS:
            theirs = signal.getsignal(number)
            if callable(theirs):
                ours = self._before(theirs)
                signal.signal(number, ours)
                self._replaced.append((number, ours, theirs))

    def _before(self, theirs: Handler) -> Handler:
        def handle(number: int, frame: FrameType | None) -> None:
            self.start()
            theirs(number, frame)

        return handle


def _wake(future: Future[None]) -> None:
    if not future.done():
        future.set_result(None)
