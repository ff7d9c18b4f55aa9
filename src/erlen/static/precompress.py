"""Compressed files, as small as they get: they are made once and sent often."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial

from erlen.http.compression import _SHRINKING, _brotli, _Encoder, _gzip, _zstd
from erlen.http.media import guess_media_type

__all__ = ["available_encodings", "compress", "is_worth_compressing"]


def available_encodings() -> tuple[str, ...]:
    """Return the content codings that are installed, the preferred first: the one that makes text smallest."""
    found: list[str] = []
    for name, make in _ENCODERS.items():
        with suppress(ImportError):
            make()
            found.append(name)
    return tuple(found)


def is_worth_compressing(name: str, size: int) -> bool:
    """Return whether a file's type shrinks, and it is neither small nor so large that it would take minutes."""
    return _SMALLEST <= size <= _LARGEST and _SHRINKING(guess_media_type(name)) is not None


def compress(data: bytes, encoding: str) -> bytes | None:
    """Return data in a content coding, the same for the same data; None where that would not be smaller."""
    encoder = _ENCODERS[encoding]()
    compressed = encoder.compress(data) + encoder.finish()
    return compressed if len(compressed) < len(data) else None


_SMALLEST = 1024
_LARGEST = 32 * 1024 * 1024
# The highest levels; above 19, browsers refuse what Zstandard makes (RFC 9659).
_ENCODERS: dict[str, Callable[[], _Encoder]] = {"br": partial(_brotli, 11), "zstd": partial(_zstd, 19), "gzip": partial(_gzip, 9)}
