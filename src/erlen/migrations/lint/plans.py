"""Placeholder."""

from __future__ import annotations
from erlen.migrations.lint.change import Change
from erlen.migrations.lint.progress import Progress


def has_plan(rule: str, change: Change, progress: Progress) -> bool:
    return False
