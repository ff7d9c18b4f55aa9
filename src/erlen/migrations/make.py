"""Migrations, written from what changed in the models, and tried before they are kept."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from msgspec import Struct, field
from msgspec.structs import replace
from sqlalchemy import Connection, event, inspect
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from erlen.errors import ErlenError
from erlen.migrations.answers import Answers, renamed
from erlen.migrations.compare import Change, compare, made_state, owned, wanted
from erlen.migrations.connection import scratch
from erlen.migrations.declared import Declarations
from erlen.migrations.execution import Direction, run_all
from erlen.migrations.files import Draft, new_revision, slug_of, source_of
from erlen.migrations.migration import Migration, read_file
from erlen.migrations.render import Renderer
from erlen.migrations.schema import differences, schema_of
from erlen.migrations.state import Name, State, full_name, schemas_of
from erlen.migrations.steps import Steps, write_steps
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


def make(target: Target, branch: str, ask: Questions, message: str = "") -> Made:
    """Draft a migration of what changed in the models, and try it; without changes if nothing did. No file is written.

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
        found = _Found(target, connection)
        before, after = found.only(found.before, branch), found.only(found.after, branch)
        changes = compare(before, after)
        if not changes:
            return Made(draft=Draft(message="", upgrade="", downgrade=None), changes=[], others=found.others(branch))
        answers = ask(before, after, changes)
        changes = [*changes_by_answers(answers), *compare(renamed(before, answers), after)]
        up, down, renderer = _both_ways(before, after, answers, connection.dialect)
        draft = Draft(
            message=message or message_of(changes),
            upgrade=up.code,
            downgrade=down.code,
            imports=renderer.import_lines,
            constants=tuple(f"{name} = {code}" for name, code in renderer.constants.items()),
        )
        made = Made(draft=draft, changes=changes, problems=[*up.problems, *down.problems], others=found.others(branch))
        _try(made, found, connection, branch)
        return made


def changes_of_branches(target: Target, branch: str) -> tuple[list[str], dict[str, int]]:
    """Return a sentence for each change of a branch that no migration makes, and how many changes each other branch has.

    Raises:
        HistoryError: if the migrations make no chain.
        ErlenError: if there can be no scratch database, or a migration or a model fails in it.
    """
    with scratch(target) as connection:
        found = _Found(target, connection)
        changes = compare(found.only(found.before, branch), found.only(found.after, branch))
        return [change.sentence for change in changes], found.others(branch)


def draft_by_hand(message: str, *, is_data: bool) -> Draft:
    """Return a migration to be written by hand.

    Args:
        message: what it does.
        is_data: with a pattern for changing rows.
    """
    if not is_data:
        return Draft(message=message or "by hand", upgrade="", downgrade="", imports=("from alembic import op",))
    return Draft(message=message or "change rows", upgrade=_PATTERN, downgrade="", imports=("from erlen.migrations import tables",))


_PATTERN = """\
t = tables(op)  # as they are at this point: models may change later
# One statement, for tables that are not large:
#   op.execute(t.book.update().where(t.book.c.author.is_(None)).values(author="unknown"))
# Large ones, in portions that are each a transaction; a run that was interrupted goes on where it was:
#   update_in_batches(op, "book", "author = 'unknown'", where="author IS NULL")
# The same, where each row needs Python; the query leaves out rows that are done:
#   for rows in in_batches(op, sa.select(t.book).where(t.book.c.slug.is_(None))):
#       for row in rows:
#           op.execute(t.book.update().where(t.book.c.id == row.id).values(slug=row.title.lower()))"""


class _Found:
    """What migrations make, what models want, and whose each table is."""

    def __init__(self, target: Target, connection: Connection) -> None:
        self.declarations = Declarations(connection.dialect)
        self.owners: dict[Name, str] = {}
        there: set[Name] = set()
        for migration in target.migrations():
            run_all(connection, [migration], prepare=self.declarations.listen)
            now = self._tables(connection)
            self.owners |= dict.fromkeys(now - there, migration.branch)
            there = now
        made = made_state(connection, self.declarations)
        self.after = wanted(target, connection).state
        self.before = owned(made, self.after)
        self.owners |= {(table.schema, table.name): target.owner(table) for table in target.metadata.tables.values()}

    def only(self, state: State, branch: str) -> State:
        """Return a schema with the tables of one branch."""
        return replace(state, tables={name: table for name, table in state.tables.items() if self.owners.get(name, "") == branch})

    def others(self, branch: str) -> dict[str, int]:
        """Return how many changes other branches have."""
        found: dict[str, int] = {}
        for change in compare(self.before, self.after):
            owner = self.owners.get(change.table, branch)
            if change.kind != "enum" and owner != branch:
                found[owner] = found.get(owner, 0) + 1
        return found

    @staticmethod
    def _tables(connection: Connection) -> set[Name]:
        inspector = inspect(connection)
        found = {(schema, name) for schema in schemas_of(inspector) for name in inspector.get_table_names(schema=schema)}
        connection.rollback()
        return found


def _both_ways(before: State, after: State, answers: Answers, dialect: sa.Dialect) -> tuple[Steps, Steps, Renderer]:
    renderer = Renderer(dialect)
    up = write_steps(before, after, answers, renderer)
    down = write_steps(after, before, answers.reversed(), renderer, neutral=True)
    return up, down, renderer


def changes_by_answers(answers: Answers) -> list[Change]:
    """Return what only the answers know: other names, and other values of rows."""
    found = [Change(kind="name", action="~", table=old, after=full_name(new)) for old, new in answers.tables.items()]
    found += [Change(kind="name", action="~", table=table, name=old, after=new) for (table, old), new in answers.columns.items()]
    for values in (answers.values, answers.replaced):
        for (table, column), pairs in values.items():
            found += [Change(kind="value", action="~", table=table, name=column, before=old, after=new) for old, new in pairs.items()]
    return found


def _try(made: Made, facts: _Found, connection: Connection, branch: str) -> None:
    """Run a draft up, down and up again in the scratch database, and note what is not as it should be."""
    import tempfile

    start = schema_of(connection)
    connection.rollback()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"0001_{slug_of(made.draft.message)}.py"
        path.write_text(source_of(made.draft, new_revision(), None), encoding="utf-8")
        migration = read_file(path)
        with _statements(connection) as made.sql:
            failed = _run(connection, migration, "upgrade", facts.declarations)
        if failed:
            made.problems.append(f"upgrade() fails: {failed}")
            return
        after = facts.only(facts.after, branch)
        found = owned(made_state(connection, facts.declarations), facts.after)
        facts.owners |= dict.fromkeys(found.tables.keys() - facts.owners.keys(), branch)
        differing = compare(facts.only(found, branch), after)
        made.problems += [f"after upgrade() it still differs from the models: {change.sentence}" for change in differing]
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
    except DBAPIError as error:
        connection.rollback()
        return f"{str(error.orig).strip()} in `{' '.join(str(error.statement).split())[:200]}`"
    except (SQLAlchemyError, ErlenError, ValueError, KeyError, NotImplementedError) as error:
        connection.rollback()
        return f"{type(error).__name__}: {error}"
    return ""


@contextmanager
def _statements(connection: Connection) -> Generator[list[str], None, None]:
    """Collect the statements that change something."""
    found: list[str] = []
    doubles = connection.dialect.paramstyle in ("format", "pyformat")  # a percent sign is written twice for these drivers

    def note(_: object, cursor: object, statement: str, parameters: Any, context: object, executemany: bool) -> None:
        if not re.match(r"\s*(SELECT|PRAGMA|SHOW|SET|BEGIN|SAVEPOINT|RELEASE)\b", statement, re.IGNORECASE):
            found.append(statement.strip().replace("%%", "%") if doubles else statement.strip())

    event.listen(connection, "before_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(connection, "before_cursor_execute", note)


def message_of(changes: Sequence[Change]) -> str:
    """Return what a migration is called by what it does: `create book`, `add author to book`, `3 changes`."""
    phrases = [
        f"rename {each.name} to {each.after} of {each.table[1]}" if each.name else f"rename {each.table[1]} to {each.after}"
        for each in changes
        if each.kind == "name"
    ]
    for sign, verb in (("+", "create"), ("-", "drop")):
        if names := [each.table[1] for each in changes if each.kind == "table" and each.action == sign]:
            phrases.append(f"{verb} {_and(names)}")
    for sign, verb, word in (("+", "add", "to"), ("-", "drop", "of")):
        by_table: dict[Name, list[str]] = {}
        for each in changes:
            if each.kind == "column" and each.action == sign:
                by_table.setdefault(each.table, []).append(each.name)
        phrases += [f"{verb} {_and(columns)} {word} {table[1]}" for table, columns in by_table.items()]
    changed = [f"{each.name} of {each.table[1]}" for each in changes if each.kind == "column" and each.action == "~"]
    if not changed and not phrases:
        changed = sorted({each.table[1] for each in changes})
    phrases += [f"change {_and(changed)}"] if changed else []
    said = ", ".join(phrases)
    return said if len(said) <= 60 else f"{len(changes)} changes"


def _and(names: Iterable[str]) -> str:
    found = list(names)
    return found[0] if len(found) == 1 else f"{', '.join(found[:-1])} and {found[-1]}"
