"""What one run found: kept as JSON, read by the report and the targets."""

from __future__ import annotations

from pathlib import Path
from statistics import median

import msgspec
from msgspec import Struct, field

from benchmarks.contest import CONTESTANTS, SCENARIOS
from benchmarks.load import Load

__all__ = ["Footprint", "Record", "TemplateCost"]


class Footprint(Struct):
    """A hello world: ms to import it in a fresh interpreter, modules loaded, and its worker's resident MB (None: did not start)."""

    import_ms: float
    modules: int
    worker_mb: float | None


class TemplateCost(Struct):
    """Processor time, in µs, of one page: the template engine alone, in Erlen, and in a whole request; and how much Erlen's is of plain."""

    plain: float
    render: float
    request: float
    render_ratio: float
    request_ratio: float


class Record(Struct):
    """Every round of every cell, in the order measured; None where a contestant failed."""

    date: str
    command: str
    machine: dict[str, str]
    versions: dict[str, str]
    rounds: int
    seconds: int
    retries: int
    loader: str
    header_source: str
    cells: dict[str, dict[str, list[Load | None]]] = field(default_factory=dict)
    half: dict[str, list[Load | None]] = field(default_factory=dict)
    bare_footprint: Footprint | None = None
    footprints: dict[str, Footprint] = field(default_factory=dict)
    identical: dict[str, bool] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    profiles: dict[str, str] = field(default_factory=dict)
    template_cost: TemplateCost | None = None

    def loads(self, scenario: str, contestant: str) -> list[Load]:
        """Return the rounds that succeeded."""
        return [load for load in self.cells.get(scenario, {}).get(contestant, []) if load is not None]

    def rate(self, scenario: str, contestant: str) -> float | None:
        """Return the median requests per second."""
        loads = self.loads(scenario, contestant)
        return median(load.rate for load in loads) if loads else None

    def ratio(self, scenario: str, contestant: str, other: str, other_scenario: str = "") -> float | None:
        """Return the median of the rounds' ratios: both sides of each were measured within the same minute or so."""
        pairs = self._pairs(scenario, contestant, other, other_scenario)
        return median(one.rate / two.rate for one, two in pairs) if pairs else None

    def thrift(self, scenario: str, contestant: str, other: str, other_scenario: str = "") -> float | None:
        """Return the same ratio by the servers' processor time for a request, which a busy machine disturbs much less."""
        pairs = self._pairs(scenario, contestant, other, other_scenario)
        return median(two.cpu_microseconds / one.cpu_microseconds for one, two in pairs) if pairs else None

    def _pairs(self, scenario: str, contestant: str, other: str, other_scenario: str) -> list[tuple[Load, Load]]:
        mine = self.cells.get(scenario, {}).get(contestant, [])
        theirs = self.cells.get(other_scenario or scenario, {}).get(other, [])
        return [(one, two) for one, two in zip(mine, theirs, strict=False) if one is not None and two is not None]

    def spread(self, scenario: str, contestant: str) -> float | None:
        """Return how far apart the slowest and the fastest round are, as a share of the median."""
        rates = [load.rate for load in self.loads(scenario, contestant)]
        return (max(rates) - min(rates)) / median(rates) if rates else None

    def disturbed(self) -> bool:
        """Tell whether other processes took more than a tenth of a core in half of the rounds: then rates cannot be trusted."""
        others = [load.others_busy for cells in self.cells.values() for loads in cells.values() for load in loads if load is not None]
        return bool(others) and median(others) > 0.1

    def best_peer(self, scenario: str) -> str | None:
        """Return the peer with the highest median in a scenario."""
        rates = {name: rate for name in _PEERS if (rate := self.rate(scenario, name)) is not None}
        return max(rates, key=lambda name: rates[name]) if rates else None

    def half_p99(self, contestant: str) -> float | None:
        """Return the median p99, in ms, at half of the contestant's own capacity."""
        loads = [load for load in self.half.get(contestant, []) if load is not None]
        return median(load.p99 for load in loads) if loads else None

    def best_half_p99(self) -> str | None:
        """Return the peer with the lowest p99 at half of its capacity."""
        found = {name: p99 for name in _PEERS if (p99 := self.half_p99(name)) is not None}
        return min(found, key=lambda name: found[name]) if found else None

    def save(self, folder: Path) -> Path:
        """Write the record as JSON into a folder, under its date."""
        path = folder / f"{self.date.replace(':', '')}.json"
        path.write_bytes(msgspec.json.format(msgspec.json.encode(self), indent=1))
        return path

    @classmethod
    def load(cls, path: Path) -> Record:
        """Read a record back.

        Raises:
            msgspec.DecodeError: when the file is none.
        """
        return msgspec.json.decode(path.read_bytes(), type=cls)

    def scenarios(self) -> list[str]:
        """Return the scenarios that were measured, in the order of the tables."""
        return [scenario.name for scenario in SCENARIOS if scenario.name in self.cells]


_PEERS = tuple(contestant.name for contestant in CONTESTANTS if contestant.kind == "peer")
