"""Values as text for a page: secrets masked, bounded in length and time."""

from __future__ import annotations

import gc
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from reprlib import Repr
from time import monotonic
from types import FrameType
from typing import Any

from erlen.app.settings import Settings, is_secret

__all__ = ["MASK", "Masker", "is_masked"]

MASK = "•••"
LONGEST = 500
"""Of a value as it is shown, in characters."""


class Masker:
    """Makes text of values without showing what is secret: by name, as settings are masked, and whatever contains a known secret.

    Args:
        settings: whose secret values are masked wherever they appear.
        secrets: further values to mask, such as a request's cookies; those under 6 characters are left alone.
        seconds: that all values together may take; those that come later are left out. What happens between them does not count.
    """

    def __init__(self, settings: Settings | None = None, *, secrets: Iterable[str] = (), seconds: float = 1.5) -> None:
        known = {*_secret_values(settings), *secrets}
        self._secrets = sorted((one for one in known if len(one) >= 6), key=len, reverse=True)
        self._left = seconds
        self._repr = _Bounded(self.text)

    def text(self, text: str) -> str:
        """Return a text without the values of secret settings, passwords in URLs, and what is assigned to secret names.

        Lone surrogates, as in file names that are not UTF-8, are escaped: no page could be encoded with them.
        """
        text = text.encode("utf-8", "backslashreplace").decode()
        for secret in self._secrets:
            text = text.replace(secret, MASK)
        if "://" in text:
            text = _URL_PASSWORD(rf"\1{MASK}@", text)
        return _PARAMETER(rf"\1{MASK}", text) if "=" in text else text

    def line(self, text: str) -> str:
        """Return a line of source without secret settings' values, and without the text that is assigned to a secret name."""
        return _assigned_masked(self.text(text))

    def value(self, name: str, value: object) -> str:
        """Return a value as text: masked where its name is secret, at most 500 characters, and why where it has none."""
        if is_masked(name) and not _is_nothing(value) and not callable(value):
            return MASK
        return self.repr(value)

    def repr(self, value: object) -> str:
        """Return the `repr` of a value, masked and bounded; where it raises, what it raises."""
        if self._left <= 0:
            return f"<{type(value).__name__}: not shown, the values before took too long>"
        begun = monotonic()
        try:
            return shorten(_assigned_masked(self.text(within(min(self._left, 0.25), self._repr.repr, value))), LONGEST)
        except TooSlow:
            return f"<{type(value).__name__}: its repr takes too long>"
        except Exception as error:  # noqa: BLE001 - a repr of the user's may raise anything
            return f"<{type(value).__name__}: its repr raises {type(error).__name__}{_message(error, self.text)}>"
        finally:
            self._left -= monotonic() - begun

    def pairs(self, items: Iterable[tuple[str, object]]) -> list[tuple[str, str]]:
        """Return named values as text; texts without their quotes."""
        return [(name, self._plain(name, value)) for name, value in items]

    def _plain(self, name: str, value: object) -> str:
        if isinstance(value, str):
            return MASK if is_masked(name) and value else shorten(_assigned_masked(self.text(value)), LONGEST)
        return self.value(name, value)


def is_masked(name: str) -> bool:
    """Return whether what has this name is not shown: secret settings' names, and the headers and cookies that identify someone."""
    lower = name.lower()
    return is_secret(lower) or lower in _IDENTIFYING


def shorten(text: str, length: int) -> str:
    """Return a text with its middle left out where it is too long."""
    return text if len(text) <= length else f"{text[: length * 2 // 3]} … {text[-length // 4 :]}"


class TooSlow(BaseException):
    """Raised in Python code that is over its time; no `except Exception` of the user's stops it."""


def within(seconds: float, function: Callable[..., Any], *args: Any) -> Any:
    """Call a function, and stop its Python code after a time. What blocks in C is not stopped.

    Raises:
        TooSlow: when the time is over.
    """
    end = monotonic() + seconds

    def watch(frame: FrameType, event: str, argument: object) -> Any:
        if monotonic() > end and frame.f_code.co_name != "__del__":  # where it would be lost, and the tracing with it
            raise TooSlow
        frame.f_trace_opcodes = True  # a loop on one line has no line events
        return watch

    before = sys.gettrace()
    if before is not None:  # a debugger or a coverage tool watches, and must not miss anything
        return function(*args)
    collects = gc.isenabled()
    gc.disable()  # finalizers of what has nothing to do with this must not be stopped halfway
    sys.settrace(watch)
    try:
        return function(*args)
    finally:
        sys.settrace(before)
        if collects:
            gc.enable()


class _Bounded(Repr):
    """`reprlib` for any class, with what is secret by its key masked."""

    def __init__(self, mask: Callable[[str], str]) -> None:
        super().__init__()
        self._mask = mask
        self.maxlevel, self.maxdict, self.maxlist, self.maxtuple, self.maxset = 4, 30, 20, 20, 20
        self.maxlong, self.maxother = 100, 4000

    def repr1(self, x: Any, level: int) -> str:
        # By the class itself: `reprlib` goes by its name, which a class of the user's may share.
        kind = type(x)
        if kind is dict:
            return self.repr_dict(x, level)
        if kind in (str, bytes, bytearray):
            return self._repr_text(x)
        if kind in (list, tuple, set, frozenset, int):
            return super().repr1(x, level)
        return self.repr_instance(x, level)

    def repr_dict(self, x: Mapping[Any, Any], level: int) -> str:
        if not x:
            return "{}"
        if level <= 0:
            return "{…}"
        shown = [
            f"{self.repr1(key, level - 1)}: {MASK if isinstance(key, str) and is_masked(key) else self.repr1(x[key], level - 1)}"
            for key in list(x)[: self.maxdict]
        ]
        return "{" + ", ".join(shown + ["…"] * (len(x) > self.maxdict)) + "}"

    def repr_instance(self, x: Any, level: int) -> str:
        return repr(x)[: self.maxother]

    def _repr_text(self, x: Any) -> str:
        # Masked before it is cut, so that no part of a secret is left over.
        part = x[:20_000]
        shown = repr(shorten(self._mask(part), LONGEST)) if isinstance(part, str) else self._mask(repr(bytes(part[:1000])))
        return shown if len(x) <= LONGEST else f"{shown} ({len(x):,} {'characters' if isinstance(part, str) else 'bytes'})"


def _is_nothing(value: object) -> bool:
    """Whether a value is None or empty; asked of built-in types alone, since an array or a column answers `==` with another one."""
    return value is None or (type(value) in (str, bytes, tuple, list, dict, set, frozenset) and not value)


def _secret_values(settings: Settings | None) -> set[str]:
    found: set[str] = set()
    for name in () if settings is None else settings.__struct_fields__:
        value = getattr(settings, name, None)
        if is_secret(name):
            found.update(one for one in (value if isinstance(value, (tuple, list)) else [value]) if isinstance(one, str))
    return found


def _message(error: Exception, mask: Callable[[str], str]) -> str:
    try:
        return f": {shorten(mask(str(error)), 120)}" if str(error) else ""
    except Exception:  # noqa: BLE001 - as above
        return ""


def _assigned_masked(text: str) -> str:
    """Mask what stands behind a secret name in a repr, such as `User(password='…')`, or in a line of source."""
    return _ASSIGNED(lambda match: match[0] if _HARMLESS(match["value"]) else match["name"] + MASK, text)


_IDENTIFYING = frozenset(
    {"authorization", "proxy-authorization", "cookie", "set-cookie", "csrf_token", "x-csrf-token", "x-api-key", "x-amz-security-token"}
)
# Every part is bounded or gives nothing back, so that all are linear in the text.
_URL_PASSWORD = re.compile(r"(://[^/\s:@'\"]{0,100}:)[^/\s@'\"]{1,200}@").sub
_WORDS = "(?:secret|password|passwd|token|private|credential|api_?key)"
_PARAMETER = re.compile(rf"((?:[?&]|\A)[a-z0-9_-]{{0,30}}?{_WORDS}[a-z0-9_-]{{0,30}}=)[^&\s#'\"]++", re.IGNORECASE).sub
_SECRET_NAME = rf"{_WORDS}[a-z0-9_]{{0,30}}['\"]?\s{{0,2}}[=:]"
_FIELD_NAME = r"(?:authorization|cookie)['\"]?\s{0,2}[=:,]"
_TEXT = r"""[rbf]{0,2}(?:'(?:[^'\\\n]|\\.)++'|"(?:[^"\\\n]|\\.)++")"""
_ASSIGNED = re.compile(rf"(?P<name>(?:{_SECRET_NAME}|{_FIELD_NAME})\s{{0,2}})(?P<value>{_TEXT})", re.IGNORECASE).sub
_HARMLESS: Callable[[str], object] = re.compile(rf"[rbf]{{0,2}}(['\"]){MASK}\1", re.IGNORECASE).fullmatch
