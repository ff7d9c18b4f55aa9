"""`.env`: environment variables for development, in a file that git ignores."""

from __future__ import annotations

import os
from io import StringIO
from pathlib import Path

from erlen.errors import ConfigurationError, Mistake, raise_all

__all__ = ["ENV_FILE", "load_env_file", "names_from_file"]

ENV_FILE = "ERLEN_ENV_FILE"
"""The variable that names the file that was read, for `erlen settings` and for child processes."""


def load_env_file(path: Path) -> list[str]:
    """Set the variables of a `.env` file that the environment does not have; what is set already wins.

    Returns:
        the names that were set; none where there is no such file.

    Raises:
        ConfigurationError: if the file is there and python-dotenv is not, or it cannot be read.
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
        from dotenv.parser import parse_stream
    except ImportError:
        fix = 'pip install "erlen[standard]", or take the file away'
        raise ConfigurationError(Mistake(f"{path.name} cannot be read without python-dotenv", str(path), fix)) from None
    text = _text_of(path)
    # Left to itself, python-dotenv logs a warning of such a line and goes on without it.
    wrong = [line.original.line for line in parse_stream(StringIO(text)) if line.error]
    # Nothing of a line is shown: it may be a secret.
    raise_all(Mistake(f"line {number} of {path.name} is no variable", f"{path}:{number}", _FIX) for number in wrong)
    return {name: value or "" for name, value in dotenv_values(stream=StringIO(text)).items()}


def _text_of(path: Path) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(Mistake(f"{path.name} cannot be read: {error.strerror}", str(path))) from None
    try:
        text = data.decode("utf-8-sig")  # without the mark that some editors put first
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        wrong = f"{path.name} is not UTF-8: byte {error.start} is 0x{data[error.start]:02x}"
        raise ConfigurationError(Mistake(wrong, f"{path}:{line}", "save it as UTF-8 (an editor asks for the encoding)")) from None
    if "\0" in text:
        fix = "save it as UTF-8 (it may be UTF-16, as PowerShell writes it)"
        raise ConfigurationError(Mistake(f"{path.name} has zero bytes, which no variable can hold", str(path), fix))
    return text


_FIX = "write NAME=value, and quotes around a value that has any: NAME='say \"hello\"'; an opening quote needs its closing one"
