"""What sitemaps and feeds share: text that XML can carry, moments, and addresses that are absolute."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime

from markupsafe import escape

from erlen.errors import ErlenError
from erlen.http.request import active_request
from erlen.http.url import encode_location

__all__ = ["absolute_url", "current_origin", "element", "in_utc", "w3c_date", "xml_text"]


def xml_text(value: object) -> str:
    """Return text escaped for XML 1.0, in an element or a quoted attribute; control characters and other non-characters vanish."""
    return str(escape(_NOT_IN_XML("", str(value))))


def element(name: str, value: object = "", /, **attributes: object) -> str:
    """Return an element with text; attributes that are None are left out, and `_` in their names stands for `:`."""
    named = "".join(f' {key.replace("_", ":")}="{xml_text(one)}"' for key, one in attributes.items() if one is not None)
    text = xml_text(value)
    return f"<{name}{named}>{text}</{name}>" if text else f"<{name}{named}/>"


def current_origin() -> str:
    """Return scheme and host of the current request, or nothing outside one."""
    request = active_request.get(None)
    return "" if request is None else request.url.origin


def absolute_url(url: str, origin: str) -> str:
    """Return an address with scheme and host, in ASCII.

    Args:
        url: absolute, or a path from the root; control characters in it vanish.
        origin: scheme and host for a path.

    Raises:
        ValueError: if `url` is something else.
        ErlenError: for a path without an origin.
    """
    clean = encode_location(_CONTROLS("", _NOT_IN_XML("", url)))
    if clean.lower().startswith(("https://", "http://")):
        return clean
    if not clean.startswith("/") or clean.startswith("//"):
        raise ValueError(f"{url!r} is no address for a sitemap or feed: give a path from the root, or an absolute http or https URL")
    if not origin:
        raise ErlenError(f"the path {url!r} needs a request to become absolute: outside one, give an absolute URL")
    return origin + clean


def in_utc(moment: datetime) -> datetime:
    """Return a moment in UTC; one without a time zone is in UTC already."""
    return moment.replace(tzinfo=UTC) if moment.utcoffset() is None else moment.astimezone(UTC)


def w3c_date(moment: date) -> str:
    """Write a date as `2026-11-22`, a datetime as `2026-11-22T14:05:09Z` (RFC 3339; W3C Date and Time Formats)."""
    if not isinstance(moment, datetime):
        return moment.isoformat()
    return in_utc(moment).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


# XML 1.0, section 2.2: the production Char, without the controls that it discourages.
_NOT_IN_XML = re.compile(r"[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]").sub
_CONTROLS = re.compile(r"[\t\n\r\x7f-\x9f]").sub
