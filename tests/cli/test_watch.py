from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from erlen.cli import watch
from erlen.cli.watch import LARGEST, Change, Project, Watcher

Waits = Callable[..., bool]


def put(folder: Path, name: str, text: str = "") -> str:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return str(path)


CODE = ["app.py", "shop/prices.py", ".env", "settings.toml", "settings.local.toml", "templates/filters.py", "deep/er/still/x.py"]
ASSETS = ["templates/home.html", "static/site.css", "shop/static/dist/app.js", "static/.well-known/security.txt", "templates/mail.txt"]
NOTHING = [
    "site.log",
    "data.db",
    "data.db-wal",
    "README.md",
    "pyproject.toml",
    "tests/test_app.py",
    "tests/helpers.py",
    "test_app.py",
    "conftest.py",
    ".git/hooks/x.py",
    ".venv/lib/x.py",
    "env/lib/x.py",
    "node_modules/x/x.py",
    "build/static/site.css",
    "__pycache__/app.pyc",
    ".erlen/secret.py",
    "templates/.home.html.swp",
    "templates/home.html~",
    "static/#site.css#",
]


def test_what_matters(tmp_path: Path) -> None:
    for name in (*CODE, *ASSETS, *NOTHING, "env/pyvenv.cfg"):
        put(tmp_path, name)
    project = Project([str(tmp_path)])
    found = {os.path.relpath(path, tmp_path): project.kind(path) for path in project.look({})}
    assert found == dict.fromkeys(CODE, "code") | dict.fromkeys(ASSETS, "asset")


def test_a_project_below_a_folder_called_static_has_not_only_assets(tmp_path: Path) -> None:
    root = tmp_path / "static" / "tests" / "site"
    for name in ("app.py", "notes.txt"):
        put(root, name)
    project = Project([str(root)])
    assert [os.path.basename(path) for path in project.look({})] == ["app.py"]


def test_imported_modules_count_wherever_they_are_and_given_folders_too(tmp_path: Path) -> None:
    module = put(tmp_path, "elsewhere/prices.py")
    helper = put(tmp_path, "site/tests/helpers.py")
    page = put(tmp_path, "pages/home.html")
    project = Project([str(tmp_path / "site")], [str(tmp_path / "pages")], [module, helper])
    assert {path: project.kind(path) for path in project.look({})} == {module: "code", helper: "code", page: "asset"}
    assert str(tmp_path / "elsewhere") in project.folders


def test_a_circle_of_links_ends(tmp_path: Path) -> None:
    put(tmp_path, "app.py")
    (tmp_path / "again").symlink_to(tmp_path)
    assert len(Project([str(tmp_path)]).look({})) == 1


def test_large_files_are_not_read(tmp_path: Path) -> None:
    path = tmp_path / "static" / "film.mp4"
    path.parent.mkdir()
    with path.open("wb") as film:
        film.truncate(LARGEST + 1)
    project = Project([str(tmp_path)])
    before = project.look({})
    os.utime(path, ns=(1, 1))
    assert project.look(before)[str(path)].digest != before[str(path)].digest


@pytest.fixture(params=["watchfiles", "polling"])
def changes(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Change]]:
    """What a watcher of `tmp_path` reports, told by the file system or by looking."""
    if request.param == "watchfiles":
        pytest.importorskip("watchfiles")
    else:
        monkeypatch.setattr(watch, "has_watchfiles", lambda: False)
    put(tmp_path, "app.py", "x = 1")
    put(tmp_path, "templates/home.html", "a")
    put(tmp_path, "site.log")
    reported: list[Change] = []
    watcher = Watcher(Project([str(tmp_path)]), reported.extend, interval=0.05)
    watcher.start()
    time.sleep(0.1)
    yield reported
    watcher.stop()
    watcher.join(30)
    assert not watcher.is_alive()


def test_changes_are_reported_and_the_same_content_is_none(changes: list[Change], tmp_path: Path, waits: Waits) -> None:
    put(tmp_path, "app.py", "x = 1")
    put(tmp_path, "site.log", "line")
    page = put(tmp_path, "templates/home.html", "b")
    assert waits(lambda: changes)
    assert changes == [Change(page, "asset")]
    changes.clear()
    (tmp_path / "app.py.new").write_text("x = 2")
    (tmp_path / "app.py.new").rename(tmp_path / "app.py")
    assert waits(lambda: changes)
    assert changes == [Change(str(tmp_path / "app.py"), "code")]


def test_new_folders_are_watched_and_deleted_files_reported(changes: list[Change], tmp_path: Path, waits: Waits) -> None:
    first = put(tmp_path, "shop/a.py", "x = 1")
    assert waits(lambda: Change(first, "code") in changes)
    changes.clear()
    second = put(tmp_path, "shop/deep/b.py", "x = 1")
    assert waits(lambda: Change(second, "code") in changes)
    changes.clear()
    Path(first).unlink()
    assert waits(lambda: Change(first, "code") in changes)


def test_what_is_added_to_the_project_is_no_change_and_is_watched_from_then_on(tmp_path: Path, waits: Waits) -> None:
    put(tmp_path, "site/app.py", "x = 1")
    module = put(tmp_path, "elsewhere/prices.py", "x = 1")
    reported: list[Change] = []
    watcher = Watcher(Project([str(tmp_path / "site")]), reported.extend, interval=0.05)
    assert watcher.count == 1
    watcher.start()
    watcher.extend(modules=[module])
    watcher.extend(modules=[module])
    assert watcher.count == 2
    put(tmp_path, "elsewhere/prices.py", "x = 2")
    assert waits(lambda: reported)
    assert reported == [Change(module, "code")]
    watcher.stop()
    watcher.join(30)
