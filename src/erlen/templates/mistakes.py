"""Errors that say what to do: a template that is missing, a variable that was not given."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from jinja2 import StrictUndefined, TemplateNotFound
from jinja2.debug import get_template_locals
from jinja2.utils import internalcode, missing, object_type_repr

from erlen.templates.folders import TemplateFolders
from erlen.templates.place import running_template, template_line

__all__ = ["MissingTemplate", "NamedUndefined", "near"]


class MissingTemplate(TemplateNotFound):
    """No folder has this template, or any of several. `searched` are the folders, `near` templates with a similar name."""

    def __init__(self, names: Sequence[str], folders: TemplateFolders) -> None:
        super().__init__(names[0] if names else "")
        self.names = tuple(names)
        self.templates = list(names)
        self.searched = list(dict.fromkeys(path for name in names for path in folders.searched(name)))
        self._folders = folders

    @property
    def near(self) -> list[str]:
        """Templates with a similar name, the most similar first."""
        from difflib import get_close_matches

        known = self._folders.names()
        wanted = [name.rpartition(":")[2] for name in self.names]
        same_file = [one for one in known for name in wanted if one.rpartition("/")[2] == name.rpartition("/")[2]]
        found = [match for name in wanted for match in get_close_matches(name, known)]
        return list(dict.fromkeys([*same_file, *found]))[:3]

    def __str__(self) -> str:
        what = f"there is no template {' or '.join(repr(name) for name in self.names) or 'in an empty list of names'}"
        near = f": did you mean {' or '.join(repr(name) for name in self.near)}?" if self.near else "."
        where = "".join(f"\n  searched {path}{'' if path.is_dir() else ', which does not exist'}" for path in self.searched)
        return what + near + (where or "\n  there are no folders of templates")


class NamedUndefined(StrictUndefined):
    """What is not there in debug mode: to write it, call it or compute with it raises, and says where.

    `is defined` and `default(…)` may ask for it. A test (`if`, `not`, `and`, `or`) takes what was looked up on an object, such as
    `faults.title`, as false; a name that was never given to the template raises there too.
    """

    __slots__ = ()

    @internalcode
    def __bool__(self) -> bool:  # type: ignore[override] # Jinja's raises always
        # With a hint it is something else than a name: the parameter of a macro, the first of no items.
        if self._undefined_obj is missing and not self._undefined_hint:
            self._fail_with_undefined_error()
        return False

    @property
    def _undefined_message(self) -> str:
        if self._undefined_hint:
            return self._undefined_hint + template_line(running_template())
        frame = running_template()
        name, owner = self._undefined_name, self._undefined_obj
        if owner is missing:
            known: Iterable[Any] = {} if frame is None else get_template_locals(frame.f_locals)
            globals_: Mapping[str, Any] = {} if frame is None else frame.f_globals["__jinja_template__"].environment.globals
            return f"{name!r} is undefined{near(name, [*known, *globals_])}{template_line(frame)}"
        if isinstance(owner, Mapping):
            known, what = owner, f"the {type(owner).__name__} has no key {name!r}"
        else:
            known, what = dir(owner), f"{object_type_repr(owner)} has no {'attribute' if isinstance(name, str) else 'element'} {name!r}"
        return f"{what}{near(name, known)}{template_line(frame)}"


def near(name: object, known: Iterable[Any]) -> str:
    """Return `: did you mean 'title'?` for a name that is like a known one, else nothing."""
    from difflib import get_close_matches

    names = [one for one in known if isinstance(one, str) and not one.startswith("_")]
    found = get_close_matches(str(name), names, n=1)
    return f": did you mean {found[0]!r}?" if found else ""
