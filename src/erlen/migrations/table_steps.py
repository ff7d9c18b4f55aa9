"""A table that was there and stays: what becomes of its columns, constraints and indexes, in the order in which databases take it."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from erlen.migrations.enums import bare_type, is_same_enum, literal_sql
from erlen.migrations.render import Call, escaped, show
from erlen.migrations.sides import Sides, indented, on_postgresql
from erlen.migrations.state import Check, Column, Detail, Foreign, Index, Key, Name, Part, TableState, Unique
from erlen.migrations.values import is_retyped, neutral_value, using

__all__ = ["TablePlan", "TableSteps"]


class TablePlan(Struct):
    """What becomes of a table that was there and stays."""

    name: Name
    before_enums: list[Any] = field(default_factory=list)
    """Checks and indexes that compare a column whose enumerated type is made anew."""
    early: list[Any] = field(default_factory=list)
    """Foreign keys that go before anything else."""
    loosen: list[Any] = field(default_factory=list)
    """What goes, and columns that get other names."""
    change: list[Any] = field(default_factory=list)
    settle: list[Any] = field(default_factory=list)
    """What takes back what was there for the moment."""
    late: list[Any] = field(default_factory=list)
    """Foreign keys to tables that change after it."""
    updates: list[str] = field(default_factory=list)
    """Lines between what goes and what comes: rows that get values."""
    first: list[str] = field(default_factory=list)
    """Lines that come at the beginning."""
    last: list[str] = field(default_factory=list)
    """Lines that come at the end."""

    @property
    def has_renames(self) -> bool:
        return any("new_column_name" in call.keywords for call in self.loosen)


class TableSteps:
    """Finds what becomes of tables.

    Args:
        sides: what is there and what is wanted.
        made_anew: columns whose enumerated type is made anew.
    """

    def __init__(self, sides: Sides, made_anew: Collection[tuple[Name, str]]) -> None:
        self._sides = sides
        self._made_anew = made_anew

    def _values_of_choices(self, name: Name) -> list[str]:
        """Change the rows that have a value which is gone, of columns that only a CHECK holds to their values."""
        lines: list[str] = []
        for column, found in self._sides.after.tables[name].columns.items():
            values = {**self._sides.answers.values.get((name, column), {}), **self._sides.answers.replaced.get((name, column), {})}
            if values and not any((name, column) in change.columns for change in self._sides.enum_changes):
                lines += self._sides.replace_values(name, found.item.name, values)
        return lines

    def is_reshaped(self, name: Name) -> bool:
        """Whether what foreign keys of others need of a table goes or changes."""
        old, new = self._sides.before.tables[name], self._sides.after.tables[name]
        if (old.key and old.key.columns) != (new.key and new.key.columns):
            return True
        if any(isinstance(part.facts, Unique) and key not in new.parts for key, part in old.parts.items()):
            return True
        return any(column not in new.columns or self.how(name, column) in ("retype", "again") for column in old.columns)

    def how(self, table: Name, column: str) -> str:
        """Return what becomes of a column: `same`, `alter`, `retype`, `again` (dropped and added), `add` or `drop`."""
        old, new = self._sides.before.tables[table].columns.get(column), self._sides.after.tables[table].columns.get(column)
        if old is None or new is None:
            return "add" if old is None else "drop"
        if (old.facts.computed, old.facts.stored) != (new.facts.computed, new.facts.stored):
            return "again"
        if new.facts.computed is not None:
            moved = [each for each in self._sides.before.tables[table].columns if self._is_moved(table, each)]
            if any(_mentions(new.facts.computed, each) for each in moved):
                return "again"
        if is_retyped(old, new):
            return "retype"
        return "same" if replace(old.facts, type="", counted=False) == replace(new.facts, type="", counted=False) else "alter"

    def _is_moved(self, table: Name, column: str) -> bool:
        """Whether what refers to a column has to go before, and come back after."""
        old, new = self._sides.before.tables[table].columns.get(column), self._sides.after.tables[table].columns.get(column)
        if (table, column) in self._sides.old_columns or old is None or new is None:
            return True
        return is_retyped(old, new)

    def plan(self, name: Name, reshaped: set[Name], later: set[Name]) -> TablePlan:
        """Return what becomes of a table.

        Args:
            name: its new one.
            reshaped: tables of which something goes or changes that foreign keys refer to.
            later: tables that are changed after it.
        """
        old, new = self._sides.before.tables[name], self._sides.after.tables[name]
        plan = TablePlan(name)
        how = {column: self.how(name, column) for column in {**old.columns, **new.columns}}
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
                    plan.late.append(self._sides.renderer.index(item, name))
                else:
                    plan.change.append(_in_batch(self._sides.renderer.index(item, name)))
            else:
                last = isinstance(item, Foreign) and item.table in later and item.table != name
                (plan.late if last else plan.change).append(self._sides.renderer.create(item, name))
        plan.change.sort(key=_rank)
        plan.updates += self._values_of_choices(name)
        return plan

    def _goes(self, name: Name, key: tuple[str, str], part: Part, new: TableState, how: Mapping[str, str], reshaped: set[Name]) -> bool:
        """Whether a constraint or index has to be dropped, perhaps to be made again."""
        if key not in new.parts or new.parts[key].facts != part.facts:
            return True
        facts = part.facts
        if isinstance(facts, Foreign):
            if any(how[column] in ("retype", "again") for column in facts.columns) or (
                self._sides.is_mysql and self._leaned_on(name, facts)
            ):
                return True
            return facts.table in reshaped and self._target_goes(facts)
        if isinstance(facts, Unique):
            return any(how[column] == "again" for column in facts.columns)
        if isinstance(facts, Index) and any(how.get(column) == "again" for column in facts.parts):
            return True
        moved = [column for column in how if self._is_moved(name, column) and how[column] != "add"]
        names = [self._sides.old_columns.get((name, column), column) for column in moved]
        told = _told(facts)
        return self._compares_enum(name, facts) or any(_mentions(each, column) for each in told for column in (*moved, *names))

    def _compares_enum(self, name: Name, facts: Detail) -> bool:
        """Whether the SQL of a check or index speaks of a column whose enumerated type is made anew."""
        columns = [column for table, column in self._made_anew if table == name]
        names = [self._sides.old_columns.get((name, column), column) for column in columns]
        return any(_mentions(each, column) for each in _told(facts) for column in names)

    def _leaned_on(self, name: Name, foreign: Foreign) -> bool:
        """Whether an index goes that MySQL uses for a foreign key, and so does not let go before."""
        old, new = self._sides.before.tables[name].parts, self._sides.after.tables[name].parts
        return any(
            (isinstance(part.facts, Index) and part.facts.parts[: len(foreign.columns)] == foreign.columns)
            or (isinstance(part.facts, Unique) and part.facts.columns[: len(foreign.columns)] == foreign.columns)
            for key, part in old.items()
            if key not in new or new[key].facts != part.facts
        )

    def _target_goes(self, foreign: Foreign) -> bool:
        """Whether the columns that a foreign key refers to change their type, or are no key for the moment."""
        old, new = self._sides.before.tables[foreign.table], self._sides.after.tables[foreign.table]
        if any(column not in new.columns or self.how(foreign.table, column) in ("retype", "again") for column in foreign.target):
            return True
        keys = [(old.key.columns if old.key else ()) == foreign.target and _key_columns(old) != _key_columns(new)]
        keys += [
            isinstance(part.facts, Unique) and part.facts.columns == foreign.target and key not in new.parts
            for key, part in old.parts.items()
        ]
        return any(keys)

    def _drop_parts(self, plan: TablePlan, old: TableState, goes: Sequence[tuple[str, str]], reshaped: set[Name]) -> None:
        for key in sorted(goes, key=lambda each: ["foreign key", "index", "unique", "check"].index(each[0])):
            part = old.parts[key]
            early = isinstance(part.facts, Foreign) and part.facts.table in reshaped and part.facts.table != old.name
            if part.facts.name is None:
                self._sides.problems.append(f"{part.kind} of {old.fullname} without a name, which cannot be dropped: {part.facts}")
                continue
            before_enums = self._compares_enum(old.name, part.facts)
            (plan.before_enums if before_enums else plan.early if early else plan.loosen).append(self._sides.drop(part.item))
            new = self._sides.after.tables[old.name]
            if (
                self._sides.is_mysql
                and isinstance(part.facts, Foreign)
                and key not in new.parts
                and {*part.facts.columns} <= {*new.columns}
            ):
                self._drop_implicit(plan, old, part.facts)

    def _drop_implicit(self, plan: TablePlan, table: TableState, foreign: Foreign) -> None:
        """Drop the index that MySQL made for a foreign key and keeps without it."""
        explicit = [part.facts.parts for part in table.parts.values() if isinstance(part.facts, Index)]
        explicit += [part.facts.columns for part in table.parts.values() if isinstance(part.facts, Unique)]
        explicit += [table.key.columns] if table.key is not None else []
        if not any(each[: len(foreign.columns)] == foreign.columns for each in explicit):
            schema = {} if table.name[0] is None else {"schema": table.name[0]}
            call = Call("op.drop_index", [foreign.name, table.name[1]], schema)
            plan.updates += ['if op.get_context().dialect.name in ("mysql", "mariadb"):', f"    {show(call)}"]

    def _change_columns(self, plan: TablePlan, name: Name, how: Mapping[str, str]) -> None:
        old, new = self._sides.before.tables[name], self._sides.after.tables[name]
        for column, word in how.items():
            if word in ("drop", "again"):
                before = old.columns[column]
                if before.facts.computed is None:
                    self._sides.losses.append(f"column {old.fullname}.{column}")
                plan.loosen.append(Call("batch.drop_column", [self._sides.old_columns.get((name, column), column)]))
            elif (name, column) in self._sides.old_columns:
                plan.loosen.append(self._rename(old.columns[column], self._sides.old_columns[name, column], column))
            if column in old.columns and column in new.columns and word != "again":
                self._count(plan, name, old.columns[column], new.columns[column])
            if word in ("add", "again"):
                self._add(plan, name, new.columns[column])
            elif word in ("alter", "retype"):
                self._alter_column(plan, name, column, old.columns[column], new.columns[column])

    def _count(self, plan: TablePlan, name: Name, old: Column, new: Column) -> None:
        """Let the database count a column by itself, or no longer."""
        column = new.item.name
        numbers = f"pg_get_serial_sequence({literal_sql(self._sides.full(name))}, {literal_sql(column)})"
        quoted, table = self._sides.quote(column), self._sides.full(name)
        go_on = f"SELECT setval({numbers}, (SELECT coalesce(max({quoted}), 0) + 1 FROM {table}), false)"  # noqa: S608
        sequence = self._sides.full((name[0], f"{name[1]}_{column}_seq"))
        if old.facts.counted and not new.facts.counted:
            old_name = self._sides.old_columns.get((name, column), column)
            existing = {"existing_type": self._sides.type_of(old), "existing_nullable": old.facts.nullable}
            plan.first += on_postgresql(
                [f"ALTER TABLE {table} ALTER COLUMN {self._sides.quote(old_name)} DROP DEFAULT", f"DROP SEQUENCE IF EXISTS {sequence}"]
            )
            plan.first += [
                "else:",
                *indented(self._sides.batch(name, [Call("batch.alter_column", [old_name], {**existing, "autoincrement": False})])),
            ]
        if new.facts.counted and not old.facts.counted:
            existing = {"existing_type": self._sides.type_of(new), "existing_nullable": new.facts.nullable}
            lines = [
                f"CREATE SEQUENCE {sequence} OWNED BY {table}.{quoted}",
                f"ALTER TABLE {table} ALTER COLUMN {quoted} SET DEFAULT nextval({literal_sql(sequence)})",
                go_on,
            ]
            plan.last += [*on_postgresql(lines), "else:"]
            plan.last += indented(self._sides.batch(name, [Call("batch.alter_column", [column], {**existing, "autoincrement": True})]))
        if new.facts.identity is not None and old.facts.identity is None:
            plan.last += on_postgresql([go_on])

    def _rename(self, column: Column, old: str, new: str) -> Call:
        return Call("batch.alter_column", [old], {"new_column_name": new, **self._sides.existing(column)})

    def _add(self, plan: TablePlan, name: Name, column: Column) -> None:
        facts = column.facts
        needs = not facts.nullable and facts.default is None and facts.computed is None and facts.identity is None and not facts.counted
        fill = self._fill(name, column) if needs else None
        if fill is None:
            plan.change.append(Call("batch.add_column", [self._sides.renderer.column(column)]))
            return
        plan.change.append(Call("batch.add_column", [self._sides.renderer.column(column, default=fill)]))
        keywords = {"server_default": None, **self._sides.existing(column), "existing_server_default": fill}
        plan.settle.append(Call("batch.alter_column", [column.item.name], keywords))

    def _fill(self, name: Name, column: Column) -> Any:
        """Return what rows get in a column that must have a value, as code; None for nothing."""
        key = (name, column.item.name)
        if key in self._sides.answers.fills:
            sql = self._sides.answers.fills[key]
            return None if sql is None else Call("sa.text", [escaped(sql)])
        return Call("sa.text", [escaped(neutral_value(column, self._sides.after.tables[name]))]) if self._sides.is_neutral else None

    def _alter_column(self, plan: TablePlan, name: Name, column: str, old: Column, new: Column) -> None:
        keywords: dict[str, Any] = {}
        changed: set[str] = set()
        retyped = is_retyped(old, new)
        if retyped:
            changed.add("type")
            keywords["type_"] = self._sides.type_of(new)
            if (sql := using(self._sides.quote(column), old, new, self._sides.renderer.dialect)) is not None:
                keywords["postgresql_using"] = sql
                if old.facts.default is not None:
                    undefault = {"server_default": None, **self._sides.existing(old)}
                    plan.change.append(Call("batch.alter_column", [column], undefault))
        if old.facts.nullable != new.facts.nullable:
            changed.add("nullable")
            keywords["nullable"] = new.facts.nullable
            if not new.facts.nullable:
                self._update(plan, name, column, old)
        if old.facts.default != new.facts.default or (retyped and new.facts.default is not None):
            changed.add("default")
            keywords["server_default"] = self._sides.renderer.default(new.item)
        if old.facts.identity != new.facts.identity:
            keywords["server_default"] = self._sides.renderer.identity(new.item.identity) if new.item.identity is not None else None
            changed.add("default")
            if old.item.identity is not None:
                keywords["existing_server_default"] = self._sides.renderer.identity(old.item.identity)
        if old.facts.comment != new.facts.comment:
            changed.add("comment")
            keywords["comment"] = new.facts.comment
        existing = self._sides.existing(old, but=changed)
        if not new.facts.counted:
            existing.pop("existing_autoincrement", None)
        if is_same_enum(bare_type(old.item.type), bare_type(new.item.type)):
            existing["existing_type"] = self._sides.type_of(new)
        if "comment" in changed and old.facts.comment is not None:
            existing["existing_comment"] = old.facts.comment
        plan.change.append(Call("batch.alter_column", [column], {**existing, **keywords}))

    def _update(self, plan: TablePlan, name: Name, column: str, old: Column) -> None:
        key = (name, column)
        sql = (
            self._sides.answers.fills.get(key)
            if key in self._sides.answers.fills
            else neutral_value(old, self._sides.after.tables[name])
            if self._sides.is_neutral
            else None
        )
        if sql is not None:
            quoted = self._sides.quote(column)
            statement = f"UPDATE {self._sides.full(name)} SET {quoted} = {sql} WHERE {quoted} IS NULL"  # noqa: S608 - as it was answered
            plan.updates.append(show(Call("op.execute", [escaped(statement)])))


def _told(facts: Detail) -> list[str]:
    """Return the SQL of a check or index."""
    if isinstance(facts, Check):
        return [facts.sql]
    if not isinstance(facts, Index):
        return []
    told = [*(str(each) for each in facts.parts if type(each) is not str), facts.sql if not facts.parts else ""]
    return told + [str(value) for option, value in facts.options if option.endswith("_where")]


def _mentions(sql: str, name: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(name)}(?!\w)", sql, re.IGNORECASE) is not None


def _in_batch(call: Call) -> Call:
    """Return `op.create_index` as a method of a batch, which knows the table."""
    keywords = {key: value for key, value in call.keywords.items() if key != "schema"}
    return Call("batch.create_index", [call.arguments[0], *call.arguments[2:]], keywords)


def _rank(call: Call) -> int:
    method = call.name.partition(".")[2]
    return next((place for place, word in enumerate(_RANKS) if method.startswith(word)), len(_RANKS))


def _key_columns(table: TableState) -> tuple[str, ...]:
    return table.key.columns if table.key is not None else ()


def _key_name(table: TableState) -> str:
    key: Key | None = table.key
    return key.name if key is not None and key.name else f"pk_{table.name[1]}"


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
