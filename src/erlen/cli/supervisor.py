"""The process behind `erlen dev`: watches the project, and starts the server process anew when its code changes."""

from __future__ import annotations

import os
import queue
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from importlib.util import cache_from_source
from pathlib import Path
from typing import Any

import click
import msgspec

from erlen.cli.address import network_place
from erlen.cli.dev_server import ENDING, ORDERS, News, Orders
from erlen.cli.watch import Change, Project, Watcher, has_watchfiles
from erlen.observe.escape import escape

__all__ = ["Supervisor"]

RELOAD_FILE = "ERLEN_RELOAD_FILE"
"""The variable with the file that is rewritten when browsers should load their page again: a changed path on each line."""
STOP = 2.5
"""Seconds that a server process has to end before it is killed."""
STUBBORN = 3
"""How often in a row a file may change while the application starts before it counts as written by the application."""


class Supervisor:
    """Keeps one server process for the present state of the project.

    The listening socket stays open from one process to the next, so that a request in between waits instead of failing. The server
    process holds the other end of a pipe: it ends when this one does, even by SIGKILL.

    Args:
        listener: a socket that listens.
        spec: the application, as for `load_app`.
        address: what it is called in messages.
        when_serving: called when the first process serves, such as to open a browser.
    """

    def __init__(self, listener: socket.socket, spec: str | None, address: str, when_serving: Callable[[], object]) -> None:
        self.listener = listener
        self.spec = spec
        self.address = address
        self.when_serving = when_serving
        self.root = Path.cwd()
        self.events: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.watcher = Watcher(Project([str(self.root)]), self.events.put)
        self.process: subprocess.Popen[bytes] | None = None
        self.lifeline = -1
        self.began = 0.0
        self.spawned = 0.0
        self.started = 0.0
        self.cause = ""
        self.introduced = False
        self.ended = False
        self.during_start: dict[str, int] = {}
        self.last_start: dict[str, int] = {}

    def run(self) -> int:
        """Serve until SIGINT or SIGTERM.

        Returns:
            the exit code: 1 when there was no application to begin with, else 0.
        """
        endings = (*ENDING, signal.SIGHUP)
        for number in endings:
            signal.signal(number, self._end)
        with tempfile.TemporaryDirectory(prefix="erlen-") as private:
            self.reload_file = Path(private, "reload")
            self.reload_file.touch()
            try:
                self._start()
                self.watcher.start()
                # Ctrl-C reaches the server process too: that it has ended may be heard of first.
                while (event := self.events.get()) is not None and not self.ended:
                    if isinstance(event, list):
                        self._on_changes(event)
                    elif event[0] is self.process and not self._on_process(event[1]):
                        return 1
                click.echo("")
                return 0
            finally:
                for number in endings:
                    signal.signal(number, signal.SIG_IGN)
                self.watcher.stop()
                self._stop()

    def _end(self, *_: object) -> None:
        self.ended = True
        self.events.put(None)  # safe in the middle of anything else

    # -- what happens -----------------------------------------------------------------------------------------------------------

    def _on_changes(self, changes: list[Change]) -> None:
        code = [change.path for change in changes if change.kind == "code"]
        names = [os.path.relpath(path, self.root) for path in (code or [change.path for change in changes])]
        shown = names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
        if not code:
            self.reload_file.parent.mkdir(mode=0o700, exist_ok=True)  # a cleaner of temporary folders may have been there
            whole = self.reload_file.with_suffix(".new")  # browsers are told as soon as its time changes: it must be whole by then
            whole.write_text("".join(f"{change.path}\n" for change in changes), encoding="utf-8", errors="surrogateescape")
            whole.replace(self.reload_file)
            self._say(f"{shown} changed: browsers load it anew")
            return
        written = [path for path in code if self._was_written_during_start(path)]
        if written:
            self.during_start |= {path: self.last_start.get(path, 0) + 1 for path in written}
            if all(self.during_start.get(path, 0) >= STUBBORN for path in code):
                self._say(f"{shown} is written whenever the application starts: that is no reason to start it again", "yellow")
                return
        self._restart(shown, code)

    def _on_process(self, news: News | int) -> bool:
        """Take news of the server process, or its exit code; return False where there is no reason to go on."""
        if isinstance(news, int):
            how = f"exit code {news}" if news >= 0 else f"signal {signal.Signals(-news).name}"
            self._say(f"The server process ended by itself ({how}). It starts again after the next change.", "red")
            again = self.crashed  # not even the process that shows this lives: a third would not either
            self._stop()
            if not again:
                self._start(crash=how)
            return True
        roots = [news.root] if news.root and not Path(news.root).is_relative_to(self.root) else []
        self.watcher.extend(roots=roots, folders=news.folders, modules=news.modules)
        if news.state == "missing" and not self.introduced:
            click.echo(f"Error: {news.text}", err=True)
            return False
        if news.state in ("serving", "failed"):
            self._on_started(news)
        return True

    def _on_started(self, news: News) -> None:
        first = not self.introduced
        took = f"{time.monotonic() - self.began:.2f} s"
        if first:
            self._introduce(news)
        if news.state == "serving":
            if self.cause:
                self._say(f"{self.cause} changed: restarted in {took}", "green")
        elif self.cause:
            self._say(f"{self.cause} changed, and the application does not load:", "red")
        elif first:
            click.secho("  The application does not load:", fg="red", err=True)
        if news.state == "failed" and not self.crashed:
            click.echo("\n" + "\n".join(f"    {line}" for line in news.text.splitlines()) + "\n", err=True)
        self.started = time.time()
        if first:
            self.introduced = True
            self.when_serving()

    def _was_written_during_start(self, path: str) -> bool:
        """Return whether a file was written while the present server process was loading the application."""
        try:
            return self.spawned <= os.stat(path).st_mtime <= (self.started or time.time())
        except OSError:
            return False

    def _introduce(self, news: News) -> None:
        means = "watchfiles" if has_watchfiles() else "looking twice a second; `pip install watchfiles` notices sooner"
        host, port = self.listener.getsockname()[:2]
        lines = [("network", network_place(host, port, news.hosts))]
        lines += [("app", f"{news.app} in {news.root}" if news.app else "")]
        lines += [("door", news.door), ("debug", "on" if news.debug else "off")] if news.state == "serving" else []
        count = self.watcher.count
        lines += [("watches", f"{count} {'file' if count == 1 else 'files'} by {means}")]
        click.echo(f"Erlen serves {click.style(self.address, bold=True)} for development; Ctrl-C ends it", err=True)
        for name, text in lines:
            if text:
                click.echo(f"  {name:<8} {text}", err=True)

    def _say(self, text: str, colour: str | None = None) -> None:
        click.secho(f"{time.strftime('%H:%M:%S')} {escape(text)}", fg=colour, err=True)

    # -- the server process -----------------------------------------------------------------------------------------------------

    def _restart(self, cause: str, changed: list[str]) -> None:
        self.cause = cause
        began = time.monotonic()
        self._stop()
        _forget_compiled(changed)
        self._start()
        self.began = began

    def _start(self, crash: str = "") -> None:
        self.last_start, self.during_start = self.during_start, {}
        self.crashed = bool(crash)
        self.began = time.monotonic()
        self.spawned, self.started = time.time(), 0.0
        lifeline, self.lifeline = os.pipe()
        news, told = os.pipe()
        orders = Orders(self.listener.fileno(), lifeline, told, self.spec, crash)
        environment = self._environment() | {ORDERS: msgspec.json.encode(orders).decode(), RELOAD_FILE: str(self.reload_file)}
        process = subprocess.Popen(
            [sys.executable, "-m", "erlen.cli.dev_server"],
            env=environment,
            pass_fds=(orders.listener, lifeline, told),
        )
        os.close(lifeline)
        os.close(told)
        self.process = process
        threading.Thread(target=self._listen, args=(process, news), daemon=True).start()
        threading.Thread(target=lambda: self.events.put((process, process.wait())), daemon=True).start()

    def _listen(self, process: subprocess.Popen[bytes], news: int) -> None:
        with os.fdopen(news, "rb") as lines:
            for line in lines:
                self.events.put((process, msgspec.json.decode(line, type=News)))

    def _stop(self) -> None:
        process, self.process = self.process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(STOP)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        os.close(self.lifeline)

    def _environment(self) -> dict[str, str]:
        """Return the environment without what came from `.env`, which each process reads anew."""
        from erlen.cli.environment import ENV_FILE, names_from_file

        left_out = {*names_from_file(), ENV_FILE}
        return {name: value for name, value in os.environ.items() if name not in left_out}


def _forget_compiled(files: list[str]) -> None:
    """Remove what Python has compiled of source files: it would take a file of the same size, saved in the same second, for unchanged."""
    for file in files:
        if file.endswith(".py"):
            with suppress(OSError, NotImplementedError):
                os.unlink(cache_from_source(file))
