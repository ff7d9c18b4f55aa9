"""What a model is made of: `describe(Model)`, which forms, admin and APIs read; and how a field is kept from clients."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec import Struct, structs
from sqlalchemy import Column, inspect
from sqlalchemy.orm import ColumnProperty, Mapper, RelationshipProperty

from erlen.db.annotations import annotations_of
from erlen.db.columns.encrypted import Encryption
from erlen.db.names import label_of, plural_of
from erlen.errors import ConfigurationError, Mistake
from erlen.schema.hints import place_of
from erlen.schema.model import NOTHINGS, choices_of, members_of, strip, unwrap
from erlen.types import MISSING

if TYPE_CHECKING:
    from erlen.db.model import Base

__all__ = ["FieldInfo", "ModelInfo", "RelationInfo", "describe", "fields_of", "is_made", "is_unique", "private", "read_only"]


class Access(Enum):
    """What clients may do with a field."""

    PRIVATE = "private"
    READ_ONLY = "read_only"

    def __repr__(self) -> str:
        return self.value


private: Final = Access.PRIVATE
"""A field that no client sees or sets: `key: Mapped[Annotated[str, private]]`. It is in no JSON, no `repr` and no derived type."""

read_only: Final = Access.READ_ONLY
"""A field that clients see and only the program sets: `Mapped[Annotated[int, read_only]]`."""


class FieldInfo(Struct, frozen=True, eq=False, kw_only=True):
    """One field of a model: an attribute that is kept in a column."""

    name: str
    annotation: Any
    """Its type as it was declared, with `Annotated` and `| None`; of a column without an annotation, what its values are."""
    label: str
    """What people call it: `Meta(title=…)`, otherwise its name in words."""
    help: str = ""
    """`Meta(description=…)`."""
    key: bool = False
    """Whether it is (part of) the primary key."""
    nullable: bool = False
    required: bool = False
    """Whether there must be a value, and nothing but whoever makes an object gives it one."""
    default: Any = MISSING
    """What it is when nothing is said: a value; `MISSING` where there is none or it is made when it is stored."""
    choices: tuple[tuple[Any, str], ...] = ()
    """The values of an Enum or Literal, each with what people call it."""
    unique: bool = False
    """Whether the database holds each value once."""
    computed: bool = False
    """Whether the database computes it, or it is an SQL expression."""
    made: bool = False
    """Whether it has a value without being given one: a default, or what the database counts or computes."""
    private: bool = False
    """Whether it is in no JSON, no `repr` and no `Read[…]`: what is marked `private`, encrypted, or of a secret type."""
    editable: bool = True
    """Whether clients may set it: not what is marked `private` or `read_only`, nor what the program or the database makes."""
    deferred: bool = False
    """Whether it is loaded only when it is asked for."""
    relation: str = ""
    """The relation that this field is the foreign key of: `author` for `author_id`."""


class RelationInfo(Struct, frozen=True, eq=False, kw_only=True):
    """One relation of a model to another."""

    name: str
    target: type[Base]
    many: bool
    """Whether it is a collection."""
    fields: tuple[str, ...]
    """The fields of this model that refer to the target; none where the target refers to this one or a table stands between."""
    label: str
    required: bool = False


class ModelInfo(Struct, frozen=True, eq=False, kw_only=True):
    """A model, as forms, admin and APIs see it."""

    model: type[Base]
    name: str
    label: str
    plural: str
    database: str
    table: str
    key: tuple[str, ...]
    ordering: tuple[str, ...]
    fields: tuple[FieldInfo, ...]
    relations: tuple[RelationInfo, ...]

    def field(self, name: str) -> FieldInfo:
        """Return a field by its name; raise KeyError for an unknown one."""
        for field in self.fields:
            if field.name == name:
                return field
        raise KeyError(name)

    @property
    def public(self) -> tuple[FieldInfo, ...]:
        """The fields that clients may see."""
        return tuple(field for field in self.fields if not field.private)

    @property
    def editable(self) -> tuple[FieldInfo, ...]:
        """The fields that clients may set."""
        return tuple(field for field in self.fields if field.editable)


def describe(model: type[Base]) -> ModelInfo:
    """Return what a model is made of. It is worked out once for each model; the mappings are configured for it.

    Raises:
        ConfigurationError: if the model's `ordering` names what is no field of it.
    """
    found: ModelInfo | None = vars(model).get("__described__")
    if found is None:
        found = _describe(model, inspect(model))
        type.__setattr__(model, "__described__", found)  # not a mapped attribute: past SQLAlchemy's own
    return found


def fields_of(model: type[Base]) -> tuple[FieldInfo, ...]:
    """Return the fields of a model without their relations: what can be told before the models that it refers to are there."""
    found: tuple[FieldInfo, ...] | None = vars(model).get("__fields__")
    if found is None:
        mapper: Mapper[Any] = inspect(model)
        annotations = annotations_of(model)
        # `column_attrs` would configure the mappings.
        properties: Any = dict.fromkeys(mapper.get_property_by_column(column) for column in mapper.columns)
        found = tuple(_field(prop, annotations.get(prop.key, MISSING), mapper) for prop in properties)
        type.__setattr__(model, "__fields__", found)
    return found


def scalar_default(column: Any) -> Any:
    """Return the value that a column has when nothing is said, where Python can tell before it is stored; else `MISSING`."""
    default: Any = getattr(column, "default", None)
    if default is None:
        return MISSING
    # SQLAlchemy wraps functions that take no context, as functools does.
    if default.is_callable and (made := getattr(default.arg, "__wrapped__", None)) in (list, dict, set):
        return made()
    return default.arg if default.is_scalar else MISSING


def is_made(columns: Iterable[Any], mapper: Mapper[Any]) -> bool:
    """Whether columns that share an attribute have a value without being given one.

    By a default, a number that the database counts or SQLAlchemy does, or the key of the parent's row (joined-table inheritance).
    """
    parent: Any = None if mapper.inherits is None else mapper.inherits.local_table
    return any(
        column.default is not None
        or column.server_default is not None
        or column is getattr(column.table, "autoincrement_column", None)
        or column is mapper.polymorphic_on
        or column is mapper.version_id_col
        or (
            parent is not None
            and column.primary_key
            and column.table is not parent
            and any(key.column.table is parent for key in column.foreign_keys)
        )
        for column in columns
        if isinstance(column, Column)
    )


def _describe(model: type[Base], mapper: Mapper[Any]) -> ModelInfo:
    mapper.registry.configure()
    relations = tuple(_relation(relation, mapper) for relation in mapper.relationships)
    options = model.__erlen__
    label = options.label or label_of(model.__name__)
    fields = fields_of(model)
    names = [field.name for field in fields]
    for name in options.ordering:
        if name.removeprefix("-") not in names:
            wrong = f"{model.__name__} is ordered by {name.removeprefix('-')!r}, which is no field of it"
            raise ConfigurationError(Mistake(wrong, place_of(model), f"name some of its fields: {', '.join(names)}"))
    return ModelInfo(
        model=model,
        name=model.__name__,
        label=label,
        plural=options.plural or plural_of(label),
        database=model.__database__,
        table=getattr(mapper.local_table, "fullname", str(mapper.local_table)),
        key=tuple(mapper.get_property_by_column(column).key for column in mapper.primary_key),
        ordering=options.ordering,
        fields=tuple(_related(field, relations) for field in fields),
        relations=relations,
    )


def _related(field: FieldInfo, relations: Sequence[RelationInfo]) -> FieldInfo:
    name = next((relation.name for relation in relations if field.name in relation.fields), "")
    label = label_of(name) if name and field.label == label_of(field.name) else field.label
    return structs.replace(field, relation=name, label=label) if name else field


def _field(prop: ColumnProperty[Any], annotation: Any, mapper: Mapper[Any]) -> FieldInfo:
    column = prop.columns[0] if isinstance(prop.columns[0], Column) else None
    if annotation is MISSING:
        annotation = _annotation_of(prop.columns[0])
    metadata = list(_metadata(annotation))
    titles = [item for item in metadata if isinstance(item, msgspec.Meta)]
    info = {} if column is None else column.info
    nullable = column is None or bool(column.nullable)
    computed = column is None or column.computed is not None
    key = column is not None and column.primary_key
    made = computed or is_made(prop.columns, mapper)
    hidden = private in metadata or bool(info.get("private"))
    secret = any(isinstance(item, Encryption) for item in metadata) or any(
        getattr(unwrap(member), "__secret__", False) is True for member in members_of(annotation)
    )
    fixed = hidden or read_only in metadata or bool(info.get("read_only")) or computed or (key and made) or column is mapper.version_id_col
    return FieldInfo(
        name=prop.key,
        annotation=annotation,
        label=next((meta.title for meta in reversed(titles) if meta.title), "") or label_of(prop.key),
        help=next((meta.description for meta in reversed(titles) if meta.description), ""),
        key=key,
        nullable=nullable,
        required=not nullable and not made,
        default=scalar_default(column),
        choices=tuple((value, _choice_label(value)) for part in members_of(annotation) for _, value in choices_of(part)),
        unique=column is not None and is_unique(column),
        computed=computed,
        made=made,
        private=hidden or secret,
        editable=not fixed and column is not mapper.polymorphic_on,
        deferred=prop.deferred,
    )


def _relation(relation: RelationshipProperty[Any], mapper: Mapper[Any]) -> RelationInfo:
    own = [mapper.get_property_by_column(column) for column in relation.local_columns] if relation.direction.name == "MANYTOONE" else []
    return RelationInfo(
        name=relation.key,
        target=relation.mapper.class_,
        many=bool(relation.uselist),
        fields=tuple(prop.key for prop in own),
        label=label_of(relation.key),
        required=bool(own) and not any(column.nullable for column in relation.local_columns),
    )


def _annotation_of(expression: Any) -> Any:
    try:
        python_type = expression.type.python_type
    except NotImplementedError:
        return Any
    return python_type | None if getattr(expression, "nullable", True) else python_type


def _metadata(annotation: Any) -> Iterator[object]:
    """Yield what `Annotated` says of a type, also within `| None`, the innermost first."""
    for member in members_of(annotation):
        if member not in NOTHINGS:
            yield from strip(member)[1]
    yield from strip(annotation)[1] if len(members_of(annotation)) > 1 else ()


def _choice_label(value: Any) -> str:
    label = getattr(value, "label", None)
    return label if isinstance(label, str) else label_of(value.name) if isinstance(value, Enum) else str(value)


def is_unique(column: Column[Any]) -> bool:
    """Whether the database holds each value of a column once."""
    table: Any = column.table
    unique = [
        constraint for constraint in table.constraints if constraint.__visit_name__ in ("unique_constraint", "primary_key_constraint")
    ]
    unique += [index for index in table.indexes if index.unique and not index.dialect_kwargs]
    return any(list(each.columns) == [column] for each in unique)
