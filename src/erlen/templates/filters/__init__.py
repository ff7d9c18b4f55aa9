"""What templates have besides Jinja's own: `FILTERS`, `TESTS` and `GLOBALS`, each by its name in a template."""

from __future__ import annotations

from erlen.templates.filters.table import FILTERS, GLOBALS, TESTS

__all__ = ["FILTERS", "GLOBALS", "TESTS"]
