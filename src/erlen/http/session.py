"""The visitor's session: plain data that outlives a request, and messages for the next page.

Where it is kept is another matter: in a signed cookie (`erlen.security.cookie_session`), or on the server.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any

import msgspec
from msgspec import Struct

__all__ = ["Flash", "HttpSession"]


class Flash(Struct, frozen=True):
    """A message for the next page that shows messages. `category` is a word such as `info`, `success`, `warning` or `error`."""

    message: str
    category: str = "info"


class HttpSession(MutableMapping[str, Any]):
    """Data of one visitor, by name.

    Values are plain data, as JSON has it: None, bool, int, float, str, and lists and dicts of them. What changes inside them is
    noticed too: `session["cart"].append(1)` is saved.

    Call `rotate()` when the visitor's privileges change (log-in, step-up), and `clear()` at log-out (OWASP Session Management
    Cheat Sheet; ASVS 5.0 V7.2.4).

    Args:
        data: what it begins with.
    """

    __slots__ = ("_forced", "_state", "_stored", "accessed", "new", "replaced_ids")

    def __init__(self, data: Mapping[str, Any] | None = None) -> None:
        self._state = _State()
        self._forced = False
        self._stored = b""
        self.replaced_ids: tuple[str, ...] = ()
        """The ids this session had earlier in this request: a store on the server forgets them."""
        self.accessed = False
        """Whether anything was read or written, so that the response depends on the visitor."""
        self.new = True
        """Whether the request came without a valid session."""
        if data is not None:
            self.update(data)

    # -- the data -----------------------------------------------------------------------------------------------------------

    def __getitem__(self, name: str) -> Any:
        return self._use().data[name]

    def __setitem__(self, name: str, value: object) -> None:
        if not isinstance(name, str):  # pyright: ignore[reportUnnecessaryIsInstance]  # unchecked callers exist
            raise TypeError(f"a name in the session is text, not {type(name).__name__}")
        self._use().data[name] = value

    def __delitem__(self, name: str) -> None:
        del self._use().data[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._use().data)

    def __len__(self) -> int:
        return len(self._use().data)

    def clear(self) -> None:
        """Forget everything: data, messages, id and CSRF secret."""
        self._drop_id()
        self._state = _State()

    # -- its identity -------------------------------------------------------------------------------------------------------

    @property
    def id(self) -> str:
        """A random name of this session (128 bits); made on first use. It is no secret from the visitor."""
        state = self._use()
        if not state.id:
            state.id = os.urandom(_ID_BYTES).hex()
        return state.id

    def rotate(self) -> None:
        """Go on under a new id with the same data, so that an id planted or seen before is worth nothing (session fixation).

        The CSRF secret goes too: pages loaded before must be loaded again.
        """
        self._drop_id()
        self._state.csrf_secret = ""
        self._state.id = os.urandom(_ID_BYTES).hex()

    @property
    def permanent(self) -> bool:
        """Whether the session outlives the browser, up to its maximum age (True); else it ends with the browser's own session."""
        return self._use().permanent

    @permanent.setter
    def permanent(self, value: bool) -> None:
        self._use().permanent = value

    @property
    def csrf_secret(self) -> str:
        """What `CsrfPolicy` makes this session's tokens from; empty until it makes the first."""
        return self._use().csrf_secret

    @csrf_secret.setter
    def csrf_secret(self, value: str) -> None:
        self._use().csrf_secret = value

    # -- messages -----------------------------------------------------------------------------------------------------------

    def flash(self, message: str, category: str = "info") -> None:
        """Leave a message for the next page that shows messages."""
        self._use().flashes.append(Flash(str(message), category))

    def take_flashes(self) -> list[Flash]:
        """Return the messages, oldest first, and forget them."""
        state = self._use()
        taken, state.flashes = state.flashes, []
        return taken

    # -- keeping it ---------------------------------------------------------------------------------------------------------

    @property
    def modified(self) -> bool:
        """Whether it must be saved: it is not what was loaded. Setting it to True makes it so.

        Raises:
            TypeError: where `dump` does.
        """
        return self._forced or self.dump() != self._stored

    @modified.setter
    def modified(self, value: bool) -> None:
        self.accessed = True
        self._forced = value

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to keep: no data, message, id or CSRF secret."""
        state = self._state
        return not (state.data or state.flashes or state.csrf_secret or state.id)

    def dump(self) -> bytes:
        """Return it as JSON, for a store.

        Raises:
            TypeError: if it holds what would not come back as it is.
        """
        if self.is_empty:
            return b""
        try:
            dumped = _encode(self._state)
        except (TypeError, ValueError, OverflowError, RecursionError):
            dumped = None
        # PERF: the walk over the values is spared the requests that change nothing.
        if dumped is not None and (dumped == self._stored or all(map(_is_plain, self._state.data.values()))):
            return dumped
        for name, value in self._state.data.items():
            if not _is_plain(value):
                raise TypeError(
                    f"session[{name!r}] has a value of type {type(value).__name__} that would not come back as it is: keep plain data "
                    "(None, bool, int up to 64 bits, finite float, str, and lists and dicts of them with text for keys)"
                )
        raise TypeError("the session holds text that UTF-8 cannot encode (lone surrogates): keep plain data")

    @classmethod
    def load(cls, stored: bytes) -> HttpSession:
        """Make a session of what `dump` returned.

        Raises:
            ValueError: if it is something else.
        """
        session = cls()
        try:
            session._state = _decode(stored)
        except msgspec.DecodeError as error:
            raise ValueError(f"this is no stored session: {error}") from None
        session._stored = stored
        session.new = False
        return session

    def _use(self) -> _State:
        self.accessed = True
        return self._state

    def _drop_id(self) -> None:
        state = self._use()
        if state.id:
            self.replaced_ids += (state.id,)

    def __repr__(self) -> str:
        # Values are the visitor's: a log or an error page is no place for them.
        return f"<HttpSession{' new' if self.new else ''} with {len(self._state.data)} values>"


# One-letter names: a cookie holds 4 kB.
class _State(Struct, omit_defaults=True, rename={"data": "d", "id": "i", "csrf_secret": "c", "flashes": "f", "permanent": "p"}):
    data: dict[str, Any] = {}
    id: str = ""
    csrf_secret: str = ""
    flashes: list[Flash] = []
    permanent: bool = True


_ID_BYTES = 16
_DEPTH_LIMIT = 32
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_State).decode


def _is_plain(value: object, depth: int = 0) -> bool:
    """Return whether JSON gives this value back as it is (a tuple comes back as a list)."""
    if value is None or type(value) is bool or type(value) is str:
        return True
    if type(value) is int:
        return -(2**63) <= value < 2**64
    if type(value) is float:
        return value - value == 0  # neither infinite nor NaN, which JSON lacks
    if depth >= _DEPTH_LIMIT:
        return False
    if type(value) is list or type(value) is tuple:
        return all(_is_plain(item, depth + 1) for item in value)
    if type(value) is dict:
        return all(type(name) is str and _is_plain(item, depth + 1) for name, item in value.items())
    return False
