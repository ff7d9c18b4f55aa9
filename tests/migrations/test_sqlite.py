"""Tables of SQLite that are rebuilt keep all that a migration does not speak of."""

from __future__ import annotations

from collections.abc import Callable
from textwrap import dedent

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, inspect, text

from erlen.db import Model
from erlen.migrations.migration import Migration
from erlen.migrations.runner import MigrationError, migrate, rollback
from erlen.migrations.sqlite_table import parse_table
from erlen.migrations.target import Target

WriteStep = Callable[..., Migration]

RICH = """CREATE TABLE "t" (  -- what a table may have
    id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT COLLATE NOCASE NOT NULL DEFAULT 'x, y' /* a comma */,
    up TEXT GENERATED ALWAYS AS (upper(name)) STORED, twice INT AS (id * 2), m MONEY, "n m" INTEGER CHECK ("n m" > 0) NULL,
    u TEXT CONSTRAINT uq UNIQUE ON CONFLICT REPLACE, at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    e TEXT DEFAULT (lower('A')), neg INT DEFAULT -1,
    p INTEGER CONSTRAINT fk REFERENCES p(id) ON DELETE SET NULL ON UPDATE CASCADE DEFERRABLE INITIALLY DEFERRED, gone TEXT,
    CONSTRAINT ck CHECK (length(name) < 10), CHECK ("n m" < 1000), FOREIGN KEY (p) REFERENCES p (id) NOT DEFERRABLE, UNIQUE (gone, neg)
)"""


@pytest.fixture
def target(url_of: Callable[[str], str], base: type[Model], target_of: Callable[..., Target]) -> Target:
    return target_of(url_of("sqlite"), base)


@pytest.fixture
def connection(target: Target, connect_to: Callable[[str], Connection]) -> Connection:
    return connect_to(target.database.url().render_as_string())


def table_sql(connection: Connection, table: str = "t") -> str:
    return str(connection.scalar(text("SELECT sql FROM sqlite_master WHERE name = :table"), {"table": table}))


def test_a_definition_is_taken_apart_and_put_together_again() -> None:
    table = parse_table(RICH)
    assert [column.name for column in table.columns] == ["id", "name", "up", "twice", "m", "n m", "u", "at", "e", "neg", "p", "gone"]
    assert [str(column) for column in table.columns][1:7] == [
        "name TEXT COLLATE NOCASE NOT NULL DEFAULT 'x, y'",
        "up TEXT GENERATED ALWAYS AS (upper(name)) STORED",
        "twice INT AS (id * 2)",
        "m MONEY",
        '"n m" INTEGER CHECK ("n m" > 0) NULL',
        "u TEXT CONSTRAINT uq UNIQUE ON CONFLICT REPLACE",
    ]
    assert [(each.kind, each.name) for each in table.constraints] == [("check", "ck"), ("check", ""), ("foreign", ""), ("unique", "")]
    assert parse_table(table.create("t")) == table
    assert parse_table("CREATE TABLE s (a TEXT PRIMARY KEY) STRICT, WITHOUT ROWID").options == "STRICT, WITHOUT ROWID"


NAME = st.text("abc d'[]\"`é-,(", min_size=1, max_size=6)


@given(st.lists(NAME, min_size=1, max_size=4, unique_by=str.lower), st.text("ab',()-", max_size=6))
def test_any_name_and_default_comes_through(names: list[str], default: str) -> None:
    import sqlite3

    quoted = ['"' + name.replace('"', '""') + '"' for name in names]
    literal = "'" + default.replace("'", "''") + "'"
    sql = f"CREATE TABLE t ({', '.join(f'{name} TEXT DEFAULT {literal}' for name in quoted)}, UNIQUE ({quoted[0]}))"
    table = parse_table(sql)
    assert [column.name for column in table.columns] == names
    connection = sqlite3.connect(":memory:")
    try:
        connection.execute(sql)
        connection.execute(table.create("u"))
        of = "SELECT name, type, dflt_value FROM pragma_table_xinfo(?)"
        assert connection.execute(of, "t").fetchall() == connection.execute(of, "u").fetchall()
    finally:
        connection.close()


def test_a_rebuild_keeps_what_it_does_not_speak_of(target: Target, write_step: WriteStep, connection: Connection) -> None:
    for statement in (
        "CREATE TABLE p (id INTEGER PRIMARY KEY)",
        "CREATE TABLE log (what TEXT)",
        RICH,
        "CREATE INDEX i_expression ON t (lower(name))",
        "CREATE INDEX i_partial ON t (name DESC, neg) WHERE neg > 3",
        "CREATE INDEX i_gone ON t (gone)",
        "CREATE TABLE child (id INTEGER PRIMARY KEY, t INTEGER REFERENCES t(id) ON DELETE CASCADE)",
        "CREATE VIEW v AS SELECT id, name FROM t",
        "CREATE TRIGGER logged AFTER INSERT ON t BEGIN INSERT INTO log VALUES (new.name); END",
        "INSERT INTO p VALUES (1)",
        "INSERT INTO t (id, name, \"n m\", p, gone) VALUES (5, 'Ann', 7, 1, 'x'), (6, 'Ben', 8, NULL, 'y')",
        "DELETE FROM t WHERE id = 6",
        "INSERT INTO child VALUES (1, 5)",
        "DELETE FROM log",
    ):
        connection.exec_driver_sql(statement)
    before = parse_table(table_sql(connection))
    down = """
        with op.batch_alter_table("t") as batch:
            batch.add_column(sa.Column("gone", sa.Text), insert_after="p")
            batch.drop_column("more")
        """
    write_step(
        "drop gone",
        'with op.batch_alter_table("t") as batch:\n    batch.drop_column("gone")\n    batch.add_column(sa.Column("more", sa.Integer))',
        dedent(down),
    )
    migrate(target)
    after = parse_table(table_sql(connection))
    assert [str(column) for column in after.columns] == [str(column) for column in before.columns if column.name != "gone"] + [
        "more INTEGER"
    ]
    assert [str(each) for each in after.constraints] == [str(each) for each in before.constraints[:3]]
    names = set(connection.scalars(text("SELECT name FROM sqlite_master WHERE sql IS NOT NULL AND tbl_name = 't'")))
    assert names == {"t", "i_expression", "i_partial", "logged"}
    assert connection.execute(text('SELECT id, name, up, twice, "n m", p FROM t')).all() == [(5, "Ann", "ANN", 10, 7, 1)]
    assert connection.execute(text("SELECT * FROM v")).all() == [(5, "Ann")]
    connection.exec_driver_sql("PRAGMA foreign_keys = ON")
    connection.exec_driver_sql("INSERT INTO t (name) VALUES ('Cy')")
    assert connection.scalar(text("SELECT max(id) FROM t")) == 7  # what AUTOINCREMENT gave once it does not give again
    assert connection.scalars(text("SELECT what FROM log")).all() == ["Cy"]
    connection.exec_driver_sql("DELETE FROM t WHERE id = 5")
    assert connection.scalar(text("SELECT count(*) FROM child")) == 0
    assert "DESC" in table_sql(connection, "i_partial")
    rollback(target)
    back = parse_table(table_sql(connection))
    assert [str(column) for column in back.columns] == [str(column) if column.name != "gone" else "gone TEXT" for column in before.columns]


@pytest.mark.parametrize(
    ("operation", "wanted"),
    [
        ('batch.alter_column("name", nullable=True)', "name TEXT COLLATE NOCASE DEFAULT 'x'"),
        ('batch.alter_column("size", nullable=False, server_default="1")', "size INTEGER NOT NULL DEFAULT '1'"),
        ('batch.alter_column("name", server_default=None)', "name TEXT COLLATE NOCASE NOT NULL"),
        ('batch.alter_column("name", server_default=sa.text("lower(\'A\')"))', "name TEXT COLLATE NOCASE NOT NULL DEFAULT (lower('A'))"),
        ('batch.alter_column("name", type_=sa.String(20))', "name VARCHAR(20) COLLATE NOCASE NOT NULL DEFAULT 'x'"),
        ('batch.alter_column("size", new_column_name="length", type_=sa.Text())', "length TEXT"),
        ('batch.add_column(sa.Column("flag", sa.Boolean, nullable=False, server_default=sa.true()))', "flag BOOLEAN DEFAULT 1 NOT NULL"),
        ('batch.add_column(sa.Column("at", sa.DateTime, server_default=sa.func.now()))', "at DATETIME DEFAULT CURRENT_TIMESTAMP"),
        (
            'batch.add_column(sa.Column("twice", sa.Integer, sa.Computed("size * 2", persisted=True)))',
            "twice INTEGER GENERATED ALWAYS AS (size * 2) STORED",
        ),
    ],
)
def test_a_column_is_changed_where_it_is_spoken_of(
    operation: str, wanted: str, target: Target, write_step: WriteStep, connection: Connection
) -> None:
    connection.exec_driver_sql("CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT COLLATE NOCASE NOT NULL DEFAULT 'x', size INTEGER)")
    connection.exec_driver_sql("INSERT INTO t VALUES (1, 'a', 7)")
    write_step("change", f'with op.batch_alter_table("t") as batch:\n    {operation}')
    migrate(target)
    assert wanted in [str(column) for column in parse_table(table_sql(connection)).columns]
    assert connection.execute(text("SELECT * FROM t")).one()[:3] in {(1, "a", 7), (1, "a", "7")}


def test_constraints_come_and_go(target: Target, write_step: WriteStep, connection: Connection) -> None:
    connection.exec_driver_sql("CREATE TABLE p (id INTEGER PRIMARY KEY)")
    connection.exec_driver_sql("CREATE TABLE t (id INTEGER PRIMARY KEY, p INTEGER, name TEXT CONSTRAINT uq_old UNIQUE, size INTEGER)")
    write_step(
        "change",
        """
        with op.batch_alter_table("t") as batch:
            batch.create_foreign_key("fk_p", "p", ["p"], ["id"], ondelete="CASCADE")
            batch.create_check_constraint("ck_size", "size > 0")
            batch.create_unique_constraint("uq_new", ["name", "size"])
            batch.drop_constraint("uq_old", type_="unique")
            batch.create_index("ix_name", ["name"])
        """,
        """
        with op.batch_alter_table("t") as batch:
            batch.drop_index("ix_name")
            batch.drop_constraint("fk_p", type_="foreignkey")
            batch.drop_constraint("ck_size", type_="check")
            batch.drop_constraint("uq_new", type_="unique")
            batch.create_unique_constraint("uq_old", ["name"])
        """.replace("        ", ""),
    )
    migrate(target)
    assert "fk_p" in table_sql(connection)  # this connection reads the schema anew
    found = inspect(connection)
    assert [each["options"] for each in found.get_foreign_keys("t")] == [{"ondelete": "CASCADE"}]
    assert [each["name"] for each in found.get_check_constraints("t")] == ["ck_size"]
    assert [each["name"] for each in found.get_unique_constraints("t")] == ["uq_new"]
    assert [each["name"] for each in found.get_indexes("t")] == ["ix_name"]
    rollback(target)
    found = inspect(connection)
    assert (found.get_foreign_keys("t"), found.get_check_constraints("t"), found.get_indexes("t")) == ([], [], [])
    assert [each["name"] for each in found.get_unique_constraints("t")] == ["uq_old"]


@pytest.mark.parametrize(
    ("operation", "message"),
    [
        ('batch.drop_column("nothing")', "has no column 'nothing', only id, name"),
        ('batch.drop_constraint("nothing", type_="unique")', "has no constraint 'nothing'"),
        ('batch.add_column(sa.Column("name", sa.Text))', "has a column 'name' already"),
    ],
)
def test_what_is_not_there_is_said(operation: str, message: str, target: Target, write_step: WriteStep, connection: Connection) -> None:
    connection.exec_driver_sql("CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT)")
    step = write_step("change", f'with op.batch_alter_table("t") as batch:\n    {operation}')
    with pytest.raises(MigrationError, match=message) as caught:
        migrate(target)
    assert f"{step.path}:" in str(caught.value)


def test_rows_that_would_refer_to_none_roll_the_migration_back(target: Target, write_step: WriteStep, connection: Connection) -> None:
    connection.exec_driver_sql("CREATE TABLE p (id INTEGER PRIMARY KEY)")
    connection.exec_driver_sql("CREATE TABLE t (id INTEGER PRIMARY KEY, p INTEGER REFERENCES p)")
    connection.exec_driver_sql("INSERT INTO p VALUES (1)")
    connection.exec_driver_sql("INSERT INTO t VALUES (1, 1)")
    write_step("lose", 'op.execute("DELETE FROM p")')
    with pytest.raises(MigrationError, match="row 1 of t refers to a row of p that is not there"):
        migrate(target)
    assert connection.scalar(text("SELECT count(*) FROM p")) == 1


def test_rows_that_referred_to_none_before_do_not_stop_a_migration(target: Target, write_step: WriteStep, connection: Connection) -> None:
    connection.exec_driver_sql("CREATE TABLE t (id INTEGER PRIMARY KEY, p INTEGER REFERENCES p)")
    connection.exec_driver_sql("CREATE TABLE p (id INTEGER PRIMARY KEY)")
    connection.exec_driver_sql("INSERT INTO t VALUES (1, 1)")
    write_step("add", 'op.add_column("t", sa.Column("more", sa.Integer))')
    assert len(migrate(target)) == 1


def test_tables_without_row_numbers_and_strict_ones_stay_so(target: Target, write_step: WriteStep, connection: Connection) -> None:
    connection.exec_driver_sql("CREATE TABLE t (id TEXT PRIMARY KEY, a INTEGER, b ANY) STRICT, WITHOUT ROWID")
    connection.exec_driver_sql("CREATE TABLE u (id TEXT PRIMARY KEY, a INTEGER)")
    connection.exec_driver_sql("INSERT INTO t VALUES ('x', 1, 2)")
    connection.exec_driver_sql("INSERT INTO u (rowid, id, a) VALUES (17, 'x', 1)")
    write_step(
        "change", "for name in ('t', 'u'):\n    with op.batch_alter_table(name) as batch:\n        batch.alter_column('a', nullable=False)"
    )
    migrate(target)
    assert parse_table(table_sql(connection)).options == "STRICT, WITHOUT ROWID"
    assert connection.execute(text("SELECT rowid, a FROM u")).all() == [(17, 1)]
    assert connection.execute(text("SELECT * FROM t")).all() == [("x", 1, 2)]
