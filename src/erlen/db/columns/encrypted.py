"""Values that only the application can read: encrypted in the database, in its backups and in its logs."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Annotated, Any, TypeAlias, TypeVar

import msgspec
from msgspec import Struct
from sqlalchemy import ColumnElement, Dialect, Engine, TypeDecorator
from sqlalchemy.sql import operators

from erlen.db.columns.json import plain_json
from erlen.db.columns.text import LongText
from erlen.errors import ConfigurationError, ErlenError, Mistake
from erlen.schema.decode import strict_decoder
from erlen.security.encryption import seal, unseal

__all__ = ["Encrypted", "EncryptedValue", "Encryption", "Undecipherable", "use_secret_keys"]

T = TypeVar("T")


class Encryption(Struct, frozen=True):
    """Marks a type as encrypted in the database. Each purpose has keys of its own: a value cannot be moved to a field of another one."""

    purpose: str = "erlen.db"


Encrypted: TypeAlias = Annotated[T, Encryption()]
"""A value that is encrypted in the database: `iban: Mapped[Encrypted[str]]`. Queries can ask only whether it is NULL.

The first of the application's secret keys encrypts, and all of them decrypt: after a change of the key, values are encrypted with the new
one whenever they are stored again.
"""


class Undecipherable(ErlenError):
    """A stored value was encrypted with a key that is not among the application's, or was altered."""


class EncryptedValue(TypeDecorator[Any]):
    """Text that only the application can read (AES-256-GCM), from any value that JSON can hold. Needs `cryptography`."""

    impl = LongText
    cache_ok = True

    class Comparator(TypeDecorator.Comparator[Any]):
        """Refuses comparisons, which would find nothing: one value is encrypted differently each time."""

        def operate(self, op: Any, *other: Any, **options: Any) -> ColumnElement[Any]:
            if other[:1] == (None,) and op in (operators.eq, operators.ne, operators.is_, operators.is_not):
                return super().operate(op, *other, **options)
            raise TypeError(
                "an encrypted column cannot be compared or ordered in a query: only `is_(None)` and `is_not(None)` can be asked"
            )

    comparator_factory = Comparator  # pyright: ignore[reportAssignmentType]  # SQLAlchemy declares a property

    def __init__(self, annotation: Any, encryption: Encryption) -> None:
        self.annotation = annotation
        self.encryption = encryption
        self._decode = strict_decoder(annotation).decode
        super().__init__()

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        if value is None:
            return None
        data = msgspec.json.encode(plain_json(value))
        return seal(_secret_keys(dialect)[0], self.encryption.purpose, data, int(time.time()))

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        opened = unseal(_secret_keys(dialect), self.encryption.purpose, value)
        if opened is None:
            raise Undecipherable("a stored value cannot be decrypted: its secret key is not among `secret_key` and `secret_key_fallbacks`")
        return self._decode(opened[0])


def use_secret_keys(engine: Engine, keys: Sequence[str]) -> None:
    """Say with which keys an engine encrypts: the first encrypts, all decrypt."""
    engine.dialect.erlen_secret_keys = tuple(keys)  # type: ignore[attr-defined]  # the dialect is what a type meets of its engine


def _secret_keys(dialect: Dialect) -> tuple[str, ...]:
    keys: tuple[str, ...] = getattr(dialect, "erlen_secret_keys", ())
    if not any(keys):
        raise ConfigurationError(
            Mistake("an encrypted column needs a secret key", fix="set SECRET_KEY; in a script call `app.freeze()` first, which reads it")
        )
    return tuple(filter(None, keys))
