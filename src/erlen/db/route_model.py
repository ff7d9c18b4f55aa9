"""Models from the path: `/articles/{article.slug}` gives the handler's `article: Article` the row with that slug, or answers 404."""

from __future__ import annotations

from collections.abc import Callable
from inspect import Parameter as Formal
from inspect import Signature
from typing import Annotated, Any

from sqlalchemy import inspect, select

from erlen.binding.marker import Dependency, Path
from erlen.binding.parameter import Parameter, SignatureOptions, bare, optional_of, strip_annotated
from erlen.db.columns.resolve import without_none
from erlen.db.info import fields_of
from erlen.db.model import Base
from erlen.db.session import AsyncSession, Session
from erlen.db.validation import can_hold
from erlen.errors import NotFound
from erlen.schema.model import strip

__all__ = ["resolve_model"]


def resolve_model(parameter: Parameter, options: SignatureOptions) -> Dependency | tuple[str, str] | None:
    """Explain a parameter whose type is a model: what loads it, or why nothing can. `Article | None` is None instead of a 404."""
    model = bare(parameter.annotation)
    if not (isinstance(model, type) and issubclass(model, Base)):
        return None
    name, title = parameter.name, model.__name__
    columns = {key: key.removeprefix(f"{name}.") for key in options.param_names if key.startswith(f"{name}.")}
    if not columns:
        wrong = f"parameter `{name}: {title}` is a model, and the path does not say which"
        return wrong, f"put `{{{name}.id}}` in the path; for a body write `{name}: Create[{title}]` or `Update[{title}]`"
    known = inspect(model).column_attrs.keys()
    for column in columns.values():
        if column not in known:
            return f"{title} has no column {column!r} for the path to name", f"use one of {', '.join(known)}"
    optional = optional_of(strip_annotated(parameter.annotation)) is not None
    return Dependency(_loader(model, columns, options.colour == "loop", optional))


def _loader(model: Any, columns: dict[str, str], is_async: bool, optional: bool) -> Callable[..., Any]:
    """Write the dependency: its own parameters are read from the path, and converted, as a handler's are."""
    types = {field.name: strip(without_none(field.annotation))[0] for field in fields_of(model)}
    attributes = [getattr(model, column) for column in columns.values()]

    def statement(values: tuple[Any, ...]) -> Any:
        return select(model).where(*(attribute == value for attribute, value in zip(attributes, values, strict=True)))

    def fit(values: tuple[Any, ...]) -> bool:
        # Looked for, a number or text that no row can have would be an error of the database.
        return all(can_hold(model, column, value) for column, value in zip(columns.values(), values, strict=True))

    def found(instance: Any) -> Any:
        if instance is None and not optional:
            raise NotFound(f"There is no such {model.__name__}.")
        return instance

    def load(db: Session, *values: Any) -> Any:
        return found(db.scalars(statement(values)).one_or_none() if fit(values) else None)

    async def load_async(db: AsyncSession, *values: Any) -> Any:
        return found((await db.scalars(statement(values))).one_or_none() if fit(values) else None)

    formal = [Formal("db", Formal.POSITIONAL_OR_KEYWORD, annotation=AsyncSession if is_async else Session)]
    for number, (key, column) in enumerate(columns.items()):
        formal.append(Formal(f"value{number}", Formal.POSITIONAL_OR_KEYWORD, annotation=Annotated[types[column], Path(key)]))
    function: Any = load_async if is_async else load
    function.__signature__ = Signature(formal)
    function.__annotations__ = {each.name: each.annotation for each in formal}
    return function  # type: ignore[no-any-return]
