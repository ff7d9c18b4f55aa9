"""The `erlen` command."""

from __future__ import annotations

import os
from importlib import import_module

import click

__all__ = ["COMMANDS", "main"]

# Each command's module is imported when the command is used: the start-up of one does not pay for the others.
GROUPS = {
    "Start": {
        "new": ("erlen.cli.new", "Make a new application in a folder of its own."),
        "dev": ("erlen.cli.dev", "Serve the application while you write it."),
        "shell": ("erlen.cli.shell", "Python with the application loaded."),
    },
    "Serve": {
        "run": ("erlen.cli.run", "Serve the application in production."),
    },
    "Inspect": {
        "routes": ("erlen.cli.routes", "List the routes of the application."),
        "check": ("erlen.cli.check", "Report every mistake in the application and its settings."),
        "settings": ("erlen.cli.settings", "Show each setting, and where its value comes from."),
    },
    "Data": {
        "db": ("erlen.cli.db", "Migrations, and what is in the database."),
    },
    "Build": {
        "static": ("erlen.cli.static", "Static files: find them, build them for production."),
        "secret": ("erlen.cli.secret", "Print a new secret key."),
        "completion": ("erlen.cli.completion", "Print what completes `erlen` commands in your shell."),
    },
}
_DATA = "`erlen db` has the commands for migrations and rows."
# What people type who come from elsewhere.
HABITS = {
    **dict.fromkeys(("runserver", "serve", "server", "start", "debug"), "`erlen dev` serves while you write, `erlen run` in production."),
    **dict.fromkeys(("startproject", "startapp", "create", "init"), "`erlen new NAME` makes an application."),
    **dict.fromkeys(("collectstatic", "build"), "`erlen static build` builds the static files."),
    **dict.fromkeys(("show_urls", "urls"), "`erlen routes` lists the routes."),
    **dict.fromkeys(("config", "diffsettings"), "`erlen settings` shows the settings."),
    **dict.fromkeys(("makemigrations", "revision"), "`erlen db make` writes a migration."),
    **dict.fromkeys(("migrate", "upgrade"), "`erlen db migrate` brings the database to the last migration."),
    **dict.fromkeys(("showmigrations", "sqlmigrate", "squashmigrations", "dumpdata", "loaddata", "inspectdb", "dbshell", "flush"), _DATA),
    "test": "Tests are run by `pytest`.",
}
COMMANDS = {name: command for group in GROUPS.values() for name, command in group.items()}


class Commands(click.Group):
    """Erlen's commands, and those of the application."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*COMMANDS, *_own_commands(ctx, quiet=True)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in COMMANDS:
            command: click.Command = import_module(COMMANDS[cmd_name][0]).command
            return command
        return _own_commands(ctx, quiet=False).get(cmd_name)

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        from difflib import get_close_matches

        try:
            return super().resolve_command(ctx, args)
        except click.ClickException as error:
            # Where the application does not load, a name that is nearly one of ours was meant for that.
            word = args[0] if args else ""
            near = get_close_matches(word, self.list_commands(ctx), 1)
            hint = HABITS.get(word.lower()) or (f"Did you mean {near[0]!r}?" if near else "")
            if word.partition(":")[0].endswith(".py"):
                hint = f"Did you mean `erlen dev {word}`?"
            if not hint:
                raise
            reason = error.message if isinstance(error, click.UsageError) else f"No such command {word!r}."
            raise click.UsageError(f"{reason} {hint}", ctx) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        own = {name: command.get_short_help_str() for name, command in _own_commands(ctx, quiet=True).items() if name not in COMMANDS}
        groups = {title: {name: text for name, (_, text) in group.items()} for title, group in GROUPS.items()} | {"Your application": own}
        width = max(len(name) for group in groups.values() for name in group)
        for title, group in groups.items():
            if group:
                with formatter.section(title):
                    formatter.write_dl([(name.ljust(width), text) for name, text in group.items()])


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--app",
    "spec",
    metavar="APP",
    envvar="ERLEN_APP",
    show_envvar=True,
    is_eager=True,  # --help lists the application's own commands
    help="The application: app.py, pkg.mod:app. Found by itself in the current folder.",
)
@click.version_option(package_name="erlen", prog_name="erlen")
@click.pass_context
def main(ctx: click.Context, spec: str | None) -> None:
    """Erlen, the web framework that grows in place.

    \b
      erlen new blog && cd blog && erlen dev

    `erlen COMMAND --help` explains each command.
    """  # noqa: D301 - click keeps the lines after this mark
    ctx.obj = spec
    if os.environ.get("NO_COLOR"):  # no-color.org
        ctx.color = False


def _own_commands(ctx: click.Context, *, quiet: bool) -> dict[str, click.Command]:
    """Return the application's own commands; `quiet` passes over an application that is not there or does not load."""
    from erlen.cli.application import load_site, own_commands

    try:
        return own_commands(load_site(ctx.params.get("spec")))
    except click.ClickException:
        if quiet:
            return {}
        raise
