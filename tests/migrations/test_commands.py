"""What the commands that run migrations say and return."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from sqlalchemy import Connection, inspect, text

from erlen.migrations.migration import Migration

ConnectTo = Callable[[str], Connection]
WriteApp = Callable[..., Path]
WriteStep = Callable[..., Migration]
Run = Callable[..., Result]
Start = Callable[..., "subprocess.Popen[str]"]

BOOK = 'op.create_table("book", sa.Column("id", sa.Integer, primary_key=True))'
PAGES = 'op.add_column("book", sa.Column("pages", sa.Integer))'


@pytest.fixture
def url(url_of: Callable[[str], str], write_app: WriteApp, write_step: WriteStep) -> str:
    """An application with two migrations, on SQLite."""
    url = url_of("sqlite")
    write_app(url)
    write_step("create book", BOOK, 'op.drop_table("book")')
    write_step("add pages", PAGES, 'op.drop_column("book", "pages")')
    return url


def test_migrate_shows_the_plan_and_each_migration_with_its_time(url: str, run: Run) -> None:
    shown = run("db", "migrate")
    assert shown.exit_code == 0
    assert re.fullmatch(
        r"2 migrations to apply:\n  0001_create_book  Create book\.\n  0002_add_pages    Add pages\.\n\n"
        r"  0001_create_book  applied in 0\.\d\d s\n  0002_add_pages    applied in 0\.\d\d s\n",
        shown.output,
    ), shown.output
    assert run("db", "migrate").output == "Nothing to do: the database is at 0002_add_pages.\n"


def test_a_plan_changes_nothing(url: str, run: Run, connect_to: ConnectTo) -> None:
    for arguments, code in ((("--dry-run",), 0), (("--plan",), 0), (("--check",), 1)):
        shown = run("db", "migrate", *arguments)
        assert (shown.exit_code, "2 migrations to apply" in shown.output) == (code, True), shown.output
    assert inspect(connect_to(url)).get_table_names() == []
    assert run("db", "migrate", "1").exit_code == 0
    assert run("db", "migrate", "--check").exit_code == 1
    assert run("db", "migrate", "1", "--check").exit_code == 0


def test_rollback_asks_outside_of_debug_mode(url: str, run: Run, connect_to: ConnectTo) -> None:
    run("db", "migrate")
    connection = connect_to(url)
    connection.exec_driver_sql("INSERT INTO book (pages) VALUES (3), (NULL)")
    asked = run("db", "rollback")
    assert asked.exit_code == 2
    assert "deletes column book.pages with 1 row\n" in asked.output
    assert "nobody is there to be asked: say `--yes`" in asked.output
    assert "deletes table book with 2 rows" in run("db", "rollback", "zero", "--dry-run").output
    assert connection.scalar(text("SELECT sum(pages) FROM book")) == 3
    done = run("db", "rollback", DEBUG="1")
    assert (done.exit_code, "0002_add_pages  rolled back in" in done.output) == (0, True), done.output
    assert run("db", "rollback", "--yes").exit_code == 0
    assert run("db", "rollback", "--yes").output.startswith("Nothing to roll back")


def test_what_a_rollback_renames_is_not_deleted(database_url: str, write_app: WriteApp, write_step: WriteStep, run: Run) -> None:
    write_app(database_url)
    columns = ", ".join(f'sa.Column("{name}", sa.Integer)' for name in ("pages", "order", "year"))
    write_step("create book", f'op.create_table("book", sa.Column("id", sa.Integer, primary_key=True), {columns})', 'op.drop_table("book")')
    write_step(
        "rename",
        """
        op.rename_table("book", "Novel")
        for old, new in (("pages", "sheets"), ("order", "Place")):
            with op.batch_alter_table("Novel") as batch:
                batch.alter_column(old, new_column_name=new, existing_type=sa.Integer())
        """,
        """
        for new, old in (("sheets", "pages"), ("Place", "order")):
            with op.batch_alter_table("Novel") as batch:
                batch.alter_column(new, new_column_name=old, existing_type=sa.Integer())
        op.rename_table("Novel", "book")
        """,
    )
    write_step(
        "again",
        "pass",
        """
        with op.batch_alter_table("Novel") as batch:
            batch.drop_column("sheets")
        with op.batch_alter_table("Novel") as batch:
            batch.alter_column("year", new_column_name="sheets", existing_type=sa.Integer())
        """,
    )
    run("db", "migrate")
    shown = run("db", "rollback", "--dry-run").output
    assert re.findall("deletes .*", shown) == ["deletes column Novel.sheets"], shown  # another column has its name then
    assert not shown.endswith("\n\n")
    assert run("db", "rollback", "2", "--fake", "--yes").exit_code == 0
    assert "deletes" not in run("db", "rollback", "--dry-run").output
    assert "deletes table Novel" in run("db", "rollback", "zero", "--dry-run").output


def test_redo_takes_back_and_applies_again(url: str, run: Run, connect_to: ConnectTo) -> None:
    run("db", "migrate")
    done = run("db", "rollback", "--steps", "2", "--redo", "--yes")
    assert done.exit_code == 0, done.output
    assert done.output.count("rolled back in") == done.output.count("applied in") == 2
    assert "Nothing to apply" in run("db", "status").output


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("migrate", "7"), 1, "there is no migration '7'"),
        (("migrate", "--fake"), 2, "`erlen db migrate --fake 0003`"),
        (("migrate", "--database", "logs"), 1, "there is no database 'logs', only default"),
        (("rollback", "1", "--steps", "2"), 2, "either TO or --steps"),
        (("rollback", "2"), 1, "the database does not have 0002_add_pages"),
        (("upgrade",), 2, "here it is `erlen db migrate`"),
        (("migrat",), 2, "No such command 'migrat'. Did you mean 'migrate'?"),
    ],
)
def test_mistakes_are_told(arguments: tuple[str, ...], code: int, said: str, url: str, run: Run) -> None:
    shown = run("db", *arguments)
    assert (shown.exit_code, said in shown.output) == (code, True), shown.output
    assert "Traceback" not in shown.output


def test_several_databases_each_have_their_own(
    url_of: Callable[[str], str], write: Callable[..., Path], write_step: WriteStep, run: Run, folder: Path
) -> None:
    write(
        "app.py",
        f"""
        from erlen import App
        from erlen.db import Database, Model

        class Base(Model, isolated=True):
            pass

        app = App()
        app.use(Database({{"default": "{url_of("sqlite")}", "logs": "sqlite:///logs.db"}}, base=Base))
        """,
    )
    write_step("create book", BOOK, 'op.drop_table("book")')
    write_step("create log", BOOK.replace("book", "log"), 'op.drop_table("log")', folder=folder / "migrations" / "logs")
    shown = run("db", "migrate", "--database", "logs").output
    assert ("0001_create_log" in shown, "create_book" in shown) == (True, False), shown
    shown = run("db", "migrate").output
    assert re.search(r"default  sqlite.*\n1 migration to apply", shown), shown
    assert re.search(r"logs  sqlite.*\nNothing to do", shown), shown
    assert "logs  sqlite" in run("db", "status").output
    refused = run("db", "rollback", "--yes")
    assert (refused.exit_code, "`--database default`, `--database logs`" in refused.output) == (2, True), refused.output
    assert run("db", "rollback", "--database", "logs", "--yes").exit_code == 0
    assert run("db", "migrate", "0001_create_log").exit_code == 0


def test_every_command_works_in_a_process_of_its_own(url: str, start: Start) -> None:
    for arguments, code, said in (
        (("status",), 0, "2 to apply"),
        (("sql",), 0, "BEGIN IMMEDIATE;"),
        (("check",), 1, "Migrations that the database lacks"),
        (("migrate",), 0, "applied in"),
        (("rollback", "--yes"), 0, "rolled back in"),
        (("reset", "--yes", "--force"), 0, "2 migrations to apply"),
        (("sync", "--force"), 0, "Nothing to do"),
    ):
        process = start("db", *arguments)
        output, _ = process.communicate(timeout=60)
        assert (process.returncode, said in output) == (code, True), (arguments, output)


def on_terminal(folder: Path, *arguments: str) -> tuple[int, str]:
    """Run the command line on a terminal; return its exit code, and all that it wrote."""
    master, terminal = pty.openpty()
    environment = {**os.environ, "TERM": "xterm"}
    command = [sys.executable, "-m", "erlen", *arguments]
    process = subprocess.Popen(command, cwd=folder, stdin=terminal, stdout=terminal, stderr=terminal, env=environment)
    os.close(terminal)
    written = b""
    while True:
        try:
            data = os.read(master, 65536)
        except OSError:
            break
        if not data:
            break
        written += data
    os.close(master)
    return process.wait(60), written.decode()


def test_on_a_terminal_a_line_changes_while_a_statement_runs(url: str, write_step: WriteStep, folder: Path) -> None:
    slow = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 4000000) SELECT max(i) FROM n"
    write_step("take long", f'op.execute("{slow}")')
    code, output = on_terminal(folder, "db", "migrate", "--lock-timeout", "0.2")
    assert code == 0
    assert re.search(r"\r\x1b\[K  0003_take_long    \d+ s  WITH RECURSIVE", output), output
    assert re.search(r"\r\x1b\[K  0003_take_long    \x1b\[32mapplied\x1b\[0m in \d\.\d\d s\r\n", output), output


def test_on_a_terminal_an_error_has_a_line_of_its_own(url: str, write_step: WriteStep, folder: Path) -> None:
    write_step("fail", 'op.drop_table("missing")')
    code, output = on_terminal(folder, "db", "migrate")
    assert code == 1
    assert re.search(r"  0003_fail         applying …\r\n.*Error: ", output), output


def test_plugins_are_told_when_a_database_was_migrated(url: str, run: Run, folder: Path) -> None:
    app = folder / "app.py"
    plugin = """
class Permissions:
    name = "permissions"
    requires = ()

    def setup(self, setup):
        setup.extensions.setdefault("db.migrated", []).append(lambda target: print(f"permissions of {target.name}"))

app.use(Permissions())
"""
    app.write_text(app.read_text() + plugin)
    shown = run("db", "migrate")
    assert (shown.exit_code, "permissions of default" in shown.output) == (0, True), shown.output
    assert "permissions" not in run("db", "migrate", "--check").output


def test_the_database_of_env_is_the_one_of_erlen_dev(folder: Path, write_app: WriteApp, start: Start) -> None:
    write_app("sqlite:///code.db", "class Book(Base):\n    title: Mapped[str]\n")
    (folder / ".env").write_text("DATABASE_URL=sqlite:///mine.db\n")
    for command in ("make", "migrate"):
        process = start("db", command)
        output, _ = process.communicate(timeout=60)
        assert (process.returncode, output.splitlines()[0]) == (0, "DATABASE_URL of .env"), output
    assert ((folder / "mine.db").exists(), (folder / "code.db").exists()) == (True, False)
    process = start("db", "status", DATABASE_URL="sqlite:///other.db")
    output, _ = process.communicate(timeout=60)
    assert ("of .env" in output, "other.db" in output) == (False, True), output
