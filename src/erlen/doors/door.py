"""What the three doors and their requests have in common."""

from __future__ import annotations

from asyncio import get_running_loop
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any, Generic, TypeVar

from erlen.doors.deadline import Deadlines
from erlen.doors.headers import HeaderLists, Pair
from erlen.doors.lifespan import Lifespan
from erlen.doors.protocol import Site
from erlen.errors import BadRequest, ContentTooLarge, HeaderFieldsTooLarge
from erlen.http.limits import Limits
from erlen.http.request import Request
from erlen.types import HeaderPairs

__all__ = ["CLOSE", "Door", "DoorRequest", "incomplete", "several_hosts"]

Value = TypeVar("Value")

# The rest of the connection cannot be trusted, or is not worth reading.
CLOSE = {"connection": "close"}


class Door(Generic[Pair]):
    """What serves a site through one interface of a server.

    Args:
        site: what answers the requests.
        encode: makes header fields into what the server takes.
    """

    def __init__(self, site: Site, encode: Callable[[HeaderPairs], list[Pair]]) -> None:
        self.site = site
        self.header_size = site.limits.header_size
        self._target_size = site.limits.target_size
        self._lists = HeaderLists(site, encode)
        self._shared = self._lists.shared
        self._checks_scheme = self._lists.depends_on_scheme
        self._trusts_proxies = site.trusts_proxies
        self._lifespan = Lifespan(site)
        self.deadlines = Deadlines()

    def wait(self, coroutine: Coroutine[Any, Any, Value]) -> Value:
        """From a thread: run a coroutine on the event loop that belongs to this door, and block until it has ended."""
        return self.site.pool.wait(coroutine)


class DoorRequest(Request, kw_only=True, eq=False, weakref=True):
    """A request made by a door; here are the refusals that only a door can make."""

    door: Door[Any]
    _refused: bool = False

    def wait(self, coroutine: Coroutine[Any, Any, Value]) -> Value:
        return self.door.wait(coroutine)

    async def read_parts(
        self, next_part: Callable[[], Awaitable[tuple[bytes, bool]]], limits: Limits, length: int | None
    ) -> AsyncIterator[bytes]:
        """Read the body on an event loop.

        Args:
            next_part: reads the next piece of it, and tells whether more may follow.
            limits: of which `body_size` and `body_timeout` count.
            length: the size that was announced.

        Raises:
            RequestTimeout: when it takes too long.
            ContentTooLarge: if it is too large.
            BadRequest: if it is not as long as announced.
        """
        patience = limits.body_timeout
        clock = get_running_loop().time
        received, more = 0, True
        while more:
            began = clock()
            chunk, more = await self.door.deadlines.limit(next_part(), patience)
            patience -= clock() - began
            received += len(chunk)
            if received > limits.body_size:
                raise ContentTooLarge(f"The body has more than {limits.body_size} bytes.")
            if chunk:
                yield chunk
        if length not in (None, received):
            raise incomplete()

    def bounded(self, items: list[tuple[str, str]]) -> list[tuple[str, str]]:
        """Return header fields, where a server's own limits are wider than ours.

        Raises:
            HeaderFieldsTooLarge: once, when they are over `limits.header_count` or `limits.header_size`.
        """
        limits = self.context.limits
        if len(items) > limits.header_count or sum(len(name) + len(value) for name, value in items) > limits.header_size:
            self.refuse_fields(f"More than {limits.header_count} header fields, or more than {limits.header_size} bytes of them.")
        return items

    def refuse_fields(self, detail: str) -> None:
        """Refuse the header fields, once: the page that answers this reads some too.

        Raises:
            HeaderFieldsTooLarge: once.
        """
        if not self._refused:
            self._refused = True
            raise HeaderFieldsTooLarge(detail, headers=CLOSE)


def incomplete() -> BadRequest:
    """What a body is refused with that broke off, or is not as long as it says."""
    return BadRequest("The body broke off, or is not framed as HTTP asks.", headers=CLOSE)


def several_hosts() -> BadRequest:
    """What a request is refused with that names more than one host (RFC 9112, section 3.2)."""
    return BadRequest("The request names more than one host.", headers=CLOSE)
