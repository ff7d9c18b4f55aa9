"""SQL of a database as Python's source: what it fills in by itself, conditions, sets of values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Boolean, Integer, Numeric

from erlen.inspection.layout import Call, Expression, Imports, quoted

__all__ = ["identity", "server_default", "sql_text", "values_of"]


def sql_text(sql: str) -> str:
    """Return SQL as the text that SQLAlchemy takes: a colon before a word would be a parameter."""
    return quoted(re.sub(r"(?<![:\w\\]):(?=\w)", r"\\:", sql))


def server_default(column: Mapping[str, Any], dialect: str, imports: Imports) -> Expression | None:
    """Return what a column's `server_default` is; None where it has none."""
    sql = column.get("default")
    if sql is None or re.match(r"NULL\b", sql, re.IGNORECASE):
        return None
    literal = _STRING.fullmatch(sql)
    if literal and not isinstance(column["type"], _NUMBERS) and not (dialect != "postgresql" and "\\" in sql):
        return quoted(literal.group(1).replace("''", "'"))
    if dialect != "postgresql" and not _SIMPLE.fullmatch(sql):  # there an expression needs brackets, which are not told
        sql = f"({sql})"
    return Call(imports.use("text"), [sql_text(sql)])


def identity(options: Mapping[str, Any], imports: Imports) -> Expression:
    """Return SQLAlchemy's `Identity` with what was said of it."""
    said: list[Expression] = []
    for name, ordinary in (("always", False), ("start", 1), ("increment", 1), ("minvalue", 1), ("cycle", False), ("cache", 1)):
        value = options.get(name)
        if value is not None and value != ordinary:
            said.append(f"{name}={value}")
    if options.get("maxvalue") not in (None, 2**15 - 1, 2**31 - 1, 2**63 - 1):
        said.append(f"maxvalue={options['maxvalue']}")
    return Call(imports.use("Identity"), said)


def values_of(check: str, column: str) -> tuple[str | int, ...]:
    """Return the values that a CHECK allows in a column, in its order, where it says nothing else; or nothing."""
    check = check.replace("\\'", "''")  # as MariaDB writes a quote
    texts = tuple(found.replace("''", "'") for found in re.findall(r"'((?:[^']|'')*)'", check))
    rest = re.sub(r"'(?:[^']|'')*'", "", check)
    numbers = () if texts else tuple(int(found) for found in re.findall(r"(?<![\w.])-?\d+(?![\w.])", rest))
    words = re.findall(r"[^\W\d]\w*", rest)
    names = [word for word in words if word.lower() not in _WORDS]
    return (texts or numbers) if names == [column] and not set("<>!+*/%").intersection(rest) else ()


_NUMBERS = (Boolean, Integer, Numeric)
_STRING = re.compile(r"'((?:[^']|'')*)'(?:::(?!regclass)[\w .\"\[\](),]+)?")
_NOW = r"current_\w+(?:\(\d*\))?"
_SIMPLE = re.compile(rf"[-+]?[\d.]+|'(?:[^']|'')*'|x'[\da-f]*'|true|false|{_NOW}(?: on update {_NOW})?|\(.*\)", re.IGNORECASE | re.DOTALL)
_WORDS = frozenset(("in", "any", "array", "text", "character", "varying", "integer", "smallint", "bigint"))
