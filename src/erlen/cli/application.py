"""How commands come to the application, and its functions to commands."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_origin

import click

from erlen.app.application import App
from erlen.app.site import Site
from erlen.binding.parameter import bare, describe, is_list, item_of, location_of
from erlen.errors import ConfigurationError
from erlen.schema.hints import hints_of
from erlen.schema.text import text_decoder
from erlen.server.target import load_app

if TYPE_CHECKING:
    AnyParamType = click.ParamType[Any]
else:  # generic only since click 8.4
    AnyParamType = click.ParamType

__all__ = ["load_site", "loading", "own_commands"]


def load_site(spec: str | None) -> Site:
    """Find, import and freeze the application.

    Raises:
        click.ClickException: saying what was looked for, listing the application's mistakes, or showing what its import raised.
    """
    with loading():
        app = load_app(spec)
        if isinstance(app, App):
            return app.site
        if isinstance(app, Site):
            return app
    raise click.ClickException(f"{app!r} is no Erlen application")


@contextmanager
def loading() -> Generator[None]:
    """Turn what the application raises while it loads into a message of the command line.

    Raises:
        click.ClickException: as `load_site` does.
    """
    try:
        yield
    except click.ClickException:
        raise
    except ConfigurationError as error:
        raise click.ClickException(str(error)) from None
    except Exception as error:
        from erlen.cli.load_error import describe_load_error

        raise click.ClickException(f"the application does not load:\n\n{describe_load_error(error, Path.cwd())}") from error


def own_commands(site: Site) -> dict[str, click.Command]:
    """Return the functions that `@app.command` registered, as commands.

    Raises:
        click.ClickException: if a parameter of one has a type that no text can become.
    """
    made: list[click.Command] = []
    for function in site.commands:
        try:
            made.append(_command(function))
        except ConfigurationError as error:
            raise click.ClickException(f"the command {describe(function)}, {location_of(function)}: {error}") from None
    return {command.name: command for command in made if command.name}


def _command(function: Callable[..., Any]) -> click.Command:
    """Make a command: parameters without default are arguments, the others options, `bool` a flag."""
    hints = hints_of(function)
    parameters: list[click.Parameter] = []
    lists: dict[str, Callable[[Any], Any]] = {}
    for name, given in inspect.signature(function).parameters.items():
        annotation = hints.get(name, str)
        several = is_list(annotation)
        if several:
            origin = get_origin(bare(annotation))
            lists[name] = origin if origin in (tuple, set, frozenset) else list
        kind = _Text(item_of(annotation) if several else annotation)
        if given.default is given.empty:
            parameters.append(click.Argument([name], type=kind, nargs=-1 if several else 1, required=not several))
        elif bare(annotation) is bool:
            flag = f"--{name.replace('_', '-')}"
            parameters.append(click.Option([name, f"{flag}/--no-{flag[2:]}"], default=given.default, show_default=True))
        else:
            parameters.append(
                click.Option([name, f"--{name.replace('_', '-')}"], type=kind, default=given.default, multiple=several, show_default=True)
            )

    # click writes the names of arguments in lower case.
    names = {(parameter.name or ""): name for parameter, name in zip(parameters, inspect.signature(function).parameters, strict=True)}

    def call(**values: Any) -> Any:
        given = {names[name]: value for name, value in values.items()}
        result = function(**{name: lists[name](value) if name in lists else value for name, value in given.items()})
        if inspect.iscoroutine(result):
            import asyncio

            result = asyncio.run(result)
        return result

    return click.Command(function.__name__.replace("_", "-"), callback=call, params=parameters, help=inspect.getdoc(function))


class _Text(AnyParamType):
    """Any type that a query parameter could have."""

    def __init__(self, annotation: Any) -> None:
        self.annotation = annotation
        self.decode = text_decoder(annotation)
        self.name = getattr(bare(annotation), "__name__", "text").lower()

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str):
            return value
        try:
            return self.decode(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)
