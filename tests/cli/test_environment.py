from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from erlen import ConfigurationError
from erlen.cli.environment import ENV_FILE, load_env_file
from erlen.errors import Mistake


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    # Known to monkeypatch, so that what the file sets is gone after the test.
    for name in (ENV_FILE, "SHOP_NAME", "SHOP_COLOUR"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    return tmp_path / ".env"


def mistakes_in(file: Path) -> list[Mistake]:
    with pytest.raises(ConfigurationError) as caught:
        load_env_file(file)
    assert "SHOP_NAME" not in os.environ
    return list(caught.value.mistakes)


def test_a_file_that_is_not_utf8_is_named_with_the_place(file: Path) -> None:
    file.write_bytes("SHOP_NAME=tea\nSHOP_COLOUR=café\n".encode("latin-1"))
    (mistake,) = mistakes_in(file)
    assert mistake.message == ".env is not UTF-8: byte 29 is 0xe9"
    assert mistake.where == f"{file}:2"
    assert "UTF-8" in mistake.fix


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le"])
def test_a_file_as_powershell_writes_it(file: Path, encoding: str) -> None:
    file.write_bytes("SHOP_NAME=tea\n".encode(encoding))
    (mistake,) = mistakes_in(file)
    assert "save it as UTF-8" in mistake.fix


def test_each_line_that_is_no_variable_is_named_and_none_is_shown(file: Path) -> None:
    file.write_text('SHOP_NAME=tea\nSHOP_COLOUR="green\nmy hunter2 = 1\n')
    found = mistakes_in(file)
    assert [mistake.where for mistake in found] == [f"{file}:2", f"{file}:3"]
    assert "hunter2" not in "".join(map(str, found))


def test_a_mark_at_the_beginning_is_no_part_of_the_first_name(file: Path) -> None:
    file.write_bytes(b"\xef\xbb\xbfSHOP_NAME=tea\n")
    assert load_env_file(file) == ["SHOP_NAME"]
    assert os.environ["SHOP_NAME"] == "tea"


def test_without_python_dotenv_the_install_line_is_said(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dotenv", None)  # as an import finds it that is not installed
    file.write_text("SHOP_NAME=tea\n")
    (mistake,) = mistakes_in(file)
    assert 'pip install "erlen[standard]"' in mistake.fix


def test_the_command_line_says_it_in_place_of_a_traceback(run: Callable[..., Result], write: Callable[..., Path]) -> None:
    write("app.py", "from erlen import App\napp = App()\n")
    write(".env", "no variable\n")
    answer = run("settings", "--dev")
    assert answer.exit_code == 1
    assert answer.output.startswith("Error: line 1 of .env is no variable")


def test_the_page_shows_no_line_of_the_file(tmp_path: Path, file: Path) -> None:
    from erlen.debug.report import make_report

    file.write_text("STRIPE=sk_live_something\nno variable\n")
    with pytest.raises(ConfigurationError) as caught:
        load_env_file(file)
    report = make_report(caught.value, 500, None)
    assert len(report.mistakes) == 1
    assert not any(lines for _, lines in report.mistakes)
    assert "sk_live" not in report.text
