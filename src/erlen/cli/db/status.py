"""`erlen db status`, `sql` and `check`: what is there, and what would be done."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from erlen.cli.db.common import database_option, reporting, targets

if TYPE_CHECKING:
    from erlen.migrations.status import Line, Status

__all__ = ["status"]

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
