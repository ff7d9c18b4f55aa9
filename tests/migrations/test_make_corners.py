"""Changes of models that databases make hard: what `erlen db make` writes goes there, back and there again, with rows in the tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from textwrap import dedent

import pytest
import sqlalchemy as sa
from click.testing import Result
from sqlalchemy import Connection

from erlen.migrations.schema import differences, schema_of

Run = Callable[..., Result]
WriteApp = Callable[..., Path]
Change = Callable[..., None]
HEAD = """
import datetime
from sqlalchemy.orm import Mapped, mapped_column
"""


@pytest.fixture
def change(run: Run, write_app: WriteApp, database_url: str, connect_to: Callable[[str], Connection]) -> Change:
    """Change models, there, back and there again: `change(before, after, "--rename", "a=b", rows=[…], found={"SELECT 1": [(1,)]})`."""

    def done(*arguments: str) -> str:
        result = run(*arguments)
        assert result.exit_code == 0, result.output
        return result.output

    def change(before: str, after: str, *options: str, rows: Sequence[str], found: dict[str, list[tuple[object, ...]]]) -> None:
        write_app(database_url, HEAD + dedent(before))
        done("db", "make")
        done("db", "migrate")
        connection = connect_to(database_url)
        for row in rows:
            connection.execute(sa.text(row))
        old = schema_of(connection)
        write_app(database_url, HEAD + dedent(after))
        done("db", "make", *options)
        assert done("db", "make") == "no changes\n"
        done("db", "migrate")
        for query, wanted in found.items():
            assert [tuple(row) for row in connection.execute(sa.text(query))] == wanted
        done("db", "rollback", "--yes")
        assert differences(old, schema_of(connection)) == []
        done("db", "migrate")

    return change


def test_an_enum_loses_a_value_that_other_columns_had_too(change: Change) -> None:
    """One column of the type goes, one becomes a text, and one is of a table that goes."""
    kind = 'sa.Enum("x", "y", "z", name="kind")'
    change(
        f"""
        class Book(Base, table="book"):
            a: Mapped[str] = mapped_column({kind})
            b: Mapped[str] = mapped_column({kind}, server_default="x", index=True)
            c: Mapped[str] = mapped_column({kind}, server_default="y")

        class Other(Base, table="other"):
            a: Mapped[str] = mapped_column({kind})
        """,
        """
        class Book(Base, table="book"):
            a: Mapped[str] = mapped_column(sa.Enum("x", "y", name="kind"))
            c: Mapped[str] = mapped_column(sa.String(20), server_default="y")
        """,
        "--map",
        "book.a:z=y",
        rows=["INSERT INTO book (id, a, b, c) VALUES (1, 'x', 'z', 'z'), (2, 'z', 'x', 'y')"],
        found={"SELECT a, c FROM book ORDER BY id": [("x", "z"), ("y", "y")]},
    )


def test_an_enum_is_made_anew_under_checks_and_indexes_that_compare_it(change: Change) -> None:
    model = """
        class Book(Base, table="book"):
            a: Mapped[str] = mapped_column(sa.Enum({values}, name="kind"), server_default="x")
            n: Mapped[int]
            __table_args__ = (
                sa.Index("ix_book_part", "n", postgresql_where=sa.text("a = 'x'"), sqlite_where=sa.text("a = 'x'")),
                sa.CheckConstraint("a <> 'y' OR n > 0", name="positive"),
            )
    """
    change(
        model.format(values='"x", "y", "z"'),
        model.format(values='"x", "y"'),
        "--map",
        "book.a:z=y",
        rows=["INSERT INTO book (id, a, n) VALUES (1, 'x', 1), (2, 'z', 1)"],
        found={"SELECT a FROM book ORDER BY id": [("x",), ("y",)]},
    )


def test_an_enum_gains_a_value_that_new_columns_and_tables_use_at_once(change: Change) -> None:
    kind = 'sa.Enum("x", "y", "z", name="kind")'
    change(
        """
        class Book(Base, table="book"):
            a: Mapped[str] = mapped_column(sa.Enum("x", "y", name="kind"))
        """,
        f"""
        class Book(Base, table="book"):
            a: Mapped[str] = mapped_column({kind})
            b: Mapped[str] = mapped_column({kind})

        class Other(Base, table="other"):
            a: Mapped[str] = mapped_column({kind}, server_default="z")
        """,
        "--fill",
        "book.b=z",
        rows=["INSERT INTO book (id, a) VALUES (1, 'x')"],
        found={"SELECT a, b FROM book": [("x", "z")]},
    )


def test_an_enum_moves_to_another_table_with_another_value(change: Change) -> None:
    change(
        """
        class Book(Base, table="book"):
            a: Mapped[str] = mapped_column(sa.Enum("x", "y", name="kind"))
        """,
        """
        class Book(Base, table="book"):
            n: Mapped[int | None]

        class Other(Base, table="other"):
            a: Mapped[str] = mapped_column(sa.Enum("x", "y", "z", name="kind"), server_default="z")
        """,
        rows=["INSERT INTO book (id, a) VALUES (1, 'x')"],
        found={"SELECT id FROM book": [(1,)]},
    )


@pytest.mark.parametrize("backend", ["postgresql"])
def test_an_array_of_an_enum_that_gains_a_value(change: Change) -> None:
    model = """
        from sqlalchemy.dialects.postgresql import ARRAY

        class Book(Base, table="book"):
            a: Mapped[list[str]] = mapped_column(ARRAY(sa.Enum({values}, name="kind")))
    """
    change(
        model.format(values='"x", "y"'),
        model.format(values='"x", "y", "z"'),
        rows=["INSERT INTO book (id, a) VALUES (1, '{x,y}')"],
        found={"SELECT a::text FROM book": [("{x,y}",)]},
    )


def test_a_required_duration_is_given_in_seconds(change: Change, backend: str) -> None:
    shown = "(1000000 * extract(epoch FROM lasts))::integer" if backend == "postgresql" else "lasts"
    change(
        """
        class Book(Base, table="book"):
            n: Mapped[int]
            old: Mapped[datetime.timedelta]
        """,
        """
        class Book(Base, table="book"):
            n: Mapped[int]
            lasts: Mapped[datetime.timedelta]
        """,
        "--new",
        "book.lasts",
        "--fill",
        "book.lasts=1.5",
        rows=["INSERT INTO book (id, n, old) VALUES (1, 1, '7')"],
        found={f"SELECT {shown} FROM book": [(1_500_000,)]},
    )


def test_a_key_that_was_counted_becomes_a_text_with_who_refers_to_it(change: Change) -> None:
    change(
        """
        class Author(Base, table="author"):
            id: Mapped[int] = mapped_column(primary_key=True)

        class Book(Base, table="book"):
            author_id: Mapped[int] = mapped_column(sa.ForeignKey("author.id"))
        """,
        """
        class Author(Base, table="author"):
            id: Mapped[str] = mapped_column(sa.String(40), primary_key=True)

        class Book(Base, table="book"):
            author_id: Mapped[str] = mapped_column(sa.String(40), sa.ForeignKey("author.id"))
        """,
        rows=["INSERT INTO author (id) VALUES (1), (2)", "INSERT INTO book (id, author_id) VALUES (1, 2)"],
        found={"SELECT author.id FROM book JOIN author ON author.id = author_id": [("2",)]},
    )


def test_names_change_in_their_case_alone(change: Change, backend: str) -> None:
    quoted = "`Book`" if backend == "mariadb" else '"Book"'
    model = """
        class Author(Base, table="author"):
            name: Mapped[str] = mapped_column("{name}", sa.String(10), index=True)

        class Book(Base, table="{book}"):
            author_id: Mapped[int] = mapped_column(sa.ForeignKey("author.id"))
    """
    change(
        model.format(name="name", book="book"),
        model.format(name="Name", book="Book"),
        "--rename",
        "author.name=Name",
        "--rename",
        "book=Book",
        rows=["INSERT INTO author (id, name) VALUES (1, 'Ada')", "INSERT INTO book (id, author_id) VALUES (1, 1)"],
        found={"SELECT author.* FROM author JOIN " + quoted + " ON author.id = author_id": [(1, "Ada")]},
    )


def test_nothing_is_written_where_an_option_answers_nothing(folder: Path, run: Run, write_app: WriteApp) -> None:
    write_app("sqlite:///test.db", 'class Book(Base, table="book"):\n    pass\n')
    result = run("db", "make", "--rename", "book.titel=name")
    assert result.exit_code == 2
    assert "book.titel" in result.output
    assert not (folder / "migrations").exists()
