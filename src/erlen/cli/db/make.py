"""`erlen db make`: write a migration of what changed in the models."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from erlen.cli.db.common import database_option, is_terminal, reporting, targets

if TYPE_CHECKING:
    from erlen.migrations.make import Made
    from erlen.migrations.migration import Migration
    from erlen.migrations.questions import Question
    from erlen.migrations.target import Target

__all__ = ["make"]

COLOURS = {"+": "green", "-": "red", "~": "yellow"}


@click.command()
@click.argument("message", required=False, default="")
@database_option
@click.option("--package", default="", metavar="NAME", help="Write the migration of this package, in its own folder.")
@click.option("--rename", "renames", multiple=True, metavar="OLD=NEW", help="book=novel, book.title=name or book.status:draft=sketch.")
@click.option("--new", "new", multiple=True, metavar="NAME", help="Not renamed, though something like it is gone: book.name.")
@click.option("--fill", "fills", multiple=True, metavar="COLUMN=VALUE", help="What rows get that are there: book.author=unknown.")
@click.option("--map", "maps", multiple=True, metavar="VALUE=NEW", help="What rows get whose value is gone: book.status:draft=done.")
@click.option("--empty", is_flag=True, help="A migration to be written by hand.")
@click.option("--data", is_flag=True, help="The same, with a pattern for changing rows.")
@click.option("--dry-run", is_flag=True, help="Only show the migration.")
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 if models have changes without a migration.")
@click.option("--sql/--no-sql", "is_sql", default=True, help="Show the SQL, or not.")
@click.option("--yes", "-y", is_flag=True, help="Write it without asking whether to.")
@click.pass_obj
def make(
    spec: str | None,
    message: str,
    *,
    names: Sequence[str],
    package: str,
    renames: Sequence[str],
    new: Sequence[str],
    fills: Sequence[str],
    maps: Sequence[str],
    empty: bool,
    data: bool,
    dry_run: bool,
    check: bool,
    is_sql: bool,
    yes: bool,
) -> None:
    """Write a migration of what changed in the models; MESSAGE names it, by default what it does.

    All migrations are run in a scratch database, which is then compared with the models: your own database is not touched, and need not be
    up to date. The new migration is tried there too: up, down, and up again.

    What cannot be seen is asked: whether something is new or renamed, and which value rows get that are there. Without a terminal, options
    answer; where one is missing, nothing is written, and the exit code is 2.

    \b
    Examples:
      erlen db make
      erlen db make "name books" --rename book.title=name
      erlen db make --fill book.author=unknown
      erlen db make --check          in CI: is a migration missing?
    """  # noqa: D301 - click keeps the lines after this mark
    failed = False
    with reporting():
        from erlen.migrations.make import make as make_draft
        from erlen.migrations.questions import Asked, Unanswered, UnknownName

        found = targets(spec, names)
        _check_package(found, package)
        answers = Asked(renames, new, fills, maps, prompt if is_terminal() and not check else None)
        try:
            made = [] if check or empty or data else [make_draft(target, package, answers, message) for target in found]
            answers.check_all_used()  # before anything is written
            for number, target in enumerate(found):
                if len(found) > 1:
                    click.secho(f"{target.name}:", bold=True)
                if check:
                    failed = _check(target, package) or failed
                elif empty or data:
                    report_written(_by_hand(target, package, message, is_data=data))
                else:
                    failed = _write(made[number], target, package, dry_run=dry_run, is_sql=is_sql, yes=yes) or failed
        except (Unanswered, UnknownName) as error:
            raise click.UsageError(str(error)) from None
    if failed:
        sys.exit(1)


def _check(target: Target, package: str) -> bool:
    """Show what changed without a migration; return whether something did."""
    from erlen.migrations.make import changes_of_branches

    changes, others = changes_of_branches(target, package)
    _show_changes(changes)
    _show_others(others)
    if not changes:
        click.echo("no changes without a migration")
    return bool(changes)


def _write(made: Made, target: Target, package: str, *, dry_run: bool, is_sql: bool, yes: bool) -> bool:
    """Show a migration and write it; return whether something is wrong."""
    from erlen.migrations.files import source_of, write_migration

    _show_changes([change.sentence for change in made.changes])
    _show_others(made.others)
    if not made.changes:
        click.echo("no changes")
        return False
    if is_sql and made.sql:
        click.echo("\n" + "\n".join(click.style(f"{statement};", dim=True) for statement in made.sql) + "\n")
    if dry_run:
        click.echo(source_of(made.draft, "…", None), nl=False)
    elif yes or not is_terminal() or click.confirm("Write it?", default=True):
        written = write_migration(made.draft, target.folder(package), package)
        report_written(written)
        _lint(target, written)
    else:
        click.echo("nothing written")
    return _report_problems(made)


def _lint(target: Target, migration: Migration) -> None:
    """Show what `erlen db lint` says of a new migration, if it finds something."""
    from erlen.cli.db.lint import report
    from erlen.lint import lint_migration

    if findings := lint_migration(target, migration):
        click.echo()
        report(findings, [migration])


def _show_changes(sentences: Iterable[str]) -> None:
    for sentence in sentences:
        click.secho(sentence, fg=COLOURS[sentence[0]])


def _show_others(others: dict[str, int]) -> None:
    for branch, count in others.items():
        changes = f"{count} change{'s' if count > 1 else ''}"
        option = f" --package {branch}" if branch else ""
        click.echo(f"{f'the package {branch}' if branch else 'the application'} has {changes} too: `erlen db make{option}`")


def _report_problems(made: Made) -> bool:
    for problem in made.problems:
        click.secho(f"! {problem}", fg="red", err=True)
    if made.problems:
        click.echo("It does not do all that the models want, or not back again: correct the file by hand.", err=True)
    return bool(made.problems)


def report_written(migration: Migration) -> None:
    """Say where a migration was written."""
    click.echo(f"wrote {_short(migration.path)}")


def _by_hand(target: Target, package: str, message: str, *, is_data: bool) -> Migration:
    from erlen.migrations.files import write_migration
    from erlen.migrations.make import draft_by_hand

    return write_migration(draft_by_hand(message, is_data=is_data), target.folder(package), package)


def _check_package(found: Sequence[Target], package: str) -> None:
    if package and package not in found[0].branches:
        known = ", ".join(filter(None, found[0].branches)) or "none has migrations of its own"
        raise click.BadParameter(f"there is no package {package!r}: {known}", param_hint="--package")


def _short(path: Path) -> str:
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def prompt(question: Question) -> str:
    """Ask a person."""
    answer: str = click.prompt(question.text, type=click.Choice(question.choices) if question.choices else None, default=question.default)
    return answer
