"""Every code block of the documentation runs as written.

A page is a small project that grows as one reads. A block that begins with the name of a file (`# app.py`, `{# templates/home.html #}`,
`/* static/site.css */`) is that file, in place of the one before it; a `python` block without a name is appended to `app.py` as it then
is. After each change the application must freeze; at the end its tests must pass, `erlen check` must find nothing, and its pages must
render in debug mode too, where templates are stricter. Commands in `console` blocks must exist, and what `curl` and `erlen` are shown to
answer is what they answer at that place of the page.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(page for page in DOCS.rglob("*.md") if "decisions" not in page.parts)
BLOCK = re.compile(r"^( *)```(\w+)[^\n]*\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
NAMED = re.compile(r"(?:#|\{#|<!--|/\*|//) ([\w./-]+\.\w+|\.env|Dockerfile)(?: #\}| -->| \*/)?\n")
FILES = {"python", "html", "jinja", "css", "js", "toml", "text", "ini", "dotenv", "xml"}
ASSIGNED = re.compile(r"((?:[A-Z_]+=(?:'[^']*'|\S*) )*)(.*)")
CURL = """
import argparse
from app import app
from erlen.testing import Client

parser = argparse.ArgumentParser()
parser.add_argument("url")
parser.add_argument("-X", dest="method")
parser.add_argument("-H", dest="headers", action="append", default=[])
parser.add_argument("--json")
given = parser.parse_args()
headers = {"accept": "*/*"} | dict(header.split(": ", 1) for header in given.headers)
if given.json is not None:
    headers["content-type"] = "application/json"
method = given.method or ("GET" if given.json is None else "POST")
path = given.url.removeprefix("http://127.0.0.1:8000")
print(Client(app, raise_errors=False).request(method, path, headers=headers, content=given.json).text)
"""
PAGES_IN_DEBUG_MODE = """
from app import app
from erlen.testing import Client

with Client(app, headers={"accept": "text/html"}) as client:
    for route in client.site.routes:
        path = route.path.replace("{id}", "1")
        if "GET" in route.methods and "{" not in path:
            client.get(path)
"""


def blocks_of(page: Path) -> list[tuple[str, str]]:
    """Return the language and text of each block of a page."""
    return blocks_in(page.read_text(encoding="utf-8"))


def blocks_in(text: str) -> list[tuple[str, str]]:
    """Return the language and text of each block of Markdown."""
    found = BLOCK.findall(text)
    return [(language, re.sub(f"^{indent}", "", text, flags=re.MULTILINE)) for indent, language, text in found]


def run(folder: Path, *arguments: str, variables: str = "") -> subprocess.CompletedProcess[str]:
    """Run Python in the folder of a page, with the environment that its reader has, and variables such as `DEBUG=1 `."""
    kept = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("PYTEST_", "ERLEN_")) and key not in ("COLUMNS", "DEBUG", "SECRET_KEY")
    }
    kept |= dict(word.split("=", 1) for word in shlex.split(variables))
    return subprocess.run(
        [sys.executable, "-W", "error", *arguments], cwd=folder, env=kept, capture_output=True, text=True, timeout=60, check=False
    )


def failure_of(folder: Path, *arguments: str, variables: str = "") -> str:
    """Run Python in the folder of a page; return what it says of its failure."""
    answer = run(folder, *arguments, variables=variables)
    return "" if answer.returncode == 0 else answer.stdout + answer.stderr


def failure_of_tests(folder: Path) -> str:
    """Run the tests in the folder of a page; return what pytest says of their failure.

    A reader has Erlen's plugin alone; the others that are installed here would take most of the time.
    """
    options = ("-q", "-p", "no:cacheprovider", "-p", "erlen.testing.plugin")
    return failure_of(folder, "-m", "pytest", *options, variables="PYTEST_DISABLE_PLUGIN_AUTOLOAD=1 ")


def exchanges(text: str) -> Iterator[tuple[str, str]]:
    """Yield each command of a `console` block with the answer that is shown below it."""
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, _, answer = part.partition("\n")
        yield command, answer.strip()


def check_answer(folder: Path, command: str, shown: str) -> None:
    """Run a command of `curl` or `erlen` that is shown with its answer."""
    variables, rest = split_variables(command)
    program, *words = shlex.split(rest.partition(" | ")[0])
    if program == "curl":
        answer = run(folder, "-c", CURL, *words, variables=variables)
    else:
        assert program == "erlen", f"nothing here tries what `{command}` answers"
        answer = run(folder, "-m", "erlen", *words, variables=variables)
    said = answer.stdout + answer.stderr
    if shown.startswith(("{", "[")) and "\n{" not in shown:
        assert json.loads(said) == json.loads(shown), f"{command}\n{said}"
    else:
        assert steady(said.replace(str(folder), "/home/ada/shop")) == steady(shown), command


def steady(text: str) -> list[str]:
    """Return the lines of an answer, without what differs each time: how long something took, and when it was."""
    text = re.sub(r"\b\d+\.\d\d s\b", "0.00 s", text)
    text = re.sub(r"\b20\d\d-\d\d-\d\d \d\d:\d\d\b", "2026-11-23 02:11", text)
    return [line.rstrip() for line in text.strip().splitlines()]


def split_variables(command: str) -> tuple[str, str]:
    """Split `DEBUG=1 erlen check` into its variables and the rest."""
    found = ASSIGNED.fullmatch(command)
    assert found
    return found[1], found[2]


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(DOCS)) for page in PAGES])
def test_the_blocks_of_a_page_work_as_written(page: Path, tmp_path: Path) -> None:
    folder = tmp_path
    for language, text in blocks_of(page):
        if language == "console":
            for command, shown in exchanges(text):
                if shown:
                    check_answer(folder, command, shown)
                elif command.startswith("python3 ") and (folder / command.split()[1]).exists():
                    assert not (failure := failure_of(folder, *command.split()[1:])), f"{page}: {command}\n{failure}"
                elif command.startswith("cd "):
                    folder = make_application(tmp_path, command.removeprefix("cd "), text)
        elif language not in FILES:
            assert language in ("pycon", "json", "http", "diff", "sh"), f"{page}: nothing here tries a block of {language!r}"
        else:
            write_block(folder, page, language, text)
            is_test = language == "python" and text.startswith("# test_")
            if language == "python" and not is_test and (folder / "app.py").exists():
                failure = failure_of(folder, "-c", "import app; getattr(app, 'app', None) and app.app.freeze()")
                assert not failure, f"{page}:\n{text}\n{failure}"
    failure = ""
    if any(folder.glob("test_*.py")):
        failure += failure_of_tests(folder)
    if (folder / "app.py").exists():
        failure += failure_of(folder, "-m", "erlen", "check")
        failure += failure_of(folder, "-c", PAGES_IN_DEBUG_MODE, variables="DEBUG=1")
    assert not failure, f"{page}:\n{failure}"


def make_application(folder: Path, name: str, commands: str) -> Path:
    """Run the `erlen new` that stands before a `cd`, and return the folder that it made."""
    made = re.search(rf"^\$ erlen new ({re.escape(name)}(?: --\w+)?)$", commands, re.MULTILINE)
    assert made
    assert not failure_of(folder, "-m", "erlen", "new", *made[1].split())
    return folder / name


def write_block(folder: Path, page: Path, language: str, text: str) -> None:
    """Write a block into its file, or add it to `app.py`."""
    named = NAMED.match(text)
    if named is None:
        assert language == "python", f"{page}: this block does not begin with the name of its file:\n{text}"
        with (folder / "app.py").open("a", encoding="utf-8") as file:
            file.write("\n\n" + text)
        return
    path = folder / named[1]
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.parent.name == "migrations":
        text = with_revisions(text, path.read_text(encoding="utf-8"))
    # What names a template or stylesheet is a comment of its language: it may stay.
    path.write_text(text if language == "python" else text[named.end() :], encoding="utf-8")


def with_revisions(text: str, made: str) -> str:
    """Put the revisions of the migration that a command has made into the one that a page shows in its place."""
    revisions = dict(re.findall(r'^(\w*revision) = "(\w+)"', made, re.MULTILINE))
    return re.sub(r'^(\w*revision) = "…"', lambda found: f'{found[1]} = "{revisions[found[1]]}"', text, flags=re.MULTILINE)


# What a unit of systemd or a Dockerfile starts.
STARTED = re.compile(r"^(?:ExecStart=\S*/(?=erlen)|RUN (?=erlen)|CMD (?=\[\"erlen))(.*)", re.MULTILINE)


def commands_of(page: Path) -> Iterator[str]:
    """Yield the commands that a page shows without their answer, so that nothing ran them."""
    for language, text in blocks_of(page):
        if language == "console":
            yield from (command for command, shown in exchanges(text) if not shown)
        elif language in ("ini", "text"):
            for command in STARTED.findall(text):
                yield " ".join(json.loads(command)) if command.startswith("[") else command


COMMANDS = sorted({command for page in PAGES for command in commands_of(page)})


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_exists(command: str) -> None:
    match split_variables(command)[1].split():
        case ["make", target, *_]:
            assert re.search(rf"^{re.escape(target)}:", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
        case ["erlen", *words]:
            from erlen.cli.main import main

            group: object = main
            options: set[str] = set()
            import click

            for word in words:
                if isinstance(group, click.Group) and not word.startswith("-"):
                    group = group.get_command(click.Context(main), word)
                    assert group is not None, f"there is no command {word!r}"
                elif word.startswith("-"):
                    assert isinstance(group, click.Command)
                    options = {option for parameter in group.params for option in (*parameter.opts, *parameter.secondary_opts)}
                    assert word.partition("=")[0] in options | {"--help", "-h", "--version"}, f"{word} is no option of it"
        case ["python3" | "pip", *rest] if "install" in rest:
            project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
            for extras in re.findall(r"\[([\w,]+)\]", command):
                assert set(extras.split(",")) <= set(project["optional-dependencies"])
        case ["pytest" | "cd" | "curl" | "export" | "mypy" | "git" | "python3" | "source" | ".", *_]:
            pass
        case _:
            pytest.fail(f"the documentation shows `{command}`, which nothing here tries")


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(DOCS)) for page in PAGES])
def test_every_link_within_the_documentation_leads_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    assert [target for target in targets if "://" not in target and not (page.parent / target).exists()] == []


def test_the_navigation_names_every_page() -> None:
    text = (ROOT / "zensical.toml").read_text(encoding="utf-8")
    named = set(re.findall(r'"([\w/-]+\.md)"', text))
    assert named - {str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md")} == set()
    assert {str(page.relative_to(DOCS)) for page in PAGES} - named == set()


def directives() -> set[str]:
    """Return the names that the pages of the reference describe."""
    texts = (page.read_text(encoding="utf-8") for page in (DOCS / "reference").glob("*.md"))
    return {name for text in texts for name in re.findall(r"^::: ([\w.]+)$", text, re.MULTILINE)}


def test_every_name_of_the_reference_can_be_imported() -> None:
    for name in directives():
        module, _, attribute = name.rpartition(".")
        assert hasattr(import_module(module), attribute), name


DATA = ["erlen.migrations", "erlen.lint", "erlen.rows", "erlen.inspection"]


@pytest.mark.parametrize("room", ["erlen", "erlen.templates", "erlen.static", "erlen.observe", "erlen.testing", "erlen.db", *DATA])
def test_the_reference_has_every_public_name(room: str) -> None:
    module = import_module(room)
    described = [getattr(import_module(name.rpartition(".")[0]), name.rpartition(".")[2]) for name in directives()]
    public = [getattr(module, name) for name in module.__all__]
    ours = [value for value in public if not str(getattr(value, "__module__", "")).startswith(("msgspec", "sqlalchemy"))]
    assert [value for value in ours if not any(value is one for one in described)] == []


def test_the_reference_has_every_filter_and_test_of_templates() -> None:
    from erlen.templates.filters import FILTERS, GLOBALS, TESTS

    text = (DOCS / "reference" / "templates.md").read_text(encoding="utf-8")
    headings = dict(re.findall(r'^::: ([\w.]+)\n    options:\n      heading: "(\w+)"$', text, re.MULTILINE))
    for name, function in {**FILTERS, **TESTS, **GLOBALS}.items():
        assert headings.get(f"{function.__module__}.{function.__qualname__}") == name


def test_the_reference_has_every_command() -> None:
    from erlen.cli.db import COMMANDS as OF_DB
    from erlen.cli.main import COMMANDS

    shown = {command for command, _ in exchanges((DOCS / "reference" / "commands.md").read_text(encoding="utf-8"))}
    assert {f"erlen {name} --help" for name in (*COMMANDS, *(f"db {name}" for name in OF_DB))} - shown == set()


def test_the_tutorial_begins_with_what_erlen_new_makes(tmp_path: Path) -> None:
    from erlen.cli.new import make

    made = make(tmp_path / "reading", "app")
    page = DOCS / "tutorial" / "index.md"
    shown = next(text for language, text in blocks_of(page) if language == "python")
    assert shown.removeprefix("# app.py\n") == (tmp_path / "reading" / "app.py").read_text(encoding="utf-8")
    listed = set(re.findall(r"^\| `([\w./]+)`", page.read_text(encoding="utf-8"), re.MULTILINE))
    assert {path.parts[0] for path in made} - {name.rstrip("/") for name in listed} == {"README.md"}


def test_the_tutorial_goes_on_from_page_to_page(tmp_path: Path) -> None:
    """One reader, one folder: what a part writes must not break what an earlier part tested."""
    from erlen.cli.new import make

    folder = tmp_path / "reading"
    make(folder, "app")
    for name in ("page.md", "form.md", "api.md", "growing.md"):
        page = DOCS / "tutorial" / name
        # Folded notes repeat what stands in the folder already.
        text = re.sub(r"^\?\?\? note.*?(?=^\S)", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
        for language, block in blocks_in(text):
            if language in FILES:
                write_block(folder, page, language, block)
        failure = failure_of_tests(folder)
        assert not failure, f"{page}:\n{failure}"
    assert {path.name for path in folder.glob("test_*.py")} == {"test_app.py", "test_form.py", "test_api.py", "test_settings.py"}
