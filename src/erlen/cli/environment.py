"""`.env`: environment variables for development, in a file that git ignores."""

from __future__ import annotations

import os
from pathlib import Path

import click

__all__ = ["ENV_FILE", "load_env_file", "names_from_file"]

ENV_FILE = "ERLEN_ENV_FILE"
"""The variable that names the file that was read, for `erlen settings` and for child processes."""


def load_env_file(path: Path) -> list[str]:
    """Set the variables of a `.env` file that the environment does not have; what is set already wins.

    Returns:
        the names that were set; none where there is no such file.

    Raises:
        click.ClickException: if the file is there and python-dotenv is not, or it cannot be read.
    """
    if not path.is_file():
        return []
    missing = {name: value for name, value in _read(path).items() if name not in os.environ}
    os.environ.update(missing)
    os.environ[ENV_FILE] = str(path.resolve())
    return list(missing)


def names_from_file() -> dict[str, str]:
    """Return the variables whose value in the environment is the one that the `.env` file has, each with the file's name."""
    path = Path(os.environ.get(ENV_FILE, ""))
    if not path.is_file():
        return {}
    return {name: path.name for name, value in _read(path).items() if os.environ.get(name) == value}


def _read(path: Path) -> dict[str, str]:
    try:
        from dotenv import dotenv_values
    except ImportError:
        raise click.ClickException(f"{path} cannot be read without python-dotenv: pip install 'erlen[standard]'") from None
    try:
        return {name: value or "" for name, value in dotenv_values(path, encoding="utf-8").items()}
    except (OSError, UnicodeDecodeError) as error:
        raise click.ClickException(f"{path} cannot be read: {error}") from None
