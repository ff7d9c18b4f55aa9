"""Which values of the `Host` header this site answers to (OWASP WSTG-INPV-17, host header injection)."""

from __future__ import annotations

import re
from collections.abc import Iterable

from erlen.errors import BadRequest, Mistake, raise_all

__all__ = ["HostPolicy", "host_name"]


class HostPolicy:
    """Decides whether a request's host is one of ours, so that no link, redirect or cache key is made from a forged one.

    `localhost`, `*.localhost`, 127.0.0.0/8 and `[::1]` always are: a page elsewhere cannot make a browser send these, not even by
    DNS rebinding.

    Args:
        allowed: `ALLOWED_HOSTS`: names without scheme and port. `example.com` is that host; `*.example.com` its sub-domains;
            `.example.com` both; `*` everything; an address is written as it is, IPv6 with or without brackets.

    Raises:
        ConfigurationError: listing every pattern that can never match.
    """

    known: set[str]
    """`Host` values accepted so far, as they were sent: `host in policy.known` saves the call of `check`."""

    def __init__(self, allowed: Iterable[str] = ()) -> None:
        self.known = set()
        patterns = [allowed] if isinstance(allowed, str) else list(allowed)
        self._any = "*" in patterns
        self._names = {"localhost", "[::1]"}
        suffixes = {".localhost"}
        mistakes: list[Mistake] = []
        for pattern in patterns:
            bare = pattern.removeprefix("*." if pattern.startswith("*.") else ".")
            try:
                name = "" if pattern == "*" else _pattern_name(bare)
            except BadRequest:
                mistakes.append(Mistake(f"ALLOWED_HOSTS has {pattern!r}, which is no host name.", fix=_advice(pattern)))
                continue
            if not pattern.startswith("*"):
                self._names.add(name)
            if pattern != bare:
                suffixes.add("." + name)
        raise_all(mistakes)
        self._suffixes = tuple(suffixes)

    def check(self, host: str) -> None:
        """Pass a host that is allowed, and remember it.

        Args:
            host: the value of the `Host` header, or what a trusted proxy gives for it.

        Raises:
            BadRequest: if it is not allowed, missing, or no host at all (RFC 9112, section 3.2).
        """
        name = host_name(host)
        if not (self._any or name in self._names or name.endswith(self._suffixes) or _is_ipv4_loopback(name)):
            raise BadRequest(f"Host {name!r} is not allowed. Add it to ALLOWED_HOSTS if this site is meant to answer to it.")
        # An allowed wildcard lets a client invent names without end; emptying the set bounds it, and the names in use come back.
        if len(self.known) >= _KNOWN_LIMIT:
            self.known.clear()
        self.known.add(host)


def host_name(host: str) -> str:
    """Return the name in a `Host` value: in lower case, without port and without the dot of the root; IPv6 in its brackets.

    The grammar is the part of RFC 3986, section 3.2.2 that real hosts use: labels of letters, digits, hyphens and underscores;
    dotted IPv4; IPv6 in brackets; a port from 1 to 65535.

    Raises:
        BadRequest: for anything else, such as user information, a slash, a percent sign, a space or a non-ASCII letter.
    """
    if not host:
        raise BadRequest("The request has no Host header.")
    match = _HOST(host) if len(host) <= _HOST_LIMIT else None
    name = "" if match is None else match[1].lower().removesuffix(".")
    if match is None or len(name) > 253 or not 0 < int(match[2] or "1") < 65536:
        raise _malformed(host)
    last = name[name.rfind(".") + 1 :]
    # Browsers read such a name as an IPv4 address in one of its odd spellings (WHATWG URL, section 3.5), so it can be no other name.
    if name[0] == "[" or last.isdigit() or last.startswith("0x"):
        from ipaddress import IPv4Address, IPv6Address

        try:
            return f"[{IPv6Address(name[1:-1])}]" if name[0] == "[" else str(IPv4Address(name))
        except ValueError:
            raise _malformed(host) from None
    return name


_KNOWN_LIMIT = 1000
_HOST_LIMIT = 261  # 253 characters of name, the root's dot, a colon, five digits, and one to spare
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST = re.compile(rf"({_LABEL}(?:\.{_LABEL})*\.?|\[[0-9A-Fa-f:.]{{2,45}}\])(?::([0-9]{{1,5}}))?", re.ASCII).fullmatch


def _is_ipv4_loopback(name: str) -> bool:
    # A name whose last label is a number is dotted IPv4: `host_name` refused every other.
    return name.startswith("127.") and name[name.rfind(".") + 1 :].isdigit()


def _malformed(host: str) -> BadRequest:
    shown = host if len(host) <= 80 else host[:80] + "…"
    return BadRequest(f"The Host header {shown!a} is not a valid host name.")


def _pattern_name(pattern: str) -> str:
    if ":" in pattern and not pattern.startswith("["):
        pattern = f"[{pattern}]"
    if not pattern.isascii():
        try:
            pattern = pattern.encode("idna").decode("ascii")
        except UnicodeError:
            raise _malformed(pattern) from None
    if "]:" in pattern:
        raise _malformed(pattern)
    return host_name(pattern)


def _advice(pattern: str) -> str:
    rest = pattern.partition("://")[2] or pattern
    name = rest.partition("/")[0].partition(":")[0].strip()
    try:
        _pattern_name(name.removeprefix("*").removeprefix("."))
    except BadRequest:
        return "write a name such as 'example.com', '.example.com' with all sub-domains, or '*' for everything"
    return f"write {name!r}: a name without scheme, port and path"
