"""One deploy at a time, and locks that others hold."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from sqlalchemy import Connection, inspect, text

from erlen.db import Model
from erlen.migrations.connection import Limits
from erlen.migrations.locks import Busy
from erlen.migrations.migration import Migration
from erlen.migrations.records import read_records
from erlen.migrations.runner import MigrationError, Options, migrate
from erlen.migrations.target import Target
from erlen.migrations.tracking import Observer

ConnectTo = Callable[[str], Connection]
TargetOf = Callable[..., Target]
WriteApp = Callable[..., Path]
WriteStep = Callable[..., Migration]
Run = Callable[..., Result]
Start = Callable[..., "subprocess.Popen[str]"]

BOOK = 'op.create_table("book", sa.Column("id", sa.Integer, primary_key=True))\n'
SOON = Options(limits=Limits(lock_timeout=0.2), wait=0.3)


class Told(Observer):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.retries: list[list[str]] = []
        self.held: list[list[str]] = []

    def retry(self, seconds: float, holders: list[str]) -> None:
        self.retries.append(holders)


def read_until(process: subprocess.Popen[str], text: str) -> str:
    """Read what a process writes, up to the line with a text."""
    assert process.stdout is not None
    found = ""
    while text not in found:
        line = process.stdout.readline()
        assert line, found
        found += line
    return found


def test_of_two_processes_one_waits_and_both_succeed(
    database_url: str, write_app: WriteApp, write_step: WriteStep, start: Start, folder: Path, connect_to: ConnectTo
) -> None:
    write_app(database_url)
    write_step("create book", BOOK)
    write_step("wait", 'import pathlib\npathlib.Path("gate").read_text()\n' + BOOK.replace("book", "author"))
    os.mkfifo(folder / "gate")
    first = start("db", "migrate")
    read_until(first, "0001_create_book  applied")  # it is in the second, with the lock
    second = start("db", "migrate", "--lock-timeout", "0.2")
    said = read_until(second, "waiting for another process")
    if not database_url.startswith("sqlite"):
        assert "process " in said
    (folder / "gate").write_text("")
    for process in (first, second):
        assert process.stdout is not None
        output = process.stdout.read()
        assert process.wait(60) == 0, output
    records = read_records(connect_to(database_url))
    assert [each.state for each in records.values()] == ["applied", "applied"]


def test_on_sqlite_a_rollback_stops_before_what_another_process_needs_by_then(
    url_of: Callable[[str], str], write_app: WriteApp, write_step: WriteStep, start: Start, run: Run, folder: Path
) -> None:
    write_app(url_of("sqlite"))
    write_step("create book", BOOK, 'op.drop_table("book")')
    assert run("db", "migrate").exit_code == 0
    write_step("wait", 'import pathlib\npathlib.Path("gate").read_text()', "pass")
    os.mkfifo(folder / "gate")
    ahead = start("db", "migrate")
    with (folder / "gate").open("w") as gate:  # it is in the second, of which nothing shows yet
        back = start("db", "rollback", "--yes")
        read_until(back, "deletes table book")
        gate.write("go on")
    assert ahead.wait(60) == 0
    assert back.stdout is not None
    said = back.stdout.read()
    assert (back.wait(60), "another process has run what needs it, meanwhile" in said) == (1, True), said
    assert "Nothing to apply." in run("db", "status").output


def test_who_waits_too_long_is_told_who_has_the_lock(
    database_url: str, base: type[Model], target_of: TargetOf, write_step: WriteStep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    target = target_of(database_url, base)
    write_step("wait", 'import pathlib\npathlib.Path("begun").write_text("")\nimport pathlib\npathlib.Path("gate").read_text()\n' + BOOK)
    os.mkfifo("gate")
    os.mkfifo("begun")
    other = threading.Thread(target=migrate, args=(target,))
    other.start()
    Path("begun").read_text()
    try:
        with pytest.raises(Busy) as caught:
            migrate(target, options=SOON)
    finally:
        Path("gate").write_text("")
        other.join()
    assert "fix" in str(caught.value)
    if target.dialect != "sqlite":
        assert "another process migrates this database" in str(caught.value)


@pytest.mark.parametrize("backend", ["postgresql", "mariadb"])
def test_a_lock_is_tried_for_some_times_and_then_who_holds_it_is_said(
    backend: str, database_url: str, base: type[Model], target_of: TargetOf, write_step: WriteStep, connect_to: ConnectTo
) -> None:
    target = target_of(database_url, base)
    write_step("create book", BOOK)
    migrate(target)
    write_step("add pages", 'op.add_column("book", sa.Column("pages", sa.Integer))')
    other = connect_to(database_url)
    other.exec_driver_sql("BEGIN")
    other.exec_driver_sql("INSERT INTO book (id) VALUES (1)")
    number = other.scalar(text("SELECT pg_backend_pid()" if backend == "postgresql" else "SELECT CONNECTION_ID()"))
    told = Told()
    with pytest.raises((Busy, MigrationError)) as caught:
        migrate(target, options=SOON, observer=told)
    assert len(told.retries) == 4
    assert f"process {number} " in str(caught.value)
    assert "0002_add_pages.py needs a lock" in str(caught.value)
    other.exec_driver_sql("ROLLBACK")
    assert len(migrate(target)) == 1


@pytest.mark.parametrize("backend", ["postgresql", "mariadb"])
def test_a_lock_that_comes_free_is_taken_by_a_later_try(
    database_url: str, base: type[Model], target_of: TargetOf, write_step: WriteStep, connect_to: ConnectTo
) -> None:
    target = target_of(database_url, base)
    write_step("create book", BOOK)
    migrate(target)
    write_step("add pages", 'op.add_column("book", sa.Column("pages", sa.Integer))')
    other = connect_to(database_url)
    other.exec_driver_sql("BEGIN")
    other.exec_driver_sql("INSERT INTO book (id) VALUES (1)")

    class Freeing(Told):
        def retry(self, seconds: float, holders: list[str]) -> None:
            super().retry(seconds, holders)
            if not other.closed:
                other.exec_driver_sql("ROLLBACK")

    told = Freeing()
    assert len(migrate(target, options=SOON, observer=told)) == 1
    assert len(told.retries) == 1


def test_sqlite_waits_for_another_writer(
    url_of: Callable[[str], str], base: type[Model], target_of: TargetOf, write_step: WriteStep, connect_to: ConnectTo
) -> None:
    url = url_of("sqlite")
    target = target_of(url, base)
    write_step("create book", BOOK)
    other = connect_to(url)
    other.exec_driver_sql("PRAGMA journal_mode = WAL")
    other.exec_driver_sql("BEGIN IMMEDIATE")
    with pytest.raises(Busy):
        migrate(target, options=SOON)
    other.exec_driver_sql("ROLLBACK")
    assert len(migrate(target, options=SOON)) == 1


def test_statements_have_a_time_limit_that_a_migration_may_raise(
    backend: str, database_url: str, base: type[Model], target_of: TargetOf, write_step: WriteStep
) -> None:
    long = {
        "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000000) SELECT max(i) FROM n",
        "postgresql": "SELECT pg_sleep(0.5)",
        "mariadb": "SELECT SLEEP(0.5) + COUNT(*) FROM information_schema.tables",
    }[backend]
    target = target_of(database_url, base)
    step = write_step("take long", f'op.get_bind().execute(sa.text("{long}")).all()')
    limits = Options(limits=Limits(statement_timeout=0.1))
    with pytest.raises(MigrationError) as caught:
        migrate(target, options=limits)
    assert f"{step.path}:" in str(caught.value)
    source = step.path.read_text()
    step.path.write_text(source.replace("\n\ndef upgrade", "statement_timeout = None\n\n\ndef upgrade"))
    assert len(migrate(target, options=limits)) == 1


def test_limits_of_a_connection_are_set_and_an_advisory_lock_is_given_back(
    database_url: str, base: type[Model], target_of: TargetOf, write_step: WriteStep
) -> None:
    target = target_of(database_url, base)
    write_step("create book", BOOK)
    migrate(target, options=SOON)
    assert migrate(target, options=SOON) == []
    write_step("fail", 'op.drop_table("nobody")')
    with pytest.raises(MigrationError):
        migrate(target, options=SOON)
    with pytest.raises(MigrationError):  # the lock was given back after the failure too
        migrate(target, options=SOON)
    assert inspect(target.database.engine).get_table_names()
