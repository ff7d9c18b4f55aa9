"""Annotations, evaluated: of functions, so that they can be bound, and of model classes, so that they can be decoded.

`from __future__ import annotations` leaves text where types should be, and the module alone cannot evaluate it when a name comes from an
enclosing function. Here the closure and the scope of the definition are asked too, and what stays unknown is a mistake that says so.
"""

from __future__ import annotations

import sys
import typing
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from erlen.errors import Mistake, raise_all

__all__ = ["class_hints", "hints_of", "place_of", "settle", "type_name"]

Names = Mapping[str, object]


def hints_of(function: Callable[..., object], localns: Names | None = None) -> dict[str, object]:
    """Return the evaluated annotations of a function by parameter name, and `return`; `Annotated` is kept.

    Args:
        function: a function, method, `functools.partial`, callable object, or class (its `__init__`); decorators that set `__wrapped__`
            are looked through.
        localns: the local names where the function was defined, for annotations that name them. Model classes in the annotations that
            need them too are settled (see `settle`).

    Raises:
        ConfigurationError: naming the parameter, its place, and the name that cannot be resolved; all of them at once.
    """
    plain, globalns = _plain(function)
    scope = {**(localns or {}), **_type_params(plain), **_closure(plain)}
    mistakes: list[Mistake] = []
    hints = _evaluate_all(plain, lambda hint: _evaluate(hint, globalns, scope), "parameter", mistakes)
    raise_all(mistakes)
    for hint in hints.values():
        settle(hint, localns)
    return hints


def class_hints(model: object, localns: Names | None = None) -> dict[str, object]:
    """Return the evaluated annotations of a class and its bases; of `Model[int]`, with the parameters filled in.

    Raises:
        ConfigurationError: naming the class, the field and the name that cannot be resolved; all of them at once.
    """
    cls: type = typing.get_origin(model) or typing.cast(type, model)
    filled = _type_arguments(model)
    hints: dict[str, object] = {}
    mistakes: list[Mistake] = []
    for base in reversed(cls.__mro__[:-1]):
        evaluated = _evaluate_all(base, partial(_evaluate_in_class, base, localns), "field", mistakes)
        hints |= {name: _fill(hint, filled.get(base, {})) for name, hint in evaluated.items()}
    raise_all(mistakes)
    return hints


def settle(annotation: object, localns: Names | None = None) -> None:
    """Evaluate, in place, the annotations of model classes within `annotation` that their module alone cannot evaluate.

    msgspec looks names up in the module, so a class made inside a function could not refer to its neighbours, nor to itself. What
    `localns` cannot resolve either is left alone: it matters only once the class is decoded, and `fields_of` reports it then.
    """
    seen: set[int] = set()
    waiting = [annotation]
    while waiting:
        part = waiting.pop()
        if id(part) in seen:
            continue
        seen.add(id(part))
        waiting.extend(typing.get_args(part))
        waiting.append(typing.get_origin(part))
        if isinstance(part, list):  # the parameters of a Callable
            waiting.extend(part)
        if isinstance(part, type) and any(hasattr(part, mark) for mark in _MARKS):
            waiting.extend(hint for base in part.__mro__[:-1] for hint in _settle_class(base, localns))


def type_name(target: object) -> str:
    """Return a type as the developer would write it, or the name of a function, for messages."""
    return str(target) if typing.get_origin(target) is not None else getattr(target, "__qualname__", None) or str(target)


def place_of(target: object) -> str:
    """Return `file:line` of a function's or class's definition, as far as it is known."""
    code = getattr(target, "__code__", None)
    if code is not None:
        return f"{code.co_filename}:{code.co_firstlineno}"
    module = sys.modules.get(getattr(target, "__module__", None) or "")
    file = getattr(module, "__file__", None) or ""
    line = getattr(target, "__firstlineno__", None)  # Python 3.13 and later
    if line is None and isinstance(target, type):
        import inspect

        try:
            line = inspect.getsourcelines(target)[1]
        except (OSError, TypeError):
            return file
    return f"{file}:{line}" if file and line else file


def _settle_class(base: type, localns: Names | None) -> Iterable[object]:
    settled = _evaluate_all(base, partial(_evaluate_in_class, base, localns), "field", [])  # mistakes are reported when it is decoded
    _annotations(base).update(settled)
    return settled.values()


def _evaluate_all(target: object, evaluate: Callable[[object], object], part: str, mistakes: list[Mistake]) -> dict[str, object]:
    """Return the evaluated annotations of a class or function; what cannot be evaluated is left out, and noted."""
    hints: dict[str, object] = {}
    for name, hint in _annotations(target).items():
        try:
            hints[name] = evaluate(hint)
        except Exception as error:  # noqa: BLE001 - an annotation is the user's code and may raise anything
            subject = "the return annotation" if name == "return" and part == "parameter" else f"the annotation of {part} `{name}`"
            mistakes.append(_mistake(f"{subject} of `{type_name(target)}`", error, place_of(target)))
    return hints


def _evaluate_in_class(base: type, localns: Names | None, hint: object) -> object:
    # A field must not hide the type of the same name (`date: date | None = None`), so the class's own names come last;
    # nor may a local name of where it is used hide one of its module.
    own = {base.__name__: base, **vars(base), **_type_params(base)}
    return _evaluate(hint, own, {**(localns or {}), **_module_names(base)})


def _evaluate(hint: object, globalns: dict[str, object], localns: Names) -> object:
    # A class, because only in one does typing accept ClassVar, Final and Required.
    carrier = type("carrier", (), {"__annotations__": {"hint": hint}})
    return typing.get_type_hints(carrier, globalns, dict(localns), include_extras=True)["hint"]


def _annotations(target: object) -> dict[str, Any]:
    try:
        annotations = getattr(target, "__annotations__", None)
    except NameError:
        if sys.version_info < (3, 14):
            raise
        from annotationlib import Format, get_annotations  # type: ignore[import-not-found,unreachable]  # checked as on 3.11

        annotations = get_annotations(target, format=Format.FORWARDREF)
    return annotations if isinstance(annotations, dict) else {}


def _plain(target: Any) -> tuple[Any, dict[str, object]]:
    while True:
        if isinstance(target, partial):
            target = target.func
        elif isinstance(target, type):
            return target.__init__, dict(_module_names(target))  # type: ignore[misc]  # which __init__ does not matter: only its annotations do
        elif hasattr(target, "__wrapped__"):
            target = target.__wrapped__
        elif hasattr(target, "__func__"):
            target = target.__func__
        elif hasattr(target, "__globals__"):
            return target, target.__globals__
        elif hasattr(type(target).__call__, "__globals__"):
            target = type(target).__call__
        else:  # made in C: it has no annotations
            return target, {}


def _closure(function: object) -> dict[str, object]:
    names = {}
    code = getattr(function, "__code__", None)
    for name, cell in zip(getattr(code, "co_freevars", ()), getattr(function, "__closure__", None) or (), strict=True):
        try:
            names[name] = cell.cell_contents
        except ValueError:  # not assigned yet
            continue
    return names


def _type_params(target: object) -> dict[str, object]:
    return {param.__name__: param for param in getattr(target, "__type_params__", ())}  # Python 3.12 and later


def _module_names(cls: type) -> Mapping[str, object]:
    return getattr(sys.modules.get(cls.__module__), "__dict__", {})


def _type_arguments(model: object) -> dict[type, dict[object, object]]:
    """What stands for each type variable, in the class and in each of its generic bases."""
    filled: dict[type, dict[object, object]] = {}
    waiting: list[tuple[object, dict[object, object]]] = [(model, {})]
    while waiting:
        part, outer = waiting.pop()
        origin = typing.get_origin(part)
        cls: Any = origin or part
        if not isinstance(cls, type) or cls in filled:
            continue
        params = getattr(cls, "__parameters__", ())
        given = tuple(_fill(argument, outer) for argument in typing.get_args(part)) if origin else params
        filled[cls] = dict(zip(params, given, strict=False))
        waiting.extend((base, filled[cls]) for base in getattr(cls, "__orig_bases__", cls.__bases__))
    return filled


def _fill(hint: Any, arguments: Mapping[object, object]) -> object:
    if isinstance(hint, typing.TypeVar):
        return arguments.get(hint, hint)
    params = getattr(hint, "__parameters__", ()) if typing.get_origin(hint) is not None else ()
    return hint[tuple(arguments.get(param, param) for param in params)] if params else hint


def _mistake(subject: str, error: Exception, where: str) -> Mistake:
    if isinstance(error, NameError):
        fix = f"import or define `{error.name}` at run time, before it is registered (not under `if TYPE_CHECKING:`)"
        return Mistake(f"{subject} needs the name `{error.name}`, which cannot be found", where, fix)
    return Mistake(f"{subject} cannot be evaluated: {error}", where, "write a type there")


_MARKS = ("__struct_fields__", "__dataclass_fields__", "__attrs_attrs__", "__total__", "_fields")
"""What tells model classes: Struct, dataclass, attrs, TypedDict and NamedTuple."""
