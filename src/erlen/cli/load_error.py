"""Why an application does not load, as one block for the terminal."""

from __future__ import annotations

import linecache
import os
import sys
import traceback
from pathlib import Path

from erlen.errors import ConfigurationError
from erlen.observe.escape import escape_lines

__all__ = ["describe_load_error", "is_library"]


def describe_load_error(error: BaseException, root: Path) -> str:
    """Return what went wrong, where in the application's own files, the line, and the likely fixes.

    Args:
        error: what was raised when the application was imported, frozen or started.
        root: the folder that paths are shown from.
    """
    if isinstance(error, ConfigurationError):  # each of its mistakes has its fix
        return escape_lines(str(error))
    told = _syntax_error(error, root) if isinstance(error, SyntaxError) and error.filename else _other_error(error, root)
    return escape_lines("\n\n".join([told, *_likely_fixes(error)]))


def is_library(filename: str) -> bool:
    """Return whether a source file belongs to Python, an installed package or Erlen, and not to the application."""
    if filename.startswith("<") or "site-packages" in filename or "dist-packages" in filename:
        return True
    return filename.startswith(_LIBRARIES)


def _syntax_error(error: SyntaxError, root: Path) -> str:
    line = error.text or linecache.getline(error.filename or "", error.lineno or 0)
    shown = line.strip("\n").expandtabs(4)
    indent = len(shown) - len(shown.lstrip())
    start = max(0, (error.offset or 1) - 1 - indent)
    same_line = error.end_lineno in (None, error.lineno) and (error.end_offset or 0) > (error.offset or 0)
    width = (error.end_offset or 0) - (error.offset or 0) if same_line else 1
    where = f"{_relative(error.filename or '', root)}:{error.lineno}"
    return f"{where}\n    {shown.strip()}\n    {' ' * start}{'^' * max(1, width)}\n{type(error).__name__}: {error.msg}"


def _other_error(error: BaseException, root: Path) -> str:
    lines = []
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if not is_library(frame.filename)]
    for frame in own:
        where = f" in {frame.name}" if frame.name != "<module>" else ""
        lines += [f"{_relative(frame.filename, root)}:{frame.lineno}{where}", f"    {frame.line}"]
    if isinstance(error, SystemExit):
        lines.append(f"SystemExit: the application ends its process while it loads (code {error.code!r})")
    else:
        lines += [line.rstrip("\n") for line in traceback.format_exception_only(error)]
    if not own:
        lines = ["".join(traceback.format_exception(error)).rstrip("\n")]
    return "\n".join(lines)


def _likely_fixes(error: BaseException) -> list[str]:
    from erlen.debug.report import make_report  # reads no more of the program than a page in debug mode would

    return [str(hint) for hint in make_report(error, 500, None).hints]


def _relative(filename: str, root: Path) -> str:
    path = Path(filename)
    return str(path.relative_to(root)) if path.is_relative_to(root) else filename


_LIBRARIES = tuple(
    os.path.join(folder, "")
    for folder in {os.path.dirname(os.__file__), os.path.realpath(os.path.dirname(os.__file__)), str(Path(__file__).parents[1])}
    if not sys.prefix.startswith(folder)
)
