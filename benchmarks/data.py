"""Measure Erlen's sessions beside SQLAlchemy itself, other ORMs and the raw drivers: `python3 benchmarks/data.py`.

Gives each contestant a copy of one database and a process of its own, sees that all give the same, and lets them take turns at each
operation. Writes `results/data-<date>.json` and `DATA.md`; a run of a part only prints. README.md beside this file says how to read them.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

HERE = Path(__file__).resolve().parent
# The folder itself must not be on the path: its profile.py would hide the standard library's.
sys.path[:] = [str(HERE.parent), *(entry for entry in sys.path if entry and Path(entry).resolve() != HERE)]

if TYPE_CHECKING:
    from benchmarks.data_contest import Contestant, Operation
    from benchmarks.data_record import DataRecord, Round
    from benchmarks.data_store import Place, Store
    from benchmarks.data_worker import Answer, Task

DATABASES = ("sqlite", "postgresql")
TURNS = 10_000_000  # of one task, at most: no two tasks of a run have arguments in common


def main() -> None:
    """Read the options, measure, and write the results."""
    options = _options()
    from benchmarks.run import enter_environment, snapshot

    enter_environment()
    from benchmarks.data_record import DataRecord
    from benchmarks.data_report import render

    if options.report is not None:
        record = DataRecord.load(options.report)
    else:
        with tempfile.TemporaryDirectory() as folder:
            record = _measure(options, Path(folder), source=snapshot(Path(folder), options.commit))
    text = render(record)
    print(f"\n{text}")
    if options.json is not None:
        record.save(options.json)
    if record.is_whole:
        if options.report is None:
            path = HERE / "results" / f"data-{record.date.replace(':', '')}.json"
            record.save(path)
            print(f"wrote {path.relative_to(HERE.parent)}")
        (HERE / "DATA.md").write_text(text)
        print("wrote benchmarks/DATA.md")
    if record.faults:
        sys.exit(1)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure Erlen's sessions beside SQLAlchemy itself, other ORMs and the raw drivers.")
    parser.add_argument("--quick", action="store_true", help="1 round of 0.2 seconds: to see that it works")
    parser.add_argument("--short", action="store_true", help="3 rounds of 0.3 seconds: a whole run in less than ten minutes")
    parser.add_argument("--rounds", type=int, help="rounds of each cell (5)")
    parser.add_argument("--seconds", type=float, help="seconds of each round (1)")
    parser.add_argument("--retries", type=int, help="how often to repeat a round that other processes disturb (2)")
    parser.add_argument("--database", choices=DATABASES, help="only this one")
    parser.add_argument("--only", action="append", metavar="NAME", help="only this contestant (repeatable)")
    parser.add_argument("--operation", action="append", metavar="NAME", help="only this operation (repeatable)")
    parser.add_argument("--commit", metavar="REF", help="measure Erlen as it was in this commit, rather than as it is in the working tree")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rounds there, of a run of a part too")
    parser.add_argument("--report", type=Path, metavar="FILE", help="write DATA.md again from a results file, without measuring")
    parser.add_argument("--list", action="store_true", help="list contestants and operations")
    options = parser.parse_args()
    options.is_whole = not (options.quick or options.database or options.only or options.operation)
    rounds, seconds, retries = (1, 0.2, 0) if options.quick else (3, 0.3, 1) if options.short else (5, 1.0, 2)
    options.rounds = options.rounds or rounds
    options.seconds = options.seconds or seconds
    options.retries = options.retries if options.retries is not None else retries
    return options


def _measure(options: argparse.Namespace, folder: Path, source: str) -> DataRecord:
    from benchmarks import machine
    from benchmarks.data_contest import CONTESTANTS, OPERATIONS
    from benchmarks.data_record import DataRecord, versions

    if options.list:
        print("contestants:", *(contestant.name for contestant in CONTESTANTS))
        print("operations:", *(operation.name for operation in OPERATIONS))
        sys.exit()
    contestants = [contestant for contestant in CONTESTANTS if not options.only or contestant.name in options.only]
    operations = [operation for operation in OPERATIONS if not options.operation or operation.name in options.operation]
    if not contestants or not operations:
        sys.exit("nothing to measure: see --list for the names")
    found = versions()
    record = DataRecord(
        date=time.strftime("%Y-%m-%dT%H:%M"),
        command=" ".join(["benchmarks/data.py", *sys.argv[1:]]),
        machine=machine.describe(),
        versions={**found, "erlen": f"{found['erlen']} ({source})"},
        rounds=options.rounds,
        seconds=options.seconds,
        retries=options.retries,
        is_whole=options.is_whole,
    )
    for database in DATABASES:
        if options.database in (None, database):
            with _store(database, folder, required=options.database == database) as store:
                if store is not None:
                    record.servers[database] = store.version()
                    present = [contestant for contestant in contestants if contestant.database in ("", database)]
                    _run_database(database, store, present, operations, record)
    return record


@contextmanager
def _store(database: str, folder: Path, *, required: bool) -> Iterator[Store | None]:
    from benchmarks.data_store import PostgresqlStore, SqliteStore

    store: Store
    if database == "sqlite":
        store = SqliteStore(folder)
    else:
        import psycopg

        url = os.environ.get("TEST_POSTGRESQL_URL", "postgresql://127.0.0.1:5432/test")
        try:
            store = PostgresqlStore(url)
        except psycopg.Error as error:
            message = f"PostgreSQL does not do what is asked of it: start it, or set TEST_POSTGRESQL_URL ({str(error).splitlines()[0]})"
            if required:
                sys.exit(message)
            print(message)
            yield None
            return
    try:
        yield store
    finally:
        store.close()


def _run_database(database: str, store: Store, contestants: list[Contestant], operations: list[Operation], record: DataRecord) -> None:
    passed = {contestant: _verify(database, store, contestant, operations, record) for contestant in contestants}
    print(f"{database}: {sum(map(len, passed.values()))} results are right, {len(record.faults)} faults", flush=True)
    cells = record.cells.setdefault(database, {})
    turns = count(1, TURNS)
    for number in range(record.rounds):
        with _workers(store, [contestant for contestant in contestants if passed[contestant]]) as workers:
            for place, operation in enumerate(operations):
                # Who comes first changes with each round and operation.
                able = [worker for worker in workers if operation in passed[worker.contestant]]
                first = (number * 3 + place) % max(1, len(able))
                for worker in able[first:] + able[:first]:
                    found = _one_round(worker, operation, next(turns), record)
                    cells.setdefault(operation.name, {}).setdefault(worker.contestant.name, []).append(found)
                print(f"round {number + 1}  {database:<10} {operation.title}", flush=True)


def _one_round(worker: _Worker, operation: Operation, turn: int, record: DataRecord) -> Round | None:
    """Measure once; again, up to `record.retries` times, while something else takes a fifth of a core, and keep the calmest."""
    from benchmarks.data_record import Round
    from benchmarks.data_store import server_seconds
    from benchmarks.data_worker import Task
    from benchmarks.load import busy_seconds

    rounds: list[Round] = []
    while not rounds or (rounds[-1].others > 0.2 and len(rounds) <= record.retries):
        before, server_before, begun = busy_seconds(), server_seconds(), time.perf_counter()
        own_before = worker.seconds()
        answer = worker.ask(Task(operation.name, turn + len(rounds) * TURNS // 10, record.seconds))
        if answer.error:
            record.faults.append(f"{worker.contestant.name}, {operation.name}: {answer.error.strip().splitlines()[-1]}")
            print("FAILED", record.faults[-1], answer.error, sep="\n")
            return None
        own = worker.seconds() - own_before
        server = server_seconds() - server_before
        others = max(0.0, busy_seconds() - before - own - server) / (time.perf_counter() - begun)
        rounds.append(Round(answer.calls, answer.wall, answer.processor, others))
    return min(rounds, key=lambda one: one.others)


def _verify(database: str, store: Store, contestant: Contestant, operations: list[Operation], record: DataRecord) -> list[Operation]:
    """Return the operations that a contestant does right: reads give what the database has, and writes change just what they should."""
    passed: list[Operation] = []
    possible = [
        operation for operation in operations if not (operation.writes and contestant.only_reads) and contestant.name not in operation.lacks
    ]
    with _workers(store, [contestant]) as workers:
        for operation in possible if workers else []:
            fault = _fault(store, workers[0], operation)
            if fault:
                record.faults.append(f"{contestant.name}, {database}, {operation.name}: {fault.strip().splitlines()[-1]}")
                print("WRONG", record.faults[-1], fault, sep="\n")
            else:
                passed.append(operation)
    return passed


def _fault(store: Store, worker: _Worker, operation: Operation) -> str:
    from benchmarks.data_contest import ARTICLES
    from benchmarks.data_store import ARTICLE, NEW
    from benchmarks.data_worker import Task, plain_row

    turn = 42
    arguments: tuple[Any, ...] = operation.arguments(turn)
    touched = f"id > {ARTICLES}" if operation.method == "insert" else f"id = {arguments[0]}"
    before = [plain_row(row, ARTICLE) for row in store.rows(worker.place, touched if operation.writes else "true")]
    answer = worker.ask(Task(operation.name, turn))
    if answer.error:
        return answer.error
    found: Any = answer.result
    if operation.writes:
        found = [plain_row(row, ARTICLE) for row in store.rows(worker.place, touched)]
    expected: Any
    match operation.method, arguments:
        case "get", (key,):
            expected = before[key - 1]
        case "insert", (title,):
            expected = [plain_row({"id": ARTICLES + 1, "title": title, **NEW}, ARTICLE)]
        case "change", (_, title):
            expected = [{**before[0], "title": title}]
        case "update", (_, views):
            expected = [{**before[0], "views": views}]
        case _, (after, limit):
            expected = before[after : after + limit]
    if operation.method == "with_authors":
        expected = [[article, _author(article["author_id"])] for article in expected]
    return "" if found == expected else f"it gave {json.dumps(found)[:500]}, not {json.dumps(expected)[:500]}"


def _author(number: int) -> dict[str, Any]:
    from benchmarks.data_store import AUTHOR, author
    from benchmarks.data_worker import plain_row

    return plain_row(author(number), AUTHOR)


class _Worker:
    """The process of a contestant, and its database."""

    def __init__(self, contestant: Contestant, store: Store) -> None:
        import msgspec

        from benchmarks.data_worker import Start
        from benchmarks.servers import ROOT, pinned

        self.contestant = contestant
        self._store = store
        self.place: Place = store.copy(contestant.name)
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed by close()
        command = pinned(0, [sys.executable, "-m", "benchmarks.data_worker"])
        self._process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log)
        self._write(msgspec.json.encode(Start(contestant.module, contestant.way, self.place)))
        self.opened = self._read()  # whoever is still importing would disturb the others

    def _write(self, line: bytes) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # it is gone: the answer that does not come says so

    def ask(self, task: Task) -> Answer:
        """Let it do something, and wait for the answer."""
        import msgspec

        if self.opened.error:
            return self.opened
        self._write(msgspec.json.encode(task))
        return self._read()

    def _read(self) -> Answer:
        import msgspec

        from benchmarks.data_worker import Answer

        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._log.seek(0)
            return Answer(error=f"the process ended: {self._log.read()[-2000:]}")
        return msgspec.json.decode(line, type=Answer)

    def seconds(self) -> float:
        """Return the processor time that it has used; 0 on a system without /proc."""
        try:
            fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return 0.0
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def close(self) -> None:
        """End the process, and remove its database."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.close()
        except BrokenPipeError:
            pass
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._log.close()
        self._store.drop(self.place)


@contextmanager
def _workers(store: Store, contestants: list[Contestant]) -> Iterator[list[_Worker]]:
    """Start a fresh process, with a fresh copy of the rows, for each contestant; they wait while another is at work."""
    workers: list[_Worker] = []
    try:
        for contestant in contestants:
            workers.append(_Worker(contestant, store))  # noqa: PERF401 - those that were started are ended, also when one is not
        yield workers
    finally:
        for worker in workers:
            worker.close()


if __name__ == "__main__":
    main()
