"""`erlen check`."""

from __future__ import annotations

import sys

import click

__all__ = ["command"]


@click.command()
@click.option("--deploy", is_flag=True, help="Also what would be unsafe in production.")
@click.pass_obj
def command(spec: str | None, deploy: bool) -> None:
    """Report every mistake in the application and its settings; exit with 1 if there is one."""
    from erlen.cli.application import load_site
    from erlen.cli.deployment import deployment_mistakes

    site = load_site(spec)
    mistakes = [mistake for check in site.checks for mistake in check(site)]
    if deploy:
        mistakes += deployment_mistakes(site)
    for mistake in mistakes:
        click.echo(f"{mistake}\n")
    if mistakes:
        click.echo(f"{len(mistakes)} to mend.")
        sys.exit(1)
    click.echo(f"No mistakes in {len(site.routes)} routes.")
