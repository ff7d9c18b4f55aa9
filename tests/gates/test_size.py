"""How long the code may grow before it is time to delete some."""

from __future__ import annotations

import ast
import io
import tokenize
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "src" / "erlen"
NO_CODE = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
# The rooms above the core, with their lines; everything else in the package is the core.
ROOMS = dict.fromkeys(
    (
        "api",
        "auth",
        "cache",
        "cli",
        "debug",
        "files",
        "forms",
        "i18n",
        "inspection",
        "lint",
        "mail",
        "ml",
        "observe",
        "policy",
        "realtime",
        "rows",
        "sessions",
        "static",
        "tasks",
        "templates",
        "testing",
    ),
    3_000,
)
ROOMS |= {"db": 6_000, "migrations": 6_000, "admin": 5_000, "cli/db": 2_000}


def lines_of(part: Path) -> int:
    """Count the lines that hold code: no blank lines, comments or docstrings (decision record 0002)."""
    return sum(code_lines(file.read_text(encoding="utf-8")) for file in (part.rglob("*.py") if part.is_dir() else [part]))


def code_lines(source: str) -> int:
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in NO_CODE:
            lines.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            lines.difference_update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return len(lines)


SAMPLE = '''"""A module."""

# why
x = [
    1,  # one
]


def f() -> None:
    """Do.

    Well.
    """
    return
'''


def test_lines_of_code_are_counted() -> None:
    assert code_lines(SAMPLE) == 5


CORE = 10_000


def test_core_does_not_grow() -> None:
    core = {part.name: lines_of(part) for part in PACKAGE.iterdir() if part.name not in ROOMS and (part.is_dir() or part.suffix == ".py")}
    assert {"errors.py", "http", "app"} <= set(core)
    assert sum(core.values()) <= CORE, core


def test_each_other_room_has_at_most_its_lines() -> None:
    rooms = {name: lines_of(PACKAGE / name) for name in ROOMS if (PACKAGE / name).exists()}
    rooms["cli"] -= rooms["cli/db"]  # the commands of rooms that stand below it
    assert {"cli", "testing"} <= set(rooms)
    assert {name: lines for name, lines in rooms.items() if lines > ROOMS[name]} == {}
