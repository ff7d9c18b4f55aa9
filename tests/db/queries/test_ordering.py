"""Orders from names that come from outside."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import ForeignKey, String, select
from sqlalchemy.orm import Mapped, mapped_column

from erlen.db import Model
from erlen.db.ordering import ordering
from erlen.errors import Fault, InvalidRequest


class Base(Model, isolated=True):
    pass


class Writer(Base):
    name: Mapped[str] = mapped_column(String(20))


class Text(Base, ordering=("-published", "title")):
    title: Mapped[str] = mapped_column(String(20))
    published: Mapped[int | None]
    secret: Mapped[str]
    writer_id: Mapped[int] = mapped_column(ForeignKey("writers.id"))


ALLOWED = ("published", "title")


def sql(order: Any) -> list[str]:
    return [str(one) for one in order]


def test_names_become_columns() -> None:
    assert sql(ordering(Text, "-published,title", allowed=ALLOWED)) == ["texts.published DESC", "texts.title ASC"]
    assert sql(ordering(Text, " title , -published ", allowed=(Text.title, Text.published))) == ["texts.title ASC", "texts.published DESC"]
    assert sql(ordering(Text, "title,-title", allowed=ALLOWED)) == ["texts.title ASC"]
    assert "ORDER BY texts.title" in str(select(Text).order_by(*ordering(Text, "title", allowed=ALLOWED)))


def test_names_may_stand_for_other_columns() -> None:
    assert sql(ordering(Text, "-writer", allowed={"writer": Writer.name})) == ["writers.name DESC"]


@pytest.mark.parametrize("names", [None, ""])
def test_no_name_is_the_default_order(names: str | None) -> None:
    assert sql(ordering(Text, names, allowed=ALLOWED)) == ["texts.published DESC", "texts.title ASC"]
    assert ordering(Writer, names, allowed=("name",)) == ()


@pytest.mark.parametrize(
    "names",
    ["secret", "-secret", "published,secret", "--title", "title desc", "title;drop table texts", "1", "texts.title", ",", "-", "TITLE"],
)
def test_other_names_are_refused_with_those_that_are_allowed(names: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        ordering(Text, names, allowed=ALLOWED, parameter="sort")
    assert refused.value.faults == (Fault(("query", "sort"), "Must be one of 'published', '-published', 'title', '-title'."),)


@given(st.text())
def test_no_text_reaches_sql(names: str) -> None:
    try:
        order = ordering(Text, names, allowed=ALLOWED)
    except InvalidRequest:
        return
    assert set(sql(order)) <= {"texts.published DESC", "texts.published ASC", "texts.title DESC", "texts.title ASC"}


def test_a_field_that_the_model_lacks_is_the_programs_mistake() -> None:
    with pytest.raises(TypeError, match="Text has no field 'titel': did you mean 'title'"):
        ordering(Text, "titel", allowed=("titel",))


def test_reading_names_is_linear(assert_linear: Any) -> None:
    assert_linear(lambda size: "title,-title," * size + "title", lambda names: ordering(Text, names, allowed=ALLOWED), 2_000)
