"""From one schema to another: the code of one direction of a migration, in the order in which databases take it."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from msgspec import Struct, field
from msgspec.structs import replace

from erlen.migrations.enums import (
    EnumChange,
    bare_type,
    enum_changes,
    first_choice,
    is_added_to,
    is_renamed,
    is_same_enum,
    literal_sql,
)
from erlen.migrations.render import Call, Renderer, Text, show
from erlen.migrations.state import Check, Column, Detail, Foreign, Index, Key, Name, Part, State, TableState, Unique, part_key

__all__ = ["Answers", "Steps", "renamed", "write_steps"]


class Answers(Struct, kw_only=True):
    """What cannot be seen from two schemas."""

    tables: dict[Name, Name] = field(default_factory=dict)
    """Tables that have another name now: the old one, and the new one."""
    columns: dict[tuple[Name, str], str] = field(default_factory=dict)
    """Columns that have another name now: by the table's new name and the old one."""
    fills: dict[tuple[Name, str], str | None] = field(default_factory=dict)
    """SQL of what rows get in a column that must have a value; None where there are no such rows."""

    values: dict[tuple[Name, str], dict[str, str]] = field(default_factory=dict)
    """Values of a column that have another name now, by the column's new name: the old one, and the new one."""
    replaced: dict[tuple[Name, str], dict[str, str]] = field(default_factory=dict)
    """Values that are gone, and what rows get that have them."""

    def reversed(self) -> Answers:
        """Return what holds for the way back."""
        old_columns = {(table, new): old for (table, old), new in self.columns.items()}
        return Answers(
            tables={new: old for old, new in self.tables.items()},
            columns={(self._old(table), new): old for (table, old), new in self.columns.items()},
            values={
                (self._old(table), old_columns.get((table, column), column)): {new: old for old, new in values.items()}
                for (table, column), values in self.values.items()
            },
        )

    def _old(self, table: Name) -> Name:
        return next((old for old, new in self.tables.items() if new == table), table)


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
    return _Writer(before, after, answers, renderer, neutral=neutral).write()


def renamed(state: State, answers: Answers) -> State:
    """Return a schema with the new names of tables and columns in it; what is told by SQL keeps the old ones."""

    def table_of(name: Name) -> Name:
        return answers.tables.get(name, name)

    def column_of(table: Name, name: str) -> str:
        return answers.columns.get((table, name), name)

    def detail(table: Name, found: Any) -> Any:
        if isinstance(found, Foreign):
            target = table_of(found.table)
            return replace(
                found,
                columns=tuple(column_of(table, each) for each in found.columns),
                table=target,
                target=tuple(column_of(target, each) for each in found.target),
            )
        if isinstance(found, Unique):
            return replace(found, columns=tuple(column_of(table, each) for each in found.columns))
        if isinstance(found, Index):
            return replace(found, parts=tuple(column_of(table, each) if type(each) is str else each for each in found.parts))
        return found

    tables = {}
    for old, found in state.tables.items():
        name = table_of(old)
        parts = [
            Part(facts=detail(name, each.facts), item=detail(name, each.item), declared=each.declared) for each in found.parts.values()
        ]
        tables[name] = replace(
            found,
            name=name,
            columns={column_of(name, each): column for each, column in found.columns.items()},
            key=replace(found.key, columns=tuple(column_of(name, each) for each in found.key.columns)) if found.key is not None else None,
            parts={part_key(each.facts): each for each in parts},
        )
    return replace(state, tables=tables)


class _Table(Struct):
    """What becomes of a table that was there and stays."""

    name: Name
    early: list[Any] = field(default_factory=list)
    """Foreign keys that go before anything else."""
    loosen: list[Any] = field(default_factory=list)
    """What goes, and columns that get other names."""
    change: list[Any] = field(default_factory=list)
    settle: list[Any] = field(default_factory=list)
    """What takes back what was there for the moment."""
    late: list[Any] = field(default_factory=list)
    """Foreign keys to tables that change after it."""
    updates: list[Any] = field(default_factory=list)
    first: list[str] = field(default_factory=list)
    """Lines that come at the beginning."""
    last: list[str] = field(default_factory=list)
    """Lines that come at the end."""


class _Writer:
    def __init__(self, before: State, after: State, answers: Answers, renderer: Renderer, *, neutral: bool) -> None:
        self._original = before
        self._before = renamed(before, answers)
        self._after = after
        self._answers = answers
        self._renderer = renderer
        self._neutral = neutral
        self._quote = renderer.dialect.identifier_preparer.quote
        self._mysql = renderer.dialect.name in ("mysql", "mariadb")
        self._enum_changes = enum_changes(self._before, after)
        self._losses: list[str] = []
        self._problems: list[str] = []
        self._old_columns = {(table, new): old for (table, old), new in answers.columns.items()}

    def write(self) -> Steps:
        before, after = self._before.tables, self._after.tables
        blocks: list[str] = []
        created = self._in_order(after, [name for name in after if name not in before])
        dropped = self._in_order(before, [name for name in before if name not in after])[::-1]
        kept = self._in_order(after, [name for name in after if name in before])
        blocks += self._schemas(created)
        for old, new in self._answers.tables.items():
            blocks.append(show(Call("op.rename_table", [old[1], new[1]], {} if old[0] is None else {"schema": old[0]})))
            blocks += self._rename_key(new)
        blocks += self._enums_created()
        for change in self._enum_changes:
            blocks += self._change_enum(change)
        late: list[tuple[Name, Detail]] = []
        for place, name in enumerate(created):
            later = {*created[place + 1 :]}
            details = [part.item for part in after[name].parts.values()]
            left = [each for each in details if isinstance(each, Foreign) and each.table in later]
            late += [(name, each) for each in left]
            blocks.append(show(self._renderer.table(after[name], left)))
            blocks += [show(self._renderer.index(each, name)) for each in details if isinstance(each, Index)]
        for name, detail in late:
            blocks += self._batch(name, [self._renderer.create(detail, name)])
        blocks += self._altered(kept)
        blocks += self._dropped(dropped)
        blocks += self._enums_dropped()
        if self._losses:
            blocks.insert(0, f"# What is in {_and(self._losses)} is lost.")
        return Steps(code="\n".join(blocks), losses=self._losses, problems=self._problems)

    # -- tables that come and go --------------------------------------------------------------------------------------------

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
        old, new = self._before.tables[name].key, self._after.tables[name].key
        if old is None or new is None or old.columns != new.columns or None in (old.name, new.name) or old.name == new.name:
            return []
        statement = f"ALTER TABLE {self._full(name)} RENAME CONSTRAINT {self._quote(str(old.name))} TO {self._quote(str(new.name))}"
        return [f'if op.get_context().dialect.name == "postgresql":\n    {show(Call("op.execute", [statement]))}']

    def _schemas(self, created: Iterable[Name]) -> list[str]:
        there = {schema for schema, _ in self._original.tables}
        new = sorted({schema for schema, _ in created if schema is not None} - there)
        return [show(Call("op.execute", [f"CREATE SCHEMA IF NOT EXISTS {self._quote(schema)}"])) for schema in new]

    def _enums_created(self) -> list[str]:
        mine = _enums_of(self._after)
        there = _enums_of(self._before)
        return [f"{self._renderer.type(kind)}.create(op.get_bind(), checkfirst=True)" for name, kind in mine.items() if name not in there]

    def _enums_dropped(self) -> list[str]:
        mine = _enums_of(self._after)
        there = _enums_of(self._before)
        return [f"{self._renderer.type(kind)}.drop(op.get_bind(), checkfirst=True)" for name, kind in there.items() if name not in mine]

    def _change_enum(self, change: EnumChange) -> list[str]:
        """Give a named type other values: on PostgreSQL the type, elsewhere each column that has it."""
        old, new = change.before, change.after
        values: dict[str, str] = {}
        for place in change.columns:
            values |= self._answers.values.get(place, {})
        replaced = values | {key: to for place in change.columns for key, to in self._answers.replaced.get(place, {}).items()}
        lines = ['if op.get_context().dialect.name == "postgresql":']
        if is_added_to(old.enums, new.enums) and not self._are_used(change):
            lines += [f"    {line}" for line in self._add_values(change)]
        elif is_renamed(old.enums, new.enums, values) and replaced == values:
            name = self._full(change.name)
            for before, after in values.items():
                statement = f"ALTER TYPE {name} RENAME VALUE {literal_sql(before)} TO {literal_sql(after)}"
                lines.append(f"    {show(Call('op.execute', [_escaped(statement)]), 4)}")
        else:
            lines += [f"    {line}" for line in self._rebuild_enum(change, replaced)]
        lines.append("else:")
        both = old
        if replaced and not {*new.enums} <= {*old.enums}:
            both = sa.Enum(*new.enums, *(value for value in old.enums if value not in new.enums), name=old.name, schema=old.schema)
        for table, column in change.columns:
            for block in self._alter_enum(table, column, [old, both, new], replaced):
                lines += [f"    {line}" for line in block.splitlines()]
        return ["\n".join(lines)]

    def _alter_enum(self, table: Name, column: str, types: Sequence[sa.Enum], replaced: Mapping[str, str]) -> list[str]:
        """Give a column other values where they are part of its type, by way of a type that has both the old and the new."""
        before, after = self._before.tables[table].columns[column], self._after.tables[table].columns[column]
        name = self._old_columns.get((table, column), column)
        blocks: list[str] = []
        for place, (first, second) in enumerate(itertools.pairwise(types)):
            if place == 1:
                blocks += self._replace_values(table, name, replaced)
            if first is second:
                continue
            keywords = self._existing(before) | {"existing_type": self._renderer.type(first), "type_": self._renderer.type(second)}
            if "existing_server_default" in keywords and before.facts.default != after.facts.default:
                del keywords["existing_server_default"]  # it may be no value any more; the new one is set afterwards
                keywords["server_default"] = None
            blocks += self._batch(table, [Call("batch.alter_column", [name], keywords)])
        return blocks

    def _are_used(self, change: EnumChange) -> bool:
        """Whether a new value is used in the same migration, which PostgreSQL refuses within the transaction that adds it."""
        new = [literal_sql(value) for value in change.after.enums if value not in change.before.enums]
        texts = [repr(part.item) for table, _ in change.columns for part in self._after.tables[table].parts.values()]
        texts += [str(each.facts.default) for table, _ in change.columns for each in self._after.tables[table].columns.values()]
        texts += [str(sql) for sql in self._answers.fills.values()]
        defaults = [self._renderer.default(self._after.tables[table].columns[column].item) for table, column in change.columns]
        return any(value in text for value in new for text in texts) or any(
            literal_sql(default) in new for default in defaults if isinstance(default, str)
        )

    def _add_values(self, change: EnumChange) -> list[str]:
        lines: list[str] = []
        there = list(change.before.enums)
        for place, value in enumerate(change.after.enums):
            if value in there:
                continue
            where = f"AFTER {literal_sql(change.after.enums[place - 1])}" if place else f"BEFORE {literal_sql(there[0])}"
            where = "" if place and change.after.enums[place - 1] == there[-1] else f" {where}"
            there.insert(place, value)
            statement = f"ALTER TYPE {self._full(change.name)} ADD VALUE {literal_sql(value)}{where}"
            lines.append(show(Call("op.execute", [_escaped(statement)])))
        return lines

    def _rebuild_enum(self, change: EnumChange, replaced: Mapping[str, str]) -> list[str]:
        """Make the type anew, and let each column have it: PostgreSQL cannot take a value out of one."""
        schema, word = change.name
        statements = [f"ALTER TYPE {self._full(change.name)} RENAME TO {self._quote(f'{word}_before')}"]
        statements.append(f"CREATE TYPE {self._full(change.name)} AS ENUM ({', '.join(map(literal_sql, change.after.enums))})")
        for table, column in change.columns:
            old, new = self._before.tables[table].columns[column], self._after.tables[table].columns[column]
            name = self._quote(self._old_columns.get((table, column), column))
            alter = f"ALTER TABLE {self._full(table)} ALTER COLUMN {name}"
            text = f"{name}::text"
            if replaced:
                cases = " ".join(f"WHEN {literal_sql(key)} THEN {literal_sql(value)}" for key, value in replaced.items())
                text = f"(CASE {name}::text {cases} ELSE {name}::text END)"
            if old.facts.default is not None:
                statements.append(f"{alter} DROP DEFAULT")
            statements.append(f"{alter} TYPE {self._full(change.name)} USING {text}::{self._full(change.name)}")
            if old.facts.default is not None and old.facts.default == new.facts.default:
                statements.append(f"{alter} SET DEFAULT {old.facts.default}")
        statements.append(f"DROP TYPE {self._full((schema, f'{word}_before'))}")
        return [line for each in statements for line in show(Call("op.execute", [_escaped(each)])).splitlines()]

    def _replace_values(self, table: Name, column: str, values: Mapping[str, str]) -> list[str]:
        quoted = self._quote(column)
        return [
            show(
                Call(
                    "op.execute",
                    [_escaped(f"UPDATE {self._full(table)} SET {quoted} = {literal_sql(new)} WHERE {quoted} = {literal_sql(old)}")],  # noqa: S608
                )
            )
            for old, new in values.items()
        ]

    def _full(self, name: Name) -> str:
        return self._quote(name[1]) if name[0] is None else f"{self._quote(name[0])}.{self._quote(name[1])}"

    def _dropped(self, dropped: Sequence[Name]) -> list[str]:
        blocks: list[str] = []
        tables = self._before.tables
        for place, name in enumerate(dropped):
            later = {*dropped[:place]}
            circular = [each.item for each in tables[name].parts.values() if isinstance(each.facts, Foreign) and each.facts.table in later]
            if circular:
                blocks[0:0] = self._batch(name, [self._drop(each) for each in circular])
            self._losses.append(f"table {tables[name].fullname}")
            blocks.append(show(Call("op.drop_table", [name[1]], {} if name[0] is None else {"schema": name[0]})))
        return blocks

    # -- tables that change -------------------------------------------------------------------------------------------------

    def _altered(self, names: Sequence[Name]) -> list[str]:
        plans = []
        changed_keys = {name for name in names if self._is_reshaped(name)}
        for place, name in enumerate(names):
            plan = self._alter(name, changed_keys, {*names[place + 1 :]})
            plans.append(plan)
        blocks: list[str] = []
        for plan in plans:
            blocks += [*plan.first, *self._batch(plan.name, plan.early)]
        for plan in plans:
            plan.updates += self._values_of_choices(plan.name)
            if plan.loosen and (plan.updates or any(_is_rename(each) for each in plan.loosen)):
                blocks += self._batch(plan.name, plan.loosen)
                plan.loosen = []
            blocks += plan.updates
            blocks += self._batch(plan.name, [*plan.loosen, *plan.change])
            blocks += self._batch(plan.name, plan.settle)
        for plan in plans:
            blocks += [*self._batch(plan.name, plan.late), *plan.last]
        return blocks

    def _values_of_choices(self, name: Name) -> list[str]:
        """Change the rows that have a value which is gone, of columns that only a CHECK holds to their values."""
        lines: list[str] = []
        for column, found in self._after.tables[name].columns.items():
            values = {**self._answers.values.get((name, column), {}), **self._answers.replaced.get((name, column), {})}
            if values and not any((name, column) in change.columns for change in self._enum_changes):
                lines += self._replace_values(name, found.item.name, values)
        return lines

    def _is_reshaped(self, name: Name) -> bool:
        """Whether what foreign keys of others need of a table goes or changes."""
        old, new = self._before.tables[name], self._after.tables[name]
        if (old.key and old.key.columns) != (new.key and new.key.columns):
            return True
        if any(isinstance(part.facts, Unique) and key not in new.parts for key, part in old.parts.items()):
            return True
        return any(column not in new.columns or self._how(name, column) in ("retype", "again") for column in old.columns)

    def _how(self, table: Name, column: str) -> str:
        """Return what becomes of a column: `same`, `alter`, `retype`, `again` (dropped and added), `add` or `drop`."""
        old, new = self._before.tables[table].columns.get(column), self._after.tables[table].columns.get(column)
        if old is None or new is None:
            return "add" if old is None else "drop"
        if (old.facts.computed, old.facts.stored) != (new.facts.computed, new.facts.stored):
            return "again"
        if new.facts.computed is not None:
            moved = [each for each in self._before.tables[table].columns if self._is_moved(table, each)]
            if any(_mentions(new.facts.computed, each) for each in moved):
                return "again"
        if _is_retyped(old, new):
            return "retype"
        return "same" if replace(old.facts, type="", counted=False) == replace(new.facts, type="", counted=False) else "alter"

    def _is_moved(self, table: Name, column: str) -> bool:
        """Whether what refers to a column has to go before, and come back after."""
        old, new = self._before.tables[table].columns.get(column), self._after.tables[table].columns.get(column)
        if (table, column) in self._old_columns or old is None or new is None:
            return True
        return _is_retyped(old, new)

    def _alter(self, name: Name, reshaped: set[Name], later: set[Name]) -> _Table:
        old, new = self._before.tables[name], self._after.tables[name]
        plan = _Table(name)
        how = {column: self._how(name, column) for column in {**old.columns, **new.columns}}
        goes = [key for key, part in old.parts.items() if self._goes(name, key, part, new, how, reshaped)]
        comes = [key for key in new.parts if key not in old.parts or key in goes]
        self._drop_parts(plan, old, goes, reshaped)
        if _key_columns(old) != _key_columns(new) and old.key is not None:
            plan.loosen.append(Call("batch.drop_constraint", [_key_name(old)], {"type_": "primary"}))
        self._change_columns(plan, name, how)
        if _key_columns(old) != _key_columns(new) and new.key is not None:
            plan.change.append(Call("batch.create_primary_key", [_key_name(new), list(new.key.columns)]))
        if old.comment != new.comment:
            existing = {"existing_comment": old.comment} if old.comment else {}
            if new.comment:
                plan.change.append(Call("batch.create_table_comment", [new.comment], existing))
            else:
                plan.change.append(Call("batch.drop_table_comment", [], existing))
        for key in comes:
            item = new.parts[key].item
            if isinstance(item, Index):
                if item.sql and not item.parts:
                    plan.late.append(self._renderer.index(item, name))
                else:
                    plan.change.append(_in_batch(self._renderer.index(item, name)))
            else:
                last = isinstance(item, Foreign) and item.table in later and item.table != name
                (plan.late if last else plan.change).append(self._renderer.create(item, name))
        plan.change.sort(key=_rank)
        return plan

    def _goes(self, name: Name, key: tuple[str, str], part: Part, new: TableState, how: Mapping[str, str], reshaped: set[Name]) -> bool:
        """Whether a constraint or index has to be dropped, perhaps to be made again."""
        if key not in new.parts or new.parts[key].facts != part.facts:
            return True
        facts = part.facts
        if isinstance(facts, Foreign):
            if any(how[column] in ("retype", "again") for column in facts.columns) or (self._mysql and self._leaned_on(name, facts)):
                return True
            return facts.table in reshaped and self._target_goes(facts)
        if isinstance(facts, Unique):
            return any(how[column] == "again" for column in facts.columns)
        if isinstance(facts, Index):
            if any(how.get(column) == "again" for column in facts.parts):
                return True
            told = [*(str(each) for each in facts.parts if type(each) is not str), facts.sql if not facts.parts else ""]
            told += [str(value) for option, value in facts.options if option.endswith("_where")]
        else:
            told = [facts.sql]
        moved = [column for column in how if self._is_moved(name, column) and how[column] != "add"]
        names = [self._old_columns.get((name, column), column) for column in moved]
        return any(_mentions(each, column) for each in told for column in (*moved, *names))

    def _leaned_on(self, name: Name, foreign: Foreign) -> bool:
        """Whether an index goes that MySQL uses for a foreign key, and so does not let go before."""
        old, new = self._before.tables[name].parts, self._after.tables[name].parts
        return any(
            (isinstance(part.facts, Index) and part.facts.parts[: len(foreign.columns)] == foreign.columns)
            or (isinstance(part.facts, Unique) and part.facts.columns[: len(foreign.columns)] == foreign.columns)
            for key, part in old.items()
            if key not in new or new[key].facts != part.facts
        )

    def _target_goes(self, foreign: Foreign) -> bool:
        """Whether the columns that a foreign key refers to change their type, or are no key for the moment."""
        old, new = self._before.tables[foreign.table], self._after.tables[foreign.table]
        if any(column not in new.columns or self._how(foreign.table, column) in ("retype", "again") for column in foreign.target):
            return True
        keys = [(old.key.columns if old.key else ()) == foreign.target and _key_columns(old) != _key_columns(new)]
        keys += [
            isinstance(part.facts, Unique) and part.facts.columns == foreign.target and key not in new.parts
            for key, part in old.parts.items()
        ]
        return any(keys)

    def _drop_parts(self, plan: _Table, old: TableState, goes: Sequence[tuple[str, str]], reshaped: set[Name]) -> None:
        for key in sorted(goes, key=lambda each: ["foreign key", "index", "unique", "check"].index(each[0])):
            part = old.parts[key]
            early = isinstance(part.facts, Foreign) and part.facts.table in reshaped and part.facts.table != old.name
            if part.facts.name is None:
                self._problems.append(f"{part.kind} of {old.fullname} without a name, which cannot be dropped: {part.facts}")
                continue
            (plan.early if early else plan.loosen).append(self._drop(part.facts))
            if self._mysql and isinstance(part.facts, Foreign) and key not in self._after.tables[old.name].parts:
                if not any(column not in self._after.tables[old.name].columns for column in part.facts.columns):
                    self._drop_implicit(plan, old, part.facts)

    def _drop_implicit(self, plan: _Table, table: TableState, foreign: Foreign) -> None:
        """Drop the index that MySQL made for a foreign key and keeps without it."""
        explicit = [part.facts.parts for part in table.parts.values() if isinstance(part.facts, Index)]
        explicit += [part.facts.columns for part in table.parts.values() if isinstance(part.facts, Unique)]
        explicit += [table.key.columns] if table.key is not None else []
        if not any(each[: len(foreign.columns)] == foreign.columns for each in explicit):
            schema = {} if table.name[0] is None else {"schema": table.name[0]}
            call = Call("op.drop_index", [foreign.name, table.name[1]], schema)
            plan.last += ['if op.get_context().dialect.name in ("mysql", "mariadb"):', f"    {show(call)}"]

    def _drop(self, detail: Detail) -> Call:
        if isinstance(detail, Index):
            return Call("batch.drop_index", [detail.name])
        kinds: dict[type, str] = {Unique: "unique", Foreign: "foreignkey", Check: "check"}
        return Call("batch.drop_constraint", [detail.name], {"type_": kinds[type(detail)]})

    # -- columns ------------------------------------------------------------------------------------------------------------

    def _change_columns(self, plan: _Table, name: Name, how: Mapping[str, str]) -> None:
        old, new = self._before.tables[name], self._after.tables[name]
        for column, word in how.items():
            if word in ("drop", "again"):
                before = old.columns[column]
                if before.facts.computed is None:
                    self._losses.append(f"column {old.fullname}.{column}")
                plan.loosen.append(Call("batch.drop_column", [self._old_columns.get((name, column), column)]))
            elif (name, column) in self._old_columns:
                plan.loosen.append(self._rename(old.columns[column], self._old_columns[name, column], column))
            if column in old.columns and column in new.columns and word != "again":
                self._count(plan, name, old.columns[column], new.columns[column])
            if word in ("add", "again"):
                self._add(plan, name, new.columns[column])
            elif word in ("alter", "retype"):
                self._alter_column(plan, name, column, old.columns[column], new.columns[column])

    def _count(self, plan: _Table, name: Name, old: Column, new: Column) -> None:
        """Let the database count a column by itself, or no longer."""
        column = new.item.name
        numbers = f"pg_get_serial_sequence({literal_sql(self._full(name))}, {literal_sql(column)})"
        quoted, table = self._quote(column), self._full(name)
        go_on = f"SELECT setval({numbers}, (SELECT coalesce(max({quoted}), 0) + 1 FROM {table}), false)"  # noqa: S608
        if old.facts.counted and not new.facts.counted:
            old_name = self._old_columns.get((name, column), column)
            existing = {"existing_type": self._type(old), "existing_nullable": old.facts.nullable}
            plan.first += _on_postgresql([f"ALTER TABLE {table} ALTER COLUMN {self._quote(old_name)} DROP DEFAULT", f"DROP SEQUENCE IF EXISTS {self._sequence(name, column)}"])
            plan.first += [
                "else:",
                *_indented(self._batch(name, [Call("batch.alter_column", [old_name], {**existing, "autoincrement": False})])),
            ]
        if new.facts.counted and not old.facts.counted:
            sequence = self._full((name[0], f"{name[1]}_{column}_seq"))
            existing = {"existing_type": self._type(new), "existing_nullable": new.facts.nullable}
            lines = [
                f"CREATE SEQUENCE {sequence} OWNED BY {table}.{quoted}",
                f"ALTER TABLE {table} ALTER COLUMN {quoted} SET DEFAULT nextval({literal_sql(sequence)})",
                go_on,
            ]
            plan.last += [*_on_postgresql(lines), "else:"]
            plan.last += _indented(self._batch(name, [Call("batch.alter_column", [column], {**existing, "autoincrement": True})]))
        if new.facts.identity is not None and old.facts.identity is None:
            plan.last += _on_postgresql([go_on])

    def _rename(self, column: Column, old: str, new: str) -> Call:
        return Call("batch.alter_column", [old], {"new_column_name": new, **self._existing(column)})

    def _existing(self, column: Column, *, but: Iterable[str] = ()) -> dict[str, Any]:
        """Return what MySQL has to be told again of a column that it changes."""
        found: dict[str, Any] = {"existing_type": self._type(column)}
        if not column.facts.nullable and "nullable" not in but:
            found["existing_nullable"] = False
        if column.facts.default is not None and "default" not in but:
            found["existing_server_default"] = self._renderer.default(column.item)
        if column.facts.comment is not None and "comment" not in but:
            found["existing_comment"] = column.facts.comment
        if column.facts.counted and self._mysql:
            found["existing_autoincrement"] = True
        return found

    def _type(self, column: Column) -> Text:
        return self._renderer.type(column.item.type, declared=column.declared)

    def _add(self, plan: _Table, name: Name, column: Column) -> None:
        facts = column.facts
        needs = not facts.nullable and facts.default is None and facts.computed is None and facts.identity is None and not facts.counted
        fill = self._fill(name, column) if needs else None
        if fill is None:
            plan.change.append(Call("batch.add_column", [self._renderer.column(column)]))
            return
        plan.change.append(Call("batch.add_column", [self._renderer.column(column, default=fill)]))
        keywords = {"server_default": None, **self._existing(column), "existing_server_default": fill}
        plan.settle.append(Call("batch.alter_column", [column.item.name], keywords))

    def _fill(self, name: Name, column: Column) -> Any:
        """Return what rows get in a column that must have a value, as code; None for nothing."""
        key = (name, column.item.name)
        if key in self._answers.fills:
            sql = self._answers.fills[key]
            return None if sql is None else Call("sa.text", [_escaped(sql)])
        return Call("sa.text", [_escaped(neutral_value(column, self._after.tables[name]))]) if self._neutral else None

    def _alter_column(self, plan: _Table, name: Name, column: str, old: Column, new: Column) -> None:
        keywords: dict[str, Any] = {}
        changed: set[str] = set()
        retyped = _is_retyped(old, new)
        if retyped:
            changed.add("type")
            keywords["type_"] = self._type(new)
            if needs_using(old, new):
                keywords["postgresql_using"] = f"{self._quote(column)}::{_cast(new, self._renderer)}"
                if old.facts.default is not None:
                    undefault = {"server_default": None, **self._existing(old)}
                    plan.change.append(Call("batch.alter_column", [column], undefault))
        if old.facts.nullable != new.facts.nullable:
            changed.add("nullable")
            keywords["nullable"] = new.facts.nullable
            if not new.facts.nullable:
                self._update(plan, name, column, old)
        if old.facts.default != new.facts.default or (retyped and new.facts.default is not None):
            changed.add("default")
            keywords["server_default"] = self._renderer.default(new.item)
        if old.facts.identity != new.facts.identity:
            keywords["server_default"] = self._renderer.identity(new.item.identity) if new.item.identity is not None else None
            changed.add("default")
            if old.item.identity is not None:
                keywords["existing_server_default"] = self._renderer.identity(old.item.identity)
        if old.facts.comment != new.facts.comment:
            changed.add("comment")
            keywords["comment"] = new.facts.comment
        existing = self._existing(old, but=changed)
        if is_same_enum(bare_type(old.item.type), bare_type(new.item.type)):
            existing["existing_type"] = self._type(new)
        if "comment" in changed and old.facts.comment is not None:
            existing["existing_comment"] = old.facts.comment
        plan.change.append(Call("batch.alter_column", [column], {**existing, **keywords}))

    def _update(self, plan: _Table, name: Name, column: str, old: Column) -> None:
        key = (name, column)
        sql = (
            self._answers.fills.get(key)
            if key in self._answers.fills
            else neutral_value(old, self._after.tables[name])
            if self._neutral
            else None
        )
        if sql is not None:
            quoted = self._quote(column)
            plan.updates.append(
                show(Call("op.execute", [_escaped(f"UPDATE {self._full(name)} SET {quoted} = {sql} WHERE {quoted} IS NULL")]))
            )

    def _batch(self, name: Name, calls: Sequence[Any]) -> list[str]:
        outside = [call for call in calls if call.name.startswith("op.")]
        inside = [call for call in calls if not call.name.startswith("op.")]
        blocks = []
        if inside:
            head = show(Call("op.batch_alter_table", [name[1]], {} if name[0] is None else {"schema": name[0]}))
            blocks.append("\n".join([f"with {head} as batch:", *(f"    {show(call, 4)}" for call in inside)]))
        return [*blocks, *(show(call) for call in outside)]


# -- values -----------------------------------------------------------------------------------------------------------------


def neutral_value(column: Column, table: TableState) -> str:
    """Return SQL of a value that says as little as can be, for rows that must have one: the first of a choice, 0, an empty text."""
    kind = bare_type(column.item.type)
    if isinstance(kind, sa.Enum):
        return literal_sql(kind.enums[0])
    if isinstance(kind, sa.JSON):
        return "'{}'"
    if (first := first_choice(column, table)) is not None:
        return first
    python = _python_type(kind)
    if python is bool:
        return "false"
    if python in (int, float) or python.__name__ == "Decimal":
        return "0"
    fixed = {
        "datetime": "'1970-01-01 00:00:00'",
        "date": "'1970-01-01'",
        "time": "'00:00:00'",
        "timedelta": "'0'",
        "UUID": "'00000000-0000-0000-0000-000000000000'",
    }
    return fixed.get(python.__name__, "''")


def _python_type(kind: Any) -> type:
    try:
        found: type = bare_type(kind).python_type
    except NotImplementedError:
        found = str
    return found


_FAMILIES = (
    (sa.types.String, "text"),
    (sa.types.Integer, "number"),
    (sa.types.Numeric, "number"),
    (sa.types.DateTime, "moment"),
    (sa.types.Date, "date"),
)


def needs_using(old: Column, new: Column) -> bool:
    """Whether PostgreSQL converts a column only when it is told how."""
    first, second = _family(old), _family(new)
    return first != second or first == ""


def _family(column: Column) -> str:
    kind = bare_type(column.item.type)
    if isinstance(kind, sa.Enum):
        return ""
    return next((word for cls, word in _FAMILIES if isinstance(kind, cls)), "")


def _cast(column: Column, renderer: Renderer) -> str:
    from sqlalchemy.dialects import postgresql

    dialect = renderer.dialect if renderer.dialect.name == "postgresql" else postgresql.dialect()  # type: ignore[no-untyped-call]
    return str(column.item.type.compile(dialect=dialect))


def _enums_of(state: State) -> dict[tuple[str | None, str], Any]:
    """Return the enumerated types that columns have, by name."""
    found: dict[tuple[str | None, str], Any] = {}
    for table in state.tables.values():
        for column in table.columns.values():
            kind = bare_type(column.item.type)
            if isinstance(kind, sa.ARRAY):
                kind = kind.item_type
            if isinstance(kind, sa.Enum) and kind.native_enum and kind.name:
                found.setdefault((kind.schema, str(kind.name)), kind)
    return found


# -- helpers ----------------------------------------------------------------------------------------------------------------


def _is_retyped(old: Column, new: Column) -> bool:
    if is_same_enum(bare_type(old.item.type), bare_type(new.item.type)):
        return False  # its values are changed by themselves
    return old.facts.type != new.facts.type


def _on_postgresql(statements: Sequence[str]) -> list[str]:
    return [
        'if op.get_context().dialect.name == "postgresql":',
        *_indented(show(Call("op.execute", [_escaped(each)])) for each in statements),
    ]


def _indented(blocks: Iterable[str]) -> list[str]:
    return [f"    {line}" for block in blocks for line in block.splitlines()]


def _and(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _mentions(sql: str, name: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(name)}(?!\w)", sql, re.IGNORECASE) is not None


def _is_rename(call: Any) -> bool:
    return "new_column_name" in call.keywords


def _in_batch(call: Call) -> Call:
    """Return `op.create_index` as a method of a batch, which knows the table."""
    keywords = {key: value for key, value in call.keywords.items() if key != "schema"}
    return Call("batch.create_index", [call.arguments[0], *call.arguments[2:]], keywords)


_RANKS = (
    "alter_column",
    "drop_column",
    "add_column",
    "create_primary_key",
    "create_unique",
    "create_check",
    "create_foreign",
    "create_index",
)


def _rank(call: Call) -> int:
    method = call.name.partition(".")[2]
    return next((place for place, word in enumerate(_RANKS) if method.startswith(word)), len(_RANKS))


def _key_columns(table: TableState) -> tuple[str, ...]:
    return table.key.columns if table.key is not None else ()


def _key_name(table: TableState) -> str:
    key: Key | None = table.key
    return key.name if key is not None and key.name else f"pk_{table.name[1]}"


def _escaped(sql: str) -> str:
    return re.sub(r"(?<![:\w\\]):(?=\w)", r"\\:", sql)
