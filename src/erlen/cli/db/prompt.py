"""A prompt for SQL where the database's own program is not installed, and statements one after the other."""

from __future__ import annotations

import os
import re
import sys
import unicodedata
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from erlen.migrations.target import Target

__all__ = ["Prompt", "split_statements"]

HELP = """\
Statements end with `;`. Each is committed by itself, unless you write BEGIN.
  .tables           tables and views
  .schema TABLE     the columns of one
  .quit             the end; Ctrl-D as well"""
WIDEST = 60
"""Longer values are cut off in a terminal."""
HISTORY = Path("~/.erlen_sql_history")


class Prompt:
    """Statements on one connection, and their rows as tables."""

    def __init__(self, connection: Connection, name: str) -> None:
        self.connection = connection
        self.name = name

    @classmethod
    @contextmanager
    def connect(cls, target: Target, *, production: bool, read_only: bool) -> Generator[Prompt, None, None]:
        """Connect to a target's database; nothing is begun or committed but what the statements say."""
        from erlen.db.engines import EngineOptions, make_engines

        url = target.database.url(target.name)
        engines = make_engines(url, "thread", EngineOptions(pool_size=1, statement_timeout=None))
        try:
            with engines.reader.connect() as connection:
                prompt = cls(connection, f"{'production ' if production else ''}{Path(str(url.database)).name}")
                if read_only:
                    prompt._send(_READ_ONLY[connection.dialect.name])
                yield prompt
        finally:
            engines.engine.dispose()

    def run(self, text: str) -> None:
        """Run statements and print their rows, or how many they changed; stop at the first that fails."""
        in_terminal = sys.stdout.isatty()
        for statement in split_statements(text):
            result = self._send(statement)
            if result.returns_rows:
                rows = result.fetchall()
                click.echo("\n".join(_table(list(result.keys()), rows, WIDEST if in_terminal else None)))
                click.secho(f"({_count(len(rows))})", dim=True, err=not in_terminal)
            elif re.match(r"(?:insert|update|delete|replace|merge|with)\b", statement, re.IGNORECASE):
                click.secho(f"({_count(result.rowcount)} changed)", dim=True, err=not in_terminal)

    def ask(self) -> None:
        """Ask for statements until the end; errors are told."""
        from sqlalchemy.exc import SQLAlchemyError

        waiting = ""
        with _history():
            while True:
                try:
                    waiting += input(f"{self.name}> " if not waiting else f"{'...':>{len(self.name)}}> ") + "\n"
                    if waiting.strip() in (".quit", ".exit", "quit", "exit"):
                        return
                    if waiting.startswith("."):
                        self._command(*waiting.split()[:2])
                    elif waiting.strip() and not _is_whole(waiting):
                        continue
                    else:
                        self.run(waiting)
                except EOFError:
                    click.echo()
                    return
                except KeyboardInterrupt:
                    click.echo()
                except SQLAlchemyError as error:
                    click.secho(str(getattr(error, "orig", error)).strip(), fg="red")
                    if self.connection.invalidated:
                        self.connection.rollback()  # it connects anew with the next statement
                waiting = ""

    def _command(self, word: str, table: str = "") -> None:
        from sqlalchemy import inspect

        inspector = inspect(self.connection)
        if word == ".tables":
            click.echo("\n".join(sorted([*inspector.get_table_names(), *inspector.get_view_names()])))
        elif word == ".schema" and table and not inspector.has_table(table):
            click.secho(f"there is no table {table}", fg="red")
        elif word == ".schema" and table:
            columns = [(each["name"], str(each["type"]), "" if each["nullable"] else "not null") for each in inspector.get_columns(table)]
            click.echo("\n".join(_table(["column", "type", "null"], columns)))
        else:
            click.echo(HELP)

    def _send(self, statement: str) -> Any:
        # Without parameters: or the drivers would take a `%` in it for one.
        return self.connection.execution_options(no_parameters=True).exec_driver_sql(statement)


def split_statements(text: str) -> Iterator[str]:
    """Yield the statements that stand apart by `;`, not those within quotes and comments."""
    start = 0
    for mark in _MARKS.finditer(text):
        if mark.group() == ";":
            yield from filter(None, [text[start : mark.start()].strip()])
            start = mark.end()
    if _COMMENTS.sub("", text[start:]).strip():
        yield text[start:].strip()


def _is_whole(text: str) -> bool:
    """Whether the last statement has its `;`."""
    marks = [mark for mark in _MARKS.finditer(text) if mark.group() == ";"]
    return bool(marks) and not _COMMENTS.sub("", text[marks[-1].end() :]).strip()


_COMMENTS = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
_MARKS = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|`[^`]*`|--[^\n]*|/\*.*?\*/|(\$\w*\$).*?\1|;""", re.DOTALL)
_READ_ONLY = {
    "sqlite": "PRAGMA query_only = ON",
    "postgresql": "SET default_transaction_read_only = on",
    "mysql": "SET SESSION TRANSACTION READ ONLY",
    "mariadb": "SET SESSION TRANSACTION READ ONLY",
}


# -- output ----------------------------------------------------------------------------------------------------------------------


def _table(names: Sequence[str], rows: Sequence[Sequence[Any]], widest: int | None = None) -> Iterator[str]:
    """Yield the lines of a table: numbers to the right, the rest to the left."""
    lines = [list(names), *([_shown(value, widest) for value in row] for row in rows)]
    widths = [max(map(_width, column)) for column in zip(*lines, strict=True)]
    right = [bool(rows) and all(isinstance(row[place], int | float | Decimal | None) for row in rows) for place in range(len(names))]
    for number, line in enumerate(lines):
        cells = (
            " " * (width - _width(cell)) + cell if to_right else cell + " " * (width - _width(cell))
            for cell, width, to_right in zip(line, widths, right, strict=True)
        )
        yield "  ".join(cells).rstrip()
        if number == 0:
            yield "  ".join("-" * width for width in widths)


def _shown(value: Any, widest: int | None) -> str:
    text = "NULL" if value is None else f"\\x{value.hex()}" if isinstance(value, bytes) else str(value)
    plain = "".join(character if character.isprintable() else _escaped(character) for character in text)
    return plain if widest is None or len(plain) <= widest else f"{plain[: widest - 1]}…"


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode()


def _width(text: str) -> int:
    return sum(0 if unicodedata.combining(each) else 2 if unicodedata.east_asian_width(each) in "WF" else 1 for each in text)


def _count(number: int) -> str:
    return f"{number} {'row' if number == 1 else 'rows'}"


@contextmanager
def _history() -> Generator[None, None, None]:
    """Keep the lines of a prompt for the next time, in a file for its owner alone."""
    try:
        import readline
    except ImportError:  # Windows
        yield
        return
    path = HISTORY.expanduser()
    readline.clear_history()
    try:
        path.touch(mode=0o600)
        readline.read_history_file(path)
    except OSError:
        pass
    try:
        yield
    finally:
        readline.set_history_length(1000)
        if os.access(path, os.W_OK):
            readline.write_history_file(path)
