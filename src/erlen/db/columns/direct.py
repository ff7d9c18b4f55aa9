"""What column types have in common that convert values themselves."""

from __future__ import annotations

from functools import partial
from typing import Any, TypeVar

from sqlalchemy import Dialect, TypeDecorator

__all__ = ["DirectType"]

T = TypeVar("T")


class DirectType(TypeDecorator[T]):
    """A type with `process_bind_param` and `process_result_value`, where each value costs one call.

    PERF: SQLAlchemy's own calls these from a function of its own, also where there is nothing to do before or after.
    """

    def bind_processor(self, dialect: Dialect) -> Any:
        if self.impl_instance.bind_processor(dialect) is not None:
            return super().bind_processor(dialect)
        return partial(self.process_bind_param, dialect=dialect)

    def result_processor(self, dialect: Dialect, coltype: object) -> Any:
        if self.impl_instance.result_processor(dialect, coltype) is not None:
            return super().result_processor(dialect, coltype)
        return partial(self.process_result_value, dialect=dialect)
