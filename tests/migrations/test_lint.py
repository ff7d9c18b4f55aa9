"""The linter beyond single servers: comments that accept, SQLite's rebuilds, what is not understood; and `erlen db lint`."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from sqlalchemy import Connection

from erlen.db import Mapped, Model
from erlen.lint import Finding, lint, lint_migration, production_dialect
from erlen.migrations.migration import HistoryError, Migration
from erlen.migrations.target import Target

Step = Callable[..., Migration]
CREATE = """
op.create_table(
    "book",
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("title", sa.String(50), nullable=False),
    sa.Column("pages", sa.Integer),
)
op.create_index("ix_book_title", "book", ["title"])
"""


@pytest.fixture
def target(target_of: Callable[..., Target], base: type[Model]) -> Target:
    return target_of("sqlite://", base)


def rules(found: list[Finding]) -> list[str]:
    return [finding.rule for finding in found if not finding.reason]


def source(finding: Finding) -> str:
    return finding.migration.path.read_text().splitlines()[finding.line - 1].strip()


# -- what it knows ----------------------------------------------------------------------------------------------------------------


def test_lines_of_operations_in_a_batch(target: Target, write_step: Step) -> None:
    write_step("books", CREATE)
    step = write_step(
        "change",
        """
        with op.batch_alter_table("book") as batch:
            batch.add_column(sa.Column("x", sa.Integer))
            batch.alter_column(
                "pages",
                existing_type=sa.Integer,
                nullable=False,
            )
            batch.create_index("ix", ["x"])
        """,
    )
    found = lint_migration(target, step, dialect="postgresql")
    assert rules(found) == ["set-not-null", "add-index"]
    assert [source(finding) for finding in found] == ["batch.alter_column(", 'batch.create_index("ix", ["x"])']


def test_comments_accept_findings(target: Target, write_step: Step) -> None:
    write_step("books", CREATE)
    step = write_step(
        "change",
        """
        # lint: ignore add-index: the table is small
        op.create_index("a", "book", ["pages"])
        op.create_index("b", "book", ["pages"])  # lint: ignore add-index, drop-index: so it is
        # lint: ignore drop-index: another rule
        op.create_index("c", "book", ["pages"])
        # lint: ignore add-index
        op.create_index("d", "book", ["pages"])
        with op.batch_alter_table("book") as batch:
            # Nobody has read it since May.
            # lint: ignore drop-column: not needed
            # And so on.
            batch.drop_column("pages")
        """,
    )
    found = lint_migration(target, step, dialect="postgresql")
    assert [finding.reason for finding in found] == ["the table is small", "so it is", "", "", "not needed"]


def test_what_is_deployed_before_accepts_what_breaks_running_code(target: Target, write_step: Step) -> None:
    write_step("books", CREATE)
    body = """
    with op.batch_alter_table("book") as batch:
        batch.drop_column("pages")
        batch.alter_column("title", new_column_name="name", existing_type=sa.String(50))
    op.create_index("i", "book", ["name"])
    """
    step = write_step("drop", body, after_deploy="the code that knows the name")
    found = lint_migration(target, step, dialect="postgresql")
    said = "after deploying the code that knows the name"
    assert [(finding.rule, finding.reason) for finding in found] == [("drop-column", said), ("rename-column", said), ("add-index", "")]


@pytest.mark.parametrize(
    ("sql", "rule"),
    [
        ("ALTER TABLE book DROP COLUMN pages; ALTER TABLE book RENAME COLUMN pages_new TO pages", []),
        ("ALTER TABLE book DROP COLUMN pages; ALTER TABLE book RENAME COLUMN title TO pages", ["drop-column", "rename-column"]),
        ("ALTER TABLE book RENAME COLUMN pages_new TO pages", ["rename-column"]),
        ("ALTER TABLE book RENAME TO novel; CREATE VIEW book AS SELECT * FROM novel", []),
        ("ALTER TABLE book RENAME TO novel; CREATE TEMPORARY VIEW book AS SELECT * FROM novel", ["rename-table"]),
        ("ALTER TABLE book RENAME TO novel; CREATE VIEW other AS SELECT * FROM novel", ["rename-table"]),
    ],
)
def test_what_takes_the_place_of_another_at_once(sql: str, rule: list[str], target: Target, write_step: Step) -> None:
    write_step("books", CREATE)
    assert rules(lint_migration(target, write_step("raw", f"op.execute({sql!r})"), dialect="postgresql")) == rule


def test_what_takes_its_place_too_late(target: Target, write_step: Step) -> None:
    write_step("books", CREATE)
    body = """
    op.rename_table("book", "novel")
    with op.get_context().autocommit_block():
        op.execute("CREATE VIEW book AS SELECT * FROM novel")
    """
    assert rules(lint_migration(target, write_step("late", body), dialect="postgresql")) == ["rename-table"]


def test_models_that_still_have_what_goes(target: Target, base: type[Model], write_step: Step) -> None:
    class Book(base):  # type: ignore[misc,valid-type]
        __tablename__ = "book"
        title: Mapped[str]

    write_step("books", CREATE)
    title, pages = lint_migration(
        target, write_step("drop", "op.drop_column('book', 'title')\nop.drop_column('book', 'pages')"), dialect="postgresql"
    )
    assert "Today's models have it too." in title.why
    assert "Today's models" not in pages.why


def test_what_migrations_before_did_is_known(target: Target, write_step: Step) -> None:
    write_step("books", CREATE)
    write_step("longer", "op.alter_column('book', 'title', type_=sa.String(80))\nop.rename_table('book', 'novel')")
    write_step("name", "op.alter_column('novel', 'title', new_column_name='name')")
    wider, narrower = write_step("a", "op.alter_column('novel', 'name', type_=sa.Text)"), None
    narrower = write_step("b", "op.alter_column('novel', 'name', type_=sa.String(80))")
    assert rules(lint_migration(target, wider, dialect="postgresql")) == []
    found = lint_migration(target, narrower, dialect="postgresql")
    assert rules(found) == ["change-type"]
    assert "from text to varchar(80)" in found[0].why


def test_the_type_of_a_table_that_no_migration_made(target: Target, write_step: Step) -> None:
    found = lint_migration(target, write_step("alter", "op.alter_column('book', 'title', type_=sa.Text)"), dialect="postgresql")
    assert rules(found) == ["change-type"]
    assert "no migration says from what" in found[0].why


def test_quoted_names_and_schemas(target: Target, write_step: Step) -> None:
    write_step("books", 'op.execute(\'CREATE TABLE "My Books" ("Id" INT, a INT); CREATE TABLE shop.item (a INT)\')')
    body = """
    op.execute('ALTER TABLE public."My Books" ALTER COLUMN a TYPE INTEGER; ALTER TABLE "shop"."item" ALTER a SET DATA TYPE INTEGER')
    op.execute('CREATE TABLE public.fresh (a INT); CREATE INDEX ON ONLY fresh USING gin (a)')
    """
    assert rules(lint_migration(target, write_step("same", body), dialect="postgresql")) == ["several-tables"]


@pytest.mark.parametrize(
    "sql",
    [
        "DO $$ BEGIN PERFORM 1; END $$",
        "CALL fix_all()",
        "ALTER TABLE book ATTACH PARTITION b FOR VALUES IN (1)",
        "ALTER TABLE book FROB",
        "FROB",
        "ALTER TABLE book ADD COLUMN x INT FROBNICATE (((",
        "CREATE INDEX",
    ],
)
def test_what_is_not_understood_is_said(sql: str, target: Target, write_step: Step) -> None:
    write_step("books", CREATE)
    found = lint_migration(target, write_step("raw", f"op.execute({sql!r})"), dialect="postgresql")
    assert [(finding.rule, finding.severity) for finding in found] == [("not-checked", "not checked")]


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE OR REPLACE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN DELETE FROM book; RETURN NEW; END $$",
        "GRANT SELECT ON book TO reader",
        "SELECT setval('book_id_seq', 5)",
        "/* nothing */ COMMENT ON TABLE book IS 'DROP TABLE book'",
        "INSERT INTO book (title) VALUES ('UPDATE book SET x')",
        "DELETE FROM book WHERE id IN (SELECT 1)",
        "CREATE TEMPORARY TABLE t AS SELECT * FROM book",
        "ALTER SEQUENCE book_id_seq RESTART",
        "ALTER INDEX ix_book_title RENAME TO i",
        "CREATE TABLE x (LIKE book INCLUDING ALL)",
        """CREATE TABLE x (id INT PRIMARY KEY, a INT REFERENCES book (id) ON DELETE CASCADE, b TEXT DEFAULT 'a, b' NOT NULL,
            c VARCHAR(3) COLLATE "C" CHECK (c <> ''), EXCLUDE USING gist (a WITH =), UNIQUE NULLS NOT DISTINCT (b))""",
    ],
)
def test_what_is_harmless(sql: str, target: Target, write_step: Step) -> None:
    write_step("books", CREATE)
    assert lint_migration(target, write_step("raw", f"op.execute({sql!r})"), dialect="postgresql") == []


@pytest.mark.parametrize(
    ("sql", "rule"),
    [
        ("DROP TABLE book CASCADE", ["cascade", "drop-table"]),
        ("ALTER TABLE book DROP COLUMN pages CASCADE", ["cascade", "drop-column"]),
        ("TRUNCATE book, author CASCADE", ["cascade", "truncate", "cascade", "truncate"]),
        ("DROP SCHEMA shop", ["drop-table"]),
        ("DROP TYPE mood CASCADE", ["cascade"]),
        ("ALTER TYPE mood RENAME VALUE 'a' TO 'b'", ["rename-value"]),
        ("ALTER TYPE mood RENAME TO feeling", ["rename-type"]),
        ("VACUUM FULL book", ["rewrite-table"]),
        ("WITH x AS (SELECT 1) UPDATE book SET pages = 1", []),
    ],
)
def test_rules_of_raw_sql(sql: str, rule: list[str], target: Target, write_step: Step) -> None:
    write_step("books", CREATE)
    assert rules(lint_migration(target, write_step("raw", f"op.execute({sql!r})"), dialect="postgresql")) == rule


def test_rows_that_cannot_be_read_here(target: Target, write_step: Step) -> None:
    write_step("books", CREATE)
    step = write_step("read", "op.get_bind().execute(sa.text('SELECT id FROM book')).all()\nop.drop_table('book')")
    found = lint_migration(target, step, dialect="postgresql")
    assert rules(found) == ["not-checked"]
    assert "the database here is sqlite, not postgresql" in found[0].why
    assert rules(lint_migration(target, step)) == ["drop-table"]


def test_a_migration_that_fails(target: Target, write_step: Step) -> None:
    write_step("books", CREATE)
    found = lint_migration(target, write_step("wrong", "op.execute('DELETE FROM nowhere')"))
    assert [(finding.rule, finding.severity) for finding in found] == [("does-not-run", "fails")]
    assert "no such table: nowhere" in found[0].why


# -- SQLite -----------------------------------------------------------------------------------------------------------------------


def test_a_rebuild_is_read_as_its_changes(target: Target, write_step: Step) -> None:
    write_step("books", CREATE)
    step = write_step(
        "rebuild",
        """
        with op.batch_alter_table("book") as batch:
            batch.drop_column("pages")
            batch.alter_column("title", new_column_name="name", existing_type=sa.String(50), type_=sa.Text)
            batch.add_column(sa.Column("required", sa.Integer, nullable=False))
            batch.add_column(sa.Column("free", sa.Integer))
        """,
    )
    found = lint_migration(target, step)
    assert rules(found) == ["drop-column", "rename-column", "add-required-column"]
    assert [finding.sql for finding in found] == [
        "DROP COLUMN pages",
        "ALTER TABLE book RENAME COLUMN title TO name",
        "ADD COLUMN required",
    ]
    after = write_step("again", "with op.batch_alter_table('book') as batch:\n    batch.alter_column('name', type_=sa.String(9))")
    assert lint_migration(target, after) == []
    gone = write_step("gone", "with op.batch_alter_table('book') as batch:\n    batch.drop_column('name')\n    batch.drop_column('free')")
    assert rules(lint_migration(target, gone)) == ["drop-column", "drop-column"]


@pytest.mark.parametrize(("before", "expected"), [("", ["set-not-null"]), ("UPDATE book SET pages = 0 WHERE pages IS NULL", [])])
def test_not_null_on_sqlite(before: str, expected: list[str], target: Target, write_step: Step) -> None:
    write_step("books", CREATE)
    alter = "with op.batch_alter_table('book') as batch:\n    batch.alter_column('pages', nullable=False)"
    step = write_step("strict", (f"op.execute({before!r})\n" if before else "") + alter)
    assert rules(lint_migration(target, step)) == expected


def test_an_index_costs_nothing_on_sqlite(target: Target, write_step: Step) -> None:
    write_step("books", CREATE)
    assert lint_migration(target, write_step("index", "op.create_index('i', 'book', ['pages'])\nop.drop_index('ix_book_title')")) == []


# -- several --------------------------------------------------------------------------------------------------------------------


def test_several_at_once(target: Target, write_step: Step) -> None:
    steps = [write_step("books", CREATE), *(write_step(f"index {i}", f"op.create_index('i{i}', 'book', ['pages'])") for i in range(3))]
    assert [finding.migration for finding in lint(target, steps, dialect="postgresql")] == steps[1:]
    assert [finding.migration for finding in lint(target, [steps[2]], dialect="postgresql")] == [steps[2]]
    assert lint(target, [], dialect="postgresql") == []


def test_the_dialect_of_production(target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ERLEN_DIALECT", raising=False)
    assert production_dialect(target) == "sqlite"
    monkeypatch.setenv("ERLEN_DIALECT", "postgresql")
    assert production_dialect(target) == "postgresql"
    monkeypatch.setenv("ERLEN_DIALECT", "oracle")
    with pytest.raises(HistoryError, match="'oracle', which is none of postgresql, mysql, mariadb, sqlite"):
        production_dialect(target)


# -- the command ----------------------------------------------------------------------------------------------------------------

INDEX = "op.create_index('i', 'book', ['pages'])"


@pytest.fixture
def project(write_app: Callable[..., Path], folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with an application on SQLite."""
    monkeypatch.delenv("ERLEN_DIALECT", raising=False)
    write_app("sqlite:///app.db")
    return folder


def test_the_last_or_what_the_database_lacks(project: Path, run: Callable[..., Result], write_step: Step) -> None:
    assert run("db", "lint").output == "There are no migrations.\n"
    write_step("books", CREATE)
    write_step("index", INDEX)
    assert not (project / "app.db").exists()
    done = run("db", "lint", "--dialect", "postgresql")
    assert done.exit_code == 1
    assert "locks  add-index  migrations/0002_index.py:" in done.output
    assert "1 finding in 2 migrations." in done.output
    assert not (project / "app.db").exists()
    assert run("db", "migrate").exit_code == 0
    write_step("fine", "op.execute('SELECT 1')")
    done = run("db", "lint", ERLEN_DIALECT="postgresql")
    assert (done.exit_code, done.output) == (0, "Nothing that locks, loses or breaks in 0003_fine.\n")
    assert run("db", "migrate").exit_code == 0
    assert "in 0003_fine." in run("db", "lint", "--dialect", "postgresql").output
    assert "in 3 migrations." in run("db", "lint", "--dialect", "postgresql", "--all").output
    assert "in 0002_index." in run("db", "lint", "2", "--dialect", "postgresql").output
    assert run("db", "lint", "--all").exit_code == 0
    assert "there is no migration '7'" in run("db", "lint", "7").output


def test_json(project: Path, run: Callable[..., Result], write_step: Step) -> None:
    write_step("books", CREATE)
    step = write_step("index", f"{INDEX}\nop.drop_column('book', 'title')  # lint: ignore drop-column: gone since May")
    done = run("db", "lint", "2", "--dialect", "postgresql", "--json")
    assert done.exit_code == 1
    first, second = json.loads(done.output)
    assert first | {"why": "", "fix": ""} == {
        "rule": "add-index",
        "severity": "locks",
        "migration": "0002_index",
        "file": str(step.path),
        "line": first["line"],
        "sql": "CREATE INDEX i ON book (pages)",
        "why": "",
        "fix": "",
        "plan": True,
        "accepted": None,
    }
    assert second["accepted"] == "gone since May"


def test_accepted_findings_are_listed(project: Path, run: Callable[..., Result], write_step: Step) -> None:
    write_step("books", CREATE)
    write_step("index", f"{INDEX}  # lint: ignore add-index: it is small")
    done = run("db", "lint", "--dialect", "postgresql")
    assert done.exit_code == 0
    assert done.output.startswith("accepted  add-index  migrations/0002_index.py:")
    assert "it is small\n\nNothing that locks" in done.output


def test_plan(project: Path, run: Callable[..., Result], write_step: Step) -> None:
    write_step("books", CREATE)
    write_step(
        "index", f"{INDEX}\nwith op.batch_alter_table('book') as batch:\n    batch.add_column(sa.Column('x', sa.Integer, nullable=False))"
    )
    write_step("later", "op.execute('SELECT 1')")
    assert "`erlen db lint --plan` writes" in run("db", "lint", "--dialect", "postgresql").output
    done = run("db", "lint", "--plan")
    assert done.exit_code == 2
    assert "plans are for PostgreSQL" in done.output
    done = run("db", "lint", "--plan", "--dialect", "postgresql")
    assert done.exit_code == 1
    assert "`--fill book.x=VALUE`" in done.output
    assert run("db", "lint", "--plan", "--dialect", "postgresql", "--fill", "nonsense").exit_code == 2
    done = run("db", "lint", "--plan", "--dialect", "postgresql", "--fill", "book.x=7")
    assert done.exit_code == 0, done.output
    assert "0002_index is now\n  migrations/0002_index_i.py\n" in done.output
    names = sorted(path.stem for path in (project / "migrations").glob("0*.py"))
    assert names == ["0001_books", "0002_index_i", "0003_add_x_to_book", "0004_drop_default_of_book_x", "0005_later"]
    assert "\n      first deploy the code that gives book.x a value\n" in done.output
    assert "`erlen db migrate` stops before those that wait for a deployment; run it again after that.\n" in done.output
    assert "and only then run" not in done.output
    assert run("db", "migrate").exit_code == 0


def test_a_plan_that_begins_with_what_waits(project: Path, run: Callable[..., Result], write_step: Step) -> None:
    write_step("books", CREATE)
    write_step("drop", "op.drop_table('book')")
    done = run("db", "lint", "--plan", "--dialect", "postgresql")
    assert done.exit_code == 0, done.output
    assert "Deploy the code without the model of book, and only then run `erlen db migrate`" in done.output
    assert "accepted  drop-table" in done.output


def test_what_is_applied_has_no_plan(project: Path, run: Callable[..., Result], write_step: Step) -> None:
    write_step("books", CREATE)
    write_step("index", INDEX)
    assert run("db", "migrate").exit_code == 0
    done = run("db", "lint", "--plan", "--dialect", "postgresql")
    assert done.exit_code == 1
    assert "0002_index is applied here already" in done.output


def test_plans_migrate_a_server(
    url_of: Callable[[str], str],
    connect_to: Callable[[str], Connection],
    write_app: Callable[..., Path],
    run: Callable[..., Result],
    write_step: Step,
) -> None:
    """Through the real commands: one database gets the plan, another has had the one migration already."""
    url = url_of("postgresql")
    write_app(url)
    write_step("books", CREATE)
    done = run("db", "migrate")
    assert done.exit_code == 0, done.output
    database = connect_to(url)
    database.exec_driver_sql("INSERT INTO book (title, pages) SELECT 't', i FROM generate_series(1, 2500) i")
    upgrade = f"{INDEX}\nop.execute('UPDATE book SET pages = pages + 1')\nwith op.batch_alter_table('book') as batch:\n"
    write_step("much", f"{upgrade}    batch.alter_column('pages', existing_type=sa.Integer, nullable=False)")
    assert run("db", "lint", "--plan").exit_code == 0
    done = run("db", "migrate")
    assert done.exit_code == 0, done.output
    assert database.exec_driver_sql("SELECT sum(pages), count(*) FROM book").one() == (sum(range(2, 2502)), 2500)
    assert database.exec_driver_sql(
        "SELECT attnotnull FROM pg_attribute WHERE attrelid = 'book'::regclass AND attname = 'pages'"
    ).scalar_one()
    assert "Nothing to apply." in run("db", "status").output


def test_a_database_that_has_the_migration_gets_no_plan(project: Path, run: Callable[..., Result], write_step: Step) -> None:
    write_step("books", CREATE)
    step = write_step("index", f"{INDEX}\nop.drop_index('ix_book_title', 'book')")
    assert run("db", "migrate").exit_code == 0
    (project / "app.db").rename(project / "kept.db")
    assert run("db", "lint", "2", "--plan", "--dialect", "postgresql").exit_code == 0
    assert "postgresql_concurrently" in step.path.read_text()
    (project / "kept.db").rename(project / "app.db")
    done = run("db", "migrate")
    assert done.exit_code == 0, done.output
    assert "Nothing to apply." in run("db", "status").output


def test_in_a_process_of_its_own(project: Path, start: Callable[..., subprocess.Popen[str]], write_step: Step) -> None:
    write_step("books", CREATE)
    write_step("index", INDEX)
    process = start("db", "lint", ERLEN_DIALECT="postgresql")
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "\n  CREATE INDEX i ON book (pages)\n  A SHARE lock keeps every INSERT" in output
    assert "\x1b" not in output
