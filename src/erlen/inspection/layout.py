"""Python source as formatters lay it out, and the imports that it needs."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence

from msgspec import Struct

__all__ = ["Call", "Expression", "Imports", "lay_out", "quoted"]

WIDTH = 88
"""What `ruff format` and `black` take without being told."""


class Call(Struct, frozen=True):
    """A call, or another expression in brackets, whose parts may stand on lines of their own."""

    head: str
    parts: Sequence[Expression]
    brackets: str = "()"


Expression = str | Call


def lay_out(expression: Expression, indent: int = 0, before: str = "", after: str = "") -> str:
    """Return an expression on one line, if it fits, or else each of its parts on a line of its own.

    Args:
        expression: what to write.
        indent: how many spaces the line begins with.
        before: what stands before it on its first line.
        after: what stands after it on its last line.
    """
    line = " " * indent + before + _on_one_line(expression) + after
    if isinstance(expression, str) or len(line) <= WIDTH or not expression.parts:
        return line
    opening, closing = expression.brackets[0], expression.brackets[1]
    inner = [_part(part, indent + 4) for part in expression.parts]
    return "\n".join([" " * indent + before + expression.head + opening, *inner, " " * indent + closing + after])


def quoted(text: str) -> str:
    """Return a text as Python's source has it, in double quotes where it can."""
    made = repr(text)
    if made[0] == "'" and '"' not in text:
        return f'"{made[1:-1]}"'
    return made


class Imports:
    """The names that a module imports. One that an attribute has as well is used through its module: `sa.text`, `dt.date`."""

    def __init__(self, avoided: Container[str]) -> None:
        self._avoided = avoided
        self._names: dict[str, set[str]] = {}
        self._modules: set[str] = set()

    def use(self, name: str, module: str = "sqlalchemy") -> str:
        """Return how a name of a module is written, and import it."""
        names = _TOGETHER.get(module, (name,))
        if module in _ALIASES and any(each in self._avoided for each in names):
            self._modules.add(module)
            return f"{_ALIASES[module]}.{name}"
        self._names.setdefault(module, set()).add(name)
        return name

    def lines(self) -> Iterator[str]:
        """Yield the import statements in isort's order."""
        for group in (_STANDARD.__contains__, lambda module: module not in _STANDARD):
            said = [f"import {module} as {_ALIASES[module]}" for module in sorted(filter(group, self._modules))]
            for module in sorted(filter(group, self._names)):
                names = sorted(self._names[module], key=_order)
                line = f"from {module} import {', '.join(names)}"
                said.append(line if len(line) <= WIDTH else lay_out(Call("", names), before=f"from {module} import "))
            if said:
                yield "\n".join(said)


def _on_one_line(expression: Expression) -> str:
    if isinstance(expression, str):
        return expression
    opening, closing = expression.brackets[0], expression.brackets[1]
    parts = [_on_one_line(part) for part in expression.parts]
    comma = "," if expression.brackets == "()" and not expression.head and len(parts) == 1 else ""  # a tuple of one
    return f"{expression.head}{opening}{', '.join(parts)}{comma}{closing}"


def _part(part: Expression, indent: int) -> str:
    name = ""
    if isinstance(part, Call) and "=" in part.head:  # a keyword with its value
        name, _, head = part.head.partition("=")
        part, name = Call(head, part.parts, part.brackets), f"{name}="
    return lay_out(part, indent, name, ",")


def _order(name: str) -> tuple[int, str]:
    return (0 if name.isupper() and len(name) > 1 else 1 if name[0].isupper() else 2), name


_STANDARD = ("datetime", "decimal", "typing", "uuid")
_ALIASES = {"datetime": "dt", "sqlalchemy": "sa"}
_TOGETHER = {"datetime": ("date", "datetime", "time", "timedelta")}
