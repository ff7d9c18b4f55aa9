"""The threads in which `def` handlers run, and the ways between them and the event loop.

A handler is a coroutine in both colours; one that awaits nothing real ends with a single `send(None)`, so a thread can drive it
without an event loop.
"""

from __future__ import annotations

import sys
import threading
from asyncio import AbstractEventLoop, Future, get_running_loop, new_event_loop, run_coroutine_threadsafe
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextvars import Context, ContextVar, copy_context
from queue import SimpleQueue
from typing import Any, Generic, TypeAlias, TypeVar, TypeVarTuple

from erlen.doors.chunk import InContext
from erlen.drive import SUSPENDED

__all__ = ["BackgroundLoop", "ThreadPool", "on_loop"]

Value = TypeVar("Value")
Item = TypeVar("Item")
Argument = TypeVar("Argument")
Arguments = TypeVarTuple("Arguments")


class ThreadPool:
    """Threads that serve event loops (a worker has one), started as they are needed and kept.

    Args:
        size: how many threads there are at most (16). For calls that wait long, 32 to 64; a connection pool should be at least
            as large.
    """

    def __init__(self, size: int = 16) -> None:
        if size < 1:
            raise ValueError(f"a thread pool has at least one thread, not {size}")
        self.size = size
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._put = self._jobs.put
        self._threads: list[_Worker] = []
        self._loops: dict[AbstractEventLoop, _Returns] = {}
        self._returns: _Returns | None = None
        self._lock = threading.Lock()
        self._closed = False

    def run(self, function: Callable[[Argument], Coroutine[Any, Any, Value]], argument: Argument) -> Future[Value]:
        """Drive the coroutine `function(argument)` in a thread, in a copy of the caller's context; await what this returns.

        An exception arrives with its traceback. When the awaiting task is cancelled the thread works on, and its result is
        dropped.

        Raises:
            RuntimeError: if the coroutine suspends (from the await), or the pool is closed.
        """
        # PERF: one wake-up of the loop for all results that are ready, and no second future: four to six times
        # the trips of `loop.run_in_executor` (benchmarks/hops.py). Returning the future spares a coroutine.
        loop = get_running_loop()
        returns = self._returns
        if returns is None or returns.loop is not loop:
            returns = self._returns = self._attach(loop)
        # While fewer jobs are under way than there can be threads, one of them is free for this job, or will be before later ones.
        waiting = waiting_thread.get(None) if returns.awaited >= self.size else None
        if waiting is None and (returns.awaited >= len(self._threads) or self._closed):
            self._grow()
        job = (returns, loop.create_future(), copy_context(), function(argument))
        returns.awaited += 1
        if waiting is None:
            self._put(job)
        elif not waiting.take(job):
            self._submit(job)
        return job[1]

    def call(self, function: Callable[[*Arguments], Value], *args: *Arguments) -> Future[Value]:
        """Call a plain function in a thread, in a copy of the caller's context; await what this returns.

        A `StopIteration` that it raises arrives as a RuntimeError.
        """
        return self.run(_call, (function, args))

    def iterate(self, items: Iterable[Item]) -> AsyncIterator[Item]:
        """Take items from an iterable in the threads, borrowing one for each item.

        The iterator that this returns has an `aclose`, which closes a generator in a thread, after the item it is making. All
        steps share one copy of the caller's context.
        """
        return _ThreadedIterator(self, items)

    def wait(self, coroutine: Coroutine[Any, Any, Value], loop: AbstractEventLoop | None = None) -> Value:
        """From a thread: run a coroutine on a loop, and block until it has ended.

        Where no other thread is free, this one runs what that coroutine sends to the pool. Were it to wait idly, as many requests as
        there are threads could each hold one and wait for another.

        Args:
            coroutine: what to run.
            loop: where; by default on the loop that this thread of the pool works for.

        Raises:
            RuntimeError: on a loop's own thread, or without `loop` before the pool has served one.
        """
        if loop is None:
            thread = threading.current_thread()
            returns = thread.returns if isinstance(thread, _Worker) else self._returns
            if returns is None:
                coroutine.close()
                raise RuntimeError("no event loop has used this thread pool, so there is none to wait for")
            loop = returns.loop
        return _WaitingThread().wait(coroutine, loop, self._submit)

    def close(self) -> None:
        """End the threads once they have done what is queued; later calls raise. Does not wait for them."""
        with self._lock:
            self._closed = True
            for _ in self._threads:
                self._put(None)

    def _attach(self, loop: AbstractEventLoop) -> _Returns:
        with self._lock:
            self._loops = {known: returns for known, returns in self._loops.items() if not known.is_closed()}
            return self._loops.setdefault(loop, _Returns(loop))

    def _submit(self, job: Job) -> None:
        """Put a job that a thread was to run while it waited, and did not."""
        self._grow()
        self._put(job)

    def _grow(self) -> None:
        with self._lock:
            if self._closed:
                raise RuntimeError("this thread pool is closed: its site has shut down")
            if len(self._threads) < self.size and sum(returns.awaited for returns in self._loops.values()) >= len(self._threads):
                worker = _Worker(self._jobs, f"erlen-{len(self._threads) + 1}")
                self._threads.append(worker)
                worker.start()


def on_loop() -> bool:
    """Return whether this thread is running an event loop."""
    loaded = sys.modules.get("asyncio")
    return loaded is not None and loaded._get_running_loop() is not None


class BackgroundLoop:
    """An event loop in a daemon thread, started on first use: for coroutines under a host that has none (WSGI)."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    @property
    def loop(self) -> AbstractEventLoop:
        """The running loop."""
        with self._lock:
            if self._loop is None:
                self._loop = new_event_loop()
                self._thread = threading.Thread(target=self._loop.run_forever, name="erlen-loop", daemon=True)
                self._thread.start()
            return self._loop

    def close(self) -> None:
        """Stop the loop, if it was started, and wait for its thread; the next use starts another. Not to be called on the loop."""
        with self._lock:
            loop, thread, self._loop, self._thread = self._loop, self._thread, None, None
        if loop is not None and thread is not None:
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()


class _Returns:
    """The way back to one event loop."""

    __slots__ = ("awaited", "loop", "ready", "woken")

    def __init__(self, loop: AbstractEventLoop) -> None:
        self.loop = loop
        self.awaited = 0
        self.ready: deque[tuple[Future[Any], Any, BaseException | None]] = deque()
        self.woken = False

    def give(self, future: Future[Any], value: object, error: BaseException | None) -> None:
        self.ready.append((future, value, error))
        # `deliver` lowers the flag before it empties the queue, so a result that finds it raised is always fetched.
        if not self.woken:
            self.woken = True
            try:
                self.loop.call_soon_threadsafe(self.deliver)
            except RuntimeError:  # the loop was closed while the thread worked: nobody waits any more
                self.ready.clear()

    def deliver(self) -> None:
        self.woken = False
        take = self.ready.popleft
        while self.ready:
            future, value, error = take()
            self.awaited -= 1
            if not future.done():
                if error is None:
                    future.set_result(value)
                else:
                    future.set_exception(error)


Job: TypeAlias = "tuple[_Returns, Future[Any], Context, Coroutine[Any, Any, Any]]"


class _Worker(threading.Thread):
    """One thread of a pool; `returns` is where the job in hand came from."""

    def __init__(self, jobs: SimpleQueue[Job | None], name: str) -> None:
        super().__init__(name=name, daemon=True)
        self.jobs = jobs
        self.returns: _Returns | None = None

    def run(self) -> None:
        get = self.jobs.get
        while (job := get()) is not None:
            self.returns = job[0]
            _work(job)
            # While this thread waits for the next job it must not keep the last one's request alive.
            del job
            self.returns = None


def _work(job: Job) -> None:
    """Run a job and give its result back."""
    returns, future, context, coroutine = job
    value, error = None, None
    try:
        context.run(coroutine.send, None)
    except StopIteration as stop:
        value = stop.value
    except BaseException as raised:
        error = raised
    else:
        coroutine.close()
        error = RuntimeError(SUSPENDED)
    returns.give(future, value, error)
    del error  # it holds this frame


class _WaitingThread:
    """A thread that waits for a coroutine on the loop, and runs the jobs that come of it."""

    def __init__(self) -> None:
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._waits = True

    def take(self, job: Job) -> bool:
        """Take a job, unless the thread waits no more: a task that the coroutine left behind may send one later."""
        with self._lock:
            if self._waits:
                self._jobs.put(job)
            return self._waits

    def wait(self, coroutine: Coroutine[Any, Any, Value], loop: AbstractEventLoop, submit: Callable[[Job], object]) -> Value:
        """Run the coroutine on the loop, in the context of this thread, and return what it returns."""
        if on_loop():
            coroutine.close()
            raise RuntimeError("`wait` would block the event loop: in an `async def` handler, await the coroutine itself")
        token = waiting_thread.set(self)
        try:
            result = run_coroutine_threadsafe(coroutine, loop)
        finally:
            waiting_thread.reset(token)
        result.add_done_callback(lambda _: self._jobs.put(None))
        while (job := self._jobs.get()) is not None:
            _work(job)
            del job
        with self._lock:
            self._waits = False
        while not self._jobs.empty():
            if (job := self._jobs.get()) is not None:
                submit(job)
        return result.result()


# The thread of the pool that waits for what runs in this context, if one does.
waiting_thread: ContextVar[_WaitingThread] = ContextVar("erlen.waiting_thread")


async def _call(work: tuple[Callable[[*Arguments], Value], tuple[*Arguments]]) -> Value:
    return work[0](*work[1])


class _ThreadedIterator(Generic[Item]):
    def __init__(self, pool: ThreadPool, items: Iterable[Item]) -> None:
        self._pool = pool
        self._items = InContext(items, copy_context())
        # Held by the thread that is making an item; for good by the one that closes the generator.
        self._busy = threading.Lock()
        self._closing = False

    def __aiter__(self) -> AsyncIterator[Item]:
        return self

    async def __anext__(self) -> Item:
        item = _END if self._closing else await self._pool.call(self._step)
        if item is _END:
            raise StopAsyncIteration
        return item  # type: ignore[return-value]

    async def aclose(self) -> None:
        """Close the generator: now, or in the thread that is making an item, as soon as it has made it."""
        closed, self._closing = self._closing, True
        if not closed and not self._busy.locked():
            await self._pool.call(self._close)

    def _step(self) -> Item | object:
        if not self._busy.acquire(blocking=False):
            if self._closing:
                return _END
            raise RuntimeError("the item before this one is still being made")
        try:
            return _END if self._closing else self._items.step(_END)
        finally:
            self._busy.release()
            self._close()

    def _close(self) -> None:
        if self._closing and self._busy.acquire(blocking=False):
            self._items.close()


_END = object()
