"""URLs (WHATWG URL, RFC 3986): built and taken apart so that no part bleeds into the next, and guards against open redirects."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Final

from msgspec import Struct

from erlen.http.query import QueryParams
from erlen.types import MISSING, Missing

__all__ = ["URL", "encode_location", "encode_path", "is_local_target", "is_safe_target"]


class URL(Struct, frozen=True, kw_only=True):
    """An absolute URL, or a reference relative to one. Immutable; `str(url)` is ASCII and always parses back to the same URL.

    Make one with `URL.build` or `URL.parse`; the constructor takes parts that are encoded already.

    Raises:
        ValueError: on a part with a character that would end it.
    """

    scheme: str = ""
    """In lower case, without the colon; empty in a relative reference."""
    userinfo: str = ""
    """What stands before `@`, percent-encoded."""
    host: str = ""
    """In lower case and ASCII (Punycode); an IPv6 address without its brackets."""
    port: int | None = None
    """None where it is the scheme's own."""
    raw_path: str = ""
    """Percent-encoded; `path` is the decoded one."""
    query_string: str = ""
    """Percent-encoded, without the question mark."""
    fragment: str = ""
    """Percent-encoded, without the hash."""

    def __post_init__(self) -> None:
        if self.scheme and not _SCHEME(self.scheme):
            raise ValueError(f"{self.scheme!r} is not a URL scheme: use lower-case letters, such as `https`")
        if not (_PATH(self.raw_path) and _QUERY(self.query_string) and _QUERY(self.fragment) and _USERINFO(self.userinfo)):
            raise ValueError("a part of this URL has characters that must be percent-encoded: use `URL.build`")
        if ":" in self.host:
            from ipaddress import IPv6Address

            # The length first: splitting and converting an endless address is not free (CVE-2024-56374).
            if len(self.host) > 45 or "%" in self.host:
                raise ValueError(f"{self.host[:100]!r} is not an IPv6 address")
            IPv6Address(self.host)
        elif self.host:
            if not _HOST(self.host):
                raise ValueError(f"{self.host[:100]!r} is not a host name: letters outside ASCII are written in Punycode (`xn--...`)")
        elif self.userinfo or self.port is not None or self.scheme in _DEFAULT_PORTS:
            raise ValueError("this URL has no host: give `authority`, such as `example.com` or `localhost:8000`")
        if self.port is not None and not 0 <= self.port <= 65535:
            raise ValueError(f"a port is a number from 0 to 65535, not {self.port}")
        if self.host:
            bleeds = self.raw_path != "" and self.raw_path[0] != "/"
        else:
            bleeds = not self.scheme and (self.raw_path.startswith("//") or ":" in self.raw_path.partition("/")[0])
        if bleeds:
            raise ValueError(f"the path {self.raw_path!r} would be read as another part of the URL: use `URL.build`")

    @classmethod
    def build(cls, *, scheme: str = "", authority: str = "", path: str = "/", query_string: str = "", fragment: str = "") -> URL:
        """Put a URL together.

        Args:
            scheme: such as `https`; empty makes a relative reference.
            authority: host, and port if it is not the scheme's own. User names are refused: a `Host` header has none.
            path: decoded text; whatever could be read as another part is percent-encoded.
            query_string: as sent; only what cannot stand in a query is encoded.
            fragment: likewise.

        Raises:
            ValueError: on a malformed scheme or authority.
        """
        scheme = scheme.lower()
        host, port = _split_authority(authority)
        return cls._fitted(scheme, "", host, port, encode_path(path), query_string, fragment)

    @classmethod
    def parse(cls, text: str) -> URL:
        """Take a URL or relative reference apart as browsers do.

        For `http`, `https`, `ws`, `wss` and `ftp` that means: a backslash is a slash, any number of slashes may stand before the host,
        and the scheme's own port is dropped (WHATWG URL, section 4.4). Dot segments are kept.

        Raises:
            ValueError: on control characters, surrounding space, or a malformed host or port; a host outside ASCII is one.
        """
        if _UNSENDABLE(text) or text != text.strip():
            raise ValueError("a URL has no control characters and no space around it")
        found = _WITH_SCHEME(text)
        scheme, rest = (found[1].lower(), text[found.end() :]) if found else ("", text)
        rest, _, fragment = rest.partition("#")
        rest, _, query_string = rest.partition("?")
        special = scheme in _DEFAULT_PORTS
        if special or not scheme:
            rest = rest.replace("\\", "/")
        if special:
            rest = "//" + rest.lstrip("/")
        userinfo = authority = ""
        if rest.startswith("//"):
            authority, slash, rest = rest[2:].partition("/")
            rest = slash + rest
            userinfo, _, authority = authority.rpartition("@")
        host, port = _split_authority(authority)
        raw_path = _encode(rest, _PATH, _PATH_SAFE + "%")
        return cls._fitted(scheme, _encode(userinfo, _USERINFO, _USERINFO_SAFE), host, port, raw_path, query_string, fragment)

    @classmethod
    def _fitted(cls, scheme: str, userinfo: str, host: str, port: int | None, raw_path: str, query_string: str, fragment: str) -> URL:
        """Make a URL of parts that are taken together: the path such that it is not read as part of the authority or as a scheme."""
        if host:
            if raw_path[:1] != "/" and (raw_path or scheme in _DEFAULT_PORTS):
                raw_path = "/" + raw_path
        elif not scheme:
            if raw_path.startswith("//"):  # CVE-2026-54282
                raw_path = "/%2F" + raw_path[2:]
            first, slash, rest = raw_path.partition("/")
            raw_path = first.replace(":", "%3A") + slash + rest
        return cls(
            scheme=scheme,
            userinfo=userinfo,
            host=host.lower() if host.isascii() else host,  # the Kelvin sign is K in lower case
            port=None if port == _DEFAULT_PORTS.get(scheme) else port,
            raw_path=raw_path,
            query_string=_encode(query_string, _QUERY, _QUERY_SAFE),
            fragment=_encode(fragment, _QUERY, _QUERY_SAFE),
        )

    @property
    def path(self) -> str:
        """The percent-decoded path; what is not UTF-8 becomes U+FFFD."""
        if "%" not in self.raw_path:
            return self.raw_path
        from urllib.parse import unquote

        return unquote(self.raw_path)

    @property
    def authority(self) -> str:
        """`host`, `host:port` or `user@host:port`; an IPv6 address in brackets."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        user = f"{self.userinfo}@" if self.userinfo else ""
        return user + host + ("" if self.port is None else f":{self.port}")

    @property
    def origin(self) -> str:
        """Scheme, host and port (RFC 6454), or `null` for a URL that has no origin."""
        return f"{self.scheme}://{self.authority.rpartition('@')[2]}" if self.scheme in _DEFAULT_PORTS else "null"

    @property
    def query(self) -> QueryParams:
        """The parameters of the query string."""
        return QueryParams.parse(self.query_string, limit=len(self.query_string) + 1)

    def replace(
        self,
        *,
        scheme: str | None = None,
        host: str | None = None,
        port: int | Missing | None = MISSING,
        path: str | None = None,
        query_string: str | None = None,
        fragment: str | None = None,
    ) -> URL:
        """Return a copy with some parts replaced; `path` is decoded text, `port=None` means the scheme's own.

        Raises:
            ValueError: on a malformed part.
        """
        return self._fitted(
            self.scheme if scheme is None else scheme.lower(),
            self.userinfo,
            self.host if host is None else host,
            self.port if isinstance(port, Missing) else port,
            self.raw_path if path is None else encode_path(path),
            self.query_string if query_string is None else query_string,
            self.fragment if fragment is None else fragment,
        )

    def with_query(self, **changes: object) -> URL:
        """Return a copy with some parameters of the query replaced, and those set to None removed."""
        return self.replace(query_string=str(self.query | changes))

    def __str__(self) -> str:
        text = f"{self.scheme}:" if self.scheme else ""
        if self.host or (self.scheme and self.raw_path.startswith("/")):
            text += "//" + self.authority
        text += self.raw_path
        if self.query_string:
            text += "?" + self.query_string
        return f"{text}#{self.fragment}" if self.fragment else text

    def __repr__(self) -> str:
        shown = str(self).replace(f"{self.userinfo}@", "***@", 1) if self.userinfo else str(self)
        return f"URL({shown!r})"


def encode_path(text: str) -> str:
    """Percent-encode a decoded path, leaving `/` and what RFC 3986, section 3.3, allows in a segment."""
    return _encode(text, _DECODED_PATH, _PATH_SAFE)


def encode_location(text: str) -> str:
    """Return a URL as the `Location` field can carry it: what is no URL character, such as space, backslash or `é`, percent-encoded.

    Raises:
        ValueError: on a control character (response splitting, OWASP ASVS 5.0 V1.2) or a lone surrogate.
    """
    if _UNSENDABLE(text):
        raise ValueError("a redirect's target has a control character or a lone surrogate: check where it comes from")
    return _encode(text, _LOCATION, _LOCATION_SAFE)


def is_local_target(target: str) -> bool:
    """Return whether a redirect to `target` stays on this site: a path from the root, which no browser reads as a host.

    Follows browsers rather than RFC 3986 (WHATWG URL, section 4.4): a backslash is a slash there, tabs and line breaks vanish. Refused
    as well are paths with letters that look like slashes, which software in between may fold into real ones.
    """
    return target[:1] == "/" and target[1:2] != "/" and _is_clean(target)


def is_safe_target(target: str, allowed_hosts: Iterable[str], require_https: bool = False) -> bool:
    """Return whether a redirect to `target`, which came from outside, is safe (OWASP ASVS 5.0 V3.7; CWE-601).

    Args:
        target: a path from the root, or an absolute `http` or `https` URL.
        allowed_hosts: hosts with their port, unless it is the scheme's own: `example.com`, `localhost:8000`. A host that is
            allowed on one port is not allowed on another.
        require_https: refuse absolute URLs with `http`.
    """
    if is_local_target(target):
        return True
    found = _ABSOLUTE(target)
    if found is None or not _is_clean(target):
        return False
    scheme = found[1].lower()
    if require_https and scheme != "https":
        return False
    wanted = _with_port(found[2], scheme)
    return any(_with_port(host, scheme) == wanted for host in allowed_hosts)


_DEFAULT_PORTS: Final = {"http": 80, "https": 443, "ws": 80, "wss": 443, "ftp": 21}

_PATH_SAFE: Final = "/:@!$&'()*+,;=~"
_QUERY_SAFE: Final = _PATH_SAFE + "?%[]\\^`{|}"
_USERINFO_SAFE: Final = "%:!$&'()*+,;=~"
_LOCATION_SAFE: Final = "%/:?#[]@!$&'()*+,;=~"

_SCHEME = re.compile(r"[a-z][a-z0-9+.\-]*").fullmatch
_WITH_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*):").match
_DECODED_PATH = re.compile(r"[A-Za-z0-9\-._~/:@!$&'()*+,;=]*").fullmatch
_PATH = re.compile(r"[A-Za-z0-9\-._~/:@!$&'()*+,;=%]*").fullmatch
_QUERY = re.compile(r"[A-Za-z0-9\-._~/:@!$&'()*+,;=?%\[\]\\^`{|}]*").fullmatch
_USERINFO = re.compile(r"[A-Za-z0-9\-._~%:!$&'()*+,;=]*").fullmatch
_LOCATION = re.compile(r"[A-Za-z0-9\-._~%/:?#\[\]@!$&'()*+,;=]*").fullmatch
_HOST = re.compile(r"[a-z0-9._\-]{1,253}").fullmatch
_PORT = re.compile(r"[0-9]{1,5}").fullmatch
_UNSENDABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]").search
# Beside control characters: C1 controls, line separators, and look-alikes of "/" and "\".
_DECEPTIVE = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\\\u2044\u2215\u2216\u27cb\u27cd\u29f5\u29f8\ufe68\uff0f\uff3c]"
).search
# re.ASCII: without it, IGNORECASE lets the long s and the Kelvin sign pass as letters.
_ABSOLUTE = re.compile(
    r"(https?)://((?:\[[0-9a-f:.]{2,45}\]|[a-z0-9._\-]{1,253})(?::[0-9]{1,5})?)(?=[/?#]|\Z)", re.ASCII | re.IGNORECASE
).match


def _encode(text: str, is_plain: Callable[[str], object], safe: str) -> str:
    if is_plain(text):
        return text
    from urllib.parse import quote

    return quote(text, safe=safe, errors="replace")


def _split_authority(authority: str) -> tuple[str, int | None]:
    host, colon, digits = authority.rpartition(":")
    if not colon or authority.endswith("]"):
        host, digits = authority, ""
    if digits and not _PORT(digits):
        raise ValueError(f"{authority!r} is not a host and port: the port is a number up to 65535")
    if host.startswith("[") and host.endswith("]") and ":" in host:
        host = host[1:-1]
    elif ":" in host:
        raise ValueError(f"{authority!r} is not a host and port: an IPv6 address stands in brackets")
    return host, int(digits) if digits else None


def _is_clean(target: str) -> bool:
    path = re.split("[?#]", target, maxsplit=1)[0]
    return not (_DECEPTIVE(path) or _UNSENDABLE(target)) and target == target.strip()


def _with_port(host: str, scheme: str) -> str:
    host = host.lower()
    return host if host.rpartition("]")[2].count(":") else f"{host}:{_DEFAULT_PORTS[scheme]}"
