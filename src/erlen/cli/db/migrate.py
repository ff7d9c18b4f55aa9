"""`erlen db migrate` and `rollback`; `sync` and `reset` for development."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Sequence
from contextlib import closing
from typing import TYPE_CHECKING

import click

from erlen.cli.application import load_site
from erlen.cli.db.common import database_option, is_terminal, reporting, targets
from erlen.migrations.tracking import Observer

if TYPE_CHECKING:
    from collections.abc import Callable

    from erlen.migrations.migration import Migration
    from erlen.migrations.plan import Plan, Step
    from erlen.migrations.questions import Question
    from erlen.migrations.runner import Options
    from erlen.migrations.target import Target

__all__ = ["migrate", "reset", "rollback", "sync"]

_WORDS = {
    "run": "to apply",
    "continue": "to continue",
    "record": "to record as applied, without running it",
    "revert": "to roll back",
    "forget": "to record as not applied, without running it",
}
_DONE = {"applying": "applied", "continuing": "applied", "reverting": "rolled back"}
_PAUSE = 15.0
"""Seconds between two lines about a statement that takes long, where there is no terminal."""


def running_options(function: Callable[..., None]) -> Callable[..., None]:
    """Add the options of all commands that run migrations."""
    for option in (
        click.option("--repeat", is_flag=True, help="Run statements on rows again among which an earlier run was interrupted."),
        click.option("--wait", type=float, default=600.0, show_default=True, help="Seconds to wait for another process that migrates."),
        click.option(
            "--statement-timeout", type=float, default=900.0, show_default=True, help="Seconds that a statement may run; 0: no limit."
        ),
        click.option(
            "--lock-timeout", type=float, default=5.0, show_default=True, help="Seconds to wait for a lock, for each of five tries."
        ),
        click.option("--dry-run", "--plan", "dry_run", is_flag=True, help="Only show the plan."),
        database_option,
    ):
        function = option(function)
    return function


@click.command()
@click.argument("to", required=False)
@click.option("--check", is_flag=True, help="Run nothing; exit with 1 if there are migrations to apply.")
@click.option("--all", "every", is_flag=True, help="Do not stop where something must be deployed before.")
@click.option("--fake", is_flag=True, help="Record the migrations as applied without running them.")
@click.option("--yes", is_flag=True, hidden=True)  # as other commands have it: there is no question here
@running_options
@click.pass_obj
def migrate(
    spec: str | None,
    to: str | None,
    *,
    names: Sequence[str],
    check: bool,
    every: bool,
    fake: bool,
    yes: bool,
    dry_run: bool,
    lock_timeout: float,
    statement_timeout: float,
    wait: float,
    repeat: bool,
) -> None:
    """Bring the database to the last migration, or to migration TO.

    TO is a number, the beginning of a name, or a revision; for a package's with its name in front: `shop/0002`.

    Only one process at a time migrates a database; others wait for it, and then find nothing left to do. On PostgreSQL and SQLite each
    migration is one transaction. On MySQL and MariaDB one that was interrupted goes on where it stopped.

    It stops before a migration that says what must be deployed first, `after_deploy = "…"`, unless that is the first to be run: then the
    deployment has come between two runs. A new database gets all at once.

    \b
    Examples:
      erlen db migrate
      erlen db migrate 3 --dry-run
      erlen db migrate --check        in CI: is something left to apply?
    """  # noqa: D301 - click keeps the lines after this mark
    options = _options(lock_timeout, statement_timeout, wait, repeat=repeat)
    found = targets(spec, names)
    if fake and to is None:
        raise click.UsageError("--fake needs to know up to which migration: `erlen db migrate --fake 0003`")
    pending = False
    for target in _holding(found, to):
        _head(target, found)
        with reporting():
            if check or dry_run:
                plan = _plan(target, to, fake=fake, every=every)
                pending = bool(plan) or pending
                _show(target, plan)
            else:
                from erlen.migrations.runner import migrate

                with closing(Progress()) as progress:
                    migrate(target, to, options=options, observer=progress, fake=fake, every=every)
                for function in load_site(spec).extensions.get("db.migrated", []):  # what plugins keep in step with the schema
                    function(target)
    if check and pending:
        sys.exit(1)


@click.command()
@click.argument("to", required=False)
@click.option("--steps", type=click.IntRange(min=1), help="How many migrations; 1 by default.")
@click.option("--redo", is_flag=True, help="Apply them again afterwards.")
@click.option("--fake", is_flag=True, help="Record the migrations as not applied without running them.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@running_options
@click.pass_obj
def rollback(
    spec: str | None,
    to: str | None,
    *,
    names: Sequence[str],
    steps: int | None,
    redo: bool,
    fake: bool,
    yes: bool,
    dry_run: bool,
    lock_timeout: float,
    statement_timeout: float,
    wait: float,
    repeat: bool,
) -> None:
    """Take the last migration back, or all after migration TO, which stays.

    TO is a number, the beginning of a name, or a revision; `zero` takes all back. What the migrations made goes, with the rows in it.
    It asks before, outside of debug mode.

    \b
    Examples:
      erlen db rollback
      erlen db rollback --steps 2
      erlen db rollback 0003
      erlen db rollback --redo        and apply it again
    """  # noqa: D301 - click keeps the lines after this mark
    if to is not None and steps is not None:
        raise click.UsageError("say either TO or --steps")
    options = _options(lock_timeout, statement_timeout, wait, repeat=repeat)
    found = targets(spec, names)
    if len(found) > 1 and (len(holding := _holding(found, to)) > 1 or to is not None):
        raise click.UsageError(f"say of which database: {', '.join(f'`--database {target.name}`' for target in holding)}")
    asks = not yes and not _is_debug(spec)
    for target in _holding(found, to):
        _head(target, found)
        with reporting():
            if dry_run:
                planned = _plan_back(target, to, steps, fake=fake)
                _show(target, planned, is_back=True)
                _show_losses(target, planned)
                continue
            from erlen.migrations.runner import migrate, rollback

            with closing(Progress(asks=asks, is_back=True)) as progress:
                done = rollback(target, to, steps=steps, options=options, observer=progress, fake=fake)
            if redo and done:
                with closing(Progress(quiet=True)) as progress:
                    migrate(target, done[0].revision, options=options, observer=progress, every=True)


@click.command()
@click.option("--rename", "renames", multiple=True, metavar="OLD=NEW", help="What has another name: `book=novel`, `book.title=name`.")
@click.option("--new", "new", multiple=True, metavar="NAME", help="What is new and not renamed: `book.name`.")
@click.option("--fill", "fills", multiple=True, metavar="COLUMN=VALUE", help="What rows get that are there: `book.author=unknown`.")
@click.option(
    "--map", "maps", multiple=True, metavar="COLUMN:OLD=NEW", help="What rows get whose value is gone: `book.status:sketch=draft`."
)
@click.option("--dry-run", is_flag=True, help="Only show what would be changed.")
@click.option("--yes", is_flag=True, help="Do not ask before something is dropped.")
@click.option("--force", is_flag=True, help="Outside of debug mode too.")
@database_option
@click.pass_obj
def sync(
    spec: str | None,
    *,
    names: Sequence[str],
    renames: Sequence[str],
    new: Sequence[str],
    fills: Sequence[str],
    maps: Sequence[str],
    dry_run: bool,
    yes: bool,
    force: bool,
) -> None:
    """Bring a development database to the models, without a migration.

    For trying models out. When they are as they should be, `erlen db make` writes the migration, and `erlen db migrate` sees that this
    database has it already. Tables that no model has stay. It asks before it drops something with rows in it.
    """
    found = targets(spec, names)
    if not dry_run:
        _only_in_development(spec, force=force)
    from erlen.migrations.develop import apply_sync, plan_sync
    from erlen.migrations.questions import Asked, Unanswered, UnknownName

    for target in found:
        _head(target, found)
        with reporting():
            prompt = _ask if is_terminal() and not dry_run else None
            try:
                planned = plan_sync(target, Asked(renames, new, fills, maps, prompt))
            except (Unanswered, UnknownName) as error:
                raise click.UsageError(str(error)) from None
            if not planned.changes:
                click.echo("Nothing to do: the database is as the models are.")
                continue
            for change in planned.changes:
                click.echo(f"  {change.sentence}")
            if planned.problems:
                raise click.ClickException(
                    "this needs a migration that is written by hand:\n" + "\n".join(f"  {each}" for each in planned.problems)
                )
            if dry_run:
                continue
            if planned.losses:
                _agree(f"This deletes {', '.join(planned.losses)}.", yes=yes)
            apply_sync(target, planned)
            click.echo("The database is as the models are; `erlen db make` writes the migration.")


@click.command()
@click.option("--seed", "seeds", is_flag=True, help="Fill it afterwards, as `erlen db seed` does.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--force", is_flag=True, help="Outside of debug mode too.")
@database_option
@click.pass_obj
def reset(spec: str | None, *, names: Sequence[str], seeds: bool, yes: bool, force: bool) -> None:
    """Empty a development database and build it again.

    Drops all tables, views, types and functions of the database, whoever made them, with all rows; then runs all migrations, or where
    there are none, makes the tables of the models.
    """
    found = targets(spec, names)
    _only_in_development(spec, force=force)
    with reporting():
        from erlen.migrations.develop import empty, rows_of
        from erlen.migrations.runner import migrate

        counted = {target.name: rows_of(target) for target in found}
        for target in found:
            rows = counted[target.name]
            click.echo(f"{click.style(target.name, bold=True)}  {target.database.url(target.name)!r}")
            click.echo(f"  {len(rows)} {'table' if len(rows) == 1 else 'tables'} with {sum(rows.values())} rows")
        if any(counted.values()):
            _agree("All of it is dropped.", yes=yes)
        for target in found:
            empty(target)
            if target.migrations():
                with closing(Progress()) as progress:
                    migrate(target, observer=progress)
            else:
                with target.database.engines(target.name).writer.begin() as connection:
                    target.metadata.create_all(connection)
                click.echo("There are no migrations: the tables of the models are made.")
        if seeds:
            from erlen.rows.seed import seed

            done = seed(found, notice=lambda each: click.echo(f"  seed {each.name}"))
            found[0].database.dispose()
            click.echo(f"{len(done)} {'seed' if len(done) == 1 else 'seeds'} run." if done else "There are no seeds.")


class Progress(Observer):
    """Says what happens while migrations run: one line for each, which on a terminal changes meanwhile."""

    def __init__(self, *, asks: bool = False, quiet: bool = False, is_back: bool = False) -> None:
        self._asks = asks
        self._is_back = is_back
        self._quiet = quiet
        self._live = sys.stdout.isatty()
        self._lock = threading.Lock()
        self._width = 0
        self._name = ""
        self._said = 0.0
        self._is_open = False

    def close(self) -> None:
        """End the line of a migration that did not come to its end, so that an error has a line of its own."""
        with self._lock:
            if self._is_open:
                click.echo()
            self._is_open = False

    def planned(self, target: Target, plan: Plan) -> bool:
        if not self._quiet or not plan:
            _show(target, plan, is_back=self._is_back)
            _show_losses(target, plan)
        if plan and not self._quiet:
            click.echo()
        self._width = max((len(_name(step.migration)) for step in plan.steps), default=0)
        if not plan or not self._asks:
            return bool(plan)
        if not is_terminal():
            raise click.UsageError("nobody is there to be asked: say `--yes`, or look first with `--dry-run`")
        return click.confirm("Go on?")

    def waiting(self, holder: str) -> None:
        self._line(click.style(f"waiting for another process that migrates this database: {holder}", fg="yellow"))

    def begin(self, migration: Migration, what: str) -> None:
        self._name, self._said = _name(migration), time.monotonic()
        if self._live:
            with self._lock:
                click.echo(f"  {self._name.ljust(self._width)}  {what} …", nl=False)
                self._is_open = True

    def slow(self, statement: str, seconds: float, holders: list[str]) -> None:
        does = f"{seconds:.0f} s  {_cut(statement, 70)}"
        if holders:
            does = f"{seconds:.0f} s  waits for {_cut(holders[0], 90)}"
        if self._live:
            with self._lock:
                click.echo(f"\r\x1b[K  {self._name.ljust(self._width)}  {does}", nl=False)
                self._is_open = True
        elif time.monotonic() - self._said >= _PAUSE:
            self._said = time.monotonic()
            self._line(f"  {self._name.ljust(self._width)}  {does}")

    def retry(self, seconds: float, holders: list[str]) -> None:
        who = "".join(f"\n    held by {holder}" for holder in holders)
        self._line(
            click.style(f"  {self._name.ljust(self._width)}  a lock is not to be had: trying again in {seconds:.1f} s{who}", fg="yellow")
        )

    def end(self, migration: Migration, what: str, seconds: float) -> None:
        self._line(f"  {_name(migration).ljust(self._width)}  {click.style(_DONE[what], fg='green')} in {_seconds(seconds)}")

    def stopped(self, migration: Migration) -> None:
        self._line(f"stopped before {_name(migration)}: deploy {migration.after_deploy}, then run `erlen db migrate` again")

    def note(self, text: str) -> None:
        self._line(click.style(f"note: {text}", fg="yellow"))

    def _line(self, text: str) -> None:
        with self._lock:
            click.echo(f"\r\x1b[K{text}" if self._live else text)
            self._is_open = False


def _options(lock_timeout: float, statement_timeout: float, wait: float, *, repeat: bool) -> Options:
    from erlen.migrations.connection import Limits
    from erlen.migrations.runner import Options

    limits = Limits(lock_timeout=lock_timeout, statement_timeout=statement_timeout or None)
    return Options(limits=limits, wait=wait, repeat=repeat)


def _holding(found: Sequence[Target], to: str | None) -> list[Target]:
    """Return the databases that have migrations; where one is named, those that have it."""
    from erlen.migrations.plan import find

    with reporting():
        if to is None or to.rpartition("/")[2] == "zero":
            return [target for target in found if target.migrations()] or list(found[:1])
        if len(found) == 1:
            return list(found)
        from erlen.migrations.migration import HistoryError

        holding, missing = [], ""
        for target in found:
            try:
                find(target.migrations(), to)
            except HistoryError as error:
                missing = str(error)
            else:
                holding.append(target)
        if not holding:
            raise click.ClickException(missing)
        return holding


def _plan(target: Target, to: str | None, *, fake: bool, every: bool) -> Plan:
    from erlen.migrations.plan import plan_upgrade
    from erlen.migrations.runner import known

    return plan_upgrade(target, known(target, note=_note) if not fake else known(target), to, fake=fake, every=every)


def _plan_back(target: Target, to: str | None, steps: int | None, *, fake: bool) -> Plan:
    from erlen.migrations.plan import plan_rollback
    from erlen.migrations.runner import known

    return plan_rollback(target, known(target, note=_note), to=to, steps=steps, fake=fake)


def _note(text: str) -> None:
    click.secho(f"note: {text}", fg="yellow")


def _is_debug(spec: str | None) -> bool:
    return bool(load_site(spec).settings.debug)


def _only_in_development(spec: str | None, *, force: bool) -> None:
    """Refuse outside of debug mode."""
    if not force and not _is_debug(spec):
        raise click.UsageError("this is for development, and `debug` is off here: set DEBUG=1, or say `--force`")


def _agree(what: str, *, yes: bool) -> None:
    """Ask whether to go on, and end if not."""
    if yes:
        return
    if not is_terminal():
        raise click.UsageError(f"{what} Nobody is there to be asked: say `--yes`.")
    click.confirm(f"{what} Go on?", abort=True)


def _ask(question: Question) -> str:
    """Ask a person one of the questions that two schemas leave open."""
    choice = click.Choice(question.choices) if question.choices else None
    return str(click.prompt(question.text, type=choice, default=question.default))


def _head(target: Target, found: Sequence[Target]) -> None:
    if len(found) > 1:
        click.secho(f"{target.name}  {target.database.url(target.name)!r}", bold=True)


def _show(target: Target, plan: Plan, *, is_back: bool = False) -> None:
    """Print a plan: the migrations, and what happens to them."""
    if not plan and is_back:
        click.echo("Nothing to roll back.")
        return
    if not plan:
        from erlen.migrations.plan import shown

        migrations = target.migrations()
        last = f"the database is at {shown(migrations[-1])}" if migrations else f"there is no migration in {target.folder()}"
        click.echo(f"Nothing to do: {last}.")
        return
    by_action: dict[str, list[Step]] = {}
    for step in plan.steps:
        by_action.setdefault(step.action, []).append(step)
    width = max(len(_name(step.migration)) for step in (*plan.steps, *plan.waiting))
    for action, steps in by_action.items():
        click.echo(f"{len(steps)} {'migration' if len(steps) == 1 else 'migrations'} {_WORDS[action]}:")
        for step in steps:
            after = f" (after deploying {step.migration.after_deploy})" if step.migration.after_deploy and action == "run" else ""
            click.echo(f"  {click.style(_name(step.migration).ljust(width), bold=True)}  {step.migration.message}{after}".rstrip())
    if plan.waiting:
        count = len(plan.waiting)
        click.echo(f"{count} {'migration' if count == 1 else 'migrations'} to wait for a deployment:")
        for step in plan.waiting:
            said = f"first deploy {step.migration.after_deploy}" if step.migration.after_deploy else step.migration.message
            click.echo(f"  {click.style(_name(step.migration).ljust(width), bold=True)}  {said}".rstrip())


def _show_losses(target: Target, plan: Plan) -> None:
    """Print what a rollback deletes."""
    if not any(step.action == "revert" for step in plan.steps):
        return
    from erlen.migrations.losses import losses_of
    from erlen.migrations.runner import known

    losses = losses_of(target, plan, set(known(target, note=lambda _: None)))
    if losses:
        click.echo()
    for loss in losses:
        rows = f"{loss.rows} {'row' if loss.rows == 1 else 'rows'}"
        click.echo(f"  deletes {loss.name}{click.style(f' with {rows}', fg='red') if loss.rows else ''}")


def _name(migration: Migration) -> str:
    from erlen.migrations.plan import shown

    return shown(migration)


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"


def _seconds(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds < 60 else f"{seconds // 60:.0f} min {seconds % 60:.0f} s"
