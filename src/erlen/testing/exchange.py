"""One request and its response, on their way between a client and a door, on one event loop."""

from __future__ import annotations

from asyncio import CancelledError, Event, Future, Task, create_task, get_running_loop, sleep, wait
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING

from erlen.doors.pool import ThreadPool
from erlen.errors import ErlenError, HTTPError
from erlen.testing.outgoing import Outgoing
from erlen.types import HeaderPairs

if TYPE_CHECKING:
    from erlen.http.request import Request

__all__ = ["Exchange", "note_failure"]

PATIENCE = 5.0


class Exchange:
    """What a server is to an application, and a connection to a client.

    The transport `begin`s the response, `put`s chunks and marks it `complete`; the client awaits `head`, `next_chunk` and `finished`,
    and may `close` at any time, which the application sees as a disconnect.
    """

    def __init__(self, outgoing: Outgoing, threads: ThreadPool) -> None:
        self.outgoing = outgoing
        self.threads = threads
        """Where an iterable body is taken from, and a WSGI application runs."""
        self.gone = Event()
        """Set when the client has left, or the response is over."""
        self.complete = False
        self.failures: list[BaseException] = []
        """What was raised in the application and by nobody handled, in order."""
        self.head: Future[tuple[int, HeaderPairs]] = get_running_loop().create_future()
        self._body: AsyncIterator[bytes] | None = None
        self._chunks: deque[bytes] = deque()
        self._news = Event()
        self._taken = Event()
        self._received = 0
        self._left = False
        self._ended = False
        self._task: Task[None] | None = None

    def run(self, application: Callable[[Exchange], Awaitable[None]]) -> None:
        """Let the application answer, in a task and context of its own."""
        self._task = create_task(self._run(application))

    # -- for the transport --------------------------------------------------------------------------------------------------

    def body(self) -> AsyncIterator[bytes]:
        """Return the pieces of the request's body; those of a plain iterable are made in a thread, as they may wait."""
        body = self.outgoing.body
        if isinstance(body, bytes):
            self._body = _at_once(body)
        else:
            self._body = aiter(body) if isinstance(body, AsyncIterable) else self.threads.iterate(body)
        return self._body

    def begin(self, status: int, headers: HeaderPairs) -> None:
        """Hand over status and header fields; once."""
        if not self.head.done():
            self.head.set_result((status, headers))

    def put(self, chunk: bytes) -> None:
        """Hand over a piece of the body; after the client has left it is dropped."""
        if chunk and not self._left:
            self._chunks.append(chunk)
            self._taken.clear()
            self._news.set()

    async def taken(self) -> None:
        """Wait until the client has taken all, or left: what back-pressure is to an application."""
        # At least one turn of the loop, so that a stream that waits for nothing still learns that the client has left.
        await sleep(0)
        while self._chunks and not self._left:
            await self._taken.wait()

    def end(self) -> None:
        """Say that the response has come to its end."""
        self.complete = True
        self._news.set()
        self.gone.set()

    def fail(self, error: BaseException) -> None:
        """Note an exception, from any thread."""
        if error not in self.failures:
            self.failures.append(error)

    # -- for the client -----------------------------------------------------------------------------------------------------

    async def next_chunk(self) -> bytes | None:
        """Wait for the next piece of the body; None at its end, whole or not."""
        while not self._chunks:
            if self.complete or self._ended:
                return None
            self._news.clear()
            await self._news.wait()
        chunk = self._chunks.popleft()
        self._received += len(chunk)
        if not self._chunks:
            self._taken.set()
        return chunk

    async def finished(self) -> None:
        """Wait until the application is done, work after the response included."""
        if self._task is not None:
            await wait((self._task,))

    async def close(self) -> None:
        """Leave, and wait until the application has noticed.

        Raises:
            ErlenError: if it has not after five seconds; it is cancelled.
        """
        self._leave()
        if self._task is not None and not self._task.done():
            done, _ = await wait((self._task,), timeout=PATIENCE)
            if not done:
                self._task.cancel()
                raise ErlenError(
                    f"{self.outgoing.method} {self.outgoing.url.path} still ran {PATIENCE:g} seconds after the client had left: a stream "
                    "should wait with `await`, so that it can be cancelled; a `def` generator should look whether to go on between waits"
                )

    async def abort(self) -> None:
        """Leave, and cancel what the application does for this request."""
        self._leave()
        if self._task is not None and not self._task.done():
            self._task.cancel()
            await wait((self._task,), timeout=PATIENCE)

    def complaint(self) -> str | None:
        """Return what is wrong with a body that was read to its end, or None."""
        if not self.complete:
            return "the response broke off: what makes its body has failed"
        status, headers = self.head.result()
        if self.outgoing.method == "HEAD" or status in (204, 304):
            return None
        for name, value in headers:
            if name == "content-length" and int(value) != self._received:
                return f"the response has {self._received} bytes, and its Content-Length is {value}"
        return None

    def _leave(self) -> None:
        self._left = True
        self.gone.set()
        self._taken.set()
        self._chunks.clear()

    async def _run(self, application: Callable[[Exchange], Awaitable[None]]) -> None:
        _current.set(self)
        try:
            await application(self)
        except CancelledError as error:
            if self._left:
                raise
            cancelled = RuntimeError(f"the answer to {self.outgoing.method} {self.outgoing.url.path} was cancelled")
            cancelled.__cause__ = error
            self.fail(cancelled)
        except BaseException as error:  # noqa: BLE001 - whatever it is, it belongs to the test and not to this loop
            self.fail(error)
        finally:
            if not self.head.done():
                # What a server answers for an application that does not.
                self.head.set_result((500, []))
                self.complete = True
            self._ended = True
            self._news.set()
            self.gone.set()
            # What makes the body stops where the application has not read it to its end.
            close = getattr(self._body, "aclose", None)
            if close is not None:
                await close()


def note_failure(request: Request | None, error: BaseException) -> None:
    """Note an unexpected exception with the exchange that is under way in this context, if there is one."""
    exchange = _current.get(None)
    if exchange is not None and not isinstance(error, HTTPError):
        exchange.fail(error)


async def _at_once(body: bytes) -> AsyncIterator[bytes]:
    if body:
        yield body


_current: ContextVar[Exchange] = ContextVar("erlen.testing.exchange")
