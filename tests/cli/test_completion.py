from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

Run = Callable[..., Result]
Write = Callable[..., Path]


@pytest.mark.parametrize(("shell", "mark"), [("bash", "complete -o nosort -F"), ("zsh", "#compdef erlen"), ("fish", "complete --no-files")])
def test_the_script_of_each_shell(run: Run, shell: str, mark: str) -> None:
    printed = run("completion", shell)
    assert printed.exit_code == 0
    assert mark in printed.output
    assert "_ERLEN_COMPLETE" in printed.output


def test_another_shell_is_refused_with_those_there_are(run: Run) -> None:
    refused = run("completion", "tcsh")
    assert (refused.exit_code, "'bash'" in refused.output) == (2, True)


def test_commands_are_completed_those_of_the_application_too(folder: Path, write: Write) -> None:
    write("app.py", "from erlen import App\napp = App()\n\n@app.command\ndef rotate() -> None: ...\n")
    asked = {"_ERLEN_COMPLETE": "bash_complete", "COMP_WORDS": "erlen ro", "COMP_CWORD": "1"}
    program = [str(Path(sys.executable).with_name("erlen"))]
    answer = subprocess.run(program, cwd=folder, capture_output=True, text=True, timeout=120, check=False, env={**os.environ, **asked})
    assert sorted(answer.stdout.split()) == ["plain,rotate", "plain,routes"]
