"""Migrations → findings."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import takewhile

from erlen.lint import common, mysql, postgresql, sqlite
from erlen.lint.change import Change
from erlen.lint.finding import Finding, Problem
from erlen.lint.parser import parse
from erlen.lint.pieces import has_way
from erlen.lint.progress import Progress
from erlen.lint.tables import Tables
from erlen.migrations.migration import HistoryError, Migration
from erlen.migrations.statements import Statement, statements_of
from erlen.migrations.target import Target

__all__ = ["DIALECTS", "lint", "lint_migration", "production_dialect"]

DIALECTS = ("postgresql", "mysql", "mariadb", "sqlite")
_RULES: Mapping[str, Callable[[Change, Progress], Iterator[Problem]]] = {
    "postgresql": postgresql.judge,
    "mysql": mysql.judge,
    "mariadb": mysql.judge,
    "sqlite": sqlite.judge,
}


def lint_migration(target: Target, migration: Migration, *, dialect: str | None = None) -> list[Finding]:
    """Find the steps of one migration that lock tables, lose data, or break code that runs meanwhile.

    Args:
        target: the database it belongs to, which is not touched.
        migration: one of the target's.
        dialect: `postgresql`, `mysql`, `mariadb` or `sqlite`; that of production by default (see `production_dialect`).

    Returns:
        The findings in the order of the file, those that a comment accepts too.

    Raises:
        HistoryError: if a file does not load.
    """
    return lint(target, [migration], dialect=dialect)


def lint(target: Target, migrations: Sequence[Migration], *, dialect: str | None = None) -> list[Finding]:
    """Find the steps of migrations that lock tables, lose data, or break code that runs meanwhile, as `lint_migration` does."""
    dialect = dialect or production_dialect(target)
    wanted = {migration.revision for migration in migrations}
    found: list[Finding] = []
    for migration, progress, steps in walk(target, migrations, dialect):
        if migration.revision not in wanted:
            continue
        for statement, changes in steps:
            found += judged(statement, changes, progress)
    return found


def walk(
    target: Target, migrations: Sequence[Migration], dialect: str
) -> Iterator[tuple[Migration, Progress, Iterator[tuple[Statement, list[Change]]]]]:
    """Go through the migrations up to the last of some, each with what was before it and what it does.

    The steps of one must be gone through as they come: its progress is that before the statement.
    """
    known = {migration.revision for migration in migrations}
    every = list(target.migrations())
    last = max((place for place, migration in enumerate(every) if migration.revision in known), default=-1)
    tables = Tables()
    statements = statements_of(target, every[: last + 1], dialect=dialect)
    for migration in every[: last + 1]:
        progress = Progress(dialect=dialect, tables=tables, metadata=target.metadata)
        own = [statement for statement in statements if statement.migration.revision == migration.revision]
        steps = _steps(own, progress)
        yield migration, progress, steps
        for _ in steps:  # what was not asked for changes the schema all the same
            pass


def production_dialect(target: Target) -> str:
    """Return the dialect that migrations are judged by: the environment variable ERLEN_DIALECT, else the database's own.

    Raises:
        HistoryError: if the variable names none.
    """
    dialect = os.environ.get("ERLEN_DIALECT", "") or target.dialect
    if dialect not in DIALECTS:
        raise HistoryError(f"ERLEN_DIALECT is {dialect!r}, which is none of {', '.join(DIALECTS)}")
    return dialect


def _steps(statements: Sequence[Statement], progress: Progress) -> Iterator[tuple[Statement, list[Change]]]:
    changes = [[] if each.note else parse(each.sql, progress.dialect) for each in statements]
    if progress.dialect == "sqlite":
        changes = sqlite.rebuilds(changes)
    for place, (statement, several) in enumerate(zip(statements, changes, strict=True)):
        following = takewhile(lambda each: each[0].in_transaction, zip(statements[place:], changes[place:], strict=True))
        progress.begin(statement, (change for _, found in following for change in found))
        if several and several[0].kind == "rebuild":
            several = sqlite.steps_of(several[0], progress.tables.tables.get(several[0].table))  # noqa: PLW2901
        yield statement, several
        progress.hold(several, statement)
        for change in several:
            progress.apply(change)


def judged(statement: Statement, changes: Iterable[Change], progress: Progress) -> Iterator[Finding]:
    if statement.note:
        yield _finding(statement, _noted(statement.note), None, progress)
    said: set[tuple[str, str, str]] = set()
    for change in changes:
        for problem in (*common.judge(change, progress), *_RULES[progress.dialect](change, progress)):
            about = (problem.rule, change.table, change.name)
            if about not in said:
                said.add(about)
                yield _finding(statement, problem, change, progress)


def _noted(note: str) -> Problem:
    why = f"{note[:1].upper()}{note[1:]}."
    if note.startswith("fails"):
        return Problem("does-not-run", "fails", why, "mend the migration: it was tried in a scratch database, after those before it")
    fix = "`--dialect` of a server that can be asked, or look at it by hand: `# lint: ignore not-checked: reason`"
    return Problem("not-checked", "not checked", why, fix)


def _finding(statement: Statement, problem: Problem, change: Change | None, progress: Progress) -> Finding:
    sql = statement.sql
    if change is not None and "_alembic_tmp_" in sql:
        sql = f"{change.kind.upper()} {change.name}"
    return Finding(
        rule=problem.rule,
        severity=problem.severity,
        migration=statement.migration,
        line=statement.line,
        sql=" ".join(sql.split()),
        why=problem.why,
        fix=problem.fix,
        has_plan=progress.dialect == "postgresql" and change is not None and has_way(problem.rule, change, progress.tables),
        reason=_reason(statement, problem),
    )


def _reason(statement: Statement, problem: Problem) -> str:
    """Return why a finding is accepted: what is deployed before, or a comment on its line or on those above it."""
    if problem.severity == "breaks running code" and statement.migration.after_deploy:
        return f"after deploying {statement.migration.after_deploy}"
    lines = statement.migration.path.read_text(encoding="utf-8").splitlines()
    place = statement.line - 1
    near = lines[place : place + 1]
    while place > 0 and lines[place - 1].lstrip().startswith("#"):
        place -= 1
        near.append(lines[place])
    for line in near:
        found = _IGNORE.search(line)
        if found is not None and problem.rule in re.split(r"[\s,]+", found["rules"].strip()):
            return found["reason"].strip()
    return ""


_IGNORE = re.compile(r"#\s*lint:\s*ignore\s+(?P<rules>[\w,\s-]+?):(?P<reason>.+)")
