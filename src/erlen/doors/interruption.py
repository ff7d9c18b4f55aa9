"""Cancelling a task where it waits, and telling that from the cancellations of others."""

from __future__ import annotations

from asyncio import AbstractEventLoop, Task, current_task
from typing import Any

__all__ = ["Interruption"]


class Interruption:
    """A way to cancel the task that makes this, from a callback of its loop; the task then goes on."""

    __slots__ = ("_cancelling", "_task", "came")

    def __init__(self, loop: AbstractEventLoop) -> None:
        self._task: Task[Any] | None
        self._task = task = current_task(loop)
        self._cancelling = 0 if task is None else task.cancelling()
        self.came = False
        """Whether the task was interrupted."""

    def interrupt(self) -> None:
        """Cancel the task, once."""
        if self._task is not None and not self.came:
            self.came = True
            self._task.cancel()

    def absorb(self) -> bool:
        """Return whether a cancellation came from here alone; then the task goes on as if it had not been."""
        return self.came and self._task is not None and self._task.uncancel() <= self._cancelling

    def disarm(self) -> None:
        """Interrupt no more."""
        self._task = None
