"""The cookies that a client keeps, as browsers keep them (RFC 6265bis, sections 5.6 to 5.8)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from itertools import count
from time import time

from msgspec import Struct

from erlen.http.conditional import parse_http_date
from erlen.http.cookies import format_cookie, parse_cookies
from erlen.http.url import URL

__all__ = ["CookieJar", "cookie_field", "read_set_cookie"]


class CookieJar(MutableMapping[str, str]):
    """A client's cookies: name -> value, percent-decoded as `request.cookies` has it.

    It honours Domain, Path, Secure, Max-Age, Expires and the prefixes `__Host-` and `__Secure-`. As in most browsers, a cookie with
    `Secure` is neither taken from nor sent to `http://`: use `base_url="https://localhost"` to see it. Reading by name gives the cookie
    that would be sent first; setting replaces every cookie of that name by one for the whole of `base_url`'s host.
    """

    def __init__(self, base: URL) -> None:
        self._base = base
        self._cookies: dict[tuple[str, str, str], StoredCookie] = {}
        self._order = count()

    def store(self, url: URL, set_cookies: Iterable[str]) -> None:
        """Take what a response from `url` sets and deletes: the values of its `Set-Cookie` fields."""
        for text in set_cookies:
            cookie = read_set_cookie(text, url)
            if cookie is not None:
                self._keep(cookie, url)

    def header_for(self, url: URL) -> str:
        """Return the `Cookie` field of a request to `url`; empty when no cookie fits."""
        return "; ".join(f"{cookie.name}={cookie.value}" for cookie in self._fitting(url))

    def __getitem__(self, name: str) -> str:
        for cookie in [*self._fitting(self._base), *self._living()]:
            if cookie.name == name:
                return cookie.decoded
        raise KeyError(name)

    def __setitem__(self, name: str, value: str) -> None:
        encoded = cookie_field({name: value}).partition("=")[2]
        self._drop(name)
        secure = self._base.scheme == "https"
        self._keep(StoredCookie(name, encoded, self._base.host, True, "/", secure, None), self._base)

    def __delitem__(self, name: str) -> None:
        if name not in self:
            raise KeyError(name)
        self._drop(name)

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(cookie.name for cookie in self._living()))

    def __len__(self) -> int:
        return len({cookie.name for cookie in self._living()})

    def __repr__(self) -> str:
        return f"<CookieJar {', '.join(self)}>"

    def _keep(self, cookie: StoredCookie, url: URL) -> None:
        key = (cookie.name, cookie.domain, cookie.path)
        former = self._cookies.get(key)
        if former is not None and former.secure and url.scheme != "https":
            return  # a page without TLS may not replace what TLS has set
        cookie.order = next(self._order) if former is None else former.order
        if cookie.expires is not None and cookie.expires <= time():
            self._cookies.pop(key, None)
        else:
            self._cookies[key] = cookie

    def _drop(self, name: str) -> None:
        self._cookies = {key: cookie for key, cookie in self._cookies.items() if cookie.name != name}

    def _living(self) -> list[StoredCookie]:
        now = time()
        living = [cookie for cookie in list(self._cookies.values()) if cookie.expires is None or cookie.expires > now]
        # The longest path first, then the oldest (section 5.8.3).
        return sorted(living, key=lambda cookie: (-len(cookie.path), cookie.order))

    def _fitting(self, url: URL) -> list[StoredCookie]:
        return [cookie for cookie in self._living() if cookie.fits(url)]


def cookie_field(cookies: Mapping[str, str]) -> str:
    """Return the `Cookie` field of some cookies, whose values are encoded as `Response.set_cookie` does it."""
    return "; ".join(format_cookie(name, value, secure=True).partition(";")[0] for name, value in cookies.items())


class StoredCookie(Struct):
    """One cookie with where it belongs."""

    name: str
    value: str
    domain: str
    host_only: bool
    path: str
    secure: bool
    expires: float | None
    """In seconds since 1970; None for as long as the jar lasts."""
    order: int = 0

    @property
    def decoded(self) -> str:
        return parse_cookies(f"{self.name}={self.value}")[self.name]

    def fits(self, url: URL) -> bool:
        """Return whether it is sent to `url`."""
        if self.secure and url.scheme != "https":
            return False
        if not (url.host == self.domain if self.host_only else _is_within(url.host, self.domain)):
            return False
        path = url.raw_path or "/"
        return path == self.path or (path.startswith(self.path) and (self.path.endswith("/") or path[len(self.path)] == "/"))


def read_set_cookie(text: str, url: URL) -> StoredCookie | None:
    """Read a `Set-Cookie` field of a response from `url`; None where a browser would ignore it."""
    pair, *attributes = text.split(";")
    name, equals, value = (part.strip(" \t") for part in pair.partition("="))
    if not name or not equals or len(name) + len(value) > _SIZE:
        return None
    said = {key.strip(" \t").lower(): of.strip(" \t") for key, _, of in (attribute.partition("=") for attribute in attributes)}
    secure = "secure" in said
    if secure and url.scheme != "https":
        return None
    domain = said.get("domain", "").removeprefix(".").lower()
    if domain and (not _is_within(url.host, domain) or ("." not in domain and domain != url.host)):
        return None
    path = said.get("path", "")
    prefix = name.lower()
    if prefix.startswith(("__secure-", "__host-")) and not secure:
        return None
    if prefix.startswith("__host-") and (domain or path != "/"):
        return None
    if not path.startswith("/"):
        path = (url.raw_path.rpartition("/")[0] if url.raw_path.startswith("/") else "") or "/"
    return StoredCookie(name, value, domain or url.host, not domain, path, secure, _expiry(said))


_SIZE = 4096
_AGE_DIGITS = 10  # three hundred years


def _expiry(said: dict[str, str]) -> float | None:
    age = said.get("max-age", "")
    if age.isascii() and age.removeprefix("-").isdigit():
        return 0.0 if age.startswith("-") else time() + int(age[:_AGE_DIGITS])
    moment = parse_http_date(said["expires"]) if "expires" in said else None
    return None if moment is None else moment.timestamp()


def _is_within(host: str, domain: str) -> bool:
    if host == domain:
        return True
    is_address = ":" in host or host.rpartition(".")[2].isdigit()
    return host.endswith("." + domain) and not is_address
