from __future__ import annotations

import sys
from pathlib import Path

import pytest

from erlen import ConfigurationError
from erlen.cli.load_error import describe_load_error
from erlen.errors import Mistake


def raised_by(folder: Path, source: str) -> BaseException:
    file = folder / "app.py"
    file.write_text(source)
    with pytest.raises((Exception, SystemExit)) as caught:
        exec(compile(source, str(file), "exec"), {"__name__": "app"})
    inner = caught.tb.tb_next
    return caught.value.with_traceback(inner)


def test_a_syntax_error_is_shown_with_its_line_and_place(tmp_path: Path) -> None:
    error = raised_by(tmp_path, "def f():\n    return (1 +\n\nx = 1 1\n")
    shown = describe_load_error(error, tmp_path)
    assert shown.startswith("app.py:2\n    return (1 +\n           ^\nSyntaxError: ")
    indented = describe_load_error(raised_by(tmp_path, "def f():\n\tx = 1\n        y = 2\n"), tmp_path)
    assert "TabError" in indented


def test_only_the_applications_own_lines_are_shown(tmp_path: Path) -> None:
    source = "import json\n\ndef read():\n    return json.loads('{')\n\nread()\n"
    shown = describe_load_error(raised_by(tmp_path, source), tmp_path)
    assert shown.splitlines()[:4] == ["app.py:6", "    read()", "app.py:4 in read", "    return json.loads('{')"]
    assert "json/decoder" not in shown
    assert shown.splitlines()[-1].startswith("json.decoder.JSONDecodeError: ")


@pytest.mark.parametrize(
    ("source", "fix"),
    [
        ("from erlen import App, jsonify\n", "return {"),
        ("import no_such_package_anywhere\n", "pip install no-such-package-anywhere"),
        ("from erlen import App\napp = Ap()\n", "Did you mean 'App'?"),
        ("from erlen import App\napp = App()\napp.run(debug=True)\n", "erlen dev"),
    ],
)
def test_the_likely_fix_stands_at_the_end(tmp_path: Path, source: str, fix: str) -> None:
    told = describe_load_error(raised_by(tmp_path, source), tmp_path)
    traceback, _, hint = told.partition("\n\nLikely fix: ")
    assert traceback.startswith("app.py:")
    assert fix in hint


def test_mistakes_are_listed(tmp_path: Path) -> None:
    error = ConfigurationError([Mistake("one", "app.py:3", "do"), Mistake("two", "app.py:4")])
    assert describe_load_error(error, tmp_path) == str(error)


def test_an_application_that_ends_its_process(tmp_path: Path) -> None:
    shown = describe_load_error(raised_by(tmp_path, "import sys\nsys.exit(3)\n"), tmp_path)
    assert shown.splitlines()[:2] == ["app.py:2", "    sys.exit(3)"]
    assert "(code 3)" in shown


def test_what_could_steer_the_terminal_is_escaped(tmp_path: Path) -> None:
    shown = describe_load_error(raised_by(tmp_path, "raise ValueError('\\x1b[2J\\r')\n"), tmp_path)
    assert "ValueError: \\x1b[2J\\r" in shown


def test_an_error_with_no_line_of_the_application_keeps_its_traceback(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="invalid literal") as caught:
        int("x")
    error = caught.value
    assert describe_load_error(error.with_traceback(None), tmp_path) == "ValueError: invalid literal for int() with base 10: 'x'"
    assert sys.exc_info() == (None, None, None)
