"""Migrations, run: planned, one deploy at a time, each recorded with what it does."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from types import ModuleType
from typing import Any

from msgspec import Struct
from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from erlen.db.database import Database
from erlen.db.engines import is_memory, wrap_execution
from erlen.db.locks import is_locked
from erlen.errors import ErlenError
from erlen.migrations.adoption import adoption_of
from erlen.migrations.connection import Limits, connect, open_engine
from erlen.migrations.execution import Direction, configure, without_foreign_keys
from erlen.migrations.execution import run as run_file
from erlen.migrations.locks import Busy, holders, limit, not_to_be_had, one_at_a_time, pauses, process_of
from erlen.migrations.migration import HistoryError, Migration
from erlen.migrations.plan import Plan, Step, plan_rollback, plan_upgrade, replaced_by
from erlen.migrations.records import Progress, Record, State, forget, has_table, make_table, read_records, record, set_synced
from erlen.migrations.sqlite import ForeignKeyFault, foreign_key_faults
from erlen.migrations.target import FOLDER, Target
from erlen.migrations.tracking import Interrupted, Observer, Tracker, Watch

__all__ = ["MigrationError", "Options", "Runner", "migrate", "open_runner", "rollback"]

_PATIENCE = 2.0
"""Seconds after which a statement that still runs is told of."""
_STEPS = 50_000
"""How many instructions SQLite runs between two looks at the clock."""


class MigrationError(ErlenError):
    """A migration that did not go through: where in its file, what the database said, and what of it is kept."""


class Options(Struct, frozen=True, kw_only=True):
    """How migrations are run."""

    limits: Limits = Limits()
    """Time limits of statements; a migration may have its own, with `lock_timeout = …` or `statement_timeout = …` at its top."""
    wait: float = 600.0
    """For how many seconds to wait for another process that migrates the database."""
    repeat: bool = False
    """Whether statements on rows that commit by themselves may be run again where an earlier run was interrupted among them."""


def migrate(
    database: Database | Target,
    to: str | None = None,
    *,
    options: Options | None = None,
    observer: Observer | None = None,
    fake: bool = False,
    every: bool = False,
) -> list[Migration]:
    """Bring a database to a migration, by default to the last; for deployments and tests, and what `erlen db migrate` does.

    Only one process at a time migrates a database: others wait, and then find nothing left to do. It stops before a migration that has
    `after_deploy = "…"` at its top, unless that is the first to be run, or the database has none yet.

    Args:
        database: whose migrations are in `migrations` beside the application; of several databases, each that has some. A `Target` for
            one of them.
        to: number, name or revision of the last migration to be run.
        options: time limits, and for how long to wait for another process.
        observer: told what happens.
        fake: record the migrations without running them.
        every: do not stop where something must be deployed before.

    Returns:
        the migrations that were run or recorded.

    Raises:
        HistoryError: if the migrations make no chain, or there is none of this name.
        MigrationError: if one of them fails.
        Busy: if another process holds what is needed for longer than was to be waited.
    """
    observer = observer or Observer()
    done: list[Migration] = []
    for target in targets(database):
        with open_runner(target, options, observer) as runner:
            records = runner.prepare(adopting=not fake)
            plan = plan_upgrade(target, records, to, fake=fake, every=every, is_follower=runner.is_follower)
            if observer.planned(target, plan):
                done += runner.carry_out(plan)
                if plan.waiting:
                    observer.stopped(plan.waiting[0].migration)
    return done


def rollback(
    target: Target,
    to: str | None = None,
    *,
    steps: int | None = None,
    options: Options | None = None,
    observer: Observer | None = None,
    fake: bool = False,
) -> list[Migration]:
    """Take migrations back: the last one, some, or all after one.

    Args:
        target: the database and its migrations.
        to: number, name or revision of the migration that stays as the last one; `zero` for none.
        steps: how many to take back, where `to` is not said; 1 by default.
        options: time limits, and for how long to wait for another process.
        observer: told what happens.
        fake: forget them without running `downgrade()`.

    Returns:
        the migrations that were taken back, in that order.

    Raises:
        HistoryError: if there is no such migration, or one has no `downgrade()`.
        MigrationError: if one of them fails.
        Busy: if another process holds what is needed for longer than was to be waited.
    """
    observer = observer or Observer()
    with open_runner(target, options, observer) as runner:
        plan = plan_rollback(target, runner.prepare(), to=to, steps=steps, fake=fake)
        return runner.carry_out(plan) if observer.planned(target, plan) else []


def targets(database: Database | Target) -> list[Target]:
    """Return the databases of a `Database`, with the migrations beside the application."""
    if isinstance(database, Target):
        return [database]
    from pathlib import Path

    return [Target(database=database, name=name, root=Path(database._root) / FOLDER) for name in database.names]


@contextmanager
def open_runner(target: Target, options: Options | None = None, observer: Observer | None = None) -> Generator[Runner, None, None]:
    """Connect to a database and hold the lock of its migrations.

    Raises:
        Busy: if another process holds it for longer than was to be waited.
    """
    options, observer = options or Options(), observer or Observer()
    url = target.database.url(target.name)
    if is_memory(url):
        target.database.engines(target.name)  # which keeps it
    is_sqlite = target.dialect == "sqlite"
    limits = options.limits
    engine = open_engine(url, Limits(lock_timeout=limits.lock_timeout, statement_timeout=None if is_sqlite else limits.statement_timeout))
    gate = _Gate(engine)
    try:
        with engine.connect() as connection:
            if is_sqlite:
                gate.keep_time(connection)
            limit(connection, limits)
            ask = _Asking(engine, process_of(connection))
            watch = Watch(observer, ask, patience=min(_PATIENCE, limits.lock_timeout / 2))
            waited: list[str] = []

            def waiting(holder: str) -> None:
                waited.append(holder)
                observer.waiting(holder)

            with one_at_a_time(connection, options.wait, waiting), watch.watching():
                yield Runner(
                    target=target,
                    connection=connection,
                    options=options,
                    observer=observer,
                    watch=watch,
                    gate=gate,
                    is_follower=bool(waited),
                )
    finally:
        engine.dispose()


class Runner(Struct, frozen=True, kw_only=True):
    """A connection that holds the lock of a database's migrations."""

    target: Target
    connection: Connection
    options: Options
    observer: Observer
    watch: Watch
    gate: _Gate
    is_follower: bool = False
    """Whether it had to wait for another process that migrates the database."""

    def prepare(self, *, adopting: bool = True) -> dict[str, Record]:
        """Make the table of records if there is none, adopt a database that was made otherwise, and return the records.

        Raises:
            HistoryError: if it was made otherwise, and is like no migration leaves it.
        """
        connection = self.connection
        records = read_records(connection)
        adoption = adoption_of(self.target, connection, records) if adopting else None
        is_made = has_table(connection)
        connection.commit()
        if adoption is not None or not is_made:
            self._patiently(lambda: self._make(adoption.migrations if adoption is not None else ()))
        if adoption is not None:
            self.observer.note(adoption.reason)
        records = read_records(connection)
        connection.commit()
        return records

    def _make(self, adopted: tuple[Migration, ...]) -> None:
        with self._transaction() as connection:
            make_table(connection)
            records = read_records(connection)
            for migration in adopted:
                if migration.revision not in records:
                    record(connection, migration)
            if all(migration.revision in records or migration in adopted for migration in self.target.migrations()):
                set_synced(connection, synced=False)

    def carry_out(self, plan: Plan) -> list[Migration]:
        """Take the steps of a plan, but for those that another process took meanwhile, and return their migrations.

        Raises:
            MigrationError: where one fails; those before it stay.
            Busy: where a lock is not to be had.
        """
        return [step.migration for step in plan.steps if self._patiently(lambda step=step: self._take(step), step)]  # type: ignore[misc]

    def _patiently(self, take: Callable[[], Any], step: Step | None = None) -> Any:
        """Call a function, and again where a lock is not to be had."""
        waits, told = pauses(self.options.limits), False
        end = time.monotonic() + self.options.wait
        while True:
            try:
                return take()
            except DBAPIError as error:
                self.connection.rollback()
                if not is_locked(error.orig):  # at the end of its transaction, such as on a full disk
                    if step is None:
                        raise
                    raise MigrationError(
                        f"{step.migration.path}\n  the database says: {str(error.orig).strip()}\n"
                        "  fix  mend what is wrong, see what is kept of it, `erlen db status`, and try again"
                    ) from error
                if self.connection.dialect.name == "sqlite" and not self.gate.opened and time.monotonic() < end:
                    if not told:
                        self.observer.waiting("another process writes to this database")
                    told = True
                    continue
                if not waits:
                    raise Busy(
                        not_to_be_had(step.migration if step is not None else None, self.options.limits, self.watch.holders)
                    ) from error
                self.observer.retry(waits[0], self.watch.holders)
                time.sleep(waits.pop(0))

    def _take(self, step: Step) -> bool:
        """Take one step, and return whether there was something to do."""
        if step.action in ("record", "forget"):
            with self._transaction() as connection:
                there = read_records(connection).get(step.migration.revision)
                if (there is None) if step.action == "forget" else (there is not None and there.state == "applied"):
                    return False
                self._write(step, 0.0)
            return True
        try:
            return self._run(step, 0)
        except _NewFaults as error:
            faults = foreign_key_faults(self.connection)
            self.connection.rollback()
            if len(error.faults) <= len(faults):  # they were there before
                return self._run(step, len(faults))
            raise MigrationError(_broken(step.migration, error.faults)) from None

    def _run(self, step: Step, faults_before: int) -> bool:
        migration, connection = step.migration, self.connection
        module = migration.load()
        direction: Direction = "downgrade" if step.action == "revert" else "upgrade"
        limits = limits_of(module, self.options.limits)
        limit(connection, limits)
        self.gate.limit = limits.statement_timeout
        with without_foreign_keys(connection), self._immediate():
            context = configure(connection)
            with context.begin_transaction(_per_migration=True):
                self.gate.opened = True
                there = read_records(connection).get(migration.revision)
                if (there is None) if direction == "downgrade" else (there is not None and there.state == "applied"):
                    return False
                self._check_neighbours(migration, direction)
                tracker = self._tracker(migration, there, limits, is_back=direction == "downgrade")
                what = "continuing" if tracker.resumed else "reverting" if direction == "downgrade" else "applying"
                self.observer.begin(migration, what)
                begun = time.monotonic()
                context.before_block, context.end_block = tracker.before_block, tracker.end_block
                try:
                    with self.gate.through(tracker):
                        run_file(context, migration, direction)
                    tracker.check_end()
                except (Busy, HistoryError, Interrupted):
                    raise
                except Exception as error:
                    if isinstance(error, DBAPIError) and is_locked(error.orig):
                        raise
                    raise MigrationError(_failure(migration, error, tracker)) from error
                seconds = time.monotonic() - begun
                if connection.dialect.name == "sqlite" and len(faults := foreign_key_faults(connection)) > faults_before:
                    raise _NewFaults(faults)
                self._write(step, seconds)
        self.observer.end(migration, what, seconds)
        return True

    def _check_neighbours(self, migration: Migration, direction: Direction) -> None:
        """Refuse a step that another process has made wrong: on SQLite it may have been between two steps, and have gone the other way."""
        if self.connection.dialect.name != "sqlite":
            return
        there = read_records(self.connection)
        if direction == "upgrade":
            needed = (migration.down_revision, *migration.depends_on)
            wrong = any(revision is not None and revision not in there for revision in needed)
        else:
            wrong = any(
                each.revision in there and migration.revision in (each.down_revision, *each.depends_on) for each in self.target.migrations()
            )
        if wrong:
            what, done = ("run", "taken back what it needs") if direction == "upgrade" else ("taken back", "run what needs it")
            raise Busy(
                f"{migration.path} was not {what}: another process has {done}, meanwhile\n"
                "  fix see how the database is now, `erlen db status`, and try again"
            )

    def _tracker(self, migration: Migration, there: Record | None, limits: Limits, *, is_back: bool) -> Tracker:
        """Make what follows a migration, from where an earlier run stopped; where nothing holds it together, its record is begun."""
        state: State = "reverting" if is_back else "running"
        resumed = there is not None and there.state == state
        progress = there.progress if there is not None and resumed else Progress(lenient=there is not None and there.state == "running")
        tracker = Tracker(
            self.connection,
            migration,
            state,
            progress,
            resumed=resumed,
            limits=limits,
            observer=self.observer,
            watch=self.watch,
            repeat=self.options.repeat,
        )
        if tracker.is_counted and not resumed:
            record(self.connection, migration, state=state, progress=progress)
        tracker.begin()
        return tracker

    def _write(self, step: Step, seconds: float) -> None:
        """Record a step, and with it what was squashed into its migration."""
        connection = self.connection
        records = read_records(connection)
        for replaced in _all_replaced(step.migration):
            if step.action in ("revert", "forget"):
                forget(connection, replaced.revision)
            elif replaced.revision not in records:
                record(connection, replaced)
        if step.action in ("revert", "forget"):
            forget(connection, step.migration.revision)
        else:
            record(connection, step.migration, seconds=seconds)

    @contextmanager
    def _transaction(self) -> Generator[Connection, None, None]:
        with self._immediate(), self.connection.begin():
            self.gate.opened = True
            yield self.connection

    @contextmanager
    def _immediate(self) -> Generator[None, None, None]:
        """Let transactions on SQLite begin as writers: no other process can be between what is read in one and what is written."""
        self.gate.opened = False
        if self.connection.dialect.name != "sqlite":
            yield
            return
        state = vars(self.connection.connection)
        state["erlen_begin"] = "BEGIN IMMEDIATE"
        try:
            yield
        finally:
            state.pop("erlen_begin", None)


class _NewFaults(Exception):
    """Rows that refer to none, after a migration on SQLite."""

    def __init__(self, faults: list[ForeignKeyFault]) -> None:
        super().__init__()
        self.faults = faults


class _Gate:
    """Where every statement of an engine passes, so that a migration's are counted; and SQLite's clock."""

    def __init__(self, engine: Engine) -> None:
        self._tracker: Tracker | None = None
        self._end: float | None = None
        self.limit: float | None = None
        """Seconds that a statement may run, on SQLite."""
        self.opened = False
        """Whether the last transaction has begun: on SQLite that is where a process waits for another."""
        wrap_execution(engine.dialect, self._execute)

    @contextmanager
    def through(self, tracker: Tracker) -> Generator[None, None, None]:
        """Let a migration's statements pass its tracker."""
        self._tracker = tracker
        try:
            yield
        finally:
            self._tracker = None

    def keep_time(self, connection: Connection) -> None:
        """End statements of SQLite that take longer than their limit."""
        driver: Any = connection.connection.dbapi_connection
        driver.set_progress_handler(lambda: self._end is not None and time.monotonic() > self._end, _STEPS)

    def _execute(self, send: Callable[..., None], cursor: Any, statement: str, *rest: Any) -> None:
        self._end = time.monotonic() + self.limit if self.limit is not None else None
        tracker = self._tracker
        if tracker is None:
            send(cursor, statement, *rest)
            return
        self._tracker = None
        try:
            tracker.execute(send, cursor, statement, *rest)
        finally:
            self._tracker = tracker


class _Asking:
    """Asks, on a connection of its own, who holds what another connection waits for."""

    def __init__(self, engine: Engine, process: int) -> None:
        self._url = engine.url
        self._process = process

    def __call__(self) -> list[str]:
        if not self._process:
            return []
        engine = create_engine(self._url, poolclass=NullPool, isolation_level="AUTOCOMMIT", connect_args={"connect_timeout": 5})
        with engine.connect() as connection:
            return holders(connection, self._process)


def limits_of(module: ModuleType, limits: Limits) -> Limits:
    """Return the time limits of a migration, which its file may say."""
    return Limits(
        lock_timeout=getattr(module, "lock_timeout", limits.lock_timeout),
        statement_timeout=getattr(module, "statement_timeout", limits.statement_timeout),
    )


def _all_replaced(migration: Migration) -> list[Migration]:
    return [each for replaced in replaced_by(migration) for each in (*_all_replaced(replaced), replaced)]


def _failure(migration: Migration, error: Exception, tracker: Tracker) -> str:
    """Say where a migration failed, and what of it is kept."""
    file = str(migration.path)
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file and frame.lineno]
    where = f"{file}:{lines[-1]}" if lines else file
    if isinstance(error, DBAPIError):
        statement = f"\n  in   {' '.join(error.statement.split())[:300]}" if error.statement else ""
        said = f"the database says: {str(error.orig).strip()}{statement}"
    else:
        said = str(error) if isinstance(error, ErlenError) else f"{type(error).__name__}: {error}"
    return f"{where}\n  {said}\n  kept {tracker.kept()}"


def _broken(migration: Migration, faults: list[ForeignKeyFault]) -> str:
    lines = "".join(f"\n  {fault}" for fault in faults[:10])
    more = f"\n  and {len(faults) - 10} more" if len(faults) > 10 else ""
    return (
        f"{migration.path} leaves rows that refer to others which are not there: it was rolled back{lines}{more}\n"
        "  fix let the migration remove or correct these rows"
    )


def known(target: Target, note: Callable[[str], None] | None = None) -> dict[str, Record]:
    """Return what a database has, without changing it or holding a lock; as if it were adopted, where that is to be.

    Args:
        target: the database and its migrations.
        note: called with a sentence about its adoption; without it none is thought of.
    """
    with connect(target) as connection:
        records = read_records(connection)
        adoption = adoption_of(target, connection, records) if note is not None else None
    if adoption is None or note is None:
        return records
    note(adoption.reason)
    now = datetime.now(UTC)
    return {
        each.revision: Record(revision=each.revision, branch=each.branch, name=each.name, applied_at=now) for each in adoption.migrations
    }
