"""Telling the open streams of a worker that it is about to stop."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Future

__all__ = ["Draining"]

SIGNALS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGINT", "SIGBREAK") if hasattr(signal, name))


class Draining:
    """A flag that is raised once, when the worker is told to stop, and that tasks and threads can wait for.

    Servers wait for open connections before they stop, so a stream without an end would hold a worker until it is killed.
    The doors end event streams (`text/event-stream`, whose clients connect again) when this starts; other streams go on to
    their end. An endless stream of another kind should look at `started`.
    """

    __slots__ = ("_event", "_lock", "_waiting")

    def __init__(self) -> None:
        self._event = threading.Event()
        # Reentrant: a signal handler may call `start` while its own thread holds the lock.
        self._lock = threading.RLock()
        self._waiting: set[tuple[AbstractEventLoop, Future[None]]] = set()

    @property
    def started(self) -> bool:
        """Whether the worker is stopping."""
        return self._event.is_set()

    def start(self) -> None:
        """Raise the flag and wake everyone who waits. Safe in any thread and in a signal handler; a second call does nothing."""
        with self._lock:
            self._event.set()
            waiting, self._waiting = self._waiting, set()
        for loop, future in waiting:
            try:
                loop.call_soon_threadsafe(_wake, future)
            except RuntimeError:  # its loop was closed meanwhile
                continue

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

    def wait_in_thread(self, timeout: float | None = None) -> bool:
        """Block this thread until the worker is stopping or `timeout` seconds have passed; return `started`."""
        return self._event.wait(timeout)

    def watch_signals(self) -> None:
        """Start when SIGTERM or SIGINT comes, before what the server itself does about them.

        Called by a worker in its main thread, after its server has set its own handlers; elsewhere it does nothing.
        """
        if threading.current_thread() is not threading.main_thread():
            return
        for number in SIGNALS:
            previous = signal.getsignal(number)
            if callable(previous):
                signal.signal(number, self._before(previous))

    def _before(self, previous: Callable[[int, FrameType | None], object]) -> Callable[[int, FrameType | None], None]:
        def handle(number: int, frame: FrameType | None) -> None:
            self.start()
            previous(number, frame)

        return handle


def _wake(future: Future[None]) -> None:
    if not future.done():
        future.set_result(None)
