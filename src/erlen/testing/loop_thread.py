"""An event loop in a thread of its own, for a client that is not asynchronous."""

from __future__ import annotations

import threading
from asyncio import AbstractEventLoop, CancelledError, Event, Runner, Task, current_task, get_running_loop, run_coroutine_threadsafe
from collections.abc import Coroutine
from contextlib import suppress
from queue import SimpleQueue
from typing import Any, TypeAlias, TypeVar

__all__ = ["LoopThread"]

Value = TypeVar("Value")
Handover: TypeAlias = "SimpleQueue[tuple[AbstractEventLoop, Event]]"


class LoopThread:
    """Runs coroutines for other threads, each in a copy of the caller's context. Started on first use."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._loop: AbstractEventLoop | None = None
        self._stopping: Event | None = None

    def run(self, coroutine: Coroutine[Any, Any, Value]) -> Value:
        """Run a coroutine on the loop and block until it has ended; interrupted (Ctrl-C), it is cancelled.

        Raises:
            RuntimeError: on the loop's own thread, which would wait for itself; or after the loop has ended.
        """
        if self.ended:
            coroutine.close()
            raise RuntimeError("this client is closed, and its site has shut down: make another client")
        if threading.current_thread() is self._thread:
            coroutine.close()
            raise RuntimeError("this would block the loop that has to answer: in the application itself, use AsyncClient")
        # What `coroutine` raises is handed over as a value: KeyboardInterrupt and SystemExit would end the loop.
        loop, running = self._started(), list[Task[Any]]()
        try:
            value, error = run_coroutine_threadsafe(_outcome(coroutine, running), loop).result()
        except BaseException:  # Ctrl-C may come before the future does, or after it
            with suppress(RuntimeError):  # the loop has ended, and its tasks with it
                loop.call_soon_threadsafe(_cancel, running)
            raise
        if error is not None:
            try:
                raise error
            finally:
                del error  # it refers to this frame, which would keep everything alive that the test has dropped
        return value  # type: ignore[return-value]

    @property
    def ended(self) -> bool:
        """Whether it has run, and was told to end."""
        return self._loop is not None and (self._stopping is None or self._loop.is_closed())

    def close(self) -> None:
        """End the loop, cancelling what still runs on it, and wait for the thread."""
        self.abandon()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def abandon(self) -> None:
        """Tell the loop to end, without waiting."""
        with self._lock:
            loop, stopping, self._stopping = self._loop, self._stopping, None
        if loop is not None and stopping is not None:
            try:
                loop.call_soon_threadsafe(stopping.set)
            except RuntimeError:  # it has ended by itself
                return

    def _started(self) -> AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                handover: Handover = SimpleQueue()
                self._thread = threading.Thread(target=_serve, args=(handover,), name="erlen-test-client", daemon=True)
                self._thread.start()
                self._loop, self._stopping = handover.get()
            return self._loop


def _serve(handover: Handover) -> None:
    async def main() -> None:
        stopping = Event()
        handover.put((get_running_loop(), stopping))
        await stopping.wait()

    # Its end cancels all tasks, closes asynchronous generators and the loop.
    with Runner() as runner:
        runner.run(main())


async def _outcome(coroutine: Coroutine[Any, Any, Value], running: list[Task[Any]]) -> tuple[Value | None, BaseException | None]:
    running.extend(filter(None, [current_task()]))
    try:
        return await coroutine, None
    except CancelledError:
        raise
    except BaseException as error:  # noqa: BLE001 - raised again in the thread that waits
        return None, error


def _cancel(running: list[Task[Any]]) -> None:
    for task in running:
        task.cancel()
