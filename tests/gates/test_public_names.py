"""What the package says is public is there, and is described."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from pathlib import Path
from types import ModuleType

import pytest

import erlen

NAMES = sorted(module.name for module in pkgutil.walk_packages(erlen.__path__, "erlen.") if not module.name.endswith("__main__"))


def is_empty(module: ModuleType) -> bool:
    return all(name.startswith("__") or isinstance(value, ModuleType) for name, value in vars(module).items())


def members_of(value: object) -> list[str]:
    """The public members that a class of Erlen defines itself; those of a protocol are described where they are implemented."""
    if not inspect.isclass(value) or not value.__module__.startswith("erlen") or getattr(value, "_is_protocol", False):
        return []
    kinds = (property, classmethod, staticmethod)
    return [name for name, member in vars(value).items() if name[0] != "_" and (inspect.isroutine(member) or isinstance(member, kinds))]


def test_erlen_hands_out_every_name_it_lists() -> None:
    assert erlen.__all__
    missing = [name for name in erlen.__all__ if not hasattr(erlen, name)]
    assert missing == []
    assert set(erlen.__all__) <= set(dir(erlen))


def test_erlen_has_no_other_names() -> None:
    name = "no_such_name"
    with pytest.raises(AttributeError, match=name):
        getattr(erlen, name)


@pytest.mark.parametrize("name", NAMES)
def test_all_is_true(name: str) -> None:
    module = importlib.import_module(name)
    if is_empty(module):
        return
    assert hasattr(module, "__all__"), f"{name} has no __all__"
    assert len(set(module.__all__)) == len(module.__all__)
    assert [public for public in module.__all__ if not hasattr(module, public)] == []


@pytest.mark.parametrize("name", ["erlen", *NAMES])
def test_every_public_name_has_a_docstring(name: str) -> None:
    module = importlib.import_module(name)
    assert is_empty(module) or module.__doc__, f"{name} has no docstring"
    public = {one: getattr(module, one) for one in getattr(module, "__all__", ())}
    assert [one for one, value in public.items() if (inspect.isclass(value) or inspect.isroutine(value)) and not value.__doc__] == []


def test_every_member_of_what_erlen_hands_out_has_a_docstring() -> None:
    public = {one: getattr(erlen, one) for one in erlen.__all__}
    members = [(one, getattr(value, name), name) for one, value in public.items() for name in members_of(value)]
    assert [f"{one}.{name}" for one, member, name in members if not inspect.getdoc(member)] == []


def test_type_checkers_know_the_same_names() -> None:
    stub = Path(erlen.__file__).with_suffix(".pyi").read_text(encoding="utf-8")
    assert sorted(re.findall(r"^from \S+ import (\w+) as \1$", stub, re.MULTILINE)) == sorted(erlen.__all__)
