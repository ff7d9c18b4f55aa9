"""`erlen settings`."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any

import click

from erlen.cli.environment import load_env_file, names_from_file
from erlen.observe.escape import escape

if TYPE_CHECKING:
    from erlen.app.settings import Settings

__all__ = ["command", "masked"]


@click.command(short_help="Show every setting, its value and where that comes from.")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--changed", is_flag=True, help="Only those that differ from the default.")
@click.option("--dev", "in_development", is_flag=True, help="As `erlen dev` has them: with .env, and debug mode on.")
@click.option("--json", "as_json", is_flag=True, help="For programs: an object by name, each with `value` and `origin`.")
@click.pass_obj
def command(spec: str | None, names: tuple[str, ...], changed: bool, in_development: bool, as_json: bool) -> None:
    """Show every setting, its value and where that comes from; secrets are masked.

    The last of these wins: the code, settings.toml, settings.production.toml (or what ERLEN_ENV names), files in SECRETS_DIR, the file
    that NAME_FILE names, the variable NAME. Variables that a shell or the system sets, such as USER, PATH and LANG, are not read: the
    variable of a setting `user` is ERLEN_USER.

    \b
    Examples:
      erlen settings                   all of them
      erlen settings --changed         what is not as Erlen has it
      erlen settings debug threads     two of them
      erlen settings --dev             as they are in development
    """  # noqa: D301 - click reads the character
    from erlen.app.application import App
    from erlen.app.sources import variable_of
    from erlen.cli.application import loading
    from erlen.errors import ConfigurationError
    from erlen.server.target import load_app

    assumed: dict[str, str] = {}
    if in_development:
        with loading():
            load_env_file(Path(".env"))
        assumed = {"DEBUG": "erlen dev"} if "DEBUG" not in os.environ else {}
        os.environ.setdefault("DEBUG", "1")
    with loading():
        app = load_app(spec)
        if not isinstance(app, App):
            raise click.ClickException(f"{app!r} is no Erlen application")
        try:
            settings, origins = app.read_settings()
        except ConfigurationError as error:
            if not any(mistake.message.startswith("there is no setting") for mistake in error.mistakes):
                raise
            known = fill(f"The settings are {', '.join(app.settings.__struct_fields__)}.", 100)  # that message sends people here
            raise click.ClickException(f"{error}\n\n{known}") from None
    given = names_from_file() | assumed
    rows = []
    for name in _chosen(settings, names):
        value, origin = getattr(settings, name), origins[name]
        if origin == "the code":
            origin = "the code" if value != _default(settings, name) else "default"
        elif origin == "the environment":
            origin = given.get(variable_of(name), origin)
        if not (changed and origin == "default"):
            rows.append((name, masked(name, value), origin))
    if as_json:
        click.echo(json.dumps({name: {"value": value, "origin": origin} for name, value, origin in rows}, indent=2))
        return
    if not rows:
        click.echo("Every setting has its default.")
        return
    width = max(len(name) for name, _, _ in rows)
    for name, value, origin in rows:
        notes = [] if origin == "default" else [origin]
        if variable_of(name) != name.upper():
            notes.append(f"its variable is {variable_of(name)}")
        shown = click.style(f"({'; '.join(notes)})", fg="cyan")
        click.echo(f"{name:<{width}}  {_text(value)}" + (f"  {shown}" if notes else ""))


def masked(name: str, value: Any) -> Any:
    """Return a setting's value as JSON has it, with what is secret by its name and passwords in URLs masked, however deep they are."""
    from msgspec import to_builtins

    from erlen.app.settings import is_secret

    if value and is_secret(name):
        return "***"
    plain = to_builtins(value, enc_hook=str, str_keys=True)
    if isinstance(plain, dict):
        return {key: masked(key, one) for key, one in plain.items()}
    if isinstance(plain, list | tuple):
        return [masked("", one) for one in plain]
    return re.sub(r"(://[^/\s:@]*:)[^/\s@]+@", r"\1***@", plain) if isinstance(plain, str) else plain


def _text(value: Any) -> str:
    """Return a value for people, on one line: lists with commas, as in variables."""
    if isinstance(value, list) and all(isinstance(one, str | int | float) for one in value):
        value = ", ".join(map(str, value))
    return escape(json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict) else str(value)) or "(empty)"


def _chosen(settings: Settings, names: tuple[str, ...]) -> tuple[str, ...]:
    fields = settings.__struct_fields__
    for name in names:
        if name.lower() not in fields:
            from difflib import get_close_matches

            near = get_close_matches(name.lower(), fields, 1)
            hint = f" Did you mean {near[0]!r}?" if near else " `erlen settings` lists them all."
            raise click.UsageError(f"There is no setting {name!r}.{hint}")
    return tuple(name.lower() for name in names) or fields


def _default(settings: Settings, name: str) -> object:
    import msgspec

    field = next(field for field in msgspec.structs.fields(settings) if field.name == name)
    return field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
