"""What both clients are made of: a site, a door to it, and what a browser keeps between requests."""

from __future__ import annotations

from asyncio import CancelledError, Event, Future, Lock, Task, create_task, get_running_loop
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from msgspec.structs import replace

from erlen.app.application import App
from erlen.app.door import Door, choose_door
from erlen.app.site import Site
from erlen.doors.pool import ThreadPool
from erlen.errors import ErlenError
from erlen.http.headers import Headers
from erlen.http.session import HttpSession
from erlen.testing.cookies import CookieJar, cookie_field
from erlen.testing.exchange import Exchange, note_failure
from erlen.testing.factory import FactoryRequest, finish
from erlen.testing.outgoing import Outgoing, RequestHeaders, RequestOptions, header_pairs, parts_of, prepare, read_base, redirected
from erlen.testing.response import TestResponse
from erlen.testing.site import freeze_for_test

if TYPE_CHECKING:
    from logging import Handler, LogRecord

__all__ = ["Connection"]

Made = TypeVar("Made")
REDIRECTS = 20
FOREVER = 365 * 24 * 3600.0


class Transport(Protocol):
    """A server of one interface, in process."""

    async def answer(self, exchange: Exchange) -> None:
        """Let the application answer one request."""
        ...


class Connection:
    """A client's side of a site, on one event loop. See `Client` for the arguments."""

    def __init__(
        self,
        app: App | Site,
        *,
        door: Door | None,
        overrides: Mapping[Any, Any] | None,
        base: str,
        headers: RequestHeaders,
        follow_redirects: bool,
        raise_errors: bool,
    ) -> None:
        self.base = read_base(base)
        self.site = freeze_for_test(app, overrides)
        self.door: Door = choose_door(self.site).door if door is None else door
        self.cookies = CookieJar(self.base)
        self._headers = header_pairs(headers)
        self._follow_redirects = follow_redirects
        self._raise_errors = raise_errors
        self._transport = _transport(self.site, self.door)
        self._threads = ThreadPool(self.site.settings.threads)
        self._lock = Lock()
        self._stopping = Event()
        self._life: Task[None] | None = None
        self._listener: Handler | None = None
        self._exchanges: set[Exchange] = set()
        self._closed = False

    # -- its life -----------------------------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Start the site, unless it is started.

        Raises:
            RuntimeError: if the client was closed. What a start-up function raises is passed on.
        """
        async with self._lock:
            if self._closed:
                raise RuntimeError("this client is closed, or the event loop it began on has ended: make another client")
            if self._life is None:
                self.site.failure_observers.append(note_failure)
                self._listener = _listen()
                started: Future[None] = get_running_loop().create_future()
                self._life = create_task(self._live(started))
                await started

    async def close(self) -> None:
        """Leave what still streams, and stop the site; what a shutdown function raises is passed on."""
        async with self._lock:
            if self._closed:
                return
            self._closed = True
            self.site.draining.start()
            try:
                for exchange in list(self._exchanges):
                    await exchange.close()
            finally:
                self._stopping.set()
                life, self._life = self._life, None
                if life is not None:
                    await life

    def close_on_its_loop(self) -> None:
        """Close where the loop it began on is left, but does not run: between two tests."""
        life = self._life
        if life is not None and not life.done():
            loop = life.get_loop()
            if not loop.is_closed() and not loop.is_running():
                loop.run_until_complete(self.close())

    async def _live(self, started: Future[None]) -> None:
        # Start and stop run in one task, as under ASGI: a lifespan may hold what belongs to a task. Where nobody closes the client,
        # the end of the loop cancels this task and so stops the site.
        try:
            await self._start()
        except BaseException as error:  # noqa: BLE001 - for the one who waits
            self._release()
            if not started.done():
                started.set_exception(RuntimeError("the start was cancelled") if isinstance(error, CancelledError) else error)
            return
        # Tasks are held by what they wait for alone: without this anchor in the loop, a client that is dropped would take its site
        # along, unstopped.
        anchor = get_running_loop().call_later(FOREVER, self._stopping.set)
        try:
            started.set_result(None)
            await self._stopping.wait()
        finally:
            anchor.cancel()
            self._closed = True
            try:
                await self._stop()
            finally:
                self._release()

    async def _start(self) -> None:
        if self.door == "wsgi":
            await self._threads.call(self.site.wsgi.startup)
        else:
            await self.site.startup()

    async def _stop(self) -> None:
        if self.door == "wsgi":
            await self._threads.call(self.site.wsgi.shutdown)
        else:
            self.site.draining.start()
            await self.site.shutdown()

    def _release(self) -> None:
        if note_failure in self.site.failure_observers:
            self.site.failure_observers.remove(note_failure)
        if self._listener is not None:
            import logging

            logging.getLogger(DOORS_LOG).removeHandler(self._listener)
        self._threads.close()

    # -- requests -----------------------------------------------------------------------------------------------------------

    async def request(self, method: str, path: str, options: RequestOptions) -> TestResponse:
        """Send a request and wait until it is answered and the application is done with it."""
        exchange, history = await self.begin(method, path, options)
        return await self._arrive(exchange, history)

    async def begin(self, method: str, path: str, options: RequestOptions) -> tuple[Exchange, list[TestResponse]]:
        """Send a request, follow redirects where that is wanted, and return the exchange once its head is there."""
        wanted = options.get("follow_redirects")
        follow = self._follow_redirects if wanted is None else wanted
        outgoing = prepare(self.base, self._headers, method, path, **parts_of(options))
        history: list[TestResponse] = []
        while True:
            exchange, headers = await self._send(outgoing)
            if not (follow and exchange.head.result()[0] in (301, 302, 303, 307, 308) and "location" in headers):
                return exchange, history
            response = await self._arrive(exchange, history)
            history = [*history, response]
            if len(history) > REDIRECTS:
                raise ErlenError(f"{method} {path} was redirected more than {REDIRECTS} times, last to {headers['location']}")
            outgoing = redirected(outgoing, response.status, headers["location"])

    async def next_chunk(self, exchange: Exchange) -> bytes | None:
        """Return the next piece of a response, or None at its end.

        Raises:
            ConnectionError: if it breaks off. What its generator raised is raised instead, as for `raise_failures`.
        """
        chunk = await exchange.next_chunk()
        if chunk is None:
            self.raise_failures(exchange)
            complaint = exchange.complaint()
            if complaint is not None:
                raise ConnectionError(complaint)
        return chunk

    async def end(self, exchange: Exchange) -> None:
        """Leave an exchange, wherever it is."""
        try:
            await exchange.close()
        finally:
            self._exchanges.discard(exchange)

    def raise_failures(self, exchange: Exchange) -> None:
        """Raise the first unexpected exception of the application. With `raise_errors=False` only what no server survives."""
        failures, exchange.failures = exchange.failures, []
        for error in failures:
            if self._raise_errors or not isinstance(error, Exception):
                raise error

    def make(self, kind: Callable[..., Made], exchange: Exchange, history: list[TestResponse], body: object) -> Made:
        """Make a response of a kind: of its head, and of its body or what reads it."""
        status, pairs = exchange.head.result()
        return kind(exchange.outgoing.method, exchange.outgoing.url, status, Headers.trusted(pairs), history, body)

    @contextmanager
    def session(self) -> Generator[HttpSession]:
        """Open the session in the client's cookies; at the end it is saved in them."""
        outgoing = prepare(self.base, self._headers, "GET", "/")
        request = FactoryRequest.of(self._with_cookies(outgoing), self.site)
        yield request.session
        self.cookies.store(self.base, finish(request).headers.getlist("set-cookie"))

    async def _send(self, outgoing: Outgoing) -> tuple[Exchange, Headers]:
        await self.open()
        exchange = Exchange(self._with_cookies(outgoing), self._threads)
        self._exchanges.add(exchange)
        try:
            exchange.run(self._transport.answer)
            _, pairs = await exchange.head
            headers = Headers.trusted(pairs)
            self.cookies.store(outgoing.url, headers.getlist("set-cookie"))
            self.raise_failures(exchange)
        except BaseException:
            await self._drop(exchange)
            raise
        return exchange, headers

    async def _arrive(self, exchange: Exchange, history: list[TestResponse]) -> TestResponse:
        chunks: list[bytes] = []
        try:
            while (chunk := await self.next_chunk(exchange)) is not None:
                chunks.append(chunk)
            await exchange.finished()
            self.raise_failures(exchange)
        except BaseException:
            await self._drop(exchange)
            raise
        self._exchanges.discard(exchange)
        return self.make(TestResponse, exchange, history, b"".join(chunks))

    async def _drop(self, exchange: Exchange) -> None:
        self._exchanges.discard(exchange)
        await exchange.abort()

    def _with_cookies(self, outgoing: Outgoing) -> Outgoing:
        if any(name == "cookie" for name, _ in outgoing.headers):
            return outgoing
        # The test's own first: of two with one name a server keeps the first.
        parts = [part for part in (cookie_field(outgoing.cookies), self.cookies.header_for(outgoing.url)) if part]
        if not parts:
            return outgoing
        return replace(outgoing, headers=[*outgoing.headers, ("cookie", "; ".join(parts))])


DOORS_LOG = "erlen.doors"


def _transport(site: Site, door: Door) -> Transport:
    if door == "rsgi":
        from erlen.testing.rsgi import RsgiTransport

        return RsgiTransport(site)
    if door == "wsgi":
        from erlen.testing.wsgi import WsgiTransport

        return WsgiTransport(site)
    from erlen.testing.asgi import AsgiTransport

    return AsgiTransport(site)


def _listen() -> Handler:
    """Listen to the doors' log: what fails after a response has begun is told nowhere else."""
    import logging

    class Listener(logging.Handler):
        def emit(self, record: LogRecord) -> None:
            if record.exc_info and record.exc_info[1] is not None:
                note_failure(None, record.exc_info[1])

    listener = Listener()
    logging.getLogger(DOORS_LOG).addHandler(listener)
    return listener
