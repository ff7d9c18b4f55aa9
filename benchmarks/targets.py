"""The targets of the project, each held against one run's record."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from benchmarks.record import Record

__all__ = ["Verdict", "judge"]


class Verdict(NamedTuple):
    """A target, what was measured, and whether that meets it: None where this run cannot tell."""

    scenario: str
    target: str
    measured: str
    met: bool | None
    by_time: str = "–"
    timed: bool = True  # what disturbs the machine disturbs this
    door: str = ""


def judge(record: Record) -> list[Verdict]:
    """Hold every target against the record."""
    return [*_loop_rows(record), *_sync_rows(record), *_typed_rows(record), *_page_rows(record), *_other_rows(record)]


def _loop_rows(record: Record) -> Iterator[Verdict]:
    for scenario in ("plaintext", "json"):
        yield _against(record, scenario, "erlen_rsgi", "bare_rsgi", 0.85)
        yield _against_best(record, scenario, "erlen_rsgi", 1.0)
        yield _against(record, scenario, "erlen_rsgi", "fastapi_uvicorn", 6)
        yield _against(record, scenario, "erlen_rsgi", "django_gunicorn", 14)
        yield _against(record, scenario, "erlen_rsgi", "flask_gunicorn", 14)


def _sync_rows(record: Record) -> Iterator[Verdict]:
    yield _against(record, "sync", "erlen_rsgi", "bare_rsgi", 0.55)
    yield _against_best(record, "sync", "erlen_rsgi", 1.0)
    yield _against(record, "sync", "erlen_wsgi", "bare_wsgi", 0.83)
    yield _against_best(record, "sync", "erlen_wsgi", 1.7)
    yield Verdict("sync", "Erlen, WSGI door: at least 0.9 of Fastify", "no Node.js in this run", None)


def _typed_rows(record: Record) -> Iterator[Verdict]:
    yield _against(record, "params", "erlen_rsgi", "bare_rsgi", 0.82)
    yield _against(record, "params", "erlen_rsgi", "blacksheep_granian", 1.2)
    yield _against(record, "post", "erlen_rsgi", "bare_rsgi", 0.85)
    yield _against_best(record, "post", "erlen_rsgi", 1.5)
    yield _against(record, "routes300", "erlen_rsgi", "erlen_rsgi", 0.97, other_scenario="params")


def _page_rows(record: Record) -> Iterator[Verdict]:
    yield _against_best(record, "html", "erlen_rsgi", 1.0, level=True)
    yield _against(record, "html", "erlen_rsgi", "django_gunicorn", 6)


def _other_rows(record: Record) -> Iterator[Verdict]:
    yield _memory(record, "erlen_wsgi", "flask_granian")
    yield _memory(record, "erlen_rsgi", "flask_granian")
    yield _latency(record)
    yield Verdict("full stack", "session, user, CSRF, template, two statements: at least 8 x Django", "not measured yet", None)


def _against(record: Record, scenario: str, mine: str, theirs: str, bound: float, *, other_scenario: str = "") -> Verdict:
    of = f"its own {other_scenario}" if other_scenario else theirs
    ratio = record.ratio(scenario, mine, theirs, other_scenario)
    target = f"{mine}: at least {_factor(bound)} {of}"
    if ratio is None:
        return Verdict(scenario, target, "not measured in this run", None)
    thrift = record.thrift(scenario, mine, theirs, other_scenario) or 0.0
    return Verdict(scenario, target, _times(ratio), ratio >= bound, _times(thrift), door=mine)


def _against_best(record: Record, scenario: str, mine: str, bound: float, *, level: bool = False) -> Verdict:
    best = record.best_peer(scenario)
    wanted = f"at least {_factor(bound)}" if bound != 1 else "at least level with" if level else "more than"
    target = f"{mine}: {wanted} the best peer measured"
    ratio = record.ratio(scenario, mine, best) if best is not None else None
    if best is None or ratio is None:
        return Verdict(scenario, target, "not measured in this run", None)
    thrift = record.thrift(scenario, mine, best) or 0.0
    met = ratio > bound if bound == 1 and not level else ratio >= bound
    return Verdict(scenario, target, f"{_times(ratio)} ({best})", met, _times(thrift), door=mine)


def _memory(record: Record, mine: str, theirs: str) -> Verdict:
    target = f"{mine}: hello-world worker no larger than {theirs}'s"
    one, two = (record.footprints[name].worker_mb if name in record.footprints else None for name in (mine, theirs))
    if one is None or two is None:
        return Verdict("memory", target, "not measured in this run", None)
    return Verdict("memory", target, f"{one:.1f} MB against {two:.1f} MB", one <= two, timed=False)


def _latency(record: Record) -> Verdict:
    target = "erlen_rsgi: p99 at half of capacity no longer than the best peer's"
    best, mine = record.best_half_p99(), record.half_p99("erlen_rsgi")
    theirs = record.half_p99(best) if best is not None else None
    if mine is None or theirs is None:
        return Verdict("json", target, "not measured in this run", None)
    return Verdict("json", target, f"{mine:.2f} ms against {theirs:.2f} ms ({best})", mine <= theirs)


def _factor(bound: float) -> str:
    return f"{bound:.2f} of" if bound < 1 else f"{bound:g} x"


def _times(ratio: float) -> str:
    return f"{ratio:.2f}" if ratio < 10 else f"{ratio:.1f}"
