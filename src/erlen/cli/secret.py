"""`erlen secret`."""

from __future__ import annotations

import click

from erlen.security.signing import random_key

__all__ = ["command"]


@click.command()
def command() -> None:
    """Print a new secret key, for the environment variable SECRET_KEY.

    To change a key without ending every session, put the former one into SECRET_KEY_FALLBACKS.
    """
    click.echo(random_key())
