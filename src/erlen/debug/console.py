"""The console in the page of an error: Python in one of its frames. Off unless the setting `debug_console` is on.

Whoever reaches it can do on this machine what the developer can. So it answers only a connection from this machine that came through
no proxy, for a loopback name, from its own pages, after a PIN that stands on the terminal alone (Werkzeug's CVE-2024-34069 is the
attack to have in mind: a page elsewhere whose name resolves to this machine).
"""

from __future__ import annotations

import secrets
import sys
import threading
from collections import OrderedDict
from collections.abc import Sequence
from hmac import compare_digest
from ipaddress import ip_address
from typing import Any

import msgspec
from msgspec import Struct

from erlen.app.routes import Routes
from erlen.debug.frames import Frame
from erlen.debug.tried import OWN_PREFIX
from erlen.errors import BadRequest, Forbidden, HTTPError, NotFound
from erlen.http.request import Request
from erlen.http.response import Response
from erlen.security.hosts import HostPolicy

__all__ = ["Console", "run_code"]

TRIES = 5
KEPT = 5
"""Errors whose frames are kept."""
LONGEST = 20_000
COOKIE = "erlen_console"
FORWARDED = (
    "forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-forwarded-port", "x-forwarded-prefix",
    "x-forwarded-server", "x-real-ip", "cf-connecting-ip", "true-client-ip", "x-client-ip", "x-original-host",
)  # fmt: skip


class Unlock(Struct, forbid_unknown_fields=True):
    """The PIN, as the page sends it."""

    pin: str


class Run(Struct, forbid_unknown_fields=True):
    """Code to run, and the frame to run it in."""

    frame: str
    code: str


class Console:
    """Frames of the last few errors, and a way to run Python in them."""

    def __init__(self) -> None:
        digits = f"{secrets.randbelow(10**9):09}"
        self._pin = f"{digits[:3]}-{digits[3:6]}-{digits[6:]}"
        self._token = secrets.token_urlsafe(32)
        self._failed = 0
        self._kept: OrderedDict[str, Sequence[dict[str, Any]]] = OrderedDict()
        self._lock = threading.Lock()
        self._running = threading.Lock()
        """Held while code runs: what it prints is caught for the whole process. Pages do not wait for it, as they keep their frames."""
        self._loopback = HostPolicy()

    def announce(self) -> None:
        """Print the PIN on the terminal; nowhere else is it to be read."""
        print(f"Debug console: PIN {self._pin}", file=sys.stderr, flush=True)  # noqa: T201 - a log might be sent elsewhere

    def add_routes(self, routes: Routes) -> None:
        """Add the addresses of the console."""
        routes.post(f"{OWN_PREFIX}console/unlock", name="erlen:console.unlock")(self.unlock)
        routes.post(f"{OWN_PREFIX}console", name="erlen:console")(self.run)

    def address_for(self, request: Request) -> str:
        """Return where a page sends what is typed, or nothing where the console would refuse it."""
        try:
            self._check_connection(request)
        except HTTPError:
            return ""
        return f"{request.root_path}{OWN_PREFIX}console"

    def keep(self, frames: Sequence[Frame]) -> dict[int, str]:
        """Keep the variables of an error's frames, and return each frame's name by its identity. Those of older errors are forgotten."""
        key = secrets.token_urlsafe(12)
        shown = [frame for frame in frames if frame.frame is not None]
        spaces = [{**one.frame.f_globals, **one.frame.f_locals} for one in shown if one.frame is not None]
        with self._lock:
            self._kept[key] = spaces
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return {id(frame): f"{key}:{number}" for number, frame in enumerate(shown)}

    def unlock(self, request: Request) -> Response:
        """Compare the PIN; after five wrong ones not even the right one opens."""
        self._check_connection(request)
        self._check_origin(request)
        given = _read(request, Unlock)
        with self._lock:
            if self._failed >= TRIES:
                raise Forbidden("Too many wrong PINs: the console is locked until the server starts again.")
            if not compare_digest(given.pin.replace("-", "").strip().encode(), self._pin.replace("-", "").encode()):
                self._failed += 1
                raise Forbidden("This is not the PIN on the terminal.")
            self._failed = 0
        response = Response(b"", 204)
        response.set_cookie(COOKIE, self._token, path=f"{request.root_path}{OWN_PREFIX}console", httponly=True, samesite="strict")
        return response

    def run(self, request: Request) -> Response:
        """Run code in a frame, and answer with what it printed and its value."""
        self._check_connection(request)
        self._check_origin(request)
        if not compare_digest(request.cookies.get(COOKIE, "").encode(), self._token.encode()):
            raise Forbidden("The console is locked: give the PIN first.", extra={"locked": True})
        given = _read(request, Run)
        key, _, number = given.frame.partition(":")
        with self._lock:
            spaces = self._kept.get(key, ())
        if not number.isascii() or not number.isdigit() or int(number) >= len(spaces):
            raise NotFound("The variables of this frame are no longer kept: load the page again.")
        with self._running:
            return Response(run_code(given.code, spaces[int(number)]))

    def _check_connection(self, request: Request) -> None:
        """Refuse whatever may come from another machine.

        Raises:
            Forbidden: saying why.
        """
        try:
            direct = ip_address(request.peer.partition("%")[0]).is_loopback
        except ValueError:  # a Unix socket, behind which stands a proxy
            direct = False
        if not direct:
            raise Forbidden("The console answers only this machine.")
        if any(request.header(name) is not None for name in FORWARDED):
            raise Forbidden("The console does not answer through a proxy.")
        try:
            self._loopback.check(request.wire_host)
        except BadRequest:
            raise Forbidden("The console answers only for localhost.") from None

    def _check_origin(self, request: Request) -> None:
        """Refuse whatever is not sent by a page of this very origin; those in TRUSTED_ORIGINS are others."""
        site, origin = request.header("sec-fetch-site"), request.header("origin")
        if site not in (None, "same-origin") or origin != f"{request.wire_scheme}://{request.wire_host}":
            raise Forbidden("The console answers only its own pages.")
        if request.content_type != "application/json":  # which no form can send
            raise Forbidden("The console takes JSON.")


def run_code(code: str, space: dict[str, Any]) -> str:
    """Run Python in a namespace, as the interactive interpreter does; return what it prints, its value, or its traceback."""
    import io
    import traceback
    from contextlib import redirect_stderr, redirect_stdout

    output = io.StringIO()
    with redirect_stdout(output), redirect_stderr(output):
        try:
            try:
                value = eval(compile(code, "<console>", "eval"), space)  # noqa: S307 - the purpose of a console
            except SyntaxError:
                exec(compile(code, "<console>", "exec"), space)  # noqa: S102 - as above
                value = None
            if value is not None:
                output.write(repr(value))
        except BaseException as error:  # noqa: BLE001 - `exit()` in the console must not end the server
            tb = error.__traceback__
            output.write("".join(traceback.format_exception(type(error), error, tb.tb_next if tb is not None else None)))
    text = output.getvalue()
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} … ({len(text):,} characters)"


def _read(request: Request, kind: type[Any]) -> Any:
    try:
        return msgspec.json.decode(request.read_body(), type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadRequest(f"{error}.") from None
