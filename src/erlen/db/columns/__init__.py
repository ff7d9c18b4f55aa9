"""Column types, and the annotated types that become them."""

from __future__ import annotations

from erlen.db.columns.aliases import Count, Email, FileReference, Line, Positive, Slug, Url
from erlen.db.columns.choice import Choice, Choices, IntegerChoices
from erlen.db.columns.encrypted import Encrypted, EncryptedValue, Encryption, Undecipherable, use_secret_keys
from erlen.db.columns.json import JsonValue, TrackedDict, TrackedList
from erlen.db.columns.numbers import Digits, ExactNumber, Money
from erlen.db.columns.resolve import column_type
from erlen.db.columns.text import Address, LongBytes, LongText
from erlen.db.columns.times import Duration, Moment, TimeOfDay
from erlen.db.columns.uuid7 import UUID7, uuid7

__all__ = [
    "UUID7",
    "Address",
    "Choice",
    "Choices",
    "Count",
    "Digits",
    "Duration",
    "Email",
    "Encrypted",
    "EncryptedValue",
    "Encryption",
    "ExactNumber",
    "FileReference",
    "IntegerChoices",
    "JsonValue",
    "Line",
    "LongBytes",
    "LongText",
    "Moment",
    "Money",
    "Positive",
    "Slug",
    "TimeOfDay",
    "TrackedDict",
    "TrackedList",
    "Undecipherable",
    "Url",
    "column_type",
    "use_secret_keys",
    "uuid7",
]
