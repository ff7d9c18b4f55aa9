"""The plan of a migration: the same end in steps that keep nobody waiting, written as migrations in its place."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from copy import deepcopy
from pathlib import Path

from msgspec.structs import replace

from erlen.lint.check import judged, walk
from erlen.lint.pieces import Context, Seen, pieces_of
from erlen.lint.source import Operation, Source, read_source, tops_for
from erlen.lint.writing import Piece, grouped
from erlen.migrations.files import Draft, new_revision, slug_of, source_of
from erlen.migrations.migration import HistoryError, Migration, read_file, read_history, write_file, write_head
from erlen.migrations.target import Target

__all__ = ["plan_migration", "write_plan"]


def plan_migration(target: Target, migration: Migration, *, fills: Mapping[str, str] | None = None) -> list[Draft]:
    """Write the safe steps of a migration for PostgreSQL; on other engines they do the same at once. No file is written.

    Args:
        target: what it belongs to.
        migration: one of the target's.
        fills: what the rows that are there get in new columns that are required, by `table.column`.

    Returns:
        The steps in their order; none if there is nothing to do otherwise.

    Raises:
        HistoryError: where no way around a finding is known, saying which.
    """
    source = read_source(migration)
    seen: dict[int, list[Seen]] = {number: [] for number in range(len(source.upgrade))}
    contexts: dict[int, Context] = {}
    inverses = [_inverse(operation, source) for operation in source.upgrade]
    is_whole = source.downgrade is not None and all(any(each is back for each in inverses) for back in source.downgrade)
    is_safe = True
    for each, progress, steps in walk(target, [migration], "postgresql"):
        if each.revision != migration.revision:
            continue
        for statement, changes in steps:
            number = next((n for n, operation in enumerate(source.upgrade) if operation.first <= statement.line <= operation.last), None)
            if number is None or statement.note:
                raise HistoryError(
                    f"{migration.path}:{statement.line}: this cannot be taken apart{f': {statement.note}' if statement.note else ''}"
                )
            if number not in contexts:
                known, fresh = deepcopy(progress.tables), frozenset(progress.new_tables)
                contexts[number] = Context(known, fresh, inverses[number], is_whole, fills or {}, target.dialect)
            findings = list(judged(statement, changes, progress))
            is_safe = is_safe and all(finding.reason for finding in findings)
            for change in changes:
                own = list(judged(statement, [change], progress))
                rules = {finding.rule for finding in own if not finding.reason}
                waits = any(finding.severity == "breaks running code" and finding.reason for finding in own)
                seen[number].append(Seen(change, rules, migration.after_deploy if waits else ""))
    if is_safe:
        return []
    some = contexts[max(contexts)]
    pieces: list[Piece] = []
    for number, operation in enumerate(source.upgrade):
        try:
            found = pieces_of(operation, seen[number], contexts.get(number) or replace(some, inverse=inverses[number]))
        except HistoryError as error:
            raise HistoryError(f"{migration.path}: {error}") from None
        guard = found[0] if found and found[0].guards else None
        if guard is not None and pieces and pieces[-1].fills == guard.table and guard.guards in pieces[-1].up:
            pieces.insert(-1, found.pop(0))
        pieces += found
    groups = grouped(pieces)
    return [_draft(group, number, len(groups), migration, source) for number, group in enumerate(groups, 1)]


def write_plan(target: Target, migration: Migration, drafts: Sequence[Draft]) -> list[Migration]:
    """Write the steps of a plan in the place of a migration, and move the files after it on.

    The last step keeps its revision. The others say that they replace it, so that a database that has it already gets none of them.
    """
    folder = migration.path.parent
    history = read_history(folder, migration.branch)
    later = [each for each in history if each.number > migration.number]
    last = later[-1] if later else None
    for each in reversed(later):
        number = each.number + len(drafts) - 1
        each.path.rename(folder / f"{number:04}_{each.name.partition('_')[2]}.py")
    migration.path.unlink()
    before = migration.down_revision
    written: list[Path] = []
    for place, draft in enumerate(drafts):
        is_last = place == len(drafts) - 1
        revision = migration.revision if is_last else new_revision()
        path = folder / f"{migration.number + place:04}_{slug_of(draft.message)}.py"
        write_file(path, source_of(draft, revision, before))
        written.append(path)
        before = revision
    moved = f"{last.number + len(drafts) - 1:04}_{last.name.partition('_')[2]}" if last is not None else written[-1].stem
    write_head(folder, moved)
    return [read_file(path, migration.branch) for path in written]


def _draft(group: Sequence[Piece], number: int, count: int, migration: Migration, source: Source) -> Draft:
    up = "\n".join(piece.up for piece in group)
    has_back = source.downgrade is not None and all(piece.down is not None for piece in group)
    down = "\n".join(filter(None, (piece.down for piece in reversed(group)))) if has_back else None
    imports, constants = tops_for("\n".join(filter(None, (up, down))), source.tops)
    message = re.sub(r"\s+", " ", group[0].message).strip() if count > 1 else migration.message or migration.name.partition("_")[2]
    notes = [f"Step {number} of {count}: {migration.message}" if count > 1 else ""]
    notes += [*dict.fromkeys(piece.note for piece in group), source.notes if number == 1 else ""]
    return Draft(
        message=message,
        upgrade=up,
        downgrade=down,
        imports=tuple(dict.fromkeys([*imports, *(line for piece in group for line in piece.imports)])),
        constants=constants,
        notes="\n\n".join(filter(None, notes)),
        after_deploy=next((piece.after_deploy for piece in group if piece.after_deploy), migration.after_deploy if number == 1 else ""),
        depends_on=migration.depends_on if number == 1 else (),
        replaces=(*migration.replaces, *(() if number == count else (migration.revision,))),
    )


def _inverse(operation: Operation, source: Source) -> Operation | None:
    """Return the operation of the downgrade that takes one back."""
    wanted, there = _names(operation), source.downgrade or ()
    if operation.name == "drop_constraint":
        return next((each for each in there if each.name.startswith("create_") and _names(each) == wanted), None)
    return next((each for each in there if wanted and _INVERSES.get(operation.name) == each.name and _names(each) == wanted), None)


def _names(operation: Operation) -> tuple[str, ...]:
    """Return what an operation is about: its table, and the name of the column, index or constraint."""
    match operation.name:
        case "create_table" | "drop_table":
            return (operation.text(0),)
        case "rename_table":
            return tuple(sorted((operation.text(0), operation.text(1))))
        case "add_column" | "drop_column" | "alter_column":
            place = 0 if operation.batch else 1
            call = operation.arguments[place] if place < len(operation.arguments) else None
            name = getattr(getattr(call, "args", [None])[0], "value", "") if operation.name == "add_column" else operation.text(place)
            if operation.name == "alter_column" and "new_column_name" in operation.keywords:
                return (operation.table, *sorted((str(name), operation.text(99, "new_column_name"))))
            return (operation.table, str(name))
        case "":
            return ()
        case _:
            return (operation.table, operation.text(0))


_INVERSES = {
    "create_table": "drop_table",
    "drop_table": "create_table",
    "add_column": "drop_column",
    "drop_column": "add_column",
    "create_index": "drop_index",
    "drop_index": "create_index",
    "alter_column": "alter_column",
    "rename_table": "rename_table",
    **dict.fromkeys(("create_foreign_key", "create_check_constraint", "create_unique_constraint", "create_primary_key"), "drop_constraint"),
}
