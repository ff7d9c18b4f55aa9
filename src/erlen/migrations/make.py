"""Migrations, written from what changed in the models, and tried before they are kept."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from msgspec import Struct, field
from msgspec.structs import replace
from sqlalchemy import Connection, event, inspect

from erlen.errors import ErlenError
from erlen.migrations.compare import Change, compare, made_state, owned, wanted
from erlen.migrations.connection import scratch
from erlen.migrations.declared import Declarations
from erlen.migrations.execution import Direction, run_all
from erlen.migrations.files import Draft, new_revision, slug_of, source_of
from erlen.migrations.migration import Migration, read_file
from erlen.migrations.render import Renderer
from erlen.migrations.schema import differences, schema_of
from erlen.migrations.state import Name, State
from erlen.migrations.steps import Answers, Steps, write_steps
from erlen.migrations.target import Target

__all__ = ["Made", "Questions", "make"]


class Made(Struct, kw_only=True):
    """A migration that is not written yet."""

    draft: Draft
    changes: list[Change]
    """What it does, change by change."""
    sql: list[str] = field(default_factory=list)
    """The statements of its upgrade, as the scratch database got them."""
    problems: list[str] = field(default_factory=list)
    """What it does not do, or not as it should; with what to do instead."""
    others: dict[str, int] = field(default_factory=dict)
    """How many changes other branches have, by their names."""


Questions = Callable[[State, State, list[Change]], Answers]
"""Asks what cannot be seen from the schemas: given both and what differs, it returns the answers."""


def make(target: Target, branch: str, ask: Questions, message: str = "") -> Made | None:
    """Write a migration of what changed in the models, and try it; None if nothing did. No file is written.

    Args:
        target: the database.
        branch: the package whose models; `""` for the application's.
        ask: for renames and values.
        message: what the migration is called; by default what it does.

    Raises:
        HistoryError: if the migrations make no chain.
        ErlenError: if there can be no scratch database, or a migration or a model fails in it.
    """
    with scratch(target) as connection:
        declarations = Declarations(connection.dialect)
        owners = _run_history(target, connection, declarations)
        before = made_state(connection, declarations)
        goal = wanted(target, connection)
        after = goal.state
        before = owned(before, after)
        owners = {**owners, **{(table.schema, table.name): target.owner(table) for table in target.metadata.tables.values()}}
        others: dict[str, int] = {}
        for change in compare(before, after):
            owner = owners.get(change.table, "")
            if change.kind != "enum" and owner != branch:
                others[owner] = others.get(owner, 0) + 1
        before, after = _only(before, owners, branch), _only(after, owners, branch)
        changes = compare(before, after)
        if not changes:
            return Made(draft=Draft(message="", upgrade="", downgrade=None), changes=[], others=others) if others else None
        answers = ask(before, after, changes)
        up, down, renderer = _both_ways(before, after, answers, connection.dialect)
        draft = Draft(
            message=message or message_of(changes, answers),
            upgrade=up.code,
            downgrade=_with_losses(down),
            imports=tuple(sorted(renderer.imports)),
            constants=tuple(f"{name} = {code}" for name, code in renderer.constants.items()),
        )
        made = Made(draft=draft, changes=changes, problems=[*up.problems, *down.problems], others=others)
        _try(made, connection, after, owners, branch, declarations)
        return made


def _run_history(target: Target, connection: Connection, declarations: Declarations) -> dict[Name, str]:
    """Run all migrations, and return which branch's made each table."""
    owners: dict[Name, str] = {}
    there: set[Name] = set()
    for migration in target.migrations():
        run_all(connection, [migration], prepare=declarations.listen)
        inspector = inspect(connection)
        now = {(None, name) for name in inspector.get_table_names()}
        owners |= {(schema, name): migration.branch for schema, name in now - there}
        there = {*now}
        connection.rollback()
    return owners


def _only(state: State, owners: dict[Name, str], branch: str) -> State:
    return replace(state, tables={name: table for name, table in state.tables.items() if owners.get(name, "") == branch})


def _both_ways(before: State, after: State, answers: Answers, dialect: sa.Dialect) -> tuple[Steps, Steps, Renderer]:
    renderer = Renderer(dialect)
    up = write_steps(before, after, answers, renderer)
    down = write_steps(after, before, answers.reversed(), renderer, neutral=True)
    return up, down, renderer


def _with_losses(steps: Steps) -> str:
    return steps.code


def _try(made: Made, connection: Connection, after: State, owners: dict[Name, str], branch: str, declarations: Declarations) -> None:
    """Run a draft up, down and up again in the scratch database, and note what is not as it should be."""
    start = schema_of(connection)
    connection.rollback()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"0001_{slug_of(made.draft.message)}.py"
        path.write_text(source_of(made.draft, new_revision(), None), encoding="utf-8")
        migration = read_file(path)
        with _statements(connection) as made.sql:
            failed = _run(connection, migration, "upgrade", declarations)
        if failed:
            made.problems.append(f"upgrade() fails: {failed}")
            return
        found = _only(owned(made_state(connection, declarations), after), owners, branch)
        made.problems += [f"after upgrade() it still differs from the models: {change.sentence}" for change in compare(found, after)]
        up = schema_of(connection)
        connection.rollback()
        failed = _run(connection, migration, "downgrade")
        if failed:
            made.problems.append(f"downgrade() fails: {failed}")
            return
        made.problems += [f"after downgrade() {each}" for each in differences(start, schema_of(connection))]
        connection.rollback()
        failed = _run(connection, migration, "upgrade")
        if failed:
            made.problems.append(f"upgrade() fails after a downgrade(): {failed}")
            return
        made.problems += [f"after the second upgrade() {each}" for each in differences(up, schema_of(connection))]
        connection.rollback()


def _run(connection: Connection, migration: Migration, direction: Direction, declarations: Declarations | None = None) -> str:
    try:
        run_all(connection, [migration], direction, prepare=None if declarations is None else declarations.listen)
    except sa.exc.DBAPIError as error:
        connection.rollback()
        return f"{str(error.orig).strip()} in `{' '.join(str(error.statement).split())[:200]}`"
    except (sa.exc.SQLAlchemyError, ErlenError, ValueError, KeyError, NotImplementedError) as error:
        connection.rollback()
        return f"{type(error).__name__}: {error}"
    return ""


@contextmanager
def _statements(connection: Connection) -> Generator[list[str], None, None]:
    """Collect the statements that change something."""
    found: list[str] = []

    def note(_: object, cursor: object, statement: str, parameters: Any, context: object, executemany: bool) -> None:
        if not re.match(r"\s*(SELECT|PRAGMA|SHOW|SET|BEGIN|SAVEPOINT|RELEASE)\b", statement, re.IGNORECASE):
            found.append(statement.strip())

    event.listen(connection, "before_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(connection, "before_cursor_execute", note)


def message_of(changes: Sequence[Change], answers: Answers) -> str:
    """Return what a migration is called by what it does: `create book`, `add author to book`, `3 changes`."""
    phrases: list[str] = [f"rename {old[1]} to {new[1]}" for old, new in answers.tables.items()]
    phrases += [f"rename {old} to {new} of {table[1]}" for (table, old), new in answers.columns.items()]
    renamed = {*answers.tables.values()} | {*answers.tables}
    created = [each.table[1] for each in changes if each.kind == "table" and each.action == "+" and each.table not in renamed]
    dropped = [each.table[1] for each in changes if each.kind == "table" and each.action == "-" and each.table not in renamed]
    if created and len(created) <= 3:
        phrases.append(f"create {_and(created)}")
    else:
        phrases += [f"create {name}" for name in created]
    phrases += [f"drop {_and(dropped)}"] if dropped else []
    names = {*answers.columns} | {(table, new) for (table, _), new in answers.columns.items()}
    for sign, verb, word in (("+", "add", "to"), ("-", "drop", "of")):
        by_table: dict[Name, list[str]] = {}
        for each in changes:
            if each.kind == "column" and each.action == sign and (each.table, each.name) not in names and each.table not in renamed:
                by_table.setdefault(each.table, []).append(each.name)
        phrases += [f"{verb} {_and(columns)} {word} {table[1]}" for table, columns in by_table.items()]
    rest = {each.table[1] for each in changes if each.action == "~" and each.kind == "column"}
    if not phrases or rest:
        phrases += [f"change {name}" for name in sorted(rest or {each.table[1] for each in changes})]
    said = ", ".join(phrases)
    return said if len(said) <= 60 else f"{len(changes)} changes"


def _and(names: Iterable[str]) -> str:
    found = list(names)
    return found[0] if len(found) == 1 else f"{', '.join(found[:-1])} and {found[-1]}"


