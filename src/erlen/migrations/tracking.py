"""The statements of a migration as they are run: counted where no transaction holds them together, passed over where they were run before.

MySQL and MariaDB commit with each statement on the schema, and an autocommit block commits each statement by itself. There the record of a
migration says how far it has come, so that one that was killed goes on where it stopped:

- Each statement on the schema is written to the record when it is done. The one that ran when the end came may be done too: that its
  table or column is there already, or gone already, is no error then.
- Statements on rows, on MySQL and MariaDB, are one transaction up to the next statement on the schema: all of them are kept, or none.
- Statements on rows that commit by themselves cannot be told apart when they are run again: going on is refused, unless asked for.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from erlen.db.locks import is_locked
from erlen.errors import ErlenError
from erlen.migrations.connection import Limits
from erlen.migrations.locks import Busy, not_to_be_had, pauses
from erlen.migrations.migration import Migration
from erlen.migrations.plan import Plan, shown
from erlen.migrations.records import RECORDS, Progress, State
from erlen.migrations.target import Target

__all__ = ["Interrupted", "Observer", "Tracker", "Watch", "kind_of"]

Kind: TypeAlias = Literal["schema", "rows", "other"]
Send: TypeAlias = Callable[..., None]


class Interrupted(ErlenError):
    """A migration that was not run to its end, and cannot go on by itself: what is done, what is not, and what to do."""


class Observer:
    """Told what happens while migrations run; this one does nothing. `slow` is called from another thread."""

    def planned(self, target: Target, plan: Plan) -> bool:
        """What would be done, which may be nothing; return whether to go on."""
        return True

    def waiting(self, holder: str) -> None:
        """Another process migrates the database, and this one waits for its end."""

    def begin(self, migration: Migration, what: str) -> None:
        """A migration begins; `what` is a word for people, such as `applying`."""

    def slow(self, statement: str, seconds: float, holders: list[str]) -> None:
        """A statement has been running for so long, or waiting for those who hold what it needs; told again and again."""

    def retry(self, seconds: float, holders: list[str]) -> None:
        """A lock was not to be had; the next try is in so many seconds."""

    def end(self, migration: Migration, what: str, seconds: float) -> None:
        """A migration has ended."""

    def stopped(self, migration: Migration) -> None:
        """The run ends before a migration that waits for a deployment."""

    def note(self, text: str) -> None:
        """Something that people should know."""


def kind_of(statement: str) -> Kind:
    """Say what a statement changes: the schema, rows, or nothing that stays."""
    plain = _COMMENT.sub("", statement)
    word = plain.partition(" ")[0].split("(")[0].split("\n")[0].strip().upper()
    if word == "WITH":
        return "rows" if _CHANGES(plain) else "other"
    if word in _ROWS:
        return "rows"
    return "other" if word in _OTHER or _TEMPORARY(plain) else "schema"


class Watch:
    """Watches a connection from another thread: tells of statements that take long, and keeps who holds what they wait for."""

    def __init__(self, observer: Observer, ask: Callable[[], list[str]], *, patience: float) -> None:
        self._observer = observer
        self._ask = ask
        self._patience = patience
        self._running: tuple[str, float] | None = None
        self._wake = threading.Event()
        self._ended = False
        self.holders: list[str] = []
        """Who held what the last statement waited for, when that was last looked at."""

    @contextmanager
    def __call__(self, statement: str) -> Generator[None, None, None]:
        """Watch while a statement runs."""
        self.holders = []
        self._running = (statement, time.monotonic())
        self._wake.set()
        try:
            yield
        finally:
            self._running = None

    @contextmanager
    def watching(self) -> Generator[None, None, None]:
        """Have the thread, for as long as migrations run."""
        thread = threading.Thread(target=self._watch, daemon=True, name="erlen-migrations")
        thread.start()
        try:
            yield
        finally:
            self._ended = True
            self._wake.set()
            thread.join()

    def _watch(self) -> None:
        while not self._ended:
            self._wake.wait()
            self._wake.clear()
            pause = self._patience
            while (running := self._running) is not None and not self._ended:
                statement, begun = running
                if time.monotonic() - begun >= self._patience:
                    try:
                        holders = self._ask()
                    except SQLAlchemyError:
                        holders = []
                    if self._running is running:
                        self.holders = holders or self.holders
                        self._observer.slow(" ".join(statement.split()), time.monotonic() - begun, holders)
                    pause = max(0.5, self._patience / 2)
                else:
                    pause = begun + self._patience - time.monotonic()
                self._wake.wait(max(0.01, pause))
                if self._running is not running:
                    break


class Tracker:
    """The way of every statement of one migration to the database."""

    def __init__(
        self,
        connection: Connection,
        migration: Migration,
        state: State,
        progress: Progress,
        *,
        resumed: bool,
        limits: Limits,
        observer: Observer,
        watch: Watch,
        repeat: bool = False,
    ) -> None:
        self._connection = connection
        self._migration = migration
        self._state: State = state
        self.progress = progress
        self._limits = limits
        self._observer = observer
        self._watch = watch
        self._repeat = repeat
        self._is_mysql = connection.dialect.name in ("mysql", "mariadb")
        self._was_done = len(progress.done)
        self._was_data, self._was_loose, self._was_failed = progress.data, progress.loose, progress.failed
        self.resumed = resumed
        """Whether an earlier run has not come to its end."""
        self._at = 0
        """How many statements on the schema this run has come to."""
        self._has_rows = False
        """Whether statements on rows were run since the last on the schema, in this transaction."""
        self.in_block = False
        self._repeatable = False

    @property
    def is_counted(self) -> bool:
        """Whether statements commit as they are run, so that the record must follow them."""
        return self._is_mysql or self.in_block

    # -- statements -------------------------------------------------------------------------------------------------------------

    def execute(self, send: Send, cursor: Any, statement: str, *rest: Any) -> None:
        """Send a statement, or pass it over if it was run before."""
        kind = kind_of(statement)
        if kind == "schema":
            self._schema(send, cursor, statement, *rest)
        elif kind == "rows":
            self._rows(send, cursor, statement, *rest)
        else:
            with self._watch(statement):
                send(cursor, statement, *rest)

    def _schema(self, send: Send, cursor: Any, statement: str, *rest: Any) -> None:
        short = _short(statement)
        if self._was_run(short):
            return
        lenient = self.progress.lenient or (self.resumed and not self._was_failed and self._at == self._was_done and self.is_counted)
        if self._has_rows and self._is_mysql and not self.in_block:
            self.progress.data = True
            self.save()  # what follows commits it together with the rows
        self._has_rows = False
        if self._is_concurrent(statement):
            self._drop_invalid(statement)
        savepoint = lenient and not self.is_counted
        if savepoint:
            self._plain("SAVEPOINT erlen")
        try:
            self._send(send, cursor, statement, *rest)
        except Exception as error:
            if not (lenient and _is_done(error, statement)):
                self._failed()
                raise
            if savepoint:
                self._plain("ROLLBACK TO SAVEPOINT erlen")
        self._done(short)
        if self.is_counted:
            self.save()
            if not self.in_block:
                self._plain("BEGIN")

    def _rows(self, send: Send, cursor: Any, statement: str, *rest: Any) -> None:
        if self._at < self._was_done or (self.resumed and self._at == self._was_done and self._was_data):
            self._pass_over(cursor, rest[-1])
            return
        if self.resumed and self._at == self._was_done and self._was_loose and not self._repeat and not self._repeatable:
            raise self._cannot_go_on(
                f"{self._was_loose} {'statement' if self._was_loose == 1 else 'statements'} on rows committed by themselves, the last "
                f"perhaps not; the next would be\n    {_short(statement)}",
                f"if they may be run again, such as those that change only what is not changed yet: `erlen db {self._command} --repeat`",
            )
        if self.in_block and not self._repeatable:
            self.progress.loose += 1
            self.save()
        self._send(send, cursor, statement, *rest, again=self.in_block)
        self._has_rows = True

    def _pass_over(self, cursor: Any, context: Any) -> None:
        """Send something that changes nothing in place of a statement on rows: its result is asked for new keys, and has none."""
        returned = getattr(getattr(context, "compiled", None), "effective_returning", None)
        if returned:
            columns = ", ".join(f"NULL AS c{number}" for number in range(len(returned)))
            cursor.execute(f"SELECT * FROM (SELECT {columns}) AS nothing WHERE 1 = 0")  # noqa: S608 - numbers
        elif self._is_mysql:
            cursor.execute("DO 0")

    def _was_run(self, short: str) -> bool:
        """Whether what comes now was done by an earlier run."""
        if self._at >= self._was_done:
            return False
        if (before := self.progress.done[self._at]) != short:
            raise self._cannot_go_on(f"the file has changed since, and has\n    {short}\n  where it had\n    {before}")
        self._at += 1
        return True

    def _done(self, short: str) -> None:
        self._at += 1
        self.progress.done.append(short)
        self.progress.data, self.progress.loose = False, 0

    def _failed(self) -> None:
        """Record that the statement that comes next did not run, unless the connection is gone, so that it may have."""
        if self.is_counted:
            self.progress.failed = True
            with suppress(Exception):
                self.save()
                if not self.in_block:
                    self._plain("COMMIT")

    def _send(self, send: Send, cursor: Any, statement: str, *rest: Any, again: bool = True) -> None:
        """Send a statement; where it is no part of a transaction that a failure ends, try again if a lock is not to be had."""
        waits = pauses(self._limits)
        while True:
            try:
                with self._watch(statement):
                    send(cursor, statement, *rest)
            except Exception as error:
                if not is_locked(error) or not (self.is_counted and again):
                    raise
                if not waits:
                    raise Busy(not_to_be_had(self._migration, self._limits, self._watch.holders)) from error
                self._observer.retry(waits[0], self._watch.holders)
                time.sleep(waits.pop(0))
                if self._is_concurrent(statement):
                    self._drop_invalid(statement)
            else:
                return

    # -- the record -------------------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Record that it runs, where a transaction does not hold it together, and go on in a transaction."""
        self.progress.failed = False
        if self.is_counted:
            self.save()
            self.keep()

    def before_block(self, repeatable: bool) -> None:
        """Record how far it has come, in the transaction that ends here."""
        self._mark("(from here each statement commits by itself)")
        self.in_block = True
        self._repeatable = repeatable

    def end_block(self) -> None:
        """Record that what committed by itself is done."""
        self._mark("(from here in a transaction)")
        self.in_block = False

    def _mark(self, text: str) -> None:
        if not self._was_run(text):
            self._done(text)
            self.save()
        self._has_rows = False

    def save(self) -> None:
        """Write the record, past the statements that are counted."""
        values: dict[str, Any] = {
            "revision": self._migration.revision,
            "branch": self._migration.branch,
            "name": self._migration.name,
            "state": self._state,
            "step": len(self.progress.done),
            "done": encoded(self.progress),
        }
        mark = "?" if self._connection.dialect.name == "sqlite" else "%s"
        cursor: Any = self._driver.cursor()
        try:
            sets = ", ".join(f"{name} = {mark}" for name in ("state", "step", "done"))
            changed = (values["state"], values["step"], values["done"], values["revision"])
            cursor.execute(f"UPDATE {RECORDS.name} SET {sets} WHERE revision = {mark}", changed)  # noqa: S608 - names of our own
            if cursor.rowcount == 0 and not self._is_mysql:
                values |= {"applied_at": datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.%f"), "seconds": 0}
                places = ", ".join([mark] * len(values))
                insert = f"INSERT INTO {RECORDS.name} ({', '.join(values)}) VALUES ({places})"  # noqa: S608 - same
                cursor.execute(insert, tuple(values.values()))
        finally:
            cursor.close()

    def keep(self) -> None:
        """Commit what there is, such as the record of a migration that begins, and go on in a transaction."""
        self._plain("COMMIT")
        self._plain("BEGIN")

    def kept(self) -> str:
        """Say what is kept of a migration that fails here."""
        if not self.is_counted and not any(each.startswith("(") for each in self.progress.done):
            return "nothing of it"
        if not (done := self.progress.done):
            return "nothing of it"
        count = "1 statement of it" if len(done) == 1 else f"{len(done)} statements of it, the last"
        kept = f"{count}:\n    {done[-1]}"
        goes_on = f"`erlen db {self._command}` goes on there"
        if loose := self.progress.loose:
            begun = "1 statement on rows was begun that commits by itself"
            kept += f"\n  then {begun if loose == 1 else f'{loose} statements on rows were begun that commit by themselves'}"
            goes_on = f"if they may be run again, `erlen db {self._command} --repeat`; otherwise put the rows back by hand first"
        return f"{kept}\n  fix  mend what is wrong; {goes_on}"

    def _plain(self, statement: str) -> None:
        cursor: Any = self._driver.cursor()
        cursor.execute(statement)
        cursor.close()

    @property
    def _driver(self) -> Any:
        return self._connection.connection.dbapi_connection

    # -- PostgreSQL's concurrent indexes -----------------------------------------------------------------------------------------

    def _is_concurrent(self, statement: str) -> bool:
        return self._connection.dialect.name == "postgresql" and bool(_CONCURRENT(statement))

    def _drop_invalid(self, statement: str) -> None:
        """Drop the index of this name that is not valid, which is what is left of one whose making has not ended."""
        found = _CONCURRENT(statement)
        if found is None or not self.in_block:
            return
        name = found["name"]
        cursor: Any = self._driver.cursor()
        try:
            cursor.execute("SELECT 1 FROM pg_index WHERE indexrelid = to_regclass(%s) AND NOT indisvalid", (name,))
            if cursor.fetchone() is not None:
                self._observer.note(f"the index {name} was not made to its end: it is dropped and made again")
                cursor.execute(f"DROP INDEX CONCURRENTLY {name}")
        finally:
            cursor.close()

    # -- refusing ---------------------------------------------------------------------------------------------------------------

    @property
    def _command(self) -> str:
        return "rollback" if self._state == "reverting" else "migrate"

    def _cannot_go_on(self, why: str, *fixes: str) -> Interrupted:
        return cannot_go_on(self._migration, self._state, self.progress, why, *fixes)

    def check_end(self) -> None:
        """Refuse to end when this run had fewer statements than were run before."""
        if self._at < self._was_done:
            missing = "\n    ".join(self.progress.done[self._at :])
            raise self._cannot_go_on(f"the file has changed since: it has no more\n    {missing}")


def cannot_go_on(migration: Migration, state: State, progress: Progress, why: str, *fixes: str) -> Interrupted:
    """Return the error of a migration that has not ended: which of its statements are done, and the ways out."""
    name = shown(migration)
    done = "".join(f"\n  done  {each}" for each in progress.done) or "\n  done  nothing on the schema"
    rows = "\n  done  the statements on rows after that" if progress.data else ""
    verb = "rolled back" if state == "reverting" else "run"
    fake = "erlen db rollback --fake" if state == "reverting" else f"erlen db migrate --fake {name}"
    ways = [*fixes, f"or make the rest by hand; then `{fake}` says that it is done"]
    if state == "running":
        ways.append("or take it back: `erlen db rollback` runs its `downgrade()`, in which what is gone already is no error")
    return Interrupted(
        f"{migration.path} was not {verb} to its end, and cannot go on by itself: {why}{done}{rows}\n"
        + "\n".join(f"  fix   {way}" for way in ways)
    )


def encoded(progress: Progress) -> str:
    """Return progress as it is kept."""
    import msgspec

    return msgspec.json.encode(progress).decode()


def _short(statement: str) -> str:
    return " ".join(statement.split())[:300]


def _is_done(error: BaseException, statement: str) -> bool:
    """Whether an error says that what a statement makes is there already, or that what it removes is gone already."""
    words = set(re.findall(r"[A-Z]+", statement.upper()))
    number: Any = next(iter(error.args), None)
    code = number if isinstance(number, int) else getattr(error, "sqlstate", None)
    if words & {"DROP", "RENAME", "CHANGE"} and code in _GONE:
        return True
    return bool(words & {"CREATE", "ADD", "RENAME"}) and (code in _THERE or (code == _CANNOT_CREATE and "121" in str(error)))


_COMMENT = re.compile(r"\A(\s+|--[^\n]*\n|/\*(?!!).*?\*/|\()+", re.DOTALL)
_CHANGES = re.compile(r"\b(INSERT|UPDATE|DELETE|MERGE|REPLACE)\b", re.IGNORECASE).search
_TEMPORARY = re.compile(r"(CREATE|DROP)\s+(GLOBAL\s+|LOCAL\s+)?TEMP(ORARY)?\b", re.IGNORECASE).match
_CONCURRENT = re.compile(
    r"\s*CREATE\s+(?:UNIQUE\s+)?INDEX\s+CONCURRENTLY\s+(?:IF\s+NOT\s+EXISTS\s+)?(?P<name>(?:\"[^\"]+\"|\w+)(?:\.(?:\"[^\"]+\"|\w+))?)\s+ON\b",
    re.IGNORECASE,
).match
_ROWS = {"INSERT", "UPDATE", "DELETE", "REPLACE", "MERGE", "COPY", "LOAD", "CALL", "DO"}
_OTHER = {
    *("SELECT", "VALUES", "TABLE", "SHOW", "EXPLAIN", "DESCRIBE", "DESC", "PRAGMA", "SET", "RESET", "USE", "LOCK", "UNLOCK", "FETCH"),
    *("BEGIN", "START", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE", "DECLARE", "CLOSE", ""),
}
# By PostgreSQL's SQLSTATE, MySQL's and MariaDB's number.
_THERE = {"42P07", "42701", "42710", "42P06", "42723", "42P16", 1007, 1050, 1060, 1061, 1068, 1304, 1359, 1826, 3822}
_GONE = {"42P01", "42703", "42704", "3F000", "42883", 1008, 1051, 1054, 1091, 1146, 1305, 1360, 3821, 3940}
_CANNOT_CREATE = 1005
