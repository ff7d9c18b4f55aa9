"""`Entity`: one table as dumps see it, with its fields, its key, and what names a row in any database."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from msgspec import Struct
from sqlalchemy import Column, Dialect, ForeignKeyConstraint, MetaData, Table, UniqueConstraint
from sqlalchemy.orm import Mapper
from sqlalchemy.schema import sort_tables_and_constraints

from erlen.db.annotations import annotations_of
from erlen.db.columns.encrypted import EncryptedValue
from erlen.db.info import fields_of, is_made
from erlen.db.model import Base
from erlen.db.rules import Rule
from erlen.errors import ConfigurationError, ErlenError, Mistake
from erlen.migrations.rows.values import Codec, codec_of
from erlen.schema.hints import place_of

__all__ = ["Entity", "Field", "Reference", "RowsError", "chosen", "entities_of"]


class RowsError(ErlenError):
    """Rows that cannot be written or read: what is wrong, where, and what to do."""


class Field(Struct, eq=False, kw_only=True):
    """One column."""

    name: str
    """The attribute of the model; of a table without one, the column's name."""
    column: Column[Any]
    codec: Codec
    rule: Rule | None = None
    """What the model says of its values."""
    required: bool = False
    """Whether a row must have a value, and nothing else gives it one."""
    private: bool = False
    """Whether its values are not for messages."""
    target: Entity | None = None
    """What names the row that it refers to, through any number of foreign keys, where that is another row's counted key."""


class Reference(Struct, frozen=True, eq=False):
    """A foreign key: fields, and those that they equal."""

    fields: tuple[str, ...]
    target: Entity
    columns: tuple[str, ...]
    optional: bool
    """Whether it may be NULL until the row that it refers to is there."""
    deferrable: bool


class Entity(Struct, eq=False, kw_only=True):
    """One table."""

    name: str
    """The model's name; that of the table where it has none, or several models have the same name."""
    table: Table
    fields: dict[str, Field]
    key: tuple[str, ...]
    """The fields of the primary key."""
    counted: bool = False
    """Whether the key says nothing of the row: the database counts it, or the program makes it up."""
    natural: tuple[str, ...] = ()
    """The fields that name a row in any database: `__natural_key__` of the model, else its first unique constraint that has no NULL, else
    a key that is not counted; none where there is no such thing."""
    references: tuple[Reference, ...] = ()
    kinds: dict[str, Any] = {}  # a Struct copies it for each
    """The models that share the table, by name, with the values of `discriminator`."""
    discriminator: str = ""

    @property
    def is_link(self) -> bool:
        """Whether it has no model, as a table between two others."""
        return not self.kinds

    def field_of(self, column: Column[Any]) -> Field:
        return next(field for field in self.fields.values() if field.column is column)


def entities_of(metadata: MetaData, base: type[Base], dialect: Dialect) -> list[Entity]:
    """Return the tables of one database, those that others refer to first.

    Raises:
        ConfigurationError: for a `__natural_key__` that names what is no field.
    """
    base.registry.configure()
    mappers = sorted(base.registry.mappers, key=lambda mapper: (len(list(mapper.iterate_to_root())), _qualified(mapper)))
    by_table: dict[Table, list[Mapper[Any]]] = {}
    for mapper in mappers:
        if isinstance(mapper.local_table, Table):
            by_table.setdefault(mapper.local_table, []).append(mapper)
    tables = sorted(metadata.tables.values(), key=lambda table: str(table.fullname))
    order: list[Table] = [table for table, _ in sort_tables_and_constraints(tables) if table is not None]
    models = [by_table[table][0].class_.__name__ for table in order if table in by_table]
    doubled = {name for name in models if models.count(name) > 1}
    made = [_entity(table, by_table.get(table, []), doubled, dialect) for table in order]
    _connect({entity.table: entity for entity in made})
    return made


def chosen(entities: Sequence[Entity], names: Iterable[str], excluded: Iterable[str]) -> list[Entity]:
    """Return the tables of these models, or all, without those of others.

    What belongs to a model comes and goes with it: the tables of the classes that it inherits from and of those that inherit from it, and
    tables between two models that are both there.

    Raises:
        RowsError: for a name that is not known, saying which one is nearest.
    """
    wanted = {id(each) for name in names for each in _family(find(entities, name), entities)}
    unwanted = {id(each) for name in excluded for each in _family(find(entities, name), entities)}
    kept = [each for each in entities if (not wanted or id(each) in wanted) and id(each) not in unwanted]
    links = [each for each in entities if each.is_link and each.references and id(each) not in unwanted]
    ends = {id(each) for each in kept if not each.is_link}
    between = {id(link) for link in links if all(id(reference.target) in ends for reference in link.references)}
    dangling = {id(link) for link in links if not between >= {id(link)} and id(link) not in wanted}
    return [each for each in entities if (each in kept or id(each) in between) and id(each) not in dangling]


def find(entities: Iterable[Entity], name: str) -> Entity:
    """Return a table by the name of one of its models, or its own.

    Raises:
        RowsError: if there is none, saying which one is nearest.
    """
    known = names_of(entities)
    if name not in known:
        near = get_close_matches(name, known, n=1)
        raise RowsError(f"there is no model {name!r}" + (f": did you mean {near[0]!r}?" if near else f", only {', '.join(sorted(known))}"))
    return known[name]


def names_of(entities: Iterable[Entity]) -> Mapping[str, Entity]:
    """Return all names of tables: of their models, and their own."""
    entities = list(entities)
    named = {str(entity.table.fullname): entity for entity in entities}
    return named | {kind: entity for entity in entities for kind in entity.kinds} | {entity.name: entity for entity in entities}


def _entity(table: Table, mappers: Sequence[Mapper[Any]], doubled: set[str], dialect: Dialect) -> Entity:
    fields: dict[str, Field] = {}
    for column in table.columns:
        if column.computed is not None:
            continue
        field = _field(column, mappers, dialect)
        if field.name in fields:  # two classes that share the table have the same name for different columns
            field.name = str(column.key)
        fields[field.name] = field
    names = {field.column: field.name for field in fields.values()}
    first = mappers[0] if mappers else None
    key = tuple(names[column] for column in table.primary_key.columns if column in names)
    sole: Any = next(iter(table.primary_key.columns), None)
    discriminator = first.polymorphic_on if first is not None else None
    return Entity(
        name=first.class_.__name__ if first is not None and first.class_.__name__ not in doubled else str(table.fullname),
        table=table,
        fields=fields,
        key=key,
        counted=len(key) == 1 and not sole.foreign_keys and is_made([sole], first or _NO_MAPPER),
        kinds={mapper.class_.__name__: mapper.polymorphic_identity for mapper in mappers if mapper.class_.__name__ not in doubled},
        discriminator=names.get(discriminator, "") if isinstance(discriminator, Column) else "",
    )


def _field(column: Column[Any], mappers: Sequence[Mapper[Any]], dialect: Dialect) -> Field:
    codec = codec_of(column.type, dialect)
    private = isinstance(column.type, EncryptedValue)
    for mapper in mappers:
        prop = mapper.columntoproperty.get(column)
        if prop is None:
            continue
        made = is_made([column], mapper)
        annotation = annotations_of(mapper.class_).get(prop.key)
        return Field(
            name=prop.key,
            column=column,
            codec=codec,
            rule=Rule(prop.key, annotation, column, absent=made) if annotation is not None and codec.judged else None,
            required=not column.nullable and not made,
            private=private or any(field.private for field in fields_of(mapper.class_) if field.name == prop.key),
        )
    required = not column.nullable and not is_made([column], _NO_MAPPER)
    return Field(name=str(column.key), column=column, codec=codec, required=required, private=private)


def _connect(entities: Mapping[Table, Entity]) -> None:
    """Find the references between tables, and what names their rows."""
    for entity in entities.values():
        entity.references = tuple(_references(entity, entities))
    known: dict[int, tuple[str, ...]] = {}
    for entity in entities.values():
        entity.natural = _natural(entity, entities, known, ())
    for entity in entities.values():
        for field in entity.fields.values():
            target = _root(field.column, entities)
            if target is not None and target.natural and target.natural != target.key:
                field.target = target


def _references(entity: Entity, entities: Mapping[Table, Entity]) -> Iterator[Reference]:
    constraints = [each for each in entity.table.constraints if isinstance(each, ForeignKeyConstraint)]
    for constraint in sorted(constraints, key=lambda each: [str(column.key) for column in each.columns]):
        target = entities.get(constraint.referred_table)
        if target is None:
            continue
        fields = [entity.field_of(element.parent) for element in constraint.elements]
        yield Reference(
            tuple(field.name for field in fields),
            target,
            tuple(target.field_of(element.column).name for element in constraint.elements),
            any(field.column.nullable for field in fields) and not any(field.column.primary_key for field in fields),
            bool(constraint.deferrable),
        )


def _root(column: Column[Any], entities: Mapping[Table, Entity]) -> Entity | None:
    """Return the table whose counted key a column holds, through the keys of others (composite keys, inherited tables)."""
    seen: list[Column[Any]] = []
    while column.foreign_keys:
        if column in seen:
            return None
        seen.append(column)
        column = min(column.foreign_keys, key=lambda key: str(key.target_fullname)).column
    entity = entities.get(column.table)  # type: ignore[arg-type]  # what is no table is not found
    if not seen or entity is None or [field.column for field in map(entity.fields.__getitem__, entity.key)] != [column]:
        return None
    return entity


def _natural(
    entity: Entity, entities: Mapping[Table, Entity], known: dict[int, tuple[str, ...]], busy: tuple[Entity, ...]
) -> tuple[str, ...]:
    if id(entity) in known:
        return known[id(entity)]

    def is_usable(names: Sequence[str]) -> bool:
        """Whether what these fields refer to has names, too."""
        for name in names:
            target = _root(entity.fields[name].column, entities)
            if target is not None and (target in (*busy, entity) or not _natural(target, entities, known, (*busy, entity))):
                return False
        return True

    found = next((names for names in _candidates(entity) if is_usable(names)), ())
    if not busy:  # within others, a table may only have seemed to have none
        known[id(entity)] = found
    return found


def _candidates(entity: Entity) -> Iterator[tuple[str, ...]]:
    if said := _said(entity):
        yield said
        return
    table = entity.table
    unique: list[Any] = [each for each in table.constraints if isinstance(each, UniqueConstraint)]
    unique += [index for index in table.indexes if index.unique and not index.dialect_kwargs]
    places = {column: place for place, column in enumerate(table.columns)}
    for constraint in sorted(unique, key=lambda each: [places.get(column, -1) for column in each.columns]):
        columns = list(constraint.columns)
        if columns and len(getattr(constraint, "expressions", columns)) == len(columns) and not any(each.nullable for each in columns):
            yield tuple(entity.field_of(column).name for column in columns)
    if entity.key and not entity.counted:
        yield entity.key


def _said(entity: Entity) -> tuple[str, ...]:
    mapper = next((each for each in _mappers(entity) if hasattr(each.class_, "__natural_key__")), None)
    if mapper is None:
        return ()
    said: Any = mapper.class_.__natural_key__
    names = (said,) if isinstance(said, str) else tuple(said)
    for name in names:
        if name not in mapper.column_attrs:
            near = get_close_matches(name, mapper.column_attrs.keys(), n=1)
            fix = f"did you mean {near[0]!r}?" if near else f"name some of {', '.join(mapper.column_attrs.keys())}"
            raise ConfigurationError(Mistake(f"`__natural_key__` names {name!r}, which is no field", place_of(mapper.class_), fix))
    return names if all(name in entity.fields for name in names) else ()  # the parent's, in a table of its own


def _mappers(entity: Entity) -> Iterator[Mapper[Any]]:
    for table_mapper in sorted(entity.mappers, key=lambda each: len(list(each.iterate_to_root()))):
        yield table_mapper


def _family(entity: Entity, entities: Sequence[Entity]) -> Iterator[Entity]:
    """Yield a table with those that its rows continue in (joined-table inheritance)."""
    wanted = {id(entity)}
    while True:
        before = len(wanted)
        for child in entities:
            parents = [each.target for each in child.references if each.fields == child.key and not child.is_link]
            for parent in parents:
                if id(child) in wanted or id(parent) in wanted:
                    wanted |= {id(child), id(parent)}
        if len(wanted) == before:
            break
    yield from (each for each in entities if id(each) in wanted)
