"""`erlen secret`."""

from __future__ import annotations

import click

from erlen.security.signing import random_key

__all__ = ["command"]


@click.command()
def command() -> None:
    """Print a new secret key, for the environment variable SECRET_KEY.

    Development makes a key by itself; the environment of `erlen run` needs one.

    To change a key without ending every session, put the former one into SECRET_KEY_FALLBACKS.

    \b
    Examples:
      erlen secret
      export SECRET_KEY=$(erlen secret)
    """  # noqa: D301 - click keeps the lines after this mark
    click.echo(random_key())
