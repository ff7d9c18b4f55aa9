"""The process of one contestant: opens its database, and runs operations as its standard input asks.

The first line in is a `Start`, each other a `Task`; a line out is an `Answer`, the first when it is ready. All are JSON. It ends with its
input.
"""

from __future__ import annotations

import asyncio
import datetime
import importlib
import inspect
import json
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack
from itertools import count
from typing import Any, TypeAlias

import msgspec
from msgspec import Struct

from benchmarks.data_contest import OPERATIONS
from benchmarks.data_store import ARTICLE, AUTHOR, Place

__all__ = ["Answer", "Start", "Task", "plain_row"]

WARM_SECONDS = 0.3
WARM_CALLS = 20

Arguments: TypeAlias = Iterator[tuple[Any, ...]]


class Start(Struct):
    """Which contestant this is."""

    module: str
    way: str
    place: Place


class Task(Struct):
    """An operation to run for some seconds, with the arguments of a turn and those after it; with 0 seconds once, to see what it gives."""

    operation: str
    turn: int
    seconds: float = 0.0


class Answer(Struct):
    """How often it ran in how many seconds by the clock and of the processor; or what it gave; or how it failed."""

    calls: int = 0
    wall: float = 0.0
    processor: float = 0.0
    result: object = None
    error: str = ""


def main() -> None:
    """Serve one contestant."""
    start = msgspec.json.decode(sys.stdin.readline(), type=Start)
    way: Callable[[Place], Any] = importlib.import_module(f"benchmarks.{start.module}").WAYS[start.way]
    if inspect.isasyncgenfunction(inspect.unwrap(way)):
        import uvloop

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            async_stack = AsyncExitStack()
            operations = runner.run(async_stack.enter_async_context(way(start.place)))
            _serve(operations, lambda *run: runner.run(_run_async(*run)))
            runner.run(async_stack.aclose())
    else:
        with ExitStack() as stack:
            _serve(stack.enter_context(way(start.place)), _run_sync)


def _serve(contestant: Any, run: Callable[[Callable[..., Any], Arguments, float], Answer]) -> None:
    operations = {operation.name: operation for operation in OPERATIONS}
    _write(Answer())
    for line in sys.stdin:
        task = msgspec.json.decode(line, type=Task)
        operation = operations[task.operation]
        try:
            answer = run(getattr(contestant, operation.method), map(operation.arguments, count(task.turn)), task.seconds)
        except Exception:  # noqa: BLE001 - whatever it is, whoever asked reads it
            answer = Answer(error=traceback.format_exc())
        _write(answer)


def _write(answer: Answer) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(answer) + b"\n")
    sys.stdout.buffer.flush()


# The two below are the same but for `await`: a call between the clock and the operation would be measured with it.


def _run_sync(method: Callable[..., Any], arguments: Arguments, seconds: float) -> Answer:
    if not seconds:
        return Answer(result=plain(method(*next(arguments))))
    begun, calls = time.perf_counter(), 0
    while calls < WARM_CALLS or time.perf_counter() - begun < WARM_SECONDS:
        method(*next(arguments))
        calls += 1
    size = _batch_size(calls, time.perf_counter() - begun, seconds)
    calls, begun, processor = 0, time.perf_counter(), time.process_time()
    while time.perf_counter() - begun < seconds:
        for _ in range(size):
            method(*next(arguments))
        calls += size
    return Answer(calls, time.perf_counter() - begun, time.process_time() - processor)


async def _run_async(method: Callable[..., Any], arguments: Arguments, seconds: float) -> Answer:
    if not seconds:
        return Answer(result=plain(await method(*next(arguments))))
    begun, calls = time.perf_counter(), 0
    while calls < WARM_CALLS or time.perf_counter() - begun < WARM_SECONDS:
        await method(*next(arguments))
        calls += 1
    size = _batch_size(calls, time.perf_counter() - begun, seconds)
    calls, begun, processor = 0, time.perf_counter(), time.process_time()
    while time.perf_counter() - begun < seconds:
        for _ in range(size):
            await method(*next(arguments))
        calls += size
    return Answer(calls, time.perf_counter() - begun, time.process_time() - processor)


def _batch_size(calls: int, taken: float, seconds: float) -> int:
    """Return how many calls take a fiftieth of the time: the clock is read so seldom that it costs nothing."""
    return max(1, int(calls / taken * seconds / 50))


def plain(result: Any) -> Any:
    """Return what an operation gave in a form in which all contestants' results are equal."""
    if isinstance(result, bytes):
        return [plain_row(row, ARTICLE) for row in json.loads(result)]
    if not isinstance(result, list):
        return None if result is None else plain_row(result, ARTICLE)
    if result and isinstance(result[0], tuple) and len(result[0]) == 2:
        return [[plain_row(article, ARTICLE), plain_row(author, AUTHOR)] for article, author in result]
    return [plain_row(row, ARTICLE) for row in result]


def plain_row(row: Any, names: Sequence[str]) -> dict[str, Any]:
    """Return a row as a dict, whatever has it: a mapping, a sequence, an object."""
    if isinstance(row, Mapping):
        values = {name: row[name] for name in row}
    elif isinstance(row, Sequence):
        values = dict(zip(names, row, strict=True))
    elif hasattr(row, "items") and hasattr(row, "keys"):  # asyncpg's
        values = dict(row.items())
    else:
        values = {name: getattr(row, name) for name in names}
    if "author" in values:  # Peewee's name for the column of a relation
        values["author_id"] = values.pop("author")
    if "created" in values:
        created = values["created"]
        moment = created if isinstance(created, datetime.datetime) else datetime.datetime.fromisoformat(created)
        values["created"] = (moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)).astimezone(datetime.UTC).isoformat()
        values["published"] = bool(values["published"])
    return dict(sorted(values.items()))


if __name__ == "__main__":
    main()
