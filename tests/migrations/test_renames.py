"""What may be the same under another name, and how that is asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from erlen.db import Model
from erlen.migrations.answers import Answers
from erlen.migrations.files import write_migration
from erlen.migrations.make import make
from erlen.migrations.questions import Asked, Question, Unanswered, UnknownName
from erlen.migrations.target import Target

TargetOf = Callable[..., Target]


def ask(target_of: TargetOf, before: dict[str, dict[str, Any]], after: dict[str, dict[str, Any]], asked: Asked) -> list[str]:
    """Migrate to some tables, change them, and return what that does; columns are given by their types, and may be NULL."""
    for place, tables in enumerate((before, after)):

        class Base(Model, isolated=True):
            pass

        for name, columns in tables.items():
            key = sa.Column("id", sa.Integer, primary_key=True)
            sa.Table(name, Base.metadata, key, *(sa.Column(each, kind) for each, kind in columns.items()))
        target = target_of("sqlite://", Base)
        made = make(target, "", asked if place else lambda *_: Answers())
        assert made.problems == []
        if place:
            asked.check_all_used()
            return [change.sentence for change in made.changes]
        write_migration(made.draft, target.root)
    raise AssertionError


def options(target_of: TargetOf, before: dict[str, dict[str, Any]], after: dict[str, dict[str, Any]]) -> list[str]:
    with pytest.raises(Unanswered) as caught:
        ask(target_of, before, after, Asked())
    return [question.options[0] for question in caught.value.questions]


BOOK = {"book": {"title": sa.String(50), "pages": sa.Integer}}


def test_columns_of_one_type_may_be_renamed(target_of: TargetOf) -> None:
    after = {"book": {"name": sa.String(50), "pages": sa.Integer}}
    assert options(target_of, BOOK, after) == ["--rename book.title=name"]
    assert ask(target_of, BOOK, after, Asked(renames=["book.title=name"])) == ["~ column book.title renamed to name"]


def test_the_most_alike_is_asked_first(target_of: TargetOf) -> None:
    before = {"book": {"title": sa.String(50)}}
    after = {"book": {"author": sa.String(50), "the_title": sa.String(50)}}
    assert options(target_of, before, after) == ["--rename book.title=the_title", "--rename book.title=author"]


def test_columns_of_other_types_are_new(target_of: TargetOf) -> None:
    assert ask(target_of, BOOK, {"book": {"title": sa.String(50), "read": sa.DateTime}}, Asked()) == [
        "+ column book.read datetime null",
        "- column book.pages integer null",
    ]


def test_a_rename_by_option_may_change_the_type(target_of: TargetOf) -> None:
    after = {"book": {"title": sa.String(50), "size": sa.BigInteger}}
    assert ask(target_of, BOOK, after, Asked(renames=["book.pages=size"])) == [
        "~ column book.pages renamed to size",
        "~ column book.size: integer → bigint",
    ]


def test_tables_with_like_columns_may_be_renamed(target_of: TargetOf) -> None:
    after = {"novel": BOOK["book"]}
    assert options(target_of, BOOK, after) == ["--rename book=novel"]
    assert ask(target_of, BOOK, after, Asked(new=["novel"])) == ["+ table novel with id, title, pages", "- table book"]


def test_tables_with_other_columns_are_new(target_of: TargetOf) -> None:
    before, after = {"book": {"a": sa.Integer, "b": sa.Integer}}, {"log": {"c": sa.Text, "d": sa.Text}}
    assert ask(target_of, before, after, Asked()) == ["+ table log with id, c, d", "- table book"]


def test_columns_of_renamed_tables(target_of: TargetOf) -> None:
    after = {"novel": {"name": sa.String(50), "pages": sa.Integer}}
    found = ask(target_of, BOOK, after, Asked(renames=["book=novel", "book.title=name"]))
    assert found == ["~ table book renamed to novel", "~ column novel.title renamed to name"]


def test_a_person_is_asked(target_of: TargetOf) -> None:
    said: list[str] = []

    def prompt(question: Question) -> str:
        said.append(question.text)
        return "r"

    ask(target_of, BOOK, {"book": {"name": sa.String(50), "pages": sa.Integer}}, Asked(prompt=prompt))
    assert said == ["book.title is gone and book.name is new: renamed, or new?"]


@pytest.mark.parametrize("option", ["book.titel=name", "book=novel"])
def test_a_name_that_does_not_change_is_an_error(option: str, target_of: TargetOf) -> None:
    after = {"book": {"name": sa.String(50), "pages": sa.Integer}}
    with pytest.raises(UnknownName, match=rf"{option.partition('=')[0]} does not change in this way"):
        ask(target_of, BOOK, after, Asked(renames=[option, "book.title=name"]))


def test_an_option_without_a_value_is_an_error() -> None:
    with pytest.raises(UnknownName, match="not of the form NAME=VALUE"):
        Asked(renames=["book"])
