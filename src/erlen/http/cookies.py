"""Cookies (RFC 6265bis): reading the `Cookie` field and writing `Set-Cookie`."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Final, Literal, TypedDict

from erlen.http.conditional import format_http_date
from erlen.http.request import active_request

__all__ = ["CookieAttributes", "format_cookie", "parse_cookies"]


class CookieAttributes(TypedDict, total=False):
    """What `format_cookie` takes besides name and value."""

    max_age: int | timedelta | None
    expires: datetime | None
    path: str
    domain: str | None
    secure: bool | None
    httponly: bool
    samesite: Literal["lax", "strict", "none"]
    partitioned: bool


def parse_cookies(header: str) -> dict[str, str]:
    """Return the cookies of a `Cookie` field by name, decoded as `format_cookie` encodes them.

    Of several cookies with one name the first is kept: browsers send the one with the longest path first (RFC 6265bis, section 5.8.3).
    Nameless cookies are dropped, since `=__Host-id=x` would pass for a protected one (CVE-2023-23934). Percent signs that are not
    followed by UTF-8 stay as they are, so that other software's values survive. At most 200 cookies are read.
    """
    cookies: dict[str, str] = {}
    if not header.isascii():
        # What a script stored outside ASCII: browsers send it in UTF-8, servers hand fields out as Latin-1.
        try:
            header = header.encode("latin-1").decode("utf-8")
        except UnicodeError:
            pass
    for pair in header.split(";", _COUNT)[:_COUNT]:
        name, equals, value = pair.partition("=")
        name = name.strip(" \t")
        if not name or not equals or name in cookies:
            continue
        value = value.strip(" \t")
        if value[:1] == '"' and value[-1:] == '"' and len(value) > 1:
            value = value[1:-1]
        cookies[name] = _ESCAPES(_decode, value) if "%" in value else value
    return cookies


def format_cookie(
    name: str,
    value: str,
    *,
    max_age: int | timedelta | None = None,
    expires: datetime | None = None,
    path: str = "/",
    domain: str | None = None,
    secure: bool | None = None,
    httponly: bool = True,
    samesite: Literal["lax", "strict", "none"] = "lax",
    partitioned: bool = False,
) -> str:
    """Return the value of a `Set-Cookie` field (RFC 6265bis, section 4.1).

    Args:
        name: a token; the prefixes `__Secure-`, `__Host-`, `__Http-` and `__Host-Http-` are held to their rules.
        value: any text; what a cookie cannot hold is percent-encoded in UTF-8, and `parse_cookies` decodes it.
        max_age: in seconds; 0 deletes the cookie.
        expires: a datetime without time zone counts as UTC.
        path: starts with a slash.
        domain: an ASCII host name; by default only the host that sets the cookie gets it back.
        secure: only over TLS; by default when the current request came over TLS.

    Raises:
        ValueError: on a part that could break out of the field, attributes that browsers refuse together, or more than 4096 bytes.
    """
    if not _TOKEN(name):
        raise ValueError(f"{name!r} is not a cookie name: use letters, digits, hyphens and underscores")
    if secure is None:
        request = active_request.get(None)
        secure = request is not None and request.is_secure
    parts = [f"{name}={_encode(value)}"]
    if expires is not None:
        parts.append(f"Expires={format_http_date(expires)}")
    if max_age is not None:
        parts.append(f"Max-Age={int(max_age.total_seconds()) if isinstance(max_age, timedelta) else int(max_age)}")
    if domain is not None:
        if not _DOMAIN(domain):
            raise ValueError(f"{domain!r} is not a cookie domain: use an ASCII host name without port, such as `example.com`")
        parts.append(f"Domain={domain.lower()}")
    if not _PATH(path):
        raise ValueError(f"{path!r} is not a cookie path: it starts with a slash and has neither semicolons nor characters outside ASCII")
    parts.append(f"Path={path}")
    if samesite not in _SAMESITE:
        raise ValueError(f"samesite is 'lax', 'strict' or 'none', not {samesite!r}")
    flags = {"Secure": secure, "HttpOnly": httponly, f"SameSite={_SAMESITE[samesite]}": True, "Partitioned": partitioned}
    parts += [flag for flag, is_set in flags.items() if is_set]
    if not secure and (samesite == "none" or partitioned):
        raise ValueError(f"browsers refuse the cookie {name!r}: samesite='none' and partitioned=True need secure=True")
    prefix = name.lower()  # Browsers look at prefixes without regard to case.
    if not secure and prefix.startswith(("__secure-", "__host-", "__http-")):
        raise ValueError(f"browsers refuse the cookie {name!r} without TLS: set it with secure=True")
    if (domain is not None or path != "/") and prefix.startswith("__host-"):
        raise ValueError(f"browsers refuse the cookie {name!r} with a domain or a path other than '/': leave both out")
    if not httponly and prefix.startswith(("__http-", "__host-http-")):
        raise ValueError(f"browsers refuse the cookie {name!r} where scripts may read it: set it with httponly=True")
    field = "; ".join(parts)
    if len(field) > _SIZE:
        raise ValueError(f"the cookie {name!r} takes {len(field)} bytes and browsers keep {_SIZE}: store the data on the server")
    return field


_COUNT: Final = 200
_SIZE: Final = 4096
_SAMESITE: Final = {"lax": "Lax", "strict": "Strict", "none": "None"}

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+").fullmatch
# RFC 6265bis, section 4.1.1: cookie-octet, without the percent sign.
_PLAIN = re.compile(r"[!#$&-+\--:<-\[\]-~]*").fullmatch
_PATH = re.compile(r"/[\x20-:<-~]*").fullmatch
_DOMAIN = re.compile(r"\.?[A-Za-z0-9_\-]+(?:\.[A-Za-z0-9_\-]+)*").fullmatch
_ESCAPES = re.compile(r"(?:%[0-9A-Fa-f]{2})+").sub


def _encode(value: str) -> str:
    if _PLAIN(value):
        return value
    from urllib.parse import quote

    try:
        return quote(value, safe="!#$&'()*+/:<=>?@[]^`{|}~")
    except UnicodeEncodeError:
        raise ValueError("the value of a cookie has a lone surrogate, which UTF-8 cannot hold: check where it comes from") from None


def _decode(escapes: re.Match[str]) -> str:
    try:
        return bytes.fromhex(escapes[0].replace("%", "")).decode("utf-8")
    except UnicodeDecodeError:
        return escapes[0]
