"""A record as Markdown tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from statistics import median

from benchmarks.contest import CONTESTANTS, SCENARIOS, Contestant, bare_twin
from benchmarks.load import CONNECTIONS
from benchmarks.record import Record
from benchmarks.targets import Verdict, judge

__all__ = ["render"]

_TITLES = {scenario.name: scenario.title for scenario in SCENARIOS}


def render(record: Record) -> str:
    """Write the whole report."""
    sections = [_head(record), _rates(record), _doors(record), _latencies(record), _costs(record), _templates(record)]
    sections += [_footprints(record), _targets(record), _profiles(record), _faults(record)]
    return "\n\n".join(section for section in sections if section) + "\n"


def _head(record: Record) -> str:
    cells = [(name, contestant.name) for name in record.scenarios() for contestant in CONTESTANTS]
    spreads = [spread for cell in cells if (spread := record.spread(*cell)) is not None]
    noise = f" Rounds of one cell differ by {median(spreads):.0%} (median), at most {max(spreads):.0%}." if spreads else ""
    others = [load.others_busy for cell in cells for load in record.loads(*cell)]
    if others:
        noise += f" Other processes took {median(others):.0%} of a core meanwhile (median), at most {max(others):.0%}"
        noise += ": **too much for figures to quote**; read the ratios by processor time." if record.disturbed() else "."
    machine = "; ".join(f"{name}: {value}" for name, value in record.machine.items())
    versions = ", ".join(f"{name} {version}" for name, version in record.versions.items())
    return (
        f"# Results of {record.date}\n\n"
        f"`{record.command}`: {record.rounds} interleaved rounds of {record.seconds} s, {CONNECTIONS} connections from {record.loader}, "
        f"one worker; a round that others disturbed was repeated (at most {record.retries} times) and the calmest kept.{noise} "
        "Absolute figures belong to this machine on this day; ratios within the run are what counts.\n\n"
        f"- {machine}\n- {versions}\n- Headers of the bare handlers: {record.header_source}"
    )


def _rates(record: Record) -> str:
    def cell(scenario: str, contestant: Contestant) -> str:
        rate = record.rate(scenario, contestant.name)
        if rate is None:
            return "–"
        ratio = record.ratio(scenario, contestant.name, "bare_rsgi")
        return f"{rate / 1000:.1f}" + (f" ({_two(ratio)})" if ratio is not None and contestant.name != "bare_rsgi" else "")

    return f"## Requests per second (thousands; in brackets the ratio to bare RSGI)\n{_grid(record, cell)}"


def _doors(record: Record) -> str:
    rows: list[list[str]] = []
    for contestant in CONTESTANTS:
        twin = bare_twin(contestant)
        if contestant.kind != "erlen" or twin is None:
            continue
        names = record.scenarios()
        ratios = [(record.ratio(name, contestant.name, twin.name), record.thrift(name, contestant.name, twin.name)) for name in names]
        if any(ratio is not None for ratio, _ in ratios):
            same = [ok for name, ok in record.identical.items() if name.startswith(f"{contestant.name} ")]
            bytes_ = "–" if not same else "yes" if all(same) else "no"
            rows.append([contestant.title, *(f"{_two(ratio)} · {_two(thrift)}" for ratio, thrift in ratios), bytes_])
    if not rows:
        return ""
    heads = ["door", *(_TITLES[name] for name in record.scenarios()), "same bytes"]
    return f"## Erlen against the bare handler on the same server and interface (by requests · by processor time)\n{_table(heads, rows)}"


def _latencies(record: Record) -> str:
    def cell(scenario: str, contestant: Contestant) -> str:
        loads = record.loads(scenario, contestant.name)
        return f"{median(load.p50 for load in loads):.1f} · {median(load.p99 for load in loads):.1f}" if loads else "–"

    text = f"## Latency at full load (ms, p50 · p99)\n{_grid(record, cell)}"
    rows: list[list[str]] = []
    for contestant in CONTESTANTS:
        loads = [load for load in record.half.get(contestant.name, []) if load is not None]
        capacity = record.rate("json", contestant.name)
        if loads and capacity:
            reached = median(load.rate for load in loads)
            figures = [f"{median(values):.2f}" for values in ([load.p50 for load in loads], [load.p99 for load in loads])]
            rows.append([contestant.title, f"{reached / 1000:.1f}", f"{reached / capacity:.0%}", *figures])
    if rows:
        heads = ["", "thousands/s", "of its capacity", "p50", "p99"]
        text += f"\n\n### JSON at half of each one's own capacity (ms)\n{_table(heads, rows)}"
    return text


def _costs(record: Record) -> str:
    def cell(scenario: str, contestant: Contestant) -> str:
        loads = record.loads(scenario, contestant.name)
        if not loads:
            return "–"
        idle = median(load.server_busy for load in loads) < 0.9
        return f"{median(load.cpu_microseconds for load in loads):.0f}" + (" †" if idle else "")

    busiest = max((load.client_busy for cells in record.cells.values() for loads in cells.values() for load in loads if load), default=0.0)
    note = f"† the server had its core less than 90 % busy: waiting limits the row. The load kept its own at most {busiest:.0%} busy"
    note += ": it may have held the fastest rows back." if busiest > 0.95 else "."
    return f"## Processor time of the server for one request (µs)\n{_grid(record, cell)}\n\n{note}"


def _templates(record: Record) -> str:
    found = record.template_cost
    if found is None:
        return ""
    rows = [
        ["Jinja2 alone, `template.render(…)`", f"{found.plain:.1f}", "1.00"],
        ["Erlen, `render(…)` in a handler", f"{found.render:.1f}", f"{found.render_ratio:.2f}"],
        ["Erlen, the whole request on the RSGI door", f"{found.request:.1f}", f"{found.request_ratio:.2f}"],
    ]
    heads = ["the HTML page, one process, no server", "µs", "of Jinja2 alone"]
    return f"## What the template engine costs (processor time)\n{_table(heads, rows)}"


def _footprints(record: Record) -> str:
    if not record.footprints:
        return ""
    rows: list[list[str]] = []
    if record.bare_footprint is not None:
        rows.append(["*bare interpreter*", f"{record.bare_footprint.import_ms:.0f}", str(record.bare_footprint.modules), "–"])
    for contestant in CONTESTANTS:
        found = record.footprints.get(contestant.name)
        if found is not None:
            memory = "–" if found.worker_mb is None else f"{found.worker_mb:.1f}"
            rows.append([contestant.title, f"{found.import_ms:.0f}", str(found.modules), memory])
    return f"## A hello world\n{_table(['', 'import, ms', 'modules', 'worker, MB resident'], rows)}"


def _targets(record: Record) -> str:
    verdicts = judge(record)
    marks = [_mark(verdict, disturbed=record.disturbed()) for verdict in verdicts]
    rows = [
        [verdict.scenario, verdict.target, verdict.measured, verdict.by_time, mark] for verdict, mark in zip(verdicts, marks, strict=True)
    ]
    counts = ", ".join(f"{marks.count(mark)} {mark.strip('*')}" for mark in ("met", "**missed**", "unclear"))
    heads = ["scenario", "target", "measured", "by processor time", ""]
    return f"## Targets: {counts}, {marks.count('–')} not measured\n{_table(heads, rows, figures=False)}"


def _mark(verdict: Verdict, *, disturbed: bool) -> str:
    if verdict.met is None:
        return "–"
    if disturbed and verdict.timed:
        return "unclear"
    return "met" if verdict.met else "**missed**"


def _profiles(record: Record) -> str:
    if not record.profiles:
        return ""
    parts = [f"### {name}\n```text\n{text.strip()}\n```" for name, text in record.profiles.items()]
    return "\n\n".join(["## Where the time goes in the rows that fall short of a target", *parts])


def _faults(record: Record) -> str:
    return "## What went wrong\n" + "\n".join(f"- {fault}" for fault in record.faults) if record.faults else ""


def _grid(record: Record, cell: Callable[[str, Contestant], str]) -> str:
    names = record.scenarios()
    present = [contestant for contestant in CONTESTANTS if any(record.loads(name, contestant.name) for name in names)]
    rows = [[contestant.title, *(cell(name, contestant) for name in names)] for contestant in present]
    return _table(["", *(_TITLES[name] for name in names)], rows)


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]], *, figures: bool = True) -> str:
    rule = "|---|" + ("--:|" if figures else "---|") * (len(heads) - 1)
    return "\n".join([f"| {' | '.join(heads)} |", rule, *(f"| {' | '.join(row)} |" for row in rows)])


def _two(ratio: float | None) -> str:
    return "–" if ratio is None else f"{ratio:.2f}".removeprefix("0")
