"""What the linter says of PostgreSQL, held against a real one: the locks of an open transaction, rewritten files, scanned tables."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from erlen.db import Model
from erlen.lint import Finding, lint_migration
from erlen.migrations.migration import Migration
from erlen.migrations.target import Target

ROWS = 1000
SCHEMA = (
    "CREATE TABLE author (id SERIAL PRIMARY KEY, name TEXT)",
    """CREATE TABLE book (
        id SERIAL PRIMARY KEY, title VARCHAR(50) NOT NULL, name VARCHAR(50), kind VARCHAR(10), pages INTEGER, price NUMERIC(10, 2),
        at TIMESTAMP(3), note TEXT, author_id INTEGER, address CIDR, data JSON, code CHAR(4), required INTEGER NOT NULL,
        defaulted INTEGER NOT NULL DEFAULT 1, CONSTRAINT ck_book_kind CHECK (kind IN ('a', 'b')))""",
    "CREATE INDEX ix_book_title ON book (title)",
    "CREATE INDEX ix_book_name ON book (name)",
    "CREATE TABLE keyless (id INTEGER NOT NULL, loose INTEGER, a INTEGER, b INTEGER)",
)
FILL = (
    f"INSERT INTO author (name) SELECT 'a' || i FROM generate_series(1, {ROWS}) i",
    f"""INSERT INTO book (title, name, kind, pages, price, at, note, author_id, address, data, code, required)
        SELECT 't' || i, 'n' || i, 'a', i, i, now(), 'x', i, '10.0.0.0/8', '1', 'abcd', i FROM generate_series(1, {ROWS}) i""",
    f"INSERT INTO keyless SELECT i, i, i, i FROM generate_series(1, {ROWS}) i",
)
LONG = {"locks", "rewrites"}
STOPS_WRITES = {"ShareLock", "ShareRowExclusiveLock", "ExclusiveLock", "AccessExclusiveLock"}
STOPS_READS = {"AccessExclusiveLock"}
VALID_CHECK = ("ALTER TABLE book ADD CONSTRAINT there CHECK (pages IS NOT NULL)",)

# What is done before, the statement, its finding (empty for none), and what is seen: the strongest lock of the table, whether it is written
# anew, whether all its rows are read.
EXCLUSIVE, SHARE, SHARE_ROW, UPDATE = "AccessExclusiveLock", "ShareLock", "ShareRowExclusiveLock", "ShareUpdateExclusiveLock"
Case = tuple[tuple[str, ...], str, str, str, bool, bool]
CASES: list[Case] = [
    # columns
    ((), "ALTER TABLE book ADD COLUMN x INTEGER", "", EXCLUSIVE, False, False),
    ((), "ALTER TABLE book ADD COLUMN x INTEGER DEFAULT 5 NOT NULL", "", EXCLUSIVE, False, False),
    ((), "ALTER TABLE book ADD COLUMN x TIMESTAMP DEFAULT now()", "", EXCLUSIVE, False, False),
    ((), "ALTER TABLE book ADD COLUMN x TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL", "", EXCLUSIVE, False, False),
    ((), "ALTER TABLE book ADD COLUMN x TEXT DEFAULT lower('X (y)')", "", EXCLUSIVE, False, False),
    ((), "ALTER TABLE book ADD COLUMN x TIMESTAMP DEFAULT clock_timestamp()", "volatile-default", EXCLUSIVE, True, True),
    ((), "ALTER TABLE book ADD COLUMN x UUID DEFAULT gen_random_uuid() NOT NULL", "volatile-default", EXCLUSIVE, True, True),
    ((), "ALTER TABLE book ADD COLUMN x SERIAL", "add-counted-column", EXCLUSIVE, True, True),
    ((), "ALTER TABLE book ADD COLUMN x INTEGER GENERATED ALWAYS AS IDENTITY", "add-counted-column", EXCLUSIVE, True, True),
    ((), "ALTER TABLE book ADD COLUMN x INTEGER GENERATED ALWAYS AS (pages + 1) STORED", "add-generated-column", EXCLUSIVE, True, True),
    ((), "ALTER TABLE book ADD COLUMN x INTEGER UNIQUE", "add-unique", EXCLUSIVE, False, True),
    ((), "ALTER TABLE book ADD COLUMN x INTEGER CHECK (x > 0)", "add-check", EXCLUSIVE, False, True),
    ((), "ALTER TABLE book ADD COLUMN x INTEGER REFERENCES author", "", EXCLUSIVE, False, False),
    ((), "ALTER TABLE book ADD COLUMN x INTEGER DEFAULT 1 REFERENCES author", "add-foreign-key", EXCLUSIVE, False, True),
    ((), "ALTER TABLE book ALTER COLUMN pages SET DEFAULT 3", "", EXCLUSIVE, False, False),
    ((), "ALTER TABLE book ALTER COLUMN required DROP NOT NULL", "", EXCLUSIVE, False, False),
    ((), "ALTER TABLE book ALTER COLUMN pages SET STATISTICS 500", "", UPDATE, False, False),
    ((), "ALTER TABLE book ALTER COLUMN required SET NOT NULL", "", EXCLUSIVE, False, False),
    ((), "ALTER TABLE book ALTER COLUMN pages SET NOT NULL", "set-not-null", EXCLUSIVE, False, True),
    (VALID_CHECK, "ALTER TABLE book ALTER COLUMN pages SET NOT NULL", "", EXCLUSIVE, False, False),
    (
        ("ALTER TABLE book ADD CONSTRAINT there CHECK (pages IS NOT NULL) NOT VALID",),
        "ALTER TABLE book ALTER COLUMN pages SET NOT NULL",
        "set-not-null",
        EXCLUSIVE,
        False,
        True,
    ),
    # types
    ((), "ALTER TABLE book ALTER COLUMN name TYPE VARCHAR(80)", "", EXCLUSIVE, False, False),
    ((), "ALTER TABLE book ALTER COLUMN name TYPE CHARACTER VARYING", "", EXCLUSIVE, False, False),
    ((), "ALTER TABLE book ALTER COLUMN name TYPE TEXT", "", EXCLUSIVE, False, False),
    ((), "ALTER TABLE book ALTER COLUMN name TYPE TEXT USING name::TEXT", "", EXCLUSIVE, False, False),
    ((), "ALTER TABLE book ALTER COLUMN name TYPE TEXT USING upper(name)", "change-type", EXCLUSIVE, True, True),
    ((), "ALTER TABLE book ALTER COLUMN name TYPE VARCHAR(30)", "change-type", EXCLUSIVE, True, True),
    ((), "ALTER TABLE book ALTER COLUMN note TYPE VARCHAR(30)", "change-type", EXCLUSIVE, True, True),
    ((), "ALTER TABLE book ALTER COLUMN note TYPE VARCHAR", "", EXCLUSIVE, False, False),
    ((), "ALTER TABLE book ALTER COLUMN kind TYPE VARCHAR(20)", "change-type", EXCLUSIVE, False, True),  # for its check
    ((), "ALTER TABLE book ALTER COLUMN pages TYPE BIGINT", "change-type", EXCLUSIVE, True, True),
    ((), "ALTER TABLE book ALTER COLUMN pages TYPE VARCHAR", "change-type", EXCLUSIVE, True, True),
    ((), "ALTER TABLE book ALTER COLUMN price TYPE NUMERIC(12, 2)", "", EXCLUSIVE, False, False),
    ((), "ALTER TABLE book ALTER COLUMN price TYPE NUMERIC", "", EXCLUSIVE, False, False),
    ((), "ALTER TABLE book ALTER COLUMN price TYPE NUMERIC(12, 4)", "change-type", EXCLUSIVE, True, True),
    ((), "ALTER TABLE book ALTER COLUMN at TYPE TIMESTAMP(6)", "", EXCLUSIVE, False, False),
    ((), "ALTER TABLE book ALTER COLUMN at TYPE TIMESTAMP WITHOUT TIME ZONE", "", EXCLUSIVE, False, False),
    ((), "ALTER TABLE book ALTER COLUMN at TYPE TIMESTAMP(0)", "change-type", EXCLUSIVE, True, True),
    ((), "ALTER TABLE book ALTER COLUMN at TYPE DATE", "change-type", EXCLUSIVE, True, True),
    ((), "ALTER TABLE book ALTER COLUMN address TYPE INET", "", EXCLUSIVE, False, False),
    ((), "ALTER TABLE book ALTER COLUMN data TYPE JSONB", "change-type", EXCLUSIVE, True, True),
    ((), "ALTER TABLE book ALTER COLUMN code TYPE CHAR(8)", "change-type", EXCLUSIVE, True, True),
    ((), "ALTER TABLE book ALTER COLUMN code TYPE TEXT", "change-type", EXCLUSIVE, True, True),
    # constraints
    ((), "ALTER TABLE book ADD CONSTRAINT c UNIQUE (title)", "add-unique", EXCLUSIVE, False, True),
    (("CREATE UNIQUE INDEX c ON book (title)",), "ALTER TABLE book ADD CONSTRAINT c UNIQUE USING INDEX c", "", EXCLUSIVE, False, False),
    ((), "ALTER TABLE book ADD CONSTRAINT c CHECK (pages > 0)", "add-check", EXCLUSIVE, False, True),
    ((), "ALTER TABLE book ADD CONSTRAINT c CHECK (pages > 0) NOT VALID", "", EXCLUSIVE, False, False),
    ((), "ALTER TABLE book ADD CONSTRAINT c FOREIGN KEY (author_id) REFERENCES author (id)", "add-foreign-key", SHARE_ROW, False, True),
    ((), "ALTER TABLE book ADD CONSTRAINT c FOREIGN KEY (author_id) REFERENCES author (id) NOT VALID", "", SHARE_ROW, False, False),
    (("ALTER TABLE book ADD CONSTRAINT c CHECK (pages > 0) NOT VALID",), "ALTER TABLE book VALIDATE CONSTRAINT c", "", UPDATE, False, True),
    (
        ("ALTER TABLE book ADD CONSTRAINT c FOREIGN KEY (author_id) REFERENCES author (id) NOT VALID",),
        "ALTER TABLE book VALIDATE CONSTRAINT c",
        "",
        UPDATE,
        False,
        True,
    ),
    ((), "ALTER TABLE book ADD CONSTRAINT c EXCLUDE USING btree (id WITH =)", "add-exclusion", EXCLUSIVE, False, True),
    ((), "ALTER TABLE keyless ADD CONSTRAINT c PRIMARY KEY (id)", "add-primary-key", EXCLUSIVE, False, True),
    (
        ("CREATE UNIQUE INDEX c ON keyless (id)",),
        "ALTER TABLE keyless ADD CONSTRAINT c PRIMARY KEY USING INDEX c",
        "",
        EXCLUSIVE,
        False,
        False,
    ),
    (
        ("CREATE UNIQUE INDEX c ON keyless (loose)",),
        "ALTER TABLE keyless ADD CONSTRAINT c PRIMARY KEY USING INDEX c",
        "add-primary-key",
        EXCLUSIVE,
        False,
        True,
    ),
    ((), "ALTER TABLE book DROP CONSTRAINT ck_book_kind", "", EXCLUSIVE, False, False),
    ((), "ALTER TABLE book RENAME CONSTRAINT ck_book_kind TO c", "", EXCLUSIVE, False, False),
    # indexes
    ((), "CREATE INDEX i ON book (pages)", "add-index", SHARE, False, True),
    ((), "CREATE UNIQUE INDEX i ON book USING btree (lower(title)) WHERE pages > 3", "add-index", SHARE, False, True),
    ((), "REINDEX TABLE book", "reindex", SHARE, False, True),
    ((), "ALTER INDEX ix_book_title RENAME TO i", "", "", False, False),
    # whole tables
    ((), "ALTER TABLE book SET UNLOGGED", "rewrite-table", EXCLUSIVE, True, True),
    ((), "CLUSTER book USING ix_book_title", "rewrite-table", EXCLUSIVE, True, True),
    ((), "LOCK TABLE book", "lock-table", EXCLUSIVE, False, False),
    # what is short
    ((), "COMMENT ON TABLE book IS 'x'", "", UPDATE, False, False),
    ((), "COMMENT ON COLUMN book.title IS 'x'", "", UPDATE, False, False),
    ((), "ALTER TABLE book SET (fillfactor = 70)", "", UPDATE, False, False),
    ((), "CREATE VIEW v AS SELECT id FROM book", "", "AccessShareLock", False, False),
    ((), "INSERT INTO author (name) VALUES ('x')", "", "", False, False),
    # short, but there is a better way
    ((), "DROP INDEX ix_book_title", "drop-index", EXCLUSIVE, False, False),
    # running code
    ((), "ALTER TABLE book DROP COLUMN note", "drop-column", EXCLUSIVE, False, False),
    ((), "ALTER TABLE book RENAME COLUMN note TO remark", "rename-column", EXCLUSIVE, False, False),
    ((), "ALTER TABLE book RENAME TO novel", "rename-table", EXCLUSIVE, False, False),
    ((), "ALTER TABLE book ALTER COLUMN defaulted DROP DEFAULT", "drop-default", EXCLUSIVE, False, False),
    ((), "DROP TABLE book", "drop-table", EXCLUSIVE, False, False),
    (("CREATE SCHEMA other",), "ALTER TABLE keyless SET SCHEMA other", "rename-table", EXCLUSIVE, False, False),
    ((), "UPDATE book SET pages = 1", "all-rows", "RowExclusiveLock", False, True),
    ((), "UPDATE book SET pages = 1 WHERE pages IS NULL", "all-rows", "RowExclusiveLock", False, True),
    ((), "UPDATE book SET pages = 1 WHERE id = 3", "", "RowExclusiveLock", False, False),
    ((), "DELETE FROM book", "all-rows", "RowExclusiveLock", False, True),
    ((), "TRUNCATE book", "truncate", EXCLUSIVE, True, False),
]
UNTIMED = {"drop-index", "lock-table", "all-rows"}  # no matter of how many rows are read under the lock


class Place:
    """A database with tables that have rows, made again only after a test that has left something."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.is_fresh = False

    def prepare(self) -> None:
        if not self.is_fresh:
            with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                for statement in (
                    *("DROP SCHEMA IF EXISTS other CASCADE", "DROP SCHEMA public CASCADE", "CREATE SCHEMA public"),
                    *(*SCHEMA, *FILL, "ANALYZE"),
                ):
                    connection.exec_driver_sql(statement)
        self.is_fresh = True


@pytest.fixture(scope="module")
def place(server: Callable[[str], Any]) -> Place:
    return Place(create_engine(server("postgresql").url.set(drivername="postgresql+psycopg"), poolclass=NullPool))


@pytest.fixture
def connections(place: Place) -> Iterator[tuple[Connection, Connection]]:
    """Two connections: one in transactions, which is rolled back, one that commits each statement by itself."""
    place.prepare()
    with place.engine.connect() as migrating, place.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as other:
        other.exec_driver_sql("SET lock_timeout = '20ms'")
        yield migrating, other
        migrating.rollback()


@pytest.fixture
def judge(base: type[Model], target_of: Callable[..., Target], write_step: Callable[..., Migration]) -> Callable[..., list[Finding]]:
    """What the linter says of statements after the schema and others."""

    def judge(*statements: str, before: tuple[str, ...] = (), code: str = "") -> list[Finding]:
        write_step("schema", execute(*SCHEMA))
        if before:
            write_step("before", execute(*before))
        step = write_step("step", code or execute(*statements))
        return lint_migration(target_of("sqlite://", base), step, dialect="postgresql")

    return judge


def execute(*statements: str) -> str:
    return "\n".join(f"op.execute({statement!r})" for statement in statements)


def rules(found: list[Finding]) -> list[str]:
    return [finding.rule for finding in found]


def is_refused(connection: Connection, statement: str) -> bool:
    """Whether a statement waits for a lock that another has."""
    try:
        connection.exec_driver_sql(statement)
    except DBAPIError as error:
        assert "lock timeout" in str(error)  # noqa: PT017 - otherwise there is no error, which is right too
        return True
    return False


def file_of(connection: Connection, table: str) -> object:
    return connection.exec_driver_sql(f"SELECT relfilenode FROM pg_class WHERE oid = '{table}'::regclass").scalar_one()


def locks_of(other: Connection, process: int, table: str) -> set[str]:
    query = "SELECT mode FROM pg_locks WHERE pid = %s AND relation = %s AND granted"
    return set(other.exec_driver_sql(query, (process, table)).scalars())


@pytest.mark.parametrize("case", CASES, ids=[case[1][:70] for case in CASES])
def test_findings_are_what_a_server_does(
    case: Case, place: Place, connections: tuple[Connection, Connection], judge: Callable[..., list[Finding]]
) -> None:
    before, sql, rule, lock, is_rewritten, is_read = case
    found = judge(sql, before=before)
    assert rules(found) == ([rule] if rule else [])

    migrating, other = connections
    table = "keyless" if "keyless" in sql else "book"
    place.is_fresh = not before
    for statement in before:
        other.exec_driver_sql(statement)
    oid = other.exec_driver_sql(f"SELECT '{table}'::regclass::oid").scalar_one()
    file = file_of(other, table)
    process = migrating.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
    scanned = f"SELECT coalesce(sum(seq_tup_read), 0) FROM pg_stat_xact_all_tables WHERE relid = {oid}"
    migrating.exec_driver_sql(sql)
    read = migrating.exec_driver_sql(scanned).scalar_one() >= ROWS
    rewritten = migrating.exec_driver_sql(f"SELECT relfilenode FROM pg_class WHERE oid = {oid}").scalar() not in (file, None)
    held = locks_of(other, process, oid)

    assert lock in held or not lock
    assert rewritten == is_rewritten
    assert (read or rewritten) == (is_read or is_rewritten)
    stops_reads, stops_writes = bool(held & STOPS_READS) or rule == "reindex", bool(held & STOPS_WRITES)  # it locks all indexes too
    assert is_refused(other, f"SELECT * FROM {table} LIMIT 1") == stops_reads
    assert is_refused(other, f"INSERT INTO {table} SELECT * FROM {table} WHERE false") == stops_writes
    if rule not in UNTIMED:
        is_long = (stops_reads or stops_writes) and (read or rewritten) and rule != "truncate"
        assert is_long == any(finding.severity in LONG for finding in found)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (
            """
            with op.get_context().autocommit_block():
                op.create_index("i", "book", ["pages"], postgresql_concurrently=True, if_not_exists=True)
            """,
            "CREATE INDEX CONCURRENTLY i ON book (pages)",
        ),
        (
            """
            with op.get_context().autocommit_block():
                op.drop_index("ix_book_title", postgresql_concurrently=True, if_exists=True)
            """,
            "DROP INDEX CONCURRENTLY ix_book_title",
        ),
        (execute(), "REINDEX INDEX CONCURRENTLY ix_book_title"),
    ],
)
def test_concurrently_stops_nobody(
    code: str, expected: str, place: Place, connections: tuple[Connection, Connection], judge: Callable[..., list[Finding]]
) -> None:
    """While it waits for a transaction that has written before, others read and write."""
    code = code or f"with op.get_context().autocommit_block():\n    op.execute({expected!r})"
    assert rules(judge(code=code)) == []
    place.is_fresh = False
    old, other = connections
    old.exec_driver_sql("UPDATE book SET pages = 5 WHERE id = 1")
    running = old.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
    process = running.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
    thread = threading.Thread(target=running.exec_driver_sql, args=(expected,))
    thread.start()
    try:
        oid = other.exec_driver_sql("SELECT 'book'::regclass::oid").scalar_one()
        waiting = f"SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = {process}"
        while not other.exec_driver_sql(waiting).scalar_one():
            pass
        assert locks_of(other, process, oid) & STOPS_WRITES == set()
        assert not is_refused(other, "SELECT * FROM book LIMIT 1")
        assert not is_refused(other, "UPDATE book SET pages = 2 WHERE id = 2")
    finally:
        old.rollback()
        thread.join()
        running.close()


@pytest.mark.parametrize(
    ("statements", "rule", "message"),
    [
        (["ALTER TABLE book ADD COLUMN x INTEGER NOT NULL"], "add-required-column", "contains null values"),
        (["CREATE INDEX CONCURRENTLY i ON book (pages)"], "concurrently-in-transaction", "cannot run inside a transaction"),
        (["DROP INDEX CONCURRENTLY ix_book_title"], "concurrently-in-transaction", "cannot run inside a transaction"),
        (
            ["ALTER TYPE mood ADD VALUE 'glad'", "ALTER TABLE author ADD COLUMN m mood DEFAULT 'glad'"],
            "new-value-used",
            "unsafe use of new value",
        ),
    ],
)
def test_what_fails(
    statements: list[str],
    rule: str,
    message: str,
    place: Place,
    connections: tuple[Connection, Connection],
    judge: Callable[..., list[Finding]],
) -> None:
    place.is_fresh = False
    before = ("CREATE TYPE mood AS ENUM ('sad', 'calm')",)
    found = judge(*statements, before=before)
    assert rules(found) == [rule]
    assert found[0].severity == "fails"
    connections[1].exec_driver_sql(before[0])
    *first, last = statements
    for statement in first:
        connections[0].exec_driver_sql(statement)
    with pytest.raises(DBAPIError, match=message):
        connections[0].exec_driver_sql(last)


@pytest.mark.parametrize(
    ("statements", "rule", "table"),
    [
        # what is locked for everybody stays so while rows are written
        (["ALTER TABLE author ADD COLUMN x INTEGER", "UPDATE book SET pages = 1 WHERE id = 4"], "mixed-data", "author"),
        # two tables are locked for everybody at once
        (["ALTER TABLE author ADD COLUMN x INTEGER", "ALTER TABLE book ADD COLUMN x INTEGER"], "several-tables", "author"),
        # validation by itself would lock nobody out
        (
            ["ALTER TABLE author ADD CONSTRAINT c CHECK (id > 0) NOT VALID", "ALTER TABLE author VALIDATE CONSTRAINT c"],
            "validate-at-once",
            "author",
        ),
    ],
)
def test_what_a_transaction_holds(
    statements: list[str], rule: str, table: str, connections: tuple[Connection, Connection], judge: Callable[..., list[Finding]]
) -> None:
    assert rules(judge(*statements)) == [rule]
    migrating, other = connections
    for statement in statements:
        migrating.exec_driver_sql(statement)
    assert is_refused(other, f"SELECT * FROM {table} LIMIT 1")


def test_rows_first_makes_alter_table_wait_with_locks_held(
    connections: tuple[Connection, Connection], judge: Callable[..., list[Finding]]
) -> None:
    assert rules(judge("UPDATE author SET name = 'x' WHERE id = 4", "ALTER TABLE book ADD COLUMN x INTEGER")) == ["mixed-data"]
    migrating, other = connections
    migrating.exec_driver_sql("UPDATE author SET name = 'x' WHERE id = 4")
    assert is_refused(other, "UPDATE author SET name = 'y' WHERE id = 4")


def test_a_view_that_is_refreshed(place: Place, connections: tuple[Connection, Connection], judge: Callable[..., list[Finding]]) -> None:
    place.is_fresh = False
    before = ("CREATE MATERIALIZED VIEW v AS SELECT id FROM book", "CREATE UNIQUE INDEX v_id ON v (id)")
    assert rules(judge("REFRESH MATERIALIZED VIEW v", before=before)) == ["refresh"]
    migrating, other = connections
    for statement in before:
        other.exec_driver_sql(statement)
    migrating.exec_driver_sql("REFRESH MATERIALIZED VIEW v")
    assert is_refused(other, "SELECT * FROM v LIMIT 1")
    migrating.rollback()
    migrating.exec_driver_sql("REFRESH MATERIALIZED VIEW CONCURRENTLY v")
    assert not is_refused(other, "SELECT * FROM v LIMIT 1")


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE new (id INTEGER)",
        "CREATE TYPE t AS ENUM ('a')",
        "CREATE SEQUENCE s",
        "CREATE SCHEMA other",
        "SELECT 1",
        "SET x.y = '1'",
    ],
)
def test_what_is_new_stops_nobody(statement: str, connections: tuple[Connection, Connection], judge: Callable[..., list[Finding]]) -> None:
    assert judge(statement) == []
    migrating, other = connections
    migrating.exec_driver_sql(statement)
    for table in ("book", "author", "keyless"):
        assert not is_refused(other, f"INSERT INTO {table} SELECT * FROM {table} WHERE false")


def test_tables_that_are_new_in_the_migration_are_free(judge: Callable[..., list[Finding]], tmp_path: Path) -> None:
    found = judge(
        "CREATE TABLE fresh (id INTEGER, x INTEGER)",
        "CREATE INDEX i ON fresh (x)",
        "ALTER TABLE fresh ADD CONSTRAINT u UNIQUE (x)",
        "ALTER TABLE fresh ALTER COLUMN x TYPE BIGINT",
        "ALTER TABLE fresh ADD COLUMN y INTEGER NOT NULL",
        "ALTER TABLE fresh ALTER COLUMN x SET NOT NULL",
        "ALTER TABLE fresh ADD CONSTRAINT c CHECK (x > 0)",
        "INSERT INTO fresh SELECT id, pages FROM book",
        "UPDATE fresh SET x = 1",
        "ALTER TABLE fresh RENAME TO newer",
        "ALTER TABLE newer DROP COLUMN x",
        "DROP TABLE newer",
    )
    assert found == []
