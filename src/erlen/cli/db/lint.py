"""`erlen db lint`: the steps of migrations that lock tables, lose data or break code that runs meanwhile."""

from __future__ import annotations

import shutil
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import click

from erlen.cli.db.common import database_option, reporting, targets

if TYPE_CHECKING:
    from collections.abc import Sequence

    from erlen.lint import Finding
    from erlen.migrations.migration import Migration
    from erlen.migrations.target import Target

__all__ = ["lint", "report"]

DIALECTS = ("postgresql", "mysql", "mariadb", "sqlite")
WIDEST = 100
"""Longer lines are hard to read, on a wide terminal too."""
COLOURS = {"loses data": "red", "fails": "red", "breaks running code": "red"}


@click.command()
@click.argument("given", nargs=-1, metavar="[MIGRATION]…")
@click.option("--all", "every", is_flag=True, help="All migrations, not only those that the database lacks.")
@click.option("--dialect", type=click.Choice(DIALECTS), help="The production server's, where that is another than the one here.")
@click.option("--plan", "is_plan", is_flag=True, help="Write the way around as migrations, in place of pending ones.")
@click.option("--fill", "fills", multiple=True, metavar="TABLE.COLUMN=VALUE", help="What rows get in a new column that is required.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@database_option
@click.pass_obj
def lint(
    spec: str | None,
    given: Sequence[str],
    *,
    names: Sequence[str],
    every: bool,
    dialect: str | None,
    is_plan: bool,
    fills: Sequence[str],
    as_json: bool,
) -> None:
    """Find the steps of migrations that lock tables, lose data, or break code that runs meanwhile.

    Looks at each MIGRATION (number, name or revision); without one, at those that the database does not have yet, or the last. The
    database's own kind decides what is a problem; `--dialect`, or the environment variable ERLEN_DIALECT, says that of production.

    `--plan` writes the way around for PostgreSQL: each step a migration, which says what must be deployed before it.

    What breaks running code is accepted in a migration that says what is deployed before it: `after_deploy = "the code that no longer reads
    book.title"`. A comment on the line, or above it, accepts any finding: `# lint: ignore drop-column: nothing has read it since May`.

    Exits with 1 if there are findings that no comment accepts.
    """
    found: list[Finding] = []
    looked: list[Migration] = []
    with reporting():
        from erlen.lint import lint as find

        for target in targets(spec, names):
            wanted = _wanted(target, given, every=every)
            if is_plan:
                wanted = _plan(target, wanted, dialect, _fills(fills), is_quiet=as_json)
            looked += wanted
            found += find(target, wanted, dialect=dialect)
    if as_json:
        click.echo(_json(found))
    else:
        report(found, looked)
    if any(not finding.reason for finding in found):
        sys.exit(1)


def _fills(given: Sequence[str]) -> dict[str, str]:
    for each in given:
        if "=" not in each or "." not in each.partition("=")[0]:
            raise click.BadParameter(f"{each!r} is no TABLE.COLUMN=VALUE", param_hint="--fill")
    return {name: value for name, _, value in (each.partition("=") for each in given)}


def _plan(target: Target, wanted: Sequence[Migration], dialect: str | None, fills: dict[str, str], *, is_quiet: bool) -> list[Migration]:
    """Write plans in the place of migrations that have findings, and return what is there then."""
    from erlen.lint import lint_migration, plan_migration, production_dialect, write_plan

    if (dialect or production_dialect(target)) != "postgresql":
        raise click.UsageError("plans are for PostgreSQL: `--dialect postgresql`, if that is what production has.")
    pending = {migration.revision for migration in _pending(target, target.migrations())}
    found: list[Migration] = []
    for revision in [migration.revision for migration in wanted]:
        migration = next(each for each in target.migrations() if each.revision == revision)  # a plan before it has moved it
        if all(finding.reason for finding in lint_migration(target, migration, dialect="postgresql")):
            found.append(migration)
            continue
        if revision not in pending:
            raise click.ClickException(f"{migration.name} is applied here already: what it does is done. Plans are for pending migrations.")
        written = write_plan(target, migration, plan_migration(target, migration, fills=fills))
        found += written
        if not is_quiet:
            click.echo(f"{migration.name} is now")
            for step in written:
                click.echo(f"  {_place_of(step)}")
                if step.after_deploy:
                    click.echo(click.style(f"      first deploy {step.after_deploy}", fg="yellow"))
                click.echo(click.style(_wrapped(_note(step), indent=6), dim=True))
            if written[0].after_deploy:
                said = f"Deploy {written[0].after_deploy}, and only then run `erlen db migrate`: it does not wait where nothing is before."
                click.secho(said, fg="yellow")
            if any(step.after_deploy for step in written[1:]):
                click.echo("`erlen db migrate` stops before those that wait for a deployment; run it again after that.")
            click.echo()
    return found


def _note(step: Migration) -> str:
    import ast

    paragraphs = (ast.get_docstring(ast.parse(step.path.read_text(encoding="utf-8"))) or "").split("\n\n")
    return " ".join(paragraphs[2:]) or paragraphs[0]


def report(found: Sequence[Finding], looked: Sequence[Migration]) -> None:
    """Print findings for people, those that are accepted last."""
    if not looked:
        click.echo("There are no migrations.")
        return
    for finding in found:
        if not finding.reason:
            _show(finding)
    accepted = [finding for finding in found if finding.reason]
    for finding in accepted:
        click.echo(f"accepted  {finding.rule}  {_place(finding)}  {finding.reason}")
    if accepted:
        click.echo()
    left = len(found) - len(accepted)
    names = looked[0].name if len(looked) == 1 else f"{len(looked)} migrations"
    if left:
        click.echo(f"{left} finding{'s' if left > 1 else ''} in {names}.")
        if any(finding.has_plan and not finding.reason for finding in found):
            click.echo("`erlen db lint --plan` writes the way around as migrations.")
    else:
        click.echo(f"Nothing that locks, loses or breaks in {names}.")


def _show(finding: Finding) -> None:
    colour = COLOURS.get(finding.severity, "yellow")
    click.echo(f"{click.style(finding.severity, fg=colour, bold=True)}  {finding.rule}  {_place(finding)}")
    if finding.sql:
        click.echo(click.style(_wrapped(finding.sql, 3), dim=True))
    click.echo(_wrapped(finding.why))
    click.echo(_wrapped(f"fix {finding.fix}"))
    click.echo()


def _wrapped(text: str, lines: int | None = None, indent: int = 2) -> str:
    return textwrap.fill(
        text,
        min(shutil.get_terminal_size((WIDEST, 24)).columns, WIDEST),
        initial_indent=" " * indent,
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
        max_lines=lines,
        placeholder=" …",
    )


def _place(finding: Finding) -> str:
    return f"{_place_of(finding.migration)}:{finding.line}" if finding.line else _place_of(finding.migration)


def _place_of(migration: Migration) -> str:
    path, folder = migration.path, Path.cwd()
    return str(path.relative_to(folder)) if path.is_relative_to(folder) else str(path)


def _wanted(target: Target, names: Sequence[str], *, every: bool) -> list[Migration]:
    """Return the migrations to look at."""
    from erlen.migrations.plan import find

    migrations = target.migrations()
    if names:
        return [find(migrations, name) for name in names]
    if every:
        return list(migrations)
    return _pending(target, migrations) or list(migrations[-1:])


def _pending(target: Target, migrations: Sequence[Migration]) -> list[Migration]:
    """Return what the database lacks; all, if it does not answer."""
    from sqlalchemy.exc import DBAPIError

    from erlen.migrations.connection import connect
    from erlen.migrations.records import adopt_alembic, applied, read_records

    file = target.database.url(target.name).database
    if target.dialect == "sqlite" and file is not None and not Path(file).exists():  # which connecting would make
        return list(migrations)
    try:
        with connect(target) as connection:
            records = read_records(connection)
            there = applied(records) if records else {each.revision for each in adopt_alembic(connection, migrations)}
    except DBAPIError:
        return list(migrations)
    return [migration for migration in migrations if migration.revision not in there]


def _json(found: Sequence[Finding]) -> str:
    import msgspec

    rows = [
        {
            "rule": finding.rule,
            "severity": finding.severity,
            "migration": finding.migration.name,
            "file": str(finding.migration.path),
            "line": finding.line,
            "sql": finding.sql,
            "why": finding.why,
            "fix": finding.fix,
            "plan": finding.has_plan,
            "accepted": finding.reason or None,
        }
        for finding in found
    ]
    return msgspec.json.format(msgspec.json.encode(rows), indent=2).decode()
