"""Web origins (RFC 6454): the grammar of the `Origin` header, and lists of origins that settings name."""

from __future__ import annotations

import re
from collections.abc import Iterable

from erlen.errors import Mistake, raise_all

__all__ = ["Origins", "authority_for", "parse_origin", "shown"]


class Origins:
    """A set of trusted origins; `origin in origins` takes the value of an `Origin` header.

    Args:
        origins: `https://example.com`, with a port where it is not the scheme's own; `https://*.example.com` for every sub-domain
            (not the domain itself). Never `null`: any sandboxed frame has that origin.
        setting: the name of the setting, for messages.

    Raises:
        ConfigurationError: listing every entry that is no origin.
    """

    def __init__(self, origins: Iterable[str], *, setting: str) -> None:
        self._exact: set[tuple[str, str]] = set()
        self._wildcards: set[tuple[str, str]] = set()
        mistakes: list[Mistake] = []
        for text in [origins] if isinstance(origins, str) else origins:
            scheme, _, authority = text.partition("://")
            parsed = parse_origin(f"{scheme}://{authority.removeprefix('*.')}")
            if parsed is None:
                mistakes.append(Mistake(f"{setting} has {text!r}, which is no origin.", fix=_advice(text)))
            elif authority.startswith("*."):
                self._wildcards.add((parsed[0], "." + parsed[1]))
            else:
                self._exact.add(parsed)
        raise_all(mistakes)

    def __contains__(self, origin: str | None) -> bool:
        parsed = parse_origin(origin or "")
        if parsed is None:
            return False
        scheme, authority = parsed
        return parsed in self._exact or any(scheme == its and authority.endswith(suffix) for its, suffix in self._wildcards)


def parse_origin(text: str) -> tuple[str, str] | None:
    """Split a serialised origin into scheme and authority, in lower case and without the scheme's own port; None if it is none.

    `null` is none.
    """
    match = _ORIGIN(text) if len(text) <= _LIMIT else None
    if match is None:
        return None
    scheme = match[1].lower()
    return scheme, authority_for(scheme, match[2])


def authority_for(scheme: str, host: str) -> str:
    """Return a host and port as the origin of that scheme shows it: in lower case, without the scheme's own port."""
    port = _PORTS.get(scheme)
    host = host.lower()
    return host if port is None else host.removesuffix(port)


def shown(value: str | None) -> str:
    """Return what a client sent, as a message or log may show it: short, quoted and in ASCII."""
    return "missing" if value is None else ascii(value if len(value) <= 80 else value[:80] + "…")


_LIMIT = 300
_ORIGIN = re.compile(r"([A-Za-z][A-Za-z0-9+.-]{0,31})://((?:[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?)", re.ASCII).fullmatch
_PORTS = {"http": ":80", "https": ":443", "ws": ":80", "wss": ":443"}


def _advice(text: str) -> str:
    if text == "null":
        return "leave it out: every sandboxed frame and every local file has the origin 'null'"
    if text == "*":
        return "name the origins: '*' would trust every site"
    host = (text.partition("://")[2] or text).partition("/")[0]
    if parse_origin(f"https://{host.removeprefix('*.')}") is None:
        return "write scheme and host, such as 'https://example.com' or 'https://*.example.com'"
    scheme = text.partition("://")[0] if "://" in text else "https"
    return f"write '{scheme}://{host}': scheme, host and perhaps a port, without a path or a slash at the end"
