"""What is asked of the databases: a log for each request, slow statements, statements that repeat, and counts for tests."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from time import perf_counter
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from sqlalchemy import Engine, event

from erlen.app.routes import Policy
from erlen.app.settings import is_secret
from erlen.app.site import Site
from erlen.db.caller import calling_line
from erlen.db.engines import Send, wrap_execution
from erlen.db.reading import NeedsTransaction
from erlen.db.violations import without_values
from erlen.errors import ErlenError
from erlen.http.request import Request, active_request

if TYPE_CHECKING:
    from erlen.http.response import Response

__all__ = [
    "LogQueries",
    "Query",
    "QueryLog",
    "assert_max_queries",
    "assert_queries",
    "queries_panel",
    "record_queries",
    "secrets_of",
    "watch",
]

REPEATS = 5
"""How often one statement may run in a request before development warns of it."""
LONGEST = 2000
"""Of a statement as it is shown, in characters."""
MASK = "•••"


class Query(Struct, frozen=True, eq=False):
    """One statement that was sent to a database."""

    statement: str
    """As it was sent."""
    parameters: Any
    """As they were sent: a tuple or mapping; a list of those for several rows."""
    names: Sequence[str] | None
    """Of the parameters, where they are sent by position and their names are known."""
    seconds: float
    """Until the database answered."""
    rows: int | None
    """Found or changed, where the driver knows it at once."""
    where: str
    """The line of your code that it was sent from, as `file:line`; empty where none is known."""
    database: str
    in_transaction: bool
    error: str = ""
    """What the database refused it with."""
    private: Callable[[], Iterable[str]] = tuple
    """Gives the names of columns whose values are not shown, besides those whose names say that they are secret."""
    given: Sequence[Mapping[str, Any]] = ()
    """The parameters by their names, before they were encrypted or otherwise made into what the driver takes."""

    @property
    def text(self) -> str:
        """The statement on one line, its lists of parameters left out."""
        text = _shape(" ".join(self.statement.split()))
        return text if len(text) <= LONGEST else text[:LONGEST] + "…"

    @property
    def shown_parameters(self) -> str:
        """The parameters for people, without the values of private columns and of those whose names say that they are secret."""
        many = isinstance(self.parameters, list)
        first: Any = self.parameters[0] if many and self.parameters else self.parameters
        shown = _shown(first, self.names, self._is_private)
        return f"{shown} and {len(self.parameters) - 1} more" if many and len(self.parameters) > 1 else shown

    @property
    def secrets(self) -> list[str]:
        """The texts among the parameters that are not shown."""
        values = [value for row in self.given for name, value in row.items() if self._is_private(name)]
        return [each for value in values for each in (value if isinstance(value, list) else [value]) if isinstance(each, str)]

    def _is_private(self, name: str) -> bool:
        # SQLAlchemy numbers the parameters of a column: `pin_1`, of a list `pin_1_2`.
        return is_secret(name) or any(name == each or name.startswith(f"{each}_") for each in self.private())

    def __str__(self) -> str:
        return f"{self.text}  ({self.where or 'no line of yours'})"


class QueryLog:
    """The statements of a request, or of a block: `record_queries`.

    Args:
        repeats: warn when one statement has run so often; None for never.
        outer: the log that is told of everything too.
    """

    def __init__(self, *, repeats: int | None = None, outer: QueryLog | None = None) -> None:
        self.queries: list[Query] = []
        self._repeats = repeats
        self._outer = outer
        self._lines: dict[str, Counter[str]] = {}

    @property
    def seconds(self) -> float:
        """How long all of them took."""
        return sum(query.seconds for query in self.queries)

    def add(self, query: Query) -> None:
        """Note a statement."""
        self.queries.append(query)
        if self._repeats is not None and _READS(query.statement):
            self._see_repeats(query, self._repeats)
        if self._outer is not None:
            self._outer.add(query)

    def _see_repeats(self, query: Query, most: int) -> None:
        lines = self._lines.setdefault(_shape(query.statement), Counter())
        lines[query.where] += 1
        if lines.total() == most:
            import logging

            logging.getLogger("erlen.db").warning(
                "one query ran %d times in this request (N+1), at %s: %s. Fix: load what the loop needs before it, in one query: "
                "`.where(….in_(ids))`, `.options(selectinload(…))`, or `db.load(objects, Model.relation)`",
                most,
                lines.most_common(1)[0][0] or "no line of yours",
                query.text,
            )

    def __len__(self) -> int:
        return len(self.queries)

    def __iter__(self) -> Iterator[Query]:
        return iter(self.queries)

    def __str__(self) -> str:
        return "\n".join(f"{number:>3}. {query}" for number, query in enumerate(self.queries, 1)) or "  none"


_active_log: ContextVar[QueryLog | None] = ContextVar("erlen.db.query_log", default=None)


# -- for tests --------------------------------------------------------------------------------------------------------------


@contextmanager
def record_queries(*, repeats: int | None = None) -> Generator[QueryLog, None, None]:
    """Log the statements of a block, of either colour, with those of the threads and tasks it starts.

    Args:
        repeats: warn when one statement has run so often.
    """
    log = QueryLog(repeats=repeats, outer=_active_log.get())
    token = _active_log.set(log)
    try:
        yield log
    finally:
        _active_log.reset(token)


@contextmanager
def assert_queries(count: int) -> Generator[QueryLog, None, None]:
    """Expect a number of statements: `with assert_queries(2): client.get("/articles")`.

    Raises:
        AssertionError: for another number; it lists them, each with its line.
    """
    __tracebackhide__ = True
    with record_queries() as log:
        yield log
    if len(log) != count:
        raise AssertionError(f"{_counted(len(log))} instead of {count}:\n{log}")


@contextmanager
def assert_max_queries(most: int) -> Generator[QueryLog, None, None]:
    """Expect at most a number of statements; see `assert_queries`."""
    __tracebackhide__ = True
    with record_queries() as log:
        yield log
    if len(log) > most:
        raise AssertionError(f"{_counted(len(log))} where at most {most} may be:\n{log}")


def _counted(count: int) -> str:
    return f"{count} {'query' if count == 1 else 'queries'}"


# -- for the application ----------------------------------------------------------------------------------------------------


class LogQueries(Policy):
    """Logs the statements of each request for the debug page, and warns of those that repeat. For development."""

    def before(self, request: Request) -> Response | None:
        """Begin the request's log, which lives in its context; threads that work for it have a copy of that."""
        request.state.query_log = log = QueryLog(repeats=REPEATS, outer=_active_log.get())
        _active_log.set(log)
        return None


def queries_panel(request: Request, error: BaseException) -> tuple[str, Sequence[tuple[str, str]]] | None:
    """Return the statements of a request for the page of an error; None where it sent none."""
    log: QueryLog | None = getattr(request.state, "query_log", None)
    if log is None or not log.queries:
        return None
    rows = [
        (
            f"{number}. {query.where or query.database}, {query.seconds * 1000:.1f} ms",
            " ".join(filter(None, [query.text, query.shown_parameters, query.error and f"→ {query.error}"])),
        )
        for number, query in enumerate(log, 1)
    ]
    return f"SQL: {_counted(len(log))}, {log.seconds * 1000:.1f} ms", rows


def secrets_of(request: Request) -> list[str]:
    """Return the texts that a request sent to private columns: its error page masks them wherever they are, as in a driver's variables."""
    log: QueryLog | None = getattr(request.state, "query_log", None)
    return [secret for query in log or () for secret in query.secrets]


def watch(engine: Engine, name: str, *, slow_query: float | None = None, private: Callable[[], Iterable[str]] = tuple) -> None:
    """Log what is sent through an engine, where there is a log, and what is slow.

    Args:
        engine: SQLAlchemy's; of an `AsyncEngine` its `sync_engine`.
        name: of the database.
        slow_query: log a line for statements that take more seconds than this.
        private: gives the names of columns whose values are never shown.
    """
    limit = math.inf if slow_query is None else slow_query

    def execute(send: Send, cursor: Any, statement: str, *rest: Any) -> None:
        log = _active_log.get()
        began = perf_counter()
        try:
            send(cursor, statement, *rest)
        except (ErlenError, NeedsTransaction):  # it was not sent
            raise
        except BaseException as error:
            note(log, perf_counter() - began, -1, statement, rest, error)
            raise
        seconds = perf_counter() - began
        if log is not None or seconds > limit:
            note(log, seconds, cursor.rowcount, statement, rest)

    def note(
        log: QueryLog | None, seconds: float, rows: int, statement: str, rest: Sequence[Any], error: BaseException | None = None
    ) -> None:
        if log is not None and _CONTROLS(statement):
            log = None  # what begins and ends transactions is no query: each engine says it in another way
        if log is None and seconds <= limit:
            return
        context = rest[-1]
        options = context.root_connection.get_execution_options()
        query = Query(
            statement=statement,
            parameters=rest[0] if len(rest) > 1 else (),
            names=getattr(getattr(context, "compiled", None), "positiontup", None),
            seconds=seconds,
            rows=rows if rows >= 0 else None,
            where=calling_line(),
            database=name,
            in_transaction=options.get("erlen_begin") != "" and options.get("isolation_level") != "AUTOCOMMIT",
            error="" if error is None else without_values(f"{type(error).__name__}: {error}"),
            private=private,
            given=getattr(context, "compiled_parameters", None) or (),
        )
        if log is not None:
            log.add(query)
        if seconds > limit:
            _tell_slow(query)

    # From the first connection on: what SQLAlchemy asks of the server there is nobody's query.
    event.listen(engine, "connect", lambda *_: wrap_execution(engine.dialect, execute), once=True)


def _tell_slow(query: Query) -> None:
    import logging

    request = active_request.get(None)
    debug = request is not None and isinstance(request.context, Site) and request.context.settings.debug
    # What the parameters hold is the users'; it stays out of a site's logs.
    extra = {"database": query.database, "parameters": query.shown_parameters} if debug else {"database": query.database}
    where = f" at {query.where}" if query.where else ""
    logging.getLogger("erlen.db").warning("slow query: %.2f s%s: %s", query.seconds, where, query.text, extra=extra)


def _shape(statement: str) -> str:
    """Return a statement without the lists of an IN, which are as long as there are values."""
    return _LISTS("(…)", _LIST("(…)", statement))


def _shown(values: Any, names: Sequence[str] | None, is_private: Callable[[str], bool]) -> str:
    if isinstance(values, Mapping):
        shown = [f"{name}={MASK if is_private(str(name)) else _brief(value)}" for name, value in values.items()]
    elif not isinstance(values, Sequence) or isinstance(values, str):
        return ""
    elif names is not None and len(names) == len(values):
        shown = [MASK if is_private(name) else _brief(value) for name, value in zip(names, values, strict=True)]
    else:
        # A list in the statement has more values than names: which is which cannot be said.
        hidden = any(map(is_private, names or ()))
        shown = [MASK if hidden else _brief(value) for value in values]
    return f"({', '.join(shown)})" if shown else ""


def _brief(value: Any) -> str:
    try:
        text = repr(value)
    except Exception as error:  # noqa: BLE001 - a repr of the user's may raise anything
        return f"<{type(value).__name__} whose repr raises {type(error).__name__}>"
    return text if len(text) <= 80 else text[:79] + "…"


_READS = re.compile(r"\s*+(?:SELECT|WITH)\b", re.IGNORECASE).match
_CONTROLS = re.compile(r"\s*+(?:BEGIN|COMMIT|ROLLBACK|SAVEPOINT|RELEASE)\b", re.IGNORECASE).match
# Parameters as the drivers write them: `?`, `%s`, `%(id_1_1)s`, `$1`, `$1::INTEGER`, `:id_1`; and several lists of them.
_LIST = re.compile(r"\(\s*+(?:(?:\?|%s|%\(\w++\)s|\$\d++|:\w++)(?:::[\w ]++)?\s*+,?\s*+)++\)").sub
_LISTS = re.compile(r"\(…\)(?:\s*+,\s*+\(…\))++").sub
