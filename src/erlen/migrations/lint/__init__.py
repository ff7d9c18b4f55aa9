"""The linter: what in a migration locks tables, loses data or breaks code that runs meanwhile."""

from __future__ import annotations

from erlen.migrations.lint.check import DIALECTS, lint, lint_migration, production_dialect
from erlen.migrations.lint.finding import Finding, Severity

__all__ = ["DIALECTS", "Finding", "Severity", "lint", "lint_migration", "production_dialect"]
