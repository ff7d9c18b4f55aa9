"""Folders of static files, and applications that serve them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from erlen import App
from erlen.static.collection import Collection
from erlen.static.source import Source
from erlen.testing import Client

Files = dict[str, str | bytes]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder outside of which there is something to protect."""
    (tmp_path / "secret.txt").write_text("secret")
    (tmp_path / "static").mkdir()
    return tmp_path / "static"


@pytest.fixture
def fill(folder: Path) -> Callable[[Files], Path]:
    """A function that writes files into the folder, by name."""

    def fill(files: Files, into: Path = folder) -> Path:
        for name, content in files.items():
            path = into / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        return into

    return fill


@pytest.fixture
def collect(folder: Path, tmp_path: Path) -> Callable[..., Collection]:
    """A function that makes the collection of the folder, with a build beside it."""

    def collect(*others: Source, url: str = "/static", debug: bool = False) -> Collection:
        sources = [Source(str(folder)), *others]
        return Collection(sources, url=url, prefix="/static", output=str(tmp_path / "build"), debug=debug)

    return collect


@pytest.fixture
def site(client_for: Callable[..., Client], folder: Path, tmp_path: Path) -> Callable[..., Client]:
    """A function that makes clients, for each door in turn, of an application with the folder: `site(debug=True)`."""

    def site(app: App | None = None, **settings: Any) -> Client:
        settings.setdefault("static_build", str(tmp_path / "build"))
        return client_for(app or App(static=folder), **settings)

    return site
