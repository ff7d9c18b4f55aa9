"""What the servers in these tests load: the small site behind each door."""

from __future__ import annotations

from erlen.http.limits import Limits
from tests.doors.small_site import ENDPOINTS, LOOP_ENDPOINTS, THREADED, SmallSite

LIMITS = Limits(body_size=100_000, body_timeout=0.7, header_size=4096, target_size=2048)


def __getattr__(name: str) -> object:
    site = SmallSite({**ENDPOINTS, **LOOP_ENDPOINTS}, THREADED, LIMITS)
    if name == "rsgi":
        from erlen.doors.rsgi import RsgiDoor

        return RsgiDoor(site)
    if name == "asgi":
        from erlen.doors.asgi import AsgiDoor

        return AsgiDoor(site)
    if name == "wsgi":
        from erlen.doors.wsgi import WsgiDoor

        return WsgiDoor(SmallSite(ENDPOINTS, THREADED, LIMITS))
    raise AttributeError(name)
