"""`Entity`: one table as dumps see it, with its fields, its key, and what names a row in any database."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Protocol, cast

from msgspec import Struct
from sqlalchemy import Column, Dialect, ForeignKeyConstraint, MetaData, Table, UniqueConstraint
from sqlalchemy.exc import CircularDependencyError
from sqlalchemy.orm import Mapper
from sqlalchemy.orm.exc import UnmappedColumnError
from sqlalchemy.schema import sort_tables_and_constraints

from erlen.db.annotations import annotations_of
from erlen.db.columns.encrypted import EncryptedValue
from erlen.db.info import fields_of, is_made
from erlen.db.model import Base
from erlen.db.rules import Rule
from erlen.errors import ConfigurationError, ErlenError, Mistake
from erlen.rows.values import Codec, codec_of
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
    mappers: tuple[Mapper[Any], ...] = ()
    """Of the models that share the table, the parent first."""

    @property
    def is_link(self) -> bool:
        """Whether it has no model, as a table between two others."""
        return not self.kinds

    @property
    def family(self) -> object:
        """The table of the first class that its model inherits from."""
        return self.mappers[0].base_mapper.local_table if self.mappers else self.table

    def names_for(self, columns: Iterable[Column[Any]]) -> tuple[str, ...]:
        """Return the fields of columns; nothing if the database computes one of them."""
        names = {field.column: field.name for field in self.fields.values()}
        found = [names.get(column, "") for column in columns]
        return tuple(found) if all(found) else ()


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
    order = _in_order(sorted(metadata.tables.values(), key=lambda table: str(table.fullname)))
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
    wanted = {find(entities, name).family for name in names}
    unwanted = {find(entities, name).family for name in excluded}

    def is_kept(entity: Entity) -> bool:
        if entity.family in unwanted:
            return False
        ends = {reference.target.family for reference in entity.references} if entity.is_link else set()
        return entity.family in wanted or (not ends & unwanted and (not wanted or (bool(ends) and ends <= wanted)))

    return [entity for entity in entities if is_kept(entity)]


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


def _in_order(tables: Sequence[Table]) -> list[Table]:
    """Put tables after those that they refer to; in circles, at least after those that they must refer to."""
    sort = cast("_Sort", sort_tables_and_constraints)  # where a circle is no warning, as it is for `sorted_tables`

    def is_needed(constraint: ForeignKeyConstraint) -> bool | None:
        return None if any(column.nullable for column in constraint.columns) else False

    def is_part_of_key(constraint: ForeignKeyConstraint) -> bool | None:
        return False if any(column.primary_key for column in constraint.columns) else None

    for judge in (is_needed, is_part_of_key):
        try:
            return [table for table, _ in sort(tables, judge) if table is not None]
        except CircularDependencyError:
            continue
    return [table for table, _ in sort(tables, lambda _: None) if table is not None]


def _qualified(mapper: Mapper[Any]) -> str:
    return f"{mapper.class_.__module__}.{mapper.class_.__qualname__}"


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
        counted=len(key) == 1 and not sole.foreign_keys and _is_made(sole, first),
        kinds={mapper.class_.__name__: mapper.polymorphic_identity for mapper in mappers if mapper.class_.__name__ not in doubled},
        discriminator=names.get(discriminator, "") if isinstance(discriminator, Column) else "",
        mappers=tuple(mappers),
    )


def _field(column: Column[Any], mappers: Sequence[Mapper[Any]], dialect: Dialect) -> Field:
    codec = codec_of(column.type, dialect)
    private = isinstance(column.type, EncryptedValue)
    for mapper in mappers:
        try:
            prop = mapper.get_property_by_column(column)
        except UnmappedColumnError:
            continue
        made = _is_made(column, mapper)
        annotation = annotations_of(mapper.class_).get(prop.key)
        return Field(
            name=prop.key,
            column=column,
            codec=codec,
            rule=Rule(prop.key, annotation, column, absent=made) if annotation is not None and codec.judged else None,
            required=not column.nullable and not made,
            private=private or any(field.private for field in fields_of(mapper.class_) if field.name == prop.key),
        )
    required = not column.nullable and not _is_made(column, None)
    return Field(name=str(column.key), column=column, codec=codec, required=required, private=private)


def _is_made(column: Column[Any], mapper: Mapper[Any] | None) -> bool:
    """Whether a column of one table has a value without being given one; the key of an inherited class has none here."""
    if column.foreign_keys:
        return column.default is not None or column.server_default is not None
    if mapper is not None:
        return is_made([column], mapper)
    return column.default is not None or column.server_default is not None or column is column.table.autoincrement_column


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
        columns = [element.parent for element in constraint.elements]
        names, others = entity.names_for(columns), target.names_for(element.column for element in constraint.elements)
        if names and others:
            optional = any(column.nullable for column in columns) and not any(column.primary_key for column in columns)
            yield Reference(names, target, others, optional, bool(constraint.deferrable))


def _root(column: Column[Any], entities: Mapping[Table, Entity]) -> Entity | None:
    """Return the table whose counted key a column holds, through the keys of others (composite keys, inherited tables)."""
    seen: list[Column[Any]] = []
    while column.foreign_keys:
        if column in seen:
            return None
        seen.append(column)
        column = min(column.foreign_keys, key=lambda key: str(key.target_fullname)).column
    entity = entities.get(column.table)
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
        names = entity.names_for(columns)
        if names and len(getattr(constraint, "expressions", columns)) == len(columns) and not any(each.nullable for each in columns):
            yield names
    if entity.key and not entity.counted:
        yield entity.key


def _said(entity: Entity) -> tuple[str, ...]:
    mapper = next((each for each in entity.mappers if hasattr(each.class_, "__natural_key__")), None)
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


class _Sort(Protocol):
    """SQLAlchemy's function, which has no types."""

    def __call__(
        self, tables: Sequence[Table], filter_fn: Callable[[ForeignKeyConstraint], bool | None]
    ) -> list[tuple[Table | None, object]]: ...
