"""Measure Erlen beside bare servers and its peers: `python3 benchmarks/run.py`.

Makes its own virtual environment, then for each scenario lets every contestant run once a round, in turn, on core 0, with the load on
core 1. Writes `results/<date>.json` and `RESULTS.md`; a run of a part only prints. README.md beside this file says how to read them.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.contest import Contestant, Scenario
    from benchmarks.load import Load
    from benchmarks.record import Footprint, Record
    from benchmarks.wire import Answer

HERE = Path(__file__).resolve().parent
PYTHON = HERE / ".venv" / "bin" / "python"


def main() -> None:
    """Read the options, measure, and write the results."""
    options = _options()
    enter_environment()
    # The folder itself must not be on the path: its profile.py would hide the standard library's from cProfile.
    sys.path[:] = [str(HERE.parent), *(entry for entry in sys.path if entry and Path(entry).resolve() != HERE)]
    from benchmarks.record import Record
    from benchmarks.report import render

    if options.report is not None:
        record = Record.load(options.report)
    else:
        with tempfile.TemporaryDirectory() as folder:
            record = _measure(options, source=snapshot(Path(folder), options.commit))
    text = render(record)
    if options.only or options.scenario:
        print(f"\n{text}")
        return
    if options.report is None:
        print(f"\nwrote {record.save(HERE / 'results').relative_to(HERE.parent)}")
    (HERE / "RESULTS.md").write_text(text)
    print(f"wrote benchmarks/RESULTS.md\n\n{text[text.index('## Targets') :]}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure Erlen beside bare servers and its peers.")
    parser.add_argument("--quick", action="store_true", help="2 rounds of 2 seconds: for a first look, not for claims")
    parser.add_argument("--rounds", type=int, help="rounds of each cell (5)")
    parser.add_argument("--seconds", type=int, help="seconds of each round (4)")
    parser.add_argument("--retries", type=int, default=2, help="how often to repeat a round that other processes disturb (2)")
    parser.add_argument("--only", action="append", metavar="PREFIX", help="only contestants whose name starts so (repeatable)")
    parser.add_argument("--scenario", action="append", metavar="NAME", help="only this scenario (repeatable)")
    parser.add_argument("--commit", metavar="REF", help="measure Erlen as it was in this commit, rather than as it is in the working tree")
    parser.add_argument("--report", type=Path, metavar="FILE", help="write RESULTS.md again from a results file, without measuring")
    parser.add_argument("--list", action="store_true", help="list contestants and scenarios")
    options = parser.parse_args()
    options.rounds = options.rounds or (2 if options.quick else 5)
    options.seconds = options.seconds or (2 if options.quick else 4)
    return options


def enter_environment() -> None:
    """Make the benchmark's own virtual environment where it is missing or out of date, and go on inside it."""
    if sys.version_info < (3, 11):  # noqa: UP036 - `python3` may be older than what Erlen supports; this says so
        sys.exit(f"The benchmarks need Python 3.11 or newer, and this is {sys.version.split()[0]}")
    import tomllib

    depends = tomllib.loads((HERE.parent / "pyproject.toml").read_text())["project"]["dependencies"]
    wanted = hashlib.sha256((HERE / "requirements.txt").read_bytes() + repr(sorted(depends)).encode()).hexdigest()
    stamp = HERE / ".venv" / "stamp"
    if not stamp.exists() or stamp.read_text() != wanted:
        print("making benchmarks/.venv ...", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", HERE / ".venv"], check=True)
        install = [str(PYTHON), "-m", "pip", "install", "--quiet", "-r", "requirements.txt"]
        run = subprocess.run(install, cwd=HERE, capture_output=True, text=True, check=False)
        if run.returncode:
            sys.exit(run.stderr)
        stamp.write_text(wanted)
    if Path(sys.prefix).resolve() != (HERE / ".venv").resolve():
        os.execv(PYTHON, [str(PYTHON), *sys.argv])


def snapshot(folder: Path, commit: str | None) -> str:
    """Copy Erlen's source, so that a whole run measures one state of it whatever is edited meanwhile; return what was copied.

    Child processes find the copy first through `PYTHONPATH`. Templates that another state compiled are forgotten.
    """
    shutil.rmtree(HERE / "apps" / ".erlen", ignore_errors=True)
    git = ["git", "-C", str(HERE.parent)]
    if commit is not None:
        archive = subprocess.run([*git, "archive", commit, "src/erlen"], capture_output=True, check=False)
        if archive.returncode:
            sys.exit(f"there is no commit {commit!r} with Erlen in it: {archive.stderr.decode().strip()}")
        subprocess.run(["tar", "-x", "-C", folder], input=archive.stdout, check=True)
    else:
        shutil.copytree(HERE.parent / "src" / "erlen", folder / "src" / "erlen", ignore=shutil.ignore_patterns("__pycache__"))
    os.environ["PYTHONPATH"] = str(folder / "src")
    name = subprocess.run([*git, "rev-parse", "--short", commit or "HEAD"], capture_output=True, text=True, check=False).stdout.strip()
    changed = commit is None and subprocess.run([*git, "diff", "--quiet", "HEAD", "--", "src/erlen"], check=False).returncode
    return f"commit {name or 'unknown'}{', with changes' if changed else ''}"


def _measure(options: argparse.Namespace, source: str) -> Record:
    from benchmarks import machine
    from benchmarks.contest import BLOCKS, CONTESTANTS, SCENARIOS
    from benchmarks.load import has_wrk
    from benchmarks.record import Record

    if options.list:
        print("contestants:", *(contestant.name for contestant in CONTESTANTS))
        print("scenarios:", *(scenario.name for scenario in SCENARIOS))
        sys.exit()
    prefixes = tuple(options.only or [""])
    contestants = [contestant for contestant in CONTESTANTS if contestant.name.startswith(prefixes)]
    wanted = [scenario for scenario in SCENARIOS if not options.scenario or scenario.name in options.scenario]
    if not contestants or not wanted:
        sys.exit("nothing to measure: see --list for the names")
    if not has_wrk():
        print("wrk is not installed (apt install wrk, brew install wrk). Going on with a client in Python: it tops out well below the")
        print("fastest servers here, so ratios near 1 say little, and latency at half of capacity is not measured.")
    record = Record(
        date=time.strftime("%Y-%m-%dT%H:%M"),
        command=" ".join(["benchmarks/run.py", *sys.argv[1:]]),
        machine=machine.describe(),
        versions={**machine.versions(), "erlen": f"{machine.versions()['erlen']} ({source})"},
        rounds=options.rounds,
        seconds=options.seconds,
        retries=options.retries,
        loader="wrk" if has_wrk() else "a Python client (slow: read ratios near 1 with care)",
        header_source="",
    )
    environment = _erlen_headers(record)
    passed = _verify(contestants, wanted, environment, record)
    for names in BLOCKS:
        block = [scenario for scenario in wanted if scenario.name in names]
        if block:
            _run_block(block, passed, environment, record)
    if "json" in record.cells and has_wrk():
        _run_half(next(scenario for scenario in wanted if scenario.name == "json"), passed, environment, record)
    if "html" in record.cells:
        _measure_templates(record)
    _run_footprints(contestants, record)
    _run_profiles(record)
    return record


def _erlen_headers(record: Record) -> dict[str, str]:
    """Ask a running Erlen what it sends, so that the bare handlers send the same; without Erlen they send a content type alone."""
    from benchmarks.contest import CONTESTANTS, SCENARIOS
    from benchmarks.servers import ServerFailed, serve
    from benchmarks.wire import ask, visible_headers

    erlen = next(contestant for contestant in CONTESTANTS if contestant.name == "erlen_rsgi")
    try:
        with serve(erlen, "benchmarks.apps.erlen_app:app", {}) as server:
            answers = [ask(server.port, scenario.path) for scenario in SCENARIOS if scenario.name in {"plaintext", "json", "html"}]
    except ServerFailed as error:
        record.header_source = "a content type alone, since Erlen did not start"
        print(error.log)
        return {}
    seen = {answer.header("content-type"): visible_headers(answer) for answer in answers}
    names = sorted({name for headers in seen.values() for name, _ in headers})
    record.header_source = f"as Erlen was seen to send ({', '.join(names)})"
    return {"BENCH_HEADERS": json.dumps(seen)}


def _verify(contestants: list[Contestant], scenarios: list[Scenario], environment: dict[str, str], record: Record) -> set[tuple[str, str]]:
    """Check every answer before any load; return the (contestant, scenario) names that are right."""
    from benchmarks.contest import bare_twin
    from benchmarks.servers import ServerFailed, serve
    from benchmarks.wire import WrongAnswer, check, same_bytes

    answers: dict[tuple[str, str], Answer] = {}
    for contestant in contestants:
        for routes in sorted({scenario.routes for scenario in scenarios}):
            try:
                with serve(contestant, f"benchmarks.apps.{contestant.module}:app", {**environment, "BENCH_ROUTES": str(routes)}) as server:
                    for scenario in (scenario for scenario in scenarios if scenario.routes == routes):
                        try:
                            answers[contestant.name, scenario.name] = check(server.port, contestant, scenario)
                        except (WrongAnswer, OSError, ValueError) as error:
                            record.faults.append(f"{contestant.name}, {scenario.name}: {error}")
                            print("WRONG", record.faults[-1])
            except ServerFailed as error:
                record.faults.append(str(error))
                print(error)
                break
    for contestant in contestants:
        twin = bare_twin(contestant)
        for scenario in scenarios:
            mine = answers.get((contestant.name, scenario.name))
            theirs = answers.get((twin.name, scenario.name)) if twin is not None else None
            if contestant.kind == "erlen" and mine is not None and theirs is not None:
                same = record.identical[f"{contestant.name} {scenario.name}"] = same_bytes(mine, theirs)
                if not same:
                    print(f"{contestant.name}, {scenario.name}: not the bytes of the bare handler\n  {mine}\n  {theirs}")
    print(f"{len(answers)} answers are right, {len(record.faults)} faults")
    return set(answers)


def _run_block(scenarios: list[Scenario], passed: set[tuple[str, str]], environment: dict[str, str], record: Record) -> None:
    """Let every contestant run once a round, in a turning order, in a process of its own each time."""
    for number in range(record.rounds):
        for contestant in _turn(passed, number * 3):
            for scenario in scenarios:
                if (contestant.name, scenario.name) in passed:
                    load = _one_round(contestant, scenario, environment, record)
                    record.cells.setdefault(scenario.name, {}).setdefault(contestant.name, []).append(load)
                    print(f"round {number + 1}  {scenario.name:<10} {contestant.name:<24} {_shown(load)}", flush=True)


def _one_round(contestant: Contestant, scenario: Scenario, environment: dict[str, str], record: Record) -> Load | None:
    """Measure once; again, up to `record.retries` times, while something else takes a fifth of a core, and keep the calmest."""
    from benchmarks.load import LoadFailed, put_load
    from benchmarks.servers import ServerFailed, serve

    try:
        with serve(contestant, f"benchmarks.apps.{contestant.module}:app", {**environment, "BENCH_ROUTES": str(scenario.routes)}) as server:
            put_load(server, scenario, 1)
            loads = [put_load(server, scenario, record.seconds)]
            while loads[-1].others_busy > 0.2 and len(loads) <= record.retries:
                loads.append(put_load(server, scenario, record.seconds))
            return min(loads, key=lambda load: load.others_busy)
    except (LoadFailed, ServerFailed) as error:
        record.faults.append(f"{contestant.name}, {scenario.name}: {error}")
        return None


def _run_half(scenario: Scenario, passed: set[tuple[str, str]], environment: dict[str, str], record: Record) -> None:
    """Measure latency at half of each one's capacity: connections rest between requests, for as long as it takes to halve the rate."""
    from benchmarks.load import CONNECTIONS, LoadFailed, put_load
    from benchmarks.servers import ServerFailed, serve

    rests: dict[str, float] = {}
    for number in range(min(record.rounds, 3)):
        for contestant in _turn(passed, number * 3):
            capacity = record.rate(scenario.name, contestant.name)
            # A gunicorn sync worker waits on each open connection in turn, resting ones too: there is no half load to put on it.
            if capacity is None or contestant.server == "gunicorn":
                continue
            cycle = CONNECTIONS / (capacity / 2) * 1000
            try:
                with serve(contestant, f"benchmarks.apps.{contestant.module}:app", {**environment, "BENCH_ROUTES": "0"}) as server:
                    rest = rests.setdefault(contestant.name, cycle * 0.8)
                    for _ in range(2 if number == 0 else 1):
                        taken = CONNECTIONS / put_load(server, scenario, 1, rest=rest).rate * 1000
                        rest = rests[contestant.name] = max(0.01, rest + cycle - taken)
                    load = put_load(server, scenario, record.seconds, rest=rest)
            except (LoadFailed, ServerFailed) as error:
                record.faults.append(f"{contestant.name}, half load: {error}")
                continue
            record.half.setdefault(contestant.name, []).append(load)
            print(f"round {number + 1}  half load  {contestant.name:<24} {_shown(load)}", flush=True)


def _run_footprints(contestants: list[Contestant], record: Record) -> None:
    from benchmarks import footprint
    from benchmarks.servers import last_line

    known: dict[str, Footprint] = {}
    record.bare_footprint = footprint.import_cost(None)
    for contestant in contestants:
        if contestant.hello is None or contestant.middleware:
            continue
        try:
            found = record.footprints[contestant.name] = footprint.measure(contestant, known)
        except subprocess.CalledProcessError as error:
            record.faults.append(f"{contestant.name}: its hello world cannot be imported: {last_line(error.stderr.decode())}")
            continue
        memory = "did not start" if found.worker_mb is None else f"{found.worker_mb:.1f} MB"
        print(f"hello     {contestant.name:<24} {found.import_ms:.0f} ms, {found.modules} modules, {memory}", flush=True)


def _measure_templates(record: Record) -> None:
    """Add what the template engine costs apart from the rest, measured in a process of its own."""
    from benchmarks.record import TemplateCost
    from benchmarks.servers import last_line, pinned

    command = pinned(0, [sys.executable, str(HERE / "templates.py"), "--json"])
    run = subprocess.run(command, cwd=HERE.parent, capture_output=True, text=True, check=False)
    if run.returncode:
        record.faults.append(f"the cost of templates: {last_line(run.stderr)}")
        return
    record.template_cost = TemplateCost(**json.loads(run.stdout))


def _run_profiles(record: Record) -> None:
    """Add a profile of each scenario and door that misses a target."""
    from benchmarks.servers import last_line
    from benchmarks.targets import judge

    for verdict in judge(record):
        door = verdict.door.removeprefix("erlen_")
        name = f"{verdict.scenario}, {door} door"
        if verdict.met is False and door and name not in record.profiles:
            command = [sys.executable, str(HERE / "profile.py"), "--scenario", verdict.scenario, "--door", door]
            run = subprocess.run(command, cwd=HERE.parent, capture_output=True, text=True, check=False)
            record.profiles[name] = run.stdout if run.returncode == 0 else f"the profile failed: {last_line(run.stderr)}"


def _turn(passed: set[tuple[str, str]], places: int) -> list[Contestant]:
    from benchmarks.contest import CONTESTANTS

    present = [contestant for contestant in CONTESTANTS if any(name == contestant.name for name, _ in passed)]
    places %= max(1, len(present))
    return present[places:] + present[:places]


def _shown(load: Load | None) -> str:
    if load is None:
        return "failed"
    busy = f"busy: server {load.server_busy:4.0%} load {load.client_busy:4.0%} others {load.others_busy:4.0%}"
    return f"{load.rate:>9,.0f}/s  p99 {load.p99:6.2f} ms  {load.cpu_microseconds:5.1f} µs  {busy}"


if __name__ == "__main__":
    main()
