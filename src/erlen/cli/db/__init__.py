"""`erlen db`: migrations, and what is in the database."""

from __future__ import annotations

from importlib import import_module

import click

__all__ = ["command"]

# Each command's module is imported when the command is used.
GROUPS = {
    "Change the schema": {
        "make": ("make", "Write a migration of what changed in the models."),
        "migrate": ("migrate", "Bring the database to the last migration."),
        "rollback": ("migrate", "Take the last migrations back."),
        "status": ("status", "Say which migrations a database has, and which it lacks."),
        "sql": ("status", "Print the SQL of migrations, without running it."),
        "check": ("status", "Compare the models, the migrations and the database."),
        "lint": ("lint", "Find the steps of migrations that lock tables or lose data."),
    },
    "Develop": {
        "sync": ("migrate", "Bring a development database to the models, without a migration."),
        "reset": ("migrate", "Empty a development database and build it again."),
        "shell": ("shell", "Open the database's own prompt."),
        "inspect": ("inspect", "Write the models of a database that is there already."),
    },
    "Work together": {
        "rebase": ("history", "Put your migrations after those that others added."),
        "squash": ("history", "Make one migration of many."),
    },
    "Rows": {
        "dump": ("data", "Write rows as JSON."),
        "load": ("data", "Read rows that `dump` wrote."),
        "seed": ("data", "Fill the database with what a new one needs."),
    },
}
# What people type who come from elsewhere.
HABITS = {
    **dict.fromkeys(("makemigrations", "revision", "generate", "diff", "new"), "make"),
    **dict.fromkeys(("upgrade", "up", "deploy", "push-migrations"), "migrate"),
    **dict.fromkeys(("downgrade", "down", "undo"), "rollback"),
    **dict.fromkeys(("showmigrations", "current", "history", "heads"), "status"),
    **dict.fromkeys(("sqlmigrate",), "sql"),
    **dict.fromkeys(("inspectdb", "introspect", "pull"), "inspect"),
    **dict.fromkeys(("squashmigrations",), "squash"),
    **dict.fromkeys(("merge",), "rebase"),
    **dict.fromkeys(("dbshell",), "shell"),
    **dict.fromkeys(("dumpdata", "export"), "dump"),
    **dict.fromkeys(("loaddata", "import"), "load"),
    **dict.fromkeys(("flush", "fresh", "drop"), "reset"),
    **dict.fromkeys(("push", "create_all", "create-all"), "sync"),
}
COMMANDS = {name: command for group in GROUPS.values() for name, command in group.items()}


class Commands(click.Group):
    """The commands of `erlen db`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"erlen.cli.db.{COMMANDS[cmd_name][0]}")
        found: click.Command = getattr(module, cmd_name)
        return found

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            from difflib import get_close_matches

            word = args[0].lower() if args else ""
            if ours := HABITS.get(word):
                raise click.UsageError(f"{error.message.rstrip('.')}: here it is `erlen db {ours}`.", ctx) from None
            if near := get_close_matches(word, COMMANDS, 1):
                raise click.UsageError(f"No such command {args[0]!r}. Did you mean {near[0]!r}?", ctx) from None
            raise

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        width = max(map(len, COMMANDS))
        for title, group in GROUPS.items():
            with formatter.section(title):
                formatter.write_dl([(name.ljust(width), text) for name, (_, text) in group.items()])


@click.group(cls=Commands)
def command() -> None:
    """Migrations, and what is in the database.

    Which database is said by the environment and, where it does not say, by
    `.env`, as in `erlen dev`.

    \b
      erlen db make       write a migration of what changed in the models
      erlen db migrate    bring the database there
    """  # noqa: D301 - click keeps the lines after this mark
    from pathlib import Path

    from erlen.cli.environment import load_env_file
    from erlen.errors import ConfigurationError

    try:
        said = [name for name in load_env_file(Path(".env")) if name.startswith("DATABASE_URL")]
    except ConfigurationError as error:
        raise click.ClickException(str(error)) from None
    if said:
        click.echo(f"{', '.join(said)} of .env", err=True)
