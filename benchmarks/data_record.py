"""What one run of the data benchmark found: kept as JSON, read by the report."""

from __future__ import annotations

from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from statistics import median

import msgspec
from msgspec import Struct, field

__all__ = ["DataRecord", "Round", "versions"]

_LIBRARIES = ("erlen", "sqlalchemy", "psycopg", "asyncpg", "aiosqlite", "django", "peewee", "tortoise-orm", "msgspec", "uvloop")


class Round(Struct, array_like=True):
    """How often an operation ran, in how many seconds by the clock and of the processor; and which part of a core others took."""

    calls: int
    wall: float
    processor: float
    others: float


class DataRecord(Struct):
    """Every round of every cell: by database, operation and contestant, in the order measured; None where a contestant failed.

    `is_whole` tells a run of everything from one of a part.
    """

    date: str
    command: str
    machine: dict[str, str]
    versions: dict[str, str]
    rounds: int
    seconds: float
    retries: int
    is_whole: bool
    servers: dict[str, str] = field(default_factory=dict)
    cells: dict[str, dict[str, dict[str, list[Round | None]]]] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def speed(self, database: str, operation: str, contestant: str, other: str) -> float | None:
        """Return how many times as fast by the clock a contestant is as another: the median of the rounds' ratios."""
        return self._ratio(database, operation, contestant, other, lambda one: one.wall / one.calls)

    def thrift(self, database: str, operation: str, contestant: str, other: str) -> float | None:
        """Return the same ratio by the processor time of the client, which waits for nobody."""
        return self._ratio(database, operation, contestant, other, lambda one: one.processor / one.calls)

    def _ratio(self, database: str, operation: str, contestant: str, other: str, cost: Callable[[Round], float]) -> float | None:
        cells = self.cells.get(database, {}).get(operation, {})
        pairs = zip(cells.get(contestant, []), cells.get(other, []), strict=False)
        ratios = [cost(two) / cost(one) for one, two in pairs if one is not None and two is not None]
        return median(ratios) if ratios else None

    def spreads(self) -> list[float]:
        """Return for each cell how far apart its cheapest and dearest round are, as a share of the median."""
        found: list[float] = []
        for rounds in self._cells():
            costs = [one.processor / one.calls for one in rounds]
            if len(costs) > 1:
                found.append((max(costs) - min(costs)) / median(costs))
        return found

    def others(self) -> list[float]:
        """Return which part of a core other processes took, for each round."""
        return [one.others for rounds in self._cells() for one in rounds]

    def is_disturbed(self) -> bool:
        """Whether other processes took more than a tenth of a core in half of the rounds: then nothing is proved."""
        others = self.others()
        return bool(others) and median(others) > 0.1

    def _cells(self) -> list[list[Round]]:
        lists = [rounds for cells in self.cells.values() for row in cells.values() for rounds in row.values()]
        return [[one for one in rounds if one is not None] for rounds in lists]

    def save(self, path: Path) -> None:
        """Write the record as JSON."""
        path.write_bytes(msgspec.json.format(msgspec.json.encode(self), indent=1))

    @classmethod
    def load(cls, path: Path) -> DataRecord:
        """Read a record."""
        return msgspec.json.decode(path.read_bytes(), type=cls)


def versions() -> dict[str, str]:
    """Return the versions of the contestants and their drivers."""
    return {name: metadata.version(name) for name in _LIBRARIES}
