"""`erlen db dump`, `load` and `seed`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from erlen.cli.db.common import database_option, one_target, reporting, targets

if TYPE_CHECKING:
    from erlen.rows import Dumped, Existing, Loaded

__all__ = ["dump", "load", "seed"]

_DATABASE = "Which database, where there are several."


@click.command()
@click.argument("models", nargs=-1, metavar="[MODEL]...")
@click.option("--exclude", multiple=True, metavar="MODEL", help="Leave a model out.")
@click.option("--output", "-o", metavar="FILE", help="Write to this file; compressed if it ends in .gz, .bz2, .xz or .zst.")
@click.option("--natural", is_flag=True, help="Name rows by natural keys instead of counted ids, for a database with other ids.")
@click.option("--where", nargs=2, multiple=True, metavar="MODEL SQL", help='Only some rows: `--where Book "price > 10"`.')
@click.option("--database", default="default", show_default=True, metavar="NAME", help=_DATABASE)
@click.pass_obj
def dump(
    spec: str | None,
    models: tuple[str, ...],
    exclude: tuple[str, ...],
    output: str | None,
    natural: bool,
    where: tuple[tuple[str, str], ...],
    database: str,
) -> None:
    """Write rows as JSON: those of all models, or of some.

    Each row is one line, after those that it refers to. All are read in one transaction, from one moment of the database. Encrypted values
    stay encrypted: they load only where one of the application's secret keys is the same.

    With `--natural`, rows are named by `__natural_key__ = ("slug",)` of their model, otherwise by its first unique constraint.

    \b
    Examples:
      erlen db dump -o backup.jsonl.zst
      erlen db dump Author Book > books.jsonl
      erlen db dump --natural Country -o seeds/countries.jsonl
    """  # noqa: D301 - click keeps the lines after this mark
    target = one_target(spec, database)
    with reporting():
        from erlen.rows import dump as dump_rows
        from erlen.rows.files import written

        chosen = {"models": models, "exclude": exclude}
        if output is None or output == "-":
            stream = sys.stdout.buffer
            done = dump_rows(target, stream.write, **chosen, natural=natural, where=dict(where))
            stream.flush()
        else:
            with written(output) as file:
                done = dump_rows(target, file.write, **chosen, natural=natural, where=dict(where))
    _say_dumped(done, output)


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--fail", "existing", flag_value="fail", default=True, help="Refuse rows that are there already.  [default]")
@click.option("--skip", "existing", flag_value="skip", help="Leave rows that are there already as they are.")
@click.option("--update", "existing", flag_value="update", help="Change rows that are there already.")
@click.option("--ignore-unknown", is_flag=True, help="Pass over models and fields that the application does not have.")
@click.option("--no-validate", is_flag=True, help="Let in what the models' own rules refuse today.")
@click.option("--database", default="default", show_default=True, metavar="NAME", help=_DATABASE)
@click.pass_obj
def load(spec: str | None, files: tuple[str, ...], existing: Existing, ignore_unknown: bool, no_validate: bool, database: str) -> None:
    """Read rows that `dump` wrote, or you: one JSON object on each line.

    All rows are loaded, or none. They may stand in any order, and are held to the annotations of their models. `-` reads standard input.

    \b
    Examples:
      erlen db load backup.jsonl.zst
      erlen db load --update countries.jsonl languages.jsonl
      ssh server erlen db dump Book | erlen db load -
    """  # noqa: D301 - click keeps the lines after this mark
    target = one_target(spec, database)
    with reporting():
        from erlen.rows import load as load_rows

        done = load_rows(target, files, existing=existing, ignore_unknown=ignore_unknown, validate=not no_validate)
    _say_loaded(done)


@click.command()
@click.argument("seeds", nargs=-1, metavar="[NAME]...")
@click.option("--list", "only_list", is_flag=True, help="Say which seeds there are.")
@database_option
@click.pass_obj
def seed(spec: str | None, seeds: tuple[str, ...], only_list: bool, names: tuple[str, ...]) -> None:
    """Fill the database with what a new one needs: all seeds, or some.

    Seeds are the functions of `seeds.py` beside the application, which take a session, and the files of the folder `seeds`, as `dump`
    writes them. They run in one transaction. Run again, files change the rows that are there; functions should use `db.upsert`.

    \b
      def countries(db: Session) -> None:
          db.upsert(Country, [{"code": "de", "name": "Germany"}], key="code")
    """  # noqa: D301 - click keeps the lines after this mark
    found = targets(spec, names)
    with reporting():
        from erlen.rows import seed as run_seeds
        from erlen.rows import seeds_of

        if only_list:
            for each in seeds_of(found):
                click.echo(f"{each.name:<24} {each.place}")
            return
        done = run_seeds(found, seeds, notice=lambda each: click.echo(f"seed {each.name}"))
    if not done:
        click.echo("There are no seeds: write functions into `seeds.py` beside the application, or files into the folder `seeds`.")


def _say_dumped(done: Dumped, output: str | None) -> None:
    """Say it where it does not come between the rows."""
    if done.unnamed:
        names = ", ".join(done.unnamed)
        click.echo(f"no natural key, so rows keep their ids: {names} (a model says its own: `__natural_key__ = (…)`)", err=True)
    if output not in (None, "-"):
        click.echo(f"{output}: {_counted(done.rows)}")


def _say_loaded(done: Loaded) -> None:
    parts = [_counted(done.inserted)]
    parts += [f"{done.updated:,} changed"] if done.updated else []
    parts += [f"{done.skipped:,} left as they were"] if done.skipped else []
    parts += [f"{done.ignored:,} of unknown models passed over"] if done.ignored else []
    click.echo("loaded " + "; ".join(parts))


def _counted(rows: dict[str, int]) -> str:
    total = sum(rows.values())
    named = ", ".join(f"{name} {count:,}" for name, count in rows.items())
    return f"{total:,} {'row' if total == 1 else 'rows'}" + (f" ({named})" if named else "")
