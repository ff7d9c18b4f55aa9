"""Schema items as Python code: what stands in migration files, without anything of the application's or of Erlen's in it."""

from __future__ import annotations

import ast
import json
import keyword
import re
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from msgspec import Struct, field
from sqlalchemy import Dialect
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.exc import CompileError, SQLAlchemyError
from sqlalchemy.sql.elements import False_, True_
from sqlalchemy.sql.functions import GenericFunction
from sqlalchemy.types import TypeDecorator, TypeEngine
from sqlalchemy.util import immutabledict

from erlen.migrations.state import SQL, Check, Column, Detail, Foreign, Index, Key, Name, TableState, Unique, sql_of

__all__ = ["Call", "Renderer", "Text", "escaped", "literal", "show"]

WIDTH = 116
_DIALECTS: tuple[Dialect, ...] = (sqlite.dialect(), postgresql.dialect(), mysql.dialect())  # type: ignore[no-untyped-call]
_MODULES = {"sqlite": sqlite, "postgresql": postgresql, "mysql": mysql}
_MYSQL = ('"mysql"', '"mariadb"')
_LONGEST_NAME = 63
"""PostgreSQL's; MySQL has 64."""


class Text(str):
    """Code as it is."""

    __slots__ = ()


class Call(Struct):
    """A call, which is laid out when it is known how wide it is."""

    name: str
    arguments: Sequence[Any] = ()
    keywords: dict[str, Any] = field(default_factory=dict)
    attribute: Call | None = None
    """A method called on what this gives."""


def show(node: Any, indent: int = 0, before: int = 0) -> str:
    """Return code of calls and literals, in one line where it fits.

    Args:
        node: a `Call`, `Text`, list, or value.
        indent: how far the lines after the first are moved in, in characters.
        before: how many characters stand before it in its first line, beyond `indent`.
    """
    line = _line(node)
    if len(line) + indent + before <= WIDTH or not isinstance(node, Call | list | tuple):
        return line
    inner = " " * (indent + 4)
    if isinstance(node, Call):
        parts = [show(each, indent + 4) for each in node.arguments]
        parts += [f"{key}={show(value, indent + 4, len(key) + 1)}" for key, value in node.keywords.items()]
        rest = _line(node.attribute)[0:] if node.attribute is not None else ""
        if not parts:
            return line
        return f"{node.name}(\n{''.join(f'{inner}{part},{chr(10)}' for part in parts)}{' ' * indent})" + (f".{rest}" if rest else "")
    parts = [show(each, indent + 4) for each in node]
    opening, closing = "[]" if isinstance(node, list) else "()"
    return f"{opening}\n{''.join(f'{inner}{part},{chr(10)}' for part in parts)}{' ' * indent}{closing}"


def _line(node: Any) -> str:
    if isinstance(node, Call):
        parts = [_line(each) for each in node.arguments] + [f"{key}={_line(value)}" for key, value in node.keywords.items()]
        return f"{node.name}({', '.join(parts)})" + (f".{_line(node.attribute)}" if node.attribute is not None else "")
    if isinstance(node, list):
        return f"[{', '.join(map(_line, node))}]"
    if isinstance(node, tuple):
        return f"({', '.join(map(_line, node))}{',' if len(node) == 1 else ''})"
    if isinstance(node, dict):
        return "{" + ", ".join(f"{_line(key)}: {_line(value)}" for key, value in node.items()) + "}"
    return node if isinstance(node, Text) else literal(node)


def literal(value: Any) -> str:
    """Return a value as code, texts in double quotes."""
    if isinstance(value, str):
        text = json.dumps(str(value), ensure_ascii=False)
        return text if ast.literal_eval(text) == value else repr(str(value))
    return repr(value)


class Renderer:
    """Writes the items of one migration, and remembers what they need.

    Args:
        dialect: of the database that the migration is written for; SQL in it is that database's.
    """

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        self._dialects: set[str] = set()
        self.constants: dict[str, str] = {}
        """Types that need more than a word, by the names that they have at the top of the file."""

    @property
    def import_lines(self) -> tuple[str, ...]:
        """What the file imports beyond `sa` and `op`."""
        return (f"from sqlalchemy.dialects import {', '.join(sorted(self._dialects))}",) if self._dialects else ()

    # -- types --------------------------------------------------------------------------------------------------------------

    def type(self, kind: TypeEngine[Any], *, declared: bool = True) -> Text:
        """Return a column type: SQLAlchemy's general one, with variants where databases need others.

        Args:
            kind: the type.
            declared: False for what a database says of a column: then only that database's form is known.
        """
        if (given := _enum_of(kind)) is not None:
            return self._constant(str(given.name or "values"), self._enum(given))
        own = next(each for each in _DIALECTS if each.name == self.dialect.name or each.name == "mysql")
        dialects = _DIALECTS if declared else (own,)
        codes = {dialect.name: _resolved(kind, dialect) for dialect in dialects}
        wanted = {dialect.name: _compiled(codes[dialect.name], dialect) for dialect in dialects}
        if wanted[own.name] is None:
            return self._custom(str(kind.compile(dialect=self.dialect)))
        candidates = [each for code in codes.values() for each in (_general(code), code)]

        def lacking(candidate: TypeEngine[Any]) -> list[Dialect]:
            return [each for each in dialects if wanted[each.name] not in (None, _compiled(candidate, each))]

        def cost(candidate: TypeEngine[Any]) -> tuple[int, bool]:
            special = type(candidate).__module__ != "sqlalchemy.sql.sqltypes"
            return len(lacking(candidate)) + special, special

        best = min(candidates, key=cost)
        others = lacking(best)
        code = self._plain(best, [each for each in dialects if each not in others and wanted[each.name] is not None])
        for dialect in others:
            names = ", ".join(_MYSQL if dialect.name == "mysql" else (f'"{dialect.name}"',))
            code = f"{code}.with_variant({self._plain(codes[dialect.name], [dialect])}, {names})"
        return self._constant(_constant_name(code), code) if others else Text(code)

    def _constant(self, name: str, code: str) -> Text:
        """Return the name of a constant that holds a type."""
        name = "".join(letter if letter.isalnum() else "_" for letter in name).lower().strip("_") or "values"
        name = name if name.isidentifier() and name not in _TAKEN and not keyword.iskeyword(name) else f"{name}_type"
        number = 1
        while self.constants.get(found := name if number == 1 else f"{name}_{number}", code) != code:
            number += 1
        self.constants[found] = code
        return Text(found)

    def _plain(self, kind: TypeEngine[Any], dialects: Sequence[Dialect]) -> str:
        """Return a type's constructor, with the arguments that these databases show."""
        cls = type(kind)
        if not _is_public(cls):
            return self._custom(str(kind.compile(dialect=dialects[0])))
        module = "sa"
        if cls.__module__.startswith("sqlalchemy.dialects."):
            module = cls.__module__.split(".")[2]
            self._dialects.add(module)
        if isinstance(kind, sa.ARRAY):
            dimensions = f", dimensions={kind.dimensions}" if kind.dimensions else ""
            return f"{module}.{cls.__name__}({self.type(kind.item_type, declared=False)}{dimensions})"
        values = [(each.arg, each.value) for each in ast.parse(repr(kind), mode="eval").body.keywords if each.arg]  # type: ignore[attr-defined]
        arguments = {name: ast.literal_eval(value) for name, value in values if isinstance(value, ast.Constant)}
        for name in list(arguments):
            fewer = {key: value for key, value in arguments.items() if key != name}
            try:
                simpler = cls(**fewer)
            except TypeError:
                continue
            if all(_compiled(simpler, each) == _compiled(kind, each) for each in dialects):
                arguments = fewer
        positional = []
        for name in _POSITIONAL:
            if name not in arguments:
                break
            positional.append(literal(arguments.pop(name)))
        if "length" in arguments:
            positional = [literal(arguments.pop("length"))]
        shown = ", ".join([*positional, *(f"{name}={literal(value)}" for name, value in arguments.items())])
        return f"{module}.{cls.__name__}({shown})"

    def _enum(self, kind: sa.Enum) -> str:
        keywords: dict[str, Any] = {"name": str(kind.name)} if kind.name else {}
        if kind.schema:
            keywords["schema"] = kind.schema
        if not kind.native_enum:
            keywords |= {"native_enum": False, "length": kind.length}
        else:
            keywords["create_type"] = False
            if kind.length != max(map(len, kind.enums), default=0):
                keywords["length"] = kind.length
        return _line(Call("sa.Enum", list(kind.enums), keywords))

    def _custom(self, spec: str) -> Text:
        """Return a type that SQLAlchemy does not know, such as `POINT`, by the text that its database knows."""
        name = spec.partition("(")[0]
        body = f'{{"cache_ok": True, "get_col_spec": lambda self, **_: {literal(spec)}}}'
        return self._constant(name, f"type({literal(name)}, (sa.types.UserDefinedType,), {body})()")

    # -- columns ------------------------------------------------------------------------------------------------------------

    def column(self, column: Column, *, default: Any = None, in_key: bool = False) -> Call:
        """Return a column.

        Args:
            column: which.
            default: code of a server default in place of its own, for the moment.
            in_key: whether it is part of the primary key, and so never NULL.
        """
        item = column.item
        arguments: list[Any] = [item.name, self.type(item.type, declared=column.declared)]
        keywords: dict[str, Any] = {}
        if item.computed is not None:
            keywords_of = {} if item.computed.persisted is None else {"persisted": item.computed.persisted}
            arguments.append(Call("sa.Computed", [self._sql(item.computed.sqltext)], keywords_of))
        elif item.identity is not None:
            arguments.append(self.identity(item.identity))
        if not in_key and not (item.nullable if column.declared else column.facts.nullable):
            keywords["nullable"] = False
        if item.computed is None and item.identity is None:
            given = default if default is not None else self.default(item)
            if given is not None:
                keywords["server_default"] = given
        if item.autoincrement is False and item.primary_key:
            keywords["autoincrement"] = False
        if column.facts.comment is not None or item.comment:
            keywords["comment"] = item.comment
        return Call("sa.Column", arguments, keywords)

    def identity(self, identity: sa.Identity) -> Call:
        keywords = {name: getattr(identity, name) for name in ("always", "start", "increment", "minvalue", "maxvalue", "cycle", "cache")}
        defaults = {"start": 1, "increment": 1, "minvalue": 1}
        said = {name: value for name, value in keywords.items() if value not in (None, False) and defaults.get(name) != value}
        if said.get("maxvalue") in (2**31 - 1, 2**63 - 1, 2**15 - 1):
            del said["maxvalue"]
        if said.get("cache") == 1:
            del said["cache"]
        return Call("sa.Identity", [], said)

    def default(self, item: sa.Column[Any]) -> Any:
        """Return the value that a database gives by itself, as code; None where it gives none."""
        given = item.server_default
        if not isinstance(given, sa.DefaultClause):
            return None
        value: Any = given.arg
        if isinstance(value, str):
            return value
        if isinstance(value, sa.TextClause):
            return Call("sa.text", [value.text])
        if isinstance(value, True_ | False_):
            return Call("sa.true" if isinstance(value, True_) else "sa.false")
        if isinstance(value, GenericFunction) and not list(value.clauses):
            return Call(f"sa.func.{value.name}")
        return Call("sa.text", [escaped(sql_of(value, self.dialect))])

    def _sql(self, expression: Any) -> str:
        if isinstance(expression, sa.TextClause):
            return expression.text
        return escaped(sql_of(expression, self.dialect))

    # -- tables, constraints, indexes ---------------------------------------------------------------------------------------

    def table(self, table: TableState, leave: Sequence[Detail] = ()) -> Call:
        """Return what makes a table, but for indexes and these constraints."""
        key = table.key.columns if table.key is not None else ()
        arguments: list[Any] = [table.name[1], *(self.column(each, in_key=name in key) for name, each in table.columns.items())]
        if table.key is not None:
            arguments.append(self.key(table.key))
        arguments += [
            self.constraint(part.item) for part in table.parts.values() if not isinstance(part.item, Index) and part.item not in leave
        ]
        keywords = _schema(table.name)
        if table.said_comment:
            keywords["comment"] = table.said_comment
        return Call("op.create_table", arguments, keywords)

    def key(self, key: Key) -> Call:
        return Call("sa.PrimaryKeyConstraint", list(key.columns), self._name(key.name))

    def constraint(self, detail: Detail) -> Call:
        """Return a constraint as a part of `op.create_table`."""
        if isinstance(detail, Unique):
            return Call("sa.UniqueConstraint", list(detail.columns), self._name(detail.name) | dict(detail.options))
        if isinstance(detail, Foreign):
            target = [f"{'.'.join(filter(None, detail.table))}.{column}" for column in detail.target]
            return Call("sa.ForeignKeyConstraint", [list(detail.columns), target], self._name(detail.name) | dict(detail.options))
        assert isinstance(detail, Check)
        return Call("sa.CheckConstraint", [escaped(detail.sql)], self._name(detail.name))

    def create(self, detail: Detail, table: Name) -> Call:
        """Return what adds a constraint or index to a table, within `with op.batch_alter_table(...) as batch`."""
        name = Call("op.f", [detail.name]) if detail.name is not None and len(detail.name) > _LONGEST_NAME else detail.name
        if isinstance(detail, Unique):
            return Call("batch.create_unique_constraint", [name, list(detail.columns)], dict(detail.options))
        if isinstance(detail, Foreign):
            options: dict[str, Any] = {"referent_schema": detail.table[0]} if detail.table[0] is not None else {}
            arguments = [name, detail.table[1], list(detail.columns), list(detail.target)]
            return Call("batch.create_foreign_key", arguments, options | dict(detail.options))
        if isinstance(detail, Check):
            return Call("batch.create_check_constraint", [name, Call("sa.text", [escaped(detail.sql)])])
        return self.index(detail, table)

    def index(self, index: Index, table: Name) -> Call:
        """Return what makes an index."""
        if index.sql and not index.parts:
            return Call("op.execute", [escaped(index.sql)])
        parts = [Call("sa.text", [escaped(part)]) if isinstance(part, SQL) else part for part in index.parts]
        keywords: dict[str, Any] = _schema(table)
        if index.unique:
            keywords["unique"] = True
        for name, value in index.options:
            keywords[name] = Call("sa.text", [escaped(value)]) if isinstance(value, SQL) or name.endswith("_where") else _value(value)
        return Call("op.create_index", [*self._named(index.name), table[1], parts], keywords)

    def _named(self, name: str | None) -> list[Any]:
        return [Call("op.f", [name]) if name is not None and len(name) > _LONGEST_NAME else name]

    def _name(self, name: str | None) -> dict[str, Any]:
        return {} if name is None else {"name": self._named(name)[0]}


def _schema(table: Name) -> dict[str, Any]:
    return {} if table[0] is None else {"schema": table[0]}


def _value(value: Any) -> Any:
    if isinstance(value, tuple) and all(isinstance(each, tuple) and len(each) == 2 for each in value) and value:
        return dict(value)
    return list(value) if isinstance(value, tuple) else value


def escaped(sql: str) -> str:
    """Return SQL for `sa.text`, to which `:name` is a parameter."""
    return _PARAMETER.sub(r"\\:", sql)


def _enum_of(kind: TypeEngine[Any]) -> sa.Enum | None:
    while isinstance(kind, TypeDecorator):
        kind = kind.impl_instance
    return kind if isinstance(kind, sa.Enum) else None


def _resolved(kind: TypeEngine[Any], dialect: Dialect) -> TypeEngine[Any]:
    """Return a type as SQLAlchemy itself has it for a database, without decorators and variants."""
    while True:
        if (variant := kind._variant_mapping.get(dialect.name)) is not None:
            kind = variant
        elif isinstance(kind, TypeDecorator) and not _is_public(type(kind)):
            kind = kind.load_dialect_impl(dialect)
        else:
            break
    if kind._variant_mapping:
        kind = kind.copy()
        kind._variant_mapping = immutabledict()
    wanted = _compiled(kind, dialect)
    for cls in type(kind).__mro__:
        if _is_public(cls):
            if cls is type(kind):
                return kind
            adapted: TypeEngine[Any] = kind.adapt(cls)
            if _compiled(adapted, dialect) == wanted:
                return adapted
    if wanted is not None and (found := _MODULES[dialect.name].__dict__.get(wanted.partition("(")[0])) is not None:
        made: TypeEngine[Any] = found()
        if _compiled(made, dialect) == wanted:
            return made
    return kind


def _general(kind: TypeEngine[Any]) -> TypeEngine[Any]:
    """Return the general form of a database's own type: `sa.DateTime(timezone=True)` of a TIMESTAMP."""
    try:
        return kind.as_generic()
    except (NotImplementedError, SQLAlchemyError):
        return kind


def _is_public(cls: type) -> bool:
    if cls.__module__ == "sqlalchemy.sql.sqltypes":
        return getattr(sa, cls.__name__, None) is cls
    parts = cls.__module__.split(".")
    return parts[:2] == ["sqlalchemy", "dialects"] and getattr(_MODULES.get(parts[2]), cls.__name__, None) is cls


def _compiled(kind: TypeEngine[Any], dialect: Dialect) -> str | None:
    try:
        return str(kind.compile(dialect=dialect))
    except (CompileError, NotImplementedError, AttributeError):
        return None


def _constant_name(code: str) -> str:
    """Return a name for a type with variants, by what tells it from others."""
    return next((name for sign, name in _CONSTANTS.items() if sign in code), code.partition("(")[0].rpartition(".")[2])


_CONSTANTS = {
    "LONGTEXT": "long_text",
    "LONGBLOB": "long_bytes",
    "mysql.DATETIME": "moment",
    "mysql.TIME(": "time_of_day",
    "postgresql.JSONB": "json_value",
    "postgresql.INTERVAL": "duration",
    "sa.BigInteger().with_variant(sa.Integer()": "key",
}
_PARAMETER = re.compile(r"(?<![:\w\\]):(?=\w)")
_POSITIONAL = ("precision", "scale")
_TAKEN = {"sa", "op", "batch", "revision", "upgrade", "downgrade", "postgresql", "mysql", "sqlite", "depends_on", "replaces", "text", "t"}
