"""Values that a site makes once, when they are first asked for: `app.provide(…, scope="app")`."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

from erlen.binding.dependency import colour_of

__all__ = ["once"]


def once(provider: Callable[[], Any]) -> Callable[[], Any]:
    """Return a provider of the same colour that makes its value once, however many requests ask for it at the same time.

    Where the provider raises, the next request tries again.
    """
    made: list[Any] = []
    if colour_of(provider) == "loop":
        # One for the tasks of each loop: a site that is served again has another.
        locks: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()

        async def wait_for() -> Any:
            if not made:
                from asyncio import Lock, get_running_loop

                async with locks.setdefault(get_running_loop(), Lock()):
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
