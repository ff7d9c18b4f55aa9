"""What the README shows works as written."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
COMMANDS = [line[2:] for language, block in BLOCKS if language == "console" for line in block.splitlines()]


def test_every_python_block_is_a_file_and_its_tests_pass(tmp_path: Path) -> None:
    for language, block in BLOCKS:
        if language == "python":
            named = re.match(r"# (\w+\.py)\n", block)
            assert named, f"this block does not start with its file's name:\n{block}"
            (tmp_path / named[1]).write_text(block, encoding="utf-8")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["app.py", "test_app.py"]
    answer = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error"],
        cwd=tmp_path,
        env={key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "1 passed" in answer.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_exists(command: str) -> None:
    match command.split():
        case ["make", target, *_]:
            makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
            assert re.search(rf"^{re.escape(target)}:", makefile, re.MULTILINE)
        case ["erlen", name, *_]:
            program = Path(sys.executable).with_name("erlen")
            answer = subprocess.run([program, name, "--help"], capture_output=True, text=True, timeout=60, check=False)
            assert answer.returncode == 0, answer.stderr
        case ["cd", folder]:
            assert folder == ".." or f"erlen new {folder}" in COMMANDS
        case ["python3", "-m", "venv", folder]:
            assert f". {folder}/bin/activate" in COMMANDS
        case [".", script]:
            assert script.endswith("/bin/activate")
        case ["python3", "-m", "pip", "install", what, *_]:
            project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
            named = re.search(r"\[([\w,]+)\]", what)
            assert named
            assert set(named[1].split(",")) <= set(project["optional-dependencies"])
        case _:
            pytest.fail(f"the README shows `{command}`, which nothing here tries")


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"])
def test_every_link_to_a_file_leads_to_one(document: str) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    targets = [target for target in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in target]
    assert targets
    assert [target for target in targets if not (ROOT / target).exists()] == []
