"""Rows in and out: `dump`, `load`, and `seed` for what a new database needs."""

from __future__ import annotations

from erlen.rows.dump import Dumped, dump
from erlen.rows.entity import RowsError
from erlen.rows.load import Existing, Loaded, load
from erlen.rows.seed import Seed, seed, seeds_of

__all__ = ["Dumped", "Existing", "Loaded", "RowsError", "Seed", "dump", "load", "seed", "seeds_of"]
