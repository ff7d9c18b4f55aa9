"""Values that a site makes once, when they are first asked for: `app.provide(…, scope="app")`."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from erlen.binding.dependency import colour_of

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Lock

__all__ = ["once"]


def once(provider: Callable[[], Any]) -> Callable[[], Any]:
    """Return a provider of the same colour that makes its value once, however many requests ask for it at the same time.

    Where the provider raises, the next request tries again.
    """
    made: list[Any] = []
    if colour_of(provider) == "loop":
        lock_of = _LoopLock()

        async def wait_for() -> Any:
            if not made:
                async with lock_of():
                    if not made:
                        made.append(await provider())
            return made[0]

        return wait_for
    lock = threading.Lock()

    def get() -> Any:
        if not made:
            with lock:
                if not made:
                    made.append(provider())
        return made[0]

    return get


class _LoopLock:
    """A lock for the tasks of the running loop; a site that is served again has another loop."""

    def __init__(self) -> None:
        self._loop: AbstractEventLoop | None = None
        self._lock: Lock

    def __call__(self) -> Lock:
        from asyncio import Lock, get_running_loop

        loop = get_running_loop()
        if self._loop is not loop:
            self._loop, self._lock = loop, Lock()
        return self._lock
