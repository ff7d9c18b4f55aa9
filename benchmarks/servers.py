"""A server process, pinned to one core: started, watched, stopped."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from benchmarks.contest import Contestant
from benchmarks.wire import ask

__all__ = ["ROOT", "Running", "ServerFailed", "last_line", "pinned", "serve", "without_folders"]

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 20.0
STOP_SECONDS = 5.0


class ServerFailed(Exception):
    """A server did not start; the message ends with the last line that it printed, and `log` is all of it."""

    def __init__(self, name: str, log: str) -> None:
        self.log = log
        errors = [line for line in log.splitlines() if "Error" in line]
        super().__init__(f"{name} did not start: {last_line(chr(10).join(errors) or log)}")


class Running(NamedTuple):
    """A server that answers."""

    port: int
    group: int

    def cpu_seconds(self) -> float:
        """Return the processor time, user and system, that all its living processes have used."""
        ticks = 0
        for pid in self.processes():
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def worker_memory(self) -> float:
        """Return the resident memory, in MB, of the process that answers: the last one started."""
        status = Path(f"/proc/{max(self.processes())}/status").read_text()
        return next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmRSS"))

    def processes(self) -> list[int]:
        """Return the ids of its processes, where the system has /proc; none elsewhere."""
        found: list[int] = []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                if os.getpgid(int(entry.name)) == self.group:
                    found.append(int(entry.name))
            except ProcessLookupError:
                continue
        return found


def pinned(core: int, command: list[str]) -> list[str]:
    """Prefix a command so that it stays on one core, where the machine can do that."""
    if shutil.which("taskset") is None or (os.cpu_count() or 1) <= core:
        return command
    return ["taskset", "-c", str(core), *command]


@contextmanager
def serve(contestant: Contestant, target: str, environment: Mapping[str, str], *, ready: str = "/plain") -> Iterator[Running]:
    """Run a contestant's `target` (`module:app`) on core 0 until the block ends.

    Raises:
        ServerFailed: when `ready` is not answered within 20 seconds.
    """
    port = _free_port()
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(
            pinned(0, contestant.command(target, port)),
            cwd=ROOT,
            env={**os.environ, "BENCH_MIDDLEWARE": contestant.middleware, **environment},
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            deadline = time.monotonic() + START_SECONDS
            while not _answers(port, ready):
                if process.poll() is not None or time.monotonic() > deadline:
                    log.seek(0)
                    raise ServerFailed(contestant.name, log.read())
                time.sleep(0.03)
            yield Running(port, process.pid)
        finally:
            _stop(process)


def last_line(text: str) -> str:
    """Return the last line that says something, without this machine's folders."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return without_folders(lines[-1])[:300] if lines else "nothing was printed"


def without_folders(text: str) -> str:
    """Cut absolute paths down to the part that is the same on every machine."""
    return re.sub(r"/[^\s'\"]*/(?=src/erlen/|python3\.|benchmarks/)", "", text)


def _answers(port: int, path: str) -> bool:
    try:
        return ask(port, path).status == 200
    except OSError:
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the session that the server leads: gently, then not."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(STOP_SECONDS)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue
        else:
            break
