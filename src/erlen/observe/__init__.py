"""Seeing what an application does: logs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from erlen.observe.logging import configure_logging as configure_logging

__all__ = ["configure_logging"]


def __getattr__(name: str) -> object:
    if name != "configure_logging":
        raise AttributeError(f"module 'erlen.observe' has no attribute {name!r}")
    from erlen.observe.logging import configure_logging

    return configure_logging
