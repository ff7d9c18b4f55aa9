"""What `erlen run` refuses before it serves, and its logs; that it serves is tested in tests/server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

Run = Callable[..., Result]
Write = Callable[..., Path]


def test_a_door_that_does_not_suit_is_refused_with_the_lines(run: Run, write: Write) -> None:
    write("app.py", "from erlen import App\napp = App()\n\n@app.get('/')\nasync def home() -> str:\n    return ''\n")
    refused = run("run", "--door", "wsgi")
    assert refused.exit_code == 1
    assert "the WSGI door cannot serve home: it is `async def`" in refused.output
    assert "app.py:4" in refused.output


def test_uvicorn_serves_asgi_only(run: Run, write: Write) -> None:
    write("app.py", "from erlen import App\napp = App()\n")
    refused = run("run", "--engine", "uvicorn", "--door", "rsgi")
    assert (refused.exit_code, "uvicorn serves ASGI only" in refused.output) == (2, True)


@pytest.mark.parametrize("arguments", [("--port", "0"), ("--port", "x"), ("--workers", "0"), ("--threads", "0"), ("--door", "cgi")])
def test_wrong_options_are_refused(run: Run, write: Write, arguments: tuple[str, str]) -> None:
    write("app.py", "from erlen import App\napp = App()\n")
    assert run("run", *arguments).exit_code == 2


def test_without_an_application_it_says_where_it_looked(run: Run) -> None:
    refused = run("run")
    assert refused.exit_code == 1
    assert "No application was found" in refused.output


LOGGING = """
    import logging
    from erlen import App

    app = App()

    @app.get("/")
    def home() -> str:
        logging.getLogger("shop").info("at home", extra={"password": "hunter2"})
        return "home"
"""


@pytest.mark.parametrize("engine", ["granian", "uvicorn"])
def test_the_logs_of_application_and_server_are_one_stream_of_json(write: Write, folder: Path, port: int, engine: str) -> None:
    write("app.py", LOGGING)
    program = [sys.executable, "-m", "erlen", "run", "--port", str(port), "--engine", engine, "--access-log"]
    environment = {**os.environ, "SECRET_KEY": "0123456789abcdefghijklmnopqrstuvwxyz"}
    with subprocess.Popen(program, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment) as server:
        try:
            answer = ""
            end = time.monotonic() + 30
            while not answer and time.monotonic() < end:
                try:
                    answer = urllib.request.urlopen(f"http://127.0.0.1:{port}/?q=1", timeout=5).read().decode()
                except OSError:
                    time.sleep(0.05)
            assert answer == "home"
        finally:
            server.terminate()
            output, errors = server.communicate(timeout=30)
    lines = [json.loads(line) for line in errors.splitlines()]
    (own,) = [line for line in lines if line["logger"] == "shop"]
    assert (own["message"], own["password"], own["method"], own["path"], len(own["request_id"])) == ("at home", "***", "GET", "/", 32)
    (access,) = [line for line in lines if line["logger"].endswith(".access")]
    assert (access["method"], access["path"], access["query"], access["status"]) == ("GET", "/", "q=1", 200)
    assert "hunter2" not in errors
    assert output.startswith("Erlen serves http://127.0.0.1")
