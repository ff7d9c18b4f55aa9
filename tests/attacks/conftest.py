"""Servers as `erlen run` starts them, and raw bytes to and from them: a client library would tidy an attack up."""

from __future__ import annotations

import os
import re
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from msgspec import Struct

HERE = Path(__file__).parent
ERLEN = Path(sys.executable).with_name("erlen")
KEY = "a key for tests that is long enough to sign with"

# Each door once, by two engines: granian parses HTTP alike for all of its interfaces.
OPTIONS = {
    "rsgi": ("--door", "rsgi"),
    "asgi": ("--door", "asgi"),
    "wsgi": ("--door", "wsgi"),
    "uvicorn": ("--engine", "uvicorn"),
}
KINDS = ("rsgi", "wsgi", "uvicorn")


class Answer(Struct):
    """A response, taken apart by hand so that nothing is mended."""

    status: int
    fields: list[tuple[str, str]]
    body: bytes

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.fields if key == name]

    @property
    def text(self) -> str:
        return self.body.decode()


def take_apart(raw: bytes) -> list[Answer]:
    """Return every response of a connection; what is cut off or no response is an error."""
    answers = []
    while raw:
        head, end, raw = raw.partition(b"\r\n\r\n")
        assert end, head
        first, *lines = head.decode("latin-1").split("\r\n")
        found = re.fullmatch(r"HTTP/1\.[01] ([0-9]{3}) [^\r\n]*", first)
        assert found is not None, first
        status = int(found[1])
        fields = [(name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]
        answer = Answer(status, fields, b"")
        if answer.all("transfer-encoding") == ["chunked"]:
            while True:
                number, _, raw = raw.partition(b"\r\n")
                size = int(number, 16)
                answer.body += raw[:size]
                raw = raw[size + 2 :]
                if not size:
                    break
        elif lengths := answer.all("content-length"):
            assert len(lengths) == 1, fields
            answer.body, raw = raw[: int(lengths[0])], raw[int(lengths[0]) :]
        elif status >= 200:  # the end of the connection ends it
            answer.body, raw = raw, b""
        if status >= 200:
            answers.append(answer)
    return answers


class Live:
    """A server in a process of its own, which listens on a port or a Unix socket."""

    def __init__(self, process: subprocess.Popen[bytes], address: tuple[str, int] | str, log: Path) -> None:
        self.process = process
        self.address = address
        self.log = log

    def connect(self, tls: ssl.SSLContext | None = None) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX if isinstance(self.address, str) else socket.AF_INET)
        connection.settimeout(30)
        try:
            connection.connect(self.address)
            return connection if tls is None else tls.wrap_socket(connection, server_hostname="localhost")
        except OSError:
            connection.close()
            raise

    def exchange(self, raw: bytes, *, wait: float = 0.4, half_close: bool = False, tls: ssl.SSLContext | None = None) -> list[Answer]:
        """Send raw bytes; return what comes until the connection ends or is silent for `wait` seconds."""
        received = b""
        with self.connect(tls) as connection:
            try:
                connection.sendall(raw)
                if half_close:
                    connection.shutdown(socket.SHUT_WR)
                # Longer for the first bytes: the machine may be busy.
                while data := connection.recv(65536):
                    received += data
                    connection.settimeout(wait)
            except (TimeoutError, ConnectionError, ssl.SSLError):
                pass
        return take_apart(received)

    def ask(self, target: str, *fields: str, method: str = "GET", host: str = "example.com", tls: ssl.SSLContext | None = None) -> Answer:
        """Send one request without a body, and return its only answer."""
        head = "\r\n".join([f"{method} {target} HTTP/1.1", f"Host: {host}", "Connection: close", *fields, "", ""])
        (answer,) = self.exchange(head.encode("latin-1"), wait=5, tls=tls)
        return answer

    def send(self, target: str, body: bytes, content_type: str, *fields: str, chunked: bool = False) -> Answer:
        """Send one request with a body, chunked or with its length, and return its only answer."""
        head = [f"POST {target} HTTP/1.1", "Host: example.com", "Connection: close", f"Content-Type: {content_type}", *fields]
        if chunked:
            head.append("Transfer-Encoding: chunked")
            pieces = [body[start : start + 50_000] for start in range(0, len(body), 50_000)]
            body = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
        else:
            head.append(f"Content-Length: {len(body)}")
        (answer,) = self.exchange("\r\n".join([*head, "", ""]).encode("latin-1") + body, wait=5)
        return answer

    def is_listening(self) -> bool:
        try:
            self.connect().close()
        except OSError:
            return False
        return True

    def stop(self) -> None:
        """End the server, if it has not ended."""
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory, free_port: Callable[[], int]) -> Iterator[Callable[..., Live]]:
    """A function that serves an application with `erlen run` and the given options; all are ended with the tests."""
    started: list[Live] = []

    def start(*options: str, app: Path = HERE / "target_app.py", uds: Path | None = None, **variables: str) -> Live:
        address: tuple[str, int] | str = ("127.0.0.1", free_port()) if uds is None else str(uds)
        where = ("--unix", str(uds)) if uds is not None else ("--port", str(address[1]))
        log = tmp_path_factory.mktemp("server") / "log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [ERLEN, "run", *where, *options],
                stdout=output,
                stderr=subprocess.STDOUT,
                env=os.environ | {"ERLEN_APP": f"{app}:app", "SECRET_KEY": KEY, "PYTHONUNBUFFERED": "1"} | variables,
            )
        live = Live(process, address, log)
        started.append(live)
        end = time.monotonic() + 60
        while not live.is_listening():
            if process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"the server did not start: {log.read_text()}")
            time.sleep(0.05)
        return live

    yield start
    for live in started:
        live.process.terminate()
    for live in started:
        live.stop()


@pytest.fixture(scope="session")
def running(run: Callable[..., Live]) -> Callable[[str], Live]:
    """One running server of each kind, shared by the tests that leave it as it is."""
    found: dict[str, Live] = {}

    def get(kind: str) -> Live:
        if kind not in found:
            found[kind] = run(*OPTIONS[kind])
        return found[kind]

    return get


@pytest.fixture(params=KINDS)
def live(request: pytest.FixtureRequest, running: Callable[[str], Live]) -> Live:
    """Each kind of server in turn."""
    return running(request.param)
