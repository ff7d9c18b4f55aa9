"""`erlen db status`, `sql` and `check`: what is there, and what would be done."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from erlen.cli.db.common import database_option, reporting, targets

if TYPE_CHECKING:
    from erlen.migrations.check import Findings
    from erlen.migrations.execution import Direction
    from erlen.migrations.status import Line, Status

__all__ = ["check", "sql", "status"]

_MARKS = {"applied": ("✓", "green"), "pending": ("·", "yellow"), "interrupted": ("!", "red"), "unknown": ("?", "red")}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@database_option
@click.pass_obj
def status(spec: str | None, *, names: Sequence[str], as_json: bool) -> None:
    """Say which migrations a database has, and which it lacks.

    Times are in UTC. A migration is `interrupted` that was begun and has not ended: it runs now, or `erlen db migrate` goes on with it. One
    is `unknown` whose file is not there: it was run from another branch of the code.
    """
    found = targets(spec, names)
    with reporting():
        from erlen.migrations.status import status_of

        states = [status_of(target) for target in found]
    if as_json:
        import msgspec

        click.echo(msgspec.json.format(msgspec.json.encode(states), indent=2))
        return
    for number, state in enumerate(states):
        if number:
            click.echo()
        _print(state)


@click.command()
@click.argument("migrations", required=False, metavar="[MIGRATION | FROM:TO]")
@click.option("--rollback", "is_back", is_flag=True, help="The way back.")
@click.option(
    "--dialect", type=click.Choice(["sqlite", "postgresql", "mysql", "mariadb"]), help="Of another database than the application's."
)
@database_option
@click.pass_obj
def sql(spec: str | None, migrations: str | None, *, names: Sequence[str], is_back: bool, dialect: str | None) -> None:
    """Print the SQL of migrations, without running it.

    Of one migration, or of those after FROM up to TO (either may be left out); by default of those that the database lacks, which alone
    asks it. What is printed is a whole script: it has the transactions and keeps the records, so that somebody else can run it.

    \b
    Examples:
      erlen db sql
      erlen db sql 0003
      erlen db sql 0003:
      erlen db sql 0002:0005 --rollback
    """  # noqa: D301 - click keeps the lines after this mark
    found = targets(spec, names)
    if len(found) > 1 and migrations is not None:
        raise click.UsageError(f"say of which database: {', '.join(f'`--database {target.name}`' for target in found)}")
    with reporting():
        from erlen.migrations.offline import Pending, chosen, pending_of, script_of
        from erlen.migrations.plan import shown

        for target in found:
            if migrations is not None:
                pending = Pending(tuple(chosen(target.migrations(), migrations)), frozenset(), ())
            elif is_back:
                raise click.UsageError("say the way back of which: `erlen db sql 0003 --rollback`")
            else:
                pending = pending_of(target)
            if len(found) > 1:
                click.echo(f"-- database {target.name}")
            if not pending.migrations:
                click.echo("-- nothing to apply")
                continue
            direction: Direction = "downgrade" if is_back else "upgrade"
            for line in script_of(target, pending.migrations, recorded=pending.recorded, dialect=dialect, direction=direction):
                click.echo(line)
            for waiting in pending.waiting[:1]:
                click.echo(f"\n-- stopped before {shown(waiting)}: deploy {waiting.after_deploy}, then ask for the rest")


@click.command()
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@database_option
@click.pass_obj
def check(spec: str | None, *, names: Sequence[str], as_json: bool) -> None:
    """Compare the models, the migrations and the database; exit with 1 if they differ.

    Finds changes of the models that no migration makes, migrations that the database lacks, that have not ended or have no file, and
    tables that are otherwise than the migrations leave them.
    """
    found = targets(spec, names)
    with reporting():
        from erlen.migrations.check import check

        findings = [check(target) for target in found]
    if as_json:
        import msgspec

        click.echo(msgspec.json.format(msgspec.json.encode(findings), indent=2))
    else:
        for each in findings:
            _print_findings(each, several=len(findings) > 1)
    if not all(each.is_well for each in findings):
        sys.exit(1)


def _print_findings(findings: Findings, *, several: bool) -> None:
    if several:
        click.secho(findings.database, bold=True)
    if findings.is_well:
        click.echo("Models, migrations and database agree.")
        return
    for title, lines, fix in (
        ("Changes of the models that no migration makes", findings.models, "erlen db make"),
        ("Migrations that the database lacks", findings.pending, "erlen db migrate"),
        ("Migrations that have not ended", findings.interrupted, "erlen db migrate"),
        ("Migrations in the database that have no file", findings.unknown, ""),
        ("Tables that are otherwise than the migrations leave them", findings.drift, ""),
    ):
        if lines:
            click.echo(f"{click.style(title, fg='yellow')}{f': `{fix}`' if fix else ''}")
            for line in lines:
                click.echo(f"  {line}")


def _print(state: Status) -> None:
    click.echo(f"{click.style(state.database, bold=True)}  {state.url}")
    if state.note:
        click.secho(f"note: {state.note}", fg="yellow")
    if not state.migrations:
        click.echo("  no migrations: `erlen db make` writes the first")
        return
    width = max(len(_name(line)) for line in state.migrations)
    for line in state.migrations:
        mark, colour = _MARKS[line.standing]
        when = line.applied_at.strftime("%Y-%m-%d %H:%M") if line.applied_at is not None else line.standing
        word = f"{line.standing}, since {when}" if line.standing == "interrupted" else when
        word = f"{when}, unknown: no file" if line.standing == "unknown" else word
        click.echo(f"  {click.style(mark, fg=colour)} {_name(line).ljust(width)}  {word.ljust(16)}  {line.message}".rstrip())
        if line.after_deploy and line.standing == "pending":
            click.echo(f"    {' ' * width}  {click.style(f'first deploy {line.after_deploy}', fg='yellow')}")
    click.echo(_sum(state))


def _sum(state: Status) -> str:
    """Say in a sentence what there is to do."""
    pending, interrupted, unknown = (state.count(standing) for standing in ("pending", "interrupted", "unknown"))
    parts: list[str] = []
    if interrupted:
        parts.append(f"{interrupted} interrupted")
    if pending:
        parts.append(f"{pending} to apply")
    if unknown:
        parts.append(f"{unknown} unknown")
    if not parts:
        return "Nothing to apply."
    return f"{', '.join(parts)}{': `erlen db migrate`' if pending or interrupted else ''}."


def _name(line: Line) -> str:
    return f"{line.branch}/{line.name}" if line.branch else line.name
