"""Cancelling a task where it waits, and telling that from the cancellations of others."""

from __future__ import annotations

from asyncio import current_task

__all__ = ["Interruption"]


class Interruption:
    """A way to cancel the task that makes this, from a callback of its loop; the task then goes on."""

    __slots__ = ("_cancelling", "_task", "came", "over")

    def __init__(self) -> None:
        self._task = current_task()
        self._cancelling = 0 if self._task is None else self._task.cancelling()
        self.came = False
        """Whether the task was interrupted."""
        self.over = False
        """Whether it is too late for that."""

    def interrupt(self) -> None:
        """Cancel the task, once."""
        if self._task is not None and not (self.came or self.over):
            self.came = True
            self._task.cancel()

    def absorb(self) -> bool:
        """Return whether a cancellation came from here alone; then the task goes on as if it had not been."""
        return self.came and self._task is not None and self._task.uncancel() <= self._cancelling
