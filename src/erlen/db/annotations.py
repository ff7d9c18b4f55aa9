"""The annotations of mapped classes, evaluated before SQLAlchemy reads them: also those that are text, and of classes within functions."""

from __future__ import annotations

import re
import sys
import typing
from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Mapped, Relationship

from erlen.errors import Mistake, raise_all
from erlen.schema.hints import _annotations, _evaluate, _module_names, _type_params, place_of, type_name

__all__ = ["annotations_of", "names_at_definition", "settle_annotations"]


def annotations_of(model: type) -> dict[str, Any]:
    """Return the types of a model's annotated attributes: what stands within `Mapped[…]`, evaluated, with its `Annotated`."""
    found: dict[str, Any] = {}
    for base in reversed(model.__mro__[:-1]):
        for name, hint in _annotations(base).items():
            origin = typing.get_origin(hint)
            if isinstance(origin, type) and issubclass(origin, Mapped):
                found[name] = typing.get_args(hint)[0]
    return found


def names_at_definition() -> dict[str, object]:
    """Return the names that a class statement which is being run sees, besides those of its module."""
    frame: Any = sys._getframe(2)
    while frame.f_code.co_name in ("__init_subclass__", "__new__") and frame.f_back is not None:
        frame = frame.f_back
    module = sys.modules.get(frame.f_globals.get("__name__", ""))
    # What a notebook or a test of documents executes has names that no module has.
    names = {} if frame.f_globals is getattr(module, "__dict__", None) else dict(frame.f_globals)
    return names if frame.f_locals is frame.f_globals else {**names, **frame.f_locals}


def settle_annotations(cls: type, local_names: Mapping[str, object]) -> None:
    """Evaluate the annotations of a class and its mixins in place, before SQLAlchemy reads them.

    SQLAlchemy knows only the names of the module, and takes a constraint that it cannot evaluate for none. What names a class that comes
    later stays text in a relation: SQLAlchemy finds it by its name.

    Raises:
        ConfigurationError: naming the class, the attribute, its line, and the name that is not known.
    """
    mistakes: list[Mistake] = []
    for base in cls.__mro__:
        if base is not cls and ("__mapper__" in vars(base) or base.__module__.startswith("sqlalchemy.")):
            continue
        # A mixin's own module comes before the place where it is used.
        names = {**_module_names(base), **local_names} if base is cls else {**local_names, **_module_names(base)}
        hints = _annotations(base)
        settled: dict[str, Any] = {}
        for name, hint in hints.items():
            try:
                settled[name] = _evaluate(hint, {**vars(base), **_type_params(base), base.__name__: base}, names)
            except Exception as error:  # noqa: BLE001 - an annotation is the user's code and may raise anything
                settled[name] = hint
                if _needs_its_type(hint, vars(base).get(name)):
                    mistakes.append(_unreadable(base, name, error))
        if hints:
            base.__annotations__ = settled
    raise_all(mistakes)


def _needs_its_type(hint: object, value: object) -> bool:
    text = hint if isinstance(hint, str) else str(hint)
    return hasattr(value, "__declare__") or (not isinstance(value, Relationship) and _COLUMN.search(text) is not None)


# `Mapped[…]`, `orm.Mapped[…]`; not WriteOnlyMapped and DynamicMapped, which are relations.
_COLUMN = re.compile(r"(?<!\w)Mapped\[")


def _unreadable(cls: type, name: str, error: Exception) -> Mistake:
    fix = "correct the annotation"
    if isinstance(error, NameError):
        fix = f"import or define `{error.name}` before the class, at run time (not under `if TYPE_CHECKING:`)"
    return Mistake(f"the type of `{type_name(cls)}.{name}` cannot be evaluated: {error}", _line_of(cls, name), fix)


def _line_of(cls: type, attribute: str) -> str:
    """Return `file:line` of an attribute in its class's body; of the class where that cannot be found."""
    import inspect as source

    place = place_of(cls)
    file, _, line = place.rpartition(":")
    try:
        lines = source.getsourcelines(cls)[0]
    except (OSError, TypeError):
        return place
    at = next((number for number, text in enumerate(lines) if re.match(rf"\s*{re.escape(attribute)}\s*:", text)), 0)
    return f"{file}:{int(line) + at}" if line.isdecimal() else place
