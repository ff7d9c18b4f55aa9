"""Applications in folders, and servers started by the functions under test."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

APP = """
import os
import time

from erlen import App

app = App()


@app.get("/")
def home() -> dict[str, int]:
    return {"pid": os.getpid()}


@app.get("/slow")
def slow() -> str:
    print("slow begins", flush=True)
    time.sleep(0.5)
    return "slow"


@app.get("/exit")
def leave() -> None:
    os._exit(3)
"""


class Served:
    """A server that was started by `serve`, and what it wrote."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self.log = log

    @property
    def output(self) -> str:
        return self.log.read_text()

    def wrote(self, text: str, timeout: float = 30.0) -> bool:
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            if text in self.output:
                return True
            time.sleep(0.02)
        return False


def get(address: tuple[str, int] | str, path: str = "/") -> str:
    """Ask for a path; return the body, or nothing where nobody answers."""
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    with socket.socket(family) as connection:
        connection.settimeout(30)
        try:
            connection.connect(address)
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
            received = b""
            while data := connection.recv(65536):
                received += data
        except OSError:
            return ""
    return received.partition(b"\r\n\r\n")[2].decode()


@pytest.fixture
def ask() -> Callable[..., str]:
    return get


@pytest.fixture
def port(free_port: Callable[[], int]) -> int:
    return free_port()


@pytest.fixture
def app_folder(tmp_path: Path) -> Path:
    (tmp_path / "app.py").write_text(APP)
    return tmp_path


@pytest.fixture
def serve(app_folder: Path) -> Iterator[Callable[..., Served]]:
    """A function that calls an engine's `serve(None, ...)` in a process of its own and waits until it answers."""
    started: list[Served] = []

    def start(engine: str, *, wait: bool = True, **options: object) -> Served:
        log = app_folder / f"log{len(started)}"
        imports = f"from pathlib import *\nfrom erlen.server.{engine} import serve\nfrom erlen.server.options import ServeOptions\n"
        code = f"{imports}serve(ServeOptions(target=None, **{options!r}))"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-c", code],
                cwd=app_folder,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=os.environ | {"PYTHONUNBUFFERED": "1"},
            )
        served = Served(process, log)
        started.append(served)
        address = str(options["uds"]) if "uds" in options else ("127.0.0.1", options["port"])
        end = time.monotonic() + 60
        while wait and time.monotonic() < end and process.poll() is None and not get(address):  # type: ignore[arg-type]
            time.sleep(0.05)
        return served

    yield start
    for served in started:
        if served.process.poll() is None:
            served.process.terminate()
    for served in started:
        try:
            served.process.wait(30)
        except subprocess.TimeoutExpired:
            served.process.kill()
            served.process.wait()
