"""`erlen db status`, `sql` and `check`."""

from __future__ import annotations

import json
import re
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

MODELS = """
class Book(Base):
    title: Mapped[str]
"""


@pytest.fixture
def made(database_url: str, write_app: WriteApp, run: Run) -> str:
    """An application with one model, and its migration, not applied."""
    write_app(database_url, MODELS)
    shown = run("db", "make", "--yes")
    assert shown.exit_code == 0, shown.output
    return database_url


def add(write_app: WriteApp, url: str, run: Run) -> None:
    """Add a column to the model, and its migration."""
    write_app(url, MODELS + "    pages: Mapped[int | None]\n")
    shown = run("db", "make", "add pages", "--yes")
    assert shown.exit_code == 0, shown.output


def test_status_lists_what_is_applied_and_pending(made: str, write_app: WriteApp, run: Run) -> None:
    assert "1 to apply: `erlen db migrate`." in run("db", "status").output
    assert run("db", "migrate").exit_code == 0
    add(write_app, made, run)
    shown = run("db", "status").output
    assert re.search(r"✓ 0001_\w+ +\d{4}-\d\d-\d\d \d\d:\d\d  ", shown), shown
    assert re.search(r"· 0002_add_pages +pending +Add pages\.\n1 to apply", shown), shown
    found = json.loads(run("db", "status", "--json").output)
    assert [(line["name"][:5], line["standing"]) for line in found[0]["migrations"]] == [("0001_", "applied"), ("0002_", "pending")]
    assert found[0]["migrations"][0]["applied_at"].endswith("Z")


def test_status_lists_what_has_no_file_and_hides_the_password(
    url_of: Callable[[str], str], write_app: WriteApp, run: Run, folder: Path
) -> None:
    write_app(url_of("sqlite"), MODELS)
    assert "no migrations: `erlen db make`" in run("db", "status").output
    run("db", "make", "--yes")
    run("db", "migrate")
    for path in (folder / "migrations").iterdir():
        path.unlink() if path.is_file() else None
    shown = run("db", "status").output
    assert "unknown: no file" in shown
    assert "1 unknown." in shown
    assert run("db", "check").exit_code == 1


@pytest.fixture
def by_hand(made: str, connect_to: ConnectTo) -> Callable[[str], None]:
    """Run a script as somebody else would."""

    def execute(script: str) -> None:
        connection = connect_to(made)
        for statement in re.sub(r"--[^\n]*", "", script).split(";\n"):
            if statement.strip():
                connection.exec_driver_sql(statement.strip())

    return execute


def test_sql_is_a_script_that_does_the_same(
    made: str, write_app: WriteApp, run: Run, connect_to: ConnectTo, by_hand: Callable[[str], None]
) -> None:
    add(write_app, made, run)
    everything = run("db", "sql")
    assert everything.exit_code == 0, everything.output
    assert run("db", "sql", ":").output == everything.output
    assert ("0001" in run("db", "sql", "2").output, "0002" in run("db", "sql", "1:").output) == (False, True)
    by_hand(everything.output)
    assert "Nothing to do" in run("db", "migrate").output
    assert "Nothing to apply" in run("db", "status").output
    assert run("db", "check").output == "Models, migrations and database agree.\n"
    assert run("db", "sql").output == "-- nothing to apply\n"
    by_hand(run("db", "sql", "zero:2", "--rollback").output)
    connection = connect_to(made)
    assert inspect(connection).get_table_names() == ["erlen_migrations"]
    assert connection.scalar(text("SELECT count(*) FROM erlen_migrations")) == 0


def test_sql_of_other_databases_is_written_without_them(url_of: Callable[[str], str], write_app: WriteApp, run: Run) -> None:
    write_app(url_of("sqlite"), MODELS)
    run("db", "make", "--yes")
    shown = run("db", "sql", "1", "--dialect", "postgresql").output
    assert "BIGSERIAL" in shown or "SERIAL" in shown
    assert "SET lock_timeout = '5s';" in shown
    assert shown.count("BEGIN;") == shown.count("COMMIT;") == 1
    assert "AUTO_INCREMENT" in run("db", "sql", "1", "--dialect", "mariadb").output
    assert run("db", "sql", "--rollback").exit_code == 2
    wrong = run("db", "sql", "9")
    assert (wrong.exit_code, "no migration '9'" in wrong.output) == (1, True)


def test_sql_on_postgresql_ends_the_transaction_for_what_can_have_none(
    url_of: Callable[[str], str], write_app: WriteApp, write_step: WriteStep, run: Run
) -> None:
    write_app(url_of("postgresql"))
    write_step(
        "add", "with op.get_context().autocommit_block():\n    op.execute(\"ALTER TYPE mood ADD VALUE 'x'\")\nop.execute('SELECT 1')"
    )
    lines = run("db", "sql", "1").output.splitlines()
    place = lines.index("ALTER TYPE mood ADD VALUE 'x';")
    assert "BEGIN;" in lines[place:]
    assert lines[:place].count("BEGIN;") == lines[:place].count("COMMIT;")


def test_check_finds_what_differs(made: str, write_app: WriteApp, run: Run, connect_to: ConnectTo) -> None:
    pending = run("db", "check")
    assert (pending.exit_code, "lacks: `erlen db migrate`" in pending.output) == (1, True), pending.output
    run("db", "migrate")
    good = run("db", "check")
    assert (good.exit_code, good.output) == (0, "Models, migrations and database agree.\n")
    write_app(made, MODELS + "    pages: Mapped[int | None]\n")
    changed = run("db", "check")
    assert (changed.exit_code, "+ column books.pages integer" in changed.output.lower()) == (1, True), changed.output
    write_app(made, MODELS)
    connection = connect_to(made)
    connection.exec_driver_sql("ALTER TABLE books ADD COLUMN by_hand INTEGER")
    connection.exec_driver_sql("CREATE TABLE not_ours (id INTEGER)")
    drifted = run("db", "check", "--json")
    assert drifted.exit_code == 1
    found = json.loads(drifted.output)[0]
    assert [line.partition(" is ")[0] for line in found["drift"]] == ["column books.by_hand"]
    assert not any(found[name] for name in ("models", "pending", "interrupted", "unknown"))


def test_sql_only_records_what_a_squash_has_replaced(
    made: str, write_app: WriteApp, run: Run, connect_to: ConnectTo, by_hand: Callable[[str], None]
) -> None:
    add(write_app, made, run)
    run("db", "migrate")
    shown = run("db", "squash")
    assert shown.exit_code == 0, shown.output
    script = run("db", "sql").output
    assert "CREATE TABLE books" not in script.replace("`", "").replace('"', "")
    by_hand(script)
    assert run("db", "sql").output == "-- nothing to apply\n"
    assert run("db", "check").exit_code == 0
    by_hand(run("db", "sql", "zero:", "--rollback").output)
    assert connect_to(made).scalar(text("SELECT count(*) FROM erlen_migrations")) == 0
    shown = run("db", "migrate")
    assert "applied in" in shown.output, shown.output


def test_sql_records_what_was_made_without_migrations(
    made: str, write_app: WriteApp, run: Run, connect_to: ConnectTo, by_hand: Callable[[str], None]
) -> None:
    run("db", "migrate")
    connect_to(made).exec_driver_sql("DROP TABLE erlen_migrations")
    add(write_app, made, run)
    by_hand(run("db", "sql").output)
    assert "Nothing to do" in run("db", "migrate").output
    assert run("db", "check").exit_code == 0


def test_sql_is_refused_where_a_migration_has_not_ended(
    url_of: Callable[[str], str], write_app: WriteApp, write_step: WriteStep, run: Run
) -> None:
    write_app(url_of("sqlite"))
    write_step("fill", "with op.get_context().autocommit_block():\n    op.execute('SELECT 1')\n    op.execute('nothing')")
    assert run("db", "migrate").exit_code == 1
    shown = run("db", "sql")
    assert (shown.exit_code, "0001_fill was begun on this database and has not ended" in shown.output) == (1, True)
