"""What a schema is made of, part by part: as a database has it, and as models or earlier migrations declare it."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias

import sqlalchemy as sa
from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy import Connection, Dialect, inspect
from sqlalchemy.engine.reflection import Inspector
from sqlalchemy.exc import CompileError, SAWarning
from sqlalchemy.sql.ddl import sort_tables_and_constraints

from erlen.migrations.schema import OWN_TABLES, unique_constraints

__all__ = ["Check", "Detail", "Facts", "Foreign", "Index", "Key", "Name", "Part", "State", "TableState", "Unique", "read_state"]

Name: TypeAlias = tuple[str | None, str]
"""A table: its schema, None for the one that is not said, and its name."""
Options: TypeAlias = tuple[tuple[str, Any], ...]


class Facts(Struct, frozen=True, kw_only=True):
    """What a database says of a column, as text that can be compared."""

    type: str
    nullable: bool
    default: str | None = None
    computed: str | None = None
    stored: bool = False
    identity: str | None = None
    counted: bool = False
    """Whether the database counts it by itself."""
    comment: str | None = None


class Column(Struct, kw_only=True):
    """A column: what a database says of it, and what it is written from."""

    facts: Facts
    item: sa.Column[Any]
    declared: bool = False
    """Whether `item` is what models or migrations say, not what the database says."""


class Key(Struct, frozen=True):
    """A primary key."""

    columns: tuple[str, ...]
    name: str | None = None


class Unique(Struct, frozen=True):
    """A UNIQUE constraint."""

    columns: tuple[str, ...]
    name: str | None = None
    options: Options = ()


class Foreign(Struct, frozen=True):
    """A FOREIGN KEY constraint."""

    columns: tuple[str, ...]
    table: Name
    target: tuple[str, ...]
    name: str | None = None
    options: Options = ()


class Check(Struct, frozen=True):
    """A CHECK constraint, or another that is told by its SQL."""

    sql: str
    name: str | None = None


class Index(Struct, frozen=True):
    """An index; its parts are names of columns, or `SQL`."""

    parts: tuple[str, ...]
    name: str | None = None
    unique: bool = False
    options: Options = ()
    sql: str = ""
    """The whole statement, where nothing else says it."""


Detail: TypeAlias = Unique | Foreign | Check | Index
KINDS: Mapping[type, str] = {Unique: "unique", Foreign: "foreign key", Check: "check", Index: "index"}


class Part(Struct, kw_only=True):
    """A constraint or index: as a database says it, and what it is written from."""

    facts: Detail
    item: Detail
    declared: bool = False
    """Whether `item` is what models or migrations say."""

    @property
    def kind(self) -> str:
        return KINDS[type(self.facts)]


class TableState(Struct, kw_only=True):
    """A table."""

    name: Name
    columns: dict[str, Column]
    key: Key | None = None
    parts: dict[tuple[str, str], Part]
    """By kind and name; what has no name, by what it says."""
    comment: str | None = None
    said_comment: str | None = None
    """The comment that models or migrations give it, also where the database keeps none."""

    @property
    def fullname(self) -> str:
        return full_name(self.name)


class State(Struct, kw_only=True):
    """A schema."""

    dialect: str
    tables: dict[Name, TableState]
    enums: dict[Name, tuple[str, ...]]
    """PostgreSQL's types of enumerated values."""


def full_name(name: Name) -> str:
    """Return a table's name with its schema."""
    return name[1] if name[0] is None else f"{name[0]}.{name[1]}"


def part_key(detail: Detail) -> tuple[str, str]:
    """Return what a constraint or index is found by."""
    return KINDS[type(detail)], detail.name or repr(replace(detail, name=None))


def key_in(parts: Mapping[tuple[str, str], Part], detail: Detail) -> tuple[str, str] | None:
    """Return the key of what declares a part; MySQL tells unique indexes from constraints no more."""
    kind, name = part_key(detail)
    kinds = (kind, "unique") if isinstance(detail, Index) and detail.unique else (kind,)
    return next(((each, name) for each in kinds if (each, name) in parts), None)


# -- as a database has it ---------------------------------------------------------------------------------------------------


def read_state(connection: Connection) -> State:
    """Read the tables and enumerated types of a database, but for those that keep account of migrations."""
    inspector = inspect(connection)
    dialect = connection.dialect.name
    tables: dict[Name, TableState] = {}
    enums: dict[Name, tuple[str, ...]] = {}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Skipped unsupported reflection of expression|Did not recognize type", SAWarning)
        for schema in schemas_of(inspector):
            for table in sorted(inspector.get_table_names(schema=schema)):
                if table not in OWN_TABLES:
                    tables[schema, table] = _read_table(inspector, connection, (schema, table))
    if dialect == "postgresql":
        found: Any = inspector
        for each in found.get_enums(schema="*"):
            enums[None if each["schema"] == inspector.default_schema_name else each["schema"], each["name"]] = tuple(each["labels"])
    return State(dialect=dialect, tables=tables, enums=enums)


def schemas_of(inspector: Inspector) -> list[str | None]:
    """Return the schemas of a database that may hold tables of models, the default one as None."""
    if inspector.dialect.name != "postgresql":
        return [None]
    default = inspector.default_schema_name
    names = [name for name in inspector.get_schema_names() if name != "information_schema" and not name.startswith("pg_")]
    return [None, *(name for name in names if name != default)]


def _read_table(inspector: Inspector, connection: Connection, name: Name) -> TableState:
    schema, table = name
    columns = {each["name"]: _read_column(each, connection.dialect) for each in inspector.get_columns(table, schema=schema)}
    key = inspector.get_pk_constraint(table, schema=schema)
    details = [*_read_constraints(inspector, connection, name), *_read_indexes(inspector, connection, name)]
    comment = None if connection.dialect.name == "sqlite" else inspector.get_table_comment(table, schema=schema)["text"]
    return TableState(
        name=name,
        columns=columns,
        key=Key(tuple(key["constrained_columns"]), key["name"]) if key["constrained_columns"] else None,
        parts={part_key(detail): Part(facts=detail, item=detail) for detail in details},
        comment=comment or None,
        said_comment=comment or None,
    )


def _read_column(found: Mapping[str, Any], dialect: Dialect) -> Column:
    kind, default = found["type"], found.get("default")
    computed, identity = found.get("computed"), found.get("identity")
    counted = found.get("autoincrement") is True or (default is not None and str(default).startswith("nextval("))
    if counted:
        default = None
    extra: list[Any] = []
    if computed is not None:
        extra.append(sa.Computed(computed["sqltext"], persisted=computed.get("persisted")))
    if identity is not None:
        extra.append(sa.Identity(**identity))
    item: sa.Column[Any] = sa.Column(
        found["name"],
        kind,
        *extra,
        nullable=found["nullable"],
        server_default=sa.text(str(default).replace(":", "\\:")) if default is not None and computed is None else None,
        comment=found.get("comment") or None,
        autoincrement=True if counted else "auto",
    )
    facts = Facts(
        type=type_text(kind, dialect),
        nullable=found["nullable"],
        default=plain(str(default)) if default is not None and computed is None else None,
        computed=None if computed is None else plain(computed["sqltext"]),
        stored=computed is not None and bool(computed.get("persisted")),
        identity=None if identity is None else repr(sorted(identity.items())),
        counted=counted and identity is None,
        comment=found.get("comment") or None,
    )
    return Column(facts=facts, item=item)


def type_text(kind: sa.types.TypeEngine[Any], dialect: Dialect) -> str:
    """Return a column type as the database says it."""
    if isinstance(kind, sa.Enum) and dialect.name == "postgresql":
        return full_name((kind.schema, str(kind.name)))
    try:
        shown = str(kind.compile(dialect=dialect))
    except CompileError:
        return repr(kind)
    if dialect.name == "sqlite":
        return shown
    return _SAME.get(shown, shown)


_SAME = {"INTEGER(11)": "INTEGER", "BIGINT(20)": "BIGINT", "SMALLINT(6)": "SMALLINT"}


def _read_constraints(inspector: Inspector, connection: Connection, name: Name) -> Iterator[Detail]:
    schema, table = name
    for each in unique_constraints(connection, table, schema, inspector.get_unique_constraints(table, schema=schema)):
        yield Unique(tuple(map(str, each["column_names"])), each["name"], _options(each.get("dialect_options")))
    for foreign in inspector.get_foreign_keys(table, schema=schema):
        options = {
            option: value
            for option, value in foreign.get("options", {}).items()
            if value and not (option in ("onupdate", "ondelete") and value in ("NO ACTION", "RESTRICT") and not _knows_restrict(inspector))
        }
        yield Foreign(
            tuple(foreign["constrained_columns"]),
            (foreign["referred_schema"], foreign["referred_table"]),
            tuple(foreign["referred_columns"]),
            foreign["name"],
            _options(options),
        )
    for check in inspector.get_check_constraints(table, schema=schema):
        yield Check(plain(check["sqltext"]), check["name"])


def _knows_restrict(inspector: Inspector) -> bool:
    return inspector.dialect.name == "postgresql"


def _read_indexes(inspector: Inspector, connection: Connection, name: Name) -> Iterator[Index]:
    schema, table = name
    dialect = connection.dialect.name
    if dialect == "sqlite":
        statement = sa.text("SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name = :table AND sql IS NOT NULL")
        sql_of = dict(tuple(row) for row in connection.execute(statement, {"table": table}))
    else:
        sql_of = {}
    seen = set()
    # MySQL and MariaDB make an index for a foreign key that has none, with its name.
    implicit = {each["name"] for each in inspector.get_foreign_keys(table, schema=schema)} if dialect in ("mysql", "mariadb") else set()
    unique = {each["name"] for each in inspector.get_unique_constraints(table, schema=schema)}
    for each in inspector.get_indexes(table, schema=schema):
        if each.get("duplicates_constraint") or (each["name"] in unique and dialect in ("mysql", "mariadb")):
            continue
        seen.add(each["name"])
        if each["name"] in implicit and not each["unique"]:
            continue
        sorting = each.get("column_sorting", {})
        names = each.get("expressions", each["column_names"])
        plainly = each["column_names"]
        parts: list[str] = []
        for part, column in zip(names, plainly, strict=True):
            order = " ".join(word.replace("_", " ").upper() for word in sorting.get(str(part), ()))
            parts.append(str(part) if column is not None and not order else SQL(f"({part}){' ' + order if order else ''}"))
        options = _options(each.get("dialect_options"))
        yield Index(tuple(parts), each["name"], bool(each["unique"]), options, plain(sql_of.get(each["name"], "")))
    for index, sql in sql_of.items():
        if index not in seen:
            yield Index((), index, "UNIQUE INDEX" in sql.upper(), (), plain(sql))


def _options(found: Mapping[str, Any] | None) -> Options:
    """Return options that say something, the same for the same."""
    return tuple(sorted((name, _option(value)) for name, value in (found or {}).items() if isinstance(value, sa.ClauseElement) or value))


def _option(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(value)
    if isinstance(value, dict):
        return tuple(sorted(value.items()))
    return plain(str(value)) if isinstance(value, sa.ClauseElement) else value


def plain(sql: str) -> str:
    """Return SQL without what a database may write otherwise: white space, and brackets around the whole."""
    text = re.sub(r"\s+", " ", sql).strip()
    while text.startswith("(") and text.endswith(")") and _matches(text):
        text = text[1:-1].strip()
    return text


def _matches(sql: str) -> bool:
    """Whether the first bracket is closed by the last character."""
    depth = 0
    for place, character in enumerate(sql):
        depth += (character == "(") - (character == ")")
        if depth == 0:
            return place == len(sql) - 1
    return False


def with_names_of(found: State, other: State) -> State:
    """Give UNIQUE constraints without a name, as SQLite has them, the names that another schema has for the same columns."""
    tables = dict(found.tables)
    for name, table in found.tables.items():
        named = {
            part.facts.columns: part.facts
            for key, part in (other.tables[name].parts if name in other.tables else {}).items()
            if isinstance(part.facts, Unique) and part.facts.name is not None and key not in table.parts
        }
        parts = [_named(part, named) for part in table.parts.values()]
        tables[name] = replace(table, parts={part_key(part.facts): part for part in parts})
    return replace(found, tables=tables)


def _named(part: Part, named: Mapping[tuple[str, ...], Unique]) -> Part:
    facts = part.facts
    if isinstance(facts, Unique) and facts.name is None and facts.columns in named:
        return replace(part, facts=replace(facts, name=named[facts.columns].name))
    return part


# -- as models and operations declare it ------------------------------------------------------------------------------------


def declare(state: State, tables: Iterable[sa.Table], dialect: Dialect) -> None:
    """Let the parts of a schema that was read be written from what declares them."""
    for table in tables:
        found = state.tables.get((table.schema, table.name))
        if found is not None:
            _declare_table(found, table, dialect)


def _declare_table(found: TableState, table: sa.Table, dialect: Dialect) -> None:
    for column in table.columns:
        if column.name in found.columns:
            found.columns[column.name] = Column(facts=found.columns[column.name].facts, item=column, declared=True)
    found.said_comment = table.comment
    left = dict(found.parts)
    unnamed: list[Detail] = []
    for detail in details_of(table, dialect):
        key = key_in(left, detail)
        if key is not None:
            part = left.pop(key)
            part.item, part.declared = detail, True
        else:
            unnamed.append(detail)
    for detail in unnamed:
        for key, part in left.items():
            if type(part.facts) is type(detail) and getattr(part.facts, "columns", None) == getattr(detail, "columns", None):
                del left[key]
                part.item, part.declared = detail, True
                break
    if found.key is not None:
        found.key = Key(found.key.columns, name_of(table.primary_key, dialect) or found.key.name)


def details_of(table: sa.Table, dialect: Dialect) -> Iterator[Detail]:
    """Return the constraints and indexes that a table declares, but for its primary key."""
    make_compiler: Any = dialect.ddl_compiler
    compiler = make_compiler(dialect, None)
    for constraint in sorted(table.constraints, key=lambda each: getattr(each, "_creation_order", 0)):
        rule = getattr(constraint, "_create_rule", None)
        if rule is not None and not rule(compiler):
            continue
        name = name_of(constraint, dialect)
        deferrable = {"deferrable": constraint.deferrable, "initially": constraint.initially}
        if isinstance(constraint, sa.UniqueConstraint):
            own = {key: value for key, value in constraint.dialect_kwargs.items() if value}
            yield Unique(tuple(column.name for column in constraint.columns), name, _options({**deferrable, **own}))
        elif isinstance(constraint, sa.ForeignKeyConstraint):
            referred = [element.column for element in constraint.elements]
            target: Any = referred[0].table
            options = {"ondelete": constraint.ondelete, "onupdate": constraint.onupdate, "match": constraint.match, **deferrable}
            yield Foreign(
                tuple(column.name for column in constraint.columns),
                (target.schema, target.name),
                tuple(column.name for column in referred),
                name,
                _options(options),
            )
        elif isinstance(constraint, sa.CheckConstraint):
            yield Check(sql_of(constraint.sqltext, dialect), name)
        elif not isinstance(constraint, sa.PrimaryKeyConstraint):
            yield Check(str(sa.schema.AddConstraint(constraint).compile(dialect=dialect)).partition(" ADD ")[2], name)
    yield from (index_detail(index, dialect) for index in sorted(table.indexes, key=lambda each: str(each.name)))


def index_detail(index: sa.Index, dialect: Dialect) -> Index:
    """Return what an index declares."""
    expressions: list[Any] = list(index.expressions)
    parts = tuple(each.name if isinstance(each, sa.Column) else SQL(sql_of(each.self_group(), dialect)) for each in expressions)
    options = {key: _written(value, dialect) for key, value in index.dialect_kwargs.items() if value is not None}
    return Index(parts, name_of(index, dialect), bool(index.unique), _options(options))


def _written(value: Any, dialect: Dialect) -> Any:
    if isinstance(value, sa.ClauseElement):
        return SQL(sql_of(value, dialect))
    return [each.name if isinstance(each, sa.Column) else each for each in value] if isinstance(value, list | tuple) else value


class SQL(str):
    """A text that is SQL."""

    __slots__ = ()


def sql_of(expression: Any, dialect: Dialect) -> str:
    """Return an expression as SQL, with its values in it and without the names of tables."""
    options = {"literal_binds": True, "include_table": False}
    if isinstance(expression, str):
        return expression
    return str(expression.compile(dialect=dialect, compile_kwargs=options)).replace("%%", "%")


def name_of(item: sa.Constraint | sa.Index, dialect: Dialect) -> str | None:
    """Return the name that a constraint or index has in a database."""
    preparer: Any = dialect.identifier_preparer
    found = None if item.name is None else preparer.format_constraint(item, _alembic_quote=False)
    return None if found is None else str(found)


def creation_order(tables: Iterable[sa.Table]) -> list[sa.Table]:
    """Return tables in an order in which each comes after those that it refers to, as far as they make no circle."""
    sort: Any = sort_tables_and_constraints
    return [table for table, _ in sort(tables) if table is not None]
