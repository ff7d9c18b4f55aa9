"""The linter: what in a migration locks tables, loses data or breaks code that runs meanwhile."""

from __future__ import annotations

from erlen.migrations.lint.check import DIALECTS, lint, lint_migration, production_dialect
from erlen.migrations.lint.finding import Finding, Severity
from erlen.migrations.lint.plans import plan_migration, write_plan

__all__ = ["DIALECTS", "Finding", "Severity", "lint", "lint_migration", "plan_migration", "production_dialect", "write_plan"]
