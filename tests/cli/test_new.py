"""`erlen new`: what it makes works as it is."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

Run = Callable[..., Result]

KINDS = {"app": (), "bare": ("--bare",), "project": ("--project",)}


def check(folder: Path, *arguments: str) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "MYPY"))}
    program = [sys.executable, "-m", *arguments]
    answer = subprocess.run(program, cwd=folder, capture_output=True, text=True, timeout=120, check=False, env=environment)
    assert answer.returncode == 0, answer.stdout + answer.stderr


@pytest.mark.parametrize("kind", KINDS)
def test_it_says_what_it_made_and_what_comes_next(run: Run, folder: Path, kind: str) -> None:
    made = run("new", "my-blog", *KINDS[kind])
    assert made.exit_code == 0, made.output
    written = {str(path.relative_to(folder / "my-blog")) for path in (folder / "my-blog").rglob("*") if path.is_file()}
    assert {line.strip() for line in made.output.splitlines() if line.startswith("  ")} == {*written, "cd my-blog", "erlen dev"}
    text = "".join(path.read_text() for path in (folder / "my-blog").rglob("*") if path.is_file())
    assert "@NAME@" not in text
    assert "@" not in text.replace("@app.get", "").replace("@pages.get", "")
    assert ("my_blog" in text) == (kind == "project")


def test_a_path_with_spaces_is_quoted(run: Run) -> None:
    assert 'cd "my sites/blog"' in run("new", "my sites/blog", "--bare").output


@pytest.mark.parametrize("kind", ["app", "project"])
def test_its_own_tests_pass_and_so_do_lint_and_format(run: Run, folder: Path, kind: str) -> None:
    run("new", "my-blog", *KINDS[kind])
    check(folder / "my-blog", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error")
    check(folder / "my-blog", "ruff", "check", "--isolated", "--no-cache", "--select", "E,F,I,B,UP", ".")
    check(folder / "my-blog", "ruff", "format", "--check", "--no-cache", ".")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["app", "bare", "project"])
def test_it_passes_strict_types(run: Run, folder: Path, kind: str) -> None:
    run("new", "my-blog", *KINDS[kind])
    check(folder / "my-blog", "mypy", "--strict", "--cache-dir", str(folder / "cache"), ".")


@pytest.mark.parametrize("kind", KINDS)
def test_the_command_line_finds_it(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    run("new", "my-blog", *KINDS[kind])
    monkeypatch.chdir(folder / "my-blog")
    routes = run("routes", SECRET_KEY="0123456789abcdefghijklmnopqrstuvwxyz")
    assert routes.exit_code == 0, routes.output
    assert "home" in routes.output


def test_the_current_folder_if_it_is_empty(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "garden").mkdir()
    monkeypatch.chdir(folder / "garden")
    made = run("new", ".")
    assert made.exit_code == 0, made.output
    assert "cd " not in made.output
    assert "Garden" in (folder / "garden" / "app.py").read_text()
    again = run("new", ".")
    assert (again.exit_code, "is not empty" in again.output) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("my blog",), "no name"),
        (("-",), "no name"),
        (("../..",), "is not empty"),
        (("9lives", "--project"), "begin with a letter"),
        (("class", "--project"), "'class' is a word of Python itself: choose another name, such as class_site"),
        (("Bücher",), "such as Bucher"),
        (("my blog",), "such as my-blog"),
        (("日本",), "such as my-blog"),
        (("email", "--project"), "would hide"),
        (("x", "--bare", "--project"), "choose one"),
    ],
)
def test_what_cannot_be_made_is_refused_with_the_fix(run: Run, folder: Path, arguments: tuple[str, ...], said: str) -> None:
    refused = run("new", *arguments)
    assert refused.exit_code in (1, 2)
    assert said in refused.output
    assert [*folder.iterdir()] == []


def test_a_folder_with_something_in_it_is_left_alone(run: Run, folder: Path) -> None:
    (folder / "blog").mkdir()
    (folder / "blog" / "precious").write_text("x")
    refused = run("new", "blog")
    assert (refused.exit_code, "is not empty" in refused.output) == (1, True)
    assert [path.name for path in (folder / "blog").iterdir()] == ["precious"]


def test_a_current_folder_whose_name_does_not_suit_is_told(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "gärt nerei").mkdir()
    monkeypatch.chdir(folder / "gärt nerei")
    refused = run("new", ".")
    assert refused.exit_code == 1
    assert "the current folder gives the application its name, and 'gärt nerei' is no name" in refused.output
    assert "gart-nerei" in refused.output
    assert "erlen new my-blog" in refused.output
    assert [*(folder / "gärt nerei").iterdir()] == []
