"""Run a coroutine that never suspends, without an event loop."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, TypeVar

__all__ = ["SUSPENDED", "drive"]

SUSPENDED = (
    "a coroutine that runs in a thread awaited something that needs the event loop: make the handler `async def`, "
    "or wait for it with `request.wait(...)`"
)
Value = TypeVar("Value")


def drive(coroutine: Coroutine[Any, Any, Value]) -> Value:
    """Run a coroutine to its end with one `send(None)` and return its value.

    The pipeline is written once, as coroutines; where everything in it is a `def`, it never suspends and needs no loop.

    Raises:
        RuntimeError: if the coroutine waits for something after all.
    """
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]
    coroutine.close()
    raise RuntimeError(SUSPENDED)
