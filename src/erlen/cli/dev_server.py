"""The process that `erlen dev` starts anew after each change: loads the application and serves it, or the reason why it does not load."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from erlen.cli.load_error import describe_load_error, is_library
from erlen.cli.worker import leave

if TYPE_CHECKING:
    from erlen.app.site import Site

__all__ = ["DevServer", "News", "Orders", "main", "serve"]

ORDERS = "ERLEN_DEV_ORDERS"
"""The variable with what the supervisor wants, as JSON."""
ENDING = (signal.SIGTERM, signal.SIGINT)
FINISH = 0.3
"""Seconds that requests in flight have when the server is to end."""
END = 2.0
"""Seconds after which it ends whatever still runs."""


class Orders(Struct, frozen=True):
    """What the supervisor wants served: descriptors that are inherited, and the application."""

    listener: int
    lifeline: int
    """A pipe that closes when the supervisor dies."""
    news: int
    """A pipe for `News`, one JSON object a line."""
    spec: str | None = None
    crash: str = ""
    """How the process before this one ended by itself: that is shown instead of the application."""


class News(Struct, frozen=True, omit_defaults=True):
    """What the supervisor is told."""

    state: str
    """`serving`, `failed`, `missing` (there is no application) or `modules` (more were imported)."""
    text: str = ""
    app: str = ""
    door: str = ""
    debug: bool = False
    root: str = ""
    hosts: list[str] = []
    """The setting `allowed_hosts`."""
    folders: list[str] = []
    modules: list[str] = []


class DevServer:
    """Loads and serves an application on a socket that listens already, with granian inside this process.

    Args:
        listener: the socket.
        spec: the application, as for `load_app`.
        tell: called with news.
        crash: how the process before this one ended by itself, if it did.
    """

    def __init__(self, listener: socket.socket, spec: str | None, tell: Callable[[News], object], crash: str = "") -> None:
        self.listener = listener
        self.spec = spec
        self.tell = tell
        self.crash = crash
        self.root = Path.cwd()
        self.app = ""
        self.failed = False
        self.folders: list[str] = []

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT, or until `end` is called from a signal handler."""
        try:
            site = self._load()
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever an application raises while it loads is shown
            site = self._fail(error)
        if find_spec("uvloop") is not None:  # as in production
            import uvloop

            runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
        else:
            runner = asyncio.Runner()
        with runner:
            runner.run(self._serve(site))

    def _load(self) -> Any:
        from erlen.app.application import App
        from erlen.app.site import Site
        from erlen.cli.environment import load_env_file
        from erlen.errors import ConfigurationError, ErlenError, Mistake
        from erlen.server.target import find_target, load_app

        if self.crash:
            raise ErlenError(f"The server process ended by itself ({self.crash}). It starts again after the next change.")
        load_env_file(Path(".env"))
        os.environ.setdefault("DEBUG", "1")
        try:
            target = find_target(self.spec)
        except ConfigurationError as error:
            self.tell(News("missing", text=str(error)))
            raise
        self.app, self.root = str(target), target.folder
        found = load_app(self.spec)
        if isinstance(found, App):
            self.folders = asset_folders(found.site, Path(found.file).absolute().parent)
            return found.site
        if isinstance(found, Site):
            self.folders = asset_folders(found, self.root)
            return found
        raise ConfigurationError(Mistake(f"{found!r} is no Erlen application.", where=str(target), fix="Name an `App` there."))

    def _fail(self, error: BaseException) -> Any:
        """Report why there is no application, and return a site that shows it."""
        from erlen.debug.failure import failure_app

        self.failed = True
        self.tell(self._news("failed", text=describe_load_error(error, self.root)))
        return failure_app(error, self.root).site

    def _news(self, state: str, **more: Any) -> News:
        return News(state, app=self.app, root=str(self.root), modules=imported_files(), **more)

    async def _serve(self, site: Any) -> None:
        from erlen.app.door import choose_door
        from erlen.app.settings import Settings
        from erlen.doors.lifespan import Lifespan

        ending = asyncio.Event()
        _on_end(ending)
        lifespan = Lifespan(site)
        try:
            await lifespan.start()
        except Exception as error:  # noqa: BLE001 - whatever an application raises when it starts is shown
            site = self._fail(error)
            lifespan = Lifespan(site)
            await lifespan.start()
        choice = choose_door(site)
        server = _granian(site, choice.door, self.listener)
        if not self.failed:
            door = f"{choice.door}: {choice.reason}"
            hosts = list(site.settings.allowed_hosts)
            self.tell(self._news("serving", door=door, debug=site.settings.debug, hosts=hosts, folders=self.folders))
        _configure_logging(Settings(debug=True) if self.failed else site.settings)
        serving = asyncio.create_task(server.serve())
        watching = asyncio.create_task(self._tell_of_modules())
        waiting = asyncio.create_task(ending.wait())
        await asyncio.wait({serving, waiting}, return_when=asyncio.FIRST_COMPLETED)
        watching.cancel()
        if not ending.is_set():
            waiting.cancel()
            serving.result()  # raises why it has ended by itself
        site.draining.start()
        server.stop()
        await asyncio.wait({serving}, timeout=FINISH)
        await lifespan.stop()
        if not serving.done():
            _mute()

    async def _tell_of_modules(self) -> None:
        known = set(imported_files())
        count = len(sys.modules)
        while True:
            await asyncio.sleep(1)
            if len(sys.modules) == count:
                continue
            count = len(sys.modules)
            new = set(imported_files()) - known
            if new:
                known |= new
                self.tell(News("modules", modules=sorted(new)))


def serve(listener: socket.socket, spec: str | None, tell: Callable[[News], object]) -> None:
    """Serve without a supervisor until SIGTERM or SIGINT, and end this process."""
    DevServer(listener, spec, tell).run()
    leave()


def imported_files() -> list[str]:
    """Return the source files of the application's own modules that are imported."""
    files = {getattr(module, "__file__", None) for module in [*sys.modules.values()]}
    return sorted(file for file in files if isinstance(file, str) and file.endswith(".py") and not is_library(file))


def asset_folders(site: Site, root: Path) -> list[str]:
    """Return the folders of templates and static files that an application in the folder `root`, its blueprints and its plugins name."""
    from erlen.static.plugin import Static

    templates, static = site.extensions.get("templates"), site.extensions.get("static")
    folders = [] if templates is None else [folder.path for folder in templates.folders.folders]
    folders += [] if static is None else [source.root for source in static.sources]
    # Those with a prefix of their own, such as a built frontend, are apart from the other static files.
    folders += [root / plugin.folder for plugin in site.plugins.values() if isinstance(plugin, Static) and plugin.folder is not None]
    return sorted({str(Path(folder).resolve()) for folder in folders})


def _granian(site: Any, door: str, listener: socket.socket) -> Any:
    from granian import _granian as native
    from granian.constants import Interfaces
    from granian.http import HTTP1Settings
    from granian.log import LogLevels
    from granian.server.embed import Server

    from erlen.server.granian import ACCESS_LOG, HEAD_SIZE, TO_ROOT

    holder: Any = native.SocketHolder  # granian has no public way to serve on a socket that is there

    class Embedded(Server):
        """A server on a socket that its process has inherited."""

        def _init_shared_socket(self) -> None:
            self._shd = holder(os.dup(listener.fileno()), False, 1024)

    # The site's start and stop are run here: where they fail, the reason is served.
    return Embedded(
        site.asgi if door == "asgi" else site.rsgi.__rsgi__,
        interface=Interfaces.ASGINL if door == "asgi" else Interfaces.RSGI,
        websockets=False,
        http1_settings=HTTP1Settings(max_buffer_size=HEAD_SIZE),
        log_level=LogLevels.error,
        log_dictconfig=TO_ROOT,
        log_access=True,
        log_access_format=ACCESS_LOG,
    )


def _on_end(ending: asyncio.Event) -> None:
    """Set the event at SIGTERM and SIGINT, and end the process a while later whatever still runs."""
    loop = asyncio.get_running_loop()

    def end(*_: object) -> None:
        if not ending.is_set():
            loop.call_soon_threadsafe(ending.set)
            _end_after(END)

    for number in ENDING:
        signal.signal(number, end)


def _configure_logging(settings: Any) -> None:
    import logging

    from erlen.observe.logging import configure_logging

    configure_logging(settings)
    # What the tools in the browser ask for is no request of the application.
    logging.getLogger("granian.access").addFilter(lambda record: "/__erlen__/" not in record.getMessage())


def _mute() -> None:
    """Keep quiet about the requests that are cut off now: that is what a restart does."""
    import logging

    for name in ("_granian", "asyncio", "granian.access"):
        logger = logging.getLogger(name)
        logger.addHandler(logging.NullHandler())
        logger.propagate = False


def _end_after(seconds: float) -> None:
    def end() -> None:
        time.sleep(seconds)
        os._exit(0)

    threading.Thread(target=end, daemon=True).start()


def _follow(lifeline: int) -> None:
    """End this process when the supervisor is gone, however it ended."""

    def wait() -> None:
        os.read(lifeline, 1)
        reload_file = Path(os.environ["ERLEN_RELOAD_FILE"])
        with suppress(OSError):  # what the supervisor would have removed
            reload_file.unlink(missing_ok=True)
            reload_file.parent.rmdir()
        os.kill(os.getpid(), signal.SIGTERM)
        _end_after(END)

    threading.Thread(target=wait, name="erlen-lifeline", daemon=True).start()


def main() -> None:
    """Serve as the supervisor orders."""
    orders = msgspec.json.decode(os.environ.pop(ORDERS), type=Orders)
    for descriptor in (orders.listener, orders.lifeline, orders.news):
        os.set_inheritable(descriptor, False)
    for number in ENDING:
        signal.signal(number, lambda *_: os._exit(0))  # while it loads there is nothing to finish
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # a closed terminal ends the supervisor, and that this process
    _follow(orders.lifeline)

    def tell(news: News) -> None:
        with suppress(OSError):
            os.write(orders.news, msgspec.json.encode(news) + b"\n")

    DevServer(socket.socket(fileno=orders.listener), orders.spec, tell, orders.crash).run()
    leave()


if __name__ == "__main__":
    main()
