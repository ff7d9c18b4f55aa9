"""How long the code may grow before it is time to delete some."""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "src" / "erlen"
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
        "mail",
        "ml",
        "observe",
        "policy",
        "realtime",
        "sessions",
        "static",
        "tasks",
        "templates",
        "testing",
    ),
    3_000,
)
ROOMS |= {"db": 6_000, "admin": 5_000}


def lines_of(part: Path) -> int:
    files = part.rglob("*.py") if part.is_dir() else [part]
    return sum(len(file.read_text(encoding="utf-8").splitlines()) for file in files)


def test_core_has_at_most_10_000_lines() -> None:
    core = {part.name: lines_of(part) for part in PACKAGE.iterdir() if part.name not in ROOMS and (part.is_dir() or part.suffix == ".py")}
    assert {"errors.py", "http", "app"} <= set(core)
    assert sum(core.values()) <= 10_000, core


def test_each_other_room_has_at_most_its_lines() -> None:
    rooms = {name: lines_of(PACKAGE / name) for name in ROOMS if (PACKAGE / name).exists()}
    assert {"cli", "testing"} <= set(rooms)
    assert {name: lines for name, lines in rooms.items() if lines > ROOMS[name]} == {}
