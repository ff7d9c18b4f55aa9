"""Models written from a database that is there already: `erlen db inspect`."""

from __future__ import annotations

from erlen.inspection.models import write_models
from erlen.inspection.reading import Choose, Found, read_database

__all__ = ["Choose", "Found", "read_database", "write_models"]
