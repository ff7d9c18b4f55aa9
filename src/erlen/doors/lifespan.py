"""Starting and stopping a site in a worker."""

from __future__ import annotations

from asyncio import FIRST_COMPLETED, CancelledError, Event, Future, Task, get_running_loop, wait

from erlen.doors.log import log_error
from erlen.doors.protocol import Site

__all__ = ["Lifespan"]


class Lifespan:
    """Runs a site's startup and shutdown in one task, which waits between them.

    A lifespan may hold open what belongs to a task: an anyio task group, `asyncio.TaskGroup`, `asyncio.timeout`.
    """

    def __init__(self, site: Site) -> None:
        self._site = site
        self._stopping: Event
        self._task: Task[None] | None = None

    async def start(self) -> None:
        """Start the site, on the loop that will run its requests, and watch for the signals that end the worker.

        Raises:
            Exception: what the site's startup raises.
        """
        loop = get_running_loop()
        self._stopping = Event()
        started: Future[None] = loop.create_future()
        task = self._task = loop.create_task(self._live(started))
        await wait((task, started), return_when=FIRST_COMPLETED)
        if not started.done():
            self._task = None
            await task

    async def stop(self) -> None:
        """End event streams, then stop the site, if it was started.

        Raises:
            Exception: what the site's shutdown raises.
        """
        self._site.draining.start()
        task, self._task = self._task, None
        if task is not None:
            self._stopping.set()
            await task

    async def _live(self, started: Future[None]) -> None:
        self._site.draining.watch_signals()
        await self._site.startup()
        started.set_result(None)
        try:
            await self._stopping.wait()
        except CancelledError:
            log_error("the lifespan was cancelled, as by the failure of a task in a group that it holds open: the site shuts down")
            raise
        finally:
            await self._site.shutdown()
