"""`erlen db rebase` and `squash`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from erlen.cli.db.common import database_option, is_terminal, reporting, targets

if TYPE_CHECKING:
    from erlen.migrations.rebase import Rebase, Trial, Undecided
    from erlen.migrations.target import Target

__all__ = ["rebase", "squash"]


@click.command()
@click.option("--mine", metavar="NAME", help="One of the migrations that come last.")
@click.option("--onto", metavar="NAME", help="One of the migrations that come first.")
@click.option("--dry-run", is_flag=True, help="Only show what would be done.")
@database_option
@click.pass_obj
def rebase(spec: str | None, *, mine: str | None, onto: str | None, dry_run: bool, names: tuple[str, ...]) -> None:
    """Put your migrations after those that others added.

    When two people add a migration, both follow the same one, and git shows a conflict in the file `head`. Yours are renumbered, follow
    theirs, and are tried after them in a scratch database. A database that has only yours still gets theirs.

    Git tells which are yours: in a rebase what is being applied; otherwise what is not committed, or not on the default branch.

    \b
    Examples:
      git pull; erlen db rebase; git add migrations; git commit
      erlen db rebase --mine 0004_add_price
    """  # noqa: D301 - click keeps the lines after this mark
    found = targets(spec, names)
    if mine is not None and onto is not None:
        raise click.UsageError("--mine says who comes last, --onto who comes first: say one of them")
    done = failed = False
    for target in found:
        for branch in target.branches:
            with reporting():
                plan = _plan(target, branch, mine, onto, dry_run=dry_run)
            if plan is None:
                continue
            done = True
            with reporting():
                from erlen.migrations.rebase import try_rebase, write_rebase

                trial = try_rebase(target, branch, plan)
                if not dry_run:
                    write_rebase(plan)
            failed = _show(plan, trial, dry_run=dry_run) or failed
    if not done:
        click.echo("The migrations are one line already.")
    if failed:
        sys.exit(1)


@click.command()
@click.argument("migrations", metavar="[FROM:TO]", default=":")
@click.option("--name", "-n", metavar="NAME", default="squashed", show_default=True, help="What the new migration is called.")
@click.option("--branch", default="", metavar="PACKAGE", help="Those of a package.")
@click.option("--keep-steps", is_flag=True, help="Carry all steps over, even where the tables could be made at once.")
@click.option("--prune", is_flag=True, help="Remove the files that were squashed before; this database must have them all.")
@click.option("--dry-run", is_flag=True, help="Only show the new migration.")
@click.option("--database", default="default", show_default=True, metavar="NAME", help="Which database, where there are several.")
@click.pass_obj
def squash(
    spec: str | None, migrations: str, *, name: str, branch: str, keep_steps: bool, prune: bool, dry_run: bool, database: str
) -> None:
    """Make one migration of many: all, or those from FROM to TO.

    The old files go to `migrations/replaced/`: a database that has some of them gets the others from there, one that has all only takes
    note, and a new one runs the new migration alone. So one deploy is enough.

    Where the old ones only change the schema, the new one makes the tables as they are in the end; otherwise it has all their steps in
    order. Both ways are tried in scratch databases, and must lead to the same schema.

    \b
    Examples:
      erlen db squash
      erlen db squash 3:17 --name "create the shop"
      erlen db squash --prune
    """  # noqa: D301 - click keeps the lines after this mark
    from erlen.cli.db.common import one_target

    target = one_target(spec, database)
    if branch not in target.branches:
        raise click.UsageError(f"there is no package {branch!r}, only {', '.join(filter(None, target.branches)) or 'the application'}")
    with reporting():
        if prune:
            from erlen.migrations.squash import prune as prune_files

            gone = prune_files(target, branch, dry_run=dry_run)
            click.echo(
                "\n".join(f"{'would remove' if dry_run else 'removed'} {_short(path)}" for path in gone) or "There is nothing to remove."
            )
            return
        from erlen.migrations.squash import plan_squash, write_squash

        plan = plan_squash(target, migrations, name, branch=branch, keep_steps=keep_steps)
        if dry_run:
            click.echo(plan.source, nl=False)
            return
        write_squash(target, plan)
    click.echo(f"{_short(plan.path)} does what these did, which are in {_short(plan.replaced)}:")
    click.echo("\n".join(f"  {each.name}" for each in plan.migrations))
    click.echo("It makes the tables as they are in the end." if plan.is_made_anew else "It has all their steps, in order.")
    for note in plan.notes:
        click.echo(note)


def _plan(target: Target, branch: str, mine: str | None, onto: str | None, *, dry_run: bool) -> Rebase | None:
    from erlen.migrations.rebase import Undecided, plan_rebase

    folder = target.folder(branch)
    try:
        return plan_rebase(folder, branch, mine=mine, onto=onto, dry_run=dry_run)
    except Undecided as error:
        if not is_terminal():
            raise click.UsageError(str(error)) from None
        return plan_rebase(folder, branch, mine=_ask(error), onto=onto, dry_run=dry_run)


def _ask(error: Undecided) -> str:
    for number, each in enumerate(error.choices, 1):
        click.echo(f"  {number}  … {each.name}  {each.message}")
    number = click.prompt("Which line is yours, and comes last?", type=click.IntRange(1, len(error.choices)))
    return error.choices[number - 1].name


def _show(plan: Rebase, trial: Trial, *, dry_run: bool) -> bool:
    """Say what was done; return whether it is not yet enough."""
    verb = "would be" if dry_run else "is"
    for old, new in zip(plan.mine, plan.result, strict=True):
        click.echo(f"{old.name} {verb} {new.name}, after {_before(plan, new.down_revision)}")
    click.echo(f"{_short(plan.folder / 'head')} {'would name' if dry_run else 'names'} {plan.head}")
    if trial.untried:
        click.echo(f"It was not tried: {trial.untried}", err=True)
    for part in trial.both:
        click.secho(f"both change {part}", fg="yellow", err=True)
    if trial.failure:
        click.secho(trial.failure, fg="red", err=True)
        click.echo("  fix take out of yours what theirs does already, then try it: `erlen db migrate`", err=True)
    elif not dry_run:
        click.echo(f"Next: git add {_short(plan.folder)}")
    return bool(trial.failure)


def _before(plan: Rebase, revision: str | None) -> str:
    known = (*plan.theirs, *plan.result, *filter(None, [plan.fork]))
    return next((each.name.removesuffix("_again") for each in known if each.revision == revision), "the others")


def _short(path: Path) -> str:
    """Return a path as people would type it."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
