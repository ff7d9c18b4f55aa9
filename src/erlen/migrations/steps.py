"""From one schema to another: the code of one direction of a migration, in the order in which databases take it."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from erlen.migrations.answers import Answers
from erlen.migrations.enum_steps import EnumSteps
from erlen.migrations.render import Call, Renderer, show
from erlen.migrations.sides import Sides, on_postgresql
from erlen.migrations.state import Detail, Foreign, Index, Name, State, TableState
from erlen.migrations.table_steps import TablePlan, TableSteps

__all__ = ["Answers", "Steps", "write_steps"]


class Steps(Struct, kw_only=True):
    """The code, and what a reader should know of it."""

    code: str
    losses: list[str]
    """What it deletes with rows in it: `table book`, `column book.title`."""
    problems: list[str]
    """What it could not write, with what to do instead."""


def write_steps(before: State, after: State, answers: Answers, renderer: Renderer, *, neutral: bool = False) -> Steps:
    """Write what brings one schema to another.

    Args:
        before: what is there.
        after: what is wanted.
        answers: renames and values that were asked for.
        renderer: writes items, and collects what the file needs.
        neutral: give rows 0, an empty text and so on where no answer says more: for the way back.
    """
    return _Writer(Sides(before, after, answers, renderer, is_neutral=neutral)).write()


class _Writer:
    def __init__(self, sides: Sides) -> None:
        self._sides = sides

    def write(self) -> Steps:
        before, after = self._sides.before.tables, self._sides.after.tables
        enums = EnumSteps(self._sides)
        blocks: list[str] = []
        created = self._in_order(after, [name for name in after if name not in before])
        dropped = self._in_order(before, [name for name in before if name not in after])[::-1]
        kept = self._in_order(after, [name for name in after if name in before])
        blocks += self._schemas(created)
        for old, new in self._sides.answers.tables.items():
            names = [old[1], new[1]]
            if old[1].lower() == new[1].lower():  # the same name to SQLite
                names.insert(1, f"{new[1]}_renamed")
            schema = {} if old[0] is None else {"schema": old[0]}
            blocks += [show(Call("op.rename_table", [first, second], schema)) for first, second in itertools.pairwise(names)]
            blocks += self._rename_key(new)
        tables = TableSteps(self._sides, enums.made_anew())
        reshaped = {name for name in kept if tables.is_reshaped(name)}
        plans = [tables.plan(name, reshaped, {*kept[place + 1 :]}) for place, name in enumerate(kept)]
        for plan in plans:
            blocks += self._sides.batch(plan.name, plan.before_enums)
        blocks += enums.created()
        blocks += [enums.change(change) for change in self._sides.enum_changes]
        late: list[tuple[Name, Detail]] = []
        for place, name in enumerate(created):
            later = {*created[place + 1 :]}
            details = [part.item for part in after[name].parts.values()]
            left = [each for each in details if isinstance(each, Foreign) and each.table in later]
            late += [(name, each) for each in left]
            blocks.append(show(self._sides.renderer.table(after[name], left)))
            blocks += [show(self._sides.renderer.index(each, name)) for each in details if isinstance(each, Index)]
        for name, detail in late:
            blocks += self._sides.batch(name, [self._sides.renderer.create(detail, name)])
        blocks += self._altered(plans)
        blocks += self._dropped(dropped)
        blocks += enums.dropped()
        if self._sides.losses:
            blocks.insert(0, f"# What is in {_and(self._sides.losses)} is lost.")
        return Steps(code="\n".join(blocks), losses=self._sides.losses, problems=self._sides.problems)

    def _in_order(self, tables: Mapping[Name, TableState], names: Sequence[Name]) -> list[Name]:
        """Return tables so that each comes after those that it refers to, as far as they make no circle."""
        ordered: list[Name] = []
        on_the_way: set[Name] = set()

        def visit(name: Name) -> None:
            if name in ordered or name in on_the_way or name not in names:
                return
            on_the_way.add(name)
            for part in tables[name].parts.values():
                if isinstance(part.facts, Foreign):
                    visit(part.facts.table)
            on_the_way.discard(name)
            ordered.append(name)

        for name in names:
            visit(name)
        return ordered

    def _rename_key(self, name: Name) -> list[str]:
        """Give the primary key of a renamed table its new name, where databases keep it; elsewhere it is made anew with its table."""
        old, new = self._sides.before.tables[name].key, self._sides.after.tables[name].key
        if old is None or new is None or old.columns != new.columns or None in (old.name, new.name) or old.name == new.name:
            return []
        quote = self._sides.quote
        statement = f"ALTER TABLE {self._sides.full(name)} RENAME CONSTRAINT {quote(str(old.name))} TO {quote(str(new.name))}"
        return on_postgresql([statement])

    def _schemas(self, created: Iterable[Name]) -> list[str]:
        there = {schema for schema, _ in self._sides.original.tables}
        new = sorted({schema for schema, _ in created if schema is not None} - there)
        return [show(Call("op.execute", [f"CREATE SCHEMA IF NOT EXISTS {self._sides.quote(schema)}"])) for schema in new]

    def _dropped(self, dropped: Sequence[Name]) -> list[str]:
        blocks: list[str] = []
        tables = self._sides.before.tables
        for place, name in enumerate(dropped):
            later = {*dropped[:place]}
            circular = [each.item for each in tables[name].parts.values() if isinstance(each.facts, Foreign) and each.facts.table in later]
            if circular:
                blocks[0:0] = self._sides.batch(name, [self._sides.drop(each) for each in circular])
            self._sides.losses.append(f"table {tables[name].fullname}")
            blocks.append(show(Call("op.drop_table", [name[1]], {} if name[0] is None else {"schema": name[0]})))
        return blocks

    def _altered(self, plans: Sequence[TablePlan]) -> list[str]:
        batch = self._sides.batch
        blocks: list[str] = []
        for plan in plans:
            blocks += [*plan.first, *batch(plan.name, plan.early)]
        for plan in plans:
            together = [*plan.loosen, *plan.change]
            if plan.updates or plan.has_renames:  # rows are changed, and new names used, only after that
                blocks += [*batch(plan.name, plan.loosen), *plan.updates]
                together = plan.change
            blocks += [*batch(plan.name, together), *batch(plan.name, plan.settle)]
        for plan in plans:
            blocks += [*batch(plan.name, plan.late), *plan.last]
        return blocks


def _and(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
