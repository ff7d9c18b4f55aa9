"""SQLite: rows that refer to none, looked for after tables were rebuilt."""

from __future__ import annotations

from msgspec import Struct
from sqlalchemy import Connection

__all__ = ["ForeignKeyFault", "foreign_key_faults"]


class ForeignKeyFault(Struct, frozen=True):
    """A row whose foreign key refers to a row that is not there."""

    table: str
    row: int | None
    parent: str

    def __str__(self) -> str:
        row = f"row {self.row}" if self.row is not None else "a row"
        return f"{row} of {self.table} refers to a row of {self.parent} that is not there"


def foreign_key_faults(connection: Connection) -> list[ForeignKeyFault]:
    """Return the rows whose foreign keys refer to rows that are not there."""
    return [ForeignKeyFault(row[0], row[1], row[2]) for row in connection.exec_driver_sql("PRAGMA foreign_key_check")]
