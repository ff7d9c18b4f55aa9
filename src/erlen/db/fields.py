"""Fields of a model, given by name or as attributes."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any, TypeAlias

from sqlalchemy import inspect
from sqlalchemy.orm import QueryableAttribute

__all__ = ["Fields", "names_of"]

Fields: TypeAlias = "str | QueryableAttribute[Any] | Sequence[str | QueryableAttribute[Any]]"
"""`"slug"`, `Article.slug`, or several."""


def names_of(model: type[Any], given: Fields) -> tuple[str, ...]:
    """Return the names of fields of a model. Only these reach SQL.

    Raises:
        TypeError: for what is no field with a column; the message says which one is nearest.
    """
    known = inspect(model).column_attrs.keys()
    names = []
    for one in (given,) if isinstance(given, str | QueryableAttribute) else given:
        name = one if isinstance(one, str) else one.key
        if name not in known:
            near = get_close_matches(str(name), known, n=1)
            raise TypeError(f"{model.__name__} has no field {name!r}" + (f": did you mean {near[0]!r}?" if near else ""))
        names.append(name)
    return tuple(names)
