"""News fragments and decision records have the form that CONTRIBUTING asks for."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
TOWNCRIER = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["towncrier"]


def test_every_news_fragment_has_a_known_type_and_says_something() -> None:
    types = "|".join(kind["directory"] for kind in TOWNCRIER["type"])
    fragments = [file for file in (ROOT / TOWNCRIER["directory"]).iterdir() if file.name != "README.md"]
    assert [file.name for file in fragments if not re.fullmatch(rf"(\d+|\+[a-z0-9-]+)\.({types})\.md", file.name)] == []
    assert [file.name for file in fragments if not file.read_text(encoding="utf-8").strip()] == []


def test_every_type_of_news_is_described() -> None:
    described = re.findall(r"^\| `(\w+)` \|", (ROOT / "newsfragments" / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(described) == sorted(kind["directory"] for kind in TOWNCRIER["type"])


def test_decision_records_are_numbered_and_have_every_part() -> None:
    records = sorted(file for file in (ROOT / "docs" / "decisions").glob("*.md") if file.name != "README.md")
    for number, record in enumerate(records, 1):
        assert re.fullmatch(rf"{number:04}-[a-z0-9-]+\.md", record.name)
        text = record.read_text(encoding="utf-8")
        assert text.startswith(f"# {number:04}: ")
        assert re.search(r"^Status: (accepted|replaced by \d{4})$", text, re.MULTILINE)
        assert re.findall(r"^## (.+)$", text, re.MULTILINE) == ["Context", "Choice", "Consequence"]
    assert records
