"""What `pip install erlen` puts on a machine: the built package in an environment of its own, without the development tools."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CORE = {"click", "granian", "itsdangerous", "jinja2", "markupsafe", "msgspec", "multipart"}

# One group: the environment is made once, in one worker.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("installed")]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of programs of a fresh virtual environment that has only Erlen's core."""
    folder = tmp_path_factory.mktemp("installed")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True, timeout=60)
    programs = folder / "bin"
    pip = [sys.executable, "-m", "pip", "--python", str(programs / "python")]
    answer = subprocess.run(
        [*pip, "install", "--quiet", "--no-input", "--no-compile", "--disable-pip-version-check", str(ROOT)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    return programs


def run(environment: Path, program: str) -> str:
    answer = subprocess.run([environment / "python", "-I", "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


def test_core_is_exactly_seven_distributions(environment: Path) -> None:
    program = "import json; from importlib.metadata import distributions; print(json.dumps([d.name.lower() for d in distributions()]))"
    assert sorted(json.loads(run(environment, program))) == sorted({"erlen", *CORE})


def test_built_package_has_every_module_and_its_type_marker(environment: Path) -> None:
    program = """
import erlen, json, pathlib
folder = pathlib.Path(erlen.__file__).parent
print(json.dumps([str(path.relative_to(folder)) for path in folder.rglob("*.*")]))
"""
    source = ROOT / "src" / "erlen"
    expected = {str(path.relative_to(source)) for path in source.rglob("*.*") if path.is_file() and path.suffix != ".pyc"}
    assert "py.typed" in expected
    assert expected <= set(json.loads(run(environment, program)))


def test_hello_world_answers_with_the_core_alone(environment: Path) -> None:
    program = """
from wsgiref.util import setup_testing_defaults
from erlen import App

app = App()

@app.get("/")
def home() -> dict[str, str]:
    return {"hello": "world"}

environ = {"HTTP_HOST": "localhost"}
setup_testing_defaults(environ)
print(b"".join(app(environ, lambda status, headers: print(status))).decode())
"""
    assert run(environment, program).splitlines() == ["200 OK", '{"hello":"world"}']


def test_command_line_starts_with_the_core_alone(environment: Path) -> None:
    answer = subprocess.run([environment / "erlen", "--help"], capture_output=True, text=True, timeout=60, check=False)
    assert answer.returncode == 0, answer.stderr
    assert "run" in answer.stdout
