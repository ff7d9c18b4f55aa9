"""Rows in and out: `dump`, `load`, and `seed` for what a new database needs."""

from __future__ import annotations

from erlen.migrations.rows.dump import Dumped, dump
from erlen.migrations.rows.entity import RowsError
from erlen.migrations.rows.load import Existing, Loaded, load
from erlen.migrations.rows.seed import Seed, seed, seeds_of

__all__ = ["Dumped", "Existing", "Loaded", "RowsError", "Seed", "dump", "load", "seed", "seeds_of"]
