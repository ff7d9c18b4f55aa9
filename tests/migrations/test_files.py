"""Files of migrations, on disks that are full or not to be written to."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from erlen.migrations.migration import HistoryError, Migration, read_history, write_file

WriteApp = Callable[..., Path]
WriteStep = Callable[..., Migration]
Run = Callable[..., Result]


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Let files of a name be written half, as on a full disk: `full("head")`."""
    write = Path.write_text

    def fill(name: str) -> None:
        def half(path: Path, text: str, encoding: str | None = None) -> int:
            if name in path.name:
                write(path, text[: len(text) // 2], encoding=encoding)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
            return write(path, text, encoding=encoding)

        monkeypatch.setattr(Path, "write_text", half)

    return fill


def test_a_file_that_cannot_be_written_is_as_before(tmp_path: Path, full: Callable[[str], None]) -> None:
    path = tmp_path / "head"
    write_file(path, "0001_first\n")
    full("head")
    with pytest.raises(HistoryError, match="cannot be written: No space left"):
        write_file(path, "0002_second\n")
    assert path.read_text() == "0001_first\n"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["0002", "head"])
def test_make_leaves_nothing_on_a_full_disk(
    url_of: Callable[[str], str], write_app: WriteApp, run: Run, folder: Path, full: Callable[[str], None], name: str
) -> None:
    write_app(url_of("sqlite"), "class Book(Base):\n    title: Mapped[str]\n")
    assert run("db", "make", "--yes").exit_code == 0
    before = sorted((folder / "migrations").iterdir())
    write_app(url_of("sqlite"), "class Book(Base):\n    title: Mapped[str]\n    pages: Mapped[int | None]\n")
    full(name)
    shown = run("db", "make", "--yes")
    assert (shown.exit_code, "cannot be written: No space left" in shown.output) == (1, True), shown.output
    assert sorted(path for path in (folder / "migrations").iterdir() if path.name != "__pycache__") == [
        path for path in before if path.name != "__pycache__"
    ]


def test_squash_leaves_all_as_it_was_on_a_full_disk(
    url_of: Callable[[str], str], write_app: WriteApp, write_step: WriteStep, run: Run, folder: Path, full: Callable[[str], None]
) -> None:
    write_app(url_of("sqlite"))
    for name in ("one", "two"):
        write_step(name, f'op.create_table("{name}", sa.Column("id", sa.Integer, primary_key=True))', f'op.drop_table("{name}")')
    full(".0002_squashed.py")
    shown = run("db", "squash")
    assert (shown.exit_code, "cannot be written" in shown.output) == (1, True), shown.output
    assert [each.name for each in read_history(folder / "migrations")] == ["0001_one", "0002_two"]
