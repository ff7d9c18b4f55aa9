from __future__ import annotations

import json
import ntpath
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from erlen import App
from erlen.cli.deployment import start_notes
from erlen.server.target import load_app

Run = Callable[..., Result]
Write = Callable[..., Path]
Load = Callable[[], App]
KEY = "0123456789abcdefghijklmnopqrstuvwxyz"


@pytest.fixture(autouse=True)
def application(write: Write, folder: Path) -> None:
    write("app.py", 'from erlen import App, Blueprint\napp = App()\napp.include(Blueprint("blog", static="blog_static"))\n')
    (folder / "static").mkdir()
    (folder / "blog_static").mkdir()
    write("static/site.css", "a { b: url(x.svg) }\n" * 100)
    write("static/x.svg", "<svg/>")
    write("blog_static/post.css", "@import '../site.css'")


@pytest.fixture
def load(folder: Path) -> Load:
    """A function that returns the application of the folder."""

    def load() -> App:
        app = load_app(folder=folder)
        assert isinstance(app, App)
        return app

    return load


def test_build(run: Run, folder: Path) -> None:
    done = run("static", "build")
    assert done.exit_code == 0, done.output
    first, second = done.output.splitlines()
    assert first == "Built 3 files (3.3 kB) of static, blog_static in build/static: 3 new."
    assert second.startswith("Compressed as ")
    assert (folder / "build/static/static-manifest.json").exists()
    assert "3 files (3.3 kB) of static, blog_static in build/static: 0 new." in run("static", "build").output
    assert run("check").output.startswith("No mistakes")


def test_build_in_another_folder(run: Run, folder: Path) -> None:
    assert run("static", "build", "out").exit_code == 0
    assert (folder / "out/static-manifest.json").exists()
    assert not (folder / "build").exists()


def test_build_dry(run: Run, folder: Path) -> None:
    done = run("static", "build", "--dry-run")
    assert done.output.startswith("Would build 3 files")
    assert not (folder / "build").exists()


def test_clear(run: Run, write: Write, folder: Path) -> None:
    run("static", "build")
    write("static/x.svg", "<svg><g/></svg>")
    assert "3 files of earlier builds kept; --clear removes them." in run("static", "build").output
    assert "Would remove" in run("static", "build", "--clear", "--dry-run").output
    assert "Removed" in run("static", "build", "--clear").output
    assert "earlier" not in run("static", "build").output


def test_references_to_missing_files_are_listed(run: Run, write: Write, folder: Path) -> None:
    write("static/broken.css", "a {}\nb { c: url(gone.png) }\n")
    write("static/broken.js", 'import "./gone.js"\n//# sourceMappingURL=gone.js.map')
    done = run("static", "build")
    assert done.exit_code == 1
    assert "2 references to files that are not there:" in done.stderr
    assert "  static/broken.css:2: gone.png" in done.stderr
    assert "  static/broken.js:1: ./gone.js" in done.stderr
    assert not (folder / "build").exists()
    allowed = run("static", "build", "--allow-missing")
    assert allowed.exit_code == 0
    assert "1 source map not there, which only debugging needs: static/broken.js" in allowed.stdout
    assert (folder / "build/static/broken.css").exists()


def test_a_folder_with_other_files_is_left_alone(run: Run, folder: Path) -> None:
    done = run("static", "build", "--clear", ".")
    assert done.exit_code == 1
    assert "would mix" in done.output
    assert (folder / "app.py").exists()


def test_check_says_when_the_build_is_old(run: Run, write: Write) -> None:
    run("static", "build")
    write("static/x.svg", "changed")
    done = run("check")
    assert done.exit_code == 1
    assert "the build of the static files is not up to date: x.svg" in done.output


def test_find(run: Run, write: Write, folder: Path) -> None:
    assert run("static", "find", "site.css").output == "static/site.css\n"
    (folder / "static/blog").mkdir()
    write("static/blog/post.css", "")
    assert run("static", "find", "blog/post.css").output.splitlines() == ["static/blog/post.css", "blog_static/post.css"]
    missing = run("static", "find", "sit.css")
    assert missing.exit_code == 1
    assert "did you mean 'site.css'" in missing.output


def test_list(run: Run) -> None:
    lines = [line.split() for line in run("static", "list").output.splitlines()]
    assert [(line[0], line[-1]) for line in lines] == [
        ("blog/post.css", "blog_static/post.css"),
        ("site.css", "static/site.css"),
        ("x.svg", "static/x.svg"),
    ]
    assert json.loads(run("static", "list", "--json").output)[2] == {"name": "x.svg", "size": 6, "path": "static/x.svg"}


def test_without_static_files(run: Run, write: Write, folder: Path) -> None:
    write("bare.py", "from erlen import App\napp = App()\n")
    for file in (folder / "static").iterdir():
        file.unlink()
    (folder / "static").rmdir()
    for words in (("build",), ("find", "x"), ("list",)):
        done = run("--app", "bare.py", "static", *words)
        assert done.exit_code == 1
        assert "make a folder `static`" in done.output


def test_find_and_list_with_a_build_alone(run: Run, folder: Path) -> None:
    run("static", "build")
    (folder / "static").rename(folder / "elsewhere")
    found = run("static", "find", "site.css")
    assert found.exit_code == 0
    assert found.output.startswith("build/static/site.")
    assert (folder / found.output.strip()).is_file()
    assert [line.split()[0] for line in run("static", "list").output.splitlines()] == ["blog/post.css", "site.css", "x.svg"]
    assert run("static", "find", "gone.css").exit_code == 1


def test_a_built_file_that_was_deleted_is_listed_as_missing(run: Run, folder: Path) -> None:
    run("static", "build")
    (folder / "static").rename(folder / "elsewhere")
    (built,) = (folder / "build/static").glob("site.*.css")
    built.unlink()
    done = run("static", "list")
    assert done.exit_code == 0
    assert [line.split() for line in done.output.splitlines()][1] == ["site.css", "missing", f"build/static/{built.name}"]
    listed = json.loads(run("static", "list", "--json").output)
    assert [row["size"] is None for row in listed] == [False, True, False]


def test_a_broken_manifest_is_told(run: Run, write: Write, folder: Path) -> None:
    run("static", "build")
    write("build/static/static-manifest.json", "{")
    assert run("static", "find", "site.css").output == "static/site.css\n"
    assert run("static", "list").exit_code == 0
    for words in (("static", "find", "gone.css"), ("run",)):
        refused = run(*words)
        assert refused.exit_code == 1
        assert "the manifest of the static files cannot be read" in refused.output
        assert "fix delete the folder and run `erlen static build`" in refused.output
        assert "Erlen serves" not in refused.output


def test_files_on_another_drive_are_shown_with_it(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def relpath(path: str, start: str | None = None) -> str:
        return ntpath.relpath("D:\\" + path, "C:\\site")

    with pytest.raises(ValueError, match="mount"):
        relpath("x")
    monkeypatch.setattr(os.path, "relpath", relpath)
    found = run("static", "find", "site.css")
    assert (found.exit_code, found.output.strip().endswith("/static/site.css"), found.output[0]) == (0, True, "/")
    assert run("static", "list").exit_code == 0
    assert "Would build 3 files" in run("static", "build", "--dry-run").output


def test_whoever_starts_a_server_is_told_that_the_build_is_old(run: Run, write: Write, folder: Path, load: Load) -> None:
    def told() -> list[str]:
        return list(start_notes(load().freeze(overrides={"secret_key": KEY}), "rsgi"))

    assert told() == []
    run("static", "build")
    assert told() == []
    write("static/x.svg", "changed")
    assert told() == ["the static files have changed since they were built (x.svg): run `erlen static build`"]
