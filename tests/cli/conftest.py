"""A folder with an application, and the command line in it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent

import pytest
from click.testing import CliRunner, Result

from erlen.cli.main import main

Run = Callable[..., Result]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty current folder; what is imported from it is forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ERLEN_APP", raising=False)
    monkeypatch.setattr(sys, "path", [*sys.path])
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


@pytest.fixture
def write(folder: Path) -> Callable[..., Path]:
    """A function that writes a file into the folder: `write("app.py", source)`."""

    def write(name: str, source: str) -> Path:
        file = folder / name
        file.write_text(dedent(source))
        return file

    return write


@pytest.fixture
def run(folder: Path) -> Run:
    """The command line: `run("routes", "--json")`."""

    def run(*arguments: str, **environment: str) -> Result:
        return CliRunner().invoke(main, arguments, env=environment, prog_name="erlen")

    return run
