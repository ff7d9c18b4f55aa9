"""`Finding`: a step of a migration that running applications would notice."""

from __future__ import annotations

from typing import Literal, TypeAlias

from msgspec import Struct

from erlen.migrations.migration import Migration

__all__ = ["Finding", "Problem", "Severity"]

Severity: TypeAlias = Literal["locks", "rewrites", "breaks running code", "loses data", "fails", "not checked"]


class Problem(Struct, frozen=True):
    """What is wrong with a change, wherever it stands."""

    rule: str
    severity: Severity
    why: str
    fix: str


class Finding(Struct, frozen=True, kw_only=True):
    """What is wrong with a statement of a migration, and what to do."""

    rule: str
    """A name for comments: `add-index`."""
    severity: Severity
    migration: Migration
    line: int
    """Of the migration's file; 0 where it is not known."""
    sql: str
    """The statement."""
    why: str
    """Which lock is held, whom it keeps waiting and for how long; or what is lost or fails."""
    fix: str
    has_plan: bool = False
    """Whether `erlen db lint --plan` writes the way around it."""
    reason: str = ""
    """Why it is accepted: what is deployed before the migration, or a comment `# lint: ignore add-index: reason`; empty where it is not."""

    @property
    def place(self) -> str:
        """The file and the line."""
        return f"{self.migration.path}:{self.line}" if self.line else str(self.migration.path)
