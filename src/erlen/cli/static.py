"""`erlen static`."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from erlen.static.build import Build
    from erlen.static.collection import Collection
    from erlen.static.index import StaticFile

__all__ = ["command"]


@click.group()
def command() -> None:
    """Static files: build them for production, find one, list all."""


@command.command()
@click.argument("output", required=False, metavar="[FOLDER]")
@click.option("--clear", is_flag=True, help="Remove whatever else is in the folder, such as files of earlier builds.")
@click.option("--dry-run", is_flag=True, help="Change nothing; say what would be done.")
@click.option("--allow-missing", is_flag=True, help="Build in spite of references to files that are not there.")
@click.pass_obj
def build(spec: str | None, output: str | None, *, clear: bool, dry_run: bool, allow_missing: bool) -> None:
    """Build the static files for production.

    Collects the files of the application and its blueprints into FOLDER (by default that of the setting STATIC_BUILD), each under its
    own name and one with a hash of its content; rewrites the references in style sheets and scripts to the latter; compresses what
    shrinks. The site uses the build when it starts next. Files of earlier builds stay, for browsers that still have old pages open.

    Exits with 1, and builds nothing, if a file refers to one that is not there.
    """
    from erlen.errors import ConfigurationError
    from erlen.static.build import build

    collection = _collection(spec)
    try:
        done = build(collection, output, clear=clear, dry_run=dry_run, allow_missing=allow_missing)
    except ConfigurationError as error:
        raise click.ClickException(str(error)) from None
    _report(done, collection, dry_run=dry_run)
    if done.is_stopped:
        sys.exit(1)


@command.command()
@click.argument("name")
@click.pass_obj
def find(spec: str | None, name: str) -> None:
    """Say which file has a name: `css/site.css`.

    The first line is the file that is served, the others those that it stands before. Exits with 1 if there is none.
    """
    from erlen.cli.application import loading

    collection = _collection(spec)
    paths = [path for source in collection.sources if (path := source.find(name)) is not None]
    with loading():  # a manifest may be broken
        if not paths and name in (files := _files(collection)):
            paths = [files[name].path]
        if not paths:
            raise click.ClickException(collection.missing(name))
    for path in paths:
        click.echo(_shown(path))


@command.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_obj
def list_files(spec: str | None, *, as_json: bool) -> None:
    """List the static files: name, size, and where each is.

    A file that a build lists and that is no longer there has `missing` for its size, in JSON `null`.
    """
    from erlen.cli.application import loading

    with loading():
        files = sorted(_files(_collection(spec)).items())
    rows = [(name, _size_of(file.path), _shown(file.path)) for name, file in files]
    if as_json:
        import json

        click.echo(json.dumps([{"name": name, "size": size, "path": path} for name, size, path in rows], indent=2))
        return
    width = max((len(name) for name, _, _ in rows), default=0)
    for name, size, path in rows:
        shown = "missing" if size is None else _size(size)
        click.echo(f"{name.ljust(width)}  {shown.rjust(8)}  {path}")


def _collection(spec: str | None) -> Collection:
    from erlen.cli.application import load_site

    collection: Collection | None = load_site(spec).extensions.get("static")
    if collection is None:
        raise click.ClickException("the application has no static files: make a folder `static` beside the file that makes it")
    return collection


def _files(collection: Collection) -> dict[str, StaticFile]:
    """Return the files by name: those of the folders, and those of the build where that is what there is of them."""
    files = collection.collect()
    if collection.has_folder:
        return files
    index = collection.index
    return {name: found[0] for name in index.names() if (found := index.find(name)) is not None} | files


def _size_of(path: str) -> int | None:
    try:
        return os.path.getsize(path)
    except FileNotFoundError:
        return None


def _shown(path: str) -> str:
    """Return a path as seen from the current folder, or as it is where it is on another drive."""
    try:
        return os.path.relpath(path)
    except ValueError:
        return path


def _report(done: Build, collection: Collection, *, dry_run: bool) -> None:
    maps = [missing for missing in done.missing if missing.is_map]
    others = [missing for missing in done.missing if not missing.is_map]
    if others:
        click.echo(f"{_count(len(others), 'reference')} to files that are not there:", err=True)
        for missing in others:
            click.echo(f"  {_shown(missing.path)}:{missing.line}: {missing.url}", err=True)
    if done.is_stopped:
        click.echo("Nothing is built. Correct them, or build in spite of them with --allow-missing.", err=True)
        return
    if maps:
        files = ", ".join(sorted({_shown(missing.path) for missing in maps}))
        click.echo(f"{_count(len(maps), 'source map')} not there, which only debugging needs: {files}")
    folders = ", ".join(_shown(source.root) for source in collection.sources if os.path.isdir(source.root)) or "no folder"
    count = len(done.manifest.files)
    verb = "Would build" if dry_run else "Built"
    click.echo(f"{verb} {_count(count, 'file')} ({_size(done.size)}) of {folders} in {_shown(done.output)}: {done.written} new.")
    codings = sorted({coding for one in done.manifest.files.values() for coding in one.encodings})
    if codings:
        more = "" if len(codings) > 1 else '; smaller with `pip install "erlen[compression]"`'
        click.echo(f"Compressed as {', '.join(codings)}{more}.")
    if done.removed:
        click.echo(f"{'Would remove' if dry_run else 'Removed'} {_count(len(done.removed), 'other file')}.")
    elif done.manifest.former:
        click.echo(f"{_count(len(done.manifest.former), 'file')} of earlier builds kept; --clear removes them.")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _size(size: int) -> str:
    return f"{size} B" if size < 1000 else f"{size / 1000:.1f} kB" if size < 1_000_000 else f"{size / 1_000_000:.1f} MB"
