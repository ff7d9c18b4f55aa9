"""Processes that are killed while they migrate: the next one goes on, or says what to do."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from sqlalchemy import Connection, inspect, text

from erlen.migrations.migration import Migration
from erlen.migrations.records import read_records

ConnectTo = Callable[[str], Connection]
WriteApp = Callable[..., Path]
WriteStep = Callable[..., Migration]
Run = Callable[..., Result]
Start = Callable[..., "subprocess.Popen[str]"]

BOOK = 'op.create_table("book", sa.Column("id", sa.Integer, primary_key=True), sa.Column("title", sa.String(50)))\n'
ROWS = "op.execute(\"INSERT INTO book (id, title) VALUES (1, 'a'), (2, 'b')\")\n"
KILL = """
import os, pathlib, signal
if not pathlib.Path("killed").exists():
    pathlib.Path("killed").touch()
    os.kill(os.getpid(), signal.SIGKILL)
"""
"""The first process that comes here dies as with `kill -9`."""


def killed(process: subprocess.Popen[str]) -> str:
    output, _ = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL, output
    return output


def until(found: Callable[[], object], seconds: float = 30.0) -> None:
    """Wait until something is true."""
    end = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < end, "this did not happen"
        time.sleep(0.02)


@pytest.mark.parametrize("backend", ["sqlite", "postgresql"])
def test_in_a_transaction_nothing_is_kept(
    backend: str, database_url: str, write_app: WriteApp, write_step: WriteStep, start: Start, run: Run, connect_to: ConnectTo
) -> None:
    write_app(database_url)
    write_step("create book", BOOK + ROWS + KILL + 'op.add_column("book", sa.Column("pages", sa.Integer))')
    killed(start("db", "migrate"))
    connection = connect_to(database_url)
    assert "book" not in inspect(connection).get_table_names()
    assert "pending" in run("db", "status").output
    again = run("db", "migrate")
    assert again.exit_code == 0, again.output
    assert connection.scalar(text("SELECT count(pages) + count(*) FROM book")) == 2


STEPS = (
    'op.add_column("book", sa.Column("pages", sa.Integer))\n'
    'op.create_table("author", sa.Column("id", sa.Integer, primary_key=True))\n'
    "for row in op.get_bind().execute(sa.text('SELECT id FROM book WHERE pages IS NULL')).all():\n"
    "    op.execute(sa.text('UPDATE book SET pages = coalesce(pages, 0) + :id').bindparams(id=row.id))\n"
    "{first}"
    'op.create_index("ix_pages", "book", ["pages"])\n'
    "{second}"
    "op.execute('UPDATE book SET pages = pages + 100')\n"
    "{third}"
    'op.create_index("ix_title", "book", ["title"])\n'
)


@pytest.mark.parametrize("place", ["first", "second", "third"])
@pytest.mark.parametrize("backend", ["mariadb"])
def test_without_transactions_the_next_run_goes_on_where_it_stopped(
    place: str, database_url: str, write_app: WriteApp, write_step: WriteStep, start: Start, run: Run, connect_to: ConnectTo
) -> None:
    write_app(database_url)
    write_step("create book", BOOK + ROWS)
    written = write_step("add pages", STEPS.format(**{"first": "", "second": "", "third": ""} | {place: KILL}), "pass")
    killed(start("db", "migrate"))
    connection = connect_to(database_url)
    assert read_records(connection)[written.revision].state == "running"
    shown = run("db", "status").output
    assert "1 interrupted: `erlen db migrate`." in shown
    again = run("db", "migrate")
    assert (again.exit_code, "1 migration to continue" in again.output) == (0, True), again.output
    assert {index["name"] for index in inspect(connection).get_indexes("book")} == {"ix_pages", "ix_title"}
    # Each row was changed by both: 1 + 2 and 100, each exactly once.
    assert connection.scalars(text("SELECT pages FROM book")).all() == [103, 103]
    assert read_records(connection)[written.revision].state == "applied"


@pytest.mark.parametrize("backend", ["mariadb"])
def test_what_was_done_but_not_counted_any_more_is_no_error(
    database_url: str, write_app: WriteApp, write_step: WriteStep, start: Start, run: Run, connect_to: ConnectTo
) -> None:
    write_app(database_url)
    write_step(
        "create book",
        BOOK + 'op.add_column("book", sa.Column("pages", sa.Integer))' + KILL + 'op.add_column("book", sa.Column("price", sa.Integer))',
    )
    killed(start("db", "migrate"))
    connection = connect_to(database_url)
    connection.exec_driver_sql("ALTER TABLE book ADD COLUMN price INTEGER")  # as if the server had done it when the process had gone
    again = run("db", "migrate")
    assert again.exit_code == 0, again.output
    assert "Nothing to do" in run("db", "migrate").output


@pytest.mark.parametrize("backend", ["mariadb"])
def test_a_file_that_has_changed_since_is_refused(
    database_url: str, write_app: WriteApp, write_step: WriteStep, start: Start, run: Run, connect_to: ConnectTo
) -> None:
    write_app(database_url)
    written = write_step(
        "create book",
        BOOK + KILL + 'op.add_column("book", sa.Column("price", sa.Integer))',
        'op.drop_column("book", "price")\nop.drop_table("book")',
    )
    killed(start("db", "migrate"))
    source = written.path.read_text()
    written.path.write_text(source.replace("String(50)", "String(60)"))
    refused = run("db", "migrate")
    assert refused.exit_code == 1
    for part in (
        "0001_create_book.py was not run to its end",
        "the file has changed since",
        "VARCHAR(60)",
        "done  CREATE TABLE book",
        "--fake 0001_create_book",
    ):
        assert part in refused.output, refused.output
    # One of the ways out that it names: what was never made is not missed by the way back.
    back = run("db", "rollback", "--yes")
    assert back.exit_code == 0, back.output
    connection = connect_to(database_url)
    assert (inspect(connection).get_table_names(), read_records(connection)) == (["erlen_migrations"], {})
    assert run("db", "migrate").exit_code == 0


BLOCK = """
with op.get_context().autocommit_block():
    for number in (1, 2):
        op.execute(f"UPDATE book SET pages = {{number}} WHERE id = {{number}}")
        {kill}
op.create_table("author", sa.Column("id", sa.Integer, primary_key=True))
"""


def test_rows_that_were_changed_without_a_transaction_are_changed_again_only_if_asked_to(
    database_url: str, write_app: WriteApp, write_step: WriteStep, start: Start, run: Run, connect_to: ConnectTo
) -> None:
    write_app(database_url)
    write_step("create book", BOOK + ROWS)
    kill = "\n".join(f"        {line}" for line in KILL.strip().splitlines()).strip()
    written = write_step("add pages", 'op.add_column("book", sa.Column("pages", sa.Integer))\n' + BLOCK.format(kill=kill))
    killed(start("db", "migrate"))
    refused = run("db", "migrate")
    assert refused.exit_code == 1, refused.output
    assert "1 statement on rows committed by themselves" in refused.output
    assert "UPDATE book SET pages = 1 WHERE id = 1" in refused.output
    assert "done  ALTER TABLE book ADD COLUMN pages INTEGER" in refused.output
    assert "`erlen db migrate --repeat`" in refused.output
    again = run("db", "migrate", "--repeat")
    assert again.exit_code == 0, again.output
    connection = connect_to(database_url)
    assert connection.scalars(text("SELECT pages FROM book ORDER BY id")).all() == [1, 2]
    assert "author" in inspect(connection).get_table_names()
    assert read_records(connection)[written.revision].state == "applied"


def test_a_failure_says_when_going_on_would_be_refused(database_url: str, write_app: WriteApp, write_step: WriteStep, run: Run) -> None:
    write_app(database_url)
    block = "with op.get_context().autocommit_block():\n    " + ROWS + '    op.execute("UPDATE book SET nothing = 1")'
    step = write_step("create book", BOOK + block)
    shown = run("db", "migrate").output
    assert "then 2 statements on rows were begun that commit by themselves" in shown
    assert "if they may be run again, `erlen db migrate --repeat`" in shown
    step.path.write_text(step.path.read_text().replace("nothing = 1", "title = 1").replace("VALUES (1, 'a'), (2, 'b')", "VALUES (3, 'c')"))
    again = run("db", "migrate", "--repeat")
    assert again.exit_code == 0, again.output


def test_one_that_stopped_may_be_said_to_be_done(
    database_url: str, write_app: WriteApp, write_step: WriteStep, start: Start, run: Run, connect_to: ConnectTo
) -> None:
    write_app(database_url)
    written = write_step("create book", BOOK + "with op.get_context().autocommit_block():\n    " + ROWS + KILL, None)
    killed(start("db", "migrate"))
    assert run("db", "migrate").exit_code == 0  # nothing on rows comes after the block
    connection = connect_to(database_url)
    connection.exec_driver_sql("UPDATE erlen_migrations SET state = 'running'")
    faked = run("db", "migrate", "--fake", "1")
    assert faked.exit_code == 0, faked.output
    assert read_records(connection)[written.revision].state == "applied"


@pytest.mark.parametrize("backend", ["postgresql"])
def test_an_index_that_was_not_made_to_its_end_is_made_again(
    database_url: str, write_app: WriteApp, write_step: WriteStep, start: Start, run: Run, connect_to: ConnectTo
) -> None:
    write_app(database_url)
    write_step("create book", BOOK + ROWS)
    index = 'op.create_index("ix_title", "book", ["title"], postgresql_concurrently=True)'
    write_step(
        "index title", f'op.create_table("author", sa.Column("id", sa.Integer))\nwith op.get_context().autocommit_block():\n    {index}'
    )
    other, connection = connect_to(database_url), connect_to(database_url)
    assert run("db", "migrate", "1").exit_code == 0
    other.exec_driver_sql("BEGIN ISOLATION LEVEL REPEATABLE READ; INSERT INTO book (id) VALUES (3)")  # which the index has to wait for
    process = start("db", "migrate", "--lock-timeout", "60")
    waits = text("SELECT pid FROM pg_stat_activity WHERE query LIKE 'CREATE INDEX CONCURRENTLY%' AND wait_event_type = 'Lock'")
    until(lambda: connection.scalar(waits) is not None)
    process.kill()
    killed(process)
    connection.execute(text(f"SELECT pg_terminate_backend(({waits.text}))"))
    until(lambda: connection.scalar(waits) is None)
    other.exec_driver_sql("ROLLBACK")
    assert connection.scalar(text("SELECT indisvalid FROM pg_index WHERE indexrelid = 'ix_title'::regclass")) is False
    again = run("db", "migrate")
    assert again.exit_code == 0, again.output
    assert "the index ix_title was not made to its end" in again.output
    assert connection.scalar(text("SELECT indisvalid FROM pg_index WHERE indexrelid = 'ix_title'::regclass")) is True


@pytest.mark.parametrize("backend", ["postgresql", "mariadb"])
def test_a_rollback_that_was_killed_goes_on(
    backend: str, database_url: str, write_app: WriteApp, write_step: WriteStep, start: Start, run: Run, connect_to: ConnectTo
) -> None:
    write_app(database_url)
    block = "" if backend == "mariadb" else "with op.get_context().autocommit_block():\n    "
    kill = KILL.replace("if not", 'if "scratch" not in op.get_bind().engine.url.database and not')  # where it is tried out first
    down = f'{block}op.drop_index("ix_title", "book")\n{kill}op.drop_table("book")'
    write_step("create book", BOOK + 'op.create_index("ix_title", "book", ["title"])', down)
    assert run("db", "migrate").exit_code == 0
    killed(start("db", "rollback", "--yes"))
    refused = run("db", "migrate")
    assert (refused.exit_code, "the rollback of 0001_create_book has not ended" in refused.output) == (1, True), refused.output
    again = run("db", "rollback", "--yes")
    assert again.exit_code == 0, again.output
    assert inspect(connect_to(database_url)).get_table_names() == ["erlen_migrations"]


@pytest.mark.parametrize("backend", ["postgresql", "mariadb"])
def test_inserts_that_give_keys_back_are_passed_over(
    database_url: str, write_app: WriteApp, write_step: WriteStep, start: Start, run: Run, connect_to: ConnectTo
) -> None:
    write_app(database_url)
    insert = (
        "book = sa.table('book', sa.column('id'), sa.column('title'))\n"
        "whole = sa.Table('book', sa.MetaData(), sa.Column('id', sa.Integer, primary_key=True), sa.Column('title', sa.String(50)))\n"
        "op.get_bind().execute(sa.insert(whole).values(title='0'))\n"
        "op.get_bind().execute(sa.insert(book).values(title='a'))\n"
        "op.get_bind().execute(sa.insert(book).values(id=7, title='b').returning(book.c.id))\n"
        "op.bulk_insert(book, [{'id': 8, 'title': 'c'}, {'id': 9, 'title': 'd'}])\n"
    )
    block = "with op.get_context().autocommit_block():\n" + "\n".join(f"    {line}" for line in KILL.strip().splitlines())
    write_step("create book", f"{BOOK}{insert}{block}\nop.add_column('book', sa.Column('pages', sa.Integer))")
    killed(start("db", "migrate"))
    again = run("db", "migrate")
    assert again.exit_code == 0, again.output
    assert connect_to(database_url).scalars(text("SELECT title FROM book ORDER BY title")).all() == ["0", "a", "b", "c", "d"]


@pytest.mark.parametrize(
    "change",
    [
        'update_in_batches(op, "book", "pages = 7", where="pages IS NULL", size=1)',
        (
            "t = tables(op)\nfor rows in in_batches(op, sa.select(t.book).where(t.book.c.pages.is_(None)), size=1):\n"
            "    for row in rows:\n        op.execute(t.book.update().where(t.book.c.id == row.id).values(pages=7))"
        ),
    ],
)
def test_rows_that_are_changed_in_portions_go_on_by_themselves(
    change: str, database_url: str, write_app: WriteApp, write_step: WriteStep, start: Start, run: Run, connect_to: ConnectTo
) -> None:
    write_app(database_url)
    write_step("create book", BOOK + ROWS + 'op.add_column("book", sa.Column("pages", sa.Integer))')
    # The first process dies when it has changed a row, and before it has changed the other.
    dies = (
        "from sqlalchemy import event\nchanged = []\n"
        "def note(connection, cursor, statement, *rest):\n"
        "    changed.append(statement) if statement.startswith('UPDATE book') else None\n"
        "    if len(changed) == 2:\n" + "\n".join(f"        {line}" for line in KILL.strip().splitlines()) + "\n"
        "event.listen(op.get_bind(), 'before_cursor_execute', note)\n"
    )
    imports = ("from erlen.migrations import in_batches, tables, update_in_batches",)
    written = write_step("fill pages", dies + change, imports=imports)
    killed(start("db", "migrate"))
    connection = connect_to(database_url)
    assert set(connection.scalars(text("SELECT pages FROM book"))) == {7, None}
    again = run("db", "migrate")
    assert again.exit_code == 0, again.output
    assert connection.scalars(text("SELECT pages FROM book")).all() == [7, 7]
    assert read_records(connection)[written.revision].state == "applied"
