"""`erlen check`."""

from __future__ import annotations

import sys

import click

__all__ = ["command"]


@click.command()
@click.option("--deploy", is_flag=True, help="Also what would be unsafe in production.")
@click.pass_obj
def command(spec: str | None, deploy: bool) -> None:
    """Report every mistake in the application and its settings; exit with 1 if there is one.

    --deploy reads the settings of this environment: run it where the site will run, or with that environment's variables.

    \b
    Examples:
      erlen check
      SECRET_KEY=… ALLOWED_HOSTS=example.com erlen check --deploy
    """  # noqa: D301 - click keeps the lines after this mark
    from erlen.cli.application import load_site, own_commands
    from erlen.cli.deployment import deployment_mistakes, deployment_notes

    site = load_site(spec)
    own_commands(site)  # reads their parameters
    mistakes = [mistake for check in site.checks for mistake in check(site)]
    if deploy:
        mistakes += deployment_mistakes(site)
        for note in deployment_notes(site):
            click.echo(f"Note: {note}\n")
    for mistake in mistakes:
        click.echo(f"{mistake}\n")
    if mistakes:
        click.echo(f"{len(mistakes)} to mend.")
        sys.exit(1)
    count = len(site.routes)
    click.echo(f"No mistakes in {count} {'route' if count == 1 else 'routes'}.")
