"""What differs between migrations and models, in words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import pytest
import sqlalchemy as sa
from msgspec import Meta
from sqlalchemy.orm import Mapped, mapped_column

from erlen.db import Model
from erlen.errors import ErlenError
from erlen.migrations.answers import Answers
from erlen.migrations.compare import changes_of
from erlen.migrations.files import write_migration
from erlen.migrations.make import make
from erlen.migrations.target import Target

TargetOf = Callable[..., Target]


def nothing(*_: Any) -> Answers:
    return Answers()


def changes(target_of: TargetOf, url: str, *steps: Callable[[sa.MetaData], object]) -> list[str]:
    """Migrate to each of some schemas but the last, and return what that one changes."""
    for place, step in enumerate(steps):

        class Base(Model, isolated=True):
            pass

        step(Base.metadata)
        target = target_of(url, Base)
        if place == len(steps) - 1:
            return changes_of(target)
        made = make(target, "", nothing)
        assert made.problems == []
        write_migration(made.draft, target.root)
    raise AssertionError


def book(*items: Any, **options: Any) -> Callable[[sa.MetaData], object]:
    """Return what makes a table anew each time."""

    def make_table(metadata: sa.MetaData) -> object:
        return sa.Table("book", metadata, sa.Column("id", sa.Integer, primary_key=True), *(item() for item in items), **options)

    return make_table


def column(*arguments: Any, **options: Any) -> Callable[[], sa.Column[Any]]:
    return lambda: sa.Column(*arguments, **options)


def parent(**options: Any) -> Callable[[], sa.Column[Any]]:
    return lambda: sa.Column("parent", sa.Integer, sa.ForeignKey("book.id", **options), index=True)


CASES: dict[str, tuple[list[Any], list[Any], str]] = {
    "a new column": ([], [column("title", sa.String(50))], "+ column book.title varchar(50) null"),
    "a column that is gone": ([column("title", sa.String(50))], [], "- column book.title varchar(50) null"),
    "a length": (
        [column("title", sa.String(50))],
        [column("title", sa.String(80))],
        "~ column book.title: varchar(50) → varchar(80)",
    ),
    "a precision": (
        [column("price", sa.Numeric(8, 2))],
        [column("price", sa.Numeric(10, 2))],
        "~ column book.price: numeric(8, 2) → numeric(10, 2)",
    ),
    "null": ([column("n", sa.Integer, nullable=False)], [column("n", sa.Integer)], "~ column book.n: not null → null"),
    "a default": ([column("n", sa.Integer)], [column("n", sa.Integer, server_default="7")], "~ column book.n: default none → '7'"),
    "an index": ([column("n", sa.Integer)], [column("n", sa.Integer, index=True)], "+ index ix_book_n on book (n)"),
    "unique": ([column("n", sa.Integer)], [column("n", sa.Integer, unique=True)], "+ unique uq_book_n on book (n)"),
    "a unique index": (
        [column("n", sa.Integer)],
        [column("n", sa.Integer), lambda: sa.Index("ix_n", "n", unique=True)],
        "+ unique index ix_n on book (n)",
    ),
    "a check": (
        [column("n", sa.Integer)],
        [column("n", sa.Integer), lambda: sa.CheckConstraint("n > 0", name="positive")],
        "+ check ck_book_positive on book (n > 0)",
    ),
    "another check": (
        [column("n", sa.Integer), lambda: sa.CheckConstraint("n > 0", name="positive")],
        [column("n", sa.Integer), lambda: sa.CheckConstraint("n > 1", name="positive")],
        "~ check ck_book_positive on book (n > 0) → (n > 1)",
    ),
    "a foreign key": (
        [column("parent", sa.Integer, index=True)],
        [parent(ondelete="CASCADE")],
        "+ foreign key fk_book_parent_book on book (parent) → book (id) ondelete CASCADE",
    ),
    "what a foreign key does": (
        [parent()],
        [parent(ondelete="CASCADE")],
        "~ foreign key fk_book_parent_book on book (parent) → book (id) → (parent) → book (id) ondelete CASCADE",
    ),
    "a generated column": (
        [column("n", sa.Integer)],
        [column("n", sa.Integer), column("twice", sa.Integer, sa.Computed("n * 2", persisted=True))],
        "+ column book.twice integer null computed as (n * 2) stored",
    ),
    "another expression": (
        [column("n", sa.Integer), column("twice", sa.Integer, sa.Computed("n * 2", persisted=True))],
        [column("n", sa.Integer), column("twice", sa.Integer, sa.Computed("n * 3", persisted=True))],
        "~ column book.twice: computed as n * 2 → n * 3",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_changes_are_found(case: str, database_url: str, target_of: TargetOf) -> None:
    before, after, sentence = CASES[case]
    found = changes(target_of, database_url, book(*before), book(*after))
    shown = [each.replace("`", "").replace("decimal", "numeric").replace("::integer", "") for each in found]
    assert shown in ([sentence], [sentence.replace("'7'", "7")])


@pytest.mark.parametrize("backend", ["postgresql", "mariadb"])
def test_comments_are_found(database_url: str, target_of: TargetOf) -> None:
    before, after = book(column("n", sa.Integer), comment="x"), book(column("n", sa.Integer, comment="how many"))
    assert changes(target_of, database_url, before, after) == [
        "~ column book.n: comment none → how many",
        "~ comment of book: 'x' → ''",
    ]


@pytest.mark.parametrize("backend", ["sqlite", "postgresql"])
def test_indexes_of_expressions_and_conditions_are_found(database_url: str, target_of: TargetOf) -> None:
    def indexed(word: str, number: int) -> Callable[[sa.MetaData], object]:
        condition = sa.text(f"n > {number}")
        low = [
            lambda: sa.Index("ix_low", sa.text(f"{word}(title)")),
            lambda: sa.Index("ix_some", "n", sqlite_where=condition, postgresql_where=condition),
        ]
        return book(column("title", sa.String(50)), column("n", sa.Integer), *low)

    found = changes(target_of, database_url, indexed("lower", 1), indexed("upper", 2))
    assert sorted(sentence.split(" on ")[0] for sentence in found) == ["~ index ix_low", "~ index ix_some"]


@pytest.mark.parametrize("backend", ["postgresql"])
def test_what_only_postgresql_has_is_found(database_url: str, target_of: TargetOf) -> None:
    from sqlalchemy.dialects import postgresql

    def made(**options: Any) -> Callable[[sa.MetaData], object]:
        return book(
            column("tags", postgresql.JSONB),
            column("n", sa.Integer, sa.Identity() if options else None) if options else column("n", sa.Integer, nullable=False),
            column("at", sa.DateTime(timezone=bool(options))),
            lambda: sa.Index("ix_tags", "tags", postgresql_using="gin" if options else "btree"),
            lambda: sa.Index("ix_n", "n", postgresql_include=["at"] if options else []),
        )

    found = changes(target_of, database_url, made(), made(more=True))
    assert [sentence.split(":")[0].split(" on ")[0] for sentence in found] == [
        "~ column book.n",
        "~ column book.at",
        "~ index ix_n",
        "~ index ix_tags",
    ]


@pytest.mark.parametrize("backend", ["postgresql"])
def test_schemas_and_their_types(database_url: str, target_of: TargetOf) -> None:
    def made(*values: str) -> Callable[[sa.MetaData], object]:
        return book(column("status", sa.Enum(*values, name="status", schema="shop")), schema="shop")

    found = changes(target_of, database_url, made("draft"), made("draft", "done"))
    assert found == ["~ enum shop.status: draft, done"]


def test_models_as_they_were_have_no_changes(database_url: str, base: type[Model], target_of: TargetOf) -> None:
    class Book(base, table="book"):  # type: ignore[misc, valid-type, call-arg]
        title: Mapped[Annotated[str, Meta(max_length=50)]] = mapped_column(index=True)

    target = target_of(database_url, base)
    write_migration(make(target, "", nothing).draft, target.root)
    assert changes_of(target) == []


def test_a_unique_column_without_a_name_is_found_by_its_column(
    base: type[Model], url_of: Callable[[str], str], target_of: TargetOf, write_step: Callable[..., object]
) -> None:
    class Book(base, table="book"):  # type: ignore[misc, valid-type, call-arg]
        title: Mapped[str] = mapped_column(sa.String(100), unique=True)
        code: Mapped[str] = mapped_column(sa.String(9), unique=True)

    columns = "id INTEGER NOT NULL PRIMARY KEY, title VARCHAR(100) NOT NULL UNIQUE, code VARCHAR(9) NOT NULL"
    write_step("book", f'op.execute("CREATE TABLE book ({columns})")')
    assert changes_of(target_of(url_of("sqlite"), base)) == ["+ unique uq_book_code on book (code)"]


def test_models_that_cannot_be_made_are_said(base: type[Model], url_of: Callable[[str], str], target_of: TargetOf) -> None:
    class Book(base, table="book"):  # type: ignore[misc, valid-type, call-arg]
        title: Mapped[str] = mapped_column(server_default=sa.text("no_such_function()"))

    with pytest.raises(ErlenError, match=r"the models' tables cannot be made(?s:.*)erlen db make --empty"):
        changes_of(target_of(url_of("postgresql"), base))


def test_functions_of_migrations_are_there_for_models(
    base: type[Model], url_of: Callable[[str], str], target_of: TargetOf, write_step: Callable[..., object]
) -> None:
    class Book(base, table="book"):  # type: ignore[misc, valid-type, call-arg]
        number: Mapped[int] = mapped_column(server_default=sa.text("lucky()"))

    write_step("lucky", "op.execute(\"CREATE FUNCTION lucky() RETURNS integer LANGUAGE sql AS 'SELECT 7'\")")
    assert changes_of(target_of(url_of("postgresql"), base)) == ["+ table book with id, number"]
