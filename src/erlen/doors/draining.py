"""Telling the open streams of a worker that it is about to stop."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import TypeAlias

__all__ = ["Draining"]

Handler: TypeAlias = Callable[[int, FrameType | None], object]
SIGNALS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGINT", "SIGBREAK") if hasattr(signal, name))


class Draining:
    """A flag that is raised once, when the worker is told to stop.

    Servers wait for open connections before they stop, so a stream without an end would hold a worker until it is killed.
    The doors end event streams (`text/event-stream`, whose clients connect again) when this starts; other streams go on to
    their end. An endless stream of another kind should look at `started`.
    """

    __slots__ = ("_callbacks", "_replaced", "started")

    def __init__(self) -> None:
        self.started = False
        """Whether the worker is stopping."""
        # No lock, which a signal handler could not take: only single operations on a set.
        self._callbacks: set[Callable[[], object]] = set()
        self._replaced: list[tuple[int, Handler, Handler]] = []

    def start(self) -> None:
        """Raise the flag, make the calls that were asked for, and put back the signal handlers that `watch_signals` replaced.

        Safe in any thread and in a signal handler; a second call does nothing.
        """
        self.started = True
        while self._callbacks:
            try:
                self._callbacks.pop()()
            except (KeyError, RuntimeError):  # another thread was faster; its event loop was closed meanwhile
                continue
        if threading.current_thread() is threading.main_thread():
            for number, ours, theirs in self._replaced:  # nothing is taken out: a second signal may come in the middle of this
                if signal.getsignal(number) is ours:
                    signal.signal(number, theirs)

    def on_start(self, callback: Callable[[], object]) -> Callable[[], None]:
        """Call something when the worker begins to stop, in whatever thread tells of it, or now if it does already.

        Args:
            callback: what to call, such as a `call_soon_threadsafe`; a RuntimeError is ignored.

        Returns:
            What takes it back.
        """
        self._callbacks.add(callback)
        if self.started:
            self.start()
        return lambda: self._callbacks.discard(callback)

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
