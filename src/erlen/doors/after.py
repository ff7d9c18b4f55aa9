"""The work that a request leaves for after its response."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from erlen.doors.log import log_failure
from erlen.doors.pool import BackgroundLoop, ThreadPool
from erlen.http.request import Request

__all__ = ["run_work", "run_work_in_thread"]


async def run_work(request: Request, pool: ThreadPool) -> None:
    """Run what `request.after_response` was given, in order: `async def` here, `def` in a thread. A failure is logged."""
    from inspect import iscoroutine, iscoroutinefunction

    for work, args, kwargs in _take(request):
        try:
            if iscoroutinefunction(work):
                await work(*args, **kwargs)
            else:
                result = await pool.call(partial(work, *args, **kwargs))
                if iscoroutine(result):
                    await result
        except Exception as error:
            log_failure("work after the response failed", request, error)


def run_work_in_thread(request: Request, background: BackgroundLoop) -> None:
    """Run what `request.after_response` was given, in order: `def` here, `async def` on the background loop."""
    from inspect import iscoroutine

    for work, args, kwargs in _take(request):
        try:
            result = work(*args, **kwargs)
            if iscoroutine(result):
                background.run(result)
        except Exception as error:
            log_failure("work after the response failed", request, error)


def _take(request: Request) -> Iterator[tuple[Callable[..., object], tuple[Any, ...], dict[str, Any]]]:
    # One at a time: work may leave further work.
    while request.work_after:
        yield request.work_after.pop(0)
