"""Fields with a fixed set of values: enumerations, with labels where wanted, and literals."""

from __future__ import annotations

from enum import Enum, IntEnum, StrEnum
from typing import Any, Self, cast

from sqlalchemy import CheckConstraint, Column, Dialect, Integer, String, Table, type_coerce

from erlen.db.columns.direct import DirectType
from erlen.errors import ConfigurationError, Mistake
from erlen.schema.hints import place_of, type_name
from erlen.schema.model import choices_of, unwrap

__all__ = ["Choice", "Choices", "IntegerChoices"]


class Choices(StrEnum):
    """An enumeration of texts whose members have labels for people.

        class Status(Choices):
            draft = "draft", "Draft"
            in_review = "in_review"          # its label is "In review"

    `Status.draft.label` is its label; `Status.draft` is also the text "draft".
    """

    _value_: str
    label: str

    def __new__(cls, value: str, label: str = "") -> Self:
        member = str.__new__(cls, value)
        member._value_ = value
        member.label = label
        return member

    def __init__(self, *_: object) -> None:
        self.label = self.label or _in_words(self.name)

    @classmethod
    def choices(cls) -> list[tuple[str, str]]:
        """Return the value and label of each member, in order."""
        return [(member.value, member.label) for member in cls]


class IntegerChoices(IntEnum):
    """An enumeration of integers whose members have labels for people: `low = 1, "Low"`."""

    _value_: int
    label: str

    def __new__(cls, value: int, label: str = "") -> Self:
        member = int.__new__(cls, value)
        member._value_ = value
        member.label = label
        return member

    def __init__(self, *_: object) -> None:
        self.label = self.label or _in_words(self.name)

    @classmethod
    def choices(cls) -> list[tuple[int, str]]:
        """Return the value and label of each member, in order."""
        return [(member.value, member.label) for member in cls]


class Choice(DirectType[Any]):
    """One of the values of an Enum or Literal: text or an integer, with a CHECK that there is no other.

    An Enum is kept by its members' values, not by their names, so that names may change. It is no ENUM type of the database: PostgreSQL
    can add a value to one but not take it out again, MySQL sorts by the order of the values, and SQLite has none. A CHECK is replaced like
    any other constraint.

    Args:
        annotation: an Enum class, or `Literal[...]`.
        name: of the CHECK constraint; with the naming convention, `ck_<table>_<name>`.

    Raises:
        ConfigurationError: if the values are not all texts, or all integers.
    """

    impl = String
    cache_ok = True

    def __init__(self, annotation: Any, name: str) -> None:
        self.annotation = annotation
        self.name = name
        pairs = choices_of(annotation)
        kinds = {type(plain) for plain, _ in pairs}
        if kinds not in ({str}, {int}):
            wrong = f"{type_name(annotation)} has values that are not all texts, or not all integers"
            raise ConfigurationError(Mistake(wrong, place_of(unwrap(annotation)), "a column needs values of one of these types"))
        self.values: tuple[Any, ...] = tuple(plain for plain, _ in pairs)
        self._members = _Members(pairs)
        super().__init__()
        # Room for a longer value to come, so that it needs only a new CHECK.
        self.impl = cast(Any, String(max(32, *map(len, self.values))) if kinds == {str} else Integer())

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        if value is None:
            return None
        plain = value.value if isinstance(value, Enum) else value
        if plain not in self._members:
            raise ValueError(f"{plain!r} is not one of {', '.join(map(repr, self.values))}.")
        return plain

    def result_processor(self, dialect: Dialect, coltype: object) -> Any:
        return self._members.__getitem__  # which costs no call of Python's

    def _set_table(self, column: Column[Any], table: Table) -> None:
        # As SQLAlchemy's own Boolean and Enum make theirs; `_type_bound` keeps copies of the table from having it twice.
        values = type_coerce(column, self.impl_instance).in_(self.values)
        table.append_constraint(CheckConstraint(values, name=self.name, _type_bound=True))

    def _set_parent(self, parent: Any, outer: bool = False, **keywords: Any) -> None:
        super()._set_parent(parent, outer=outer, **keywords)
        cast(Any, parent)._on_table_attach(self._set_table)


class _Members(dict[Any, Any]):
    """Members by value. What another program stored is given as it is: reading a row must not fail for a value that was taken out since."""

    def __missing__(self, value: Any) -> Any:
        return value


def _in_words(name: str) -> str:
    return name.replace("_", " ").strip().capitalize()
