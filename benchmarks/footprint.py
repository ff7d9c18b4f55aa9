"""What a hello world costs before its first request: time to import, modules, and the memory of its worker."""

from __future__ import annotations

import subprocess
import sys
import time
from statistics import median

from benchmarks.contest import Contestant
from benchmarks.record import Footprint
from benchmarks.servers import ROOT, ServerFailed, pinned, serve
from benchmarks.wire import ask

__all__ = ["import_cost", "measure"]

RUNS = 7
REQUESTS = 200

# Erlen does at freeze what its peers do at import or at the first request.
_COUNT = "import sys; print(len(sys.modules))"
_LOAD = "from benchmarks.hello.{module} import app; getattr(app, 'freeze', int)(); " + _COUNT


def measure(contestant: Contestant, known: dict[str, Footprint]) -> Footprint:
    """Measure a contestant's hello world; import figures are taken from `known` where it has those of the same module."""
    module = contestant.hello or contestant.module
    cost = known.get(module) or import_cost(module)
    known[module] = cost
    return Footprint(cost.import_ms, cost.modules, _worker_memory(contestant, module))


def import_cost(module: str | None) -> Footprint:
    """Import one hello world, or nothing at all, in fresh interpreters: the median of seven, and the modules then loaded.

    Raises:
        subprocess.CalledProcessError: when it cannot be imported.
    """
    code = _COUNT if module is None else _LOAD.format(module=module)
    command = pinned(0, [sys.executable, "-c", code])
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)  # compiles what is not compiled yet
    times: list[float] = []
    modules = 0
    for _ in range(RUNS):
        start = time.perf_counter()
        run = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
        times.append((time.perf_counter() - start) * 1000)
        modules = int(run.stdout)
    return Footprint(median(times), modules, None)


def _worker_memory(contestant: Contestant, module: str) -> float | None:
    try:
        with serve(contestant, f"benchmarks.hello.{module}:app", {}) as server:
            for _ in range(REQUESTS):
                ask(server.port, "/plain")
            return server.worker_memory()
    except ServerFailed:
        return None
