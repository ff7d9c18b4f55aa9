"""The part of a handler's result that cannot become JSON."""

from __future__ import annotations

from collections.abc import Sequence

from erlen.binding.result import to_response
from erlen.debug.frames import Frame
from erlen.http.response import JSONResponse
from erlen.schema.encode import _find

__all__ = ["is_encoding_result", "unfit_part"]


def unfit_part(frames: Sequence[Frame]) -> tuple[str, object] | None:
    """Return the path to the part, such as `['user'].name`, and the part; None where nothing was being encoded.

    Of a value that is JSON as it stands, and only not what its annotation promises, it is the whole.

    Args:
        frames: of the error, the innermost last.
    """
    for frame in reversed(frames):
        name = None if frame.frame is None else _VALUES.get(frame.frame.f_code)
        if frame.frame is not None and name is not None:
            value = frame.frame.f_locals[name]
            try:
                return _find(value)
            except RecursionError:  # it holds itself
                return "", value
    return None


def is_encoding_result(frames: Sequence[Frame]) -> bool:
    """Return whether the error was raised where a handler's result becomes a response."""
    return any(frame.frame is not None and frame.frame.f_code is to_response.__code__ for frame in frames)


# Which local name of theirs holds the value.
_VALUES = {to_response.__code__: "value", JSONResponse.__init__.__code__: "data"}
