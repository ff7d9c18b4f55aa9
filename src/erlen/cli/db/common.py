"""What the commands of `erlen db` share: which databases, and errors as messages."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from erlen.migrations.target import Target

__all__ = ["database_option", "is_terminal", "one_target", "reporting", "targets"]

Function = TypeVar("Function", bound=Callable[..., Any])


def database_option(function: Function) -> Function:
    """Add `--database`, which may be said more than once."""
    return click.option("--database", "names", multiple=True, metavar="NAME", help="Only this database, where there are several.")(function)


def targets(spec: str | None, names: Sequence[str] = ()) -> list[Target]:
    """Load the application and return its databases, or those of these names.

    Raises:
        click.ClickException: saying what is wrong.
    """
    from erlen.cli.application import load_site

    site = load_site(spec)
    with reporting():
        from erlen.migrations.target import targets_of

        return targets_of(site, names)


def one_target(spec: str | None, name: str) -> Target:
    """Return the one database of a name, as `targets` does."""
    return targets(spec, (name,))[0]


@contextmanager
def reporting() -> Generator[None, None, None]:
    """Turn what migrations and databases raise into a message of the command line.

    Raises:
        click.ClickException: with that message.
    """
    from sqlalchemy.exc import DBAPIError, SQLAlchemyError

    from erlen.errors import ErlenError

    try:
        yield
    except ErlenError as error:
        raise click.ClickException(str(error)) from error
    except DBAPIError as error:
        statement = f"\n  in  {' '.join(error.statement.split())[:200]}" if error.statement else ""
        raise click.ClickException(f"the database says: {str(error.orig).strip()}{statement}") from error
    except SQLAlchemyError as error:
        raise click.ClickException(str(error)) from error


def is_terminal() -> bool:
    """Whether somebody is there to answer."""
    return sys.stdin.isatty() and sys.stdout.isatty()
