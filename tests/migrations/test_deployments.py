"""Migrations that wait for a deployment: where a run stops, and what says so."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from sqlalchemy import Connection, inspect

from erlen.db import Model
from erlen.migrations.migration import HistoryError, Migration, read_file
from erlen.migrations.runner import migrate, open_runner
from erlen.migrations.squash import plan_squash
from erlen.migrations.target import Target
from erlen.migrations.tracking import Observer

Step = Callable[..., Migration]
Run = Callable[..., Result]
DEPLOY = "the code that no longer reads book.title"
BOOK = 'op.create_table("book", sa.Column("id", sa.Integer, primary_key=True), sa.Column("title", sa.String(50)))'
ADD = 'op.add_column("book", sa.Column("name", sa.String(50)))'
DROP = 'with op.batch_alter_table("book") as batch:\n    batch.drop_column("title")'
STOPPED = f"stopped before 0003_drop_title: deploy {DEPLOY}, then run `erlen db migrate` again\n"


@pytest.fixture
def steps(write_app: Callable[..., Path], database_url: str, write_step: Step, run: Run) -> Callable[[], list[Migration]]:
    """An application whose database has the first migration; the others are written by calling this."""
    write_app(database_url)
    first = write_step("books", BOOK, 'op.drop_table("book")')
    done = run("db", "migrate")
    assert done.exit_code == 0, done.output

    def steps() -> list[Migration]:
        return [first, *pending(write_step)]

    return steps


def pending(write_step: Step) -> list[Migration]:
    return [
        write_step("add name", ADD, 'with op.batch_alter_table("book") as batch:\n    batch.drop_column("name")'),
        write_step("drop title", DROP, 'op.add_column("book", sa.Column("title", sa.String(50)))', after_deploy=DEPLOY),
        write_step("index", 'op.create_index("ix", "book", ["name"])', 'op.drop_index("ix", "book")'),
    ]


def columns(url: str, connect_to: Callable[[str], Connection]) -> list[str]:
    return [column["name"] for column in inspect(connect_to(url)).get_columns("book")]


# -- the file ---------------------------------------------------------------------------------------------------------------------


def test_the_file_says_what_is_deployed_before(write_step: Step) -> None:
    step = write_step("drop", DROP, after_deploy='code without "x"\\')
    assert step.after_deploy == 'code without "x"\\'
    assert write_step("next", "").after_deploy == ""


@pytest.mark.parametrize("value", ["True", "None", '""', 'f"{1}"', '" "', "text"])
def test_what_says_nothing_is_refused(value: str, write_step: Step) -> None:
    """What cannot be read must not be taken for nothing: the migration would run at once."""
    step = write_step("drop", DROP, after_deploy=DEPLOY)
    step.path.write_text(step.path.read_text().replace(f'"{DEPLOY}"', value))
    with pytest.raises(HistoryError, match="does not say what must be deployed before it"):
        read_file(step.path)


def test_a_text_in_several_parts(write_step: Step) -> None:
    step = write_step("drop", DROP, after_deploy=DEPLOY)
    step.path.write_text(step.path.read_text().replace(f'"{DEPLOY}"', '(\n    "the code "\n    "without it"\n)'))
    assert read_file(step.path).after_deploy == "the code without it"


# -- runs -------------------------------------------------------------------------------------------------------------------------


def test_it_runs_first_in_a_later_run(
    steps: Callable[[], list[Migration]], run: Run, database_url: str, connect_to: Callable[[str], Connection]
) -> None:
    steps()
    checked = run("db", "migrate", "--check")
    assert checked.exit_code == 1
    assert (
        f"2 migrations to wait for a deployment:\n  0003_drop_title  first deploy {DEPLOY}\n  0004_index       Index.\n" in checked.output
    )
    done = run("db", "migrate")
    assert done.exit_code == 0, done.output
    assert done.output.endswith(STOPPED)
    assert columns(database_url, connect_to) == ["id", "title", "name"]
    done = run("db", "migrate")
    assert done.exit_code == 0
    assert f"0003_drop_title  Drop title. (after deploying {DEPLOY})\n" in done.output
    assert "stopped" not in done.output
    assert columns(database_url, connect_to) == ["id", "name"]
    assert "Nothing to apply." in run("db", "status").output


def test_the_option_runs_all(steps: Callable[[], list[Migration]], run: Run) -> None:
    steps()
    done = run("db", "migrate", "--all")
    assert done.exit_code == 0, done.output
    assert "stopped" not in done.output
    assert "Nothing to apply." in run("db", "status").output


@pytest.mark.parametrize("backend", ["sqlite"])
def test_beyond_it_too_only_with_the_option(steps: Callable[[], list[Migration]], run: Run) -> None:
    steps()
    assert run("db", "migrate", "4").output.endswith(STOPPED)
    assert "2 to apply" in run("db", "status").output
    assert run("db", "migrate", "4", "--all").exit_code == 0
    assert run("db", "rollback", "1", "--yes").exit_code == 0
    assert "0004_index" in run("db", "migrate", "--fake", "4").output  # which runs nothing
    assert "Nothing to apply." in run("db", "status").output


@pytest.mark.parametrize("backend", ["sqlite"])
def test_rolling_back_and_forth_does_not_wait(steps: Callable[[], list[Migration]], run: Run) -> None:
    steps()
    assert run("db", "migrate", "--all").exit_code == 0
    done = run("db", "rollback", "--steps", "3", "--redo", "--yes")
    assert done.exit_code == 0, done.output
    assert "Nothing to apply." in run("db", "status").output


@pytest.mark.parametrize("backend", ["sqlite"])
def test_a_new_database_gets_all(write_app: Callable[..., Path], database_url: str, write_step: Step, run: Run) -> None:
    write_app(database_url)
    write_step("books", BOOK)
    pending(write_step)
    done = run("db", "migrate")
    assert done.exit_code == 0, done.output
    assert "stopped" not in done.output
    assert "Nothing to apply." in run("db", "status").output


@pytest.mark.parametrize("backend", ["postgresql", "mariadb"])
def test_whoever_waited_for_another_process_stops_too(
    steps: Callable[[], list[Migration]], database_url: str, base: type[Model], target_of: Callable[..., Target]
) -> None:
    """Between two processes that were started together nothing was deployed."""
    every = steps()
    target = target_of(database_url, base)
    migrate(target, "2")
    waits, done, stopped = threading.Event(), [], []

    class Told(Observer):
        def waiting(self, holder: str) -> None:
            waits.set()

        def stopped(self, migration: Migration) -> None:
            stopped.append(migration)

    def second() -> None:
        done.extend(migrate(target_of(database_url, base), observer=Told()))

    thread = threading.Thread(target=second)
    with open_runner(target):
        thread.start()
        assert waits.wait(20)
    thread.join(20)
    assert done == []
    assert stopped == [every[2]]
    assert migrate(target) == every[2:]


# -- what says so -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", ["sqlite"])
def test_status_and_sql(steps: Callable[[], list[Migration]], run: Run) -> None:
    steps()
    assert f"Drop title.\n                     first deploy {DEPLOY}\n" in run("db", "status").output
    assert [line["after_deploy"] for line in json.loads(run("db", "status", "--json").output)[0]["migrations"]] == ["", "", DEPLOY, ""]
    script = run("db", "sql").output
    assert script.endswith(f"\n-- stopped before 0003_drop_title: deploy {DEPLOY}, then ask for the rest\n")
    assert "ADD COLUMN name" in script
    assert "CREATE INDEX" not in script
    script = run("db", "sql", "1:").output
    assert f"-- 0003_drop_title: Drop title.\n-- FIRST DEPLOY {DEPLOY}\n" in script
    assert "CREATE INDEX" in script
    assert "FIRST DEPLOY" not in run("db", "sql", "1:", "--rollback").output


@pytest.mark.parametrize("backend", ["sqlite"])
def test_in_a_process_of_its_own(steps: Callable[[], list[Migration]], start: Callable[..., subprocess.Popen[str]]) -> None:
    steps()
    process = start("db", "migrate")
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert output.endswith(STOPPED)


@pytest.mark.parametrize("backend", ["sqlite"])
def test_one_migration_of_several_waits_as_they_do(
    steps: Callable[[], list[Migration]], database_url: str, base: type[Model], target_of: Callable[..., Target], tmp_path: Path
) -> None:
    steps()
    made = plan_squash(target_of(database_url, base), "2:4", "all")
    path = tmp_path / "0002_all.py"
    path.write_text(made.source)
    assert read_file(path).after_deploy == DEPLOY
    assert made.source.count("after_deploy") == 1
