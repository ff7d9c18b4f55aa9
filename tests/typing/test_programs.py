"""Programs as their authors' type checkers see them: mypy and pyright in strict mode, without plugins or this project's settings.

Those in `programs` say with `assert_type` what is inferred, and they run. Those in `mistakes` say at the end of a line which errors it is
for: `# E: `, the codes of mypy, and the rules of pyright, whose names begin with `report`.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import pytest

HERE = Path(__file__).resolve().parent
PROGRAMS = sorted((HERE / "programs").glob("*.py"))
MISTAKES = sorted((HERE / "mistakes").glob("*.py"))

Errors: TypeAlias = Mapping[str, Mapping[int, Mapping[str, str]]]
"""By the name of the file and the line: each error's rule and what it says."""

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("typing")]  # in one process, where each checker runs once


def run(folder: Path, *command: str) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MYPY", "PYRIGHT", "PYTEST"))}
    answer = subprocess.run(
        [sys.executable, *command], cwd=folder, capture_output=True, text=True, timeout=900, check=False, env=environment
    )
    assert answer.returncode in (0, 1), answer.stdout + answer.stderr  # 1 tells of errors that were found, more of the checker's own
    return answer.stdout


def run_mypy(folder: Path) -> Errors:
    options = ["--strict", "--config-file=", "--python-version=3.11", "--cache-dir=cache", "--output=json"]
    found: dict[str, dict[int, dict[str, str]]] = defaultdict(lambda: defaultdict(dict))
    for line in run(folder, "-m", "mypy", *options, *map(str, [*PROGRAMS, *MISTAKES])).splitlines():
        error: dict[str, Any] = json.loads(line)
        if error["severity"] == "error":
            found[Path(error["file"]).name][error["line"]][error["code"]] = error["message"]
    return found


def run_pyright(folder: Path) -> Errors:
    settings = {
        "include": [str(HERE / "programs"), str(HERE / "mistakes")],
        "typeCheckingMode": "strict",
        "pythonVersion": "3.11",
        "pythonPlatform": "Linux",
    }
    (folder / "pyrightconfig.json").write_text(json.dumps(settings))
    output = run(folder, "-m", "basedpyright", "--project", str(folder), "--pythonpath", sys.executable, "--outputjson")
    answer: dict[str, Any] = json.loads(output)
    assert answer["summary"]["filesAnalyzed"] == len(PROGRAMS) + len(MISTAKES)
    found: dict[str, dict[int, dict[str, str]]] = defaultdict(lambda: defaultdict(dict))
    for error in answer["generalDiagnostics"]:
        found[Path(error["file"]).name][error["range"]["start"]["line"] + 1][error.get("rule", "")] = error["message"]
    return found


@pytest.fixture(scope="module", params=[run_mypy, run_pyright], ids=["mypy", "pyright"])
def errors(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Errors:
    """What one checker finds in all files, in one run of it."""
    check: Callable[[Path], Errors] = request.param
    return check(tmp_path_factory.mktemp("typing"))


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.stem)
def test_the_types_of_a_program_are_inferred(errors: Errors, program: Path) -> None:
    found = errors.get(program.name, {})
    assert not found, "\n".join(f"{program.name}:{line}: {rule}: {text}" for line in sorted(found) for rule, text in found[line].items())


@pytest.mark.parametrize("program", MISTAKES, ids=lambda program: program.stem)
def test_mistakes_are_found(errors: Errors, program: Path, request: pytest.FixtureRequest) -> None:
    by_pyright = "pyright" in request.node.callspec.id
    expected: dict[int, set[str]] = {}
    for number, line in enumerate(program.read_text(encoding="utf-8").splitlines(), start=1):
        if marked := re.search(r"  # E: (.+)$", line):
            rules = {rule for rule in marked[1].split(", ") if rule.startswith("report") == by_pyright}
            assert rules, f"line {number} says nothing of {'pyright' if by_pyright else 'mypy'}"
            expected[number] = rules
    # What has no known type after an error is unknown to pyright wherever it goes: that follows, and is not said in the files.
    found = {line: {rule for rule in rules if not rule.startswith("reportUnknown")} for line, rules in errors.get(program.name, {}).items()}
    assert {line: rules for line, rules in found.items() if rules} == expected


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.stem)
def test_a_program_runs(program: Path, tmp_path: Path) -> None:
    answer = subprocess.run(
        [sys.executable, "-W", "error", str(program)], cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False
    )
    assert answer.returncode == 0, answer.stderr
