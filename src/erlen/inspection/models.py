"""A Python module of typed models for what a database has."""

from __future__ import annotations

import hashlib
import re
import textwrap
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import BigInteger, Integer

from erlen.inspection.defaults import identity, server_default, sql_text, values_of
from erlen.inspection.layout import WIDTH, Call, Expression, Imports, lay_out, quoted
from erlen.inspection.naming import attribute_name, class_name, free_name, table_name_of
from erlen.inspection.reading import ForeignKey, Found, Index, Key, Table
from erlen.inspection.relations import Relation, is_link, relations_of
from erlen.inspection.types import Typed, TypeWriter

__all__ = ["write_models"]

DEFAULT = "default"


def write_models(found: Found, database: str = DEFAULT, known: Collection[Key] = ()) -> str:
    """Return the source of a module with a model for each table.

    A table that only links two others becomes a plain `Table`, and one without a key as well. Relations go both ways.

    Args:
        found: what the database has.
        database: the name by which the application knows the database.
        known: tables outside of `found` that have models, so that foreign keys can refer to them.
    """
    return _Module(found, database, known).source()


class _Module:
    """What is known of the module while it is written."""

    def __init__(self, found: Found, database: str, known: Collection[Key]) -> None:
        self.dialect = found.dialect.name
        self.found = found
        self.database = database
        self.known = known
        self.tables, self.cyclic = _ordered(found.tables)
        self.links = [table for table in self.tables if is_link(table) and all(key.target in found.tables for key in table.foreign_keys)]
        self.models = [table for table in self.tables if table.primary_key and table not in self.links]
        referred = {table.key for table in self.models}
        for link in [link for link in self.links if any(key.target not in referred for key in link.foreign_keys)]:
            self.links.remove(link)
            self.models.append(link)
        self.models.sort(key=self.tables.index)
        self.classes = self._class_names()
        self.attributes = {table.key: _attribute_names(table) for table in self.tables}
        self.relations = relations_of(self.models, self.links, self.classes, self.attributes)
        names = {name for names in self.attributes.values() for name in names.values()}
        names |= {relation.name for relations in self.relations.values() for relation in relations}
        self.variables: dict[Key, str] = {}
        for table in self.tables:
            if table not in self.models:
                wanted = attribute_name(table.name)
                self.variables[table.key] = free_name([wanted, f"{wanted}_table"], {*names, *self.variables.values()})
        self.imports = Imports({*names, *self.variables.values()})
        self.types = TypeWriter(found, self.imports, set(self.classes.values()))

    def _class_names(self) -> dict[Key, str]:
        names: dict[Key, str] = {}
        for table in self.models:
            schema, name = table.key
            wanted = class_name(name)
            names[table.key] = free_name([wanted, class_name(f"{schema}_{name}") if schema else wanted], names.values())
        return names

    def source(self) -> str:
        plain = [table for table in self.tables if table not in self.models and table not in self.links]
        tables = [self._plain_table(table) for table in (*self.links, *plain)]
        models = [self._model(table) for table in self.models]
        parts = [
            *(self._literal(name, values) for name, values in self.types.literals.items()),
            *(_unknown_type(name, said, self.imports) for said, name in self.types.unknown.items()),
            *tables,
            *models,
            *self._views(),
        ]
        name = self.found.name if re.fullmatch(r"[\w .-]+", self.found.name) else ""
        head = f'"""Models of the database{name and " "}{name}."""'
        imports = "\n\n".join(["from __future__ import annotations", *self.imports.lines()])
        text = f"{head}\n\n{imports}"
        before = ""
        for part in parts:  # two lines apart where a class is, as formatters want it
            near = "\n\n\n" if part.startswith("class ") or before.startswith("class ") else "\n\n"
            text, before = text + near + part, part
        return text + "\n"

    # -- models ---------------------------------------------------------------------------------------------------------------

    def _model(self, table: Table) -> str:
        name, base = self.classes[table.key], "Model" if self._counts_id(table) else "Base"
        keyword = "" if self.database == DEFAULT else f", database={quoted(self.database)}"
        lines = [f"class {name}({self.imports.use(base, 'erlen.db')}{keyword}):"]
        if table_name_of(name) != table.name:
            lines.append(f"    __tablename__ = {quoted(table.name)}")
        columns = [column for column in table.columns if base == "Base" or column["name"] != "id"]
        alone = {id(each) for column in columns for each in self._of_column(table, column)}
        if arguments := self._table_arguments(table, alone):
            lines.append(lay_out(arguments, 4, "__table_args__ = "))
        body = [line for column in columns for line in self._column(table, column)]
        relations = [self._relation(table, relation) for relation in self.relations[table.key]]
        notes = [f"    {line}" for note in table.notes for line in _comment(f"Not said here: {note}", 4)]
        groups = [group for group in (notes + lines[1:], body, relations) if group]
        text = "\n\n".join("\n".join(group) for group in groups) if groups else "    pass"
        return f"{lines[0]}\n{text}"

    def _counts_id(self, table: Table) -> bool:
        """Whether a table has the key that `Model` gives."""
        if table.primary_key != ("id",):
            return False
        column = table.column("id")
        wanted = Integer() if self.dialect == "sqlite" else BigInteger()
        same = self.types.is_same(column["type"], wanted)
        plain = not (column.get("identity") or column.get("comment") or column.get("computed") or _is_foreign(table, "id"))
        return same and plain and self._counted(table, column)

    def _counted(self, table: Table, column: Mapping[str, Any]) -> bool:
        """Whether the database counts a column of the key."""
        if column["name"] not in table.primary_key:
            return False
        if self.dialect == "sqlite":
            is_integer = column["type"].compile(dialect=self.found.dialect) == "INTEGER"
            return is_integer and len(table.primary_key) == 1 and table.options.get("sqlite_with_rowid", True)
        return bool(column.get("serial") if self.dialect == "postgresql" else column.get("autoincrement") is True)

    def _column(self, table: Table, column: Mapping[str, Any]) -> Iterator[str]:
        """Yield the lines of a column's attribute."""
        name = self.attributes[table.key][column["name"]]
        for foreign in table.foreign_keys:
            if foreign.columns == (column["name"],) and not self._can_refer(foreign):
                yield from (f"    {line}" for line in _comment(f"Refers to {_full(foreign.target)}, which has no model here.", 4))
        typed = self._typed(table, column)
        key = column["name"] in table.primary_key
        nullable = column["nullable"] and not key
        annotation = f"{typed.annotation} | None" if nullable else typed.annotation
        parts: list[Expression] = [] if name == column["name"] else [quoted(column["name"])]
        parts += self._column_parts(table, column, typed.type)
        if annotation == "Any":  # which may be None
            parts.append("nullable=False")
        before = f"{name}: {self.imports.use('Mapped', 'erlen.db')}[{annotation}]"
        if not parts:
            yield f"    {before}"
            return
        yield lay_out(Call(self.imports.use("mapped_column", "erlen.db"), parts), 4, f"{before} = ")

    def _column_parts(self, table: Table, column: Mapping[str, Any], type_: Expression | None) -> Iterator[Expression]:
        """Yield what a column's constructor is given after its name."""
        own = self._of_column(table, column)
        if type_ is not None:
            yield type_
        counted = self._counted(table, column)
        if (sequence := re.match(r"nextval\('([^']+)'", column.get("default") or "")) and not counted:
            *schema, name = [part.strip('"') for part in sequence.group(1).split(".")]
            where = [f"schema={quoted(schema[0])}"] if schema else []
            yield Call(self.imports.use("Sequence"), [quoted(name), *where])
        if column.get("computed"):
            stored = column["computed"].get("persisted")
            yield Call(self.imports.use("Computed"), [sql_text(column["computed"]["sqltext"]), f"persisted={bool(stored)}"])
        if column.get("identity"):
            yield identity(column["identity"], self.imports)
        for foreign in table.foreign_keys:
            if foreign in own:
                yield self._foreign_key(table, foreign)
        if column["name"] in table.primary_key:
            yield "primary_key=True"
            if (said := self._autoincrement(table, column, counted)) is not None:
                yield f"autoincrement={said}"
        if any(each in table.uniques for each in own):
            yield "unique=True"
        for index in own:
            if isinstance(index, Index):
                yield from ("index=True", "unique=True") if index.unique else ("index=True",)
        default = None if counted or column.get("computed") else server_default(column, self.dialect, self.imports)
        if default is not None:
            yield _keyword("server_default", default)
        if column.get("comment"):
            yield f"comment={quoted(column['comment'])}"

    def _autoincrement(self, table: Table, column: Mapping[str, Any], counted: bool) -> bool | None:
        """Return what `autoincrement` is, where SQLAlchemy would take it for something else."""
        by_itself = len(table.primary_key) == 1 and isinstance(column["type"], Integer) and not _is_foreign(table, column["name"])
        if counted or column.get("identity") or column.get("default"):
            return True if counted and not by_itself else None
        return False if by_itself else None

    def _typed(self, table: Table, column: Mapping[str, Any]) -> Typed:
        name = column["name"]
        if column.get("json"):
            return Typed(self.imports.use("Any", "typing"))
        if (choice := self._choice(table, column)) is not None:
            return self.types.choice(table, name, choice[1])
        return self.types.column(table, column)

    def _choice(self, table: Table, column: Mapping[str, Any]) -> tuple[Mapping[str, Any], tuple[str | int, ...]] | None:
        """Return the CHECK, and the values, of a column that is as Erlen makes those with a fixed set of values."""
        name = column["name"]
        for check in table.checks:
            if check["name"] != f"ck_{table.name}_{name}" or self.attributes[table.key][name] != name:
                continue
            values = values_of(check["sqltext"], name)
            texts = [value for value in values if isinstance(value, str)]
            size = getattr(column["type"], "length", None)
            if values and (size == max(32, *map(len, texts)) if texts else type(column["type"]).__name__ == "INTEGER"):
                return check, values
        return None

    # -- constraints and indexes --------------------------------------------------------------------------------------------

    def _of_column(self, table: Table, column: Mapping[str, Any]) -> list[Any]:
        """Return the constraints and indexes that are said with one column."""
        name = column["name"]
        found: list[Any] = [each for each in table.foreign_keys if each.columns == (name,) and self._can_refer(each)]
        usual = (None, f"uq_{table.name}_{name}")
        found += [each for each in table.uniques if each["column_names"] == [name] and each["name"] in usual and not _options(each)]
        for index in table.indexes:
            if index.columns and index.parts == (name,) and index.name == f"ix_{table.name}_{name}" and not index.options:
                found.append(index)
        return found

    def _table_arguments(self, table: Table, alone: Collection[int], *, plain: bool = False) -> Expression | None:
        # What a `Literal` says of a model, a plain table says with its CHECK.
        choices = () if plain else (self._choice(table, column) for column in table.columns)
        parts = [*self._constraints(table, alone, [choice[0] for choice in choices if choice is not None])]
        options = {"schema": table.key[0], "comment": table.comment, **table.options}
        said = {name: value for name, value in options.items() if value is not None}
        if plain:
            return Call("", [*parts, *(_keyword(name, _value(value)) for name, value in said.items())])
        if said:
            parts.append(_value(said))
        if not parts:
            return None
        return parts[0] if len(parts) == 1 and said else Call("", parts)

    def _constraints(self, table: Table, alone: Collection[int], said: Sequence[Mapping[str, Any]]) -> Iterator[Expression]:
        order = [column["name"] for column in table.columns if column["name"] in table.primary_key]
        counted = [name for name in order if self._counted(table, table.column(name))]
        if order != list(table.primary_key) and counted in ([], list(table.primary_key[:1])):  # MySQL wants the counted one first
            yield Call(self.imports.use("PrimaryKeyConstraint"), [quoted(name) for name in table.primary_key])
        for foreign in table.foreign_keys:
            if id(foreign) not in alone and self._can_refer(foreign):
                columns = Call("", [quoted(name) for name in foreign.columns], "[]")
                target = Call("", [quoted(f"{_full(foreign.target)}.{name}") for name in foreign.target_columns], "[]")
                yield Call(self.imports.use("ForeignKeyConstraint"), [columns, target, *self._foreign_options(table, foreign)])
        for unique in table.uniques:
            if id(unique) not in alone:
                name = [f"name={quoted(unique['name'])}"] if unique["name"] else []
                options = [_option(*option, self.imports) for option in _options(unique).items()]
                yield Call(self.imports.use("UniqueConstraint"), [*map(quoted, unique["column_names"]), *name, *options])
        for check in table.checks:
            if check not in said:
                yield Call(self.imports.use("CheckConstraint"), [sql_text(check["sqltext"]), *self._check_name(table, check)])
        for index in table.indexes:
            if id(index) not in alone:
                names = [column["name"] for column in table.columns]
                expressions = [quoted(part) if part in names else Call(self.imports.use("text"), [sql_text(part)]) for part in index.parts]
                unique_word = ["unique=True"] if index.unique else []
                options = [_option(*option, self.imports) for option in index.options.items()]
                yield Call(self.imports.use("Index"), [quoted(index.name), *expressions, *unique_word, *options])

    def _check_name(self, table: Table, check: Mapping[str, Any]) -> Sequence[Expression]:
        """Return the name of a CHECK, which the naming convention puts `ck_<table>_` before, or makes of the text."""
        name, prefix = check["name"], f"ck_{table.name}_"
        if name in (None, prefix + hashlib.sha256(check["sqltext"].encode()).hexdigest()[:8]):
            return []
        if name.startswith(prefix):
            return [f"name={quoted(name.removeprefix(prefix))}"]
        return [_keyword("name", Call(self.imports.use("conv", "sqlalchemy.schema"), [quoted(name)]))]

    def _can_refer(self, foreign: ForeignKey) -> bool:
        return foreign.target in self.found.tables or foreign.target in self.known

    def _foreign_key(self, table: Table, foreign: ForeignKey) -> Expression:
        target = f"{_full(foreign.target)}.{foreign.target_columns[0]}"
        return Call(self.imports.use("ForeignKey", "erlen.db"), [quoted(target), *self._foreign_options(table, foreign)])

    def _foreign_options(self, table: Table, foreign: ForeignKey) -> Iterator[str]:
        usual = f"fk_{table.name}_{'_'.join(foreign.columns)}_{foreign.target[1]}"
        if foreign.name is not None and foreign.name != usual:
            yield f"name={quoted(foreign.name)}"
        for option, value in foreign.options.items():
            yield f"{option}={quoted(value) if isinstance(value, str) else value}"
        if (table.key, foreign.columns) in self.cyclic:
            yield "use_alter=True"

    # -- relations ----------------------------------------------------------------------------------------------------------

    def _relation(self, table: Table, relation: Relation) -> str:
        target = self.classes[relation.target]
        annotation = f"list[{target}]" if relation.many else f"{target} | None" if relation.nullable else target
        parts: list[Expression] = [f"back_populates={quoted(relation.back)}"]
        if relation.link is not None:
            parts.insert(0, f"secondary={self.variables[relation.link.key]}")
            parts += self._joins(table, relation)
        if relation.foreign is not None:
            key, columns = relation.foreign
            names = [self.attributes[key][column] for column in columns]
            of_table = key == table.key and not relation.many and relation.foreign_key in table.foreign_keys
            if of_table:
                parts.append(f"foreign_keys=[{', '.join(names)}]")
            else:
                parts.append(f"foreign_keys={quoted(_listed([f'{self.classes[key]}.{name}' for name in names]))}")
        if relation.remote:
            names = [self.attributes[table.key][column] for column in relation.remote]
            parts.append(f"remote_side={quoted(_listed([f'{self.classes[table.key]}.{name}' for name in names]))}")
        is_back = relation.link is None and (relation.many or relation.foreign_key not in table.foreign_keys)
        deletes = str(relation.foreign_key.options.get("ondelete", "")).upper()
        if is_back and deletes == "CASCADE":
            parts += ['cascade="all"', "passive_deletes=True"]
        elif is_back and deletes.startswith("SET"):
            parts.append("passive_deletes=True")
        if relation.overlaps:
            parts.append(f"overlaps={quoted(','.join(dict.fromkeys(relation.overlaps)))}")
        call = Call(self.imports.use("relationship", "erlen.db"), parts)
        return lay_out(call, 4, f"{relation.name}: {self.imports.use('Mapped', 'erlen.db')}[{annotation}] = ")

    def _joins(self, table: Table, relation: Relation) -> Iterator[Expression]:
        """Yield how a many-to-many relation goes, where both ways lead to the same table."""
        if relation.other_key is None or relation.link is None:
            return
        between = self.variables[relation.link.key]
        for word, foreign in (("primaryjoin", relation.foreign_key), ("secondaryjoin", relation.other_key)):
            pairs = zip(foreign.target_columns, foreign.columns, strict=True)
            tests = [f"{self.classes[table.key]}.{self.attributes[table.key][there]} == {between}.c.{here}" for there, here in pairs]
            if len(tests) == 1:
                yield f"{word}=lambda: {tests[0]}"
            else:
                yield _keyword(word, Call(f"lambda: {self.imports.use('and_')}", tests))

    # -- what is no model ---------------------------------------------------------------------------------------------------

    def _plain_table(self, table: Table) -> str:
        """Return a table that only links two others, or has no key."""
        alone = {id(each) for column in table.columns for each in self._of_column(table, column)}
        parts: list[Expression] = [quoted(table.name), self._metadata()]
        for column in table.columns:
            given = list(self._column_parts(table, column, self.types.explicit(table, column)))
            if not column["nullable"] and column["name"] not in table.primary_key:
                given.append("nullable=False")
            parts.append(Call(self.imports.use("Column"), [quoted(column["name"]), *given]))
        arguments = self._table_arguments(table, alone, plain=True)
        parts += arguments.parts if isinstance(arguments, Call) else []
        text = lay_out(Call(self.imports.use("Table"), parts), 0, f"{self.variables[table.key]} = ")
        notes = [f"Not said here: {note}" for note in table.notes]
        if table not in self.links:
            notes.insert(0, f"The table {table.name} has no key: no model can say which row it means.")
        return "\n".join([*(line for note in notes for line in _comment(note)), text])

    def _metadata(self) -> str:
        if self.database == DEFAULT:
            return f"{self.imports.use('Base', 'erlen.db')}.metadata"
        return f"{self.imports.use('metadata_for', 'erlen.db.model')}({quoted(self.database)})"

    def _views(self) -> Iterator[str]:
        if self.found.views:
            lines = _comment("Views, which have no models:")
            for key, columns in sorted(self.found.views.items(), key=lambda view: view[0][1]):
                lines += _comment(f"- {_full(key)}: {', '.join(columns)}")
            yield "\n".join(lines)

    def _literal(self, name: str, values: Sequence[str | int]) -> str:
        said = [quoted(value) if isinstance(value, str) else str(value) for value in values]
        return lay_out(Call("Literal", said, "[]"), before=f"{name} = ")


def _unknown_type(name: str, said: str, imports: Imports) -> str:
    any_ = imports.use("Any", "typing")
    return (
        f"class {name}({imports.use('UserDefinedType', 'sqlalchemy.types')}[{any_}]):\n"
        f'    """A type of the database that SQLAlchemy does not know."""\n\n'
        f"    cache_ok = True\n\n"
        f"    def get_col_spec(self, **options: {any_}) -> str:\n"
        f"        return {quoted(said)}"
    )


def _ordered(tables: Mapping[Key, Table]) -> tuple[list[Table], set[tuple[Key, tuple[str, ...]]]]:
    """Put tables after those that they refer to; return the foreign keys too that make a circle."""
    placed: dict[Key, Table] = {}
    cyclic: set[tuple[Key, tuple[str, ...]]] = set()

    def place(key: Key, chain: tuple[Key, ...]) -> None:
        for foreign in tables[key].foreign_keys:
            target = foreign.target
            if target in chain:
                cyclic.add((key, foreign.columns))
            elif target != key and target in tables and target not in placed:
                place(target, (*chain, key))
        placed[key] = tables[key]

    for key in sorted(tables, key=lambda key: (key[0] or "", key[1])):
        if key not in placed:
            place(key, ())
    return list(placed.values()), cyclic


def _attribute_names(table: Table) -> dict[str, str]:
    names: dict[str, str] = {}
    for column in table.columns:
        names[column["name"]] = free_name([attribute_name(column["name"])], names.values())
    return names


def _is_foreign(table: Table, column: str) -> bool:
    return any(column in foreign.columns for foreign in table.foreign_keys)


def _options(given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in (given.get("dialect_options") or {}).items() if value}


def _option(name: str, value: Any, imports: Imports) -> Expression:
    if name.endswith("_where"):
        return _keyword(name, Call(imports.use("text"), [sql_text(str(value))]))
    return _keyword(name, _value(value))


def _value(value: Any) -> Expression:
    if isinstance(value, Mapping):
        return Call("", [_keyword(quoted(str(key)), _value(each), ": ") for key, each in value.items()], "{}")
    if isinstance(value, list | tuple):
        return Call("", [_value(each) for each in value], "[]")
    return quoted(value) if isinstance(value, str) else repr(value)


def _keyword(name: str, value: Expression, mark: str = "=") -> Expression:
    return Call(f"{name}{mark}{value.head}", value.parts, value.brackets) if isinstance(value, Call) else f"{name}{mark}{value}"


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"[{', '.join(names)}]"


def _full(key: Key) -> str:
    return f"{key[0]}.{key[1]}" if key[0] is not None else key[1]


def _comment(text: str, indent: int = 0) -> list[str]:
    plain = " ".join(text.split())
    return [f"# {line}" for line in textwrap.wrap(plain, WIDTH - indent - 2, break_long_words=False, break_on_hyphens=False)]
