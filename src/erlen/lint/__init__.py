"""The linter: what in a migration locks tables, loses data or breaks code that runs meanwhile."""

from __future__ import annotations

from erlen.lint.check import DIALECTS, lint, lint_migration, production_dialect
from erlen.lint.finding import Finding, Severity
from erlen.lint.plans import plan_migration, write_plan

__all__ = ["DIALECTS", "Finding", "Severity", "lint", "lint_migration", "plan_migration", "production_dialect", "write_plan"]
