"""`erlen new`."""

from __future__ import annotations

import keyword
import re
import sys
from pathlib import Path
from unicodedata import normalize

import click

__all__ = ["command", "make"]

SKELETONS = Path(__file__).with_name("skeletons")
BEFORE = frozenset({".git", ".idea", ".venv", ".vscode", "venv"})
"""What may be in the folder before: it is not the application's."""


@click.command()
@click.argument("folder", metavar="NAME", type=click.Path(path_type=Path))
@click.option("--bare", is_flag=True, help="Only app.py: for an API, or to see how little there needs to be.")
@click.option("--project", is_flag=True, help="A package under src/, with settings, a blueprint and pyproject.toml.")
def command(folder: Path, bare: bool, project: bool) -> None:
    """Make a new application in a folder of its own, with a page, its template and style, and a test.

    It works as it is: go there, run `erlen dev`, and write on. An application that begins as one file grows in place; --project
    begins with what a larger one has. NAME may be a path; `.` is the current folder, if it is empty but for .git and .venv.

    \b
    Examples:
      erlen new blog && cd blog && erlen dev
      erlen new shop --project
      erlen new hello --bare
    """  # noqa: D301 - click keeps the lines after this mark
    if bare and project:
        raise click.UsageError("--bare and --project are two ways to begin: choose one")
    try:
        made = make(folder, "bare" if bare else "project" if project else "app")
    except UnsuitableName as error:
        # Nobody has typed that name here.
        where = "the current folder gives the application its name, and " if not folder.name else ""
        cure = "; or make it in a folder of its own: erlen new my-blog" if where else ""
        raise click.ClickException(f"{where}{error.message}{cure}") from None
    click.echo(f"Made {folder}:")
    for path in made:
        click.echo(f"  {path}")
    steps = ["erlen dev"] if folder.resolve() == Path.cwd() else [f'cd "{folder}"' if " " in str(folder) else f"cd {folder}", "erlen dev"]
    click.echo("\nNext:\n" + "\n".join(f"  {click.style(step, bold=True)}" for step in steps))


class UnsuitableName(click.ClickException):
    """The name of an application that nothing can be called."""


def make(folder: Path, kind: str) -> list[Path]:
    """Write the files of a new application.

    Args:
        folder: where to; its last part is the name.
        kind: `bare`, `app` or `project`.

    Returns:
        the paths of the files, from the folder.

    Raises:
        click.ClickException: if the name does not suit, or the folder is there and is not empty.
    """
    name = folder.resolve().name
    package = re.sub(r"[-.]", "_", name).lower()
    _check_name(name, package, kind)
    if folder.exists() and (not folder.is_dir() or any(one.name not in BEFORE for one in folder.iterdir())):
        raise click.ClickException(f"{folder} is there already and is not empty: choose another name, or empty it first")
    title = " ".join(re.split(r"[-_.]+", name)).strip().capitalize()
    words = {
        "@NAME@": package,
        "@DISTRIBUTION@": package.replace("_", "-"),
        "@TITLE@": title,
        "@SITE@": "{{ site_name }}" if kind == "project" else title,
        "@HOME@": "pages.home" if kind == "project" else "home",
        "@FOLDER@": f"src/{package}/" if kind == "project" else "",
    }
    files = _files(SKELETONS / kind, Path())
    if kind != "bare":
        files |= _files(SKELETONS / "pages", Path("src", "@NAME@") if kind == "project" else Path())
    made: dict[Path, str] = {}
    for path, source in files.items():
        place = ".gitignore" if path.name == ".gitignore" else str(path)  # at the top, where the style's folder is deeper
        made[Path(_fill(place, words))] = _fill(source.read_text(encoding="utf-8"), words)
    try:
        for path, text in made.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8")
    except OSError as error:
        raise click.ClickException(f"{folder} cannot be written: {error.strerror}") from None
    return sorted(made, key=lambda path: (len(path.parts) > 1, path))


def _check_name(name: str, package: str, kind: str) -> None:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        plain = normalize("NFKD", name.replace("ß", "ss")).encode("ascii", "ignore").decode()
        near = re.sub(r"[^A-Za-z0-9._-]+", "-", plain).strip("._-") or "my-blog"
        raise UnsuitableName(f"{name!r} is no name for an application: use letters from a to z, digits, - and _, such as {near}")
    if kind != "project":
        return
    if keyword.iskeyword(package):
        raise UnsuitableName(f"{package!r} is a word of Python itself: choose another name, such as {package}_site")
    if not package.isidentifier():
        raise UnsuitableName(f"{package!r} cannot be the name of a Python package: begin with a letter, such as my_{package}")
    if package in sys.stdlib_module_names or package in ("erlen", "tests"):
        raise UnsuitableName(f"a package {package!r} would hide the one that is there already: choose another, such as {package}_site")


def _files(skeleton: Path, folder: Path) -> dict[Path, Path]:
    """Return the files of a skeleton by their paths in the application."""
    found = {}
    for source in sorted(skeleton.rglob("*.txt")):
        path = folder / source.relative_to(skeleton).with_suffix("")
        found[path.with_name(path.name.replace("dot-", "."))] = source
    return found


def _fill(text: str, words: dict[str, str]) -> str:
    for mark, word in words.items():
        text = text.replace(mark, word)
    return text
