"""How a database goes about a query: `print(db.explain(select(Article)))`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import ClauseElement, Executable
from sqlalchemy.ext.compiler import compiles

from erlen.db.mixins import criteria
from erlen.db.selection import backend_of

if TYPE_CHECKING:
    from erlen.db.queries import Queries

__all__ = ["read_plan"]


class Explain(Executable, ClauseElement):
    """A query with the words before it that ask for its plan."""

    inherit_cache = False

    def __init__(self, query: Any, *, analyze: bool) -> None:
        self.query = query
        self.analyze = analyze


@compiles(Explain)
def _compile(element: Explain, compiler: Any, **options: Any) -> str:
    dialect = compiler.dialect
    words = _WORDS["mariadb" if getattr(dialect, "is_mariadb", False) else dialect.name][element.analyze]
    sql = compiler.process(element.query, **options)
    compiler._result_columns.clear()  # the rows are the plan's, not the query's; there is no public name for it
    return f"{words} {sql}"


def read_plan(db: Queries, query: Any, *, analyze: bool) -> str:
    """Return the plan of a query; see `Queries.explain`."""
    if not getattr(query, "is_select", False):
        raise TypeError(f"explain() takes a model or a select(), not {type(query).__name__}")
    if analyze and backend_of(db, query) == "sqlite":
        raise ValueError("SQLite measures no queries: leave out `analyze`")
    seen = query if query.get_execution_options().get("with_deleted") else criteria(query)
    described = getattr(query, "column_descriptions", None)  # not of a UNION
    about = {"clause": query, "mapper": described[0].get("entity") if described else None}
    return _text(db.execute(Explain(seen, analyze=analyze), bind_arguments=about).all())


def _text(rows: Any) -> str:
    """Return the lines of a plan; SQLite's rows have the number of the line that each belongs to."""
    depths = {0: -1}
    lines = []
    for row in rows:
        if len(row) > 1:
            depths[row[0]] = depths[row[1]] + 1
        lines.append("  " * (depths[row[0]] if len(row) > 1 else 0) + str(row[-1]))
    return "\n".join(lines)


_WORDS = {
    "sqlite": ("EXPLAIN QUERY PLAN", ""),
    "postgresql": ("EXPLAIN", "EXPLAIN (ANALYZE, BUFFERS)"),
    "mysql": ("EXPLAIN FORMAT=TREE", "EXPLAIN ANALYZE"),
    "mariadb": ("EXPLAIN FORMAT=JSON", "ANALYZE FORMAT=JSON"),
}
