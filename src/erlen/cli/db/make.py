"""`erlen db make`: write a migration of what changed in the models."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from erlen.cli.db.common import database_option, is_terminal, reporting, targets

if TYPE_CHECKING:
    from erlen.migrations.make import Made
    from erlen.migrations.questions import Question
    from erlen.migrations.target import Target

__all__ = ["make"]


@click.command("make")
@click.argument("message", required=False, default="")
@click.option("--app", "spec", metavar="MODULE:NAME", help="The application; found in this folder by default.")
@database_option
@click.option("--package", "branch", default="", metavar="NAME", help="Write the migration of this package.")
@click.option("--rename", "renames", multiple=True, metavar="OLD=NEW", help="What has another name: `book=novel`, `book.title=name`.")
@click.option("--new", "new", multiple=True, metavar="NAME", help="What is new and not renamed: `book.name`.")
@click.option("--fill", "fills", multiple=True, metavar="COLUMN=VALUE", help="What rows get that are there: `book.author=unknown`.")
@click.option("--empty", is_flag=True, help="An empty migration, to be written by hand.")
@click.option("--data", is_flag=True, help="A migration that changes rows, to be written by hand.")
@click.option("--dry-run", is_flag=True, help="Show the migration, and write nothing.")
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 if a migration is missing.")
@click.option("--sql/--no-sql", default=True, help="Show the SQL.")
@click.option("--yes", "-y", is_flag=True, help="Write it without asking.")
def make(
    message: str,
    spec: str | None,
    names: tuple[str, ...],
    branch: str,
    renames: tuple[str, ...],
    new: tuple[str, ...],
    fills: tuple[str, ...],
    empty: bool,
    data: bool,
    dry_run: bool,
    check: bool,
    sql: bool,
    yes: bool,
) -> None:
    """Write a migration of what changed in the models."""
    from erlen.migrations.questions import Asked, Unanswered, UnknownName

    found = targets(spec, names)
    failed = False
    with reporting():
        from erlen.migrations.make import make as make_migration

        for target in found:
            title = f" of {target.name}" if len(found) > 1 else ""
            if empty or data:
                _write_by_hand(target, branch, message, data=data)
                continue
            given = dict(each.partition("=")[::2] for each in fills)
            ask = Asked(renames, new, given, _prompt if is_terminal() and not check else None)
            try:
                made = make_migration(target, branch, ask, message)
            except (Unanswered, UnknownName) as error:
                raise click.UsageError(str(error)) from None
            if made is None or not made.changes:
                click.echo(f"no changes{title}")
                continue
            _show(made, sql=sql and not check)
            if check:
                failed = True
            elif dry_run:
                click.echo()
                from erlen.migrations.files import source_of

                click.echo(source_of(made.draft, "…", None), nl=False)
            elif yes or not is_terminal() or click.confirm("write it?", default=True):
                _write(target, branch, made)
            failed = failed or bool(made.problems)
    if failed:
        raise SystemExit(1)


def _show(made: Made, *, sql: bool) -> None:
    colours = {"+": "green", "-": "red", "~": "yellow"}
    for change in made.changes:
        click.echo(click.style(change.sentence, fg=colours[change.action]))
    if sql and made.sql:
        click.echo()
        for statement in made.sql:
            click.echo(click.style(statement + ";", dim=True))
    for problem in made.problems:
        click.echo(click.style(f"! {problem}", fg="red"), err=True)


def _write(target: Target, branch: str, made: Made) -> None:
    from erlen.migrations.files import write_migration

    migration = write_migration(made.draft, target.folder(branch), branch)
    click.echo(f"wrote {click.format_filename(_short(str(migration.path)))}")


def _write_by_hand(target: Target, branch: str, message: str, *, data: bool) -> None:
    from erlen.migrations.files import Draft, write_migration

    draft = Draft(message=message or ("change rows" if data else "by hand"), upgrade="", downgrade="")
    migration = write_migration(draft, target.folder(branch), branch)
    click.echo(f"wrote {_short(str(migration.path))}")


def _short(path: str) -> str:
    from pathlib import Path

    try:
        return str(Path(path).relative_to(Path.cwd()))
    except ValueError:
        return path


def _prompt(question: Question) -> str:
    if question.choices:
        choice: str = click.prompt(question.text, type=click.Choice(question.choices))
        return choice
    value: str = click.prompt(question.text, default=question.default)
    return value
