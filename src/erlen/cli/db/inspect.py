"""`erlen db inspect`."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from erlen.cli.db.common import one_target, reporting

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection, Engine

    from erlen.inspection import Choose
    from erlen.migrations.target import Target

__all__ = ["inspect"]


@click.command()
@click.argument("tables", nargs=-1, metavar="[TABLE]...")
@click.option("--database", default="default", show_default=True, metavar="NAME", help="Which database, where there are several.")
@click.option("--url", metavar="URL", help="Another database than the application's; no application is needed then.")
@click.option("--output", "-o", type=click.Path(dir_okay=False, path_type=Path), help="Write to this file.")
@click.option("--force", is_flag=True, help="Write over a file that is there.")
@click.option(
    "--schema", "schemas", multiple=True, metavar="NAME", help="Of PostgreSQL, or a database of MySQL; may be said more than once."
)
@click.option("--exclude", multiple=True, metavar="TABLE", help="Leave tables out: a name, or a pattern such as `django_*`.")
@click.pass_obj
def inspect(
    spec: str | None,
    tables: tuple[str, ...],
    database: str,
    url: str | None,
    output: Path | None,
    force: bool,
    schemas: tuple[str, ...],
    exclude: tuple[str, ...],
) -> None:
    """Write the models of a database that is there already: of all its tables, or of some.

    Each table becomes a typed model, with its keys, constraints, indexes and relations both ways; a table that only links two others, and
    one without a key, becomes a plain `Table`. The database is only read. The models are yours from then on: rename classes, attributes
    and relations as you like.

    \b
    Examples:
      erlen db inspect -o models.py
      erlen db inspect --exclude "django_*" --exclude "auth_*"
      erlen db inspect --url postgresql://me@localhost/shop "order*"
    """  # noqa: D301 - click keeps the lines after this mark
    if output is not None and output.exists() and not force:
        raise click.UsageError(f"{output} is there already: choose another file, or say --force to write over it.")
    with reporting():
        from erlen.inspection import Choose

        choose = Choose(only=tables, exclude=exclude, schemas=schemas or (None,))
    source, count = _inspected(spec, url, database, choose)
    if output is None:
        click.echo(source, nl=False)
        return
    output.write_text(source, encoding="utf-8")
    click.echo(f"Wrote {output}: {count} {'table' if count == 1 else 'tables'}.")


def _inspected(spec: str | None, url: str | None, name: str, choose: Choose) -> tuple[str, int]:
    """Return the source, and of how many tables."""
    target = None if url is not None else one_target(spec, name)
    with reporting():
        from erlen.inspection import read_database, write_models

        with _connected(target, url) as connection:
            found = read_database(connection, choose)
        if not found.tables:
            raise click.ClickException(f"the database {found.name} has no tables{' that are wanted' if choose.exclude else ''}")
        known = [] if target is None else [(table.schema, table.name) for table in target.metadata.tables.values()]
        return write_models(found, name, known), len(found.tables)


@contextmanager
def _connected(target: Target | None, url: str | None) -> Generator[Connection, None, None]:
    from erlen.db.engines import is_memory, resolve_url
    from erlen.migrations.connection import Limits, connect, open_engine

    if target is not None:
        own = target.database.url(target.name)
        if own.get_backend_name() == "sqlite" and not is_memory(own):
            _check_file(own)
        with connect(target) as connection:
            yield connection
        return
    resolved = resolve_url(str(url), str(Path.cwd()))
    engine = _read_only(resolved) if resolved.get_backend_name() == "sqlite" else open_engine(resolved, Limits())
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def _read_only(url: URL) -> Engine:
    """Make an engine for a file of SQLite that stays as it is: ours would give it a write-ahead log, or make it."""
    from urllib.parse import quote

    from sqlalchemy import URL, create_engine
    from sqlalchemy.pool import NullPool

    path = quote(str(_check_file(url)))
    return create_engine(URL.create("sqlite", database=f"file:{path}", query={"mode": "ro", "uri": "true"}), poolclass=NullPool)


def _check_file(url: URL) -> Path:
    """Return the path of a file of SQLite, which connecting would make.

    Raises:
        ErlenError: if it is not there.
    """
    from erlen.errors import ErlenError

    path = Path(str(url.database))
    if not path.is_file():
        raise ErlenError(f"there is no file {path}")
    return path
