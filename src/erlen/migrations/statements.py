"""The SQL of migrations, statement by statement, without touching the database that they are for."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType
from typing import Any, cast

from alembic.operations import BatchOperations, Operations
from alembic.runtime.migration import MigrationContext
from msgspec import Struct
from sqlalchemy import Connection, Dialect, Executable, Insert, TextClause, create_mock_engine, event
from sqlalchemy.engine.interfaces import ExecutionContext
from sqlalchemy.exc import SQLAlchemyError

from erlen.errors import ErlenError
from erlen.migrations.connection import scratch
from erlen.migrations.execution import Direction, configure, run, run_all, without_foreign_keys
from erlen.migrations.migration import HistoryError, Migration
from erlen.migrations.sql import split, tokens
from erlen.migrations.target import Target

__all__ = ["Statement", "statements_of"]

_DATA = ("insert", "update", "delete", "merge", "with", "copy", "select", "replace", "load", "call", "do", "values")


class Statement(Struct, frozen=True, kw_only=True):
    """One SQL statement of a migration, with its values written in; or a note, where the rest cannot be known."""

    sql: str
    """Without a semicolon; empty for a note."""
    migration: Migration
    line: int
    """The line of the migration's file that makes it; 0 where that is not known."""
    in_transaction: bool = True
    """Whether it runs in the migration's transaction; never on MySQL and MariaDB, which have none for schemas."""
    is_data: bool = False
    """Whether it reads or writes rows, not the schema."""
    note: str = ""
    """Why the statements from here on are not known: `not checked after line 12: …`; of one that was tried, `fails after line 12: …`."""


def statements_of(
    target: Target, migrations: Iterable[Migration], *, dialect: str | None = None, direction: Direction = "upgrade"
) -> list[Statement]:
    """Return what migrations send to a database, in the order in which they are given.

    For servers Alembic writes it without a connection. A migration that needs one, as it reads rows or the schema, runs in a scratch
    database instead, after those before it; so do all on SQLite, where tables that are altered are read first. Where there is no
    scratch database of the dialect, a note takes the place of what is not known.

    Args:
        target: what they belong to; its database is not touched.
        migrations: in the order in which they would be run.
        dialect: `sqlite`, `postgresql`, `mysql` or `mariadb`; the target's by default.
        direction: `upgrade` or `downgrade`.

    Raises:
        HistoryError: if a file does not load, or has no such direction.
    """
    dialect = dialect or target.dialect
    found: list[Statement] = []
    with ExitStack() as stack:
        tried = _Scratch(target, stack)
        for migration in migrations:
            recorder = _Recorder(migration, dialect)
            note = "it needs a connection" if dialect == "sqlite" else _offline(recorder, direction)
            if note and _is_same(dialect, target.dialect):
                recorder = _Recorder(migration, dialect)
                if note := tried.run(recorder, direction):
                    recorder.note("fails", note)
            elif note:
                recorder.note("not checked", f"{note}; the database here is {target.dialect}, not {dialect}")
            found += recorder.statements
    return found


class _Recorder:
    """Writes down the statements of one migration, each with the line it comes from."""

    def __init__(self, migration: Migration, dialect: str) -> None:
        self.migration = migration
        self.dialect = dialect
        self.statements: list[Statement] = []
        self.in_transaction = dialect not in ("mysql", "mariadb")
        self._file = str(migration.path)
        self._batch_line = 0

    def add(self, sql: str, *, in_transaction: bool | None = None) -> None:
        line = self._batch_line or self._line()
        for statement in split(sql, self.dialect):
            first = next((token.text for token in tokens(statement, self.dialect) if token.kind == "word"), "")
            self.statements.append(
                Statement(
                    sql=statement,
                    migration=self.migration,
                    line=line,
                    in_transaction=self.in_transaction if in_transaction is None else in_transaction,
                    is_data=first in _DATA,
                )
            )

    def note(self, what: str, reason: str) -> None:
        line = self.statements[-1].line if self.statements else 0
        place = f" after line {line}" if line else ""
        self.statements.append(Statement(sql="", migration=self.migration, line=line, note=f"{what}{place}: {reason}"))

    def watch(self, operations: Operations) -> None:
        """Remember the line of each operation of a batch: they are run together, at its end."""
        original = operations.batch_alter_table

        @contextmanager
        def batch_alter_table(*args: Any, **options: Any) -> Generator[BatchOperations, None, None]:
            with original(*args, **options) as batch:
                batch.impl.batch = _Batch(self)
                yield batch

        operations.batch_alter_table = batch_alter_table  # type: ignore[method-assign]

    def _line(self) -> int:
        frame: FrameType | None = sys._getframe(1)
        while frame is not None:
            if frame.f_code.co_filename == self._file:
                return frame.f_lineno
            frame = frame.f_back
        return 0


class _Batch(list[Any]):
    """The operations of a batch, which tell the recorder their lines as they are gone through."""

    def __init__(self, recorder: _Recorder) -> None:
        super().__init__()
        self._recorder = recorder
        self._lines: list[int] = []

    def append(self, item: Any) -> None:
        self._lines.append(self._recorder._line())
        super().append(item)

    def __iter__(self) -> Iterator[Any]:
        try:
            for item, line in zip(super().__iter__(), self._lines, strict=True):
                self._recorder._batch_line = line
                yield item
        finally:
            self._recorder._batch_line = 0


def _offline(recorder: _Recorder, direction: Direction) -> str:
    """Let Alembic write the SQL; return why it cannot, or an empty text."""
    context = MigrationContext.configure(
        dialect_name=recorder.dialect,
        dialect_opts={"paramstyle": "named"},  # which leaves percent signs as they are
        opts={"as_sql": True, "transactional_ddl": recorder.in_transaction, "literal_binds": True, "output_buffer": io.StringIO()},
    )
    transactional = recorder.in_transaction

    def execute(statement: Executable, parameters: Any = None) -> None:
        for each in parameters if isinstance(parameters, list | tuple) else [parameters]:
            if each and (text := _literal(statement, each, context.dialect)):
                recorder.add(text)
            else:
                context.impl.execute(statement)

    # Alembic's own forgets the parameters
    context.connection = context.impl.connection = create_mock_engine(f"{recorder.dialect}://", execute, paramstyle="named")  # type: ignore[assignment]
    context.impl.static_output = recorder.add  # type: ignore[method-assign,assignment]
    context.impl.emit_commit = lambda: setattr(recorder, "in_transaction", False)  # type: ignore[method-assign]
    context.impl.emit_begin = lambda: setattr(recorder, "in_transaction", transactional)  # type: ignore[method-assign]
    return _try(lambda: run(context, recorder.migration, direction, prepare=recorder.watch))


def _try(function: Callable[[], None]) -> str:
    try:
        function()
    except HistoryError:
        raise
    except Exception as error:  # noqa: BLE001 - a migration may raise anything where it gets no rows
        said = str(getattr(error, "orig", None) or error).strip().partition("\n")[0]
        return f"{type(error).__name__}: {said}" if said else type(error).__name__
    return ""


class _Scratch:
    """A scratch database, made when it is first needed, in which migrations are run and listened to."""

    def __init__(self, target: Target, stack: ExitStack) -> None:
        self._target = target
        self._stack = stack
        self._connection: Connection | None = None
        self._every: tuple[Migration, ...] = ()
        self._applied: list[Migration] = []

    def run(self, recorder: _Recorder, direction: Direction) -> str:
        try:
            connection = self._bring_to(recorder.migration, direction)
        except ErlenError as error:
            return str(error).partition("\n")[0]
        with without_foreign_keys(connection), _listening(connection, recorder):
            context = configure(connection)

            def step() -> None:
                with context.begin_transaction(_per_migration=True):
                    run(context, recorder.migration, direction, prepare=recorder.watch)

            failed = _try(step)
        if failed:
            connection.rollback()
        elif direction == "upgrade":
            self._applied.append(recorder.migration)
        else:
            self._applied.pop()
        return failed

    def _bring_to(self, migration: Migration, direction: Direction) -> Connection:
        """Run what comes before a migration, or for a way back also itself."""
        if self._connection is None:
            self._every = self._target.migrations()
            self._connection = self._stack.enter_context(scratch(self._target))
        wanted: list[Migration] = []
        for each in self._every:
            if each.revision == migration.revision:
                break
            wanted.append(each)
        if direction == "downgrade":
            wanted.append(migration)
        same = 0
        while same < min(len(wanted), len(self._applied)) and wanted[same].revision == self._applied[same].revision:
            same += 1
        try:
            while len(self._applied) > same:
                run_all(self._connection, [self._applied[-1]], "downgrade")
                self._applied.pop()
            for each in wanted[same:]:
                run_all(self._connection, [each])
                self._applied.append(each)
        except SQLAlchemyError as error:
            self._connection.rollback()
            raise HistoryError(f"the migrations before {migration.name} do not run: {error}") from error
        return self._connection


@contextmanager
def _listening(connection: Connection, recorder: _Recorder) -> Generator[None, None, None]:
    plain = cast("Callable[..., Dialect]", connection.engine.url.get_dialect())(paramstyle="named")

    def record(sent: Connection, cursor: object, sql: str, parameters: object, context: ExecutionContext, many: bool) -> None:
        if _is_reflection():
            return
        in_transaction = recorder.in_transaction and sent.get_execution_options().get("isolation_level") != "AUTOCOMMIT"
        for each in getattr(context, "compiled_parameters", None) or [{}]:
            text = _literal(context.invoked_statement, each, plain) if each else ""
            recorder.add(text or sql, in_transaction=in_transaction)

    event.listen(connection.engine, "before_cursor_execute", record)
    try:
        yield
    finally:
        event.remove(connection.engine, "before_cursor_execute", record)


def _literal(statement: Executable | None, parameters: Any, dialect: Dialect) -> str:
    """Return a statement with its values written in; empty where they cannot be."""
    if statement is None or not isinstance(parameters, dict):
        return ""
    try:
        if isinstance(statement, Insert):
            statement = statement.values(parameters)
        elif isinstance(statement, TextClause):
            statement = statement.bindparams(**parameters)
        return str(statement.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))  # type: ignore[attr-defined]
    except (SQLAlchemyError, TypeError, ValueError):
        return ""


def _is_reflection() -> bool:
    """Whether SQLAlchemy asks what there is, which is no part of a migration."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        if frame.f_code.co_filename.endswith(("sqlalchemy/engine/reflection.py", "sqlalchemy\\engine\\reflection.py")):
            return True
        if frame.f_code.co_name in ("has_table", "has_type", "has_sequence", "has_index"):
            return True
        frame = frame.f_back
    return False


def _is_same(dialect: str, other: str) -> bool:
    return dialect == other or {dialect, other} <= {"mysql", "mariadb"}
