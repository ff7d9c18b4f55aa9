"""What the doors write to the log `erlen.doors`: failures after the response has begun, when nobody else can hear of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from erlen.http.request import Request

if TYPE_CHECKING:
    from logging import Logger

__all__ = ["log_error", "log_failure"]


def log_error(message: str, *args: object) -> None:
    """Log an error."""
    _logger().error(message, *args)


def log_failure(what: str, request: Request, error: BaseException) -> None:
    """Log an exception with its traceback and the request it belongs to; `what` says where it happened."""
    # The path comes from outside: `%r` keeps its line breaks out of the log (OWASP ASVS 5.0 V16.4.1).
    _logger().error("%s: %s %r", what, request.method, request.path, exc_info=error)


def _logger() -> Logger:
    # Loaded on first use: `logging` is slow to import, and most processes log nothing here.
    from logging import getLogger

    return getLogger("erlen.doors")
