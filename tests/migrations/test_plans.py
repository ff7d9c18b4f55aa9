"""Plans, run on real databases with rows: they end in the schema of the migration whose place they take."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, inspect, text

from erlen.db import Model
from erlen.lint import lint, plan_migration, write_plan
from erlen.migrations.connection import Limits, open_engine
from erlen.migrations.execution import run_all
from erlen.migrations.migration import HistoryError, Migration
from erlen.migrations.schema import differences, schema_of
from erlen.migrations.target import Target

CREATE = """
op.create_table(
    "author",
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", sa.String(50)),
)
op.create_table(
    "book",
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("title", sa.String(50), nullable=False),
    sa.Column("kind", sa.String(10)),
    sa.Column("pages", sa.Integer),
    sa.Column("price", sa.Numeric(10, 2), nullable=False, server_default=sa.text("1")),
    sa.Column("author_id", sa.Integer),
    sa.Column("note", sa.Text, nullable=False),
    sa.CheckConstraint("kind IN ('a', 'b')", name="ck_book_kind"),
    sa.CheckConstraint("pages > 0", name="ck_book_pages"),
    sa.UniqueConstraint("title", name="uq_book_title"),
)
op.create_index("ix_book_pages", "book", ["pages", "kind"])
"""
ROWS = 25
INSERT = "INSERT INTO book (id, title, kind, pages, author_id, note) VALUES (:id, :title, 'a', :id, 1, 'n')"
BATCH = 'with op.batch_alter_table("book") as batch:\n    '

# The steps of a migration, those of its way back, and how many migrations its plan has.
CASES = {
    "index": ('op.create_index("ix_book_note", "book", ["note"])', 'op.drop_index("ix_book_note", "book")', 1),
    "index in a batch": (BATCH + 'batch.create_index("ix", ["kind"], unique=False)', BATCH + 'batch.drop_index("ix")', 1),
    "drop index": ('op.drop_index("ix_book_pages", "book")', 'op.create_index("ix_book_pages", "book", ["pages", "kind"])', 1),
    "foreign key": (
        BATCH + 'batch.create_foreign_key("fk", "author", ["author_id"], ["id"], ondelete="CASCADE")',
        BATCH + 'batch.drop_constraint("fk", type_="foreignkey")',
        2,
    ),
    "check": (BATCH + 'batch.create_check_constraint("ck", "price > 0")', BATCH + 'batch.drop_constraint("ck", type_="check")', 2),
    "unique": (BATCH + 'batch.create_unique_constraint("uq", ["kind", "id"])', BATCH + 'batch.drop_constraint("uq", type_="unique")', 2),
    "not null": (
        BATCH + 'batch.alter_column("pages", existing_type=sa.Integer(), nullable=False)',
        BATCH + 'batch.alter_column("pages", existing_type=sa.Integer(), nullable=True)',
        3,
    ),
    "required column": (
        BATCH + 'batch.add_column(sa.Column("state", sa.String(10), nullable=False))',
        BATCH + 'batch.drop_column("state")',
        2,
    ),
    "required column as make writes it": (
        BATCH
        + 'batch.add_column(sa.Column("state", sa.String(10), nullable=False, server_default="new"))\n'
        + BATCH
        + 'batch.alter_column("state", existing_type=sa.String(10), existing_nullable=False, server_default=None)',
        BATCH + 'batch.drop_column("state")',
        2,
    ),
    "volatile default": (
        BATCH + 'batch.add_column(sa.Column("token", sa.Float, nullable=False, server_default=sa.text("random()")))',
        BATCH + 'batch.drop_column("token")',
        5,
    ),
    "wider type with a check": (
        BATCH + 'batch.alter_column("kind", existing_type=sa.String(10), type_=sa.String(20), existing_nullable=True)',
        BATCH + 'batch.alter_column("kind", existing_type=sa.String(20), type_=sa.String(10), existing_nullable=True)',
        2,
    ),
    "type": (
        BATCH + 'batch.alter_column("pages", existing_type=sa.Integer(), type_=sa.BigInteger(), existing_nullable=True)',
        BATCH + 'batch.alter_column("pages", existing_type=sa.BigInteger(), type_=sa.Integer(), existing_nullable=True)',
        6,
    ),
    "type of a required unique column": (
        BATCH + 'batch.alter_column("title", existing_type=sa.String(50), type_=sa.String(40), existing_nullable=False)',
        BATCH + 'batch.alter_column("title", existing_type=sa.String(40), type_=sa.String(50), existing_nullable=False)',
        6,
    ),
    "type with a default": (
        BATCH
        + 'batch.alter_column("price", existing_type=sa.Numeric(10, 2), type_=sa.Numeric(12, 4), existing_nullable=False, '
        + 'existing_server_default=sa.text("1"))',
        BATCH
        + 'batch.alter_column("price", existing_type=sa.Numeric(12, 4), type_=sa.Numeric(10, 2), existing_nullable=False, '
        + 'existing_server_default=sa.text("1"))',
        5,
    ),
    "rename column": (
        BATCH + 'batch.alter_column("pages", new_column_name="length", existing_type=sa.Integer())',
        BATCH + 'batch.alter_column("length", new_column_name="pages", existing_type=sa.Integer())',
        6,
    ),
    "rename table": ('op.rename_table("author", "writer")', 'op.rename_table("writer", "author")', 2),
    "drop column": (
        BATCH + 'batch.drop_column("note")',
        BATCH + 'batch.add_column(sa.Column("note", sa.Text, nullable=False, server_default=""))',
        2,
    ),
    "drop table": (
        'op.drop_table("author")',
        'op.create_table("author", sa.Column("id", sa.Integer, primary_key=True), sa.Column("name", sa.String(50)))',
        1,
    ),
    "all rows": ('op.execute("UPDATE book SET note = kind WHERE note IS NOT NULL")', "pass", 1),
    "delete all": ('op.execute("DELETE FROM book")', "pass", 1),
    "rows and schema": (
        BATCH
        + 'batch.add_column(sa.Column("state", sa.String(10)))\n'
        + "op.execute(\"UPDATE book SET state = 'new' WHERE id < 10\")\n"
        + 'op.create_index("ix", "book", ["state"])',
        'op.drop_index("ix", "book")\n' + BATCH + 'batch.drop_column("state")',
        3,
    ),
    "several tables": (
        BATCH + 'batch.add_column(sa.Column("x", sa.Integer))\nwith op.batch_alter_table("author") as batch:\n    '
        'batch.add_column(sa.Column("x", sa.Integer))\n'
        'op.create_table("tag", sa.Column("id", sa.Integer, primary_key=True), sa.Column("name", sa.String(20)))\n'
        'op.create_index("ix_tag", "tag", ["name"])',
        'op.drop_index("ix_tag", "tag")\nop.drop_table("tag")\nwith op.batch_alter_table("author") as batch:\n    batch.drop_column("x")\n'
        + BATCH
        + 'batch.drop_column("x")',
        2,
    ),
    "much at once": (
        BATCH + 'batch.add_column(sa.Column("state", sa.String(10), nullable=False))\n    '
        'batch.add_column(sa.Column("more", sa.Integer))\n    '
        'batch.create_foreign_key("fk", "author", ["author_id"], ["id"])\n    '
        'batch.create_index("ix_state", ["state"])\n    '
        'batch.alter_column("kind", existing_type=sa.String(10), type_=sa.String(20), nullable=False)\n    '
        'batch.drop_column("note")',
        BATCH + 'batch.add_column(sa.Column("note", sa.Text, nullable=False, server_default=""))\n    '
        'batch.alter_column("kind", existing_type=sa.String(20), type_=sa.String(10), nullable=True)\n    '
        'batch.drop_index("ix_state")\n    '
        'batch.drop_constraint("fk", type_="foreignkey")\n    '
        'batch.drop_column("more")\n    '
        'batch.drop_column("state")',
        11,
    ),
}
NO_WAY_BACK = {"type", "type of a required unique column", "type with a default", "rename column"}
BACKENDS = ("sqlite", "postgresql", "mariadb")
POSTGRESQL_ONLY = {"volatile default"}
FILLS = {"book.state": "new"}
# The steps of plans that wait for a deployment, and for which.
STATE = {"drop_default_of_book_state": "the code that gives book.state a value"}
NOTE = {"drop_note_of_book": "the code that no longer reads book.note"}
WAITS = {
    "required column": STATE,
    "required column as make writes it": STATE,
    "rename column": {"swap_pages_of_book": "the code that reads book.length instead of pages"},
    "rename table": {"drop_view_author": "the code that knows writer instead of author"},
    "drop column": NOTE,
    "drop table": {"unsafe": "the code without the model of author"},
    "much at once": {**STATE, **NOTE},
}


Fill = Callable[[Migration], Connection]


@pytest.fixture
def target(backend: str, server: Callable[[str], Any], target_of: Callable[..., Target], base: type[Model], tmp_path: Path) -> Target:
    if backend == "sqlite":
        return target_of(f"sqlite:///{tmp_path / 'test.db'}", base)
    return target_of(server(backend).url.render_as_string(hide_password=False), base)


@pytest.fixture
def fill(target: Target) -> Iterator[Fill]:
    """Empty the database, and give it a first migration and rows."""
    engine = open_engine(target.database.url(), Limits())
    with engine.connect() as connection:

        def fill(first: Migration) -> Connection:
            connection.rollback()
            with connection.begin():
                if target.dialect == "postgresql":
                    connection.execute(text("DROP SCHEMA public CASCADE"))
                    connection.execute(text("CREATE SCHEMA public"))
                else:
                    connection.execute(text("SET foreign_key_checks = 0" if target.dialect == "mariadb" else "PRAGMA foreign_keys = OFF"))
                    for name in inspect(connection).get_table_names():
                        connection.execute(text(f"DROP TABLE {name}"))
                    connection.execute(text("SET foreign_key_checks = 1" if target.dialect == "mariadb" else "PRAGMA foreign_keys = ON"))
            run_all(connection, [first])
            with connection.begin():
                connection.execute(text("INSERT INTO author (id, name) VALUES (1, 'Ann')"))
                connection.execute(text(INSERT), [{"id": number, "title": f"t{number}"} for number in range(1, ROWS + 1)])
            return connection

        yield fill
        connection.rollback()
    engine.dispose()


def plain_schema(connection: Connection) -> dict[str, str]:
    """The schema without casts in checks, which PostgreSQL writes otherwise after an ALTER TYPE than when they are made."""
    found = {
        part: re.sub(r"::[a-z ]+(\[\])?", "", what) if part.startswith("check") else what for part, what in schema_of(connection).items()
    }
    connection.rollback()
    return found


def rows(connection: Connection) -> list[tuple[object, ...]]:
    """All rows of books, with the columns by name."""
    found = [tuple(sorted(dict(row).items())) for row in connection.execute(text("SELECT * FROM book ORDER BY id")).mappings()]
    connection.rollback()
    return found  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("backend", "case"),
    [(backend, case) for backend in BACKENDS for case in CASES if backend == "postgresql" or case not in POSTGRESQL_ONLY],
)
def test_a_plan_ends_in_the_same_schema(case: str, target: Target, fill: Fill, backend: str, write_step: Callable[..., Migration]) -> None:
    up, down, count = CASES[case]
    first = write_step("books", CREATE, 'op.drop_table("book")\nop.drop_table("author")')
    unsafe = write_step("unsafe", up, down)
    assert [each for each in lint(target, [unsafe], dialect="postgresql") if not each.reason]
    connection = fill(first)
    if case == "required column" or case == "much at once":  # which fails with rows
        connection.execute(text("DELETE FROM book"))
        connection.commit()
    run_all(connection, [unsafe])
    wanted, wanted_rows = plain_schema(connection), rows(connection)
    run_all(connection, [unsafe], "downgrade")
    start = plain_schema(connection)

    drafts = plan_migration(target, unsafe, fills=FILLS)
    steps = write_plan(target, unsafe, drafts)
    assert len(steps) == count
    assert list(target.migrations())[1:] == steps
    assert [f"{each.place}: {each.rule}: {each.why}" for each in lint(target, steps, dialect="postgresql") if not each.reason] == []

    assert not any("lint: ignore" in step.path.read_text() for step in steps)
    assert {step.name.partition("_")[2]: step.after_deploy for step in steps if step.after_deploy} == WAITS.get(case, {})

    connection = fill(first)
    run_all(connection, steps)
    assert differences(wanted, plain_schema(connection)) == []
    if wanted_rows and case != "volatile default":
        assert rows(connection) == wanted_rows
    if case not in NO_WAY_BACK:
        connection.rollback()
        run_all(connection, reversed(steps), "downgrade")
        assert differences(start, plain_schema(connection)) == []
        connection.rollback()
        run_all(connection, steps)
        assert differences(wanted, plain_schema(connection)) == []


@pytest.mark.parametrize("backend", ["postgresql"])
def test_both_codes_run_between_the_steps_of_a_rename(target: Target, fill: Fill, write_step: Callable[..., Migration]) -> None:
    first = write_step("books", CREATE)
    unsafe = write_step("rename", CASES["rename column"][0], CASES["rename column"][1])
    steps = write_plan(target, unsafe, plan_migration(target, unsafe))
    connection = fill(first)
    run_all(connection, steps[:1])
    with connection.begin():
        connection.execute(text("INSERT INTO book (id, title, pages, note) VALUES (101, 'old', 7, '')"))
        connection.execute(text("INSERT INTO book (id, title, length, note) VALUES (102, 'new', 8, '')"))
        connection.execute(text("UPDATE book SET pages = 9 WHERE id = 1"))
        connection.execute(text("UPDATE book SET length = 10 WHERE id = 2"))
    run_all(connection, steps[1:-1])
    found = connection.execute(text("SELECT pages, length FROM book WHERE id IN (1, 2, 3, 101, 102) ORDER BY id")).all()
    assert found == [(9, 9), (10, 10), (3, 3), (7, 7), (8, 8)]
    connection.rollback()
    run_all(connection, steps[-1:])
    assert connection.scalar(text("SELECT sum(length) FROM book")) == sum(range(1, ROWS + 1)) + (9 - 1) + (10 - 2) + 7 + 8


@pytest.mark.parametrize("backend", ["postgresql"])
def test_the_old_name_of_a_table_is_written_between_the_steps(target: Target, fill: Fill, write_step: Callable[..., Migration]) -> None:
    first = write_step("books", CREATE)
    unsafe = write_step("rename", *CASES["rename table"][:2])
    steps = write_plan(target, unsafe, plan_migration(target, unsafe))
    connection = fill(first)
    run_all(connection, steps[:1])
    with connection.begin():
        connection.execute(text("INSERT INTO author (id, name) VALUES (2, 'Bea') RETURNING id")).scalar_one()
        connection.execute(text("UPDATE author SET name = 'Cai' WHERE id = 1"))
    run_all(connection, steps[1:])
    assert set(connection.scalars(text("SELECT name FROM writer"))) == {"Bea", "Cai"}


@pytest.mark.parametrize("backend", ["sqlite"])
def test_the_files_of_a_plan(target: Target, write_step: Callable[..., Migration]) -> None:
    write_step("books", CREATE)
    unsafe = write_step("add unique", CASES["unique"][0], CASES["unique"][1], notes="Asked for by Ann.")
    after = write_step("later", "op.execute('SELECT 1')", "pass")
    steps = write_plan(target, unsafe, plan_migration(target, unsafe))
    history = target.history()
    assert [each.name for each in history] == ["0001_books", "0002_unique_index_for_uq", "0003_add_uq", "0004_later"]
    assert history.head is not None
    assert history.head.revision == after.revision
    # a database that has the one migration has the plan too
    assert [each.revision == unsafe.revision for each in steps] == [False, True]
    assert [each.replaces for each in steps] == [(unsafe.revision,), ()]
    source = steps[0].path.read_text()
    assert source.startswith('"""Unique index for uq.\n\nStep 1 of 2: Add unique.\n\nIt fails if two rows are alike')
    assert "Asked for by Ann." in source


@pytest.mark.parametrize("backend", ["sqlite"])
def test_what_waits_for_a_deployment_comes_last(target: Target, write_step: Callable[..., Migration]) -> None:
    write_step("books", CREATE)
    unsafe = write_step("much", CASES["much at once"][0])
    names = [each.name for each in write_plan(target, unsafe, plan_migration(target, unsafe, fills=FILLS))]
    assert names[-2:] == ["0011_drop_default_of_book_state", "0012_drop_note_of_book"]


@pytest.mark.parametrize("backend", ["postgresql"])
def test_rows_are_filled_in_when_none_can_come_up_behind(target: Target, fill: Fill, write_step: Callable[..., Migration]) -> None:
    first = write_step("books", CREATE)
    unsafe = write_step(
        "require",
        "op.execute('UPDATE book SET kind = \\'b\\' WHERE kind IS NULL')\n"
        + CASES["much at once"][0].splitlines()[0]
        + "\n    batch.alter_column('kind', existing_type=sa.String(10), nullable=False)",
    )
    steps = write_plan(target, unsafe, plan_migration(target, unsafe))
    assert [each.name.partition("_")[2] for each in steps] == [
        "check_kind_of_book",
        "update_rows_of_book",
        "validate_book_kind_not_null",
        "require_kind_of_book",
    ]
    connection = fill(first)
    connection.execute(text("UPDATE book SET kind = NULL WHERE id < 9"))
    connection.commit()
    run_all(connection, steps)
    assert connection.scalar(text("SELECT count(*) FROM book WHERE kind = 'b'")) == 8


@pytest.mark.parametrize("backend", ["sqlite"])
def test_what_waited_for_a_deployment_before_still_does(target: Target, write_step: Callable[..., Migration]) -> None:
    write_step("books", CREATE)
    up = BATCH + 'batch.drop_column("note")\nop.create_index("ix", "book", ["kind"])\n' + BATCH + 'batch.drop_column("pages")'
    unsafe = write_step("drop", up, after_deploy="the new code")
    steps = write_plan(target, unsafe, plan_migration(target, unsafe))
    assert [(step.name.partition("_")[2], step.after_deploy) for step in steps] == [
        ("drop_column_note_of_book", "the new code"),
        ("index_ix", ""),
        ("drop_column_pages_of_book", "the new code"),
    ]
    assert [each.rule for each in lint(target, steps, dialect="postgresql") if not each.reason] == []


@pytest.mark.parametrize("backend", ["sqlite"])
@pytest.mark.parametrize(
    ("up", "message"),
    [
        (CASES["required column"][0], "say what the rows that are there get in book.state: `--fill book.state=VALUE`"),
        ("for name in ('a', 'b'):\n    op.drop_column('book', name)", "there is no plan for drop-column"),
        ("op.execute('DO $$ BEGIN END $$')", "there is no plan for not-checked here; mend it by hand"),
        (BATCH + 'batch.create_check_constraint(None, "price > 0")', "a constraint without a name cannot be validated later"),
        ("op.execute('DELETE FROM book')\nop.get_bind().execute(sa.text('SELECT 1')).scalar_one()", "cannot be taken apart"),
        (BATCH + 'batch.alter_column("id", existing_type=sa.Integer(), type_=sa.BigInteger())', "which is part of a key"),
    ],
)
def test_where_there_is_no_plan(up: str, message: str, target: Target, write_step: Callable[..., Migration]) -> None:
    write_step("books", CREATE)
    unsafe = write_step("unsafe", up)
    with pytest.raises(HistoryError, match=r"unsafe\.py") as caught:
        plan_migration(target, unsafe)
    assert message in str(caught.value)


@pytest.mark.parametrize("backend", ["sqlite"])
def test_a_safe_migration_has_no_plan(target: Target, write_step: Callable[..., Migration]) -> None:
    write_step("books", CREATE)
    assert plan_migration(target, write_step("safe", BATCH + 'batch.add_column(sa.Column("x", sa.Integer))')) == []


def test_what_a_plan_needs_of_its_file_is_taken_along(target: Target, fill: Fill, write_step: Callable[..., Migration]) -> None:
    first = write_step("books", CREATE)
    unsafe = write_step(
        "add",
        BATCH + 'batch.add_column(sa.Column("at", moment))\nop.create_index("ix", "book", [name])',
        constants=("moment = sa.DateTime(timezone=True)", 'name = "at"', "unused = 3"),
        imports=("from decimal import Decimal",),
    )
    steps = write_plan(target, unsafe, plan_migration(target, unsafe))
    assert [("moment = " in each.path.read_text(), "name = " in each.path.read_text()) for each in steps] == [(True, False), (False, True)]
    assert not any("Decimal" in each.path.read_text() or "unused" in each.path.read_text() for each in steps)
    run_all(fill(first), steps)
