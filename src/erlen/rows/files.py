"""Files of rows: compressed by their names' endings, lines read with their places, written whole or not at all."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import os
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

from msgspec import Struct

from erlen.errors import ErlenError
from erlen.rows.entity import RowsError

__all__ = ["ENDINGS", "HEADER", "Line", "is_rows", "opened", "read_lines", "written"]

HEADER = {"erlen": "rows", "version": 1}
"""The first line of a dump. Files that people write need none."""
_STANDARD = "-"
"""The name that stands for standard input."""


class Line(Struct, frozen=True):
    """One line of a file: a row."""

    file: str
    number: int
    data: Any

    @property
    def place(self) -> str:
        return f"{self.file}:{self.number}"


def is_rows(path: Path) -> bool:
    """Whether a file has rows, by its name: `countries.jsonl`, `countries.jsonl.gz`."""
    return path.is_file() and path.name.removesuffix(path.suffix if path.suffix in ENDINGS else "").endswith(".jsonl")


def read_lines(path: str) -> Iterator[Line]:
    """Read the rows of a file, line by line; `-` is standard input. Empty lines are passed over.

    Raises:
        RowsError: for what is no row in JSON, a version that is not known, and a dump that was cut off.
    """
    name = "standard input" if path == _STANDARD else path
    expected = False
    count = number = 0
    with opened(path) as stream:
        lines = iter(stream)
        while True:
            number += 1
            try:
                text = next(lines, b"")
            except (EOFError, OSError, lzma.LZMAError, _zstd_error()) as error:
                raise RowsError(f"{name} cannot be read after line {number - 1}: it is cut off or damaged ({error})") from None
            if not text:
                break
            if not text.strip():
                continue
            data = _parse(text, f"{name}:{number}")
            if "erlen" in data:
                if data != HEADER:
                    raise RowsError(f"{name}:{number}: this dump was made by another version of Erlen ({data.get('version')!r})")
                expected, count = True, 0
            elif data.keys() == {"rows"}:
                if data["rows"] != count:
                    raise RowsError(
                        f"{name}:{number}: {count} rows came before this line, and the dump had {data['rows']}: some are missing"
                    )
                expected = False
            else:
                count += 1
                yield Line(name, number, data)
    if expected:
        raise RowsError(f"{name} is cut off after {count} rows: the last line of a dump says how many there are")


@contextmanager
def opened(path: str) -> Generator[BinaryIO, None, None]:
    """Open a file to read.

    Raises:
        RowsError: if it is not there.
    """
    if path == _STANDARD:
        yield sys.stdin.buffer
        return
    try:
        stream = _opener(Path(path))(path, "rb")
    except OSError as error:
        raise RowsError(f"{path} cannot be read: {error.strerror}") from None
    with stream:
        yield stream


@contextmanager
def written(path: str) -> Generator[BinaryIO, None, None]:
    """Open a file to write, which only its owner may read. It is there at the end of the block, and stays as it was if that raises."""
    target = Path(path)
    beside = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        with (
            open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as raw,
            _writer(target, raw) as stream,
        ):
            yield stream
        beside.replace(target)
    except OSError as error:
        raise RowsError(f"{path} cannot be written: {error.strerror or error}") from error
    finally:
        beside.unlink(missing_ok=True)


def _parse(text: bytes, place: str) -> dict[str, Any]:
    try:
        data = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        hint = ": a file of rows has one row on each line" if text.strip() in (b"[", b"{") else ""
        raise RowsError(f"{place}: this is no JSON{hint} ({error})") from None
    if not isinstance(data, dict):
        raise RowsError(f'{place}: this is no row: a line is `{{"model": "Book", "fields": {{"title": "…"}}}}`')
    return data


def _refuse_constant(text: str) -> Any:
    raise ValueError(f"{text} is no number of JSON")


def _opener(path: Path) -> Callable[..., BinaryIO]:
    return ENDINGS.get(path.suffix, _plain)


@contextmanager
def _writer(path: Path, raw: BinaryIO) -> Generator[BinaryIO, None, None]:
    if path.suffix == ".gz":  # without the time and the name in it, so that the same rows are the same file
        with gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as packed:
            yield cast("BinaryIO", packed)
    elif path.suffix in ENDINGS:
        with ENDINGS[path.suffix](raw, "wb") as stream:
            yield stream
    else:
        yield raw


def _plain(path: Any, mode: str) -> BinaryIO:
    return cast("BinaryIO", open(path, mode))


def _zstd(path: Any, mode: str) -> BinaryIO:
    return cast("BinaryIO", _zstd_module().open(path, mode))


def _zstd_module() -> Any:
    try:
        if sys.version_info >= (3, 14):
            from compression import zstd
        else:
            from backports import zstd
    except ImportError:
        raise ErlenError("files that end in .zst need Python 3.14 or the package `backports.zstd`: pip install backports.zstd") from None
    return zstd


def _zstd_error() -> type[Exception]:
    """Return what damaged files raise, where that is loaded."""
    module = sys.modules.get("compression.zstd") or sys.modules.get("backports.zstd")
    return cast("type[Exception]", module.ZstdError) if module is not None else EOFError


ENDINGS: dict[str, Callable[..., Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open, ".zst": _zstd}
"""How files are compressed, by the ends of their names."""
