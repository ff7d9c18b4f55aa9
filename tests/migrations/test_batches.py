"""Rows that migrations change in portions: each portion is committed by itself, and a run that failed among them goes on where it was."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import Connection, text

from erlen.db import Model
from erlen.migrations.migration import Migration
from erlen.migrations.runner import MigrationError, migrate
from erlen.migrations.target import Target

Step = Callable[..., Migration]
IMPORTS = ("from erlen.migrations import delete_in_batches, in_batches, tables, update_in_batches",)
TABLES = """
op.create_table("book", sa.Column("id", sa.Integer, primary_key=True), sa.Column("title", sa.String(50)), sa.Column("slug", sa.String(50)))
key = [sa.Column(name, sa.Integer, primary_key=True, autoincrement=False) for name in ("a", "b")]
op.create_table("part", *key, sa.Column("n", sa.Integer))
op.create_table("keyless", sa.Column("n", sa.Integer))
"""
COUNTED = """
from sqlalchemy import event
sent = []
def note(connection, cursor, statement, *rest):
    sent.append(statement) if statement.startswith(("UPDATE", "DELETE")) else None
event.listen(op.get_bind(), "before_cursor_execute", note)
"""
ROWS = 7


@pytest.fixture
def target(database_url: str, target_of: Callable[..., Target], base: type[Model], write_step: Step) -> Target:
    target = target_of(database_url, base)
    write_step("tables", TABLES)
    migrate(target)
    return target


@pytest.fixture
def connection(target: Target, database_url: str, connect_to: Callable[[str], Connection]) -> Connection:
    connection = connect_to(database_url)
    connection.execute(
        text("INSERT INTO book (id, title) VALUES (:id, :title)"), [{"id": n, "title": f"T:{n}"} for n in range(1, ROWS + 1)]
    )
    connection.execute(text("INSERT INTO part (a, b, n) VALUES (:a, :b, 0)"), [{"a": n // 3, "b": n % 3} for n in range(ROWS)])
    return connection


@pytest.mark.parametrize(
    ("change", "statements", "left"),
    [
        (
            'update_in_batches(op, "book", "slug = \'a:b\'", where="slug IS NULL", size=3)',
            3,
            "SELECT count(*) FROM book WHERE slug = 'a:b'",
        ),
        ('update_in_batches(op, "part", "n = n + 1", size=2)', 4, "SELECT count(*) FROM part WHERE n = 1"),
        ('delete_in_batches(op, "part", where="a < 9", size=3)', 3, f"SELECT {ROWS} - count(*) FROM part"),
        ('delete_in_batches(op, "book")', 1, f"SELECT {ROWS} - count(*) FROM book"),
    ],
)
def test_each_row_is_changed_once(
    change: str, statements: int, left: str, target: Target, connection: Connection, write_step: Step
) -> None:
    write_step("change", f"{COUNTED}{change}\nassert len(sent) == {statements}, sent", imports=IMPORTS)
    migrate(target)
    assert connection.scalar(text(left)) == ROWS


CHANGES = {
    "update": 'update_in_batches(op, "book", "slug = title", where="slug IS NULL", size=2)',
    "delete": 'delete_in_batches(op, "book", size=2)',
    "python": """
for rows in in_batches(op, sa.select(t.book).where(t.book.c.slug.is_(None)), size=2):
    for row in rows:
        op.execute(t.book.update().where(t.book.c.id == row.id).values(slug=row.title))
""",
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_is_done_stays_done_and_the_next_run_goes_on(change: str, target: Target, connection: Connection, write_step: Step) -> None:
    fails = """
def fail(connection, cursor, statement, *rest):
    if len(sent) == 3 and statement == sent[-1]:
        raise RuntimeError("in the middle")
event.listen(op.get_bind(), "before_cursor_execute", fail)
"""
    step = write_step("change", f"t = tables(op)\nt.book\n{COUNTED}{fails}{CHANGES[change]}", imports=IMPORTS)
    with pytest.raises(MigrationError, match="in the middle"):
        migrate(target)
    done = "SELECT count(*) FROM book WHERE slug = title" if change != "delete" else f"SELECT {ROWS} - count(*) FROM book"
    kept = connection.scalar(text(done))
    assert kept == (2 if change == "python" else 4)
    step.path.write_text(step.path.read_text().replace("len(sent) == 3", "False"))
    assert migrate(target) == [step]
    assert connection.scalar(text(done)) == ROWS


@pytest.mark.parametrize("backend", ["sqlite"])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ('update_in_batches(op, "keyless", "n = 1")', "keyless has no primary key to go through its rows by"),
        ("for rows in in_batches(op, sa.select(tables(op).book)):\n    pass", "the same rows are left again"),
    ],
)
def test_what_cannot_be_gone_through(change: str, message: str, target: Target, connection: Connection, write_step: Step) -> None:
    step = write_step("change", change, imports=IMPORTS)
    with pytest.raises(MigrationError, match=message) as caught:
        migrate(target)
    assert f"{step.path}:" in str(caught.value)
