"""Compiled templates, kept for the next start in a folder that nobody else can write to: what is loaded from there is run."""

from __future__ import annotations

import marshal
import os
import stat
from hashlib import sha256
from importlib.util import MAGIC_NUMBER
from pathlib import Path
from threading import get_ident

import jinja2
from jinja2.bccache import Bucket, BytecodeCache

__all__ = ["PrivateCache", "private_folder"]


class PrivateCache(BytecodeCache):
    """Keeps compiled templates in a folder. What does not fit source, Python, Jinja or Erlen is compiled again.

    Args:
        folder: must be `private_folder`'s: the files are code.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def load_bytecode(self, bucket: Bucket) -> None:
        """Give a bucket its code, if it is there and fits."""
        try:
            kept = self._file(bucket).read_bytes()
        except OSError:
            return
        seal = _seal(bucket)
        if kept.startswith(seal):
            try:
                bucket.code = marshal.loads(kept[len(seal) :])  # noqa: S302 - from a folder that only this user can write to
            except (EOFError, ValueError, TypeError):  # cut short when the disk was full
                bucket.reset()

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep a bucket's code; where that cannot be done, it is compiled again at the next start."""
        file = self._file(bucket)
        aside = file.with_name(f"{file.name}.{os.getpid()}.{get_ident()}")
        try:
            with open(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as opened:
                opened.write(_seal(bucket) + marshal.dumps(bucket.code))
            aside.replace(file)
        except OSError:
            aside.unlink(missing_ok=True)

    def _file(self, bucket: Bucket) -> Path:
        return self.folder / (bucket.key + (".async" if bucket.environment.is_async else ""))


def private_folder(root: Path) -> Path | None:
    """Make `.erlen/templates` below an application's folder, for its user alone.

    Returns:
        the folder; None where it cannot be made, or where someone else could write to it.
    """
    if not hasattr(os, "getuid"):
        return None
    outer = root / ".erlen"
    inner = outer / "templates"
    try:
        if not outer.exists():
            outer.mkdir(0o700)
            (outer / ".gitignore").write_text("*\n")
        if not inner.exists():
            inner.mkdir(0o700)
        return inner if _is_own(outer, 0o022) and _is_own(inner, 0o077) else None
    except OSError:
        return None


def _is_own(folder: Path, forbidden: int) -> bool:
    status = folder.lstat()
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid() and not status.st_mode & forbidden


def _seal(bucket: Bucket) -> bytes:
    """Return what a kept template begins with: it changes with all that its code depends on."""
    environment = bucket.environment
    tables = (environment.filters, environment.tests)
    # Compiled templates pass the context, or the environment, to functions that are marked to take it.
    marks = [f"{name} {getattr(function, 'jinja_pass_arg', '')}" for table in tables for name, function in sorted(table.items())]
    made_by = f"{jinja2.__version__} {environment.is_async} {bucket.checksum} {marks}"
    return sha256(MAGIC_NUMBER + _WRITERS + made_by.encode()).digest()


def _hash_of_writers() -> bytes:
    """Return the hash of the code that writes templates. A version would not do: it stays while Erlen itself is worked on."""
    try:
        return sha256(b"".join(Path(__file__).with_name(name).read_bytes() for name in _SOURCES)).digest()
    except OSError:  # Erlen is packed without its source: nothing that was kept fits for sure
        return os.urandom(32)


_SOURCES = ("generator.py", "component.py", "environment.py")
_WRITERS = _hash_of_writers()
