"""What the linter says of MariaDB, held against a real one: `LOCK=NONE` is refused where it says that writes wait."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from erlen.db import Model
from erlen.lint import lint_migration
from erlen.migrations.migration import Migration
from erlen.migrations.target import Target

SCHEMA = (
    "CREATE TABLE author (id INTEGER PRIMARY KEY AUTO_INCREMENT)",
    """CREATE TABLE book (
        id INTEGER PRIMARY KEY AUTO_INCREMENT, title VARCHAR(50) NOT NULL, name VARCHAR(50), long_name VARCHAR(200), pages INTEGER,
        kind ENUM('a', 'b'), flags SET('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'), author_id INTEGER, price DECIMAL(10, 2), body TEXT)""",
    "CREATE INDEX ix_book_title ON book (title)",
)
CASES = [
    ("ADD COLUMN x INTEGER", ""),
    ("ADD COLUMN x INTEGER DEFAULT 3 NOT NULL", ""),
    ("ADD COLUMN x INTEGER GENERATED ALWAYS AS (pages + 1) VIRTUAL", ""),
    ("ADD COLUMN x INTEGER GENERATED ALWAYS AS (pages + 1) STORED", "add-generated-column"),
    ("MODIFY name VARCHAR(60) NULL", ""),
    ("MODIFY name VARCHAR(40) NULL", "change-type"),
    ("MODIFY name TEXT NULL", "change-type"),
    ("MODIFY pages BIGINT NULL", "change-type"),
    ("MODIFY price DECIMAL(12, 2) NULL", "change-type"),
    ("MODIFY kind ENUM('a', 'b', 'c') NULL", ""),
    ("MODIFY kind ENUM('b', 'a') NULL", "change-type"),
    ("MODIFY flags SET('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i') NULL", "change-type"),  # its values take a byte more
    ("ADD COLUMN x INTEGER CHECK (x > 0)", ""),
    ("ADD COLUMN x INTEGER REFERENCES author (id)", "add-foreign-key"),
    ("ADD COLUMN x INTEGER UNIQUE", ""),
    ("ADD INDEX i (pages)", ""),
    ("ADD UNIQUE INDEX i (title)", ""),
    ("ADD CONSTRAINT c UNIQUE (title)", ""),
    ("ADD FULLTEXT INDEX i (body)", "add-index"),
    ("ADD CONSTRAINT c FOREIGN KEY (author_id) REFERENCES author (id)", "add-foreign-key"),
    ("ADD CONSTRAINT c CHECK (pages > 0)", "add-check"),
    ("CONVERT TO CHARACTER SET latin1", "rewrite-table"),
    ("ALTER COLUMN pages SET DEFAULT 3", ""),
    ("DROP INDEX ix_book_title", ""),
]


@pytest.fixture
def table(url_of: Callable[[str], str], connect_to: Callable[[str], Connection]) -> Connection:
    connection = connect_to(url_of("mariadb"))
    for statement in SCHEMA:
        connection.exec_driver_sql(statement)
    connection.exec_driver_sql("INSERT INTO book (title, kind, pages, price) VALUES ('a', 'a', 1, 1), ('b', 'b', 2, 2)")
    return connection


@pytest.fixture
def judge(base: type[Model], target_of: Callable[..., Target], write_step: Callable[..., Migration]) -> Callable[..., list[str]]:
    """The rules that a statement breaks after the schema."""

    def judge(statement: str, dialect: str = "mariadb") -> list[str]:
        write_step("schema", "\n".join(f"op.execute({each!r})" for each in SCHEMA))
        step = write_step("step", f"op.execute({statement!r})")
        return [finding.rule for finding in lint_migration(target_of("sqlite://", base), step, dialect=dialect)]

    return judge


def test_what_a_server_does(table: Connection, judge: Callable[[str], list[str]]) -> None:
    """Each is run with LOCK=NONE, which a server refuses that would keep writes waiting."""
    wrong: list[str] = []
    for action, _ in CASES:
        try:
            table.exec_driver_sql(f"ALTER TABLE book {action}, LOCK=NONE")
            blocks = False
        except DBAPIError as error:
            assert "LOCK=NONE is not supported" in str(error) or "not supported. Reason" in str(error), action  # noqa: PT017
            blocks = True
        else:
            for statement in ("DROP TABLE book", SCHEMA[1], SCHEMA[2]):
                table.exec_driver_sql(statement)
            table.exec_driver_sql("INSERT INTO book (title, kind, pages, price) VALUES ('a', 'a', 1, 1), ('b', 'b', 2, 2)")
        expected = dict(CASES)[action]
        if blocks != bool(expected):
            wrong.append(f"{action}: waits is {blocks}")
    assert wrong == []


@pytest.mark.parametrize(("action", "rule"), CASES, ids=[case[0] for case in CASES])
def test_findings(action: str, rule: str, judge: Callable[[str], list[str]]) -> None:
    assert judge(f"ALTER TABLE book {action}") == ([rule] if rule else [])


@pytest.mark.parametrize(
    ("statement", "rule"),
    [
        ("ALTER TABLE book ADD COLUMN x INTEGER NOT NULL", "add-required-column"),
        ("ALTER TABLE book MODIFY pages INTEGER NOT NULL", "set-not-null"),
        ("ALTER TABLE book CHANGE pages length INTEGER NULL", "rename-column"),
        ("ALTER TABLE book DROP COLUMN pages", "drop-column"),
        ("ALTER TABLE book DROP PRIMARY KEY", "change-primary-key"),
        ("RENAME TABLE book TO novel", "rename-table"),
        ("OPTIMIZE TABLE book", "rewrite-table"),
        ("UPDATE book SET pages = 1", "all-rows"),
        ("LOCK TABLES book WRITE", "lock-table"),
    ],
)
def test_other_findings(statement: str, rule: str, judge: Callable[[str], list[str]]) -> None:
    assert judge(statement) == [rule]


@pytest.mark.parametrize(
    ("action", "rule"),
    [
        ("ADD COLUMN x INTEGER CHECK (x > 0)", "add-check"),
        ("ADD COLUMN x INTEGER REFERENCES author (id)", ""),  # which it passes over
        ("ADD PRIMARY KEY (pages)", "change-primary-key"),
        ("ADD PRIMARY KEY (title)", ""),
        ("MODIFY flags SET('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i') NULL", "change-type"),
    ],
)
def test_what_mysql_does_otherwise(action: str, rule: str, judge: Callable[..., list[str]]) -> None:
    """As its manual says: there is no server of it here."""
    assert judge(f"ALTER TABLE book {action}", dialect="mysql") == ([rule] if rule else [])


@pytest.mark.parametrize("statement", ["OPTIMIZE TABLE book", "ALTER TABLE book FORCE", "ALTER TABLE book ENGINE=InnoDB"])
def test_tables_are_written_anew_while_writes_go_on(
    statement: str, table: Connection, base: type[Model], target_of: Callable[..., Target], write_step: Callable[..., Migration]
) -> None:
    write_step("schema", "\n".join(f"op.execute({each!r})" for each in SCHEMA))
    (found,) = lint_migration(target_of("sqlite://", base), write_step("step", f"op.execute({statement!r})"), dialect="mariadb")
    assert found.rule == "rewrite-table"
    assert "reads and writes go on" in found.why
    if statement.startswith("ALTER"):
        table.exec_driver_sql(f"{statement}, LOCK=NONE")
