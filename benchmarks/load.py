"""Load on one scenario: `wrk` where it is installed, else a slower client of our own.

Run as a module, this file is that client: `python -m benchmarks.load PORT PATH SECONDS`, with the body in `LOAD_BODY`.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple, cast

from benchmarks.contest import Scenario
from benchmarks.servers import ROOT, Running, pinned

__all__ = ["CONNECTIONS", "Load", "LoadFailed", "busy_seconds", "has_wrk", "put_load"]

CONNECTIONS = 64


class LoadFailed(Exception):
    """The load could not be put, or was answered with errors."""


class Load(NamedTuple):
    """What came of it: requests per second, latencies in ms, and how busy (1.0 is a whole core) everyone was meanwhile."""

    rate: float
    p50: float
    p90: float
    p99: float
    server_busy: float
    client_busy: float
    others_busy: float  # everything else on this machine, and what its host took away

    @property
    def cpu_microseconds(self) -> float:
        """Processor time of the server for one request."""
        return self.server_busy / self.rate * 1e6


def has_wrk() -> bool:
    """Tell whether wrk is on the path."""
    return shutil.which("wrk") is not None


def put_load(server: Running, scenario: Scenario, seconds: int, *, rest: float = 0.0) -> Load:
    """Load the server from core 1 over 64 kept-alive connections.

    Args:
        seconds: how long.
        rest: how many ms a connection rests between an answer and its next request; 0 asks at once.

    Raises:
        LoadFailed: when a status other than 200 to 399 came back, or connections failed.
    """
    url = f"http://127.0.0.1:{server.port}{scenario.path}"
    if has_wrk():
        command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "-s", str(ROOT / "benchmarks" / "load.lua"), url]
    else:
        command = [sys.executable, "-m", "benchmarks.load", str(server.port), scenario.path, str(seconds)]
    environment = {**os.environ, "LOAD_METHOD": scenario.method, "LOAD_BODY": scenario.body.decode(), "LOAD_REST_MS": str(rest)}
    server_before = server.cpu_seconds()
    client_before = os.times()
    machine_before = busy_seconds()
    run = subprocess.run(pinned(1, command), cwd=ROOT, env=environment, capture_output=True, text=True, timeout=seconds + 30, check=False)
    line = next((line for line in run.stdout.splitlines() if line.startswith("LOAD ")), None)
    if line is None:
        raise LoadFailed(f"no figures from {command[0]}: {run.stdout[-500:]} {run.stderr[-500:]}")
    found = json.loads(line.removeprefix("LOAD "))
    if found["refused"] or found["broken"] or not found["requests"]:
        raise LoadFailed(f"{found['refused']} error statuses and {found['broken']} failed connections in {found['requests']} requests")
    client_after = os.times()
    client_seconds = client_after.children_user + client_after.children_system - client_before.children_user - client_before.children_system
    server_seconds = server.cpu_seconds() - server_before
    machine_seconds = busy_seconds() - machine_before
    elapsed = found["seconds"]
    return Load(
        rate=found["requests"] / found["seconds"],
        p50=found["p50"],
        p90=found["p90"],
        p99=found["p99"],
        server_busy=server_seconds / elapsed,
        client_busy=found.get("busy", client_seconds / elapsed),
        others_busy=max(0.0, machine_seconds - server_seconds - client_seconds) / elapsed,
    )


def busy_seconds() -> float:
    """Return the seconds that all cores together were not idle since start-up; 0 on a system without /proc."""
    try:
        user, nice, system, _idle, _waiting, *rest = map(int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9])
    except OSError:
        return 0.0
    return (user + nice + system + sum(rest)) / os.sysconf("SC_CLK_TCK")


class _Connection(asyncio.Protocol):
    """One connection that asks, waits for the whole answer (by its Content-Length), and asks again."""

    def __init__(self, request: bytes, tally: _Tally) -> None:
        self.request = request
        self.tally = tally
        self.buffer = bytearray()
        self.missing = -1
        self.asked = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self._ask()

    def data_received(self, data: bytes) -> None:
        buffer = self.buffer
        buffer += data
        if self.missing < 0:
            end = buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            head = bytes(buffer[:end]).lower()
            at = head.find(b"\r\ncontent-length:")
            length = int(head[at + 17 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            self.missing = end + 4 + length
            if not head.startswith((b"http/1.1 2", b"http/1.1 3")):
                self.tally.refused += 1
        if len(buffer) >= self.missing:
            self.tally.latencies.append(time.perf_counter() - self.asked)
            del buffer[:]
            self.missing = -1
            if self.tally.running:
                self._ask()
            else:
                self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if self.tally.running:  # a server that does not keep connections alive
            self.tally.reconnect()

    def _ask(self) -> None:
        self.asked = time.perf_counter()
        self.transport.write(self.request)


class _Tally:
    """What all connections together have seen."""

    def __init__(self, port: int, request: bytes) -> None:
        self.port = port
        self.request = request
        self.latencies: list[float] = []
        self.refused = 0
        self.broken = 0
        self.running = True
        self.tasks: set[asyncio.Task[None]] = set()

    def reconnect(self) -> None:
        """Open another connection."""
        task = asyncio.ensure_future(self._connect())
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _connect(self) -> None:
        try:
            await asyncio.get_running_loop().create_connection(lambda: _Connection(self.request, self), "127.0.0.1", self.port)
        except OSError:
            self.broken += 1


async def _main(port: int, path: str, seconds: float) -> None:
    body = os.environ.get("LOAD_BODY", "").encode()
    lines = [f"{os.environ.get('LOAD_METHOD', 'GET')} {path} HTTP/1.1", f"Host: 127.0.0.1:{port}"]
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    tally = _Tally(port, "\r\n".join([*lines, "", ""]).encode() + body)
    start, start_busy = time.perf_counter(), time.process_time()
    for _ in range(CONNECTIONS):
        tally.reconnect()
    await asyncio.sleep(seconds)
    tally.running = False
    elapsed = time.perf_counter() - start
    busy = (time.process_time() - start_busy) / elapsed
    latencies = sorted(tally.latencies) or [0.0]
    found = {name: latencies[int(len(latencies) * share)] * 1000 for name, share in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99))}
    counts = {"seconds": elapsed, "requests": len(tally.latencies), "refused": tally.refused, "broken": tally.broken, "busy": busy}
    print("LOAD", json.dumps({**counts, **found, "max": latencies[-1] * 1000}))


if __name__ == "__main__":
    try:
        import uvloop
    except ImportError:
        asyncio.run(_main(int(sys.argv[1]), sys.argv[2], float(sys.argv[3])))
    else:
        uvloop.run(_main(int(sys.argv[1]), sys.argv[2], float(sys.argv[3])))
