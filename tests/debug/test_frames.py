from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import jinja2
import pytest

from erlen.debug.frames import MOST_FRAMES, Frame, frames_of, is_own_file, shown_path, source_around
from erlen.debug.masking import Masker


def frames_when(function: Callable[[], object]) -> list[Frame]:
    try:
        function()
    except BaseException as error:  # noqa: BLE001 - what it raises is the matter
        return frames_of(error, Masker())
    raise AssertionError("it does not raise")


def test_the_exact_place_is_marked() -> None:
    empty: list[int] = []
    last = frames_when(lambda: 1 + len(empty) // len(empty) + 2)[-1]
    assert last.marked == "len(empty) // len(empty)"
    assert last.code.startswith("last = frames_when")
    assert last.own


def test_columns_count_characters_not_bytes() -> None:
    empty: dict[str, str] = {}

    def fail() -> object:
        return ("äöü→", empty["key"])

    assert frames_when(fail)[-1].marked == 'empty["key"]'


def test_variables_are_shown_with_secrets_masked() -> None:
    def fail() -> None:
        name, password = "ada", "hunter2"
        raise ValueError(name + password[:0])

    shown = dict(frames_when(fail)[-1].variables)
    assert shown == {"name": "'ada'", "password": "•••"}


def test_library_frames_are_told_from_own_ones() -> None:
    frames = frames_when(lambda: json.loads("{"))
    assert [frame.own for frame in frames] == [True, True, False, False, False]
    assert [frame.place.partition(":")[0] for frame in frames[-2:]] == [str(Path("json", "decoder.py"))] * 2
    assert not is_own_file(jinja2.__file__)
    assert not is_own_file("<string>")
    assert is_own_file(__file__)
    assert shown_path(jinja2.__file__) == str(Path("jinja2", "__init__.py"))


def test_a_very_long_traceback_loses_its_middle() -> None:
    def down(depth: int) -> int:
        return down(depth - 1) if depth else 1 // 0

    frames = frames_when(lambda: down(300))
    assert len(frames) == MOST_FRAMES
    assert sum(frame.left_out for frame in frames) == 303 - MOST_FRAMES
    assert frames[-1].marked == "1 // 0"


def test_a_syntax_error_ends_with_its_place(tmp_path: Path) -> None:
    file = tmp_path / "broken.py"
    file.write_text("x = 1\ndef f(:\n    pass\n")
    last = frames_when(lambda: compile(file.read_text(), str(file), "exec"))[-1]
    assert (last.file, last.line, last.code, last.marked) == (str(file), 2, "def f(:", ":")
    unsaved = frames_when(lambda: compile("def f(:\n", "<typed>", "exec"))[-1]
    assert unsaved.code == "def f(:"


def test_template_frames_have_the_template_line_and_its_context(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("<h1>\n{{ title }}\n{{ number // 0 }}\n")
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(tmp_path), autoescape=True)
    frames = frames_when(lambda: environment.get_template("page.html").render(title="Hi", number=3, token="hunter2"))
    page = next(frame for frame in frames if frame.template)
    assert (page.line, page.code) == (3, "{{ number // 0 }}")
    shown = dict(page.variables)
    assert (shown["title"], shown["number"], shown["token"]) == ("'Hi'", "3", "•••")


def test_a_file_that_changed_or_is_gone() -> None:
    assert source_around("/no/such/file.py", 3) == []
    assert source_around(__file__, 10**6) == []


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="coverage tools of older Pythons trace")
def test_a_tracing_tool_goes_on_tracing() -> None:
    before = sys.gettrace()

    def trace(frame: object, event: str, argument: object) -> None:
        return None

    sys.settrace(trace)
    try:
        assert Masker().repr({"a": 1}) == "{'a': 1}"
        assert sys.gettrace() is trace
    finally:
        sys.settrace(before)
