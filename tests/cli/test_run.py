"""What `erlen run` refuses before it serves, and its logs; that it serves is tested in tests/server."""

from __future__ import annotations

import json
import os
import socket
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
Waits = Callable[..., bool]


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
            end = time.monotonic() + 60
            while not answer and time.monotonic() < end:
                try:
                    answer = urllib.request.urlopen(f"http://127.0.0.1:{port}/?q=1", timeout=60).read().decode()
                except OSError:
                    time.sleep(0.05)
            assert answer == "home"
        finally:
            server.terminate()
            output, errors = server.communicate(timeout=60)
    lines = [json.loads(line) for line in errors.splitlines()]
    (own,) = [line for line in lines if line["logger"] == "shop"]
    assert (own["message"], own["password"], own["method"], own["path"], len(own["request_id"])) == ("at home", "***", "GET", "/", 32)
    (access,) = [line for line in lines if line["logger"].endswith(".access")]
    assert (access["method"], access["path"], access["query"], access["status"]) == ("GET", "/", "q=1", 200)
    assert "hunter2" not in errors
    assert output.startswith("Erlen serves http://127.0.0.1")


def test_a_taken_port_is_told_before_anything_else(run: Run, write: Write) -> None:
    write("app.py", "from erlen import App\napp = App()\n")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        refused = run("run", "--port", str(taken.getsockname()[1]))
    assert refused.exit_code == 1
    assert "is taken by another program" in refused.output
    assert "Erlen serves" not in refused.output


def test_the_application_may_be_named_as_an_argument(run: Run, write: Write) -> None:
    write("shop.py", "from erlen import App\napp = App()\n\n@app.get('/')\nasync def home() -> str:\n    return ''\n")
    for name in ("shop.py", "./shop.py", "shop:app"):
        assert "the WSGI door cannot serve home" in run("run", name, "--door", "wsgi").output


@pytest.mark.parametrize("command", ["run", "dev"])
def test_an_address_in_the_environment_that_is_none_is_told_by_its_variable(run: Run, write: Write, command: str) -> None:
    write("app.py", "from erlen import App\napp = App()\n")
    refused = run(command, HOST="x86_64-conda-linux-gnu.invalid")
    assert refused.exit_code == 1
    assert "the environment variable HOST is 'x86_64-conda-linux-gnu.invalid'" in refused.output
    assert "unset HOST, or correct it" in refused.output
    assert "Erlen serves" not in refused.output
    given = run(command, "--host", "x86_64-conda-linux-gnu.invalid", HOST="127.0.0.1")
    assert given.exit_code == 1
    assert "HOST" not in given.output


ENDING = """
    import atexit
    import threading
    import time
    from erlen import App

    class Taken:
        def __del__(self) -> None:
            print("taken apart", flush=True)

    taken = Taken()
    app = App()

    @app.get("/")
    def home() -> str:
        # Registered late, called first; and a thread that is waited for.
        atexit.register(print, "ended in order", flush=True)
        threading.Thread(target=lambda: (time.sleep(0.3), print("finished", flush=True)), daemon=False).start()
        return "home"
"""


def test_a_worker_ends_in_order_and_without_taking_the_interpreter_apart(write: Write, folder: Path, port: int, waits: Waits) -> None:
    write("app.py", ENDING)

    def answers() -> bool:
        try:
            return bool(urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=60).read())
        except OSError:
            return False

    program = [sys.executable, "-m", "erlen", "run", "--port", str(port)]
    with subprocess.Popen(program, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as server:
        try:
            assert waits(answers)
        finally:
            server.terminate()
            output, _ = server.communicate(timeout=60)
    assert server.returncode == 0
    lines = output.splitlines()
    assert lines.index("finished") < lines.index("ended in order")
    # The command itself has loaded the application too, and ends as any program does.
    assert lines.count("taken apart") == 1
    assert "panic" not in output
