"""Annotations are evaluated in modules, closures and class bodies; what cannot be is reported with its place."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any, Generic, TypedDict, TypeVar

import msgspec
import pytest
from msgspec import Meta, Struct

from erlen.errors import ConfigurationError
from erlen.schema.hints import class_hints, hints_of, place_of, settle

if TYPE_CHECKING:
    from decimal import Decimal as Hidden

T = TypeVar("T")
Short = Annotated[str, Meta(max_length=3)]


class Item(Struct):
    name: str


def test_module_names_and_annotated_are_kept() -> None:
    def handler(item: Item, title: Short, count: int = 1) -> list[Item]:
        return [item]

    assert hints_of(handler) == {"item": Item, "title": Short, "count": int, "return": list[Item]}


def test_none_is_nonetype_and_missing_annotations_are_left_out() -> None:
    def handler(first, second: int) -> None: ...  # type: ignore[no-untyped-def]

    assert hints_of(handler) == {"second": int, "return": type(None)}


def test_names_of_the_enclosing_function_come_from_the_closure_or_the_captured_locals() -> None:
    class Local(Struct):
        x: int

    def by_closure(item: Local) -> object:
        return Local

    def by_locals(item: list[Local]) -> None: ...

    assert hints_of(by_closure)["item"] is Local
    assert hints_of(by_locals, locals())["item"] == list[Local]
    with pytest.raises(ConfigurationError, match="Local"):
        hints_of(by_locals)


def test_quoted_names_inside_types_are_evaluated() -> None:
    def handler(item: Any) -> None: ...

    handler.__annotations__ = {"item": list["Item"], "other": Annotated["Item", Meta(title="x")]}
    assert hints_of(handler) == {"item": list[Item], "other": Annotated[Item, Meta(title="x")]}


def test_wrappers_partials_methods_classes_and_callables_are_looked_through() -> None:
    def handler(item: Item) -> None: ...

    @functools.wraps(handler)
    def wrapper(*args: Any, **kwargs: Any) -> None: ...

    class Controller:
        def __init__(self, item: Item) -> None: ...
        def show(self, item: Item) -> None: ...
        def __call__(self, item: Item) -> None: ...

    targets: list[Callable[..., object]] = [
        wrapper,
        functools.partial(handler),
        Controller,
        Controller(Item("a")).show,
        Controller(Item("a")),
    ]
    for target in targets:
        assert hints_of(target)["item"] is Item
    assert hints_of(len) == {}


def test_every_unresolved_name_is_reported_with_parameter_place_and_cure() -> None:
    def handler(price: Hidden, other: Nowhere, fine: int) -> None: ...  # type: ignore[name-defined]  # noqa: F821

    with pytest.raises(ConfigurationError) as caught:
        hints_of(handler)
    first, second = caught.value.mistakes
    assert "parameter `price`" in first.message
    assert "the name `Hidden`" in first.message
    assert "TYPE_CHECKING" in first.fix
    assert "parameter `other`" in second.message
    assert "the name `Nowhere`" in second.message
    assert first.where == f"{__file__}:{handler.__code__.co_firstlineno}"


def test_an_annotation_that_raises_is_a_mistake_too() -> None:
    def handler(item: 1 / 0) -> None: ...  # type: ignore[valid-type]

    with pytest.raises(ConfigurationError, match=r"`item`.*cannot be evaluated: division by zero"):
        hints_of(handler)


def test_a_class_that_names_its_neighbours_and_itself_is_settled() -> None:
    class Leaf(Struct):
        x: int

    @dataclass
    class Inner:
        leaf: Leaf

    class Keys(TypedDict):
        leaf: Leaf

    class Tree(Struct):
        inner: Inner
        keys: Keys
        children: list[Tree] = []

    def handler(tree: Tree) -> None: ...

    tree = hints_of(handler, locals())["tree"]
    assert msgspec.convert({"inner": {"leaf": {"x": 1}}, "keys": {"leaf": {"x": 2}}}, tree) == Tree(Inner(Leaf(1)), {"leaf": Leaf(2)})


class Dated(Struct):
    day: date


def test_settling_a_class_of_a_module_is_not_misled_by_local_names() -> None:
    def handler(dated: Dated) -> None: ...

    hints_of(handler, {"date": int})
    assert class_hints(Dated) == {"day": date}
    assert msgspec.convert({"day": "2026-11-30"}, Dated) == Dated(date(2026, 11, 30))


def test_settling_leaves_alone_what_it_cannot_resolve() -> None:
    class Service(Struct):
        repository: Nowhere  # type: ignore[name-defined]  # noqa: F821

    settle(Service, {})
    assert Service.__annotations__ == {"repository": "Nowhere"}
    with pytest.raises(ConfigurationError, match=r"field `repository`.*`Nowhere`"):
        class_hints(Service)


def test_a_field_named_like_its_type_keeps_its_type() -> None:
    class Event(Struct):
        date: date | None = None

    assert class_hints(Event) == {"date": date | None}


def test_generic_models_are_filled_in_through_their_bases() -> None:
    class Page(Struct, Generic[T]):
        items: list[T]
        first: T | None = None

    class Named(Page[T], Generic[T]):
        name: str = ""

    assert class_hints(Named[Item], locals()) == {"items": list[Item], "first": Item | None, "name": str}


def test_place_of_a_class_and_of_what_has_none() -> None:
    assert place_of(Item).startswith(f"{__file__}:")
    assert place_of(object()) == ""
