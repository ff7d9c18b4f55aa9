"""What a database has: its tables with all that belongs to them, read once, as SQLAlchemy's inspector tells it."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, Dialect, TextClause, inspect, text
from sqlalchemy.engine.reflection import Inspector, ObjectKind
from sqlalchemy.exc import SAWarning
from sqlalchemy.types import NullType

from erlen.errors import ErlenError
from erlen.migrations.schema import OWN_TABLES, unique_constraints

__all__ = ["Choose", "ForeignKey", "Found", "Index", "Key", "Table", "read_database"]

Key = tuple[str | None, str]
"""A table's schema, None for the default one, and its name."""
Reflected = Mapping[str, Any]


class ForeignKey(Struct, frozen=True, kw_only=True):
    """What refers to another table, or to its own."""

    name: str | None
    columns: tuple[str, ...]
    target: Key
    target_columns: tuple[str, ...]
    options: dict[str, Any]
    """`ondelete`, `deferrable` and so on, as SQLAlchemy's `ForeignKey` takes them; what says the default is left out."""


class Index(Struct, frozen=True, kw_only=True):
    """An index that no constraint makes."""

    name: str
    parts: tuple[str, ...]
    """Columns by name and expressions."""
    columns: bool
    """Whether the parts are columns, all of them, in their ordinary order."""
    unique: bool
    options: dict[str, Any]


class Table(Struct, kw_only=True, eq=False):
    """A table."""

    key: Key
    columns: list[dict[str, Any]]
    """As SQLAlchemy's `Inspector.get_columns` gives them; a type that SQLAlchemy does not know has its name as `unknown`."""
    primary_key: tuple[str, ...]
    foreign_keys: list[ForeignKey]
    uniques: Sequence[Reflected]
    checks: Sequence[Reflected]
    indexes: list[Index]
    comment: str | None
    options: dict[str, Any]
    notes: list[str] = msgspec.field(default_factory=list)
    """What it has besides, that models do not say."""

    @property
    def name(self) -> str:
        return self.key[1]

    def column(self, name: str) -> dict[str, Any]:
        """Return one of its columns."""
        return next(column for column in self.columns if column["name"] == name)

    def is_unique(self, columns: Sequence[str]) -> bool:
        """Whether no two rows can have the same values in these columns."""
        sets = [self.primary_key, *(unique["column_names"] for unique in self.uniques)]
        sets += [index.parts for index in self.indexes if index.unique and index.columns and not _condition(index)]
        return any(each and set(each) <= set(columns) for each in sets)


class Found(Struct, kw_only=True, eq=False):
    """What a database has."""

    name: str
    """The database's own name."""
    dialect: Dialect
    collation: str | None
    """The ordinary one, on MySQL and MariaDB."""
    tables: dict[Key, Table]
    views: dict[Key, list[str]]
    """The columns of views."""


class Choose(Struct, frozen=True, kw_only=True):
    """Which tables to read."""

    only: tuple[str, ...] = ()
    """Names or patterns such as `shop_*`; empty for all."""
    exclude: tuple[str, ...] = ()
    schemas: tuple[str | None, ...] = (None,)
    """None stands for the default schema."""

    def takes(self, name: str) -> bool:
        """Whether a table is wanted."""
        return (not self.only or _matches(name, self.only)) and not _matches(name, self.exclude)


def read_database(connection: Connection, choose: Choose | None = None) -> Found:
    """Read the tables and views of a database; those that keep account of migrations are left out.

    Raises:
        ErlenError: for a schema that is not there, or a table that was asked for by name.
    """
    choose = choose or Choose()
    inspector = inspect(connection)
    dialect = connection.dialect.name
    found = Found(
        name=str(connection.engine.url.database or "").replace("\\", "/").rpartition("/")[2],
        dialect=connection.dialect,
        collation=connection.scalar(text("SELECT @@collation_database")) if dialect in ("mysql", "mariadb") else None,
        tables={},
        views={},
    )
    _check_schemas(inspector, choose)
    there: list[str] = []
    schemas = dict.fromkeys(None if schema == inspector.default_schema_name else schema for schema in choose.schemas)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SAWarning)  # of types and indexes that SQLAlchemy does not know: they are read here
        for schema in schemas:
            hidden = _hidden(connection, schema)
            names = [name for name in inspector.get_table_names(schema) if name not in OWN_TABLES and name not in hidden]
            if chosen := [name for name in names if choose.takes(name)]:
                found.tables |= {table.key: table for table in _tables(inspector, connection, schema, chosen)}
            views = [*inspector.get_view_names(schema), *(inspector.get_materialized_view_names(schema) if dialect == "postgresql" else ())]
            views = [name for name in views if name not in hidden]
            found.views |= {(schema, view): _names(inspector.get_columns(view, schema)) for view in filter(choose.takes, views)}
            there += [*names, *views]
        for table in found.tables.values():
            _complete(connection, table)
            table.indexes.sort(key=lambda index: index.name)
    if missing := [pattern for pattern in choose.only if not any(_matches(name, (pattern,)) for name in there)]:
        raise ErlenError(f"the database {found.name} has no table {', '.join(map(repr, missing))}")
    return found


def _tables(inspector: Inspector, connection: Connection, schema: str | None, names: Sequence[str]) -> Iterator[Table]:
    """Read tables with one question for all where the database can answer that."""
    of: dict[str, Any] = {"schema": schema, "filter_names": names, "kind": ObjectKind.TABLE}
    columns, keys = inspector.get_multi_columns(**of), inspector.get_multi_pk_constraint(**of)
    foreign, uniques = inspector.get_multi_foreign_keys(**of), inspector.get_multi_unique_constraints(**of)
    checks, indexes = inspector.get_multi_check_constraints(**of), inspector.get_multi_indexes(**of)
    said: Mapping[Any, Any] = inspector.get_multi_table_comment(**of) if inspector.dialect.supports_comments else {}
    options: Mapping[Any, Any] = inspector.get_multi_table_options(**of) if inspector.dialect.name == "sqlite" else {}
    for name in names:
        key = schema, name
        order = [column["name"] for column in columns[key]]
        foreign_keys = sorted((_foreign_key(each) for each in foreign.get(key, ())), key=lambda each: order.index(each.columns[0]))
        unique = unique_constraints(connection, name, schema, uniques.get(key, ()))
        unique = sorted(unique, key=lambda each: order.index(each["column_names"][0]))
        # MySQL makes an index for each unique constraint and, where there is none, for each foreign key.
        doubled = {each["name"] for each in unique}
        implied = {(each.name, each.columns) for each in foreign_keys} if inspector.dialect.name in ("mysql", "mariadb") else set()
        yield Table(
            key=key,
            columns=[dict(column) for column in columns[key]],
            primary_key=tuple(keys[key]["constrained_columns"]) if key in keys else (),
            foreign_keys=foreign_keys,
            uniques=unique,
            checks=list(checks.get(key, ())),
            indexes=[
                _index(each)
                for each in indexes.get(key, ())
                if not each.get("duplicates_constraint")
                and each["name"] not in doubled
                and (each["name"], tuple(each["column_names"])) not in implied
            ],
            comment=said.get(key, {}).get("text"),
            options=dict(options.get(key, {})),
        )


def _foreign_key(given: Reflected) -> ForeignKey:
    options = {name: value for name, value in given.get("options", {}).items() if value and value not in ("NO ACTION", "IMMEDIATE")}
    return ForeignKey(
        name=given["name"],
        columns=tuple(given["constrained_columns"]),
        target=(given["referred_schema"], given["referred_table"]),
        target_columns=tuple(given["referred_columns"]),
        options={name: value for name, value in options.items() if (name, value) != ("match", "SIMPLE")},
    )


def _index(given: Reflected) -> Index:
    sorting: Mapping[str, Sequence[str]] = given.get("column_sorting") or {}
    parts: Sequence[Any] = given.get("expressions") or given["column_names"]
    ordered = [f"{part} {' '.join(sorting[part]).replace('_', ' ').upper()}" if part in sorting else part for part in parts]
    said: Mapping[str, Any] = given.get("dialect_options") or {}
    plain = {name: value.text if isinstance(value, TextClause) else value for name, value in said.items()}
    options = {name: value for name, value in plain.items() if value}
    columns = given.get("expressions") is None and not sorting
    return Index(name=given["name"], parts=tuple(ordered), columns=columns, unique=bool(given["unique"]), options=options)


def _condition(index: Index) -> bool:
    return any(name.endswith("_where") for name in index.options)


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _check_schemas(inspector: Inspector, choose: Choose) -> None:
    there = inspector.get_schema_names()
    if missing := [schema for schema in choose.schemas if schema is not None and schema not in there]:
        raise ErlenError(f"the database has no schema {', '.join(map(repr, missing))}, only {', '.join(there)}")


def _names(columns: Sequence[Reflected]) -> list[str]:
    return [column["name"] for column in columns]


def _hidden(connection: Connection, schema: str | None) -> set[str]:
    """Return what is no table of its own: partitions of others, and what belongs to an extension of PostgreSQL."""
    if connection.dialect.name != "postgresql":
        return set()
    return set(connection.scalars(text(_HIDDEN), {"schema": schema}))


_HIDDEN = """
    SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = coalesce(:schema, current_schema()) AND (c.relispartition OR EXISTS (
        SELECT 1 FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'))
"""


# -- what SQLAlchemy's inspector leaves out ------------------------------------------------------------------------------------


def _complete(connection: Connection, table: Table) -> None:
    """Add what the inspector does not tell: types and indexes that SQLAlchemy does not know, and what models cannot say."""
    _ADDITIONS[connection.dialect.name](connection, table)


def _sqlite(connection: Connection, table: Table) -> None:
    rows = connection.execute(text("SELECT type, name, sql FROM sqlite_master WHERE tbl_name = :name"), {"name": table.name})
    # The inspector takes no options from a foreign key that leaves the columns which it refers to unsaid.
    for row in connection.exec_driver_sql(f"PRAGMA foreign_key_list({connection.dialect.identifier_preparer.quote(table.name)})"):
        for foreign in table.foreign_keys:
            if row[3] in foreign.columns and row[2].lower() == foreign.target[1].lower():
                said = {"onupdate": row[5], "ondelete": row[6]}
                foreign.options.update({name: value for name, value in said.items() if value != "NO ACTION"})
    known = {index.name for index in table.indexes}
    for kind, name, sql in rows:
        if kind == "table":
            if re.search(r"\bAUTOINCREMENT\b", sql, re.IGNORECASE):
                table.options["sqlite_autoincrement"] = True
            for column in filter(lambda column: column.get("computed"), table.columns):
                # The inspector goes too far where two of them stand on one line.
                quoted = rf"""["'`\[]?{re.escape(column["name"])}["'`\]]?\s[^,]*?\bAS\s*(?=\()"""
                if where := re.search(quoted, sql, re.IGNORECASE):
                    column["computed"]["sqltext"] = sql[where.end() + 1 : _split(sql, where.end())[1] - 1]
        elif kind == "index" and sql and name not in known:
            table.indexes.append(_expression_index(name, sql))
        elif kind == "trigger":
            table.notes.append(f"the trigger {name}")


def _expression_index(name: str, sql: str) -> Index:
    """Read the statement that made an index."""
    begin = sql.index("(", re.search(r"\bON\b", sql, re.IGNORECASE).end())  # type: ignore[union-attr]  # each has it
    parts, end = _split(sql, begin)
    where = re.match(r"\s*WHERE\s+(.+)", sql[end:], re.IGNORECASE | re.DOTALL)
    options = {"sqlite_where": where.group(1)} if where else {}
    unique = re.match(r"\s*CREATE\s+UNIQUE", sql, re.IGNORECASE) is not None
    return Index(name=name, parts=tuple(parts), columns=False, unique=unique, options=options)


def _split(sql: str, begin: int) -> tuple[list[str], int]:
    """Return what stands between the bracket at a place and the one that closes it, apart at its commas; and where it ends."""
    parts, depth, start = [], 0, begin + 1
    for mark in re.finditer(r"'(?:[^']|'')*'|\"[^\"]*\"|[(),]", sql[begin:]):
        place, character = begin + mark.start(), mark.group()
        depth += (character == "(") - (character == ")")
        if (depth == 1 and character == ",") or depth == 0:
            parts.append(sql[start:place].strip())
            start = place + 1
        if depth == 0:
            return parts, place + 1
    return parts, len(sql)


def _postgresql(connection: Connection, table: Table) -> None:
    of = {"schema": table.key[0], "name": table.name}
    if unknown := [column for column in table.columns if isinstance(column["type"], NullType)]:
        kinds = {row.attname: row.format_type for row in connection.execute(text(_POSTGRESQL_TYPES), of)}
        for column in unknown:
            column["unknown"] = kinds[column["name"]]
    counted = set(connection.scalars(text(_POSTGRESQL_COUNTED), of))
    for column in table.columns:
        column["serial"] = column["name"] in counted and not column.get("identity")
    if partitions := connection.scalar(text(_POSTGRESQL_PARTITIONS), of):
        table.options["postgresql_partition_by"] = partitions
    table.notes += connection.scalars(text(_POSTGRESQL_REST), of)


_OF_TABLE = "(SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace\
 WHERE n.nspname = coalesce(:schema, current_schema()) AND c.relname = :name)"
_POSTGRESQL_TYPES = f"SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = {_OF_TABLE} AND attnum > 0"  # noqa: S608 - fixed text
# Whose sequence is the column's own, whatever it is called.
_POSTGRESQL_COUNTED = f"""
    SELECT a.attname FROM pg_attribute a JOIN pg_depend d ON d.refobjid = a.attrelid AND d.refobjsubid = a.attnum
    JOIN pg_class s ON s.oid = d.objid WHERE s.relkind = 'S' AND d.deptype = 'a' AND a.attrelid = {_OF_TABLE}
"""  # noqa: S608 - fixed text
_POSTGRESQL_PARTITIONS = f"SELECT pg_get_partkeydef(partrelid) FROM pg_partitioned_table WHERE partrelid = {_OF_TABLE}"  # noqa: S608 - fixed text
_POSTGRESQL_REST = f"""
    SELECT 'the constraint ' || conname || ': ' || pg_get_constraintdef(oid) FROM pg_constraint
    WHERE contype = 'x' AND conrelid = {_OF_TABLE}
    UNION ALL SELECT 'the trigger ' || tgname FROM pg_trigger WHERE NOT tgisinternal AND tgrelid = {_OF_TABLE}
    ORDER BY 1
"""  # noqa: S608 - fixed text


def _mysql(connection: Connection, table: Table) -> None:
    of = {"schema": table.key[0], "name": table.name}
    for column in table.columns:
        if isinstance(column["type"], NullType):
            column["unknown"] = connection.scalar(text(_MYSQL_TYPE), of | {"column": column["name"]})
    if getattr(
        connection.dialect, "is_mariadb", False
    ):  # which says JSON with a CHECK that SQLAlchemy does not see, as those of other columns
        for name, check in connection.execute(text(_MARIADB_CHECKS), of):
            if check == f"json_valid(`{name}`)":
                table.column(name)["json"] = True
            else:
                table.notes.append(f"the check of {name}: {check}")
    table.notes += [f"the trigger {name}" for name in connection.scalars(text(_MYSQL_TRIGGERS), of)]


_MYSQL_TYPE = """
    SELECT column_type FROM information_schema.columns
    WHERE table_schema = coalesce(:schema, DATABASE()) AND table_name = :name AND column_name = :column
"""
_MARIADB_CHECKS = """
    SELECT constraint_name, check_clause FROM information_schema.check_constraints
    WHERE constraint_schema = coalesce(:schema, DATABASE()) AND table_name = :name AND level = 'Column' ORDER BY 1
"""
_MYSQL_TRIGGERS = """
    SELECT trigger_name FROM information_schema.triggers
    WHERE event_object_schema = coalesce(:schema, DATABASE()) AND event_object_table = :name ORDER BY 1
"""
_ADDITIONS = {"sqlite": _sqlite, "postgresql": _postgresql, "mysql": _mysql, "mariadb": _mysql}
