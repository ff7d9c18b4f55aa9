"""Applications with files beside them, and engines over folders of templates."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from erlen import App
from erlen.templates.engine import Engine, Tools
from erlen.templates.folders import TemplateFolder, TemplateFolders

MakeEngine = Callable[..., Engine]
MakeApp = Callable[..., App]


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")


@pytest.fixture
def make_engine(tmp_path: Path) -> MakeEngine:
    """A function that makes an engine over templates given by name: `make_engine({"home.html": "…"}, debug=True)`."""

    def make(files: dict[str, str], *, debug: bool = False, keep: bool = False, tools: Tools | None = None, **shared: object) -> Engine:
        write(tmp_path / "templates", files)
        folders = TemplateFolders([TemplateFolder(tmp_path / "templates")])
        root = tmp_path if keep else None
        return Engine(folders, debug=debug, root=root, tools=tools or Tools({}, {}, {}, []), shared=shared)

    return make


@pytest.fixture
def make_app(tmp_path: Path) -> MakeApp:
    """A function that writes files, runs the one called `app.py`, and returns its `app`."""

    def make(files: dict[str, str]) -> App:
        write(tmp_path, files)
        namespace: dict[str, object] = {"__name__": "app"}
        exec(compile(files["app.py"], str(tmp_path / "app.py"), "exec"), namespace)
        app = namespace["app"]
        assert isinstance(app, App)
        return app

    return make
