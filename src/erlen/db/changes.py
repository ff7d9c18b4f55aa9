"""What has changed in an object since it was loaded or last flushed."""

from __future__ import annotations

from typing import Any

from sqlalchemy import inspect
from sqlalchemy.orm import InstanceState
from sqlalchemy.orm.attributes import History

from erlen.types import MISSING

__all__ = ["changes", "is_changed", "previous"]


def changes(instance: object) -> dict[str, tuple[Any, Any]]:
    """Return the attributes that were changed since the object was loaded or last flushed, each with its old and its new value.

    Relations are among them; of a collection both are lists. Nothing is loaded: an old value that is not known, as that of an attribute
    that was set before it was loaded, is `MISSING`. Of a new object it is every attribute that was set, and the old values are None.
    """
    state: InstanceState[Any] = inspect(instance)
    histories = ((attribute.key, attribute.history) for attribute in state.attrs)
    return {name: _old_and_new(state, name, history) for name, history in histories if history.has_changes()}


def is_changed(instance: object, name: str) -> bool:
    """Whether an attribute has another value than it was loaded or last flushed with.

    Raises:
        AttributeError: if the model has no such attribute.
    """
    return _history(instance, name).has_changes()


def previous(instance: object, name: str) -> Any:
    """Return the value that an attribute had when the object was loaded or last flushed; `MISSING` where it is not known.

    Raises:
        AttributeError: if the model has no such attribute.
    """
    history = _history(instance, name)
    state: InstanceState[Any] = inspect(instance)
    return _old_and_new(state, name, history)[0] if history.has_changes() else state.dict.get(name, MISSING)


def _history(instance: object, name: str) -> History:
    state: InstanceState[Any] = inspect(instance)
    if name not in state.attrs:
        raise AttributeError(f"{type(instance).__name__} has no mapped attribute {name!r}", name=name, obj=instance)
    return state.attrs[name].history


def _old_and_new(state: InstanceState[Any], name: str, history: History) -> tuple[Any, Any]:
    if name in state.mapper.relationships and state.mapper.relationships[name].uselist:
        unchanged = list(history.unchanged or ())
        return unchanged + list(history.deleted or ()), unchanged + list(history.added or ())
    unknown = MISSING if state.key is not None else None
    return history.deleted[0] if history.deleted else unknown, history.added[0] if history.added else None
