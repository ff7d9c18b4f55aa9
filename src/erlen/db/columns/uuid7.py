"""Keys that no one can count or guess and that still sort by when they were made: UUID version 7 (RFC 9562, section 5.7)."""

from __future__ import annotations

import os
import threading
import time
from typing import Annotated, TypeAlias
from uuid import UUID

from sqlalchemy.orm import mapped_column

__all__ = ["UUID7", "uuid7"]


class _Generator:
    """48 bits of milliseconds, a counter of 42 bits that starts at random with each, and 32 random bits (RFC 9562, section 6.2)."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = -1
        self._counter = 0
        # A fork must neither repeat its parent's values nor inherit a lock that is held.
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._start_anew)

    def __call__(self) -> UUID:
        now = time.time_ns() // 1_000_000
        random = int.from_bytes(os.urandom(10), "big")
        with self._lock:
            if now > self._last:
                self._last, self._counter = now, random >> 39  # the top bit stays free for counting on
            else:  # the same millisecond, or the clock was set back
                self._counter += 1
                if self._counter >> 42:
                    self._last, self._counter = self._last + 1, random >> 39
            milliseconds, counter = self._last, self._counter
        high, low = counter >> 30, counter & 0x3FFF_FFFF
        value = (milliseconds & 0xFFFF_FFFF_FFFF) << 80 | 7 << 76 | high << 64 | 2 << 62 | low << 32 | random & 0xFFFF_FFFF
        return UUID(int=value)

    def _start_anew(self) -> None:
        self._lock = threading.Lock()
        self._last = -1


# Order within a process needs one memory of the last value for the whole process.
_generate = _Generator()


def uuid7() -> UUID:
    """Return a new UUID of version 7, greater than every one that this process has made before.

    It tells when it was made, to the millisecond; the rest cannot be guessed.
    """
    return _generate()


UUID7: TypeAlias = Annotated[UUID, mapped_column(primary_key=True, default=uuid7)]
"""A primary key that is a new `uuid7`: `id: Mapped[UUID7]`. What refers to it is `Mapped[UUID] = mapped_column(ForeignKey(...))`."""
