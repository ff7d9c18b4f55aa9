"""Reading bodies on an event loop, within their limits; the one on time costs no timer per request."""

from __future__ import annotations

from asyncio import AbstractEventLoop, CancelledError, TimerHandle, get_running_loop
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

from erlen.doors.interruption import Interruption
from erlen.doors.request import DoorRequest, incomplete
from erlen.errors import ContentTooLarge, RequestTimeout

__all__ = ["Deadlines"]

Value = TypeVar("Value")
TICK = 0.25


class Deadlines:
    """The bodies being read on an event loop, each with the time by which it must have arrived.

    One timer looks over all of them every quarter of a second while there are any, so a limit is kept to within a quarter of a second.
    """

    # PERF: a quarter of what `asyncio.timeout` costs (2 us against 8 to 10), which makes and cancels a timer each time.
    __slots__ = ("_loop", "_timer", "_waits")

    def __init__(self) -> None:
        self._loop: AbstractEventLoop | None = None
        self._timer: TimerHandle | None = None
        self._waits: dict[Interruption, float] = {}

    async def limit(self, awaitable: Awaitable[Value], seconds: float) -> Value:
        """Await something, at most `seconds`.

        Raises:
            RequestTimeout: when it has not ended by then; it is cancelled.
        """
        loop = get_running_loop()
        if self._timer is None or self._loop is not loop:  # the timer of a loop that has ended never fires
            self._loop = loop
            self._timer = loop.call_later(TICK, self._sweep)
        interruption = Interruption(loop)
        self._waits[interruption] = loop.time() + seconds
        try:
            return await awaitable
        except CancelledError:
            if interruption.absorb():
                raise RequestTimeout from None
            raise
        finally:
            del self._waits[interruption]

    async def read(self, request: DoorRequest, limit: int, next_part: Callable[[], Awaitable[tuple[bytes, bool]]]) -> AsyncIterator[bytes]:
        """Read the body of a request.

        Args:
            request: whose `limits.body_timeout` and Content-Length count.
            limit: how many bytes it may have.
            next_part: reads the next piece of it, and tells whether more may follow.

        Raises:
            RequestTimeout: when it takes too long.
            ContentTooLarge: if it is larger than `limit`.
            BadRequest: if it is not as long as its Content-Length says.
        """
        patience = request.limits.body_timeout
        clock = get_running_loop().time
        received = 0
        more = True
        while more:
            began = clock()
            chunk, more = await self.limit(next_part(), patience)
            patience -= clock() - began
            received += len(chunk)
            if received > limit:
                raise ContentTooLarge(f"The body has more than {limit} bytes.")
            if chunk:
                yield chunk
        if request.content_length not in (None, received):
            raise incomplete()

    def _sweep(self) -> None:
        loop = self._loop
        if loop is None or not self._waits:
            self._timer = None
            return
        now = loop.time()
        for interruption, deadline in self._waits.items():
            if deadline <= now:
                interruption.interrupt()
        self._timer = loop.call_later(TICK, self._sweep)
