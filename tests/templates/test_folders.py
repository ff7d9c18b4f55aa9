from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from erlen.templates.folders import TemplateFolder, TemplateFolders


@pytest.fixture
def folders(tmp_path: Path) -> TemplateFolders:
    for name in ("app/base.html", "app/blog/list.html", "blog/base.html", "blog/blog/list.html", "blog/post.html", "cart/item.html"):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(name)
    (tmp_path / "secret.html").write_text("secret")
    owners = {"app": "", "blog": "blog.", "cart": "shop.cart.", "missing": "gone."}
    return TemplateFolders([TemplateFolder(tmp_path / name, names) for name, names in owners.items()])


def found(folders: TemplateFolders, name: str) -> str | None:
    file = folders.find(name)
    return None if file is None else Path(file).read_text()


def test_the_application_overrides_a_blueprint(folders: TemplateFolders) -> None:
    assert found(folders, "blog/list.html") == "app/blog/list.html"
    assert found(folders, "post.html") == "blog/post.html"


def test_a_prefix_names_one_owner(folders: TemplateFolders) -> None:
    assert found(folders, "blog:base.html") == "blog/base.html"
    assert found(folders, ":base.html") == "app/base.html"
    assert found(folders, "shop.cart:item.html") == "cart/item.html"
    assert found(folders, "cart:item.html") is None
    assert found(folders, ":post.html") is None


def test_searched_folders_are_those_of_the_owner(folders: TemplateFolders) -> None:
    assert [path.name for path in folders.searched("x.html")] == ["app", "blog", "cart", "missing"]
    assert [path.name for path in folders.searched("blog:x.html")] == ["blog"]


def test_every_template_is_listed_once(folders: TemplateFolders) -> None:
    assert folders.names() == ["base.html", "blog/list.html", "post.html", "item.html"]


def test_shipped_templates_are_found_last(folders: TemplateFolders, tmp_path: Path) -> None:
    shipped = folders.find("erlen/pagination.html")
    assert shipped is not None
    assert shipped.endswith(os.path.join("erlen", "templates", "shipped", "pagination.html"))
    own = tmp_path / "app" / "erlen" / "pagination.html"
    own.parent.mkdir()
    own.write_text("own")
    assert found(folders, "erlen/pagination.html") == "own"
    assert found(folders, "erlen") is None
    assert folders.find("erlen/templates/engine.py") is None


@pytest.mark.parametrize(
    "name",
    [
        "",
        "/",
        ".",
        "..",
        "../secret.html",
        "blog/../../secret.html",
        "blog:../secret.html",
        "erlen/../erlen/pagination.html",
        "/base.html",
        "./base.html",
        "blog//list.html",
        "base.html/",
        "..\\secret.html",
        "blog\\list.html",
        "base.html\0",
        "\0",
        "C:/base.html",
        "blog:C:base.html",
        "blog",
    ],
)
def test_path_traversal_finds_nothing(folders: TemplateFolders, name: str) -> None:
    assert folders.find(name) is None


def test_an_absolute_path_finds_nothing(folders: TemplateFolders, tmp_path: Path) -> None:
    assert folders.find(str(tmp_path / "secret.html")) is None


@given(name=st.lists(st.sampled_from(["..", ".", "", "a", "b.html", "\\", ":", "\0", "erlen", "~", "//"]), max_size=6).map("/".join))
def test_no_name_leads_out_of_the_folders(name: str) -> None:
    root = Path("/folder")
    for place in TemplateFolders([TemplateFolder(root), TemplateFolder(root, "a.")])._places(name):
        assert os.path.normpath(place) == place
        assert place.startswith("/folder/") or f"{os.sep}erlen{os.sep}" in place
