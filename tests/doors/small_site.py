"""A site with hand-written dispatch: enough to walk through the doors without the application room."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from contextvars import ContextVar
from typing import Any

from erlen.doors.draining import Draining
from erlen.doors.pool import BackgroundLoop, ThreadPool
from erlen.errors import ErlenError, HTTPError
from erlen.http.file import FileResponse
from erlen.http.limits import Limits
from erlen.http.request import Request, active_request
from erlen.http.response import HTMLResponse, JSONResponse, Response, StreamResponse, TextResponse
from erlen.http.session import HttpSession
from erlen.types import HeaderPairs

Endpoint = Callable[[Request], Coroutine[Any, Any, Response]]


class SmallSite:
    """Endpoints by path; those in `threaded` run in the pool."""

    trusts_proxies = False

    def __init__(
        self,
        endpoints: Mapping[str, Endpoint],
        threaded: Mapping[str, Endpoint],
        limits: Limits | None = None,
        mounts: Mapping[str, Endpoint] | None = None,
        threaded_mounts: Mapping[str, Endpoint] | None = None,
    ) -> None:
        self.endpoints = endpoints
        self.mounts = mounts or {}
        self.threaded_mounts = threaded_mounts or {}
        self.lifespans: list[Any] = []
        """Each with a `startup` and a `shutdown`."""
        self.threaded = threaded
        self.limits = limits or Limits()
        self.pool = ThreadPool(4)
        self.background = BackgroundLoop()
        self.draining = Draining()

    async def dispatch(self, request: Request) -> Response:
        active_request.set(request)
        return await self._answer(request, in_pool=True)

    async def dispatch_in_thread(self, request: Request) -> Response:
        active_request.set(request)
        return await self._answer(request, in_pool=False)

    async def _answer(self, request: Request, in_pool: bool) -> Response:
        try:
            _ = request.wire_host
            prefix = "/" + request.path.split("/")[1]
            endpoint = self.endpoints.get(request.path) or self.mounts.get(prefix)
            if endpoint is not None:
                response = await endpoint(request)
            elif (endpoint := self.threaded.get(request.path) or self.threaded_mounts.get(prefix)) is not None:
                response = await (self.pool.run(endpoint, request) if in_pool else endpoint(request))
            else:
                raise HTTPError("nothing here", status=404)
            return response.prepare(request)
        except HTTPError as error:
            return self.refuse(request, error)
        except Exception as error:  # noqa: BLE001 - as a site does
            return TextResponse(f"{type(error).__name__}: {error}", 500)

    def refuse(self, request: Request, error: HTTPError) -> Response:
        _ = request.header("accept")
        return TextResponse(f"{error.status} {error.detail}", error.status, error.headers)

    def default_headers(self, secure: bool) -> HeaderPairs:
        hsts = [("strict-transport-security", "max-age=1")] if secure else []
        return [("x-content-type-options", "nosniff"), ("x-frame-options", "DENY"), *hsts]

    async def startup(self) -> None:
        for lifespan in self.lifespans:
            await lifespan.startup()

    async def shutdown(self) -> None:
        for lifespan in self.lifespans:
            await lifespan.shutdown()
        print("site has shut down", flush=True)
        self.pool.close()

    def client_address(self, request: Request) -> str:
        return request.peer

    def effective_scheme(self, request: Request) -> str:
        return request.wire_scheme

    def effective_host(self, request: Request) -> str:
        return request.wire_host

    def root_path(self, request: Request) -> str:
        return request.mount_path

    def allow_nonce(self, request: Request, response: Response) -> None:
        raise ErlenError("no policies here")

    def open_session(self, request: Request) -> HttpSession:
        raise ErlenError("no sessions here")

    def csrf_token(self, request: Request) -> str:
        raise ErlenError("no sessions here")

    def trusts_origin(self, origin: str) -> bool:
        return False

    def request_id(self, request: Request) -> str:
        return "1"


async def home(request: Request) -> Response:
    return JSONResponse({"hello": "world"})


async def empty(request: Request) -> Response:
    return Response(b"", 204)


async def own(request: Request) -> Response:
    response = HTMLResponse("<p>é</p>", headers={"X-Frame-Options": "SAMEORIGIN", "X-Content-Type-Options": "", "Content-Length": "99"})
    response.set_cookie("a", "1", secure=False)
    response.set_cookie("b", "2", secure=False)
    return response


async def bad_type(request: Request) -> Response:
    return Response(b"x", content_type="text/html\r\nset-cookie: evil=1")


async def echo(request: Request) -> Response:
    return Response(await request.body(), content_type="application/octet-stream")


async def count(request: Request) -> Response:
    return TextResponse(str(sum([len(chunk) async for chunk in request.stream()])))


async def tell(request: Request) -> Response:
    return JSONResponse(
        {
            "method": request.method,
            "path": request.path,
            "query": request.query_string,
            "host": request.wire_host,
            "peer": request.peer,
            "scheme": request.wire_scheme,
            "version": request.http_version,
            "mount": request.mount_path,
            "headers": request.header_items(),
        }
    )


async def stream(request: Request) -> Response:
    async def chunks() -> AsyncIterator[bytes | str]:
        yield b"one,"
        await asyncio.sleep(0)
        yield "zwö,"
        yield b"three"

    return StreamResponse(chunks(), content_type="text/plain")


async def sync_stream(request: Request) -> Response:
    def chunks() -> Iterator[str]:
        for number in range(3):
            yield f"{number} {active_request.get().path}\n"

    return StreamResponse(chunks(), content_type="text/plain")


async def failing_stream(request: Request) -> Response:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"first"
        await asyncio.sleep(0.05)
        raise ValueError("in the middle")

    return StreamResponse(chunks())


async def short_stream(request: Request) -> Response:
    return StreamResponse(iter([b"first"]), headers={"content-length": "30"})


async def long_stream(request: Request) -> Response:
    return StreamResponse(iter([b"first", b"second"]), headers={"content-length": "5"})


def endless(name: str, content_type: str) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        async def chunks() -> AsyncIterator[str]:
            try:
                while True:
                    yield "data: 1\n\n"
                    await asyncio.sleep(0.05)
            finally:
                print(f"{name} closed", flush=True)

        return StreamResponse(chunks(), content_type=content_type)

    return endpoint


async def quiet_events(request: Request) -> Response:
    async def chunks() -> AsyncIterator[str]:
        try:
            yield "data: 1\n\n"
            await asyncio.sleep(60)
        finally:
            print("quiet events closed", flush=True)

    return StreamResponse(chunks(), content_type="text/event-stream")


async def sync_endless(request: Request) -> Response:
    def chunks() -> Iterator[bytes]:
        try:
            while True:
                yield b"x"
                time.sleep(0.02)
        finally:
            print("sync endless closed", flush=True)

    return StreamResponse(chunks())


async def file(request: Request) -> Response:
    return FileResponse(__file__, content_type="text/x-python")


async def after(request: Request) -> Response:
    def work(text: str) -> None:
        time.sleep(0.05)
        print(text, flush=True)

    def fail() -> None:
        raise ValueError("after-work breaks")

    async def async_work() -> None:
        print("async work is done", flush=True)

    request.after_response(fail)
    request.after_response(work, "work is done")
    request.after_response(async_work)
    return TextResponse("later")


async def thread_body(request: Request) -> Response:
    return Response(request.read_body())


HELD = threading.Semaphore(0)


async def held(request: Request) -> Response:
    print("one is held", flush=True)
    assert HELD.acquire(timeout=60)
    return TextResponse("held")


async def release(request: Request) -> Response:
    HELD.release(3)
    return TextResponse("released")


async def slow(request: Request) -> Response:
    print("slow begins", flush=True)
    time.sleep(0.5)  # noqa: ASYNC251 - it runs in a thread
    return TextResponse("slow")


async def surrogate(request: Request) -> Response:
    return TextResponse("\ud800")


async def state(request: Request) -> Response:
    seen = COUNTER.get(0)
    COUNTER.set(seen + 1)
    return TextResponse(str(seen))


COUNTER: ContextVar[int] = ContextVar("counter")
ENDPOINTS: dict[str, Endpoint] = {
    "/": home,
    "/after": after,
    "/bad-type": bad_type,
    "/count": count,
    "/echo": echo,
    "/empty": empty,
    "/file": file,
    "/long-stream": long_stream,
    "/own": own,
    "/release": release,
    "/short-stream": short_stream,
    "/state": state,
    "/surrogate": surrogate,
    "/sync-endless": sync_endless,
    "/sync-stream": sync_stream,
    "/tell": tell,
    "/a/b é": tell,
}
LOOP_ENDPOINTS: dict[str, Endpoint] = {
    "/endless": endless("endless", "text/plain"),
    "/events": endless("events", "text/event-stream"),
    "/failing-stream": failing_stream,
    "/quiet-events": quiet_events,
    "/stream": stream,
}
THREADED: dict[str, Endpoint] = {"/slow": slow, "/held": held, "/thread-body": thread_body, "/thread-state": state}
