"""What is said where an attribute is not loaded and cannot be: in `async def` code, after its session, and in a strict session."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection
from types import FrameType
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import event
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.orm import InstanceState, Mapper, ORMExecuteState, UserDefinedOption
from sqlalchemy.orm.attributes import InstrumentedAttribute
from sqlalchemy.orm.exc import DetachedInstanceError
from sqlalchemy.util.concurrency import in_greenlet

from erlen.db.caller import calling_line
from erlen.db.model import Base
from erlen.db.names import plural_of, snake_case
from erlen.errors import ErlenError, Mistake

if TYPE_CHECKING:
    from erlen.db.session import Session

__all__ = ["NotLoaded", "Strict", "detached", "refuse"]


class NotLoaded(ErlenError, InvalidRequestError):
    """An attribute is not loaded, and cannot be where it was touched (in `async def` code, after its session) or must not (strict)."""

    def __init__(self, message: str, where: str = "", fix: str = "") -> None:
        super().__init__(str(Mistake(message, where, fix)))
        self.where = where


class Strict(UserDefinedOption):
    """Carries the execution option `strict` of a query to what is loaded after it."""

    propagate_to_loaders = True


def refuse(execution: ORMExecuteState, state: InstanceState[Any], *keys: str) -> None:
    """Raise NotLoaded where nothing can be awaited, or where a strict session was not asked for this."""
    session = cast("Session", execution.session)
    asynchronous = session.colour == "loop"
    if asynchronous and not in_greenlet():
        raise _not_loaded(state, _touched_among(keys), "`async def` code cannot load it by touching it", asynchronous=True)
    strict = next((option.payload for option in execution.user_defined_options if isinstance(option, Strict)), session.strict)
    if not strict or session._asked_for is not None or state.expired or not state.expired_attributes.isdisjoint(keys):
        return
    # What SQLAlchemy touches for itself, as to delete what belongs to an object, nobody could have asked for.
    if (touch := _touch()) is not None and touch.f_back is not None:
        raise _not_loaded(state, keys[0], "the session is strict: it loads what it is asked for", asynchronous=asynchronous)


def _not_loaded(state: InstanceState[Any], key: str, why: str, *, asynchronous: bool) -> NotLoaded:
    owner = state.class_.__name__
    one, attribute = snake_case(owner), f"{owner}.{key}"
    many, awaited = plural_of(one), "await " if asynchronous else ""
    option = "selectinload" if key in state.mapper.relationships else "undefer"
    fix = f"with the query: `.options({option}({attribute}))`; for objects that are there: `{awaited}db.load({many}, {attribute})`"
    if key not in state.mapper.relationships and (state.expired or key in state.expired_attributes):
        fix = f"`{awaited}db.refresh({one})` after what changed it"
    elif asynchronous:
        fix += f"; or for all of them where it is needed: `await {one}.awaitable_attrs.{key}`"
    return NotLoaded(f"{attribute} is not loaded, and {why}", calling_line(), fix)


def detached(state: InstanceState[Any], key: str) -> NotLoaded:
    """Return the error for an attribute of an object that is in no session, or in another one."""
    attribute = f"{state.class_.__name__}.{key}"
    option = "selectinload" if key in state.mapper.relationships else "undefer"
    fix = f"load it before: `.options({option}({attribute}))` with the query, or `db.load(…, {attribute})`; or `db.merge()` the object"
    return NotLoaded(f"{attribute} is not loaded, and the session of its object has ended", calling_line(), fix)


def _touch() -> FrameType | None:
    """Return the frame of the attribute that is touched, if what is being loaded is loaded because one is."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__", "").startswith(("sqlalchemy.", "erlen.")):
        if frame.f_code is InstrumentedAttribute.__get__.__code__:
            return frame
        frame = frame.f_back
    return None


def _touched_among(keys: Collection[str]) -> str:
    """Return which of the columns that are loaded together was touched."""
    touch = _touch()
    touched = None if touch is None else cast("str", touch.f_locals["self"].key)
    return touched if touched is not None and touched in keys else min(keys)


def explain_detached(base: type) -> None:
    """Let the classes derived from `base` say clearly that an object's session has ended."""
    event.listen(base, "mapper_configured", _wrap_loaders, propagate=True)


def _wrap_loaders(mapper: Mapper[Any], _: type) -> None:
    # No event is asked where there is no session: the functions that load are wrapped, which only the first access to what is not
    # loaded calls. `impl.callable_` and `expired_attribute_loader` are SQLAlchemy's own; test_relations.py sees when they change.
    manager: Any = mapper.class_manager
    for key in mapper.attrs.keys():  # noqa: SIM118 - a collection of its own, which iterates over values
        implementation: Any = getattr(manager.get(key), "impl", None)
        if getattr(implementation, "callable_", None) is not None and not hasattr(implementation.callable_, "explains"):
            implementation.callable_ = _explaining(implementation.callable_, key)
    if manager.expired_attribute_loader is not None and not hasattr(manager.expired_attribute_loader, "explains"):
        manager.expired_attribute_loader = _explaining(manager.expired_attribute_loader, None)


def _explaining(load: Callable[..., Any], key: str | None) -> Callable[..., Any]:
    def explained(state: InstanceState[Any], *arguments: Any, **options: Any) -> Any:
        try:
            return load(state, *arguments, **options)
        except DetachedInstanceError:
            raise detached(state, _touched_among(arguments[0]) if key is None else key) from None

    explained.explains = load  # type: ignore[attr-defined]
    return explained


explain_detached(Base)
