"""Live reload: pages load themselves again when the server is a new process, or when files changed.

A page in view holds one event stream (WHATWG HTML, section 9.2); those in the background hold none, and look when they come into view.
"""

from __future__ import annotations

import copy
import os
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

from markupsafe import escape

from erlen.app.routes import Policy, Routes
from erlen.debug.tried import OWN_PREFIX
from erlen.errors import HTTPError
from erlen.http.event import Event, EventStreamResponse
from erlen.http.request import Request, active_request
from erlen.http.response import Response

__all__ = ["VARIABLE", "Reload"]

VARIABLE = "ERLEN_RELOAD_FILE"
"""Names the file that `erlen dev` writes when templates or static files changed: their paths, one on each line."""
SCRIPT = Path(__file__).parent / "templates" / "reload.js"
POLL = 0.2
STALE = ("etag", "last-modified", "content-length", "content-md5", "digest", "content-digest", "repr-digest")
"""Fields that speak of the body as it was."""


class Reload(Policy):
    """Puts the script into pages, and tells it when to load them again.

    Args:
        file: what is written when files changed.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._process = secrets.token_hex(4)

    @classmethod
    def from_environment(cls) -> Reload | None:
        """Return what `ERLEN_RELOAD_FILE` asks for, or None without it."""
        said = os.environ.get(VARIABLE)
        return cls(Path(said)) if said else None

    @property
    def version(self) -> str:
        """Names this process and the state of the files: a page that knows another one is out of date."""
        try:
            return f"{self._process}.{self._file.stat().st_mtime_ns}"
        except OSError:
            return f"{self._process}.0"

    def add_routes(self, routes: Routes) -> None:
        """Add the script and the event stream."""
        routes.get(f"{OWN_PREFIX}reload.js", name="erlen:reload.js", threaded=False)(_script)
        routes.get(f"{OWN_PREFIX}reload", name="erlen:reload", threaded=False)(self.stream)

    def stream(self, request: Request) -> Response:
        """Tell the version now, and each new one."""
        from asyncio import get_running_loop

        try:
            get_running_loop()
        except RuntimeError:
            # In a thread of the WSGI door a stream would keep the thread: the browser asks every second instead.
            body = Event(self.version, event="version", retry=1000).encode()
            return Response(body, 200, {"cache-control": "no-store"}, "text/event-stream")
        return EventStreamResponse(self._versions())

    async def _versions(self) -> AsyncIterator[Event]:
        from asyncio import sleep

        told = self.version
        yield Event(told, event="version", retry=300)
        while True:
            await sleep(POLL)
            version = self.version
            if version != told:
                told = version
                yield Event(version, event="styles" if self._only_styles() else "version")

    def _only_styles(self) -> bool:
        try:
            changed = self._file.read_text("utf-8").split("\n")
        except (OSError, UnicodeDecodeError):
            return False
        names = [line for line in map(str.strip, changed) if line]
        return bool(names) and all(name.endswith(".css") for name in names)

    def tag(self) -> str:
        """Return the tag that loads the script, for the request being answered; nothing where its host is refused the script too."""
        request = active_request.get(None)
        if request is not None and _is_refused(request):
            return ""
        root = "" if request is None else request.root_path
        return f'<script src="{escape(root)}{OWN_PREFIX}reload.js" data-version="{self.version}" defer></script>'

    def after(self, request: Request, response: Response) -> Response:
        """Put the tag before the end of a page's body. Streams, files, compressed pages and fragments are left as they are."""
        if response.kind != "body" or not (response.content_type or "").lower().startswith("text/html"):
            return response
        own = response.own_headers
        if own is not None and (own.get("content-encoding") or "content-range" in own):
            return response
        body = response.body
        changed = _before_end(body, self.tag()) if isinstance(body, str) else _before_end_of_bytes(body, self.tag())
        if changed is body:
            return response
        answer = copy.copy(response)  # the application may keep one response for many requests
        answer.body = changed
        if own is not None:
            answer._headers = own.copy()
            for name in STALE:
                answer._headers.pop(name, None)
        return answer


def _is_refused(request: Request) -> bool:
    try:
        return not request.host
    except HTTPError:
        return True


def _before_end(body: str, tag: str) -> str:
    end = max(body.rfind("</body>"), body.rfind("</BODY>"))
    return body if end < 0 or f'{OWN_PREFIX}reload.js"' in body else f"{body[:end]}{tag}\n{body[end:]}"


def _before_end_of_bytes(body: bytes, tag: str) -> bytes:
    end = max(body.rfind(b"</body>"), body.rfind(b"</BODY>"))
    return body if end < 0 or f'{OWN_PREFIX}reload.js"'.encode() in body else b"%s%s\n%s" % (body[:end], tag.encode(), body[end:])


def _script(request: Request) -> Response:
    return Response(SCRIPT.read_bytes(), 200, {"cache-control": "no-store"}, "text/javascript; charset=utf-8")
