"""`Create[Article]`, `Update[Article]`, `Read[Article]`: the types of requests and answers that follow from a model.

They are Structs, made once for each model: a handler's `data: Create[Article]` is a JSON body or, with `Form()`, a form.
"""

from __future__ import annotations

import copy
from collections.abc import Collection
from difflib import get_close_matches
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Self, TypeVar, Union, overload

import msgspec
from msgspec import UNSET, Struct, StructMeta, UnsetType
from sqlalchemy import inspect
from sqlalchemy.orm import Mapper

from erlen.db.info import FieldInfo, fields_of
from erlen.db.model import Base
from erlen.db.validation import assign
from erlen.errors import ConfigurationError, Conflict, Mistake
from erlen.schema.faults import convert_custom
from erlen.schema.hints import place_of, type_name
from erlen.schema.model import NOTHINGS, members_of
from erlen.schema.model import fields_of as struct_fields_of
from erlen.types import MISSING

__all__ = ["Create", "Read", "Update"]

M = TypeVar("M", bound=Base)
N = TypeVar("N", bound=Base)
if TYPE_CHECKING:
    from typing_extensions import TypeVar as TypeVarWithDefault

    K = TypeVarWithDefault("K", bound=Base, default=Base)
else:
    K = M


class DerivedMeta(StructMeta):
    """Makes classes derived from `Create[Article]` and the like, with other fields where the class keywords say so."""

    def __new__(
        mcs,
        name: str,
        bases: tuple[type, ...],
        namespace: dict[str, Any],
        *,
        include: Collection[str] | None = None,
        exclude: Collection[str] = (),
        optional: Collection[str] = (),
        **config: Any,
    ) -> Any:
        """Make a class.

        Args:
            name: of the class.
            bases: its bases, such as `Create[Article]`.
            namespace: its body.
            include: the fields of the model to have, and no others: also some that it would not have otherwise.
            exclude: fields to leave out.
            optional: fields that need not be there.
            config: msgspec's own keywords.
        """
        if include is not None or exclude or optional:
            bases = tuple(_adjusted(base, include, exclude, optional) for base in bases)
        return super().__new__(mcs, name, bases, namespace, **config)


if TYPE_CHECKING:

    class Derived(Generic[M]):
        """What the three have in common. Their fields are made at run time, so type checkers do not know them."""

        def __init_subclass__(
            cls,
            *,
            include: Collection[str] | None = None,
            exclude: Collection[str] = (),
            optional: Collection[str] = (),
            **config: Any,
        ) -> None: ...

        __model__: ClassVar[type[Base] | None]
        __struct_fields__: ClassVar[tuple[str, ...]]

        def __init__(self, **values: Any) -> None: ...

        def __getattr__(self, name: str) -> Any: ...

else:

    class Derived(Struct, Generic[M], metaclass=DerivedMeta):
        """What the three have in common."""

        __model__: ClassVar[Any] = None

        def __class_getitem__(cls, model):
            if isinstance(model, type) and issubclass(model, Base) and cls.__model__ is None:
                return _derived(cls, model)
            return super().__class_getitem__(model)


class Create(Derived[M]):
    """What a client sends to make an object: `data: Create[Article]`, then `article = data.build()`.

    It has the fields that clients may set, required and with defaults as in the model; not keys that the database counts, what is marked
    `private` or `read_only`, nor relations (but their foreign keys, such as `author_id`).

    To change that: `class NewArticle(Create[Article], exclude={"author_id"})`; more fields may stand in its body.
    """

    def build(self, **values: Any) -> M:
        """Make the object of what was sent, and of `values` that the program adds or says instead.

        Raises:
            ValidationError: with everything that is not valid.
        """
        cls: Any = _model_of(self)
        return cls(**{**_sent(self), **values})  # type: ignore[no-any-return]


class Update(Derived[M]):
    """What a client sends to change an object: `data: Update[Article]`, then `data.apply(article)`.

    It has the fields of `Create[Article]` except keys, all of them optional. A `Versioned` model has its `version` too: a client that
    sends the one it has seen gets a 409 where the object has changed since.
    """

    def apply(self, instance: M, **values: Any) -> M:
        """Set what was sent, and `values` that the program adds or says instead; return the object.

        Raises:
            ValidationError: with everything that is not valid.
            Conflict: if the client has seen another version.
        """
        sent = _sent(self)
        mapper: Mapper[Any] = inspect(type(instance))
        if mapper.version_id_col is not None:
            name = mapper.get_property_by_column(mapper.version_id_col).key
            seen = sent.pop(name, None)
            if seen is not None and seen != getattr(instance, name):
                raise Conflict("Somebody else has changed this in the meantime: load it again, and repeat your change.")
        assign(instance, {**sent, **values})
        return instance


class Read(Derived[K]):
    """What a client is given of an object: `Read[Article].of(article)`, or `-> Read[Article]` of a handler that returns this.

    It has the fields that clients may see, without relations and deferred columns. `class ArticleRow(Read[Article])` may have more in its
    body: `author: Read[Author]` takes the relation `author`.
    """

    @overload
    @classmethod
    def of(cls: type[Read[Base]], instance: N) -> Read[N]: ...
    @overload
    @classmethod
    def of(cls, instance: K) -> Self: ...
    @classmethod
    def of(cls, instance: Any) -> Any:
        """Make it of an object; `Read.of(article)` is a `Read[Article]`."""
        made: Any = cls if cls.__model__ is not None else _derived(cls, type(instance))
        # What a column holds was judged when it was stored; what else there is may be objects, to be read as their types say.
        values = {name: getattr(instance, name) for name in made.__struct_fields__}
        for name, annotation in _added(made):
            values[name] = msgspec.convert(values[name], annotation, from_attributes=True, dec_hook=convert_custom)
        return made(**values)


def _added(made: Any) -> tuple[tuple[str, Any], ...]:
    """Return the fields that a class has besides those of its model, with their types."""
    found: tuple[tuple[str, Any], ...] | None = vars(made).get("__added__")
    if found is None:
        own = {field.name for field in fields_of(made.__model__)}
        found = made.__added__ = tuple((field.name, field.annotation) for field in struct_fields_of(made) if field.name not in own)
    return found


def _derived(kind: type[Derived[Any]], model: type[Base]) -> Any:
    """Return `kind[model]`, made when it is first asked for."""
    made: dict[type, Any] | None = vars(model).get("__derived__")
    if made is None:
        made = {}
        type.__setattr__(model, "__derived__", made)
    if kind not in made:
        made[kind] = _make(kind, model, _chosen(kind, model), frozenset())
    return made[kind]


def _make(kind: type[Derived[Any]], model: type[Base], fields: Collection[FieldInfo], optional: Collection[str]) -> Any:
    body: dict[str, Any] = {"__module__": model.__module__, "__qualname__": f"{kind.__name__}[{model.__qualname__}]", "__model__": model}
    annotations = body["__annotations__"] = {"__model__": ClassVar[Any]}
    for field in fields:
        annotation, default = _typed(kind, field, field.name in optional)
        annotations[field.name] = annotation
        if default is not MISSING:
            body[field.name] = default
    return DerivedMeta(model.__name__ + kind.__name__, (kind,), body, kw_only=True)


def _chosen(kind: type[Derived[Any]], model: type[Base]) -> list[FieldInfo]:
    fields = fields_of(model)
    if issubclass(kind, Read):
        return [field for field in fields if not field.private and not field.deferred]
    if issubclass(kind, Update):
        mapper: Mapper[Any] = inspect(model)
        version = None if mapper.version_id_col is None else mapper.get_property_by_column(mapper.version_id_col).key
        return [field for field in fields if (field.editable and not field.key) or field.name == version]
    return [field for field in fields if field.editable]


def _typed(kind: type[Derived[Any]], field: FieldInfo, optional: bool) -> tuple[Any, Any]:
    """Return the type and the default that a field has in a derived type."""
    annotation = field.annotation
    if field.nullable and not any(member in NOTHINGS for member in members_of(annotation)):
        annotation = Union[annotation, None]  # noqa: UP007 - of what only this run knows
    if issubclass(kind, Read):
        return annotation, MISSING
    if issubclass(kind, Create) and not optional:
        if field.required:
            return annotation, MISSING
        if field.default is not MISSING:
            return annotation, msgspec.field(default_factory=partial(copy.deepcopy, field.default))
        if field.nullable and not field.made:
            return annotation, None
    return Union[annotation, UnsetType], UNSET  # noqa: UP007


def _adjusted(base: Any, include: Collection[str] | None, exclude: Collection[str], optional: Collection[str]) -> Any:
    """Return a base such as `Create[Article]` with other fields; another base as it is."""
    model: type[Base] | None = vars(base).get("__model__")
    if model is None:
        return base
    known = {field.name: field for field in fields_of(model)}
    for name in (*(include or ()), *exclude, *optional):
        if name not in known:
            near = get_close_matches(name, known, n=1)
            wrong = f"{type_name(base)} has no field {name!r}" + (f": did you mean {near[0]!r}?" if near else "")
            raise ConfigurationError(Mistake(wrong, place_of(model), f"name some of {', '.join(known)}"))
    chosen = base.__struct_fields__ if include is None else [name for name in known if name in include]
    return _make(base.__bases__[0], model, [known[name] for name in chosen if name not in exclude], optional)


def _model_of(data: Derived[Any]) -> type[Base]:
    if data.__model__ is None:
        raise TypeError(f"{type(data).__name__} is of no model: write `{type(data).__name__}[Article]`")
    return data.__model__


def _sent(data: Derived[Any]) -> dict[str, Any]:
    """Return the fields of the model that were sent, by name."""
    names = {field.name for field in fields_of(_model_of(data))}
    values = {name: getattr(data, name) for name in data.__struct_fields__ if name in names}
    return {name: value for name, value in values.items() if value is not UNSET}
