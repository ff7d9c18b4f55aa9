from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from erlen.static.source import Source, is_public

Fill = Callable[..., Path]

PRIVATE = [
    ".env",
    ".git",
    "site.css~",
    "#site.css#",
    "site.css.bak",
    "site.css.ORIG",
    ".site.css.swp",
    "x.tmp",
    "a\\b",
    "a\nb",
    "__pycache__",
]


def names(folder: Path, base: str = "") -> list[str]:
    return [name for name, _ in Source(os.path.realpath(folder), base).walk()]


def test_files_have_the_names_of_their_paths(fill: Fill) -> None:
    folder = fill({"b.css": "", "css/site.css": "", "css/deep/er.css": "", "a.css": ""})
    assert names(folder) == ["a.css", "b.css", "css/deep/er.css", "css/site.css"]
    assert names(folder, "blog/") == ["blog/a.css", "blog/b.css", "blog/css/deep/er.css", "blog/css/site.css"]


@pytest.mark.parametrize("name", PRIVATE)
def test_what_is_not_for_visitors_is_not_public(fill: Fill, name: str) -> None:
    folder = fill({name: "", f"{name.replace('/', '')}.d/{name}/x.css": "", "seen.css": ""})
    assert not is_public(name)
    source = Source(str(folder))
    assert source.find(name) is None
    assert [found for found, _ in source.walk() if name in found.split("/")] == []
    assert source.find("seen.css") == str(folder / "seen.css")


def test_well_known_is_public_at_the_top_alone(fill: Fill) -> None:
    folder = fill({".well-known/security.txt": "", "deep/.well-known/x.txt": "", ".well-known/.env": ""})
    assert names(folder) == [".well-known/security.txt"]
    assert Source(str(folder)).find("deep/.well-known/x.txt") is None


def test_a_folder_that_is_not_there_is_empty(tmp_path: Path) -> None:
    source = Source(str(tmp_path / "none"))
    assert list(source.walk()) == []
    assert source.find("a.css") is None


def test_folders_are_no_files(fill: Fill) -> None:
    source = Source(str(fill({"css/site.css": ""})))
    assert source.find("css") is None
    assert source.find("css/") is None
    assert source.find("") is None
    assert source.find("css/site.css/") is None


def test_devices_and_pipes_are_no_files(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    assert names(folder) == []
    assert Source(str(folder)).find("pipe") is None


# -- links --------------------------------------------------------------------------------------------------------------------


def both(source: Source, name: str) -> bool:
    found = source.find(name) is not None
    assert found == (name in dict(source.walk()))
    return found


def test_links_that_lead_out_are_not_followed(fill: Fill, tmp_path: Path) -> None:
    folder = fill({"a.css": ""})
    fill({"x.txt": ""}, tmp_path / "static-other")  # its path begins with the folder's: CVE-2023-29159
    (folder / "secret.txt").symlink_to(tmp_path / "secret.txt")
    (folder / "up").symlink_to(tmp_path)
    (folder / "other").symlink_to(tmp_path / "static-other")
    source = Source(str(folder))
    assert not both(source, "secret.txt")
    assert not both(source, "up/secret.txt")
    assert not both(source, "other/x.txt")


def test_links_to_what_is_not_public_are_not_followed(fill: Fill) -> None:
    folder = fill({".git/config": "", ".env": ""})
    (folder / "env").symlink_to(folder / ".env")
    (folder / "git").symlink_to(folder / ".git")
    source = Source(str(folder))
    assert not both(source, "env")
    assert not both(source, "git/config")


def test_links_inside_are_followed(fill: Fill) -> None:
    folder = fill({"v2/site.css": ""})
    (folder / "latest").symlink_to(folder / "v2")
    (folder / "site.css").symlink_to(folder / "v2" / "site.css")
    source = Source(str(folder))
    assert both(source, "latest/site.css")
    assert both(source, "site.css")


def test_links_in_a_circle_end(fill: Fill) -> None:
    folder = fill({"a/x.css": ""})
    (folder / "a" / "self").symlink_to(folder / "a")
    (folder / "a" / "top").symlink_to(folder)
    (folder / "nothing").symlink_to(folder / "gone")
    assert names(folder) == ["a/x.css"]
    assert Source(str(folder)).find("a/self/x.css") is None


# -- attacks ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "../secret.txt",
        "css/../../secret.txt",
        "./site.css",
        "css/../site.css",
        "/etc/passwd",
        "//etc/passwd",
        "css//site.css",
        "..\\secret.txt",
        "C:\\windows\\win.ini",
        "\\\\host\\share\\x",
        "site.css\0",
        "site.css\0.png",
        "SITE.CSS",
        "site.css.",
        "site.css ",
        "site.css::$DATA",
        "\ud800",
        "x" * 5000,
        "css/" * 2000,
    ],
)
def test_traversal_finds_nothing(fill: Fill, name: str) -> None:
    assert Source(str(fill({"site.css": "", "css/site.css": ""}))).find(name) is None


# Made of what attacks are made of, and of names that are there.
PIECES = st.sampled_from(
    ["..", ".", "", "static", "secret.txt", "css", "site.css", "\0", "\\", "~", "link", ".env", "%2e%2e", "C:", "SITE.CSS"]
)


@given(parts=st.lists(PIECES, max_size=6), text=st.text(max_size=5))
def test_no_name_leads_out(tmp_path_factory: pytest.TempPathFactory, parts: list[str], text: str) -> None:
    top = tmp_path_factory.getbasetemp() / "source-property"
    folder = top / "static"
    if not folder.exists():
        (folder / "css").mkdir(parents=True)
        (folder / "css" / "site.css").touch()
        (folder / ".env").touch()
        (top / "secret.txt").touch()
        (folder / "link").symlink_to(top)
    source = Source(os.path.realpath(folder))
    found = source.find("/".join([*parts, text] if text else parts))
    assert found in (None, *dict(source.walk()).values())
