"""Cancelling a task where it waits, and telling that from the cancellations of others."""

from __future__ import annotations

from asyncio import Task
from typing import Any

from msgspec import Struct

__all__ = ["Interruption"]


class Interruption(Struct, eq=False):
    """A way to cancel a task from a callback of its loop; the task then goes on."""

    task: Task[Any] | None
    cancelling: int
    """`task.cancelling()` before."""
    came: bool = False
    """Whether the task was interrupted."""

    def interrupt(self) -> None:
        """Cancel the task, once."""
        if self.task is not None and not self.came:
            self.came = True
            self.task.cancel()

    def absorb(self) -> bool:
        """Return whether a cancellation came from here alone; then the task goes on as if it had not been."""
        return self.came and self.task is not None and self.task.uncancel() <= self.cancelling

    def disarm(self) -> None:
        """Interrupt no more."""
        self.task = None
