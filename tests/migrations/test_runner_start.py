"""Migrations when an application starts, and when it is checked."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from sqlalchemy import Connection, inspect

from erlen import App
from erlen.db import Database, Mapped, Model
from erlen.migrations.migration import Migration
from erlen.testing import Client

WriteStep = Callable[..., Migration]
Run = Callable[..., Result]

BOOK = 'op.create_table("book", sa.Column("id", sa.Integer, primary_key=True))'


@pytest.fixture
def started(folder: Path, url_of: Callable[[str], str]) -> Callable[[], None]:
    """Start an application in debug mode, and stop it."""

    def start() -> None:
        class Base(Model, isolated=True):
            pass

        class Author(Base):
            name: Mapped[str]

        app = App()
        app.file = str(folder / "app.py")
        app.use(Database(url_of("sqlite"), base=Base))
        with Client(app, overrides={"debug": True}):
            pass

    return start


def tables(connection: Connection) -> list[str]:
    return inspect(connection).get_table_names()


def test_a_new_database_is_made_by_the_migrations(
    started: Callable[[], None], write_step: WriteStep, url_of: Callable[[str], str], connect_to: Callable[[str], Connection]
) -> None:
    write_step("create book", BOOK)
    started()
    assert tables(connect_to(url_of("sqlite"))) == ["book", "erlen_migrations"]


def test_what_is_not_applied_later_is_said(
    started: Callable[[], None],
    write_step: WriteStep,
    caplog: pytest.LogCaptureFixture,
    url_of: Callable[[str], str],
    connect_to: Callable[[str], Connection],
) -> None:
    write_step("create book", BOOK)
    started()
    write_step("create author", BOOK.replace("book", "author"))
    with caplog.at_level(logging.WARNING, "erlen.db"):
        started()
    assert "1 migration is not applied to the database 'default': 0002_create_author: `erlen db migrate`" in caplog.messages
    assert tables(connect_to(url_of("sqlite"))) == ["book", "erlen_migrations"]


def test_without_migrations_the_models_make_it(
    started: Callable[[], None], url_of: Callable[[str], str], connect_to: Callable[[str], Connection]
) -> None:
    started()
    assert tables(connect_to(url_of("sqlite"))) == ["authors"]


def test_check_points_to_migrate_and_make(
    url_of: Callable[[str], str], write_app: Callable[..., Path], write_step: WriteStep, run: Run
) -> None:
    models = "class Book(Base, table='book'):\n    pass\n"
    write_app(url_of("sqlite"), models)
    shown = run("check")
    assert (shown.exit_code, "`erlen db make` and `erlen db migrate`" in shown.output) == (1, True), shown.output
    write_step("create book", BOOK)
    shown = run("check")
    assert shown.exit_code == 1
    assert "1 migration is not applied to the database 'default': 0001_create_book\n  fix `erlen db migrate`" in shown.output
    run("db", "migrate")
    shown = run("check")
    assert shown.exit_code == 0, shown.output
    write_app(url_of("sqlite"), models + "class Author(Base):\n    pass\n")
    shown = run("check")
    assert "lacks tables: authors\n  fix write a migration: `erlen db make`" in shown.output, shown.output
