"""The text of a table on SQLite, taken apart and put together again.

SQLite keeps the CREATE TABLE that was written, and changes a table by a new one. What no migration speaks of stays as it was written:
collations, generated columns, AUTOINCREMENT, conflict clauses, checks without a name, STRICT, WITHOUT ROWID.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from erlen.errors import ErlenError
from erlen.migrations.sql import Token, tokens

__all__ = ["Clause", "ColumnText", "ConstraintText", "TableText", "mentions", "parse_column", "parse_table"]


class Clause(Struct):
    """One constraint of a column as SQLite calls it: NOT NULL, DEFAULT, COLLATE, REFERENCES and so on."""

    kind: str
    """Its first word: `not`, `null`, `default`, `primary`, `unique`, `check`, `collate`, `references`, `generated`."""
    name: str
    text: str


class ColumnText(Struct):
    """A column's definition."""

    name: str
    written: str
    """Its name as it is written, with quotes if it has some."""
    type: str
    clauses: list[Clause]

    def without(self, *kinds: str) -> None:
        """Remove clauses of these kinds."""
        self.clauses = [clause for clause in self.clauses if clause.kind not in kinds]

    @property
    def is_generated(self) -> bool:
        return any(clause.kind == "generated" for clause in self.clauses)

    def __str__(self) -> str:
        return " ".join(filter(None, (self.written, self.type, *(clause.text for clause in self.clauses))))


class ConstraintText(Struct):
    """A table's constraint."""

    kind: str
    """`primary`, `unique`, `check` or `foreign`."""
    name: str
    text: str

    def __str__(self) -> str:
        return self.text


class TableText(Struct):
    """A table's definition."""

    name: str
    columns: list[ColumnText]
    constraints: list[ConstraintText]
    options: str
    """What follows the last bracket, such as `STRICT, WITHOUT ROWID`."""

    def column(self, name: str) -> ColumnText | None:
        """Return a column, whatever the case of its name."""
        return next((column for column in self.columns if column.name.lower() == name.lower()), None)

    def drop_column(self, name: str) -> None:
        """Remove a column, and the constraints that speak of it."""
        self.columns = [column for column in self.columns if column.name.lower() != name.lower()]
        self.constraints = [each for each in self.constraints if not _is_of(each, name)]
        for column in self.columns:
            column.clauses = [clause for clause in column.clauses if clause.kind != "check" or not mentions(clause.text, name)]

    def drop_constraint(self, name: str) -> bool:
        """Remove a constraint by its name, also one that stands in a column. Return whether it was there."""
        before = len(self.constraints) + sum(len(column.clauses) for column in self.columns)
        self.constraints = [each for each in self.constraints if each.name.lower() != name.lower()]
        for column in self.columns:
            column.clauses = [clause for clause in column.clauses if clause.name.lower() != name.lower()]
        return len(self.constraints) + sum(len(column.clauses) for column in self.columns) < before

    def drop_primary_key(self) -> None:
        """Remove the primary key, which has no name in most cases."""
        self.constraints = [each for each in self.constraints if each.kind != "primary"]
        for column in self.columns:
            column.without("primary")

    @property
    def row_column(self) -> str | None:
        """The column that is the row's number, `INTEGER PRIMARY KEY`."""
        for column in self.columns:
            if column.type.upper() == "INTEGER" and any(clause.kind == "primary" for clause in column.clauses):
                return column.name
        for each in self.constraints:
            if each.kind == "primary":
                names = [token.text for token in list(tokens(each.text.partition("(")[2], "sqlite")) if token.kind in ("word", "name")]
                first = self.column(names[0]) if len(names) == 1 else None
                return first.name if first is not None and first.type.upper() == "INTEGER" else None
        return None

    @property
    def has_row_numbers(self) -> bool:
        return "without" not in {token.text for token in tokens(self.options, "sqlite")}

    def create(self, name: str) -> str:
        """Return the CREATE TABLE of a table like this one; its name is given as it is to be written."""
        parts = ",\n\t".join(map(str, (*self.columns, *self.constraints)))
        return f"CREATE TABLE {name} (\n\t{parts}\n){' ' if self.options else ''}{self.options}"


def parse_table(sql: str) -> TableText:
    """Take a CREATE TABLE apart, as SQLite keeps it.

    Raises:
        ErlenError: if it is none, such as that of a virtual table.
    """
    found = list(tokens(sql, "sqlite"))
    begin = next((number for number, token in enumerate(found) if token.is_symbol("(")), None)
    if begin is None or any(token.is_word("virtual") for token in found[:begin]):
        raise ErlenError(f"this table cannot be altered, as it is virtual or made by a module:\n  {' '.join(sql.split())[:200]}")
    table = TableText(name=found[begin - 1].text, columns=[], constraints=[], options="")
    depth, part = 0, list[Token]()
    for number, token in enumerate(found[begin:], begin):
        depth += token.is_symbol("(") - token.is_symbol(")")
        if (depth == 1 and token.is_symbol(",")) or depth == 0:
            _add(table, sql, part)
            part = []
        elif number > begin:
            part.append(token)
        if depth == 0:
            table.options = sql[token.end :].strip().rstrip(";").strip()
            break
    return table


def parse_column(text: str) -> ColumnText:
    """Take a column's definition apart."""
    return _column(text, list(tokens(text, "sqlite")))


def mentions(sql: str, name: str) -> bool:
    """Whether SQL has a name in it, outside of strings and comments."""
    return any(token.kind in ("word", "name") and token.text.lower() == name.lower() for token in tokens(sql, "sqlite"))


def _add(table: TableText, sql: str, part: Sequence[Token]) -> None:
    if not part:
        return
    first = part[2] if part[0].is_word("constraint") and len(part) > 2 else part[0]
    if not (part[0].is_word("constraint") or part[0].is_word("primary", "unique", "check", "foreign")):
        table.columns.append(_column(sql, part))
        return
    name = part[1].text if part[0].is_word("constraint") else ""
    table.constraints.append(ConstraintText(first.text, name, _text(sql, part)))


def _column(sql: str, part: Sequence[Token]) -> ColumnText:
    number = 1
    while number < len(part) and not part[number].is_word(*_CLAUSES):
        number = _past_brackets(part, number)
    written = sql[part[0].start : part[0].end]
    name = {"word": written, "string": part[0].text.strip("'")}.get(part[0].kind, part[0].text)
    column = ColumnText(name, written, _text(sql, part[1:number]), [])
    while number < len(part):
        begin, name = number, ""
        if part[number].is_word("constraint"):
            name, number = part[number + 1].text, number + 2
        kind = part[number].text
        number = _end_of_clause(part, number)
        column.clauses.append(Clause("generated" if kind == "as" else kind, name, _text(sql, part[begin:number])))
    return column


def _end_of_clause(part: Sequence[Token], number: int) -> int:
    """Return where the clause ends that begins at a token."""
    kind = part[number].text
    number += 1
    match kind:
        case "not":
            number += 1
        case "primary":
            number = _skip(part, number + 1, "asc", "desc")
        case "check":
            number = _past_brackets(part, number)
        case "collate":
            number += 1
        case "default":
            number = _past_brackets(part, number + 1 if part[number].text in "+-" else number)
        case "generated" | "as":
            number = _past_brackets(part, number + 2 if kind == "generated" else number)
            number = _skip(part, number, "stored", "virtual")
        case "references":
            number = _end_of_reference(part, number + 1)
        case _:
            pass
    if number < len(part) and part[number].is_word("on"):  # ON CONFLICT
        number += 3
    return _skip(part, number, "autoincrement") if kind == "primary" else number


def _end_of_reference(part: Sequence[Token], number: int) -> int:
    if number < len(part) and part[number].is_symbol("("):
        number = _past_brackets(part, number)
    while number < len(part):
        token = part[number]
        if token.is_word("on"):
            number += 4 if part[number + 2].is_word("set", "no") else 3
        elif token.is_word("match"):
            number += 2
        elif token.is_word("deferrable") or (
            token.is_word("not") and part[number + 1 : number + 2] and part[number + 1].is_word("deferrable")
        ):
            number += 1 if token.text == "deferrable" else 2
            if number < len(part) and part[number].is_word("initially"):
                number += 2
        else:
            break
    return number


def _past_brackets(part: Sequence[Token], number: int) -> int:
    """Return the place after a token, or after the brackets that it opens."""
    depth = 0
    while number < len(part):
        depth += part[number].is_symbol("(") - part[number].is_symbol(")")
        number += 1
        if depth == 0:
            break
    return number


def _skip(part: Sequence[Token], number: int, *words: str) -> int:
    return number + 1 if number < len(part) and part[number].is_word(*words) else number


def _is_of(constraint: ConstraintText, name: str) -> bool:
    """Whether a constraint of a table speaks of one of its columns; those of another table that a foreign key names are not meant."""
    text = constraint.text
    if constraint.kind == "foreign":
        words = list(tokens(text, "sqlite"))
        end = next((token.start for token in words if token.is_word("references")), len(text))
        text = text[:end]
    return mentions(text.partition("(")[2], name)


def _text(sql: str, part: Sequence[Token]) -> str:
    """Return the text of tokens as it is written, without the comments between them."""
    if not part:
        return ""
    text, end = "", part[0].start
    for token in part:
        between = sql[end : token.start]
        text += (" " if between else "") + sql[token.start : token.end]
        end = token.end
    return text


_CLAUSES = ("constraint", "primary", "not", "null", "unique", "check", "default", "collate", "references", "generated", "as")
