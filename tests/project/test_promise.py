"""The first promise, kept as it is written: five lines that any server runs and any type checker accepts."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest

APP = """\
# app.py — the whole program; `erlen dev` serves it with reload, `erlen run` in production
from erlen import App

app = App()

@app.get("/")
def home() -> dict[str, str]:
    return {"hello": "world"}

@app.get("/greet/{name}")
async def greet(name: str, times: int = 1) -> dict[str, list[str]]:      # path and query, typed and validated
    return {"greeting": ["hello " + name] * times}
"""
TEST = """\
from erlen.testing import Client

def test_home(client: Client) -> None:
    assert client.get("/").json() == {"hello": "world"}
"""
TOOLS = Path(sys.executable).parent


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "app.py").write_text(APP, encoding="utf-8")
    (tmp_path / "test_app.py").write_text(TEST, encoding="utf-8")
    return tmp_path


@contextmanager
def served(command: list[str], project: Path, port: int) -> Iterator[int]:
    process = subprocess.Popen(
        [part.format(port=port) for part in command], cwd=project, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=clean_environment()
    )
    try:
        wait_for(port, process)
        yield port
    finally:
        process.terminate()
        process.communicate(timeout=120)


def clean_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in ("SECRET_KEY", "DEBUG", "ALLOWED_HOSTS")}


def wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise AssertionError(process.communicate()[0].decode())
        try:
            socket.create_connection(("127.0.0.1", port), timeout=30).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("the server did not listen within 60 seconds")


def keeps_the_promise(port: int) -> None:
    assert fetch(port, "/") == (200, {"hello": "world"})
    assert fetch(port, "/greet/ada?times=2") == (200, {"greeting": ["hello ada", "hello ada"]})
    status, problem = fetch(port, "/greet/ada?times=many")
    assert status == 422
    assert problem["errors"] == [{"location": ["query", "times"], "detail": "Expected an integer."}]
    assert fetch(port, "/nowhere")[0] == 404


def fetch(port: int, path: str) -> tuple[int, dict[str, object]]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=60) as answer:
            assert answer.headers["x-content-type-options"] == "nosniff"
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


@pytest.mark.parametrize(
    "command",
    [
        [str(TOOLS / "erlen"), "run", "--port", "{port}"],
        [str(TOOLS / "erlen"), "run", "--port", "{port}", "--door", "asgi"],
        [str(TOOLS / "erlen"), "run", "--port", "{port}", "--engine", "uvicorn"],
        [sys.executable, "-m", "uvicorn", "app:app", "--port", "{port}"],
        [str(TOOLS / "granian"), "--interface", "rsgi", "--port", "{port}", "app:app"],
        [str(TOOLS / "granian"), "--interface", "wsgi", "--port", "{port}", "app:app"],
    ],
    ids=["erlen-run", "erlen-run-asgi", "erlen-run-uvicorn", "uvicorn", "granian-rsgi", "granian-wsgi"],
)
def test_five_lines_run_on_every_server(project: Path, command: list[str], free_port: Callable[[], int]) -> None:
    with served(command, project, free_port()) as port:
        keeps_the_promise(port)


class Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Keep the output clean."""


def test_five_lines_run_on_a_plain_wsgi_server() -> None:
    names: dict[str, Any] = {"__name__": "promise"}
    exec(compile(APP, "app.py", "exec"), names)
    with make_server("127.0.0.1", 0, names["app"], handler_class=Quiet) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            keeps_the_promise(server.server_port)
        finally:
            server.shutdown()
            thread.join()


def test_wsgi_door_says_why_it_refuses_async_handlers(project: Path, free_port: Callable[[], int]) -> None:
    command = [str(TOOLS / "erlen"), "run", "--port", str(free_port()), "--door", "wsgi"]
    answer = subprocess.run(command, cwd=project, capture_output=True, text=True, env=clean_environment(), timeout=60, check=False)
    assert answer.returncode == 1
    assert "the WSGI door cannot serve greet: it is `async def`" in answer.stderr
    assert "app.py:10" in answer.stderr


def test_its_test_passes(project: Path) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error"]
    answer = subprocess.run(command, cwd=project, capture_output=True, text=True, env=clean_environment(), timeout=120, check=False)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "1 passed" in answer.stdout


@pytest.mark.parametrize(
    "checker", [["mypy", "--strict"], ["basedpyright", "--level", "error", "--pythonpath", sys.executable]], ids=["mypy", "pyright"]
)
def test_a_type_checker_accepts_it(project: Path, checker: list[str]) -> None:
    (project / "pyrightconfig.json").write_text('{"typeCheckingMode": "strict"}', encoding="utf-8")
    command = [str(TOOLS / checker[0]), *checker[1:], "app.py", "test_app.py"]
    answer = subprocess.run(command, cwd=project, capture_output=True, text=True, env=clean_environment(), timeout=240, check=False)
    assert answer.returncode == 0, answer.stdout + answer.stderr
