"""The commands of the Makefile on a machine where nothing is set up yet."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def make(*arguments: str, folder: Path = ROOT, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MAKE")} | variables
    return subprocess.run(["make", *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A folder with the build files alone."""
    for name in ("Makefile", "pyproject.toml", ".ci/pythons", ".ci/run"):
        copy = tmp_path / name
        copy.parent.mkdir(exist_ok=True)
        copy.write_bytes((ROOT / name).read_bytes())
        copy.chmod((ROOT / name).stat().st_mode)
    return tmp_path


def test_demo_sets_everything_up_first(clone: Path) -> None:
    plan = make("--dry-run", "demo", "PORT=8123", folder=clone)
    assert plan.returncode == 0, plan.stderr
    venv, install, run = (plan.stdout.index(step) for step in ("-m venv .venv", "--editable '.[standard]'", "erlen run"))
    assert venv < install < run
    assert "--host 127.0.0.1 --port 8123" in plan.stdout


def test_install_runs_again_only_when_the_project_file_changes(clone: Path) -> None:
    programs = clone / ".venv" / "bin"
    programs.mkdir(parents=True)
    (programs / "python").touch()
    stamp = clone / ".venv" / ".dev"
    stamp.touch()
    os.utime(clone / "pyproject.toml", (1, 1))
    assert "pip install" not in make("--dry-run", "lint", folder=clone).stdout
    os.utime(stamp, (0, 0))
    assert "pip install" in make("--dry-run", "lint", folder=clone).stdout


def test_machine_without_a_supported_python_is_told_so(clone: Path) -> None:
    answer = make("venv", "PYTHON=", folder=clone)
    assert answer.returncode != 0
    assert "No Python from 3.11 to 3.14" in answer.stderr
    assert not (clone / ".venv").exists()


def test_pythons_are_found_on_path(tmp_path: Path) -> None:
    version = "{}.{}".format(*sys.version_info)
    (tmp_path / "python3").symlink_to(sys.executable)
    (tmp_path / "python3.12").symlink_to("/bin/false")
    path = f"{tmp_path}:/usr/bin:/bin"
    answer = subprocess.run(
        [ROOT / ".ci" / "pythons"], env={"PATH": path, "HOME": str(tmp_path)}, capture_output=True, text=True, timeout=60, check=True
    )
    found = dict(line.split(" ", 1) for line in answer.stdout.splitlines())
    assert version in found
    assert list(found) == sorted(found, key=lambda text: int(text.partition(".")[2]))


def test_continuous_integration_runs_the_test_command_of_the_readme() -> None:
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
    assert "$ make test\n" in (ROOT / "README.md").read_text(encoding="utf-8")
    assert "make test" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
