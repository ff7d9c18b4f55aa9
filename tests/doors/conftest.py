"""A small site behind the doors, and real servers for it."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.doors.small_site import Endpoint, SmallSite

HERE = Path(__file__).parent
ROOT = HERE.parent.parent

# Each door once, by two engines (granian parses HTTP alike for all of its interfaces), and granian's ASGI for what only it does.
KINDS = ("rsgi", "asgi-uvicorn", "wsgi")
LOOP_KINDS = KINDS[:2]
ALL_KINDS = (*KINDS, "asgi-granian")


class Server:
    """A real server in a process of its own."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
        self.process = process
        self.port = port
        self.log = log

    def exchange(self, *parts: bytes | float, half_close: bool = False, silence: float | None = None) -> bytes:
        """Send raw bytes (a number is a pause in seconds) and return what comes until the connection ends.

        With `silence` it may also stay open and be silent for so many seconds.

        Raises:
            TimeoutError: if it stays open.
        """
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as connection:
            for part in parts:
                if isinstance(part, bytes):
                    try:
                        connection.sendall(part)
                    except (BrokenPipeError, ConnectionResetError):
                        break
                else:
                    time.sleep(part)
            if half_close:
                with contextlib.suppress(OSError):  # the server has closed already
                    connection.shutdown(socket.SHUT_WR)
            return read_to_end(connection, silence)

    def get(self, path: str, *fields: str, method: str = "GET", body: bytes = b"") -> Answer:
        head = [f"{method} {path} HTTP/1.1", "Host: example.com", "Connection: close", *fields]
        if body:
            head.append(f"Content-Length: {len(body)}")
        return Answer(self.exchange("\r\n".join([*head, "", ""]).encode("latin-1") + body))

    def logged(self, text: str, times: int = 1) -> bool:
        """Wait until a text was written so many times."""
        end = time.monotonic() + 30
        while time.monotonic() < end:
            if self.log.read_text().count(text) >= times:
                return True
            time.sleep(0.02)
        return False

    def stop(self) -> None:
        """Tell the server to stop, and wait until it has ended."""
        self.process.terminate()
        self.process.wait(60)


class Answer:
    """A response, taken apart by hand so that nothing is mended."""

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        head, _, self.body = raw.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        self.status = int(lines[0].split(" ")[1]) if raw else 0
        self.fields = [(name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines[1:])]
        if self.all("transfer-encoding") == ["chunked"]:
            self.body, self.complete = unchunk(self.body)
        else:
            length = self.field("content-length")
            self.complete = length is None or len(self.body) == int(length)

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.fields if key == name]

    def field(self, name: str) -> str | None:
        values = self.all(name)
        return values[0] if values else None

    @property
    def text(self) -> str:
        return self.body.decode()


def unchunk(data: bytes) -> tuple[bytes, bool]:
    body = b""
    while True:
        size, separator, data = data.partition(b"\r\n")
        if not separator:
            return body, False
        length = int(size, 16)
        if length == 0:
            return body, True
        body += data[:length]
        data = data[length + 2 :]


def read_to_end(connection: socket.socket, silence: float | None) -> bytes:
    connection.settimeout(30 if silence is None else silence)
    received = b""
    try:
        while data := connection.recv(65536):
            received += data
    except ConnectionResetError:
        pass
    except TimeoutError:
        if silence is None:
            raise TimeoutError(f"the connection was left open after {received!r}") from None
    return received


def command(kind: str, port: int) -> list[str]:
    server, _, door = {"rsgi": "granian:rsgi", "asgi-granian": "granian:asgi", "asgi-uvicorn": "uvicorn:asgi", "wsgi": "granian:wsgi"}[
        kind
    ].partition(":")
    target = f"tests.doors.site_app:{door}"
    if server == "uvicorn":
        return [sys.executable, "-m", "uvicorn", "--port", str(port), "--http", "h11", "--loop", "asyncio", target]
    options = ["--interface", door, "--host", "127.0.0.1", "--port", str(port), "--workers-kill-timeout", "60", "--loop", "asyncio"]
    if door == "wsgi":
        options += ["--blocking-threads", "4"]
    return [sys.executable, "-m", "granian", *options, target]


@pytest.fixture(scope="session")
def start_server(tmp_path_factory: pytest.TempPathFactory, free_port: Callable[[], int]) -> Iterator[Callable[[str], Server]]:
    """A function that starts a server of a kind; all are ended with the tests."""
    started: list[Server] = []

    def start(kind: str) -> Server:
        port = free_port()
        log = tmp_path_factory.mktemp("server") / "log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                command(kind, port), cwd=ROOT, stdout=output, stderr=subprocess.STDOUT, env=os.environ | {"PYTHONUNBUFFERED": "1"}
            )
        server = Server(process, port, log)
        started.append(server)
        end = time.monotonic() + 60
        while time.monotonic() < end and process.poll() is None:
            try:
                if server.get("/").status == 200:
                    return server
            except OSError:
                time.sleep(0.05)
        raise RuntimeError(f"the {kind} server did not start: {log.read_text()}")

    yield start
    for server in started:
        if server.process.poll() is None:
            server.process.terminate()
    for server in started:
        try:
            server.process.wait(30)
        except subprocess.TimeoutExpired:
            server.process.kill()
            server.process.wait()


@pytest.fixture(scope="session")
def servers(start_server: Callable[[str], Server]) -> Callable[[str], Server]:
    """One running server of each kind, shared by the tests that leave it as it is."""
    running: dict[str, Server] = {}

    def get(kind: str) -> Server:
        if kind not in running:
            running[kind] = start_server(kind)
        return running[kind]

    return get


@pytest.fixture(params=KINDS)
def server(request: pytest.FixtureRequest, servers: Callable[[str], Server]) -> Server:
    """Each kind of server in turn."""
    return servers(request.param)


@pytest.fixture(params=ALL_KINDS)
def any_server(request: pytest.FixtureRequest, servers: Callable[[str], Server]) -> Server:
    """Each kind of server in turn, and granian's ASGI."""
    return servers(request.param)


@pytest.fixture(params=LOOP_KINDS)
def engine(request: pytest.FixtureRequest, servers: Callable[[str], Server]) -> Server:
    """Each engine in turn: for what it refuses before a door is asked."""
    return servers(request.param)


@pytest.fixture(params=LOOP_KINDS)
def loop_server(request: pytest.FixtureRequest, servers: Callable[[str], Server]) -> Server:
    """Each kind of server that has an event loop, in turn."""
    return servers(request.param)


def load_small_site() -> Any:
    # By path: test folders are no packages, and share nothing but fixtures.
    spec = importlib.util.spec_from_file_location("small_site", HERE / "small_site.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def make_site() -> Iterator[Callable[..., SmallSite]]:
    """A function that makes a site of endpoints by path; `threaded` ones run in the pool."""
    module = load_small_site()
    made: list[SmallSite] = []

    def make(endpoints: dict[str, Endpoint] | None = None, threaded: dict[str, Endpoint] | None = None, **options: Any) -> SmallSite:
        site: SmallSite = module.SmallSite({**module.ENDPOINTS, **module.LOOP_ENDPOINTS, **(endpoints or {})}, threaded or {}, **options)
        made.append(site)
        return site

    yield make
    for site in made:
        site.pool.close()
        site.background.close()
