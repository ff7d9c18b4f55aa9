"""For development: a database brought to the models without a migration, and one that is emptied."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from msgspec import Struct
from sqlalchemy import func, inspect, select, table, text

from erlen.migrations.compare import Change, compare, wanted
from erlen.migrations.connection import connect, scratch
from erlen.migrations.execution import configure, run, without_foreign_keys
from erlen.migrations.files import Draft, new_revision, source_of
from erlen.migrations.migration import Migration, read_file
from erlen.migrations.records import make_table, set_synced
from erlen.migrations.render import Renderer
from erlen.migrations.schema import OWN_TABLES
from erlen.migrations.state import State, read_state, with_names_of
from erlen.migrations.steps import Answers, write_steps
from erlen.migrations.target import Target

__all__ = ["Sync", "apply_sync", "empty", "plan_sync", "rows_of"]


class Sync(Struct, frozen=True, kw_only=True):
    """What would bring a database to the models."""

    changes: list[Change]
    code: str
    imports: tuple[str, ...]
    constants: tuple[str, ...]
    losses: list[str]
    """What would be deleted with rows in it: `table book`, `column book.title`."""
    problems: list[str]
    """What cannot be done without a migration that somebody writes."""


def plan_sync(target: Target, ask: Callable[[State, State, list[Change]], Answers]) -> Sync:
    """Compare a database with its models. Tables that no model has stay.

    Args:
        target: the database.
        ask: for renames and values.

    Raises:
        ErlenError: if there can be no scratch database, or a model fails in it.
    """
    with connect(target) as connection, ExitStack() as stack:
        before = read_state(connection)
        after = wanted(target, stack.enter_context(scratch(target))).state
        before.tables = {name: found for name, found in with_names_of(before, after).tables.items() if name in after.tables}
        changes = compare(before, after)
        answers = ask(before, after, changes) if changes else Answers()
        renderer = Renderer(connection.dialect)
        steps = write_steps(before, after, answers, renderer)
        return Sync(
            changes=changes,
            code=steps.code,
            imports=renderer.import_lines,
            constants=tuple(f"{name} = {code}" for name, code in renderer.constants.items()),
            losses=steps.losses,
            problems=steps.problems,
        )


def apply_sync(target: Target, sync: Sync) -> None:
    """Bring a database to its models, and keep in mind that no migration did it.

    Raises:
        SQLAlchemyError: if the database refuses; where it has transactions for schemas, nothing is changed then.
    """
    import tempfile

    draft = Draft(message="sync", upgrade=sync.code, downgrade=None, imports=sync.imports, constants=sync.constants)
    with connect(target) as connection, tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "0001_sync.py"
        path.write_text(source_of(draft, new_revision(), None), encoding="utf-8")
        migration: Migration = read_file(path)
        with without_foreign_keys(connection):
            context = configure(connection)
            with context.begin_transaction(_per_migration=True):
                run(context, migration)
                make_table(connection)
                set_synced(connection, synced=True)


def rows_of(target: Target) -> dict[str, int]:
    """Return how many rows each table of a database has, but for those that keep account of migrations."""
    with connect(target) as connection:
        names = [name for name in inspect(connection).get_table_names() if name not in OWN_TABLES]
        return {name: connection.scalar(select(func.count()).select_from(table(name))) or 0 for name in names}


def empty(target: Target) -> None:
    """Drop all tables, views, types and functions of a database; what extensions brought stays. A SQLite file stays a file.

    Raises:
        SQLAlchemyError: if the database refuses.
    """
    with connect(target) as connection, without_foreign_keys(connection):
        if connection.dialect.name == "postgresql":
            statements = [str(row) for row in connection.scalars(text(_POSTGRESQL))]
        elif connection.dialect.name == "sqlite":
            statements = [str(row) for row in connection.scalars(text(_SQLITE))]
        else:
            statements = [
                "SET FOREIGN_KEY_CHECKS = 0",
                *(str(row) for row in connection.scalars(text(_MYSQL))),
                "SET FOREIGN_KEY_CHECKS = 1",
            ]
        for statement in statements:
            connection.exec_driver_sql(statement.replace("%", "%%") if connection.dialect.name != "sqlite" else statement)
        connection.commit()


_POSTGRESQL = """
    SELECT format('DROP %s IF EXISTS %I.%I CASCADE', CASE c.relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW'
           WHEN 'S' THEN 'SEQUENCE' WHEN 'f' THEN 'FOREIGN TABLE' ELSE 'TABLE' END, n.nspname, c.relname)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
      AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')
    UNION ALL
    SELECT format('DROP TYPE IF EXISTS %I.%I CASCADE', n.nspname, t.typname)
    FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
    WHERE t.typtype IN ('e', 'd', 'r') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
      AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.objid = t.oid AND d.deptype = 'e')
    UNION ALL
    SELECT format('DROP ROUTINE IF EXISTS %s CASCADE', p.oid::regprocedure)
    FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND p.prokind <> 'a'
      AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')
""".replace("::", r"\:\:")
_SQLITE = """
    SELECT 'DROP ' || type || ' IF EXISTS "' || replace(name, '"', '""') || '"' FROM sqlite_master
    WHERE type IN ('view', 'table') AND name NOT LIKE 'sqlite^_%' ESCAPE '^' ORDER BY type DESC
"""
_MYSQL = """
    SELECT CONCAT('DROP ', IF(table_type = 'VIEW', 'VIEW', 'TABLE'), ' IF EXISTS `', REPLACE(table_name, '`', '``'), '`')
    FROM information_schema.tables WHERE table_schema = DATABASE()
    UNION ALL
    SELECT CONCAT('DROP ', routine_type, ' IF EXISTS `', REPLACE(routine_name, '`', '``'), '`')
    FROM information_schema.routines WHERE routine_schema = DATABASE()
"""
