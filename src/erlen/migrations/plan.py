"""What would bring a database to a migration, or back: the steps, before any is taken."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Literal, TypeAlias

from msgspec import Struct

from erlen.migrations.migration import HistoryError, Migration, read_files
from erlen.migrations.records import Record
from erlen.migrations.target import Target

__all__ = ["Action", "Plan", "Step", "find", "last_applied", "plan_rollback", "plan_upgrade", "replaced_by"]

Action: TypeAlias = Literal["run", "continue", "record", "revert", "forget"]

REPLACED = "replaced"
"""The folder, beside a squashed migration, of those that were squashed into it."""
_ENOUGH = 4
"""How many characters the beginning of a name or revision must have: fewer may be a number that is not there."""
NOTHING = "zero"
"""What stands for an empty database where a migration may be named."""


class Step(Struct, frozen=True):
    """One migration, and what happens to it."""

    migration: Migration
    action: Action
    """`run` or `continue` it; `record` it as applied without running it; `revert` it; `forget` it without reverting."""


class Plan(Struct, frozen=True, kw_only=True):
    """Steps in their order."""

    steps: tuple[Step, ...] = ()
    waiting: tuple[Step, ...] = ()
    """Those that are left for a later run, as something must be deployed before the first of them."""

    def __bool__(self) -> bool:
        return bool(self.steps or self.waiting)


def find(migrations: Sequence[Migration], given: str) -> Migration:
    """Return the migration that somebody names: by number, name, the beginning of either or of its revision, in packages `shop/0002`.

    Raises:
        HistoryError: if there is none, or more than one.
    """
    branch, _, name = given.rpartition("/")
    among = [each for each in migrations if each.branch == branch] if branch else list(migrations)
    exact = [each for each in among if name in (each.revision, each.name)]
    numbered = [each for each in among if name.isdecimal() and each.number == int(name) > 0]
    begun = [each for each in among if len(name) >= _ENOUGH and (each.name.startswith(name) or each.revision.startswith(name))]
    for found in (exact, numbered, begun):
        own = [each for each in found if not each.branch] or found
        if len(own) == 1:
            return own[0]
        if own:
            raise HistoryError(f"{given!r} may be {' or '.join(shown(each) for each in own)}: say more of it")
    near = get_close_matches(name, [each.name for each in migrations], 1)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(shown(each) for each in migrations[-5:]) or 'none'}"
    raise HistoryError(f"there is no migration {given!r}: {hint}")


def shown(migration: Migration) -> str:
    """Return what people call a migration: its name, in packages with theirs in front."""
    return f"{migration.branch}/{migration.name}" if migration.branch else migration.name


def plan_upgrade(
    target: Target,
    records: Mapping[str, Record],
    to: str | None = None,
    *,
    fake: bool = False,
    every: bool = False,
    is_follower: bool = False,
) -> Plan:
    """Plan what brings a database to a migration and what that needs; without one, to the last of each branch.

    It ends before a migration that something must be deployed for, unless that comes first: then the deployment was between two runs.
    A database without any migration has no running code, and gets all of them at once.

    Args:
        target: whose database it is.
        records: what it has.
        to: the last migration.
        fake: plan to record them, without running `upgrade()`.
        every: go on where something must be deployed before.
        is_follower: whether another process has just migrated the database: then nothing was deployed before the first one either.

    Raises:
        HistoryError: if there is no such migration, a rollback has not ended, or some of what a squashed migration replaces was run and
            the files of the others are gone.
    """
    migrations = target.migrations()
    for each in records.values():
        if each.state == "reverting" and not fake:
            raise HistoryError(
                f"the rollback of {each.name} has not ended: `erlen db rollback` goes on with it, "
                f"`erlen db migrate --fake {each.name}` says that it is applied"
            )
    wanted = migrations if to is None else _with_needed(migrations, find(migrations, to))
    steps: list[Step] = []
    for migration in wanted:
        steps += _steps_for(migration, records, fake=fake)
    end = len(steps) if every or not records else _end_of_run(steps, begin=0 if is_follower else 1)
    return Plan(steps=tuple(steps[:end]), waiting=tuple(steps[end:]))


def plan_rollback(
    target: Target, records: Mapping[str, Record], *, to: str | None = None, steps: int | None = None, fake: bool = False
) -> Plan:
    """Plan what takes a database back: to a migration, which stays, or by some steps, the last of which was applied last.

    Args:
        target: whose database it is.
        records: what it has.
        to: a migration; `zero` for none, `shop/zero` for none of a package.
        steps: how many migrations; one if neither is said.
        fake: plan to forget them, without running `downgrade()`.

    Raises:
        HistoryError: if there is no such migration, or one of those to be reverted has no way back.
    """
    migrations = target.migrations()
    there = [migration for migration in migrations if migration.revision in records]
    if to is None:
        back = there[::-1][: 1 if steps is None else steps]
    else:
        branch, _, name = to.rpartition("/")
        after = [each for each in there if not branch or each.branch == branch] if name == NOTHING else _after(there, find(migrations, to))
        back = [each for each in there if each.revision in _needing(there, after)][::-1]
    plan = Plan(steps=tuple(Step(each, "forget" if fake else "revert") for each in back))
    if not fake:
        missing = [each for each in back if not has_downgrade(each)]
        if missing:
            files = "\n".join(f"  {each.path}" for each in missing)
            raise HistoryError(
                f"no way back, as there is no `downgrade()`:\n{files}\n  fix write it there, or mend forward with a new migration"
            )
    return plan


def has_downgrade(migration: Migration) -> bool:
    """Whether a migration says how to take it back."""
    return callable(getattr(migration.load(), "downgrade", None))


def last_applied(target: Target, records: Mapping[str, Record]) -> dict[str, Migration]:
    """Return the last migration that a database has of each branch."""
    return {migration.branch: migration for migration in target.migrations() if migration.revision in records}


def replaced_by(migration: Migration) -> list[Migration]:
    """Return the migrations that were squashed into one, in their order, as far as their files are there."""
    files = {each.revision: each for each in read_files(migration.path.parent / REPLACED, migration.branch)}
    return [files[revision] for revision in migration.replaces if revision in files]


def all_replaced(migration: Migration) -> set[str]:
    """Return the revisions that were squashed into a migration, and into those."""
    found = set(migration.replaces)
    for each in replaced_by(migration):
        found |= all_replaced(each)
    return found


def _steps_for(migration: Migration, records: Mapping[str, Record], *, fake: bool) -> list[Step]:
    there = records.get(migration.revision)
    if there is not None and there.state == "applied":
        return []
    if fake:
        return [Step(migration, "record")]
    if there is not None:
        return [Step(migration, "continue")]
    if not any(revision in records for revision in all_replaced(migration)):
        return [Step(migration, "run")]
    files = {each.revision: each for each in replaced_by(migration)}
    steps: list[Step] = []
    for revision in migration.replaces:
        if revision in records and records[revision].state == "applied":
            continue
        if revision not in files:
            raise HistoryError(
                f"{migration.path} replaces the revision {revision!r}, which this database lacks though it has others that were squashed "
                f"with it, and its file is not in {migration.path.parent / REPLACED}: bring it back from git, then run `erlen db migrate`"
            )
        steps += _steps_for(files[revision], records, fake=False)
    return [*steps, Step(migration, "record")]


def _end_of_run(steps: Sequence[Step], begin: int) -> int:
    """Return the place of the step, from some place on, that waits for a deployment; the end if there is none."""
    waiting = (place for place, step in enumerate(steps) if place >= begin and step.action == "run" and step.migration.after_deploy)
    return next(waiting, len(steps))


def _with_needed(migrations: Sequence[Migration], last: Migration) -> list[Migration]:
    needed, waiting = {last.revision}, [last]
    known = {migration.revision: migration for migration in migrations}
    while waiting:
        migration = waiting.pop()
        for revision in filter(None, (migration.down_revision, *migration.depends_on)):
            if revision not in needed:
                needed.add(revision)
                waiting.append(known[revision])
    return [migration for migration in migrations if migration.revision in needed]


def _after(there: Sequence[Migration], last: Migration) -> list[Migration]:
    """Return the migrations of a branch after one, and before what depends on it."""
    branch = [each for each in there if each.branch == last.branch]
    if last not in branch:
        raise HistoryError(f"the database does not have {shown(last)}: `erlen db status` lists what it has")
    return branch[branch.index(last) + 1 :]


def _needing(there: Sequence[Migration], back: Iterable[Migration]) -> set[str]:
    """Return the revisions of some migrations and of all that need them."""
    found = {migration.revision for migration in back}
    for migration in there:  # each comes after what it needs
        if migration.down_revision in found or found.intersection(migration.depends_on):
            found.add(migration.revision)
    return found
