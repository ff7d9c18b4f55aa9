"""Databases: SQLAlchemy's ORM as a battery, in both colours."""

from __future__ import annotations

from msgspec import Meta
from sqlalchemy import ForeignKey, delete, func, insert, select, update
from sqlalchemy.orm import Mapped, joinedload, mapped_column, relationship, selectinload

from erlen.db.aborted import TransactionAborted
from erlen.db.changes import changes, is_changed, previous
from erlen.db.columns import (
    UUID7,
    Choices,
    Count,
    Digits,
    Email,
    Encrypted,
    FileReference,
    IntegerChoices,
    Line,
    Money,
    Positive,
    Slug,
    Url,
    uuid7,
)
from erlen.db.database import Database, Health
from erlen.db.derived import Create, Read, Update
from erlen.db.factory import Factory, factory
from erlen.db.info import FieldInfo, ModelInfo, RelationInfo, describe, private, read_only
from erlen.db.keyset import Keyset
from erlen.db.locks import Locked
from erlen.db.mixins import Ordered, SoftDelete, Timestamps, Versioned, move_down, move_to, move_up, restore, soft_delete
from erlen.db.model import Base, Model
from erlen.db.not_loaded import NotLoaded
from erlen.db.ordering import ordering
from erlen.db.package import Package
from erlen.db.page import Page
from erlen.db.query_log import assert_max_queries, assert_queries, record_queries
from erlen.db.selection import MultipleFound, NoneFound
from erlen.db.session import AsyncSession, Session
from erlen.db.tagged import Tagged, load_tagged, tagged
from erlen.db.validation import ValidationError, validate, validator
from erlen.db.violations import InvalidValue, PoolExhausted

__all__ = [
    "UUID7",
    "AsyncSession",
    "Base",
    "Choices",
    "Count",
    "Create",
    "Database",
    "Digits",
    "Email",
    "Encrypted",
    "Factory",
    "FieldInfo",
    "FileReference",
    "ForeignKey",
    "Health",
    "IntegerChoices",
    "InvalidValue",
    "Keyset",
    "Line",
    "Locked",
    "Mapped",
    "Meta",
    "Model",
    "ModelInfo",
    "Money",
    "MultipleFound",
    "NoneFound",
    "NotLoaded",
    "Ordered",
    "Package",
    "Page",
    "PoolExhausted",
    "Positive",
    "Read",
    "RelationInfo",
    "Session",
    "Slug",
    "SoftDelete",
    "Tagged",
    "Timestamps",
    "TransactionAborted",
    "Update",
    "Url",
    "ValidationError",
    "Versioned",
    "assert_max_queries",
    "assert_queries",
    "changes",
    "delete",
    "describe",
    "factory",
    "func",
    "insert",
    "is_changed",
    "joinedload",
    "load_tagged",
    "mapped_column",
    "move_down",
    "move_to",
    "move_up",
    "ordering",
    "previous",
    "private",
    "read_only",
    "record_queries",
    "relationship",
    "restore",
    "select",
    "selectinload",
    "soft_delete",
    "tagged",
    "update",
    "uuid7",
    "validate",
    "validator",
]
