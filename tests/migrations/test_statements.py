from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Connection

from erlen.db import Model
from erlen.migrations.migration import Migration
from erlen.migrations.sql import split
from erlen.migrations.statements import Statement, statements_of
from erlen.migrations.target import Target

Step = Callable[..., Migration]
Make = Callable[..., Target]

CREATE = """
op.create_table(
    "book",
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("title", sa.String(50), nullable=False),
)
"""
ALTER = """
with op.batch_alter_table("book") as batch:
    batch.add_column(sa.Column("pages", sa.Integer))
    batch.alter_column(
        "title", existing_type=sa.String(50), existing_nullable=False, nullable=True, type_=sa.String(100),
    )
    batch.create_index("ix_book_pages", ["pages"])
"""


@pytest.fixture
def target(url_of: Callable[[str], str], target_of: Make, base: type[Model]) -> Callable[[str], Target]:
    return lambda backend: target_of(url_of(backend), base)


def sql(statements: list[Statement]) -> list[str]:
    return [" ".join(each.sql.split()) for each in statements if not each.sql.startswith("PRAGMA")]


def source(statement: Statement) -> str:
    """The line of the file that a statement says it comes from."""
    return statement.migration.path.read_text().splitlines()[statement.line - 1].strip()


def test_offline_with_lines(target: Callable[[str], Target], write_step: Step) -> None:
    step = write_step("add book", CREATE + ALTER + "op.execute(\"UPDATE book SET title = '100 %; done'; DELETE FROM book\")")
    found = statements_of(target("sqlite"), [step], dialect="postgresql")
    assert sql(found) == [
        "CREATE TABLE book ( id SERIAL NOT NULL, title VARCHAR(50) NOT NULL, PRIMARY KEY (id) )",
        "ALTER TABLE book ADD COLUMN pages INTEGER",
        "ALTER TABLE book ALTER COLUMN title TYPE VARCHAR(100)",
        "ALTER TABLE book ALTER COLUMN title DROP NOT NULL",
        "CREATE INDEX ix_book_pages ON book (pages)",
        "UPDATE book SET title = '100 %; done'",
        "DELETE FROM book",
    ]
    assert [source(each).partition("(")[0] for each in found] == [
        "op.create_table",
        "batch.add_column",
        "batch.alter_column",
        "batch.alter_column",
        "batch.create_index",
        "op.execute",
        "op.execute",
    ]
    assert [each.is_data for each in found] == [False] * 5 + [True] * 2
    assert all(each.in_transaction and each.migration == step and not each.note for each in found)


def test_what_each_dialect_gets(backend: str, target: Callable[[str], Target], write_step: Step) -> None:
    steps = [write_step("add book", CREATE), write_step("more", ALTER)]
    found = statements_of(target(backend), steps[1:])
    assert all(each.migration == steps[1] and each.in_transaction is (backend != "mariadb") for each in found)
    if backend == "sqlite":
        assert sql(found)[0].startswith("CREATE TABLE _alembic_tmp_book (")
        assert [each.split("(")[0].strip() for each in sql(found)[1:]] == [
            "INSERT INTO _alembic_tmp_book",
            "DROP TABLE book",
            "ALTER TABLE _alembic_tmp_book RENAME TO book",
            "CREATE INDEX ix_book_pages ON book",
        ]
    elif backend == "mariadb":
        assert sql(found)[1] == "ALTER TABLE book MODIFY title VARCHAR(100) NULL"


def test_downgrade(backend: str, target: Callable[[str], Target], write_step: Step) -> None:
    steps = [write_step("add book", CREATE, 'op.drop_table("book")'), write_step("note", ALTER, "op.execute('SELECT 1')")]
    found = statements_of(target(backend), reversed(steps), direction="downgrade")
    assert sql(found) == ["SELECT 1", "DROP TABLE book"]
    assert [each.migration for each in found] == steps[::-1]


def test_reads_rows_in_a_scratch_database(backend: str, target: Callable[[str], Target], write_step: Step) -> None:
    steps = [
        write_step("add book", CREATE),
        write_step("fill", "op.bulk_insert(sa.table('book', sa.column('title', sa.String)), [{'title': 'Emma'}, {'title': \"L'été\"}])"),
        write_step(
            "shout",
            """
            for row in op.get_bind().execute(sa.text("SELECT id, title FROM book ORDER BY id")).all():
                op.get_bind().execute(sa.text("UPDATE book SET title = :title WHERE id = :id"), {"id": row.id, "title": row.title.upper()})
            """,
        ),
    ]
    found = statements_of(target(backend), steps[2:])
    assert sql(found) == [
        "SELECT id, title FROM book ORDER BY id",
        "UPDATE book SET title = 'EMMA' WHERE id = 1",
        "UPDATE book SET title = 'L''ÉTÉ' WHERE id = 2",
    ]
    assert [source(each).partition(".")[0] for each in found] == ["for row in op", "op", "op"]


def test_many_rows_at_once_are_each_written(backend: str, target: Callable[[str], Target], write_step: Step) -> None:
    write_step("add book", CREATE)
    step = write_step(
        "fill",
        """
        book = sa.table("book", sa.column("title", sa.String))
        op.get_bind().execute(book.insert(), [{"title": "a"}, {"title": "b"}])
        """,
    )
    assert sql(statements_of(target(backend), [step])) == [
        "INSERT INTO book (title) VALUES ('a')",
        "INSERT INTO book (title) VALUES ('b')",
    ]


def test_a_note_where_rows_of_another_database_are_read(target: Callable[[str], Target], write_step: Step) -> None:
    write_step("add book", CREATE)
    step = write_step(
        "read", "op.execute('DELETE FROM book')\nop.get_bind().execute(sa.text('SELECT 1')).scalar_one()\nop.drop_table('book')"
    )
    found = statements_of(target("sqlite"), [step], dialect="postgresql")
    assert sql(found) == ["DELETE FROM book", "SELECT 1", ""]
    assert found[2].note.startswith(f"not checked after line {found[1].line}: AttributeError")
    assert found[2].note.endswith("the database here is sqlite, not postgresql")


def test_a_note_where_a_migration_fails(backend: str, target: Callable[[str], Target], write_step: Step) -> None:
    write_step("add book", CREATE)
    step = write_step("wrong", "op.execute('DELETE FROM book')\nraise ValueError('no')")
    found = statements_of(target(backend), [step])
    assert [each.note for each in found] == ["", f"fails after line {found[0].line}: ValueError: no"]


def test_outside_of_the_transaction(target: Callable[[str], Target], write_step: Step) -> None:
    write_step("add book", CREATE)
    body = """
    op.execute("DELETE FROM book")
    with op.get_context().autocommit_block():
        op.create_index("ix_book_title", "book", ["title"], postgresql_concurrently=True)
        {}
    op.execute("DELETE FROM book")
    """
    offline = write_step("index", body.format(""))
    online = write_step(
        "index again", body.format('op.get_bind().execute(sa.text("SELECT 1")).scalar_one()').replace("ix_book", "ix_again")
    )
    for step, expected in ((offline, [True, False, True]), (online, [True, False, False, True])):
        found = statements_of(target("postgresql"), [step])
        assert [each.in_transaction for each in found] == expected
        assert not any(each.note for each in found)


def test_the_database_is_not_touched(
    backend: str, target: Callable[[str], Target], write_step: Step, connect_to: Callable[[str], Connection]
) -> None:
    place = target(backend)
    step = write_step("add book", CREATE + "op.get_bind().execute(sa.text('SELECT 1')).scalar_one()")
    statements_of(place, [step])
    url = place.database.url().render_as_string(hide_password=False)
    assert connect_to(url).dialect.get_table_names(connect_to(url)) == []


@pytest.mark.parametrize(
    ("text", "dialect", "expected"),
    [
        ("a; b ;; -- c;\n ;d;", "postgresql", ["a", "b", "d"]),
        ("select ';', \"a;b\"; /* ; */ x", "postgresql", ["select ';', \"a;b\"", "/* ; */ x"]),
        ("select 'a\\'; b", "postgresql", ["select 'a\\'", "b"]),
        ("select E'a\\'; b'; c", "postgresql", ["select E'a\\'; b'", "c"]),
        ("select 'a\\'; b'; c", "mysql", ["select 'a\\'; b'", "c"]),
        ("select `a;b`; # x;\nd", "mysql", ["select `a;b`", "# x;\nd"]),
        ("do $$ begin; end; $$; do $x$ $$; $x$; c", "postgresql", ["do $$ begin; end; $$", "do $x$ $$; $x$", "c"]),
        (
            "create trigger t after insert on a begin update b set c = case when 1 then 2 end; delete from d; end; e",
            "sqlite",
            ["create trigger t after insert on a begin update b set c = case when 1 then 2 end; delete from d; end", "e"],
        ),
        (
            "create procedure p() begin if 1 then set @a = 1; end if; while 0 do set @b = 1; end while; end; e",
            "mariadb",
            ["create procedure p() begin if 1 then set @a = 1; end if; while 0 do set @b = 1; end while; end", "e"],
        ),
        (
            "begin; update a set b = case when c then 1 end; commit",
            "sqlite",
            ["begin", "update a set b = case when c then 1 end", "commit"],
        ),
        ("select $1; b", "postgresql", ["select $1", "b"]),
        ("", "sqlite", []),
        ("select 'open; b", "sqlite", ["select 'open; b"]),
    ],
)
def test_split(text: str, dialect: str, expected: list[str]) -> None:
    assert split(text, dialect) == expected


def test_lines_of_other_files_are_not_taken(target: Callable[[str], Target], write_step: Step, tmp_path: Path) -> None:
    step = write_step("add book", "def inner():\n    op.execute('DELETE FROM a')\n\ninner()")
    assert source(statements_of(target("sqlite"), [step], dialect="mysql")[0]) == "op.execute('DELETE FROM a')"
