"""`erlen routes`."""

from __future__ import annotations

import click

from erlen.app.site import RouteInfo
from erlen.binding.parameter import describe

__all__ = ["command"]


@click.command()
@click.option("--grep", "word", metavar="TEXT", default="", help="Only routes whose path, name or handler contains this.")
@click.option(
    "--sort", "order", type=click.Choice(["path", "name", "none"]), default="none", help="How they are ordered; by default as registered."
)
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_obj
def command(spec: str | None, word: str, order: str, as_json: bool) -> None:
    """List the routes of the application.

    A hop is a change between the event loop and a thread; a plain `def` handler costs one, each middleware of the other colour more.

    \b
    Examples:
      erlen routes
      erlen routes --grep cart --sort path
      erlen routes --json
    """  # noqa: D301 - click keeps the lines after this mark
    from erlen.cli.application import load_site

    routes = [route for route in load_site(spec).routes if word.lower() in f"{route.path} {route.name} {_handler(route)}".lower()]
    if order != "none":
        routes.sort(key=lambda route: getattr(route, order))
    rows = [_row(route) for route in routes]
    if as_json:
        import json

        click.echo(json.dumps(rows, indent=2))
        return
    if not rows:
        click.echo(f"No route has {word!r} in its path, name or handler." if word else "There are no routes yet.")
        return
    columns = ["methods", "path", "name", "handler", "runs", "hops", "middleware", "where"]
    shown = [column for column in columns if any(row[column] for row in rows)]
    widths = {column: max(len(column), *(len(str(row[column])) for row in rows)) for column in shown}
    click.echo("  ".join(click.style(column.ljust(widths[column]), bold=True) for column in shown).rstrip())
    for row in rows:
        click.echo("  ".join(str(row[column]).ljust(widths[column]) for column in shown).rstrip())


def _row(route: RouteInfo) -> dict[str, str | int]:
    return {
        "methods": ",".join(route.methods),
        "path": (route.host or "") + route.path,
        "name": route.name,
        "handler": _handler(route),
        "runs": "mounted" if route.is_mount else "on the loop" if route.colour == "loop" else "in a thread",
        "hops": route.hops,
        "middleware": ", ".join(route.middleware),
        "where": route.where,
    }


def _handler(route: RouteInfo) -> str:
    return type(route.handler).__qualname__ if route.is_mount else describe(route.handler).replace("<locals>.", "")
