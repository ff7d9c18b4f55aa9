"""Migrations: the schema of databases in steps, written from the models, on Alembic.

The commands are `erlen db make`, `erlen db migrate` and so on; migration files are Alembic's. What is here is for programs.
"""

from __future__ import annotations

from erlen.migrations.batches import delete_in_batches, in_batches, update_in_batches
from erlen.migrations.connection import Limits
from erlen.migrations.migration import History, HistoryError, Migration
from erlen.migrations.reflected import tables
from erlen.migrations.runner import MigrationError, migrate, rollback
from erlen.migrations.target import Target, targets_of

__all__ = [
    "History",
    "HistoryError",
    "Limits",
    "Migration",
    "MigrationError",
    "Target",
    "delete_in_batches",
    "in_batches",
    "migrate",
    "rollback",
    "tables",
    "targets_of",
    "update_in_batches",
]
