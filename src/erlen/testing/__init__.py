"""Tools for testing an application: clients that answer in process, and requests without a server.

`pytest` gets the fixtures of `erlen.testing.plugin` by itself.
"""

from __future__ import annotations

TYPE_CHECKING = False  # as in `erlen`: pytest loads this room with the plugin, also for projects that do not use it
if TYPE_CHECKING:
    from erlen.testing.async_client import AsyncClient as AsyncClient
    from erlen.testing.client import Client as Client
    from erlen.testing.cookies import CookieJar as CookieJar
    from erlen.testing.event import ServerEvent as ServerEvent
    from erlen.testing.factory import RequestFactory as RequestFactory
    from erlen.testing.response import AsyncStreamedResponse as AsyncStreamedResponse
    from erlen.testing.response import StreamedResponse as StreamedResponse
    from erlen.testing.response import TestResponse as TestResponse

_HOME = {
    "AsyncClient": "erlen.testing.async_client",
    "AsyncStreamedResponse": "erlen.testing.response",
    "Client": "erlen.testing.client",
    "CookieJar": "erlen.testing.cookies",
    "RequestFactory": "erlen.testing.factory",
    "ServerEvent": "erlen.testing.event",
    "StreamedResponse": "erlen.testing.response",
    "TestResponse": "erlen.testing.response",
}

__all__ = [
    "AsyncClient",
    "AsyncStreamedResponse",
    "Client",
    "CookieJar",
    "RequestFactory",
    "ServerEvent",
    "StreamedResponse",
    "TestResponse",
]


def __getattr__(name: str) -> object:
    room = _HOME.get(name)
    if room is None:
        raise AttributeError(f"module 'erlen.testing' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(room), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
