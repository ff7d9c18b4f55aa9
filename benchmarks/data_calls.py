"""Why a row of the data benchmark is what it is: `python benchmarks/data_calls.py` counts the Python calls of each operation.

Beside SQLAlchemy itself, in this process, on SQLite and PostgreSQL. Counts are the same on every machine (but for psycopg's waiting), so
that a change shows at once; `--files` and `--functions` tell where the calls are that Erlen adds.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

HERE = Path(__file__).resolve().parent
# This file's folder must not be on the path: its profile.py would hide the standard library's.
sys.path[:] = [str(HERE.parent), *(entry for entry in sys.path if entry and Path(entry).resolve() != HERE)]

if TYPE_CHECKING:
    from benchmarks.data_contest import Operation
    from benchmarks.data_store import Store

PAIRS = (("sqlalchemy_autocommit", "erlen_reading"), ("sqlalchemy", "erlen"))
WARM = 30  # what is made or compiled at the first calls does not count

Calls = Counter[str]


def main() -> None:
    """Read the options, count, and print."""
    from benchmarks.data_contest import CONTESTANTS, OPERATIONS

    parser = argparse.ArgumentParser(description="Count the Python calls of Erlen's sessions beside SQLAlchemy's.")
    parser.add_argument("--database", choices=["sqlite", "postgresql"], help="only this one")
    parser.add_argument("--operation", action="append", metavar="NAME", help="only this operation (repeatable)")
    parser.add_argument("--files", type=int, default=0, metavar="N", help="the N files that add the most calls")
    parser.add_argument("--functions", type=int, default=0, metavar="N", help="the N functions that add the most calls")
    options = parser.parse_args()
    operations = [operation for operation in OPERATIONS if not options.operation or operation.name in options.operation]
    contestants = {contestant.name: contestant for contestant in CONTESTANTS}
    with tempfile.TemporaryDirectory() as folder:
        for database in ("sqlite", "postgresql"):
            if options.database not in (None, database):
                continue
            with _store(database, Path(folder)) as store:
                for pair in PAIRS:
                    print(f"\n{store.version()}: {pair[0]} → {pair[1]}")
                    for operation in operations:
                        if not (operation.writes and contestants[pair[0]].only_reads):
                            bare, ours = (_count(contestants[name].module, contestants[name].way, store, operation) for name in pair)
                            _print(operation.title, bare, ours, options.files, options.functions)


@contextmanager
def _store(database: str, folder: Path) -> Iterator[Store]:
    from benchmarks.data_store import PostgresqlStore, SqliteStore

    url = os.environ.get("TEST_POSTGRESQL_URL", "postgresql://127.0.0.1:5432/test")
    store: Store = SqliteStore(folder) if database == "sqlite" else PostgresqlStore(url)
    try:
        yield store
    finally:
        store.close()


def _count(module: str, way: str, store: Store, operation: Operation) -> Calls:
    """Return how often each function is called in one run of an operation, once it is warm."""
    place = store.copy(f"{module}_{way}")
    try:
        with importlib.import_module(f"benchmarks.{module}").WAYS[way](place) as contestant:
            method: Callable[..., Any] = getattr(contestant, operation.method)
            for turn in range(WARM):
                method(*operation.arguments(turn))
            return _calls_of(method, operation.arguments(WARM))
    finally:
        store.drop(place)


def _calls_of(method: Callable[..., Any], arguments: tuple[Any, ...]) -> Calls:
    calls: Calls = Counter()

    def see(frame: FrameType, event: str, _argument: object) -> None:
        if event == "call":
            code = frame.f_code
            calls[f"{_short(code.co_filename)} {code.co_qualname}"] += 1

    gc.collect()
    gc.disable()  # what it calls belongs to whoever left the garbage
    sys.setprofile(see)
    try:
        method(*arguments)
    finally:
        sys.setprofile(None)
        gc.enable()
    return calls


def _short(path: str) -> str:
    for mark in ("/src/", "/site-packages/"):
        if mark in path:
            return path.rpartition(mark)[2]
    return Path(path).name


def _print(title: str, bare: Calls, ours: Calls, files: int, functions: int) -> None:
    print(f"{title:<22} {bare.total():>7} → {ours.total():>7}   {ours.total() / bare.total():.2f}")
    for most, name_of in ((files, lambda name: name.partition(" ")[0]), (functions, lambda name: name)):
        added: Calls = Counter()
        for name, times in ours.items():
            added[name_of(name)] += times
        for name, times in bare.items():
            added[name_of(name)] -= times
        for name, times in added.most_common(most):
            if times > 0:
                print(f"    {times:>+7}  {name}")


if __name__ == "__main__":
    main()
