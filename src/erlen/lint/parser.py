"""Statements → changes: the SQL of schemas, as far as it matters to running applications."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Literal

from erlen.lint.change import Change, Column, Constraint, Kind
from erlen.migrations.sql import Token, tokens

__all__ = ["parse"]


def parse(sql: str, dialect: str) -> list[Change]:
    """Return what a statement does; nothing for one that neither alters what is there nor locks it for more than a moment.

    What is not understood is a change of the kind `unknown`.
    """
    try:
        return list(_Parser(sql, dialect).statement())
    except _NotUnderstoodError:
        return [Change(kind="unknown")]


class _NotUnderstoodError(Exception):
    pass


class _Parser:
    def __init__(self, sql: str, dialect: str) -> None:
        self.sql = sql
        self.dialect = dialect
        self.tokens = list(tokens(sql, dialect))
        self.at = 0

    # -- tokens ---------------------------------------------------------------------------------------------------------------

    @property
    def token(self) -> Token | None:
        return self.tokens[self.at] if self.at < len(self.tokens) else None

    def accept(self, *words: str) -> bool:
        """Go past these words if they come next."""
        following = self.tokens[self.at : self.at + len(words)]
        if len(following) == len(words) and all(token.is_word(word) for token, word in zip(following, words, strict=True)):
            self.at += len(words)
            return True
        return False

    def accept_any(self, *words: str) -> str:
        """Go past one of these words, and return it."""
        return next((word for word in words if self.accept(word)), "")

    def symbol(self, symbol: str) -> bool:
        if self.follows_symbol(symbol):
            self.at += 1
            return True
        return False

    def follows(self, *words: str) -> bool:
        """Whether one of these words comes next."""
        return self.token is not None and self.token.is_word(*words)

    def follows_symbol(self, *symbols: str) -> bool:
        """Whether one of these characters comes next."""
        return self.token is not None and any(map(self.token.is_symbol, symbols))

    def identifier(self) -> str:
        token = self.token
        if token is None or token.kind not in ("word", "name"):
            raise _NotUnderstoodError
        self.at += 1
        return token.text

    def name(self) -> str:
        """Read a name, perhaps with its schema."""
        parts = [self.identifier()]
        while self.symbol("."):
            parts.append(self.identifier())
        return ".".join(parts[1:] if parts[0] == "public" and len(parts) > 1 else parts)

    def brackets(self) -> list[tuple[int, int]]:
        """Go past brackets, and return where the parts between their commas begin and end, as places of tokens."""
        if not self.symbol("("):
            raise _NotUnderstoodError
        parts, begin, depth = [], self.at, 1
        while (token := self.token) is not None:
            depth += token.is_symbol("(") - token.is_symbol(")")
            if depth == 0 or (depth == 1 and token.is_symbol(",")):
                parts.append((begin, self.at))
                begin = self.at + 1
            self.at += 1
            if depth == 0:
                return parts
        raise _NotUnderstoodError

    def text(self, begin: int, end: int) -> str:
        """Return what stands between two places of tokens."""
        if begin >= end:
            return ""
        return " ".join(self.sql[self.tokens[begin].start : self.tokens[end - 1].end].split())

    def until(self, *words: str) -> str:
        """Go on to a comma or one of these words outside of brackets, at least past one token, and return what was passed."""
        begin, depth = self.at, 0
        while (token := self.token) is not None:
            if depth == 0 and (token.is_symbol(",") or token.is_symbol(")") or (self.at > begin and token.is_word(*words))):
                break
            depth += token.is_symbol("(") - token.is_symbol(")")
            self.at += 1
        if depth:
            raise _NotUnderstoodError
        return self.text(begin, self.at)

    def rest(self) -> str:
        begin, self.at = self.at, len(self.tokens)
        return self.text(begin, self.at)

    def column_names(self) -> tuple[str, ...]:
        return tuple(self.tokens[begin].text if end - begin == 1 else self.text(begin, end) for begin, end in self.brackets())

    # -- statements -----------------------------------------------------------------------------------------------------------

    def statement(self) -> Iterator[Change]:
        if self.accept("create"):
            yield from self.create()
        elif self.accept("alter", "table"):
            yield from self.alter_table()
        elif self.accept("alter", "type"):
            yield from self.alter_enum()
        elif self.accept("drop"):
            yield from self.drop()
        elif self.accept("rename", "table"):
            while True:
                table = self.name()
                self.accept("to")
                yield Change(kind="rename table", table=table, to=self.name())
                if not self.symbol(","):
                    break
        elif word := self.accept_any("update", "delete", "insert", "replace", "with"):
            yield from self.rows(word)
        elif self.accept("truncate"):
            self.accept("table")
            self.accept("only")
            names = [self.name()]
            while self.symbol(","):
                names.append(self.name())
            yield from (Change(kind="truncate", table=name, options=self.words("cascade")) for name in names)
        else:
            yield from self.maintenance()

    def maintenance(self) -> Iterator[Change]:
        if self.accept("vacuum"):
            options = self.words("full")
            yield from [Change(kind="vacuum full", table=self.last_name())] if options else []
        elif self.accept("cluster"):
            yield Change(kind="cluster", table=self.name() if self.token is not None else "")
        elif self.accept("refresh", "materialized", "view"):
            yield Change(kind="refresh", options=self.taken("concurrently"), table=self.name())
        elif self.accept("reindex"):
            options = self.words("concurrently")
            yield Change(kind="reindex", name=self.last_name(), options=options)
        elif self.accept("lock"):
            self.accept_any("table", "tables")
            yield Change(kind="lock", table=self.name(), options=frozenset([self.rest().lower()]))
        elif self.accept("optimize", "table"):
            yield Change(kind="rewrite", table=self.name(), name="OPTIMIZE TABLE")
        elif not self.follows(*_HARMLESS) or (self.follows("alter") and not self.is_harmless_alter()):
            raise _NotUnderstoodError

    def is_harmless_alter(self) -> bool:
        following = self.tokens[self.at + 1] if self.at + 1 < len(self.tokens) else None
        return following is not None and following.is_word(*_HARMLESS_ALTER)

    def create(self) -> Iterator[Change]:
        self.accept("or", "replace")
        begin = self.at
        temporary = self.accept_any("temporary", "temp", "global", "local")
        self.accept("unlogged")
        if self.accept("table"):
            yield from [] if temporary else self.create_table()
            return
        if temporary and self.follows("view", "sequence"):
            return
        self.at = begin
        kind = self.accept_any("unique", "fulltext", "spatial")
        if self.accept("index"):
            options = frozenset(filter(None, (kind,))) | self.taken("concurrently") | self.taken("if", "not", "exists")
            name = "" if self.follows("on") else self.name()
            if not self.accept("on"):
                raise _NotUnderstoodError
            self.accept("only")
            table = self.name()
            if self.accept("using"):
                self.identifier()
            names = self.column_names()
            yield Change(kind="create index", table=table, name=name, names=names, options=options, source=self.rest())
            return
        self.at = begin
        if self.accept("type"):
            name = self.name()
            if self.accept("as", "enum"):
                values = tuple(self.text(*part).strip("'") for part in self.brackets())
                yield Change(kind="create enum", name=name, names=values)
        elif self.accept("view"):
            yield Change(kind="create view", name=self.name())
        elif not self.follows(*_HARMLESS_CREATE):
            raise _NotUnderstoodError

    def create_table(self) -> Iterator[Change]:
        options = self.taken("if", "not", "exists")
        table = self.name()
        if not self.follows_symbol("("):
            yield Change(kind="create table", table=table, options=options, source=self.rest())
            return
        begin = self.at
        parts = self.brackets()
        end, columns, constraints = self.at, [], []
        for start, _ in parts:
            self.at = start
            if (constraint := self.constraint(table)) is not None:
                constraints.append(constraint)
            elif not self.follows("like", "index", "key", "fulltext", "spatial", "exclude"):
                columns.append(self.column(table))
        self.at = end
        yield Change(
            kind="create table",
            table=table,
            options=options,
            columns=tuple(columns),
            constraints=tuple(constraints),
            source=self.text(begin, end),
        )

    def alter_enum(self) -> Iterator[Change]:
        name = self.name()
        if self.accept("add", "value"):
            self.accept("if", "not", "exists")
            yield Change(kind="add value", name=name, to=self.string())
        elif self.accept("rename", "value"):
            old = self.string()
            self.accept("to")
            yield Change(kind="rename value", name=name, source=old, to=self.string())
        elif self.accept("rename", "to"):
            yield Change(kind="short", name=name, to=self.name(), options=frozenset(["rename type"]))
        elif not (self.accept("owner") or self.accept("set")):
            raise _NotUnderstoodError

    def string(self) -> str:
        if self.token is None or self.token.kind != "string":
            raise _NotUnderstoodError
        self.at += 1
        return self.tokens[self.at - 1].text[1:-1].replace("''", "'")

    def drop(self) -> Iterator[Change]:
        self.accept_any("temporary", "materialized", "foreign")
        what = self.identifier()
        options = self.taken("concurrently") | self.taken("if", "exists")
        if what not in ("table", "index") and what not in _HARMLESS_DROP and what != "schema":
            raise _NotUnderstoodError
        if what == "index" and self.dialect in ("mysql", "mariadb"):
            name = self.name()
            self.accept("on")
            yield Change(kind="drop index", name=name, table=self.name(), options=options)
            return
        names = [self.name()]
        while self.symbol(","):
            names.append(self.name())
        options |= self.words("cascade")
        for name in names:
            if what == "table":
                yield Change(kind="drop table", table=name, options=options)
            elif what == "index":
                yield Change(kind="drop index", name=name, options=options)
            else:
                yield Change(kind="drop other", name=name, source=what, options=options)

    # -- ALTER TABLE ----------------------------------------------------------------------------------------------------------

    def alter_table(self) -> Iterator[Change]:
        self.accept("if", "exists")
        self.accept("only")
        table = self.name()
        self.symbol("*")
        yield from self.action(table)
        while self.symbol(","):
            yield from self.action(table)
        if self.token is not None:
            raise _NotUnderstoodError

    def action(self, table: str) -> Iterator[Change]:
        if self.accept("add"):
            yield self.add(table)
        elif self.accept("drop"):
            yield self.drop_part(table)
        elif self.accept("alter"):
            yield self.alter_column(table)
        elif self.accept("rename"):
            yield self.rename(table)
        elif self.accept("validate", "constraint"):
            yield Change(kind="validate", table=table, name=self.identifier())
        elif word := self.accept_any("modify", "change"):
            self.accept("column")
            name = "" if word == "modify" else self.identifier()
            column = self.column(table)
            yield Change(kind="modify column", table=table, name=name or column.name, to=column.name, column=column)
        elif self.accept("convert", "to"):
            yield Change(kind="rewrite", table=table, name=f"CONVERT TO {self.until()}")
        elif self.accept("set", "schema"):
            yield Change(kind="rename table", table=table, to=f"{self.name()}.{table.rpartition('.')[2]}")
        elif self.accept("set"):
            word = self.token.text if self.token is not None else ""
            text = self.until()
            slow = word in ("logged", "unlogged", "tablespace", "access")
            yield Change(kind="rewrite" if slow else "short", table=table, name=f"SET {text}")
        elif self.accept("force") or self.accept("engine"):
            yield Change(kind="rewrite", table=table, name=f"ENGINE {self.until()}")
        elif self.accept_any(*_SHORT, "algorithm", "lock"):
            yield Change(kind="short", table=table, name=self.until())
        else:
            raise _NotUnderstoodError

    def add(self, table: str) -> Change:
        constraint = self.constraint(table)
        if constraint is not None:
            return Change(kind="add constraint", table=table, name=constraint.name, constraint=constraint)
        begin = self.at
        kind = self.accept_any("unique", "fulltext", "spatial")
        if self.accept("index") or self.accept("key") or kind in ("fulltext", "spatial"):
            name = "" if self.follows_symbol("(") else self.identifier()
            names = self.column_names()
            self.until()
            return Change(kind="create index", table=table, name=name, names=names, options=frozenset(filter(None, (kind,))))
        self.at = begin
        self.accept("column")
        options = self.taken("if", "not", "exists")
        column = self.column(table)
        return Change(kind="add column", table=table, name=column.name, column=column, options=options)

    def drop_part(self, table: str) -> Change:
        if self.accept("constraint") or self.accept("check"):
            options = self.taken("if", "exists")
            name = self.identifier()
            return Change(kind="drop constraint", table=table, name=name, options=options | frozenset(self.until().lower().split()))
        if self.accept("primary", "key"):
            return Change(kind="drop constraint", table=table, name="PRIMARY")
        if self.accept("foreign", "key"):
            return Change(kind="drop constraint", table=table, name=self.identifier())
        if self.accept("index") or self.accept("key"):
            return Change(kind="drop index", table=table, name=self.identifier())
        self.accept("column")
        options = self.taken("if", "exists")
        name = self.identifier()
        return Change(kind="drop column", table=table, name=name, options=options | frozenset(self.until().lower().split()))

    def alter_column(self, table: str) -> Change:
        if self.accept("constraint") or self.accept("index"):
            return Change(kind="short", table=table, name=self.until())
        self.accept("column")
        name = self.identifier()
        if self.accept("set", "not", "null"):
            return Change(kind="set not null", table=table, name=name)
        if self.accept("drop", "not", "null"):
            return Change(kind="drop not null", table=table, name=name)
        if self.accept("set", "default"):
            return Change(kind="set default", table=table, name=name, to=self.until())
        if self.accept("drop", "default"):
            return Change(kind="drop default", table=table, name=name)
        if self.accept("set", "data", "type") or self.accept("type"):
            kind = self.until("using", "collate")
            collation = f" collate {self.until('using')}" if self.accept("collate") else ""
            using = self.until() if self.accept("using") else ""
            return Change(kind="alter type", table=table, name=name, to=_type(kind + collation), source=using)
        if self.accept("set", "expression"):
            return Change(kind="rewrite", table=table, name=f"SET EXPRESSION {self.until()}")
        if self.accept_any("set", "reset", "add", "drop", "restart"):  # statistics, storage, identity
            return Change(kind="short", table=table, name=self.until())
        raise _NotUnderstoodError

    def rename(self, table: str) -> Change:
        if self.accept("to") or self.accept("as"):
            return Change(kind="rename table", table=table, to=self.name())
        kind: Kind = "rename column"
        if self.accept_any("constraint", "index", "key"):
            kind = "rename constraint"
        else:
            self.accept("column")
        name = self.identifier()
        if not self.accept("to"):
            raise _NotUnderstoodError
        return Change(kind=kind, table=table, name=name, to=self.identifier())

    # -- columns and constraints ----------------------------------------------------------------------------------------------

    def constraint(self, table: str) -> Constraint | None:
        """Read a constraint of a table; return None, and stay, where another thing comes."""
        begin = self.at
        name = ""
        if self.accept("constraint"):
            name = "" if self.follows(*_CONSTRAINTS) else self.identifier()
        start = self.at
        kind: Literal["primary key", "unique", "foreign key", "check", "exclude", "not null"]
        columns: tuple[str, ...] = ()
        to = index = condition = ""
        if self.accept("primary", "key"):
            kind = "primary key"
        elif self.accept("unique"):
            if self.accept("index") or self.accept("key"):
                name = name or ("" if self.follows_symbol("(") else self.identifier())
            kind = "unique"
        elif self.accept("foreign", "key"):
            kind = "foreign key"
            if not self.follows_symbol("("):
                name = name or self.identifier()
        elif self.accept("check"):
            kind = "check"
        elif self.accept("exclude"):
            kind = "exclude"
        elif self.accept("not", "null"):
            columns, kind = (self.identifier(),), "not null"
        else:
            self.at = begin
            return None
        if kind in ("primary key", "unique") and self.accept("using", "index"):
            index = self.identifier()
        elif kind == "check":
            parts = self.brackets()
            condition = self.text(parts[0][0], parts[-1][1])
        elif kind not in ("exclude", "not null"):
            while self.token is not None and not self.follows_symbol("("):
                self.at += 1
            columns = self.column_names()
        if kind == "foreign key" and self.accept("references"):
            to = self.name()
        after = self.until().lower()
        text = condition if kind == "check" else self.text(start, self.at)
        return Constraint(
            kind=kind, name=name, columns=columns, to=to, text=text, index=index, is_valid="not valid" not in after or kind == "exclude"
        )

    def column(self, table: str) -> Column:
        name = self.identifier()
        if self.token is None or self.follows_symbol(","):
            return Column(name=name, type="")
        kind = _type("" if self.follows(*_AFTER_TYPE - {"character"}) else self.until(*_AFTER_TYPE))
        nullable, default, generated, counted = True, None, "", kind in _SERIAL
        constraints: list[Constraint] = []
        named = ""
        while self.at < len(self.tokens) and not self.follows_symbol(",", ")"):
            if self.accept("constraint"):
                named = self.identifier()
                continue
            if self.accept("not", "null"):
                nullable = False
            elif self.accept("null"):
                nullable = True
            elif self.accept("default"):
                default = self.until(*_AFTER_TYPE)
            elif self.accept("primary", "key"):
                nullable = False
                constraints.append(Constraint(kind="primary key", name=named, columns=(name,)))
            elif self.accept("unique"):
                self.accept("key")
                constraints.append(Constraint(kind="unique", name=named, columns=(name,)))
            elif self.accept("references"):
                constraints.append(Constraint(kind="foreign key", name=named, columns=(name,), to=self.name()))
                if self.follows_symbol("("):
                    self.brackets()
            elif self.accept("check"):
                parts = self.brackets()
                constraints.append(Constraint(kind="check", name=named, text=self.text(parts[0][0], parts[-1][1])))
            elif self.accept("generated", "always", "as", "identity") or self.accept("generated", "by", "default", "as", "identity"):
                counted, nullable = True, False
            elif self.accept("generated", "always", "as") or self.accept("as"):
                self.brackets()
                generated = "stored" if self.accept_any("stored", "persistent") else "virtual"
                self.accept("virtual")
            elif self.accept_any("auto_increment", "autoincrement"):
                counted = True
            else:
                self.at += 1  # COLLATE, COMMENT, ON DELETE and so on
                if self.follows_symbol("("):
                    self.brackets()
                continue
            named = ""
        return Column(
            name=name,
            type=kind,
            nullable=nullable and kind not in _SERIAL,
            default=None if default is None or default.lower() == "null" else default,
            generated="stored" if generated == "stored" else "virtual" if generated else "",
            counted=counted,
            constraints=tuple(constraints),
        )

    # -- rows -----------------------------------------------------------------------------------------------------------------

    def rows(self, word: str) -> Iterator[Change]:
        batched = frozenset(["batches"]) if "in batches" in self.sql else frozenset[str]()
        if word == "with":
            found = re.search(r"\b(update|delete|insert)\b", self.sql, re.IGNORECASE)
            if found is not None:
                yield Change(kind=_ROWS[found[0].lower()], source=self.rest(), options=batched)
        elif word in ("update", "delete"):
            self.accept("from")
            self.accept("only")
            table = self.name()
            self.skip_to("where")
            yield Change(kind=_ROWS[word], table=table, source=self.rest(), options=batched)
        else:
            self.accept("ignore")
            self.accept("into")
            table = self.name()
            names = self.column_names() if self.follows_symbol("(") else ()
            begin = self.at
            self.skip_to("select", "with", "table")
            self.at = max(begin, self.at - 1) if self.token is not None else self.at
            yield Change(kind="insert", table=table, names=names, source=self.rest(), options=batched)

    def skip_to(self, *words: str) -> None:
        """Go past the next of these words outside of brackets, or to the end."""
        depth = 0
        while (token := self.token) is not None:
            self.at += 1
            depth += token.is_symbol("(") - token.is_symbol(")")
            if depth == 0 and token.is_word(*words):
                return

    def taken(self, *words: str) -> frozenset[str]:
        return frozenset([" ".join(words)]) if self.accept(*words) else frozenset()

    def words(self, *wanted: str) -> frozenset[str]:
        """Return which of some words stand in the rest of the statement, without going on."""
        return frozenset(token.text for token in self.tokens[self.at :] if token.is_word(*wanted))

    def last_name(self) -> str:
        names = [token for token in self.tokens[self.at :] if token.kind in ("word", "name")]
        return names[-1].text if names else ""


def _type(text: str) -> str:
    """Return a type by its usual name."""
    kind = " ".join(text.lower().split()).replace("( ", "(").replace(" )", ")").replace(" (", "(").replace(", ", ",").replace('"', "")
    for long, short in _TYPES.items():
        kind = re.sub(rf"^{long}\b", short, kind)
    if kind.endswith(" without time zone"):
        kind = kind.removesuffix(" without time zone")
    elif kind.endswith(" with time zone"):
        kind = re.sub(r"^(timestamp|time)", r"\1tz", kind.removesuffix(" with time zone"))
    return kind


_TYPES = {
    "character varying": "varchar",
    "character": "char",
    "bpchar": "char",
    "double precision": "float8",
    "integer": "int",
    "int4": "int",
    "int8": "bigint",
    "int2": "smallint",
    "decimal": "numeric",
    "bool": "boolean",
    "bit varying": "varbit",
}
_SERIAL = ("serial", "bigserial", "smallserial", "serial4", "serial8", "serial2")
_CONSTRAINTS = ("primary", "unique", "foreign", "check", "exclude", "not")
_AFTER_TYPE = {
    *("not", "null", "default", "primary", "unique", "references", "check", "constraint", "generated", "collate", "comment", "first"),
    *(
        "auto_increment",
        "autoincrement",
        "on",
        "after",
        "as",
        "charset",
        "character",
        "deferrable",
        "initially",
        "key",
        "stored",
        "virtual",
    ),
}
_ROWS: Mapping[str, Kind] = {"update": "update", "delete": "delete", "insert": "insert"}
_SHORT = ("owner", "enable", "disable", "replica", "inherit", "no", "reset", "comment", "auto_increment", "cluster", "without", "default")
_HARMLESS = (
    *("set", "show", "select", "comment", "grant", "revoke", "analyze", "explain", "pragma", "values", "reset", "security", "load", "copy"),
    *("alter", "reassign", "listen", "notify", "unlisten", "discard", "checkpoint", "table", "use", "flush", "describe"),
)
_HARMLESS_ALTER = (
    "sequence",
    "index",
    "default",
    "schema",
    "function",
    "procedure",
    "view",
    "role",
    "user",
    "database",
    "extension",
    "domain",
)
_HARMLESS_CREATE = (
    *("schema", "sequence", "extension", "view", "materialized", "function", "procedure", "domain", "trigger", "constraint", "statistics"),
    *(
        "role",
        "user",
        "collation",
        "aggregate",
        "operator",
        "cast",
        "policy",
        "publication",
        "rule",
        "event",
        "definer",
        "recursive",
        "virtual",
    ),
)
_HARMLESS_DROP = (
    *("view", "sequence", "type", "function", "procedure", "trigger", "extension", "domain", "policy", "statistics", "rule", "role"),
    *("user", "collation", "aggregate", "event", "publication", "cast", "operator"),
)
