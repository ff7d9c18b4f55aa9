"""What `erlen db make` says at once of the migration that it has written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

MODEL = """
class Book(Base, table="book"):
    title: Mapped[str]
    pages: Mapped[int | None]
"""
REQUIRED = MODEL.replace("int | None", "int").replace("    pages", "    author: Mapped[str]\n    pages")
FILLS = ("--fill", "book.author=unknown", "--fill", "book.pages=0")


@pytest.fixture
def change(write_app: Callable[..., Path], run: Callable[..., Result], monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Write the first migration of a model, then what `make` says of its next state."""
    monkeypatch.delenv("ERLEN_DIALECT", raising=False)

    def change(url: str, models: str, *options: str, **environment: str) -> str:
        write_app(url, MODEL)
        first = run("db", "make", "--no-sql", **environment)
        assert first.output.endswith("wrote migrations/0001_create_book.py\n")
        write_app(url, models)
        made = run("db", "make", "--no-sql", *options, **environment)
        assert made.exit_code == 0, made.output
        return made.output.partition("wrote ")[2].partition("\n")[2]

    return change


def test_findings_and_the_way_around(change: Callable[..., str]) -> None:
    said = change("sqlite:///app.db", REQUIRED, *FILLS, ERLEN_DIALECT="postgresql")
    assert "set-not-null  migrations/0002_" in said
    assert "drop-default  migrations/0002_" in said
    assert said.endswith("`erlen db lint --plan` writes the way around as migrations.\n")


@pytest.mark.parametrize("backend", ["postgresql"])
def test_as_the_database_itself_has_it(change: Callable[..., str], database_url: str) -> None:
    assert "locks  set-not-null" in change(database_url, REQUIRED, *FILLS)


def test_sqlite_says_nothing_of_what_is_filled_in(change: Callable[..., str]) -> None:
    assert change("sqlite:///app.db", REQUIRED, *FILLS) == ""


def test_sqlite_says_what_breaks_running_code(change: Callable[..., str]) -> None:
    said = change("sqlite:///app.db", MODEL.replace("    pages: Mapped[int | None]\n", ""))
    assert "breaks running code  drop-column" in said
    assert said.endswith("1 finding in 0002_drop_pages_of_book.\n")
