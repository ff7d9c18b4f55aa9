"""What the proxies in front of this server say about the client, where they are trusted (RFC 7239; OWASP ASVS 5.0 V4.1.3).

Anyone can send `X-Forwarded-For`. It is read only on a connection from a trusted proxy, and from right to left: each proxy adds
who connected to it at the right, so the first address that is not a trusted proxy is the client, and what stands left of it is
the client's own invention.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

from erlen.errors import Mistake, raise_all
from erlen.http.request import Request

if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

__all__ = ["Proxies"]


class Proxies:
    """The trusted proxies, and the client as they saw it.

    With no trusted proxy every answer is the connection's own, and the prefix empty.

    Args:
        trusted: `TRUSTED_PROXIES`: addresses and networks (`10.0.0.0/8`); `unix` for whoever connects over the Unix socket; `*`
            for whoever connects at all (right only where nobody but the proxy can). `unix` and `*` vouch for the connection,
            not for the addresses further left.
        header: which family the proxies write, and overwrite when a client sends it: `x-forwarded` (`X-Forwarded-For`, `-Proto`,
            `-Host`, `-Prefix`) or `forwarded` (RFC 7239). They are never mixed: a proxy that writes one passes the other on.

    Raises:
        ConfigurationError: listing every entry that is no address or network.
    """

    def __init__(self, trusted: Iterable[str] = (), *, header: Literal["x-forwarded", "forwarded"] = "x-forwarded") -> None:
        entries = [trusted] if isinstance(trusted, str) else list(trusted)
        self._any = "*" in entries
        self._unix = "unix" in entries
        self._header = header
        mistakes: list[Mistake] = []
        self._networks = [network for entry in entries if entry not in ("*", "unix") for network in _read_network(entry, mistakes)]
        if header not in ("x-forwarded", "forwarded"):
            mistakes.append(Mistake(f"The proxies' header cannot be {header!r}.", fix="write 'x-forwarded' or 'forwarded'"))
        raise_all(mistakes)
        self.enabled: bool = bool(entries)
        """Whether any proxy is trusted. Where it is false, the connection's own values may be used directly."""
        # PERF: parsing takes some 3 us, and the same few proxies come again and again. Bounded, as clients choose text.
        self._node = lru_cache(1024)(self._read_node)

    def client(self, request: Request) -> str:
        """Return the client's address: the first from the right that is no trusted proxy; empty on an untrusted Unix socket."""
        return self._walk(request)[0]

    def scheme(self, request: Request) -> str:
        """Return `http` or `https`, as the client sees it."""
        return _SCHEMES.get(self._said(request, "proto").lower()) or request.wire_scheme

    def host(self, request: Request) -> str:
        """Return host and port, as the client sees them. Check them with `HostPolicy`: a trusted proxy may pass on a forged one."""
        return self._said(request, "host") or request.wire_host

    def prefix(self, request: Request) -> str:
        """Return the path that the proxy takes off, from `X-Forwarded-Prefix`, without a slash at its end; usually empty."""
        prefix = self._said(request, "prefix").rstrip("/")
        return prefix if _PREFIX(prefix) else ""

    def request_id(self, request: Request) -> str | None:
        """Return `X-Request-ID` from a trusted proxy, when it is 1 to 128 letters, digits, dots, underscores and hyphens."""
        if not self.enabled or not self.trusts(request.peer):
            return None
        value = request.header("x-request-id")
        return value if value is not None and _REQUEST_ID(value) else None

    def trusts(self, peer: str) -> bool:
        """Return whether a connection from this address (empty: a Unix socket) is one of a trusted proxy."""
        if self._any or not peer:
            return self._any or self._unix
        node = self._node(peer)
        return node is not None and node[1]

    def _walk(self, request: Request) -> tuple[str, int]:
        """Return the client's address, and how many trusted proxies stand between it and us."""
        address = request.peer
        if not self.enabled or not self.trusts(address):
            return address, 0
        hops = 1
        for text in reversed(self._values(request, "for")):
            node = self._node(text[: _NODE_LIMIT + 1])
            if node is None:
                break
            address, trusted = node
            if not trusted:
                break
            hops += 1
        return address, hops

    def _said(self, request: Request, what: Literal["proto", "host", "prefix"]) -> str:
        """Return what the outermost trusted proxy says, or empty."""
        values = self._values(request, what) if self.enabled else []
        hops = self._walk(request)[1] if values else 0
        # Some proxies append here too, others overwrite; counting from the right never reaches what the client itself sent.
        return next((value for value in values[-hops:] if value), "") if hops else ""

    def _values(self, request: Request, what: Literal["for", "proto", "host", "prefix"]) -> list[str]:
        """Return what each proxy says, the nearest last, however many lines it came in: some proxies add a line of their own."""
        name = "forwarded" if self._header == "forwarded" else "x-forwarded-" + what
        if request.header(name) is None:
            return []
        lines = request.headers.getlist(name)
        if name == "forwarded":
            return [element.get(what, "") for line in lines for element in _parse_forwarded(line)][-_HOPS_LIMIT:]
        return [entry.strip() for entry in ",".join(lines).rsplit(",", _HOPS_LIMIT)[-_HOPS_LIMIT:]]

    def _read_node(self, text: str) -> tuple[str, bool] | None:
        """Return an address in its usual spelling and whether it is trusted; None for what is no address."""
        address = _parse_address(text)
        return None if address is None else (str(address), any(address in network for network in self._networks))


_HOPS_LIMIT = 32
_NODE_LIMIT = 64
_SCHEMES = {"http": "http", "https": "https", "ws": "http", "wss": "https"}
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}").fullmatch
# One slash before each segment, so that it never starts a network-path reference (`//evil.com`), and no dot segments.
_PREFIX = re.compile(r"(?:/(?!\.{1,2}(?:/|$))[A-Za-z0-9._~!$&'()*+,;=:@-]+)+").fullmatch
_BRACKETED_OR_WITH_PORT = re.compile(r"\[([^\]]+)\](?::[0-9]+)?|([^:]+):[0-9]+").fullmatch
# RFC 7239, section 4. A value outside quotes may also hold colons and brackets, which careless proxies leave unquoted.
_PAIR = re.compile(r'[ \t]*([!#$%&\'*+\-.^_`|~0-9A-Za-z]+)=([^\s",;=\\]+|"(?:[^"\\]|\\.)*")[ \t]*([;,]|$)').match


def _read_network(entry: str, mistakes: list[Mistake]) -> list[IPv4Network | IPv6Network]:
    from ipaddress import ip_network

    try:
        return [ip_network(entry)]
    except ValueError:
        try:
            fix = f"write '{ip_network(entry, strict=False)}'"
        except ValueError:
            fix = "write an address, a network such as '10.0.0.0/8', 'unix' or '*'"
        mistakes.append(Mistake(f"TRUSTED_PROXIES has {entry!r}, which is no address or network.", fix=fix))
        return []


def _parse_forwarded(line: str) -> list[dict[str, str]]:
    """Return the elements of a `Forwarded` line; a malformed one counts as one empty element, which ends the walk."""
    # A client could open a quote and swallow what the proxy appends to its line; the quotes then do not pair up, and none of it counts.
    elements: list[dict[str, str]] = [{}]
    position = 0
    while True:
        match = _PAIR(line, position)
        name = match[1].lower() if match is not None else ""
        if match is None or name in elements[-1]:
            return [{}]
        value, end = match[2], match[3]
        elements[-1][name] = re.sub(r"\\(.)", r"\1", value[1:-1]) if value[0] == '"' else value
        if not end:
            return elements
        if end == ",":
            elements.append({})
        position = match.end()


def _parse_address(text: str) -> IPv4Address | IPv6Address | None:
    from ipaddress import ip_address

    if len(text) > _NODE_LIMIT or "%" in text:
        return None
    found = _BRACKETED_OR_WITH_PORT(text)
    try:
        address = ip_address(text if found is None else found[1] or found[2])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
