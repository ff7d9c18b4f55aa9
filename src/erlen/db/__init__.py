"""Databases: SQLAlchemy's ORM as a battery, in both colours."""

from __future__ import annotations

from msgspec import Meta
from sqlalchemy import ForeignKey, delete, func, insert, select, update
from sqlalchemy.orm import Mapped, mapped_column, relationship, selectinload

from erlen.db.database import Database, Health
from erlen.db.model import Base, Model
from erlen.db.session import AsyncSession, Session

__all__ = [
    "AsyncSession",
    "Base",
    "Database",
    "ForeignKey",
    "Health",
    "Mapped",
    "Meta",
    "Model",
    "Session",
    "delete",
    "func",
    "insert",
    "mapped_column",
    "relationship",
    "select",
    "selectinload",
    "update",
]
