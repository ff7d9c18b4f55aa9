"""Times in columns: moments with a time zone, kept in UTC; durations; times of day."""

from __future__ import annotations

import datetime
from typing import Any

from sqlalchemy import BigInteger, DateTime, Dialect, Interval, Time, TypeDecorator
from sqlalchemy.dialects import mysql
from sqlalchemy.types import TypeEngine

from erlen.db.columns.direct import DirectType

__all__ = ["Duration", "Moment", "TimeOfDay"]

Microsecond = datetime.timedelta(microseconds=1)


class Moment(DirectType[datetime.datetime]):
    """A moment in time, to the microsecond: what `Mapped[datetime]` becomes.

    It takes only datetimes with a time zone, and gives them in UTC on every database: PostgreSQL keeps `timestamptz`; SQLite, MySQL and
    MariaDB, which have no type with a time zone, keep the UTC time.
    """

    impl = DateTime
    cache_ok = True

    def check_value(self, value: datetime.datetime) -> None:
        """Raise ValueError, with a sentence, for a value that cannot be kept."""
        if value.tzinfo is None or value.utcoffset() is None:
            raise ValueError("The date and time must have a time zone.")
        try:
            value.astimezone(datetime.UTC)
        except OverflowError:
            raise ValueError("The date and time is out of range.") from None

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "postgresql":
            return dialect.type_descriptor(DateTime(timezone=True))
        if dialect.name in ("mysql", "mariadb"):
            return dialect.type_descriptor(mysql.DATETIME(fsp=6))
        return dialect.type_descriptor(DateTime())

    def process_bind_param(self, value: datetime.datetime | None, dialect: Dialect) -> datetime.datetime | None:
        if value is None:
            return None
        if value.tzinfo is not datetime.UTC:
            self.check_value(value)
            value = value.astimezone(datetime.UTC)
        return value if dialect.name == "postgresql" else _NAIVE_EPOCH + (value - _EPOCH)

    def process_result_value(self, value: datetime.datetime | None, dialect: Dialect) -> datetime.datetime | None:
        return value if value is None or value.tzinfo is datetime.UTC else _in_utc(value)

    def result_processor(self, dialect: Dialect, coltype: object) -> Any:
        read = self.impl_instance.result_processor(dialect, coltype)
        if read is None:
            return super().result_processor(dialect, coltype)

        def process(value: Any) -> datetime.datetime | None:  # SQLite's text, in one call
            moment = read(value)
            return None if moment is None else _EPOCH + (moment - _NAIVE_EPOCH) if moment.tzinfo is None else _in_utc(moment)

        return process


class Duration(DirectType[datetime.timedelta]):
    """A length of time, to the microsecond: what `Mapped[timedelta]` becomes.

    PostgreSQL has a type for it; elsewhere it is kept as a whole number of microseconds, which compares and adds up as well.
    """

    impl = BigInteger
    cache_ok = True

    def check_value(self, value: datetime.timedelta) -> None:
        """Raise ValueError, with a sentence, for a value that cannot be kept."""
        if not -_LONGEST <= value <= _LONGEST:
            raise ValueError("The duration is out of range.")

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(Interval(native=True) if dialect.name == "postgresql" else BigInteger())

    def process_bind_param(self, value: datetime.timedelta | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        self.check_value(value)
        return value if dialect.name == "postgresql" else value // Microsecond

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime.timedelta | None:
        # MySQL's sum of whole numbers is a decimal, an average may be a fraction.
        return value if value is None or isinstance(value, datetime.timedelta) else datetime.timedelta(microseconds=round(value))


class TimeOfDay(TypeDecorator[datetime.time]):
    """A time of day without a time zone, to the microsecond: what `Mapped[time]` becomes."""

    impl = Time
    cache_ok = True

    def check_value(self, value: datetime.time) -> None:
        """Raise ValueError, with a sentence, for a value that cannot be kept."""
        if value.tzinfo is not None:
            raise ValueError("The time of day must not have a time zone.")

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(mysql.TIME(fsp=6) if dialect.name in ("mysql", "mariadb") else Time())

    def process_bind_param(self, value: datetime.time | None, dialect: Dialect) -> datetime.time | None:
        if value is not None:
            self.check_value(value)
        return value


def _in_utc(value: datetime.datetime) -> datetime.datetime:
    return _EPOCH + (value - _NAIVE_EPOCH) if value.tzinfo is None else value.astimezone(datetime.UTC)


# PERF: `replace(tzinfo=…)` takes ten times as long as adding to one of these until Python 3.12.
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_NAIVE_EPOCH = datetime.datetime(1970, 1, 1)  # noqa: DTZ001 - what databases without time zones give
# A thousand years and more, which every engine's type holds.
_LONGEST = datetime.timedelta(days=1_000_000)
