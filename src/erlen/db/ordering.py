"""How lists are ordered: by names from outside, by a model's default, and so that no two rows are equal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, TypeAlias

from msgspec import Struct
from sqlalchemy import (
    Column,
    ColumnElement,
    Double,
    Float,
    Label,
    Numeric,
    Select,
    Table,
    UnaryExpression,
    and_,
    cast,
    false,
    inspect,
    literal,
    or_,
    tuple_,
)
from sqlalchemy.orm import QueryableAttribute
from sqlalchemy.sql import operators

from erlen.db.fields import names_of
from erlen.db.info import is_unique
from erlen.errors import Fault, InvalidRequest
from erlen.schema.sentence import choices

__all__ = ["Orderable", "Term", "default_order", "ordering", "stable", "terms_of"]

Orderable: TypeAlias = "ColumnElement[Any] | QueryableAttribute[Any]"


def ordering(
    model: type[Any],
    names: str | None,
    *,
    allowed: Sequence[str | QueryableAttribute[Any]] | Mapping[str, Orderable],
    parameter: str = "order",
) -> tuple[ColumnElement[Any], ...]:
    """Return what to order by, from names that came from outside: `select(Article).order_by(*ordering(Article, order, allowed=…))`.

    Only what is allowed reaches SQL, and never as text.

    Args:
        model: what is ordered.
        names: such as `"-published,title"`: separated by commas, with `-` for the descending order. Empty or None for the model's
            default order.
        allowed: fields of the model, by name or as attributes; or names with what each stands for, also of other models:
            `{"author": Author.name}`.
        parameter: the name of the query parameter they came in, for the message.

    Raises:
        InvalidRequest: for a name that is not allowed, with those that are.
        TypeError: if `allowed` names what is no field.
    """
    if isinstance(allowed, Mapping):
        known: Mapping[str, Any] = allowed
    else:
        known = {name: getattr(model, name) for name in names_of(model, allowed)}
    if not names:
        return default_order(model)
    order: dict[str, ColumnElement[Any]] = {}
    for part in names.split(","):
        name = part.strip().removeprefix("-")
        if name not in known:
            raise InvalidRequest([Fault(("query", parameter), choices([each for key in known for each in (key, f"-{key}")]))])
        order.setdefault(name, known[name].desc() if part.strip().startswith("-") else known[name].asc())
    return tuple(order.values())


def default_order(model: Any) -> tuple[ColumnElement[Any], ...]:
    """Return what a model's `ordering` says; nothing where it says none."""
    options = getattr(inspect(model).mapper.class_, "__erlen__", None)
    names: Sequence[str] = () if options is None else options.ordering
    return tuple(getattr(model, name[1:]).desc() if name[0] == "-" else getattr(model, name).asc() for name in names)


class Term(Struct, frozen=True, eq=False):
    """One column or expression that rows are ordered by."""

    expression: ColumnElement[Any]
    descending: bool = False
    nullable: bool = True
    nulls_first: bool = False

    @property
    def direction(self) -> ColumnElement[Any]:
        """The expression with its direction, as ORDER BY takes it."""
        return self.expression.desc() if self.descending else self.expression.asc()

    def key(self, backend: str) -> ColumnElement[Any]:
        """Return what to read of a row to go on after it."""
        kind = self.expression.type
        # Drivers give the nearest short decimal of a FLOAT, as SQLAlchemy does of SQLite's numbers: compared, that is another number.
        is_rounded = isinstance(kind, Float) or (isinstance(kind, Numeric) and backend == "sqlite")
        return cast(self.expression, Double) if is_rounded and not isinstance(kind, Double) else self.expression

    def reverse(self) -> Term:
        """Return the term of the opposite order."""
        return Term(self.expression, not self.descending, self.nullable, not self.nulls_first)

    def order(self, backend: str) -> list[ColumnElement[Any]]:
        """Return what to put into ORDER BY. Where NULLs go is said, as databases differ on it."""
        order = self.direction
        if not self.nullable:
            return [order]
        if backend in ("mysql", "mariadb"):
            # They know no NULLS FIRST; NULL is the least value there, so that one of the two places needs nothing.
            if self.nulls_first != self.descending:
                return [order]
            is_null = self.expression.is_(None)
            return [is_null.desc() if self.nulls_first else is_null.asc(), order]
        return [order.nulls_first() if self.nulls_first else order.nulls_last()]

    def beyond(self, value: Any, backend: str) -> ColumnElement[bool]:
        """Return the criterion for what comes after a value."""
        if value is None:
            return self.expression.is_not(None) if self.nulls_first else false()
        bound = self.bind(value, backend)
        further: ColumnElement[bool] = self.expression < bound if self.descending else self.expression > bound
        return or_(further, self.expression.is_(None)) if self.nullable and not self.nulls_first else further

    def equal(self, value: Any, backend: str) -> ColumnElement[bool]:
        """Return the criterion for what comes with a value."""
        return self.expression.is_(None) if value is None else self.expression == self.bind(value, backend)

    def bind(self, value: Any, backend: str) -> ColumnElement[Any]:
        """Return a value as a parameter: SQLAlchemy would write True and False into the SQL, and let nothing be compared with them."""
        return literal(value, self.key(backend).type)


def stable(statement: Any) -> Any:
    """Return a statement with its order made complete: by the keys of what it selects, where rows could be equal otherwise."""
    return statement.order_by(*(term.direction for term in _tie_breakers(statement, terms_of(statement))))


def terms_of(statement: Any, *, complete: bool = False) -> list[Term]:
    """Return what a statement is ordered by; `complete` adds the keys of what it selects.

    Raises:
        TypeError: for an order that says a name which the statement does not select.
    """
    certain = _certain_tables(statement)
    terms = [_read_term(clause, statement, certain) for clause in statement._order_by_clauses]  # no public name
    return terms + _tie_breakers(statement, terms) if complete else terms


def follow(terms: Sequence[Term], values: Sequence[Any], backend: str) -> ColumnElement[bool]:
    """Return the criterion for the rows after one whose terms have these values."""
    first, *others = pairs = list(zip(terms, values, strict=True))
    beyond = [term.beyond(value, backend) for term, value in pairs]
    if not others:
        return beyond[0]
    is_uniform = all(not term.nullable and term.descending == terms[0].descending for term in terms) and None not in values
    if is_uniform and backend not in ("mysql", "mariadb"):  # which read the whole table for it
        row: Any = tuple_(*(term.expression for term in terms))
        place = tuple_(*(term.bind(value, backend) for term, value in pairs))
        compared: ColumnElement[bool] = row < place if terms[0].descending else row > place
        return compared
    criterion = beyond[-1]
    for (term, value), further in zip(pairs[-2::-1], beyond[-2::-1], strict=True):
        criterion = or_(further, and_(term.equal(value, backend), criterion))
    # Said once more at the front, so that an index on the first term finds where to begin.
    return and_(or_(beyond[0], first[0].equal(first[1], backend)), criterion)


def _read_term(clause: Any, statement: Any, certain: AbstractSet[Any]) -> Term:
    descending, nulls_first = False, False
    while True:
        if isinstance(clause, Label) or type(clause).__name__ == "_label_reference":
            clause = clause.element
        elif type(clause).__name__ == "_textual_label_reference":
            clause = _selected(statement, clause.element)
        elif isinstance(clause, UnaryExpression) and clause.modifier in _MODIFIERS:
            descending = descending or clause.modifier is operators.desc_op
            nulls_first = nulls_first or clause.modifier is operators.nulls_first_op
            clause = clause.element
        else:
            return Term(clause, descending, not _is_certain(clause, certain), nulls_first)


def _selected(statement: Any, name: str) -> Any:
    try:
        return statement.selected_columns[name]
    except KeyError:
        raise TypeError(f"the statement is ordered by {name!r}, which it does not select: order by an attribute") from None


def _tie_breakers(statement: Any, terms: Sequence[Term]) -> list[Term]:
    """Return the terms without which rows could be equal, in the direction of the last one, so that one index serves them all."""
    ordered = {term.expression for term in terms}
    certain, descending = _certain_tables(statement), bool(terms) and terms[-1].descending
    missing = [key for key in _keys(statement, ordered, certain) if key not in ordered]
    return [_read_term(key.desc() if descending else key, statement, certain) for key in dict.fromkeys(missing)]


def _keys(statement: Any, ordered: AbstractSet[Any], certain: AbstractSet[Any]) -> list[Any]:
    """Return the expressions that tell the rows of a statement apart; none if those in `ordered` do already."""
    if not isinstance(statement, Select):
        return []
    if statement._group_by_clauses:
        return list(statement._group_by_clauses)
    keys: dict[int, list[Any]] = {}
    for one in statement.column_descriptions:
        entity, expression = one.get("entity"), one["expr"]
        if statement._distinct and expression is not entity:
            keys[id(expression)] = [getattr(expression, "__clause_element__", lambda: expression)()]  # noqa: B023 - called at once
        elif entity is not None:
            keys[id(entity)] = _primary_key(entity)
        elif isinstance(expression, Column) and isinstance(expression.table, Table):
            keys[id(expression.table)] = list(expression.table.primary_key)
    if len(keys) == 1 and any(_is_certain(one, certain) and is_unique(one) for one in ordered):
        return []
    return [expression for expressions in keys.values() for expression in expressions]


def _primary_key(entity: Any) -> list[Any]:
    mapper = inspect(entity).mapper
    return [getattr(entity, mapper.get_property_by_column(column).key).__clause_element__() for column in mapper.primary_key]


def _certain_tables(statement: Any) -> frozenset[Any]:
    """Return the tables whose columns have their values in every row: an outer join may leave those of the others out."""
    described = statement.column_descriptions[:1] if isinstance(statement, Select) else ()
    for one in described:
        if one.get("entity") is not None:
            inspected = inspect(one["entity"])
            return frozenset([inspected.selectable] if inspected.is_aliased_class else inspected.mapper.tables)
        if isinstance(one["expr"], Column):
            return frozenset([one["expr"].table])
    return frozenset()


def _is_certain(expression: Any, certain: AbstractSet[Any]) -> bool:
    """Whether an expression is a column with a value in every row."""
    return isinstance(expression, Column) and not expression.nullable and expression.table in certain


_MODIFIERS = (operators.asc_op, operators.desc_op, operators.nulls_first_op, operators.nulls_last_op)
