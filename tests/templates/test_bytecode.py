from __future__ import annotations

import inspect
import os
import shutil
import stat
from collections.abc import Callable
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest
from jinja2 import pass_context
from jinja2.runtime import Context

from erlen.templates import bytecode
from erlen.templates.bytecode import private_folder
from erlen.templates.component import ComponentExtension
from erlen.templates.engine import Engine, Tools
from erlen.templates.environment import TemplateEnvironment
from erlen.templates.generator import LiveCodeGenerator

MakeEngine = Callable[..., Engine]


def kept(root: Path) -> list[Path]:
    return sorted((root / ".erlen" / "templates").iterdir()) if (root / ".erlen" / "templates").exists() else []


def test_compiled_templates_are_kept_for_the_next_start(make_engine: MakeEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {"a.html": "{{ x }}"}
    assert make_engine(files, keep=True).render("a.html", x=1) == "1"
    assert len(kept(tmp_path)) == 1
    engine = make_engine(files, keep=True)
    monkeypatch.setattr(engine.environment, "compile", None)
    assert engine.render("a.html", x=2) == "2"


def test_templates_that_await_are_kept_apart(make_engine: MakeEngine, tmp_path: Path) -> None:
    import asyncio

    engine = make_engine({"a.html": "{{ x }}"}, keep=True)
    for _ in range(2):
        engine = make_engine({"a.html": "{{ x }}"}, keep=True)
        assert engine.render("a.html", x=1) == "1"
        assert asyncio.run(engine.render_async("a.html", x=1)) == "1"
    assert len(kept(tmp_path)) == 2


def test_a_changed_template_is_compiled_again(make_engine: MakeEngine, tmp_path: Path) -> None:
    assert make_engine({"a.html": "old"}, keep=True).render("a.html") == "old"
    assert make_engine({"a.html": "new"}, keep=True).render("a.html") == "new"
    assert make_engine({"a.html": "new"}, keep=True).render("a.html") == "new"
    assert len(kept(tmp_path)) == 1


@pytest.mark.parametrize("writer", [LiveCodeGenerator, ComponentExtension, TemplateEnvironment])
def test_what_an_edited_generator_would_write_otherwise_is_compiled_again(make_engine: MakeEngine, tmp_path: Path, writer: type) -> None:
    room = tmp_path / "room"
    shutil.copytree(Path(bytecode.__file__).parent, room)
    files = {"a.html": "{{ x }}"}
    source = room / Path(inspect.getfile(writer)).name

    def kept_by_this_room() -> bytes:
        engine = make_engine(files)
        engine.environment.bytecode_cache = _load(room / "bytecode.py").PrivateCache(tmp_path)
        assert engine.render("a.html", x=1) == "1"
        return (tmp_path / engine.environment.bytecode_cache.get_cache_key("a.html", engine.folders.find("a.html"))).read_bytes()

    before = kept_by_this_room()
    assert kept_by_this_room() == before
    source.write_text(source.read_text(encoding="utf-8") + "# edited\n", encoding="utf-8")
    assert kept_by_this_room()[:32] != before[:32]


def _load(file: Path) -> Any:
    spec = spec_from_file_location("loaded", file)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_packed_without_its_source_nothing_that_was_kept_is_run(tmp_path: Path) -> None:
    shutil.copy(bytecode.__file__, tmp_path / "bytecode.py")
    assert _load(tmp_path / "bytecode.py")._WRITERS != _load(tmp_path / "bytecode.py")._WRITERS


@pytest.mark.parametrize("use", ["{{ x|own }}", "{% if x is own %}a 1{% endif %}"])
def test_a_function_that_now_takes_the_context_gets_it(make_engine: MakeEngine, use: str) -> None:
    def own(value: object) -> str:
        return f"a {value}"

    @pass_context
    def own_in_context(context: Context, value: object) -> str:
        return f"{context['y']} {value}"

    for function in (own, own_in_context, own):
        tools = Tools({"own": function}, {"own": function}, {}, [])
        assert make_engine({"a.html": use}, keep=True, tools=tools).render("a.html", x=1, y="a") == "a 1"


@pytest.mark.parametrize("damage", [lambda data: b"", lambda data: data[:40], lambda data: b"x" * len(data), lambda data: data[:32]])
def test_a_damaged_file_is_made_anew(make_engine: MakeEngine, tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    make_engine({"a.html": "{{ 1 }}"}, keep=True).render("a.html")
    (file,) = kept(tmp_path)
    whole = file.read_bytes()
    file.write_bytes(damage(whole))
    assert make_engine({"a.html": "{{ 1 }}"}, keep=True).render("a.html") == "1"
    assert file.read_bytes()[:32] == whole[:32]
    assert len(file.read_bytes()) == len(whole)


def test_nothing_is_kept_in_debug_mode(make_engine: MakeEngine, tmp_path: Path) -> None:
    make_engine({"a.html": ""}, keep=True, debug=True).render("a.html")
    assert not (tmp_path / ".erlen").exists()


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="needs the permissions of POSIX")
class TestPrivateFolder:
    def test_only_its_user_can_enter_it(self, tmp_path: Path) -> None:
        folder = private_folder(tmp_path)
        assert folder == tmp_path / ".erlen" / "templates"
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert (tmp_path / ".erlen" / ".gitignore").read_text() == "*\n"
        assert private_folder(tmp_path) == folder

    def test_the_files_are_its_users_alone(self, make_engine: MakeEngine, tmp_path: Path) -> None:
        make_engine({"a.html": ""}, keep=True).render("a.html")
        assert [stat.S_IMODE(file.stat().st_mode) for file in kept(tmp_path)] == [0o600]

    @pytest.mark.parametrize(("outer", "inner"), [(0o777, 0o700), (0o775, 0o700), (0o700, 0o750), (0o700, 0o777)])
    def test_code_planted_by_another_user_is_not_loaded(self, tmp_path: Path, outer: int, inner: int) -> None:
        (tmp_path / ".erlen" / "templates").mkdir(parents=True)
        (tmp_path / ".erlen" / "templates").chmod(inner)
        (tmp_path / ".erlen").chmod(outer)
        assert private_folder(tmp_path) is None

    def test_a_folder_of_another_user_is_not_used(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        assert private_folder(tmp_path) is not None
        monkeypatch.setattr(os, "getuid", lambda: os.geteuid() + 1)
        assert private_folder(tmp_path) is None

    def test_a_symbolic_link_is_not_followed(self, tmp_path: Path) -> None:
        (tmp_path / "elsewhere").mkdir(0o700)
        (tmp_path / ".erlen").mkdir(0o700)
        (tmp_path / ".erlen" / "templates").symlink_to(tmp_path / "elsewhere")
        assert private_folder(tmp_path) is None

    def test_where_nothing_can_be_written_nothing_is_kept(self, make_engine: MakeEngine, tmp_path: Path) -> None:
        (tmp_path / ".erlen").write_text("in the way")
        assert private_folder(tmp_path) is None
        assert make_engine({"a.html": "{{ x }}"}, keep=True).render("a.html", x=1) == "1"

    def test_a_folder_that_vanishes_is_no_error(self, make_engine: MakeEngine, tmp_path: Path) -> None:
        engine = make_engine({"a.html": "{{ x }}"}, keep=True)
        assert engine.environment.bytecode_cache is not None
        (tmp_path / ".erlen" / "templates").rmdir()
        assert engine.render("a.html", x=1) == "1"
