"""What the template engine costs: one page by Jinja2 alone, by Erlen's `render` in a handler, and as a whole request without a server.

`python benchmarks/templates.py` lets the three take turns in one process and prints the processor time of each: the median of many short
rounds, and the median of the rounds' ratios.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

HERE = Path(__file__).resolve().parent
# As in profile.py, which must not hide the standard library's profile.
sys.path[:] = [str(HERE.parent), *(entry for entry in sys.path if entry and Path(entry).resolve() != HERE)]

if TYPE_CHECKING:
    from benchmarks.record import TemplateCost

ROUNDS = 60
CALLS = 200
WARM = 1_000


def main() -> None:
    """Measure, and print a table or the bare figures."""
    parser = argparse.ArgumentParser(description="Measure what the template engine costs apart from the rest of a request.")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    options = parser.parse_args()
    python = HERE / ".venv" / "bin" / "python"
    if Path(sys.prefix).resolve() != (HERE / ".venv").resolve() and python.exists():
        os.execv(python, [str(python), __file__, *sys.argv[1:]])
    import msgspec

    found = _measure()
    if options.json:
        print(msgspec.json.encode(found).decode())
        return
    print(f"Jinja2 alone         {found.plain:6.1f} µs")
    print(f"Erlen's render       {found.render:6.1f} µs  {found.render_ratio:.2f}")
    print(f"whole Erlen request  {found.request:6.1f} µs  {found.request_ratio:.2f}")


def _measure() -> TemplateCost:
    from benchmarks.apps.erlen_app import app

    with asyncio.Runner() as runner:
        app.__rsgi_init__(runner.get_loop())  # as the server does: before the loop runs, and after
        try:
            return runner.run(_take_turns())
        finally:
            app.__rsgi_del__(runner.get_loop())


async def _take_turns() -> TemplateCost:
    from benchmarks.apps.bare import TABLE
    from benchmarks.apps.erlen_app import app
    from benchmarks.apps.table import ROWS
    from benchmarks.contest import SCENARIOS
    from benchmarks.record import TemplateCost
    from benchmarks.stand_in import rsgi
    from erlen import render

    async def plain() -> None:
        TABLE.render(rows=ROWS)

    async def in_handler() -> None:
        render("table.html", rows=ROWS)

    # The request comes first: it stays the active one of this task, as it is in a handler, and `render` asks for it.
    request = rsgi(app.__rsgi__, next(scenario for scenario in SCENARIOS if scenario.name == "html"))
    ways = (request, plain, in_handler)
    for way in ways:
        await _time(way, WARM)
    if render("table.html", rows=ROWS) != TABLE.render(rows=ROWS):
        raise AssertionError("Erlen's page is not the one that Jinja2 alone makes")
    rounds = [[await _time(way, CALLS) for way in ways] for _ in range(ROUNDS)]
    whole, alone, rendered = (median(times) for times in zip(*rounds, strict=True))
    return TemplateCost(
        plain=alone,
        render=rendered,
        request=whole,
        render_ratio=median(one[2] / one[1] for one in rounds),
        request_ratio=median(one[0] / one[1] for one in rounds),
    )


async def _time(way: Callable[[], Awaitable[None]], calls: int) -> float:
    """Return the processor time of one call, in µs."""
    start = time.process_time()
    for _ in range(calls):
        await way()
    return (time.process_time() - start) / calls * 1e6


if __name__ == "__main__":
    main()
