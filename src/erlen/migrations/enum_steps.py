"""Named types of enumerated values: made, given other values, and dropped."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import sqlalchemy as sa

from erlen.migrations.enums import EnumChange, enum_columns, enum_types, is_added_to, is_array, is_renamed, literal_sql
from erlen.migrations.render import Call, escaped, show
from erlen.migrations.sides import Sides, indented
from erlen.migrations.state import Name

__all__ = ["EnumSteps"]


class EnumSteps:
    """Writes what becomes of named types. Databases other than PostgreSQL have the values in each column's own type."""

    def __init__(self, sides: Sides) -> None:
        self._sides = sides

    def created(self) -> list[str]:
        """Return what makes the types that no column had before."""
        mine = enum_types(self._sides.after)
        there = enum_types(self._sides.before)
        return [
            f"{self._sides.renderer.type(kind)}.create(op.get_bind(), checkfirst=True)" for name, kind in mine.items() if name not in there
        ]

    def dropped(self) -> list[str]:
        """Return what drops the types that no column has any more."""
        mine = enum_types(self._sides.after)
        there = enum_types(self._sides.before)
        return [
            f"{self._sides.renderer.type(kind)}.drop(op.get_bind(), checkfirst=True)" for name, kind in there.items() if name not in mine
        ]

    def made_anew(self) -> set[tuple[Name, str]]:
        """Return the columns whose type is made anew, so that nothing may compare them meanwhile."""
        columns = enum_columns(self._sides.before)
        return {each for change in self._sides.enum_changes if self._is_made_anew(change) for each in columns[change.name]}

    def change(self, change: EnumChange) -> str:
        """Give a named type other values: on PostgreSQL the type, elsewhere each column that has it."""
        old, new = change.before, change.after
        values = self._renamed_values(change)
        replaced = values | {key: to for place in change.columns for key, to in self._sides.answers.replaced.get(place, {}).items()}
        lines = ['if op.get_context().dialect.name == "postgresql":']
        if self._is_made_anew(change):
            lines += indented(self._rebuild_enum(change, replaced))
        elif is_added_to(old.enums, new.enums):
            lines += indented(self._add_values(change))
        else:
            name = self._sides.full(change.name)
            for before, after in values.items():
                statement = f"ALTER TYPE {name} RENAME VALUE {literal_sql(before)} TO {literal_sql(after)}"
                lines.append(f"    {show(Call('op.execute', [escaped(statement)]), 4)}")
        columns = [(table, column) for table, column in change.columns if not is_array(self._sides.after.tables[table].columns[column])]
        if columns:
            lines.append("else:")
        both = old
        if replaced and not {*new.enums} <= {*old.enums}:
            both = sa.Enum(*new.enums, *(value for value in old.enums if value not in new.enums), name=old.name, schema=old.schema)
        for table, column in columns:
            lines += indented(self._alter_enum(table, column, [old, both, new], replaced))
        return "\n".join(lines)

    def _renamed_values(self, change: EnumChange) -> dict[str, str]:
        values: dict[str, str] = {}
        for place in change.columns:
            values |= self._sides.answers.values.get(place, {})
        return values

    def _is_made_anew(self, change: EnumChange) -> bool:
        """Whether values go, or come and are used at once: PostgreSQL's types only gain values, and rename them."""
        if is_added_to(change.before.enums, change.after.enums):
            return self._are_used(change)
        is_replaced = any(self._sides.answers.replaced.get(place) for place in change.columns)
        return is_replaced or not is_renamed(change.before.enums, change.after.enums, self._renamed_values(change))

    def _alter_enum(self, table: Name, column: str, types: Sequence[sa.Enum], replaced: Mapping[str, str]) -> list[str]:
        """Give a column other values where they are part of its type, by way of a type that has both the old and the new."""
        before, after = self._sides.before.tables[table].columns[column], self._sides.after.tables[table].columns[column]
        name = self._sides.old_columns.get((table, column), column)
        blocks: list[str] = []
        for place, (first, second) in enumerate(itertools.pairwise(types)):
            if place == 1:
                blocks += self._sides.replace_values(table, name, replaced)
            if first is second:
                continue
            keywords = self._sides.existing(before) | {
                "existing_type": self._sides.renderer.type(first),
                "type_": self._sides.renderer.type(second),
            }
            if "existing_server_default" in keywords and before.facts.default != after.facts.default:
                del keywords["existing_server_default"]  # it may be no value any more; the new one is set afterwards
                keywords["server_default"] = None
            blocks += self._sides.batch(table, [Call("batch.alter_column", [name], keywords)])
        return blocks

    def _are_used(self, change: EnumChange) -> bool:
        """Whether a new value is used in the same migration, which PostgreSQL refuses within the transaction that adds it."""
        new = [literal_sql(value) for value in change.after.enums if value not in change.before.enums]
        columns = enum_columns(self._sides.after)[change.name]
        there = self._sides.before.tables
        if any(table in there and column in there[table].columns and (table, column) not in change.columns for table, column in columns):
            return True  # rows of a column that gets the type may have it
        texts = [repr(part.item) for table, _ in columns for part in self._sides.after.tables[table].parts.values()]
        texts += [str(each.facts.default) for table, _ in columns for each in self._sides.after.tables[table].columns.values()]
        texts += [str(sql) for sql in self._sides.answers.fills.values()]
        defaults = [self._sides.renderer.default(self._sides.after.tables[table].columns[column].item) for table, column in columns]
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
            statement = f"ALTER TYPE {self._sides.full(change.name)} ADD VALUE {literal_sql(value)}{where}"
            lines.append(show(Call("op.execute", [escaped(statement)])))
        return lines

    def _rebuild_enum(self, change: EnumChange, replaced: Mapping[str, str]) -> list[str]:
        """Make the type anew, and let each column have it: PostgreSQL cannot take a value out of one."""
        schema, word = change.name
        statements = [f"ALTER TYPE {self._sides.full(change.name)} RENAME TO {self._sides.quote(f'{word}_before')}"]
        statements.append(f"CREATE TYPE {self._sides.full(change.name)} AS ENUM ({', '.join(map(literal_sql, change.after.enums))})")
        for table, column in enum_columns(self._sides.before)[change.name]:
            old = self._sides.before.tables[table].columns[column]
            name = self._sides.quote(self._sides.old_columns.get((table, column), column))
            alter = f"ALTER TABLE {self._sides.full(table)} ALTER COLUMN {name}"
            array = "[]" if is_array(old) else ""
            text = f"{name}::text{array}"
            if old.facts.default is not None:
                statements.append(f"{alter} DROP DEFAULT")
            if (table, column) not in change.columns:  # it goes, or gets another type, later in the migration
                statements.append(f"{alter} TYPE text{array} USING {text}")
                continue
            if replaced and not array:
                cases = " ".join(f"WHEN {literal_sql(key)} THEN {literal_sql(value)}" for key, value in replaced.items())
                text = f"(CASE {name}::text {cases} ELSE {name}::text END)"
            statements.append(f"{alter} TYPE {self._sides.full(change.name)}{array} USING {text}::{self._sides.full(change.name)}{array}")
            new = self._sides.after.tables[table].columns[column]
            if old.facts.default is not None and old.facts.default == new.facts.default:
                statements.append(f"{alter} SET DEFAULT {old.facts.default}")
        statements.append(f"DROP TYPE {self._sides.full((schema, f'{word}_before'))}")
        return [line for each in statements for line in show(Call("op.execute", [escaped(each)])).splitlines()]
