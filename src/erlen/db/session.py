"""The session of each colour: when a transaction begins, ends, and what happens after it (DESIGN, Lifecycles 2 to 4)."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from inspect import isawaitable
from threading import get_ident
from typing import TYPE_CHECKING, Any, Concatenate, Literal, ParamSpec, TypeAlias, TypeVar

from sqlalchemy import Connection, Engine, Select, TextClause, event, inspect, orm
from sqlalchemy.exc import DBAPIError, PendingRollbackError, StatementError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext import asyncio
from sqlalchemy.orm.exc import StaleDataError
from sqlalchemy.util import await_

from erlen.db.aborted import ADVICE
from erlen.db.engines import is_memory
from erlen.db.locks import Locked
from erlen.db.mixins import SoftDelete, hide_deleted, stale_conflict
from erlen.db.queries import AsyncQueries, Queries
from erlen.db.reading import NeedsTransaction, may_change
from erlen.db.relations import AsyncRelations, Relations, load_for_peers
from erlen.db.validation import validate_pending
from erlen.db.violations import PoolExhausted, explain, refusal_of
from erlen.errors import ErlenError

if TYPE_CHECKING:
    from sqlalchemy.orm import ORMExecuteState, SessionTransaction

    from erlen.db.database import Database
    from erlen.db.engines import EngineColour

__all__ = ["AsyncSession", "Isolation", "Session"]

P = ParamSpec("P")
R = TypeVar("R")
Isolation: TypeAlias = Literal["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"]
Hook: TypeAlias = "tuple[SessionTransaction | None, Callable[[], Any]]"


class Session(Relations, Queries, orm.Session):
    """A SQLAlchemy session that knows its database, and whether it only reads.

    A `reading` session runs in autocommit, which costs no BEGIN and no ROLLBACK, until it writes: its first flush, INSERT, UPDATE,
    DELETE, lock or unknown text begins a transaction, also where they are part of a SELECT. What a database's functions do cannot be
    known: call `start_writing()` before `select(func.next_invoice())`. Another begins one with its first statement (on SQLite with
    `BEGIN IMMEDIATE`, so that reading first and then writing waits for its turn instead of failing).

    Objects stay as they are after a commit: nothing is loaded anew behind your back.

    Args:
        database: where to.
        reading: begin without a transaction.
        colour: `thread`, or `loop` for the session inside an `AsyncSession`.
        strict: refuse to load relations that were not asked for (`NotLoaded`), with the line to mend.
        primary: read from the primary database, also where there are replicas.
        apart: take connections from a pool of its own: sessions that wait for a second one must not wait for each other.
    """

    def __init__(
        self,
        database: Database,
        *,
        reading: bool = False,
        colour: EngineColour = "thread",
        strict: bool = False,
        primary: bool = True,
        apart: bool = False,
        **options: Any,
    ) -> None:
        options.pop("binds", None)
        options.setdefault("expire_on_commit", False)
        options.setdefault("join_transaction_mode", "create_savepoint")
        super().__init__(**options)
        self.database = database
        self.colour: EngineColour = colour
        self.strict = strict
        self._reading = reading
        self._primary = primary or not database.has_replicas
        self._replica = ""
        self._apart = apart
        self._wrote = False
        self._locked = False
        self._streams = False
        self._after_commit: list[Hook] = []
        self._after_rollback: list[Hook] = []
        self._committed = False
        self._uses: list[None] = []
        self._ends = options.get("close_resets_only") is False
        self._ended_by: object = None
        self._abandoned = False

    # -- where statements go ------------------------------------------------------------------------------------------------

    def get_bind(self, mapper: Any = None, *, clause: Any = None, bind: Any = None, **options: Any) -> Engine | Connection:
        """Return the engine's view for a statement: the database of its model, for reading or writing."""
        if bind is not None:
            return bind  # type: ignore[no-any-return]
        name = self.database.name_for(mapper, clause)
        if self.database.bound:
            return self.database.bound[name]
        if not self._reading:
            # What is written while a stream is read has a second connection: sessions that wait for one must not hold each other's up.
            return self.database.engines(name, self.colour, apart=self._apart or self._streams).writer
        if self._primary or name != "default":
            return self.database.engines(name, self.colour).reader
        self._replica = self._replica or self.database.next_replica()
        replica = self.database.engines(self._replica, self.colour)
        return replica.writer if self._streams and replica.engine.dialect.name == "postgresql" else replica.reader

    @property
    def is_reading(self) -> bool:
        """Whether no transaction was needed yet."""
        return self._reading

    @property
    def has_written(self) -> bool:
        """Whether its present transaction has written."""
        return self._wrote

    def connection(self, *arguments: Any, **options: Any) -> Connection:
        """Return the connection of the transaction, which begins one: what is run on it cannot be looked at before."""
        self.start_writing()
        self._wrote = True
        try:
            return super().connection(*arguments, **options)
        except PoolTimeout as error:
            raise PoolExhausted from error

    def begin(self, nested: bool = False) -> SessionTransaction:
        """Begin a transaction by name: `with db.begin(): …`, as SQLAlchemy documents it."""
        self.start_writing()
        return super().begin(nested)

    def begin_nested(self) -> SessionTransaction:
        """Begin a savepoint: `with db.begin_nested(): …` undoes what is within it where that fails."""
        self.start_writing()
        return super().begin_nested()

    savepoint = begin_nested

    def start_writing(self) -> None:
        """Go on in a transaction; a session that already does is left alone."""
        if self._reading:
            self._reading = False
            self._primary = True  # a replica may not have yet what it writes
            if not self.database.bound and not self._streams:  # a test's one connection is in a transaction already
                self._let_go()

    def _begin_stream(self, name: str) -> None:
        """Prepare for a statement whose rows a database holds back, in a session that reads.

        PostgreSQL does so as long as a transaction lasts: on a replica one that only reads. SQLite in memory lets nobody write meanwhile,
        not even this session. Elsewhere the session writes through a second connection, and the stream goes on.
        """
        url = self.database.url(name)
        is_replica = name == "default" and not self._primary
        if is_memory(url) or (url.get_backend_name() == "postgresql" and not is_replica):
            self.start_writing()
        elif not self._streams:
            if not self.database.bound:
                self._let_go()  # it would be one connection more
            self._streams = True

    def use_isolation(self, level: Isolation) -> None:
        """Run the transaction at another isolation level than the engine's; before its first statement.

        SQLite's transactions are always serializable.

        Raises:
            ErlenError: if the transaction has begun.
        """
        if (self._streams or not self._reading) and self._is_begun():
            raise ErlenError("the transaction has begun: call use_isolation() before the session's first statement")
        self.start_writing()
        if self.get_bind().dialect.name != "sqlite":
            super().connection(execution_options={"isolation_level": level})

    @contextmanager
    def independent(self) -> Generator[Session, None, None]:
        """Open a second session whose transaction is kept whatever becomes of this one: `with db.independent() as other: …`.

        For what must survive a refusal, such as counting failed log-ins. It is committed at the end of the block. Objects belong to the
        session that loaded them: load them anew in this one.

        SQLite has one writer at a time: there it must come before this session's first write or lock. It lets others write in between,
        so that what this session has read may be out of date afterwards: open it first, or read with `for_update` after it.

        Raises:
            ErlenError: on SQLite, if this session has written or locked already.
        """
        self._make_way()
        with Session(self.database, colour=self.colour, strict=self.strict, apart=True) as other:
            yield other
            other.commit()

    def _make_way(self) -> None:
        """Release the lock of a transaction that has written nothing and promised nobody to hold it, where only one can write."""
        if self._reading or not (self.database.bound or self.get_bind().dialect.name == "sqlite"):
            return
        if self._wrote or self._locked:
            raise ErlenError(
                f"independent() comes after this session has {'written' if self._wrote else 'locked rows'}, and SQLite has one writer at a "
                f"time: open it before the first {'write' if self._wrote else 'lock'}, or commit first"
            )
        self._let_go()

    def _let_go(self) -> None:
        """End a transaction that has written nothing; loaded objects stay as they are."""
        transaction = self.get_transaction()
        if transaction is not None:
            transaction.close()

    def _is_begun(self) -> bool:
        transaction = self.get_transaction()
        return transaction is not None and bool(transaction._connections)

    # -- writing --------------------------------------------------------------------------------------------------------------

    def flush(self, objects: Sequence[Any] | None = None) -> None:
        """Write what has changed.

        Raises:
            ValidationError: for values that do not fit, found by the models or by the database.
            Conflict: for a row that somebody else has changed or deleted, where the model is `Versioned`.
        """
        if self._is_clean() and not self._flushing:
            return  # before most statements, and then nothing below has anything to do
        self._write_changes()
        self._explained(super().flush, objects)

    def commit(self) -> None:
        """Write what has changed and end the transaction.

        Raises:
            ValidationError: as `flush`; also for constraints that the database looks at only now.
        """
        self._write_changes()
        self._explained(super().commit)

    def _execute_internal(self, statement: Any, *arguments: Any, **options: Any) -> Any:  # what `execute`, `scalars` and loading call
        is_first = options.get("_parent_execute_state") is None
        if is_first and (
            self.execution_options or self.dispatch.do_orm_execute or not _is_plain(statement, options.get("execution_options"))
        ):
            options["_add_event"] = _see_statement
        self._begin_use()
        try:
            return super()._execute_internal(statement, *arguments, **options)
        except NeedsTransaction:
            self.start_writing()
            self._wrote = True
            return super()._execute_internal(statement, *arguments, **options)
        except _REFUSALS as error:
            refusal = refusal_of(error)
            if refusal is None:
                raise
            entity = getattr(statement, "entity_description", {}).get("entity")  # of an ORM statement that writes
            if entity is not None and isinstance(error, DBAPIError) and not isinstance(refusal, Locked):
                refusal = explain(error, inspect(entity).registry.mappers) or refusal
            raise refusal from error
        finally:
            self._end_use()

    def bulk_save_objects(self, *arguments: Any, **options: Any) -> None:
        """SQLAlchemy's own, which looks at no flush: prefer `bulk_insert`."""
        self._write_in_bulk(super().bulk_save_objects, *arguments, **options)

    def bulk_insert_mappings(self, *arguments: Any, **options: Any) -> None:
        """SQLAlchemy's own, which looks at no flush: prefer `bulk_insert`."""
        self._write_in_bulk(super().bulk_insert_mappings, *arguments, **options)

    def bulk_update_mappings(self, *arguments: Any, **options: Any) -> None:
        """SQLAlchemy's own, which looks at no flush."""
        self._write_in_bulk(super().bulk_update_mappings, *arguments, **options)

    def _write_in_bulk(self, write: Callable[..., None], *arguments: Any, **options: Any) -> None:
        self.start_writing()
        self._wrote = True
        self._explained(write, *arguments, **options)

    def _write_changes(self) -> None:
        """Begin to write if objects have changed; before a commit begins, which cannot exchange its own transaction."""
        if self._reading and not self._is_clean():
            self.start_writing()

    def _explained(self, write: Callable[..., None], *arguments: Any, **options: Any) -> None:
        """Write, and say what a database refuses as the models would: as faults of fields."""
        self._begin_use()
        try:
            write(*arguments, **options)
        except PendingRollbackError as error:
            error.add_note(ADVICE)
            raise
        except StaleDataError as error:
            raise stale_conflict(error) from error
        except _REFUSALS as error:
            refusal = (explain(error, self) if isinstance(error, DBAPIError) else None) or refusal_of(error)
            if refusal is None:
                raise
            raise refusal from error
        finally:
            self._end_use()

    def after_commit(self, function: Callable[..., Any], *arguments: Any, **keywords: Any) -> None:
        """Call a function once this transaction is committed; an `async def` too, in an `AsyncSession`.

        It is forgotten where the transaction, or the savepoint it was said in, is rolled back. What it raises reaches whoever
        committed, after the other functions have run; nothing is undone.
        """
        self._after_commit.append((self.get_nested_transaction(), lambda: function(*arguments, **keywords)))

    def after_rollback(self, function: Callable[..., Any], *arguments: Any, **keywords: Any) -> None:
        """Call a function if this transaction, or the savepoint it is said in, is rolled back."""
        self._after_rollback.append((self.get_nested_transaction(), lambda: function(*arguments, **keywords)))

    def finish(self, *, keep: bool) -> None:
        """Commit or roll back at the end of a request or block, whatever was begun.

        Raises:
            ErlenError: if a task or thread that was not waited for is using the session; nothing is kept then.
        """
        if self._leave_to_others():
            if keep:
                raise ErlenError(f"the session is still in use by a task or thread that was not waited for: {_OWN_SESSION}")
            return
        try:
            self._finish(keep)
        finally:
            self._ended_by = None

    def _finish(self, keep: bool) -> None:
        if not keep:
            self._committed = False
            self.rollback()
            self._run(self._take(self._after_rollback, None))
            self._after_commit.clear()
            return
        self._write_changes()
        if self._reading and not self.database.bound:
            self._let_go()
            self._run(self._take(self._after_commit, None))
        else:
            self.commit()
        while self._wrote or not self._is_clean():  # by what was called after the commit
            self.commit()

    def close(self) -> None:
        """Give the connection back; objects and what was not committed are let go of."""
        if not self._leave_to_others():
            super().close()
            self._ended_by = self if self._ends else None

    # -- tasks and threads that outlive the handler ---------------------------------------------------------------------------

    def _leave_to_others(self) -> bool:
        """Begin the session's end, unless others are using it: whoever is the last of them throws its connection away."""
        self._ended_by = self._ended_by or _user(self.colour)  # said before others are looked for, as they look for it after they begin
        if self._uses:
            self._abandoned, self._ended_by = True, self
        return self._abandoned

    def _begin_use(self) -> None:
        self._uses.append(None)
        if self._ended_by is not None and self._ended_by != _user(self.colour):
            self._end_use()
            raise ErlenError(f"the session was closed at the end of its request or block: {_OWN_SESSION}")

    def _end_use(self) -> None:
        self._uses.pop()
        if self._abandoned and not self._uses:
            self.invalidate()

    def __before_encode__(self) -> None:
        """Write what the handler has added, so that its answer shows the keys that the database gives."""
        if not self._is_clean():
            self.flush()

    def __before_stream__(self) -> None:
        """Commit before the first byte of a streamed answer; what the stream reads, it reads without a transaction."""
        self.finish(keep=True)
        self._reading = True

    def _take(self, hooks: list[Hook], within: SessionTransaction | None) -> list[Callable[[], Any]]:
        """Remove and return the hooks that were said in a transaction or a savepoint within it."""
        taken = [function for said_in, function in hooks if within is None or _is_within(said_in, within)]
        hooks[:] = [] if within is None else [hook for hook in hooks if not _is_within(hook[0], within)]
        return taken

    def _run(self, functions: Sequence[Callable[[], Any]]) -> None:
        failure: Exception | None = None
        for function in functions:
            try:
                result = function()
                if isawaitable(result):
                    await_(result)
            except Exception as error:  # noqa: BLE001 - raised again, once the others have run
                failure = failure or error
        if failure is not None:
            raise failure


class AsyncSession(AsyncRelations, AsyncQueries, asyncio.AsyncSession):
    """`Session` for `async def` code; see there.

    SQLAlchemy's own: each method that touches the database is awaited. `sync_session` is the `Session` inside.
    """

    sync_session_class = Session
    sync_session: Session  # pyright: ignore[reportIncompatibleVariableOverride]  # what `sync_session_class` makes

    def __init__(self, database: Database, **options: Any) -> None:
        super().__init__(database=database, colour="loop", **options)

    if TYPE_CHECKING:

        async def run_sync(self, fn: Callable[Concatenate[Session, P], R], *args: P.args, **kwargs: P.kwargs) -> R: ...

    @property
    def database(self) -> Database:
        return self.sync_session.database

    @property
    def is_reading(self) -> bool:
        """Whether no transaction was needed yet."""
        return self.sync_session.is_reading

    def savepoint(self) -> asyncio.AsyncSessionTransaction:
        """Begin a savepoint: `async with db.savepoint(): …` undoes what is within it where that fails."""
        return self.begin_nested()

    async def start_writing(self) -> None:
        """Go on in a transaction; a session that already does is left alone."""
        await self.run_sync(Session.start_writing)

    async def use_isolation(self, level: Isolation) -> None:
        """Run the transaction at another isolation level; see `Session.use_isolation`."""
        await self.run_sync(Session.use_isolation, level)

    @asynccontextmanager
    async def independent(self) -> AsyncGenerator[AsyncSession, None]:
        """Open a second session whose transaction is kept whatever becomes of this one; see `Session.independent`."""
        await self.run_sync(Session._make_way)
        async with AsyncSession(self.database, strict=self.sync_session.strict, apart=True) as other:
            yield other
            await other.commit()

    def after_commit(self, function: Callable[..., Any], *arguments: Any, **keywords: Any) -> None:
        """Call a function, `def` or `async def`, once this transaction is committed; see `Session.after_commit`."""
        self.sync_session.after_commit(function, *arguments, **keywords)

    def after_rollback(self, function: Callable[..., Any], *arguments: Any, **keywords: Any) -> None:
        """Call a function if this transaction, or the savepoint it is said in, is rolled back."""
        self.sync_session.after_rollback(function, *arguments, **keywords)

    async def finish(self, *, keep: bool) -> None:
        """Commit or roll back at the end of a request or block, whatever was begun."""
        await self.run_sync(lambda _: self.sync_session.finish(keep=keep))

    async def __before_encode__(self) -> None:
        if self.new or self.dirty or self.deleted:
            await self.flush()

    async def __before_stream__(self) -> None:
        await self.run_sync(Session.__before_stream__)


def _user(colour: EngineColour) -> object:
    """Return what is running: the thread, or the task of the event loop."""
    if colour == "thread":
        return get_ident()
    from asyncio import current_task

    return current_task()


_LOOKED_AT = frozenset({"stream_results", "yield_per", "strict"})
"""Options of statements that decide how they are executed."""


def _is_within(inner: SessionTransaction | None, outer: SessionTransaction) -> bool:
    while inner is not None:
        if inner is outer:
            return True
        inner = inner.parent
    return False


@event.listens_for(Session, "before_flush")
def _see_pending(session: Session, *_: Any) -> None:
    validate_pending(session)


def _is_plain(statement: Any, options: Mapping[str, Any] | None) -> bool:
    """Whether a statement only reads, and nothing of what `_see_statement` looks for can be in it.

    PERF: SQLAlchemy prepares a statement twice where a session has listeners to `do_orm_execute`: a tenth of a `get`.
    """
    if type(statement) is not Select or statement._for_update_arg is not None or SoftDelete.__subclasses__():
        return False
    if statement._execution_options and not _LOOKED_AT.isdisjoint(statement._execution_options):
        return False
    if not options:
        return True
    loading = options.get("_sa_orm_load_options")
    return _LOOKED_AT.isdisjoint(options) and (loading is None or (loading._refresh_state is None and loading._lazy_loaded_from is None))


def _see_statement(state: ORMExecuteState) -> Any:
    """Look at a statement before it is executed, and answer what can be loaded for all peers."""
    hide_deleted(state)
    _see_writing(state)
    return load_for_peers(state)  # after the others, whose statements it sees


def _see_writing(state: ORMExecuteState) -> None:
    session = state.session
    assert isinstance(session, Session)
    statement: Any = getattr(state.statement, "element", state.statement)  # of `from_statement(…)` and `text(…).columns(…)`
    if state.is_insert or state.is_update or state.is_delete or (isinstance(statement, TextClause) and may_change(statement.text)):
        session.start_writing()
        session._wrote = True
    elif getattr(statement, "_for_update_arg", None) is not None:
        session.start_writing()
        session._locked = True
    elif session._reading and (state.execution_options.get("stream_results") or state.execution_options.get("yield_per")):
        arguments = state.bind_arguments
        session._begin_stream(session.database.name_for(arguments.get("mapper"), arguments.get("clause")))


@event.listens_for(Session, "after_flush")
def _see_flush(session: Session, *_: Any) -> None:
    session._wrote = True


@event.listens_for(Session, "after_commit")
def _see_commit(session: Session) -> None:
    session._committed = not session.in_nested_transaction()


@event.listens_for(Session, "after_soft_rollback")
def _see_rollback(session: Session, previous: SessionTransaction) -> None:
    if previous.nested:
        session._take(session._after_commit, previous)
        session._run(session._take(session._after_rollback, previous))


@event.listens_for(Session, "after_transaction_end")
def _see_end(session: Session, transaction: SessionTransaction) -> None:
    if transaction.parent is not None:
        return
    session._wrote = session._locked = session._streams = False
    if session._committed:
        session._committed = False
        session._after_rollback.clear()
        session._run(session._take(session._after_commit, None))


_REFUSALS = (StatementError, PoolTimeout, OverflowError, UnicodeEncodeError)
"""What a database, its driver, its pool or SQLAlchemy's types raise for a statement that they do not take."""
_OWN_SESSION = (
    "wait for it before the handler returns, or give it a session of its own: `async with database.async_session() as db: …` in a task, "
    "`with database.session() as db: …` in a thread"
)
