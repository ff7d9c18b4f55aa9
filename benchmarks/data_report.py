"""The data benchmark's record as Markdown: ratios within the run only, since absolute times say more of the machine than of the code."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import median
from typing import NamedTuple

from benchmarks.data_contest import CONTESTANTS, OPERATIONS, TWINS, Operation
from benchmarks.data_record import DataRecord

__all__ = ["render"]

_TITLES = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}
_NAMES = {contestant.name: contestant.title for contestant in CONTESTANTS}
_RAW = {
    ("sqlite", "erlen_reading"): "raw_sqlite3",
    ("sqlite", "erlen"): "raw_sqlite3",
    ("postgresql", "erlen_reading"): "raw_psycopg",
    ("postgresql", "erlen"): "raw_psycopg",
    ("postgresql", "erlen_async_reading"): "raw_asyncpg",
    ("postgresql", "erlen_async"): "raw_asyncpg",
}


class Target(NamedTuple):
    """A session that is to be at least `bound` times as fast as another contestant at some operations."""

    mine: str
    theirs: str
    bound: float
    operations: tuple[str, ...]


_ALL = tuple(operation.name for operation in OPERATIONS)
_LISTS = ("list100", "list1000", "join100")
_TARGETS = (
    *(Target(mine, theirs, 0.9, _ALL) for mine, theirs in TWINS.items()),
    Target("erlen_reading", "sqlalchemy", 3, _LISTS),
    Target("erlen_reading", "django", 3, _LISTS),
    Target("erlen", "django", 1, ("insert", "change", "update")),
)


def render(record: DataRecord) -> str:
    """Return the whole report."""
    parts = [_head(record)]
    for database in record.cells:
        parts += [_against_django(record, database), _against_own_ground(record, database)]
    parts += [_targets(record), _faults(record)]
    return "\n\n".join(filter(None, parts)) + "\n"


def _head(record: DataRecord) -> str:
    spreads, others = record.spreads(), record.others()
    spread = f"Rounds of one cell differ by {median(spreads):.0%} (median), at most {max(spreads):.0%}. " if spreads else ""
    taken = f"Other processes took {median(others):.0%} of a core meanwhile (median), at most {max(others):.0%}. " if others else ""
    if record.is_disturbed():
        taken += "**That is too much: this run proves nothing.** "
    machine = "; ".join(f"{name}: {value}" for name, value in record.machine.items() if value)
    versions = ", ".join([*record.servers.values(), *(f"{name} {version}" for name, version in record.versions.items())])
    return (
        f"# Data: results of {record.date}\n\n"
        f"`{record.command}`: {record.rounds} interleaved rounds of {record.seconds:g} s, each contestant in a process of its own, one "
        f"operation after the other. {spread}{taken}Ratios within the run are what counts, so there are no times here.\n\n"
        f"- {machine}\n- {versions}"
    )


def _against_django(record: DataRecord, database: str) -> str:
    operations = _present(record, database)
    rows: list[list[str]] = []
    for contestant in CONTESTANTS:
        cells = [_pair(record, database, operation.name, contestant.name, "django") for operation in operations]
        if any(cell != "–" for cell in cells):
            rows.append([contestant.title, *cells])
    title = f"## {_TITLES[database]}: times as fast as Django (by the clock · by processor time of the client)"
    return f"{title}\n{_table(['', *(operation.title for operation in operations)], rows)}" if rows else ""


def _against_own_ground(record: DataRecord, database: str) -> str:
    operations = _present(record, database)
    rows: list[list[str]] = []
    for mine, twin in TWINS.items():
        for other in filter(None, (twin, _RAW.get((database, mine), ""))):
            cells = [_pair(record, database, operation.name, mine, other) for operation in operations]
            if any(cell != "–" for cell in cells):
                rows.append([f"{_NAMES[mine]} against {_NAMES[other]}", *cells])
    title = f"## {_TITLES[database]}: Erlen against what it stands on (by the clock · by processor time)"
    return f"{title}\n{_table(['', *(operation.title for operation in operations)], rows)}" if rows else ""


def _targets(record: DataRecord) -> str:
    rows: list[list[str]] = []
    reached: list[bool] = []
    for database in record.cells:
        for target in _TARGETS:
            cells: list[str] = []
            for operation in OPERATIONS:
                thrift = record.thrift(database, operation.name, target.mine, target.theirs)
                if thrift is None or operation.name not in target.operations:
                    cells.append("")
                    continue
                reached.append(thrift >= target.bound)
                cells.append(_shown(thrift) if reached[-1] else f"**{_shown(thrift)}**")
            if any(cells):
                wanted = f"{_NAMES[target.mine].replace('*', '')}: at least {target.bound:g} × {_NAMES[target.theirs]}"
                rows.append([f"{_TITLES[database]}, {wanted}", *cells])
    if not rows:
        return ""
    counts = f"{sum(reached)} met, {len(reached) - sum(reached)} missed (bold)"
    if record.is_disturbed():
        counts = "unclear, since others used the machine"
    heads = ["by processor time", *(operation.title for operation in OPERATIONS)]
    return f"## Targets: {counts}\n{_table(heads, rows)}"


def _faults(record: DataRecord) -> str:
    return "## What went wrong\n" + "\n".join(f"- {fault}" for fault in record.faults) if record.faults else ""


def _present(record: DataRecord, database: str) -> list[Operation]:
    return [operation for operation in OPERATIONS if operation.name in record.cells[database]]


def _pair(record: DataRecord, database: str, operation: str, mine: str, theirs: str) -> str:
    speed, thrift = record.speed(database, operation, mine, theirs), record.thrift(database, operation, mine, theirs)
    return "–" if speed is None or thrift is None else f"{_shown(speed)} · {_shown(thrift)}"


def _shown(ratio: float) -> str:
    return f"{ratio:.2f}".removeprefix("0") if ratio < 10 else f"{ratio:.0f}"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    rule = "|---|" + "--:|" * (len(heads) - 1)
    return "\n".join([f"| {' | '.join(heads)} |", rule, *(f"| {' | '.join(row)} |" for row in rows)])
