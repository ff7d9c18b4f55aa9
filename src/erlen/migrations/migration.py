"""`Migration`: one file, read without being run; and `History`: the chain of those in a folder."""

from __future__ import annotations

import ast
import importlib.util
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any

from msgspec import Struct

from erlen.errors import ErlenError

__all__ = ["HEAD", "History", "HistoryError", "Migration", "read_history"]

HEAD = "head"
"""The file that names a folder's last migration. Two people who add one each change the same line: git shows the conflict."""
ALEMBIC = "versions"
"""The folder inside that has the migrations of an application which used Alembic or Flask-Migrate before."""
_FILE = re.compile(r"\d{4,}_\w+\.py")
_MARKS = ("<<<<<<<", "=======", ">>>>>>>", "|||||||")


class HistoryError(ErlenError):
    """Migrations that make no chain: what is wrong, where, and what to do."""


class Migration(Struct, frozen=True, kw_only=True):
    """One step of a database's schema, kept in a file as Alembic has it."""

    revision: str
    """Names it for good, in databases too, whatever becomes of its file's name."""
    down_revision: str | None
    """The revision before it; None for the first."""
    depends_on: tuple[str, ...] = ()
    """Revisions of other branches that must be there before it."""
    replaces: tuple[str, ...] = ()
    """The revisions that were squashed into it, in their order."""
    after_deploy: str = ""
    """What must be deployed before it, such as `the code that no longer reads book.title`; empty if it can run at once."""
    path: Path
    branch: str = ""
    """The package that brings it; empty for the application's own."""
    message: str = ""
    """The first line of its docstring."""

    @property
    def name(self) -> str:
        """The name of its file: `0002_add_author`."""
        return self.path.stem

    @property
    def number(self) -> int:
        """The number that its file's name begins with; 0 where Alembic named the file."""
        return int(self.name.partition("_")[0]) if _FILE.fullmatch(self.path.name) else 0

    def load(self) -> ModuleType:
        """Run its file and return the module, with `upgrade` and perhaps `downgrade`.

        Raises:
            HistoryError: if the file raises.
        """
        spec = importlib.util.spec_from_file_location(f"_erlen_migration_{self.revision}", self.path)
        if spec is None or spec.loader is None:
            raise HistoryError(f"{self.path} is no Python file")
        module = importlib.util.module_from_spec(spec)
        try:
            spec.loader.exec_module(module)
        except Exception as error:
            raise HistoryError(f"the migration {self.path} does not load: {type(error).__name__}: {error}") from error
        return module


class History(Struct, frozen=True, kw_only=True):
    """The migrations of one folder in their order, from the first to the last."""

    branch: str
    folder: Path
    migrations: tuple[Migration, ...] = ()

    @property
    def head(self) -> Migration | None:
        """The last one."""
        return self.migrations[-1] if self.migrations else None

    def __iter__(self) -> Iterator[Migration]:
        return iter(self.migrations)


def read_history(folder: Path, branch: str = "") -> History:
    """Read the migrations of a folder, without running them; a folder that is not there has none.

    Raises:
        HistoryError: if they make no chain: two follow the same one, one follows none that is there, the head file names another or
            has a conflict of git in it.
    """
    found = read_files(folder, branch)
    by_revision: dict[str, Migration] = {}
    for migration in found:
        if (other := by_revision.get(migration.revision)) is not None:
            raise HistoryError(f"{other.path} and {migration.path} have the same revision {migration.revision!r}: remove one of them")
        by_revision[migration.revision] = migration
    following: dict[str | None, Migration] = {}
    for migration in found:
        before = migration.down_revision
        if before is not None and before not in by_revision:
            raise HistoryError(
                f"{migration.path} follows the revision {before!r}, which is not there: bring its file back, or correct `down_revision`"
            )
        if (other := following.get(before)) is not None:
            place = f"follow {by_revision[before].name}" if before is not None else "are first"
            raise HistoryError(f"{other.name} and {migration.name} both {place}: put one after the other with `erlen db rebase`")
        following[before] = migration
    chain: list[Migration] = []
    while (migration_after := following.get(chain[-1].revision if chain else None)) is not None:
        chain.append(migration_after)
    if len(chain) < len(found):
        circle = next(migration for migration in found if migration not in chain)
        raise HistoryError(f"{circle.path} comes after itself: correct `down_revision`")
    history = History(branch=branch, folder=folder, migrations=tuple(chain))
    _check_head(history)
    return history


def read_files(folder: Path, branch: str = "") -> list[Migration]:
    """Read the migration files of a folder, in the order of their names, Alembic's first; whether they make a chain is not asked.

    Raises:
        HistoryError: for one that cannot be read.
    """
    own = [path for path in sorted(folder.glob("*.py")) if _FILE.fullmatch(path.name)]
    others = [path for path in sorted(folder.glob(f"{ALEMBIC}/*.py")) if not path.name.startswith("_")]
    return [read_file(path, branch) for path in (*others, *own)]


def read_file(path: Path, branch: str = "") -> Migration:
    """Read what a migration says of itself, without running it.

    Raises:
        HistoryError: if that cannot be read.
    """
    source = path.read_text(encoding="utf-8")
    if any(line.startswith(_MARKS) for line in source.splitlines()):
        raise HistoryError(f"{path} has a conflict of git in it: solve it, then run `erlen db rebase`")
    try:
        tree = ast.parse(source, str(path))
    except SyntaxError as error:
        raise HistoryError(f"the migration {path}:{error.lineno} cannot be read: {error.msg}") from None
    said = _literals(tree)
    revision = said.get("revision")
    if not isinstance(revision, str) or not revision:
        raise HistoryError(f'the migration {path} does not say its revision: `revision = "…"`')
    down = said.get("down_revision")
    if isinstance(down, tuple | list):
        raise HistoryError(f"the migration {path} merges two others: Erlen's histories are a line; put one after the other")
    return Migration(
        revision=revision,
        down_revision=down,
        depends_on=_several(said.get("depends_on")),
        replaces=_several(said.get("replaces")),
        after_deploy=_deployment(said, path),
        path=path,
        branch=branch,
        message=(ast.get_docstring(tree) or "").partition("\n")[0],
    )


def write_head(folder: Path, migration: Migration | str | None) -> None:
    """Let the head file name the last migration."""
    name = migration.name if isinstance(migration, Migration) else migration or ""
    write_file(folder / HEAD, f"{name}\n")


def write_file(path: Path, text: str) -> None:
    """Write a file as a whole: where that fails, such as on a full disk, it is as before.

    Raises:
        HistoryError: if it cannot be written.
    """
    draft = path.with_name(f".{path.name}.{os.urandom(4).hex()}")
    try:
        draft.write_text(text, encoding="utf-8")
        draft.replace(path)
    except OSError as error:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
        raise HistoryError(f"{path} cannot be written: {error.strerror}") from error


def _check_head(history: History) -> None:
    path = history.folder / HEAD
    if not path.exists():
        if history.head is None or history.head.path.parent.name == ALEMBIC:
            return
        raise HistoryError(f"{path} is not there: it names the last migration, `{history.head.name}`; `erlen db rebase` writes it")
    text = path.read_text(encoding="utf-8")
    if any(line.startswith(_MARKS) for line in text.splitlines()):
        raise HistoryError(f"{path} has a conflict of git in it: `erlen db rebase` puts your migrations after the others'")
    name = text.strip()
    if name != (history.head.name if history.head is not None else ""):
        last = f"the last is {history.head.name}" if history.head is not None else "there is none"
        raise HistoryError(f"{path} names {name or 'no migration'}, and {last}: `erlen db rebase` mends it, if no file is missing")


def _several(value: Any) -> tuple[str, ...]:
    return () if value is None else (value,) if isinstance(value, str) else tuple(value)


def _deployment(said: Mapping[str, Any], path: Path) -> str:
    text = said.get("after_deploy", "")
    if not isinstance(text, str) or ("after_deploy" in said and not text.strip()):  # taken for nothing, it would let the migration run
        raise HistoryError(f'the migration {path} does not say what must be deployed before it: `after_deploy = "the code that …"`')
    return " ".join(text.split())


def _literals(tree: ast.Module) -> Mapping[str, Any]:
    """Return what a module's top level assigns: texts, tuples and None as they are, None also for what cannot be read off."""
    found: dict[str, Any] = {}
    for node in tree.body:
        if isinstance(node, ast.Assign):
            names, value = node.targets, node.value
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            names, value = [node.target], node.value
        else:
            continue
        try:
            literal = ast.literal_eval(value)
        except ValueError:
            literal = None
        found |= {name.id: literal for name in names if isinstance(name, ast.Name)}
    return found
