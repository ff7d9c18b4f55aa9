"""A request made of a dict, and a site made of the real parts, so that nothing here needs a server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, Protocol, TypeVar

import pytest

from erlen.http.limits import Limits
from erlen.http.request import Request
from erlen.http.response import Response
from erlen.http.session import HttpSession
from erlen.security.cookie_session import CookieSessions
from erlen.security.csrf import CsrfPolicy
from erlen.security.headers import ProtectiveHeaders
from erlen.security.proxies import Proxies
from erlen.security.settings import SecuritySettings
from erlen.security.signing import Signer

Value = TypeVar("Value")

KEY = "3d1f9bd6c4a84b6e8f2a7c5e9b0d4f6a"


class Wire(Request):
    """A request whose door is a list of headers."""

    sent: list[tuple[str, str]] = []
    body_bytes: bytes = b""
    connection_scheme: str = "http"
    connection_peer: str = "192.0.2.1"

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.sent if key == name), None)

    def header_items(self) -> list[tuple[str, str]]:
        return list(self.sent)

    @property
    def peer(self) -> str:
        return self.connection_peer

    @property
    def wire_scheme(self) -> str:
        return self.connection_scheme

    @property
    def wire_host(self) -> str:
        return self.header("host") or ""

    @property
    def mount_path(self) -> str:
        return ""

    async def receive_all(self, limits: Limits, length: int | None) -> bytes:
        return self.body_bytes

    async def receive_chunks(self, limits: Limits, length: int | None) -> AsyncIterator[bytes]:
        yield self.body_bytes


class SmallSite:
    """What a frozen site does for its requests, with the parts of this room."""

    def __init__(self, proxies: Proxies | None = None, sessions: CookieSessions | None = None) -> None:
        self.limits = Limits()
        self.proxies = proxies or Proxies()
        self.sessions = sessions or CookieSessions(Signer([KEY]), SecuritySettings())
        self.csrf = CsrfPolicy(["https://trusted.example"])
        self.headers = ProtectiveHeaders(SecuritySettings())

    def client_address(self, request: Request) -> str:
        return self.proxies.client(request)

    def effective_scheme(self, request: Request) -> str:
        return self.proxies.scheme(request)

    def effective_host(self, request: Request) -> str:
        return self.proxies.host(request)

    def root_path(self, request: Request) -> str:
        return self.proxies.prefix(request) + request.mount_path

    def open_session(self, request: Request) -> HttpSession:
        return self.sessions.open(request)

    def csrf_token(self, request: Request) -> str:
        return self.csrf.token(request)

    def trusts_origin(self, origin: str) -> bool:
        return origin in self.csrf.trusted

    def request_id(self, request: Request) -> str:
        return self.proxies.request_id(request) or "made-here"

    def allow_nonce(self, request: Request, response: Response) -> None:
        self.headers.apply_nonce(response, request.csp_nonce)


class MakeRequest(Protocol):
    def __call__(
        self,
        method: str = ...,
        path: str = ...,
        *,
        headers: dict[str, str] | list[tuple[str, str]] | None = ...,
        body: bytes = ...,
        scheme: str = ...,
        peer: str = ...,
        proxies: Proxies | None = ...,
        sessions: CookieSessions | None = ...,
    ) -> Wire: ...


class Drive(Protocol):
    def __call__(self, coroutine: Coroutine[Any, Any, Value]) -> Value: ...


Finish = Callable[[Request, Response], Response]


@pytest.fixture(scope="session")
def make_request() -> MakeRequest:
    """Make a request; `host` is `example.com` unless given."""

    def make(
        method: str = "GET",
        path: str = "/",
        *,
        headers: dict[str, str] | list[tuple[str, str]] | None = None,
        body: bytes = b"",
        scheme: str = "http",
        peer: str = "192.0.2.1",
        proxies: Proxies | None = None,
        sessions: CookieSessions | None = None,
    ) -> Wire:
        pairs = list(headers.items()) if isinstance(headers, dict) else list(headers or [])
        if not any(name == "host" for name, _ in pairs):
            pairs.insert(0, ("host", "example.com"))
        return Wire(
            method=method,
            path=path,
            query_string="",
            context=SmallSite(proxies, sessions),
            sent=pairs,
            body_bytes=body,
            connection_scheme=scheme,
            connection_peer=peer,
        )

    return make


@pytest.fixture(scope="session")
def finish() -> Finish:
    """Run what the request left to do once its response is known, as the dispatcher does."""

    def run(request: Request, response: Response) -> Response:
        for finisher in reversed(request.finishers or []):
            finisher(request, response)
        return response

    return run


@pytest.fixture(scope="session")
def drive() -> Drive:
    """Run a coroutine that never suspends."""

    def run(coroutine: Coroutine[Any, Any, Value]) -> Value:
        try:
            coroutine.send(None)
        except StopIteration as stop:
            return stop.value  # type: ignore[no-any-return]
        coroutine.close()
        raise AssertionError("the coroutine suspended")

    return run
