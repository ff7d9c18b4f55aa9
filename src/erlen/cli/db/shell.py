"""`erlen db shell`."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click
from msgspec import Struct

from erlen.cli.db.common import reporting

if TYPE_CHECKING:
    from sqlalchemy import URL

__all__ = ["shell"]


@click.command()
@click.argument("arguments", nargs=-1, metavar="[-- ARGS]...", type=click.UNPROCESSED)
@click.option("--database", default="default", show_default=True, metavar="NAME", help="Which database, where there are several.")
@click.option("-c", "--command", "statement", metavar="SQL", help="Run this and end; several statements stand apart by `;`.")
@click.option("--read-only", is_flag=True, help="Refuse what would change something.")
@click.option("--plain", is_flag=True, help="Erlen's own prompt, even where psql, mysql or sqlite3 is installed.")
@click.pass_context
def shell(ctx: click.Context, arguments: tuple[str, ...], database: str, statement: str | None, read_only: bool, plain: bool) -> None:
    """Open the database's own prompt: psql, mysql or sqlite3.

    What stands after `--` is given to that program. Where it is not installed, there is a prompt of Erlen's own: statements end with `;`,
    `.tables` and `.schema` show what there is. The password is in no process list. Without debug mode the prompt says `production`.

    `-c` and lines from a pipe are run by Erlen itself, with the same output for every database.

    \b
    Examples:
      erlen db shell
      erlen db shell --read-only
      erlen db shell -c "SELECT count(*) FROM articles"
      erlen db shell -- --csv -f report.sql
    """  # noqa: D301 - click keeps the lines after this mark
    from erlen.cli.application import load_site

    site = load_site(ctx.obj)
    with reporting():
        from erlen.migrations.target import targets_of

        target = targets_of(site, (database,))[0]
        url = target.database.url(database)
        production = not site.settings.debug
        program = None if plain or statement is not None else _client(url)
        if arguments and program is None:
            raise click.UsageError(f"{_missing(url)}, so there is nobody to take {' '.join(arguments)!r}", ctx)
        if program is not None and (arguments or sys.stdin.isatty()):
            ctx.exit(_run(program, url, arguments, production=production, read_only=read_only))
        from erlen.cli.db.prompt import Prompt

        with Prompt.connect(target, production=production, read_only=read_only) as prompt:
            if statement is not None:
                prompt.run(statement)
            elif sys.stdin.isatty():
                reason = "" if plain else f" ({_missing(url)})"
                click.echo(f"{_banner(url, production=production)}\nErlen's own prompt{reason}: `.help` explains it.", err=True)
                prompt.ask()
            else:
                prompt.run(sys.stdin.read())


class Client(Struct, frozen=True):
    """A database's own program, as it is called."""

    path: str
    arguments: Sequence[str]
    environment: Mapping[str, str] = {}
    prompt: Sequence[str] = ()
    """What makes its prompt say `production`."""
    read_only: Sequence[str] = ()
    read_only_environment: Mapping[str, str] = {}
    options: str = ""
    """What stands in a file that only its owner can read, for the option `--defaults-extra-file`."""


def _client(url: URL) -> Client | None:
    """Return the program for a database; None where it is not installed, or the database is in the memory of a process."""
    from erlen.db.engines import is_memory

    backend = url.get_backend_name()
    path = next(filter(None, map(shutil.which, _PROGRAMS[backend])), None)
    if path is None or is_memory(url):
        return None
    return {"sqlite": _sqlite3, "postgresql": _psql}.get(backend, _mysql)(path, url)


def _sqlite3(path: str, url: URL) -> Client:
    name = str(url.database)
    return Client(path, [name], prompt=["-cmd", '.prompt "production> "'], read_only=["-readonly"])


def _psql(path: str, url: URL) -> Client:
    """What libpq reads from the environment is not seen by other users, as arguments are."""
    said: dict[str, object] = {
        "PGHOST": url.host,
        "PGPORT": url.port,
        "PGUSER": url.username,
        "PGPASSWORD": url.password,
        "PGDATABASE": url.database,
    }
    said |= {variable: url.query[name] for name, variable in _LIBPQ.items() if name in url.query}
    environment = {name: str(value) for name, value in said.items() if value is not None}
    options = f"{environment.get('PGOPTIONS', '')} -c default_transaction_read_only=on".strip()
    return Client(
        path,
        [],
        environment,
        prompt=["-v", "PROMPT1=production %/%R%x%# ", "-v", "PROMPT2=production %/%R%x%# "],
        read_only_environment={"PGOPTIONS": options},
    )


def _mysql(path: str, url: URL) -> Client:
    said: dict[str, object] = {
        "user": url.username,
        "password": url.password,
        "host": url.host,
        "port": url.port,
        "socket": url.query.get("unix_socket"),
    }
    said |= {option: url.query[name] for name, option in _MYSQL.items() if name in url.query}
    lines = [f'{name}="{_escaped(str(value))}"' for name, value in said.items() if value is not None]
    return Client(
        path,
        [str(url.database)],
        prompt=["--prompt=production \\d> "],
        read_only=["--init-command=SET SESSION TRANSACTION READ ONLY"],
        options="\n".join(["[client]", *lines, ""]),
    )


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _run(client: Client, url: URL, arguments: Sequence[str], *, production: bool, read_only: bool) -> int:
    """Run a program until it ends and return its exit code. Ctrl-C is for the program, which stops a statement then."""
    if sys.stdin.isatty():
        click.echo(_banner(url, production=production), err=True)
    with _options_file(client.options) as options, _ignoring_interrupts():
        environment = {**os.environ, **client.environment, **(client.read_only_environment if read_only else {})}
        said = [*(client.prompt if production else ()), *(client.read_only if read_only else ())]
        return subprocess.run([client.path, *options, *said, *client.arguments, *arguments], env=environment, check=False).returncode


@contextmanager
def _options_file(text: str) -> Generator[Sequence[str], None, None]:
    """Keep a text in a file that only its owner can read, as long as a program may want it."""
    if not text:
        yield ()
        return
    with tempfile.TemporaryDirectory(prefix="erlen-") as folder:  # only for its owner
        path = os.path.join(folder, "client.cnf")
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
        yield (f"--defaults-extra-file={path}",)


@contextmanager
def _ignoring_interrupts() -> Generator[None, None, None]:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _banner(url: URL, *, production: bool) -> str:
    place = f" at {url.host or 'localhost'}" if url.get_backend_name() != "sqlite" else ""
    text = f"{url.get_backend_name()}: {url.database}{place}"
    return f"{text}, {click.style('production', fg='red', bold=True)}" if production else text


def _missing(url: URL) -> str:
    from erlen.db.engines import is_memory

    names = " and ".join(_PROGRAMS[url.get_backend_name()])
    return (
        "the database is in the memory of this process"
        if is_memory(url)
        else f"{names} {'is' if ' ' not in names else 'are'} not installed"
    )


_PROGRAMS = {"sqlite": ("sqlite3",), "postgresql": ("psql",), "mysql": ("mysql", "mariadb"), "mariadb": ("mariadb", "mysql")}
# Parts of a URL after `?` that the programs know as well, and what these call them.
_LIBPQ = {
    "host": "PGHOST",
    "options": "PGOPTIONS",
    "sslmode": "PGSSLMODE",
    "sslrootcert": "PGSSLROOTCERT",
    "sslcert": "PGSSLCERT",
    "sslkey": "PGSSLKEY",
}
_MYSQL = {"ssl_ca": "ssl-ca", "ssl_cert": "ssl-cert", "ssl_key": "ssl-key"}
