"""A folder with an application, and the command line in it."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import subprocess
import sys
import termios
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from textwrap import dedent

import pytest
from click.testing import CliRunner, Result

from erlen.cli.main import main

Run = Callable[..., Result]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty current folder; what is imported from it is forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ERLEN_APP", raising=False)
    monkeypatch.setattr(sys, "path", [*sys.path])
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


@pytest.fixture
def write(folder: Path) -> Callable[..., Path]:
    """A function that writes a file into the folder: `write("app.py", source)`."""

    def write(name: str, source: str) -> Path:
        file = folder / name
        file.write_text(dedent(source))
        return file

    return write


@pytest.fixture
def run(folder: Path) -> Run:
    """The command line: `run("routes", "--json")`."""

    def run(*arguments: str, **environment: str) -> Result:
        return CliRunner().invoke(main, arguments, env=environment, prog_name="erlen")

    return run


class Development:
    """`erlen dev` in a folder, on a pseudo-terminal of its own."""

    def __init__(self, folder: Path, port: int, *arguments: str, **environment: str) -> None:
        self.folder = folder
        self.port = port
        self.master, terminal = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "erlen", "dev", "--port", str(self.port), *arguments],
            cwd=folder,
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            start_new_session=True,
            preexec_fn=partial(fcntl.ioctl, terminal, termios.TIOCSCTTY, 0),  # Ctrl-C reaches all processes of the terminal
            env={name: value for name, value in os.environ.items() if name != "DEBUG"}
            | {"TERM": "xterm", "TMPDIR": str(folder.parent)}
            | environment,
        )
        os.close(terminal)
        self.written = b""
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        while True:
            try:
                data = os.read(self.master, 65536)
            except OSError:  # every process has closed the terminal
                return
            if not data:
                return
            self.written += data

    @property
    def output(self) -> str:
        """What was written, without colours and carriage returns."""
        return re.sub(r"\x1b\[[0-9;]*m", "", self.written.decode().replace("\r", ""))

    def wrote(self, text: str, times: int = 1) -> bool:
        """Wait until a text was written so many times."""
        found = until(lambda: self.output.count(text) >= times)
        if not found:
            print(self.output)
        return found

    def ask(self, path: str = "/", **headers: str) -> str:
        """Ask for a path and return the body; the server process may be starting."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                return str(response.read().decode())
        except urllib.error.HTTPError as error:
            with error:
                return str(error.read().decode())

    def change(self, name: str, text: str) -> None:
        """Write a file."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text))

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        os.write(self.master, b"\x03")

    def close(self) -> None:
        """End whatever still runs."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.reader.join(3)
        os.close(self.master)


def until(condition: Callable[[], object], seconds: float = 60.0) -> bool:
    """Wait until a condition holds; return whether it does. The machine may be busy with much else."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return bool(condition())


@pytest.fixture
def port(free_port: Callable[[], int]) -> int:
    """A port to serve on."""
    return free_port()


@pytest.fixture
def waits() -> Callable[..., bool]:
    """A function that waits until a condition holds: `waits(lambda: …)`."""
    return until


@pytest.fixture
def develop(tmp_path: Path, free_port: Callable[[], int]) -> Iterator[Callable[..., Development]]:
    """A function that runs `erlen dev` in a folder with these files: `develop({"app.py": source}, "--no-reload", DEBUG="0")`."""
    started: list[Development] = []

    def start(files: dict[str, str], *arguments: str, wait: str = "Erlen serves", **environment: str) -> Development:
        for name, text in files.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(dedent(text))
        running = Development(tmp_path, free_port(), *arguments, **environment)
        started.append(running)
        assert running.wrote(wait), running.output
        return running

    yield start
    for running in started:
        running.close()
