"""What the servers in these tests load: the small site behind each door."""

from __future__ import annotations

from tests.doors.mounted_apps import flask_app, plain_asgi, plain_wsgi, starlette_app
from tests.doors.small_site import ENDPOINTS, LOOP_ENDPOINTS, THREADED, SmallSite

from erlen.doors.mount import MountedLifespan, asgi_endpoint, wsgi_endpoint
from erlen.http.limits import Limits

LIMITS = Limits(body_size=100_000, body_timeout=0.3, header_size=4096, target_size=2048)


def __getattr__(name: str) -> object:
    legacy = {"/flask": wsgi_endpoint(flask_app(), "/flask"), "/wsgi": wsgi_endpoint(plain_wsgi, "/wsgi")}
    starlette = starlette_app()
    lifespan = MountedLifespan(starlette)
    other = {"/starlette": asgi_endpoint(starlette, "/starlette", lifespan), "/asgi": asgi_endpoint(plain_asgi, "/asgi")}
    site = SmallSite({**ENDPOINTS, **LOOP_ENDPOINTS}, THREADED, LIMITS, other, legacy)
    site.lifespans.append(lifespan)
    if name == "rsgi":
        from erlen.doors.rsgi import RsgiDoor

        return RsgiDoor(site)
    if name == "asgi":
        from erlen.doors.asgi import AsgiDoor

        return AsgiDoor(site)
    if name == "wsgi":
        from erlen.doors.wsgi import WsgiDoor

        return WsgiDoor(SmallSite(ENDPOINTS, THREADED, LIMITS, None, legacy))
    raise AttributeError(name)
