"""What a database's schema is, so that two can be compared: a migrated one and a new one, that of a server and that of the models."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from sqlalchemy import Connection, inspect, text
from sqlalchemy.engine.reflection import Inspector
from sqlalchemy.exc import SAWarning
from sqlalchemy.types import Enum, NullType

from erlen.migrations.sqlite_table import TableText, parse_table

__all__ = ["OWN_TABLES", "Schema", "differences", "schema_of", "unique_constraints"]

OWN_TABLES = ("erlen_migrations", "alembic_version")
"""Tables that keep account of migrations, and belong to no model."""
Schema: TypeAlias = Mapping[str, str]
"""Each part of a schema, by what names it (`table book`, `column book.title`), and what it is."""


def schema_of(connection: Connection) -> dict[str, str]:
    """Describe the tables, columns, keys, constraints, indexes, comments, enums, views and triggers of a database.

    Names that a database makes up, and the order of columns, are no part of it. Nor are the names of constraints on SQLite, where they
    may have none.
    """
    inspector = inspect(connection)
    found: dict[str, str] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SAWarning)  # of types and indexes that SQLAlchemy does not know
        for schema in _schemas(inspector, connection):
            for table in sorted(inspector.get_table_names(schema=schema)):
                if table not in OWN_TABLES:
                    found |= dict(_table(inspector, connection, table, schema))
            for view in inspector.get_view_names(schema=schema):
                found[f"view {_full(schema, view)}"] = _plain(str(inspector.get_view_definition(view, schema=schema)))
    if connection.dialect.name == "postgresql":
        enums: Sequence[Mapping[str, Any]] = inspector.get_enums(schema="*")  # type: ignore[attr-defined]
        found |= {f"enum {_full(_named(each['schema']), each['name'])}": ", ".join(each["labels"]) for each in enums}
    found |= {f"trigger {name}": _plain(body) for name, body in _triggers(connection)}
    return found


def differences(wanted: Schema, found: Schema) -> list[str]:
    """Return a line for each part that one of two schemas lacks or has otherwise."""
    lines = [f"{part} is missing: {wanted[part]}" for part in sorted(wanted.keys() - found.keys())]
    lines += [f"{part} is extra: {found[part]}" for part in sorted(found.keys() - wanted.keys())]
    changed = sorted(part for part in wanted.keys() & found.keys() if wanted[part] != found[part])
    return lines + [f"{part} is {found[part]}, not {wanted[part]}" for part in changed]


def unique_constraints(
    connection: Connection, table: str, schema: str | None, told: Sequence[Mapping[str, Any]]
) -> Sequence[Mapping[str, Any]]:
    """Return all UNIQUE constraints of a table.

    On SQLite the inspector looks for them in the text of the table, and misses some, such as that of `email VARCHAR(100) UNIQUE`. SQLite
    itself knows them all, but not their names: one that the inspector misses has None, unless it is written with its column.

    Args:
        connection: to the database.
        table: the table's name.
        schema: its schema; None for the default one.
        told: what `Inspector.get_unique_constraints` says of it.
    """
    if connection.dialect.name != "sqlite":
        return told
    columns: dict[str, list[str]] = {}
    for index, column in connection.execute(text(_SQLITE_UNIQUES), {"table": table, "schema": schema or "main"}):
        columns.setdefault(index, []).append(column)
    known = [each["column_names"] for each in told]
    missed = [names for names in columns.values() if names not in known]
    if not missed:
        return told
    written = parse_table(str(connection.scalar(text(_sqlite_table(schema, connection)), {"table": table})))
    return [*told, *({"name": _sqlite_name(written, names), "column_names": names} for names in missed)]


def _sqlite_table(schema: str | None, connection: Connection) -> str:
    master = f"{connection.dialect.identifier_preparer.quote(schema or 'main')}.sqlite_master"
    return f"SELECT sql FROM {master} WHERE type = 'table' AND lower(name) = lower(:table)"  # noqa: S608 - a quoted name


def _sqlite_name(table: TableText, columns: Sequence[str]) -> str | None:
    """Return the name of a UNIQUE that is written with its column, if it has one."""
    column = table.column(columns[0]) if len(columns) == 1 else None
    return next((clause.name for clause in column.clauses if clause.kind == "unique" and clause.name), None) if column else None


def _table(inspector: Inspector, connection: Connection, table: str, schema: str | None) -> Iterator[tuple[str, str]]:
    full = _full(schema, table)
    comment, named = _comment(inspector, table, schema), connection.dialect.name != "sqlite"
    yield f"table {full}", f"table{comment}"
    key = inspector.get_pk_constraint(table, schema=schema)
    for column in inspector.get_columns(table, schema=schema):
        if column["name"] in key["constrained_columns"]:
            column["nullable"] = False  # SQLite need not say so
        yield f"column {full}.{column['name']}", _column(column, connection)
    if key["constrained_columns"]:
        yield f"primary key of {full}", _list(key["constrained_columns"])
    for foreign in inspector.get_foreign_keys(table, schema=schema):
        options = {name: value for name, value in foreign.get("options", {}).items() if value and (name, value) not in _DEFAULT_OPTIONS}
        target = _full(foreign["referred_schema"], foreign["referred_table"])
        what = f"{_list(foreign['constrained_columns'])} → {target} {_list(foreign['referred_columns'])} {options or ''}"
        yield f"foreign key {full} {(named and foreign['name']) or _list(foreign['constrained_columns'])}", what.strip()
    unique = unique_constraints(connection, table, schema, inspector.get_unique_constraints(table, schema=schema))
    doubled = {each["name"] for each in unique if connection.dialect.name in ("mysql", "mariadb")}  # there each is an index too
    for each in unique:
        yield f"unique {full} {(named and each['name']) or _list(each['column_names'])}", _list(each["column_names"])
    for check in inspector.get_check_constraints(table, schema=schema):
        yield f"check {full} {(named and check['name']) or _plain(check['sqltext'])}", _plain(check["sqltext"])
    for index in inspector.get_indexes(table, schema=schema):
        if index.get("duplicates_constraint") or index["name"] in doubled:
            continue
        parts = [str(part) for part in index.get("expressions", index["column_names"])]
        said = {name: str(value) for name, value in index.get("dialect_options", {}).items()}
        options = {name: value for name, value in said.items() if value not in ("", "[]", "False", "None")}
        unique_word = "unique " if index["unique"] else ""
        yield f"index {full} {index['name']}", f"{unique_word}{_list(parts)} {_plain(str(options)) if options else ''}".strip()


def _column(column: Mapping[str, Any], connection: Connection) -> str:
    kind = column["type"]
    if isinstance(kind, Enum):
        shown = f"enum {kind.name or ''}{kind.enums}"
    else:  # a type that SQLAlchemy does not know cannot be written
        shown = "unknown" if isinstance(kind, NullType) else str(kind.compile(dialect=connection.dialect))
    parts = [shown, "null" if column["nullable"] else "not null"]
    default = column.get("default")
    if default is not None and "nextval(" not in default:
        parts.append(f"default {_plain(str(default))}")
    if column.get("autoincrement") is True:
        parts.append("counted")
    if (computed := column.get("computed")) is not None:
        parts.append(f"computed {_plain(computed['sqltext'])} {'stored' if computed.get('persisted') else 'virtual'}")
    if column.get("identity") is not None:
        parts.append("identity")
    if column.get("comment"):
        parts.append(f"comment {column['comment']!r}")
    return " ".join(parts)


def _triggers(connection: Connection) -> Iterator[tuple[str, str]]:
    query = _TRIGGERS[connection.dialect.name]
    yield from ((str(name), str(body)) for name, body in connection.execute(text(query)))


def _schemas(inspector: Inspector, connection: Connection) -> list[str | None]:
    if connection.dialect.name != "postgresql":
        return [None]
    names = [_named(name) for name in inspector.get_schema_names() if name != "information_schema" and not name.startswith("pg_")]
    return sorted(names, key=lambda name: name or "")


def _named(schema: str | None) -> str | None:
    return None if schema == "public" else schema


def _full(schema: str | None, name: str) -> str:
    return f"{schema}.{name}" if schema is not None else name


def _comment(inspector: Inspector, table: str, schema: str | None) -> str:
    if inspector.dialect.name == "sqlite":
        return ""
    said = inspector.get_table_comment(table, schema=schema)["text"]
    return f" comment {said!r}" if said else ""


def _list(names: Sequence[str | None]) -> str:
    return f"({', '.join(str(name) for name in names)})"


def _plain(sql: str) -> str:
    """Return SQL without what a database may write otherwise: white space, quotes around names, outer brackets."""
    plain = re.sub(r"\s+", " ", sql).strip().replace('"', "").replace("`", "")
    while plain.startswith("(") and plain.endswith(")") and _matches(plain):
        plain = plain[1:-1].strip()
    return plain


def _matches(sql: str) -> bool:
    """Whether the first bracket is closed by the last character."""
    depth = 0
    for place, character in enumerate(sql):
        depth += (character == "(") - (character == ")")
        if depth == 0:
            return place == len(sql) - 1
    return False


_SQLITE_UNIQUES = """
    SELECT list.name, info.name FROM pragma_index_list(:table, :schema) list, pragma_index_info(list.name, :schema) info
    WHERE list.origin = 'u' ORDER BY list.seq DESC, info.seqno
"""
_DEFAULT_OPTIONS = {("onupdate", "NO ACTION"), ("ondelete", "NO ACTION"), ("onupdate", "RESTRICT"), ("ondelete", "RESTRICT")}
_TRIGGERS = {
    "sqlite": "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'",
    "postgresql": "SELECT tgname, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal",
    "mysql": "SELECT trigger_name, action_statement FROM information_schema.triggers WHERE trigger_schema = DATABASE()",
    "mariadb": "SELECT trigger_name, action_statement FROM information_schema.triggers WHERE trigger_schema = DATABASE()",
}
