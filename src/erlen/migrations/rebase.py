"""Histories that two people have continued, made one line again: mine after theirs."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy.exc import SQLAlchemyError

from erlen.errors import ErlenError
from erlen.migrations.connection import scratch
from erlen.migrations.execution import run_all
from erlen.migrations.migration import HEAD, HistoryError, Migration, read_file, read_files, read_history, write_file, write_head
from erlen.migrations.schema import Schema, schema_of
from erlen.migrations.target import Target, ordered

__all__ = ["Rebase", "Trial", "Undecided", "plan_rebase", "rename_reference", "try_rebase", "write_rebase"]


_AGAIN = "_again"
"""Ends the name of the second of two migrations that git has put into one file."""


class Undecided(HistoryError):
    """Nothing says which migrations are mine; `choices` are the last ones of each line."""

    def __init__(self, folder: Path, choices: Sequence[Migration]) -> None:
        names = " and ".join(each.name for each in choices)
        super().__init__(
            f"{folder} has two lines, which end with {names}, and git does not tell which is yours: say it with `--mine {choices[-1].name}`"
        )
        self.choices = tuple(choices)


class Rebase(Struct, frozen=True, kw_only=True):
    """What makes the migrations of one folder one line."""

    folder: Path
    fork: Migration | None
    """The last that both have; None where both begin anew."""
    theirs: tuple[Migration, ...] = ()
    mine: tuple[Migration, ...] = ()
    """Those that are put after them, as they are."""
    result: tuple[Migration, ...] = ()
    """Those, as they will be."""
    head: str = ""
    """The migration that the head file will name."""


class Trial(Struct, kw_only=True):
    """What became of the new line in a scratch database."""

    failure: str = ""
    """Why mine do not run after theirs."""
    both: list[str] = []
    """Parts of the schema that both change."""
    untried: str = ""
    """Why nothing was tried."""


def plan_rebase(
    folder: Path, branch: str = "", *, mine: str | None = None, onto: str | None = None, dry_run: bool = False
) -> Rebase | None:
    """Return what puts the migrations of a folder in one line; None if they are.

    Who comes last is said, or git tells: in a rebase what is being applied, otherwise what is not committed yet, what the default branch
    does not have, and in a merge what is on the own branch.

    Args:
        folder: of the migrations.
        branch: the package that it belongs to.
        mine: one of the migrations that come last.
        onto: one of those that come first.
        dry_run: write nothing, not even two files for two migrations that git has put into one.

    Raises:
        Undecided: if nothing tells.
        HistoryError: if the files make no chain for another reason.
    """
    if not dry_run:
        _take_apart(folder, branch)
    files = read_files(folder, branch)
    if not files:
        return None
    lines = _lines(files)
    if len(lines) == 1:
        try:
            read_history(folder, branch)
        except HistoryError:
            return _mended(folder, lines[0])
        return None
    fork = next((each for each in files if each.revision == lines[0][0].down_revision), None)
    first, *others = _decided(folder, lines, mine, onto)
    moved = [each for line in others for each in line]
    result = _after(first, moved)
    return Rebase(folder=folder, fork=fork, theirs=tuple(first), mine=tuple(moved), result=tuple(result), head=result[-1].name)


def _mended(folder: Path, line: Sequence[Migration]) -> Rebase:
    """Return what corrects the head file, and numbers that come twice, as after the second step of a rebase of git."""
    kept = next((place for place in range(1, len(line)) if line[place].number <= line[place - 1].number), len(line))
    result = _after(line[:kept], line[kept:])
    head = (*line[:kept], *result)[-1].name
    return Rebase(folder=folder, fork=line[kept - 1], mine=tuple(line[kept:]), result=tuple(result), head=head)


def _after(first: Sequence[Migration], moved: Sequence[Migration]) -> list[Migration]:
    """Return migrations with the numbers and references that put them after others."""
    last, number = first[-1], max(each.number for each in first)
    result: list[Migration] = []
    for each in moved:
        number += 1
        path = each.path.with_name(f"{number:04}_{each.name.partition('_')[2].removesuffix(_AGAIN)}.py")
        result.append(replace(each, down_revision=last.revision, path=path))
        last = each
    return result


def write_rebase(rebase: Rebase) -> None:
    """Rename the files, correct what they follow, and write the head file."""
    for before, after in reversed(list(zip(rebase.mine, rebase.result, strict=True))):  # a name may be that of the next one
        if before.down_revision != after.down_revision:
            rename_reference(before.path, "down_revision", after.down_revision or "")
        before.path.rename(after.path)
    for each in rebase.theirs:
        if each.name.endswith(_AGAIN) and not (path := each.path.with_name(f"{each.name.removesuffix(_AGAIN)}.py")).exists():
            each.path.rename(path)
    write_head(rebase.folder, rebase.head)


def try_rebase(target: Target, branch: str, rebase: Rebase) -> Trial:
    """Run theirs and mine in scratch databases, after each other and mine alone, and compare what they do; before it is written."""
    trial = Trial()
    if not rebase.mine or not rebase.theirs:
        return trial
    moved = {old.revision: replace(new, path=old.path) for old, new in zip(rebase.mine, rebase.result, strict=True)}
    names = {each.revision: each.name for each in rebase.result}
    own = {each.revision for each in (*rebase.theirs, *rebase.mine)}
    try:
        others = [each for name in target.branches if name != branch for each in target.history(name)]
        line = [moved.get(each.revision, each) for each in read_files(rebase.folder, branch)]
        every = ordered([*others, *line])
        before = every[: next(place for place, each in enumerate(every) if each.revision in own)]
        with scratch(target) as connection:
            run_all(connection, before)
            start = schema_of(connection)
            connection.rollback()
            run_all(connection, rebase.theirs)
            theirs = _changed(start, schema_of(connection))
            connection.rollback()
            for each in moved.values():
                try:
                    run_all(connection, [each])
                except (SQLAlchemyError, ErlenError, KeyError, ValueError) as error:
                    connection.rollback()
                    after = rebase.theirs[-1].name.removesuffix(_AGAIN)
                    trial.failure = f"{names[each.revision]} fails after {after}: {getattr(error, 'orig', None) or error}"
                    break
        with scratch(target) as connection:
            run_all(connection, before)
            connection.rollback()
            run_all(connection, moved.values())
            mine = _changed(start, schema_of(connection))
            connection.rollback()
    except (ErlenError, SQLAlchemyError) as error:
        if not trial.failure:
            trial.untried = str(getattr(error, "orig", None) or error).partition("\n")[0]
        return trial
    trial.both = sorted(theirs & mine)
    dropped = {part for part in theirs ^ mine if part.startswith("table ")}
    trial.both += sorted(
        part for part in dropped if part in start and any(f"column {part.removeprefix('table ')}." in each for each in theirs ^ mine)
    )
    return trial


def rename_reference(path: Path, name: str, revision: str) -> None:
    """Let a file's `down_revision`, or another name, be a revision; and Alembic's line `Revises:` with it."""
    source = path.read_text(encoding="utf-8")
    node = next((each for each in ast.parse(source).body if _assigns(each, name)), None)
    value = getattr(node, "value", None)
    if value is None:
        raise HistoryError(f"{path} does not say its `{name}`")
    lines = source.splitlines(keepends=True)
    start = len("".join(lines[: value.lineno - 1]).encode()) + value.col_offset
    end = len("".join(lines[: value.end_lineno - 1]).encode()) + value.end_col_offset
    data = source.encode()
    changed = (data[:start] + f'"{revision}"'.encode() + data[end:]).decode()
    if name == "down_revision":
        changed = re.sub(r"^Revises:.*$", f"Revises: {revision}", changed, count=1, flags=re.MULTILINE)
    write_file(path, changed)


def files_in_order(files: Sequence[Migration]) -> list[Migration]:
    """Return migrations of one line in their order.

    Raises:
        HistoryError: if one follows a revision that is not there, or itself.
    """
    following = {each.down_revision: each for each in files}
    chain: list[Migration] = []
    while (after := following.get(chain[-1].revision if chain else None)) is not None and after not in chain:
        chain.append(after)
    if len(chain) < len(files):
        lost = next(each for each in files if each not in chain)
        raise HistoryError(f"{lost.path} follows the revision {lost.down_revision!r}, which is not there: bring its file back")
    return chain


def _assigns(node: ast.stmt, name: str) -> bool:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return any(isinstance(each, ast.Name) and each.id == name for each in targets)


# -- lines ------------------------------------------------------------------------------------------------------------------------


def _lines(files: Sequence[Migration]) -> list[list[Migration]]:
    """Return the lines after the one place where the history forks; the whole where it does not.

    Raises:
        HistoryError: for forks in several places, files that follow none, and two with the same revision.
    """
    seen: dict[str, Migration] = {}
    for each in files:
        if (other := seen.get(each.revision)) is not None:
            raise HistoryError(f"{other.path} and {each.path} have the same revision {each.revision!r}: remove one of them")
        seen[each.revision] = each
    after: dict[str | None, list[Migration]] = {}
    for each in files:
        after.setdefault(each.down_revision, []).append(each)
    forks = [revision for revision, each in after.items() if len(each) > 1]
    if not forks:
        return [files_in_order(files)]
    if len(forks) > 1:
        names = ", ".join(seen[revision].name if revision is not None else "the beginning" for revision in forks)
        raise HistoryError(f"the history forks in several places (after {names}): undo one merge, and do them one after the other")
    lines: list[list[Migration]] = []
    for start in sorted(after[forks[0]], key=lambda each: each.name):
        line = [start]
        while found := after.get(line[-1].revision):
            line.append(found[0])
        lines.append(line)
    return lines


def _decided(folder: Path, lines: list[list[Migration]], mine: str | None, onto: str | None) -> list[list[Migration]]:
    """Return the lines in the order that they are put in: theirs first."""
    for given, is_last in ((mine, True), (onto, False)):
        if given is not None:
            name = given.removesuffix(".py")
            found = [line for line in lines if any(name in (each.name, each.revision) for each in line)]
            found = found or [line for line in lines if any(each.name.startswith(name) for each in line)]
            if len(found) != 1:
                ends = ", ".join(each.name for line in lines for each in line)
                raise HistoryError(
                    f"{given!r} is {'none' if not found else 'more than one'} of the migrations that are in question: {ends}"
                )
            rest = [line for line in lines if line is not found[0]]
            return [*rest, *found] if is_last else [*found, *rest]
    git = _Git.of(folder)
    theirs = git.theirs(lines) if git is not None else None
    if theirs is None:
        raise Undecided(folder, [line[-1] for line in lines])
    return [theirs, *(line for line in lines if line is not theirs)]


def _changed(before: Schema, after: Schema) -> set[str]:
    return {part for part in before.keys() | after.keys() if before.get(part) != after.get(part)}


# -- git --------------------------------------------------------------------------------------------------------------------------


def _take_apart(folder: Path, branch: str) -> None:
    """Where git has put two migrations of the same name into one file, let each have its own, as it was before."""
    for path in sorted(folder.glob("*.py")):
        if not re.search(r"^<{7} ", path.read_text(encoding="utf-8"), re.MULTILINE):
            continue
        git = _Git.of(folder)
        both = [git.show(f":{stage}:./{path.name}") for stage in (2, 3)] if git is not None else []
        before = git.show(f":1:./{path.name}") if git is not None else None
        if before is not None or len(both) < 2 or None in both:
            continue  # one migration that both changed: nobody but they can say what it is to be
        second = path.with_name(f"{path.stem}{_AGAIN}.py")
        path.write_text(both[0] or "", encoding="utf-8")
        second.write_text(both[1] or "", encoding="utf-8")
        if read_file(path, branch).revision == read_file(second, branch).revision:
            second.unlink()


class _Git:
    """What git knows of a folder. Nothing is changed."""

    def __init__(self, program: str, folder: Path) -> None:
        self._program = program
        self._folder = folder

    @classmethod
    def of(cls, folder: Path) -> _Git | None:
        program = shutil.which("git")
        git = cls(program, folder) if program is not None else None
        return git if git is not None and git._ask("rev-parse", "--is-inside-work-tree") == "true" else None

    def show(self, name: str) -> str | None:
        return self._ask("show", name, strip=False)

    def theirs(self, lines: Sequence[list[Migration]]) -> list[Migration] | None:
        """Return the line that comes first; None if nothing tells."""
        if self._is_rebasing():
            return self._in("HEAD", lines)
        for other in ("CHERRY_PICK_HEAD", "REVERT_HEAD"):
            if self._is_there(other):
                return self._in("HEAD", lines)
        merged = self._is_there("MERGE_HEAD")
        if not merged and (found := self._in("HEAD", lines)) is not None:
            return found  # the rest is not committed yet
        for default in ("origin/HEAD", "origin/main", "origin/master"):
            if self._is_there(default):
                if (found := self._in(default, lines)) is not None:
                    return found
                break
        if not merged:
            return None
        is_default = self._ask("branch", "--show-current") in ("main", "master", "trunk")
        return self._in("HEAD" if is_default else "MERGE_HEAD", lines)

    def _in(self, reference: str, lines: Sequence[list[Migration]]) -> list[Migration] | None:
        """Return the one line that a commit has, where it has nothing of the others."""
        said = self._ask("grep", "-h", "-E", "^revision", reference, "--", ".") or ""
        revisions = set(re.findall(r"""["']([^"']+)["']""", said))
        whole = [line for line in lines if all(each.revision in revisions for each in line)]
        touched = [line for line in lines if any(each.revision in revisions for each in line)]
        return whole[0] if len(whole) == 1 and len(touched) == 1 else None

    def _is_rebasing(self) -> bool:
        paths = [self._ask("rev-parse", "--git-path", name) for name in ("rebase-merge", "rebase-apply")]
        return any(path and (self._folder / path).is_dir() for path in paths)

    def _is_there(self, reference: str) -> bool:
        return self._ask("rev-parse", "--verify", "--quiet", reference) is not None

    def _ask(self, *arguments: str, strip: bool = True) -> str | None:
        command = [self._program, "-C", str(self._folder), *arguments]
        done = subprocess.run(command, capture_output=True, check=False)
        if done.returncode != 0:
            return None
        text = done.stdout.decode(errors="replace")
        return text.strip() if strip else text


def names(migrations: Iterable[Migration]) -> str:
    """Return the names of migrations for people."""
    return ", ".join(each.name for each in migrations)


def has_conflict(folder: Path) -> bool:
    """Whether git has left a conflict in the head file."""
    path = folder / HEAD
    return path.is_file() and "<<<<<<<" in path.read_text(encoding="utf-8")
