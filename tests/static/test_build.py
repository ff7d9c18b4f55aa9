from __future__ import annotations

import gzip
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec import json

from erlen.errors import ConfigurationError
from erlen.static.build import build
from erlen.static.collection import Collection
from erlen.static.index import ENDINGS
from erlen.static.manifest import MANIFEST, read_manifest
from erlen.static.precompress import available_encodings
from erlen.static.source import Source

Fill = Callable[..., Path]
Collect = Callable[..., Collection]

LONG = "a { color: red }\n" * 200
FILES = {"css/site.css": LONG + "b { c: url(../x.png) }", "css/small.css": "a {}", "x.png": b"\x89PNG" * 1000, "LICENSE": "free"}


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "build"


def everything(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_each_file_has_its_name_and_one_that_says_its_content(fill: Fill, collect: Collect, output: Path, folder: Path) -> None:
    fill(FILES)
    done = build(collect())
    manifest = read_manifest(output)
    assert manifest == done.manifest
    assert set(manifest.files) == set(FILES)
    for name, one in manifest.files.items():
        assert (output / name).read_bytes() == (output / one.hashed).read_bytes()
        if name != "css/site.css":
            assert (output / name).read_bytes() == (folder / name).read_bytes()
    assert f"url(../{manifest.files['x.png'].hashed})" in (output / "css/site.css").read_text()
    assert (done.written, done.missing, done.removed, done.is_stopped) == (4, (), (), False)


def test_what_shrinks_is_compressed(fill: Fill, collect: Collect, output: Path) -> None:
    fill(FILES)
    manifest = build(collect()).manifest
    assert {name: one.encodings for name, one in manifest.files.items() if one.encodings} == {"css/site.css": available_encodings()}
    for name in ("css/site.css", manifest.files["css/site.css"].hashed):
        assert gzip.decompress((output / f"{name}.gz").read_bytes()) == (output / name).read_bytes()
        if "br" in available_encodings():
            import brotli  # type: ignore[import-untyped]

            assert brotli.decompress((output / f"{name}.br").read_bytes()) == (output / name).read_bytes()
    assert not (output / "css/small.css.gz").exists()
    assert not (output / "x.png.gz").exists()


def test_the_same_files_make_the_same_build(fill: Fill, collect: Collect, tmp_path: Path) -> None:
    fill(FILES)
    build(collect(), str(tmp_path / "one"))
    for name in FILES:
        os.utime(tmp_path / "static" / name, (1, 1))
    build(collect(), str(tmp_path / "two"))
    assert everything(tmp_path / "one") == everything(tmp_path / "two")


def test_a_second_build_writes_only_what_is_new(fill: Fill, collect: Collect, output: Path) -> None:
    fill(FILES)
    build(collect())
    stamps = {path: path.stat().st_mtime_ns for path in output.rglob("*") if path.is_file() and path.name != MANIFEST}
    fill({"css/small.css": "b {}"})
    done = build(collect())
    assert done.written == 1
    changed = {path.name for path, stamp in stamps.items() if path.stat().st_mtime_ns != stamp}
    assert changed == {"small.css"}


def test_files_of_earlier_builds_stay_until_they_are_cleared(fill: Fill, collect: Collect, output: Path) -> None:
    fill(FILES)
    first = build(collect()).manifest
    fill({"css/site.css": LONG + "changed {}"})
    second = build(collect()).manifest
    old = first.files["css/site.css"].hashed
    assert second.former == {old: available_encodings()}
    assert (output / old).exists()
    assert build(collect()).manifest.former == second.former
    done = build(collect(), clear=True)
    assert done.manifest.former == {}
    assert done.removed == tuple(sorted([old, *(old + ENDINGS[one] for one in available_encodings())]))
    assert not (output / old).exists()
    assert done.manifest.files == second.files


def test_a_former_name_that_comes_back_is_no_longer_former(fill: Fill, collect: Collect) -> None:
    fill({"a.css": "one"})
    first = build(collect()).manifest
    fill({"a.css": "two"})
    build(collect())
    fill({"a.css": "one"})
    third = build(collect()).manifest
    assert third.files == first.files
    assert set(third.former) == {hashed for hashed in third.former if "a." in hashed} != set()
    assert first.files["a.css"].hashed not in third.former


def test_clearing_removes_empty_folders(fill: Fill, collect: Collect, output: Path, folder: Path) -> None:
    fill({"a/b/c.css": "", "d.css": ""})
    build(collect())
    (folder / "a/b/c.css").unlink()
    build(collect(), clear=True)
    assert sorted(path.name for path in output.iterdir()) == sorted(["d.css", build(collect()).manifest.files["d.css"].hashed, MANIFEST])


def test_the_manifest_is_written_last_and_at_once(fill: Fill, collect: Collect, output: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(FILES)
    build(collect())
    before = (output / MANIFEST).read_bytes()
    fill({"css/small.css": "b {}", "new.css": "c {}"})
    replace = os.replace

    def cut_off(draft: str, path: str) -> None:
        if path.endswith(MANIFEST):
            raise KeyboardInterrupt
        replace(draft, path)

    monkeypatch.setattr(os, "replace", cut_off)
    with pytest.raises(KeyboardInterrupt):
        build(collect())
    monkeypatch.undo()
    assert (output / MANIFEST).read_bytes() == before
    manifest = read_manifest(output)
    assert manifest is not None
    assert all((output / one.hashed).exists() for one in manifest.files.values())
    build(collect(), clear=True)
    assert [path.name for path in output.rglob("*") if path.name.endswith(".part")] == []


def test_a_first_build_that_was_cut_off_is_made_anew(fill: Fill, collect: Collect, output: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(FILES)
    replace = os.replace

    def cut_off(draft: str, path: str) -> None:
        if path.endswith(".png"):
            raise KeyboardInterrupt
        replace(draft, path)

    monkeypatch.setattr(os, "replace", cut_off)
    with pytest.raises(KeyboardInterrupt):
        build(collect())
    monkeypatch.undo()
    assert read_manifest(output) is None
    build(collect(), clear=True)
    left = everything(output)
    build(collect(), str(output.parent / "other"))
    assert left == everything(output.parent / "other")


def test_a_dry_run_changes_nothing(fill: Fill, collect: Collect, output: Path) -> None:
    fill(FILES)
    done = build(collect(), dry_run=True)
    assert not output.exists()
    assert done.written == 4
    real = build(collect())
    assert done.manifest == real.manifest
    (output / "stray.txt").touch()
    assert build(collect(), dry_run=True, clear=True).removed == ("stray.txt",)
    assert (output / "stray.txt").exists()


def test_a_missing_file_stops_the_build(fill: Fill, collect: Collect, output: Path) -> None:
    fill({"a.css": "x { y: url(gone.png) }"})
    done = build(collect())
    assert done.is_stopped
    assert [one.url for one in done.missing] == ["gone.png"]
    assert not output.exists()
    assert not build(collect(), allow_missing=True).is_stopped
    assert (output / "a.css").read_text() == "x { y: url(gone.png) }"


def test_a_missing_source_map_does_not(fill: Fill, collect: Collect, output: Path) -> None:
    fill({"a.js": "//# sourceMappingURL=a.js.map"})
    done = build(collect())
    assert not done.is_stopped
    assert [one.is_map for one in done.missing] == [True]
    assert (output / "a.js").exists()


def test_files_of_several_folders_come_together(fill: Fill, collect: Collect, output: Path, tmp_path: Path) -> None:
    fill({"site.css": "own", "blog/over.css": "own"})
    blog = fill({"post.css": "@import '../site.css'", "over.css": "blog"}, tmp_path / "blog")
    manifest = build(collect(Source(str(blog), "blog/"))).manifest
    assert set(manifest.files) == {"site.css", "blog/post.css", "blog/over.css"}
    assert (output / "blog/over.css").read_text() == "own"
    assert (output / "blog/post.css").read_text() == f"@import '../{manifest.files['site.css'].hashed}'"


def test_a_compressed_file_of_the_application_is_its_own(fill: Fill, collect: Collect, output: Path) -> None:
    fill({"data.csv": "1,2\n" * 1000, "data.csv.gz": b"own"})
    manifest = build(collect()).manifest
    assert (output / "data.csv.gz").read_bytes() == b"own"
    assert (output / manifest.files["data.csv.gz"].hashed).read_bytes() == b"own"
    assert gzip.decompress((output / f"{manifest.files['data.csv'].hashed}.gz").read_bytes()) == b"1,2\n" * 1000


@pytest.mark.parametrize("output", ["static", "static/build", "."])
def test_the_output_does_not_mix_with_the_sources(fill: Fill, collect: Collect, tmp_path: Path, output: str) -> None:
    fill(FILES)
    with pytest.raises(ConfigurationError, match="would mix"):
        build(collect(), str(tmp_path / output))


def test_a_folder_with_other_files_is_left_alone(fill: Fill, collect: Collect, output: Path) -> None:
    fill(FILES)
    fill({"thesis.txt": ""}, output)
    with pytest.raises(ConfigurationError, match="holds other files"):
        build(collect(), clear=True)
    assert everything(output) == {"thesis.txt": b""}


def test_a_file_cannot_have_the_name_of_the_manifest(fill: Fill, collect: Collect) -> None:
    fill({MANIFEST: "{}", "manifest.json": "{}"})
    with pytest.raises(ConfigurationError, match="has the name of the build's manifest"):
        build(collect())


@pytest.mark.parametrize("content", [b"", b"{}", b'{"files": {}, "version": 2}', b'{"files": {}, "x": 1}', b"\xff"])
def test_a_manifest_that_cannot_be_read_is_an_error_but_can_be_built_over(
    fill: Fill, collect: Collect, output: Path, content: bytes
) -> None:
    fill(FILES)
    build(collect())
    (output / MANIFEST).write_bytes(content)
    with pytest.raises(ConfigurationError, match="manifest of the static files cannot be read"):
        _ = collect().index
    (mistake,) = collect().mistakes()
    assert "erlen static build" in mistake.fix
    assert collect().has("no.css")  # so that a check of templates goes on
    build(collect())
    assert not collect().has("no.css")
    assert collect().mistakes() == []


def test_the_manifest_is_readable(fill: Fill, collect: Collect, output: Path) -> None:
    fill({"a.css": "a {}"})
    build(collect())
    manifest = json.decode((output / MANIFEST).read_bytes())
    assert list(manifest["files"]) == ["a.css"]
    assert set(manifest["files"]["a.css"]) == {"hashed", "source", "encodings"}


def test_a_check_names_what_changed_since_the_build(fill: Fill, collect: Collect, folder: Path) -> None:
    fill(FILES)
    assert collect().mistakes() == []
    build(collect())
    assert collect().mistakes() == []
    fill({"new.css": "", "css/small.css": "changed"})
    (folder / "LICENSE").unlink()
    (mistake,) = collect().mistakes()
    assert mistake.message.endswith("LICENSE, css/small.css, new.css")
    assert mistake.fix == "run `erlen static build`"
    assert collect(debug=True).mistakes() == []
