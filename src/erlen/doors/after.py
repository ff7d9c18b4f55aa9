"""The work that a request leaves for after its response."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from erlen.doors.log import log_failure
from erlen.doors.pool import ThreadPool
from erlen.http.request import Request

__all__ = ["run_work", "run_work_in_thread"]


async def run_work(request: Request, pool: ThreadPool) -> None:
    """Run what `request.after_response` was given, in order: `async def` here, `def` in a thread. A failure is logged."""
    from inspect import iscoroutine, iscoroutinefunction

    while request.work_after:  # work may leave further work
        work, args, kwargs = request.work_after.pop(0)
        try:
            result = work(*args, **kwargs) if iscoroutinefunction(work) else await pool.call(partial(work, *args, **kwargs))
            if iscoroutine(result):
                await result
        except Exception as error:
            log_failure("work after the response failed", request, error)


def run_work_in_thread(request: Request, wait: Callable[[Coroutine[Any, Any, object]], object]) -> None:
    """Run what `request.after_response` was given, in order: `def` here, while `wait` runs `async def` elsewhere."""
    from inspect import iscoroutine

    while request.work_after:
        work, args, kwargs = request.work_after.pop(0)
        try:
            result = work(*args, **kwargs)
            if iscoroutine(result):
                wait(result)
        except Exception as error:
            log_failure("work after the response failed", request, error)
