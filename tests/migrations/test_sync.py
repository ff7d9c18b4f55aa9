"""`erlen db sync` and `reset`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from click.testing import Result
from sqlalchemy import Connection, inspect, text

from erlen.migrations.migration import Migration

ConnectTo = Callable[[str], Connection]
WriteApp = Callable[..., Path]
WriteStep = Callable[..., Migration]
Run = Callable[..., Result]

BOOK = """
class Book(Base):
    title: Mapped[str]
"""
MORE = BOOK + "    pages: Mapped[int | None]\n"


def test_sync_changes_the_tables_and_migrations_follow(database_url: str, write_app: WriteApp, run: Run, connect_to: ConnectTo) -> None:
    write_app(database_url, BOOK)
    made = run("db", "sync", DEBUG="1")
    assert (made.exit_code, "+ table books" in made.output) == (0, True), made.output
    connection = connect_to(database_url)
    connection.exec_driver_sql("INSERT INTO books (title) VALUES ('a')")
    assert "Nothing to do: the database is as the models are." in run("db", "sync", DEBUG="1").output
    run("db", "make", "--yes")
    adopted = run("db", "migrate")
    assert (adopted.exit_code, "it counts as applied" in adopted.output) == (0, True), adopted.output
    write_app(database_url, MORE)
    assert "column books.pages" in run("db", "sync", DEBUG="1").output
    assert run("db", "migrate").exit_code == 0  # there is no migration yet, which is no error
    run("db", "make", "--yes")
    again = run("db", "migrate")
    assert (again.exit_code, "has done what 0002" in again.output) == (0, True), again.output
    checked = run("db", "check")
    assert checked.exit_code == 0, checked.output
    # What comes after is run as ever.
    write_app(database_url, MORE + "    price: Mapped[int | None]\n")
    run("db", "make", "--yes")
    last = run("db", "migrate")
    assert (last.exit_code, "0003" in last.output, "counts as" in last.output) == (0, True, False), last.output
    assert connection.execute(text("SELECT title, pages, price FROM books")).all() == [("a", None, None)]


def test_sync_asks_before_it_drops_and_leaves_what_no_model_has(
    database_url: str, write_app: WriteApp, run: Run, connect_to: ConnectTo
) -> None:
    write_app(database_url, MORE)
    run("db", "sync", DEBUG="1")
    connection = connect_to(database_url)
    connection.exec_driver_sql("CREATE TABLE other (id INTEGER)")
    connection.exec_driver_sql("INSERT INTO books (title, pages) VALUES ('a', 1)")
    write_app(database_url, BOOK)
    refused = run("db", "sync", DEBUG="1")
    assert (refused.exit_code, "column books.pages" in refused.output, "--yes" in refused.output) == (2, True, True), refused.output
    assert "- column books.pages" in run("db", "sync", "--dry-run").output
    assert "pages" in {each["name"] for each in inspect(connection).get_columns("books")}
    done = run("db", "sync", "--yes", DEBUG="1")
    assert done.exit_code == 0, done.output
    assert connection.execute(text("SELECT * FROM books")).all() == [(1, "a")]
    assert "other" in inspect(connection).get_table_names()


CUSTOMER = """
class Customer(Base):
    email: Mapped[str] = mapped_column(sa.String(100), unique=True)
"""


def test_a_unique_column_without_a_name_is_that_of_the_model(
    url_of: Callable[[str], str], write_app: WriteApp, run: Run, connect_to: ConnectTo
) -> None:
    url = url_of("sqlite")
    write_app(url, CUSTOMER)
    connect_to(url).exec_driver_sql("CREATE TABLE customers (id INTEGER NOT NULL PRIMARY KEY, email VARCHAR(100) NOT NULL UNIQUE)")
    synced = run("db", "sync", DEBUG="1")
    assert "Nothing to do: the database is as the models are." in synced.output, synced.output


def test_a_rename_is_said(url_of: Callable[[str], str], write_app: WriteApp, run: Run, connect_to: ConnectTo) -> None:
    url = url_of("sqlite")
    write_app(url, BOOK)
    run("db", "sync", DEBUG="1")
    connection = connect_to(url)
    connection.exec_driver_sql("INSERT INTO books (title) VALUES ('a')")
    write_app(url, BOOK.replace("title", "name"))
    asked = run("db", "sync", DEBUG="1")
    assert (asked.exit_code, "--rename" in asked.output) == (2, True), asked.output
    done = run("db", "sync", "--rename", "books.title=name", DEBUG="1")
    assert done.exit_code == 0, done.output
    assert connection.scalars(text("SELECT name FROM books")).all() == ["a"]


def test_both_are_for_development(url_of: Callable[[str], str], write_app: WriteApp, run: Run) -> None:
    write_app(url_of("sqlite"), BOOK)
    for name in ("sync", "reset"):
        refused = run("db", name, "--yes")
        assert (refused.exit_code, "DEBUG=1, or say `--force`" in refused.output) == (2, True), refused.output
    assert run("db", "sync", "--force").exit_code == 0
    assert run("db", "reset", "--force", "--yes").exit_code == 0


def test_reset_empties_and_builds_again(
    backend: str, database_url: str, write_app: WriteApp, run: Run, connect_to: ConnectTo, write: Callable[..., Path]
) -> None:
    write_app(database_url, BOOK)
    run("db", "make", "--yes")
    run("db", "migrate")
    connection = connect_to(database_url)
    for statement in (
        "CREATE TABLE parent (id INTEGER PRIMARY KEY)",
        "CREATE TABLE child (id INTEGER PRIMARY KEY, parent INTEGER, FOREIGN KEY (parent) REFERENCES parent (id))",
        "CREATE VIEW seen AS SELECT id FROM parent",
        "INSERT INTO books (title) VALUES ('a')",
    ):
        connection.exec_driver_sql(statement)
    if backend == "postgresql":
        connection.exec_driver_sql("CREATE TYPE mood AS ENUM ('good'); CREATE FUNCTION one() RETURNS integer LANGUAGE sql AS 'SELECT 1'")
        connection.exec_driver_sql("CREATE EXTENSION IF NOT EXISTS pg_trgm")
    asked = run("db", "reset", DEBUG="1")
    assert (asked.exit_code, "4 tables" in asked.output or "3 tables" in asked.output, "--yes" in asked.output) == (2, True, True), (
        asked.output
    )
    write("seeds.py", "def seed_books(db):\n    from app import Book\n    db.add(Book(title='seeded'))\n")
    done = run("db", "reset", "--yes", "--seed", DEBUG="1")
    assert done.exit_code == 0, done.output
    inspector = inspect(connection)
    assert set(inspector.get_table_names()) == {"books", "erlen_migrations"}
    assert inspector.get_view_names() == []
    if backend == "postgresql":
        assert inspector.get_enums() == []  # type: ignore[attr-defined]
        assert connection.scalar(text("SELECT count(*) FROM pg_extension WHERE extname = 'pg_trgm'")) == 1
        connection.exec_driver_sql("DROP EXTENSION pg_trgm")
    assert "Nothing to do" in run("db", "migrate").output


def test_reset_without_migrations_makes_the_tables_of_the_models(
    url_of: Callable[[str], str], write_app: WriteApp, run: Run, connect_to: ConnectTo
) -> None:
    url = url_of("sqlite")
    write_app(url, BOOK)
    done = run("db", "reset", DEBUG="1")
    assert (done.exit_code, "There are no migrations" in done.output) == (0, True), done.output
    assert inspect(connect_to(url)).get_table_names() == ["books"]
