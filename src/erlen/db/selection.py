"""What a statement selects: from a model or a statement to rows, and to other columns of the same rows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, TypeVarTuple

from sqlalchemy import ColumnExpressionArgument, Executable, Result, Select, func, inspect, literal_column, select
from sqlalchemy.exc import MultipleResultsFound, NoResultFound
from sqlalchemy.orm import LoaderCriteriaOption
from sqlalchemy.sql.selectable import TypedReturnsRows

from erlen.db.ordering import default_order
from erlen.errors import ErlenError

if TYPE_CHECKING:
    from erlen.db.queries import Queries

__all__ = [
    "MultipleFound",
    "NoneFound",
    "Source",
    "backend_of",
    "count_rows",
    "each_once",
    "fetch_all",
    "has_rows",
    "is_limited",
    "statement_of",
    "title_of",
    "value_of",
]

Item = TypeVar("Item")
# A statement for several columns: at least two of them.
One = TypeVar("One")
Two = TypeVar("Two")
Columns = TypeVarTuple("Columns")

Source: TypeAlias = "type[Item] | TypedReturnsRows[Item]"
"""What a query is about: a model, or a statement with one column."""


class NoneFound(ErlenError, NoResultFound):
    """No row was found where there must be one."""


class MultipleFound(ErlenError, MultipleResultsFound):
    """Several rows were found where there may be one."""


def statement_of(what: Any, where: Iterable[ColumnExpressionArgument[bool]] = (), *, ordered: bool = True) -> Any:
    """Return the statement for a model or a statement, with more criteria; a model's rows come in its default order.

    Raises:
        TypeError: for criteria to a statement that takes none, such as `text()`.
    """
    if isinstance(what, Executable):
        statement: Any = what
    else:
        statement = select(what)
        if ordered:
            statement = statement.order_by(*default_order(what))
    if not where:
        return statement
    if not hasattr(statement, "where"):
        raise TypeError(f"a {type(statement).__name__} takes no criteria: say them in the statement")
    return statement.where(*where)


def value_of(row: Any) -> Any:
    """Return the value of a row with one column, the row itself if it has several; None for none."""
    # Not by the result's keys: an aliased model has none.
    return row[0] if row is not None and len(row) == 1 else row


def each_once(result: Result[*tuple[Any, ...]]) -> Result[*tuple[Any, ...]]:
    """Return a result in which no object comes again for each member of a collection that was joined to it."""
    # The ORM marks such results, and lets only `unique()` be called on them; there is no public sign of it.
    return result if getattr(result, "_unique_filter_state", None) is None else result.unique()


def fetch_all(db: Queries, statement: Executable, **options: Any) -> list[Any]:
    """Execute a statement and return all its values or rows."""
    rows = list(each_once(db.execute(statement, execution_options=options)).all())
    return [row[0] for row in rows] if rows and len(rows[0]) == 1 else rows


def count_rows(db: Queries, statement: Any, *, limit: int | None = None) -> int:
    """Return how many rows a statement gives; no more than `limit` are counted."""
    if limit is None:
        counting = _over(statement, func.count())
    else:
        rows = _over(statement, literal_column("1").label("one")).limit(limit)
        counting = _around(rows, func.count())
    return int(db.scalar(counting) or 0)


def has_rows(db: Queries, statement: Any) -> bool:
    """Return whether a statement gives any row."""
    return db.scalar(_over(statement, literal_column("1")).limit(1)) is not None


def is_limited(statement: Any) -> bool:
    """Whether a statement says which part of its rows it wants."""
    return bool(statement._has_row_limiting_clause)


def backend_of(db: Queries, what: Any) -> str:
    """Return which engine a model or statement is for: `sqlite`, `postgresql`, `mysql` or `mariadb`."""
    described = getattr(what, "column_descriptions", None)
    entity = what if isinstance(what, type) else described[0].get("entity") if described else None
    mapper = None if entity is None else inspect(entity).mapper
    return db.database.url(db.database.name_for(mapper, what if isinstance(what, Executable) else None)).get_backend_name()


def title_of(what: Any) -> str:
    """Return what a query is about, as an error may name it."""
    if isinstance(what, type):
        return what.__name__
    described = getattr(what, "column_descriptions", None)
    return str(described[0]["name"]) if described else "row"


def _over(statement: Any, *columns: Any) -> Select[*tuple[Any, ...]]:
    """Return a statement for other columns of the same rows, in no order."""
    if not hasattr(statement, "order_by"):
        raise TypeError(
            f"a {type(statement).__name__} cannot be counted: select from it, `select(…).select_from(text(…).columns(…).subquery())`"
        )
    # PERF: a subquery costs MySQL a temporary table, so where rows are whole objects the columns are replaced instead.
    if isinstance(statement, Select) and not _is_reduced(statement) and all(_is_entity(one) for one in statement.column_descriptions):
        return statement.with_only_columns(*columns, maintain_column_froms=True).order_by(None)
    return _around(statement.order_by(None), *columns)


def _around(statement: Any, *columns: Any) -> Select[*tuple[Any, ...]]:
    """Return a statement for columns of a subquery, under the criteria of the inner one: SQLAlchemy looks only at the outer's."""
    criteria = [option for option in statement._with_options if isinstance(option, LoaderCriteriaOption)]  # no public name
    outer = select(*columns).select_from(statement.subquery()).options(*criteria)
    return outer.execution_options(**statement.get_execution_options())


def _is_entity(description: Any) -> bool:
    return description.get("entity") is not None and description["expr"] is description["entity"]


def _is_reduced(statement: Select[*tuple[Any, ...]]) -> bool:
    """Whether a statement groups its rows, drops equal ones, or cuts them off; SQLAlchemy has no public names for these."""
    return bool(
        statement._group_by_clauses or statement._having_criteria or statement._distinct or statement._distinct_on or is_limited(statement)
    )
