"""Several workers behind one port, and their replacement, as `erlen run` starts them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

Ask = Callable[..., str]
ERLEN = Path(sys.executable).with_name("erlen")


@pytest.fixture
def two_workers(app_folder: Path, ask: Ask, port: int) -> Iterator[subprocess.Popen[bytes]]:
    with (app_folder / "log").open("wb") as output:
        process = subprocess.Popen(
            [ERLEN, "run", "--port", str(port), "--workers", "2", "--kill-timeout", "5"],
            cwd=app_folder,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
        )
    try:
        assert until(lambda: len(pids(ask, port)) == 2)
        yield process
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def pids(ask: Ask, port: int) -> set[int]:
    """Ask some times, each on a connection of its own; return who answered."""
    bodies = [ask(("127.0.0.1", port)) for _ in range(20)]
    return {json.loads(body)["pid"] for body in bodies if body}


def until(condition: Callable[[], object], seconds: float = 60) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return False


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_a_hang_up_replaces_the_workers_with_the_code_as_it_now_is(
    two_workers: subprocess.Popen[bytes], app_folder: Path, ask: Ask, port: int
) -> None:
    before = pids(ask, port)
    app = app_folder / "app.py"
    app.write_text(app.read_text().replace('{"pid": os.getpid()}', '{"pid": -os.getpid()}'))
    two_workers.send_signal(signal.SIGHUP)
    assert until(lambda: len(now := pids(ask, port)) == 2 and all(pid < 0 and -pid not in before for pid in now))
    assert two_workers.poll() is None


def test_the_other_worker_answers_while_one_is_replaced(two_workers: subprocess.Popen[bytes], ask: Ask, port: int) -> None:
    before = pids(ask, port)
    ask(("127.0.0.1", port), "/exit")
    assert until(lambda: len(now := pids(ask, port)) == 2 and now != before)
    assert two_workers.poll() is None
