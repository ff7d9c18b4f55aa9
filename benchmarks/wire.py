"""One request and its answer on a raw socket, and whether the answer is right."""

from __future__ import annotations

import json
import socket
from html.parser import HTMLParser
from typing import NamedTuple

from benchmarks.contest import Contestant, Scenario

__all__ = ["Answer", "WrongAnswer", "ask", "check", "same_bytes", "visible_headers"]

# Written by the server, not by the application.
_SERVER_HEADERS = frozenset({"date", "server", "content-length", "connection", "transfer-encoding"})


class WrongAnswer(Exception):
    """A contestant answered something else than the scenario asks for."""


class Answer(NamedTuple):
    """A status, the header fields in the order sent, and the body."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str:
        """Return the first value of a field, or nothing."""
        return next((value for key, value in self.headers if key == name), "")


def ask(port: int, path: str, body: bytes = b"") -> Answer:
    """Send one request over a connection of its own and read the answer to the end.

    Raises:
        OSError: where nothing listens, or no answer comes within 5 seconds.
    """
    lines = [f"{'POST' if body else 'GET'} {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", "Connection: close"]
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall("\r\n".join([*lines, "", ""]).encode() + body)
        received = bytearray()
        while chunk := connection.recv(65536):
            received += chunk
    head, _, content = bytes(received).partition(b"\r\n\r\n")
    if not head:
        raise ConnectionError("the server closed the connection without an answer")
    first, *fields = head.decode("latin-1").split("\r\n")
    headers = [(name.lower(), value.strip()) for name, _, value in (field.partition(":") for field in fields)]
    answer = Answer(int(first.split(" ", 2)[1]), headers, content)
    return answer._replace(body=_unchunk(content)) if answer.header("transfer-encoding") == "chunked" else answer


def check(port: int, contestant: Contestant, scenario: Scenario) -> Answer:
    """Ask as the scenario does and return the answer.

    Of a page the text of all table cells is compared, so that it does not matter how characters are escaped.

    Raises:
        WrongAnswer: on another status, media type or body, or where a request that must be refused (400-499) is not.
    """
    answer = ask(port, scenario.path, scenario.body)
    where = f"{contestant.name}, {scenario.method} {scenario.path}"
    if answer.status != 200:
        raise WrongAnswer(f"{where}: status {answer.status}, not 200: {answer.body[:300]!r}")
    media_type = answer.header("content-type").partition(";")[0]
    if scenario.text is not None:
        right, expected = answer.body == scenario.text.encode(), "text/plain"
    elif scenario.cells:
        right, expected = _Page(answer.body.decode()).shows(scenario.cells), "text/html"
    else:
        right, expected = json.loads(answer.body) == scenario.json, "application/json"
    if not right or media_type != expected:
        raise WrongAnswer(f"{where}: {answer.header('content-type')} {answer.body[:300]!r}")
    for path, body in scenario.refused:
        status = ask(port, path, body).status
        if not 400 <= status < 500:
            raise WrongAnswer(f"{where}: the malformed {path} {body.decode()} got {status}, not a refusal")
    return answer


def visible_headers(answer: Answer) -> list[tuple[str, str]]:
    """Return the fields that the application itself sent."""
    return [(name, value) for name, value in answer.headers if name not in _SERVER_HEADERS]


def same_bytes(one: Answer, other: Answer) -> bool:
    """Tell whether two answers differ in nothing but the date and the order of their fields."""
    return _undated(one) == _undated(other)


class _Page(HTMLParser):
    """The document type and the table cells of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.kind = ""
        self.cells: list[str] = []
        self.inside = False
        self.feed(text)
        self.close()

    def shows(self, cells: tuple[str, ...]) -> bool:
        """Tell whether this is an HTML page with these cells."""
        return self.kind.lower() == "doctype html" and tuple(self.cells) == cells

    def handle_decl(self, decl: str) -> None:
        self.kind = decl

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.inside = tag == "td"
        if self.inside:
            self.cells.append("")

    def handle_endtag(self, tag: str) -> None:
        self.inside = False

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.cells[-1] += data


def _undated(answer: Answer) -> tuple[int, list[tuple[str, str]], bytes]:
    return answer.status, sorted(pair for pair in answer.headers if pair[0] != "date"), answer.body


def _unchunk(content: bytes) -> bytes:
    parts: list[bytes] = []
    position = 0
    while True:
        end = content.index(b"\r\n", position)
        size = int(content[position:end].partition(b";")[0], 16)
        if size == 0:
            return b"".join(parts)
        parts.append(content[end + 2 : end + 2 + size])
        position = end + 2 + size + 2
