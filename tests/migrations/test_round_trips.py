"""Random models, changed at random: what `make` writes brings a database there and back, with the rows kept."""

from __future__ import annotations

import datetime
import os
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st
from msgspec import Meta
from sqlalchemy.orm import Mapped, mapped_column

from erlen.db import Database, Digits, Model
from erlen.migrations.answers import Answers, renamed
from erlen.migrations.compare import Change, compare, wanted
from erlen.migrations.connection import scratch
from erlen.migrations.execution import run_all
from erlen.migrations.files import write_migration
from erlen.migrations.make import make
from erlen.migrations.schema import differences, schema_of
from erlen.migrations.state import State, read_state
from erlen.migrations.target import Target
from erlen.migrations.values import neutral_value

EXAMPLES = int(os.environ.get("ROUND_TRIPS", "0"))

# -- models as plain data ---------------------------------------------------------------------------------------------------


@dataclass
class ColumnSpec:
    kind: str
    nullable: bool = True
    default: bool = False
    unique: bool = False
    index: bool = False
    check: bool = False
    comment: str | None = None
    refers: str | None = None
    ondelete: str | None = None
    computed: str | None = None


@dataclass
class TableSpec:
    columns: dict[str, ColumnSpec] = field(default_factory=dict)
    comment: str | None = None
    together: tuple[str, ...] = ()
    """A UNIQUE constraint over several columns."""
    partial: str | None = None
    """A column of an index with a condition."""
    lower: str | None = None
    """A column of an index on an expression, where the database can read those back."""


Models = dict[str, TableSpec]

# The annotation of each kind, its default in SQL, and a value for a row's number.
KINDS: Mapping[str, tuple[Any, Any, Callable[[int], Any]]] = {
    "int": (int, "7", lambda n: n),
    "big": (Annotated[int, Meta(ge=0, le=2**40)], "8", lambda n: n),
    "text": (str, None, lambda n: f"{n}"),
    "line": (Annotated[str, Meta(max_length=50)], "it's", lambda n: f"{n}"),
    "long line": (Annotated[str, Meta(max_length=80)], "100% :x", lambda n: f"{n}"),
    "float": (float, "1.5", lambda n: n / 2),
    "bool": (bool, sa.true(), lambda n: n % 2 == 0),
    "moment": (datetime.datetime, sa.func.now(), lambda n: datetime.datetime(2020, 1, 1 + n, tzinfo=datetime.UTC)),
    "date": (datetime.date, "2020-01-01", lambda n: datetime.date(2020, 1, 1 + n)),
    "time": (datetime.time, "12:00:00", lambda n: datetime.time(n)),
    "duration": (datetime.timedelta, None, lambda n: datetime.timedelta(seconds=n)),
    "money": (Annotated[Decimal, Digits(10, 2)], "1.25", lambda n: Decimal(n)),
    "exact": (Annotated[Decimal, Digits(14, 4)], None, lambda n: Decimal(n)),
    "uuid": (UUID, None, lambda n: UUID(int=n)),
    "bytes": (bytes, None, lambda n: b"%d" % n),
    "json": (dict[str, int], None, lambda n: {"n": n}),
    "choice": (Literal["1", "2", "3", "4"], "1", lambda n: f"{n}"),
    "wide choice": (Literal["1", "2", "3", "4", "5"], "5", lambda n: f"{n}"),
    "number choice": (Literal[1, 2, 3, 4], "1", lambda n: n),
    "enum": (str, "2", lambda n: f"{n}"),
    "wide enum": (str, "2", lambda n: f"{n}"),
    "other enum": (str, "1", lambda n: f"{n}"),
    "reference": (int, None, lambda n: n),
}
ENUMS = {"enum": ("1", "2", "3", "4"), "wide enum": ("0", "1", "2", "3", "4", "5"), "other enum": ("4", "3", "2", "1")}
# What may become what, with rows that stay what they are.
CHANGES = {
    "int": ("big", "text", "line", "float"),
    "big": ("int", "exact"),
    "line": ("long line", "text", "choice"),
    "long line": ("line", "text"),
    "text": ("line", "long line", "int"),
    "money": ("exact",),
    "choice": ("wide choice", "line", "text"),
    "wide choice": ("choice",),
    "number choice": ("int",),
    "bool": ("int",),
    "enum": ("wide enum", "other enum", "line"),
    "wide enum": ("enum", "other enum"),
    "other enum": ("enum",),
}
NO_KEY = ("text", "bytes", "json")
"""What MySQL and MariaDB cannot make unique or index."""
TABLES = ("book", "author", "tag", "order")
COLUMNS = ("a", "b", "c", "name", "key", "group", "Mixed")
NUMBERS = ("int", "big")
TEXTS = ("text", "line", "long line", "choice", "wide choice")


def build(models: Models, *, has_expressions: bool) -> type[Model]:
    """Make classes of a base of their own."""

    class Base(Model, isolated=True):
        pass

    for name, table in models.items():
        attributes: dict[str, Any] = {"__tablename__": name, "__annotations__": {}}
        arguments: list[Any] = []
        for column, spec in table.columns.items():
            annotation, default, _ = KINDS[spec.kind]
            extra: list[Any] = []
            options: dict[str, Any] = {"nullable": spec.nullable, "comment": spec.comment, "index": spec.index or None}
            if spec.refers is not None:
                extra.append(sa.ForeignKey(f"{spec.refers}.id", ondelete=spec.ondelete, use_alter=False))
            if spec.computed is not None:
                extra.append(sa.Computed(spec.computed, persisted=True))
                options["nullable"] = True
            elif spec.default and default is not None:
                options["server_default"] = default
            options["unique"] = spec.unique or None
            if spec.kind in ENUMS:
                extra.insert(0, sa.Enum(*ENUMS[spec.kind], name=f"{name}_{column}".lower()))
            attributes[f"f_{column}"] = mapped_column(column, *extra, **options)
            attributes["__annotations__"][f"f_{column}"] = Mapped[annotation | None if spec.nullable else annotation]  # type: ignore[misc]
            if spec.check and spec.kind in NUMBERS:
                arguments.append(sa.CheckConstraint(sa.column(column) >= 0, name=f"{column}_positive"))
        if len(table.together) > 1:
            arguments.append(sa.UniqueConstraint(*table.together))
        if table.partial is not None:
            condition = sa.column(table.partial).is_not(None)
            arguments.append(sa.Index(f"ix_{name}_partial", table.partial, sqlite_where=condition, postgresql_where=condition))
        if table.lower is not None and has_expressions:
            arguments.append(sa.Index(f"ix_{name}_lower", sa.func.lower(sa.column(table.lower))))
        if table.comment is not None:
            arguments.append({"comment": table.comment})
        attributes["__table_args__"] = tuple(arguments)
        type(f"M{name}", (Base,), attributes)
    return Base


def indexable(spec: ColumnSpec) -> bool:
    return spec.kind not in NO_KEY


@st.composite
def column_specs(draw: st.DrawFn, models: Models, table: TableSpec) -> ColumnSpec:
    kind = draw(st.sampled_from(sorted(KINDS)))
    spec = ColumnSpec(
        kind, nullable=draw(st.booleans()), default=draw(st.booleans()), comment=draw(st.sampled_from([None, "it's 100% :x"]))
    )
    if kind == "reference":
        if not models:
            spec.kind = "int"
        else:
            spec.refers = draw(st.sampled_from(sorted(models)))
            spec.ondelete = draw(st.sampled_from([None, "CASCADE"]))
    if indexable(spec) and spec.kind != "reference":
        spec.index = draw(st.integers(0, 3)) == 0
        spec.unique = not spec.index and spec.kind != "bool" and draw(st.integers(0, 3)) == 0
    elif spec.kind == "reference":
        spec.index = draw(st.booleans())
    if spec.kind in NUMBERS:
        spec.check = draw(st.booleans())
    numbers = [name for name, each in table.columns.items() if each.kind in NUMBERS and each.computed is None and not each.refers]
    if spec.kind == "big" and numbers and draw(st.booleans()):
        spec.computed, spec.unique, spec.default = f"{quoted(draw(st.sampled_from(numbers)))} + 1", False, False
        spec.check = False
    return spec


def quoted(name: str) -> str:
    return name if name.islower() and name not in ("group", "key", "order") else "a"


def tidy(models: Models) -> Models:
    """Mend what changes broke: references to tables that are gone, and so on."""
    for name, table in models.items():
        for spec in table.columns.values():
            if spec.refers is not None and spec.refers not in models:
                spec.refers, spec.ondelete = name, None
            if spec.kind != "reference":
                spec.refers = None
            if not indexable(spec):
                spec.index = spec.unique = False
            spec.check = spec.check and spec.kind in NUMBERS and spec.computed is None
        for spec in table.columns.values():
            if spec.computed is not None:
                base = table.columns.get(spec.computed.split()[0])
                if base is None or base.kind not in NUMBERS or base.computed is not None or spec.kind not in NUMBERS:
                    spec.computed = None
        table.together = tuple(
            each
            for each in table.together
            if each in table.columns
            and indexable(table.columns[each])
            and not table.columns[each].computed
            and table.columns[each].kind not in ("bool", "reference")
        )
        if len(table.together) < 2:
            table.together = ()
        if table.partial is not None and (table.partial not in table.columns or not indexable(table.columns[table.partial])):
            table.partial = None
        if table.lower is not None and (table.lower not in table.columns or table.columns[table.lower].kind not in TEXTS):
            table.lower = None
    return models


@st.composite
def first_models(draw: st.DrawFn) -> Models:
    models: Models = {}
    for name in draw(st.lists(st.sampled_from(TABLES), unique=True, min_size=1, max_size=3)):
        models[name] = draw(tables(models))
    return tidy(models)


@st.composite
def tables(draw: st.DrawFn, models: Models) -> TableSpec:
    table = TableSpec(comment=draw(st.sampled_from([None, None, "a table"])))
    for column in draw(st.lists(st.sampled_from(COLUMNS), unique=True, min_size=2, max_size=6)):
        table.columns[column] = draw(column_specs(models, table))
    names = sorted(table.columns)
    if len(names) > 1 and draw(st.booleans()):
        table.together = tuple(draw(st.lists(st.sampled_from(names), unique=True, min_size=2, max_size=2)))
    if names and draw(st.integers(0, 3)) == 0:
        table.partial = draw(st.sampled_from(names))
    texts = [name for name in names if table.columns[name].kind in TEXTS]
    table.lower = draw(st.sampled_from([None, *texts]))
    return table


Renames = tuple[dict[str, str], dict[tuple[str, str], str]]


@st.composite
def changed(draw: st.DrawFn, models: Models) -> tuple[Models, Renames]:
    """Change models some times, and say what was renamed: tables, and columns by the new table and old name."""
    found = deepcopy(models)
    new_tables: dict[str, str] = {}
    new_columns: dict[tuple[str, str], str] = {}
    for _ in range(draw(st.integers(2, 8))):
        kind = draw(
            st.sampled_from(["table", "drop table", "rename table", *["column", "drop column", "rename column"] * 2, *["alter"] * 6])
        )
        free = [name for name in TABLES if name not in found and name not in models]
        if kind == "table" and free:
            found[draw(st.sampled_from(free))] = draw(tables(found))
        if not found:
            continue
        name = draw(st.sampled_from(sorted(found)))
        table = found[name]
        if kind == "drop table" and name not in new_tables.values():
            del found[name]
        elif kind == "rename table" and free and name in models and name not in new_tables.values():
            new = draw(st.sampled_from(free))
            found = {new if each == name else each: spec for each, spec in found.items()}
            for other in found.values():
                for spec in other.columns.values():
                    spec.refers = new if spec.refers == name else spec.refers
            new_columns = {(new if each == name else each, old): now for (each, old), now in new_columns.items()}
            new_tables[name] = new
        elif kind == "column":
            old = next((each for each, now in new_tables.items() if now == name), name)
            there = models[old].columns if old in models else {}
            free = [column for column in COLUMNS if column not in table.columns and column not in there]
            if free:
                table.columns[draw(st.sampled_from(free))] = draw(column_specs(found, table))
        elif table.columns:
            column = draw(st.sampled_from(sorted(table.columns)))
            spec = table.columns[column]
            old = next((each for each, now in new_tables.items() if now == name), name)
            there = models[old].columns if old in models else {}
            if kind == "drop column" and (name, column) not in {(each, now) for (each, _), now in new_columns.items()}:
                del table.columns[column]
            elif kind == "rename column" and column in there and (name, column) not in new_columns:
                free = [each for each in COLUMNS if each not in table.columns and each not in there]
                if free and spec.computed is None:
                    new = draw(st.sampled_from(free))
                    table.columns = {new if each == column else each: spec for each, spec in table.columns.items()}
                    table.together = tuple(new if each == column else each for each in table.together)
                    table.partial = new if table.partial == column else table.partial
                    table.lower = new if table.lower == column else table.lower
                    for each in table.columns.values():
                        if each.computed is not None and each.computed.split()[0] == column:
                            each.computed = None if quoted(new) != new else f"{new} + 1"
                    new_columns[name, column] = new
            elif kind == "alter":
                draw(alterations(found, table, spec))
        found = tidy(found)
    new_columns = {(table, old): new for (table, old), new in new_columns.items() if table in found and new in found[table].columns}
    new_tables = {old: new for old, new in new_tables.items() if new in found}
    return found, (new_tables, new_columns)


@st.composite
def alterations(draw: st.DrawFn, models: Models, table: TableSpec, spec: ColumnSpec) -> None:
    possible = ["null", "default", "index", "comment", "table"]
    possible += ["kind"] * 3 if spec.kind in CHANGES and spec.computed is None else []
    possible += ["unique"] if spec.kind not in ("bool", "reference", "int", *NO_KEY) and not spec.computed else []
    possible += ["check"] if spec.kind in NUMBERS else []
    possible += ["refers"] * 3 if spec.kind == "reference" else []
    possible += ["computed"] * 3 if spec.computed is not None else []
    possible += ["together"] if table.together else []
    what = draw(st.sampled_from(possible))
    if what == "kind":
        spec.unique = spec.unique and spec.kind != "bool"
        spec.kind = draw(st.sampled_from(CHANGES[spec.kind]))
        spec.default = spec.default and spec.kind in ("line", "long line", "big")
    elif what == "null":
        spec.nullable = not spec.nullable
    elif what == "default":
        spec.default = not spec.default
    elif what == "unique":
        spec.unique, spec.index = not spec.unique, False
    elif what == "index":
        spec.index, spec.unique = not spec.index, False
    elif what == "check":
        spec.check = not spec.check
    elif what == "comment":
        spec.comment = None if spec.comment else "other"
    elif what == "refers":
        if draw(st.booleans()):
            spec.ondelete = "CASCADE" if spec.ondelete is None else None
        else:
            spec.refers = draw(st.sampled_from([None, *sorted(models)]))
    elif what == "computed" and spec.computed is not None:
        spec.computed = draw(st.sampled_from([None, spec.computed.split()[0] + " + 2"]))
    elif what == "table":
        table.comment = None if table.comment else "a table"
    elif what == "together":
        table.together = ()


# -- the round trip ---------------------------------------------------------------------------------------------------------


def answer(renames: Renames) -> Callable[[State, State, list[Change]], Answers]:
    def ask(before: State, after: State, changes: list[Change]) -> Answers:
        answers = Answers(
            tables={(None, old): (None, new) for old, new in renames[0].items()},
            columns={((None, table), old): new for (table, old), new in renames[1].items()},
        )
        for change in compare(renamed(before, answers), after):
            if change.kind == "column" and change.action != "-" and not change.after.facts.nullable:
                answers.fills[change.table, change.name] = neutral_value(change.after, after.tables[change.table])
        return answers

    return ask


def fill(connection: sa.Connection, base: type[Model], models: Models) -> None:
    """Put three rows into each table; those of references come last."""
    with connection.begin():
        for table in base.registry.metadata.sorted_tables:
            spec = models[table.name]
            for number in range(1, 4):
                row = {
                    name: KINDS[each.kind][2](1 if each.kind == "reference" and each.refers == table.name else number)
                    for name, each in spec.columns.items()
                    if each.computed is None
                }
                connection.execute(table.insert().values(id=number, **row))


def rows_of(connection: sa.Connection, base: type[Model]) -> dict[str, list[dict[str, Any]]]:
    found = {}
    for table in base.registry.metadata.tables.values():
        found[table.name] = [dict(row._mapping) for row in connection.execute(sa.select(table).order_by(table.columns["id"]))]
    connection.rollback()
    return found


def same(first: Any, second: Any) -> bool:
    return str(first) == str(second) or (isinstance(first, int | float | Decimal | str) and float(first) == float(second))


def round_trip(url: str, folder: Path, first: Models, second: Models, renames: Renames) -> None:
    for file in folder.glob("*"):
        file.unlink()
    has_expressions = not url.startswith("mariadb")
    old_base, new_base = build(first, has_expressions=has_expressions), build(second, has_expressions=has_expressions)
    old = Target(database=Database(url, base=old_base), root=folder)
    new = Target(database=Database(url, base=new_base), root=folder)
    with scratch(old) as connection:
        made = make(old, "", answer(({}, {})))
        if made.changes:
            assert made.problems == [], made.draft.upgrade
            run_all(connection, [write_migration(made.draft, folder)])
        fill(connection, old_base, first)
        rows = rows_of(connection, old_base)
        start = schema_of(connection)
        connection.rollback()

        made = make(new, "", answer(renames))
        if not made.changes:
            return
        note(f"{made.draft.upgrade}\n--- down\n{made.draft.downgrade}")
        assert made.problems == []
        migration = write_migration(made.draft, folder)
        run_all(connection, [migration])
        compare_rows(rows, rows_of(connection, new_base), first, second, renames)
        found, schema = read_state(connection), schema_of(connection)
        fresh = wanted(new, connection)
        assert differences(fresh.schema, schema) == []
        assert [change.sentence for change in compare(found, fresh.state)] == []
        connection.rollback()

        run_all(connection, [migration], "downgrade")
        assert differences(start, schema_of(connection)) == []
        connection.rollback()
        compare_back(rows, rows_of(connection, old_base), first, second, renames)
        run_all(connection, [migration])


def compare_rows(before: Any, after: Any, first: Models, second: Models, renames: Renames) -> None:
    for name, rows in before.items():
        now = renames[0].get(name, name)
        if now not in second:
            continue
        assert len(after[now]) == len(rows)
        for old, new in zip(rows, after[now], strict=True):
            for column, spec in first[name].columns.items():
                other = renames[1].get((now, column), column)
                if other in second[now].columns and spec.computed is None and second[now].columns[other].computed is None:
                    assert (old[column] is None) or same(old[column], new[other]), (name, column, old, new)


def compare_back(before: Any, after: Any, first: Models, second: Models, renames: Renames) -> None:
    for name, rows in before.items():
        now = renames[0].get(name, name)
        if now not in second:
            assert after[name] == []
            continue
        for old, new in zip(rows, after[name], strict=True):
            for column, spec in first[name].columns.items():
                other = renames[1].get((now, column), column)
                if other in second[now].columns and spec.computed is None and second[now].columns[other].computed is None:
                    assert old[column] is None or same(old[column], new[column]), (name, column, old, new)


@st.composite
def cases(draw: st.DrawFn) -> tuple[Models, Models, Renames]:
    first = draw(first_models())
    second, renames = draw(changed(first))
    possible(first, second, renames)
    return first, second, renames


def possible(first: Models, second: Models, renames: Renames) -> None:
    """Let columns that come and go be NULL where rows could not all have one value."""

    def several(table: TableSpec, name: str) -> bool:
        return table.columns[name].unique or table.columns[name].refers is not None or name in table.together

    for old_name, old in first.items():
        name = renames[0].get(old_name, old_name)
        for column, spec in old.columns.items():
            if spec.refers is not None and renames[0].get(spec.refers, spec.refers) not in second:
                spec.refers = old_name  # on the way back the rows that it refers to would not be there
            now = second.get(name)
            if now is not None and renames[1].get((name, column), column) not in now.columns and several(old, column):
                spec.nullable, spec.default = True, False
    for name, table in second.items():
        old_name = next((each for each, now in renames[0].items() if now == name), name)
        there = {renames[1].get((name, column), column) for column in first[old_name].columns} if old_name in first else set()
        for column, spec in table.columns.items():
            if old_name in first and column not in there and several(table, column):
                spec.nullable, spec.default = True, False


COMMON: dict[str, Any] = {
    "deadline": None,
    "suppress_health_check": list(HealthCheck),
    "database": None,
    "print_blob": False,
}


@pytest.mark.parametrize("name", ["sqlite", "postgresql", "mariadb"])
def test_random_changes_go_there_and_back(name: str, url_of: Callable[[str], str], tmp_path: Path) -> None:
    url = url_of(name)
    folder = tmp_path / "migrations"
    folder.mkdir()
    count = EXAMPLES or {"sqlite": 40, "postgresql": 5, "mariadb": 5}[name]
    phases = [Phase.generate, Phase.shrink] if EXAMPLES else [Phase.generate]

    @settings(max_examples=count, derandomize=not EXAMPLES, phases=phases, **COMMON)
    @given(cases())
    def check(case: tuple[Models, Models, Renames]) -> None:
        round_trip(url, folder, *case)

    check()
