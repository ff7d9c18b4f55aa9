"""Conditional requests: entity tags, dates, 304 and 412 (RFC 9110, section 13)."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Literal

from erlen.errors import PreconditionFailed
from erlen.http.request import Request
from erlen.http.response import Response

__all__ = ["Conditions", "apply_conditions", "check_preconditions", "etag_of", "format_http_date", "parse_http_date"]


class Conditions:
    """The preconditions of a request: `If-Match`, `If-None-Match`, `If-Modified-Since`, `If-Unmodified-Since` and `If-Range`.

    Entity tags are written as in the header field, quotes included: `"v1"`, or `W/"v1"` for a weak one.

    Args:
        method: the request's method.
        header: gives the value of a header field by its lower-case name, or None, as `Request.header` does.
    """

    __slots__ = ("_header", "_method")

    def __init__(self, method: str, header: Callable[[str], str | None]) -> None:
        self._method = method
        self._header = header

    def evaluate(self, etag: str | None, last_modified: datetime | None) -> Literal["proceed", "not_modified", "failed"]:
        """Evaluate the preconditions against the resource as it is now, in the order of RFC 9110, section 13.2.2.

        Args:
            etag: its entity tag, if it has one.
            last_modified: when it last changed, if that is known; a naive time counts as UTC. With neither, there is no resource:
                `If-Match: *` fails and `If-None-Match: *` holds.

        Returns:
            `proceed`; `not_modified`, answered with 304 (GET and HEAD only); or `failed`, answered with 412.

        Raises:
            ValueError: if `etag` is not written as an entity tag.
        """
        if etag is not None and not _IS_ETAG(etag):
            raise ValueError(f"{etag!r} is not an entity tag: put it in double quotes, or make it with etag_of")
        header = self._header
        exists = etag is not None or last_modified is not None
        changed = None if last_modified is None else _whole_seconds(last_modified)

        if_match = header("if-match")
        if if_match is not None:
            if not (exists if if_match.strip() == "*" else etag in _strong(if_match)):
                return "failed"
        elif changed is not None:
            date = parse_http_date(header("if-unmodified-since") or "")
            if date is not None and changed > date:
                return "failed"

        if_none_match = header("if-none-match")
        safe = self._method in ("GET", "HEAD")
        if if_none_match is not None:
            known = {tag for _, tag in _ETAGS(if_none_match)}
            if exists if if_none_match.strip() == "*" else etag is not None and etag.removeprefix("W/") in known:
                return "not_modified" if safe else "failed"
        elif safe and changed is not None:
            date = parse_http_date(header("if-modified-since") or "")
            if date is not None and changed <= date:
                return "not_modified"
        return "proceed"

    def range_applies(self, etag: str | None, last_modified: datetime | None) -> bool:
        """Return whether `If-Range` lets a `Range` count (RFC 9110, section 13.1.5); always when there is no `If-Range`.

        The entity tag must be strong and equal. A date must be equal, and more than a second old: within that second the content
        could have changed twice.
        """
        value = self._header("if-range")
        if value is None:
            return True
        value = value.strip()
        if value[:1] == '"' or value[:2] == "W/":
            return etag is not None and value == etag and value[0] == '"'
        date = parse_http_date(value)
        if date is None or last_modified is None or date != _whole_seconds(last_modified):
            return False
        return (datetime.now(UTC) - date).total_seconds() > 1


def apply_conditions(request: Request, response: Response) -> Response:
    """Return the response, or what the request's conditions make of it: 304 or 412.

    Only a successful answer to GET or HEAD whose own header fields have an `ETag` or `Last-Modified` is concerned. The 304 keeps
    all of its fields but those that describe the content it does not have (RFC 9110, section 15.4.5).
    """
    own = response.own_headers
    successful = 200 <= response.status < 300 and request.method in ("GET", "HEAD")
    if own is None or not successful or not any(map(request.header, _CONDITIONS)):
        return response
    etag = own.get("etag")
    if etag is not None and not _IS_ETAG(etag):
        etag = None
    last_modified = parse_http_date(own.get("last-modified", ""))
    if etag is None and last_modified is None:
        return response
    verdict = request.conditions.evaluate(etag, last_modified)
    if verdict == "proceed":
        return response
    if verdict == "failed":
        return Response("A condition of the request, such as If-Match, does not hold.", 412)
    kept = [pair for pair in own.pairs if not _OF_CONTENT(pair[0]) and not (pair[0] == "last-modified" and etag is not None)]
    if etag is not None and etag[0] == '"':
        # The client's copy may be a compressed one, whose tag was weakened: a cache matches a strong tag only with a strong one
        # (RFC 9111, section 4.3.4).
        asked = (request.header("if-none-match") or "*").strip()
        if asked != "*" and etag not in _strong(asked):
            kept = [(name, "W/" + value if name == "etag" else value) for name, value in kept]
    return Response(b"", 304, kept)


def check_preconditions(request: Request, etag: str | None, last_modified: datetime | None = None) -> None:
    """Refuse a write whose conditions do not hold: the lost-update guard (RFC 9110, section 13.1.1). Call it before the write.

    Args:
        request: the request to change the resource.
        etag: the resource's present entity tag, quotes included; None when it has none or does not exist.
        last_modified: when it last changed.

    Raises:
        PreconditionFailed: if it changed since the client read it, or, with `If-None-Match: *`, exists already.
        ValueError: if `etag` is not written as an entity tag.
    """
    if request.conditions.evaluate(etag, last_modified) == "failed":
        raise PreconditionFailed("The resource is not in the state that this request expects. Read it again, then repeat the change.")


def etag_of(data: bytes, weak: bool = False) -> str:
    """Return an entity tag made of a hash of the content (BLAKE2b, 128 bits), quotes included; weak ones begin with `W/`."""
    from hashlib import blake2b

    digest = blake2b(data, digest_size=16, usedforsecurity=False).hexdigest()
    return f'W/"{digest}"' if weak else f'"{digest}"'


def format_http_date(moment: datetime | float) -> str:
    """Write a date as HTTP does: `Sun, 06 Nov 1994 08:49:37 GMT` (IMF-fixdate, RFC 9110, section 5.6.7).

    Args:
        moment: a datetime (naive: UTC), or seconds since 1970; fractions of a second are cut off.
    """
    utc = _whole_seconds(moment) if isinstance(moment, datetime) else datetime.fromtimestamp(moment // 1, UTC)
    return f"{_DAYS[utc.weekday()]}, {utc.day:02} {_MONTHS[utc.month - 1]} {utc.year:04} {utc.hour:02}:{utc.minute:02}:{utc.second:02} GMT"


def parse_http_date(text: str) -> datetime | None:
    """Read a date in one of HTTP's three formats (RFC 9110, section 5.6.7); None when it is in none of them.

    The formats are IMF-fixdate, `Sunday, 06-Nov-94 08:49:37 GMT` (RFC 850; a year that looks more than 50 years ahead is in the
    century before) and `Sun Nov  6 08:49:37 1994` (asctime). A wrong weekday is not minded; a leap second counts as the one before.
    """
    match = _IMF(text) or _RFC850(text) or _ASCTIME(text)
    if match is None or match["second"] > "60" or match["month"] not in _MONTHS:
        return None
    day, hour, minute, second, year = map(int, match.group("day", "hour", "minute", "second", "year"))
    short = len(match["year"]) == 2
    if short:
        year += datetime.now(UTC).year // 100 * 100
    try:
        moment = datetime(year, _MONTHS.index(match["month"]) + 1, day, hour, minute, min(second, 59), tzinfo=UTC)
        return moment.replace(year=year - 100) if short and moment - datetime.now(UTC) > _FIFTY_YEARS else moment
    except ValueError:
        return None


_CONDITIONS = ("if-none-match", "if-modified-since", "if-match", "if-unmodified-since")
_FIFTY_YEARS = timedelta(days=18262.5)
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

_MONTH = "(?P<month>[A-Z][a-z]{2})"
_TIME = "(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2}):(?P<second>[0-9]{2})"
_IMF = re.compile(rf"[A-Z][a-z]{{2}}, (?P<day>[0-9]{{2}}) {_MONTH} (?P<year>[0-9]{{4}}) {_TIME} GMT").fullmatch
_RFC850 = re.compile(rf"[A-Z][a-z]{{5,8}}, (?P<day>[0-9]{{2}})-{_MONTH}-(?P<year>[0-9]{{2}}) {_TIME} GMT").fullmatch
_ASCTIME = re.compile(rf"[A-Z][a-z]{{2}} {_MONTH} (?P<day>[0-9 ][0-9]) {_TIME} (?P<year>[0-9]{{4}})").fullmatch

_ETAG = re.compile(r'(W/)?("[\x21\x23-\x7e\x80-\xff]*")')
_ETAGS, _IS_ETAG = _ETAG.findall, _ETAG.fullmatch

# What describes the content, which a 304 does not have. Everything else (cookies, CORS, CSP, Vary, caching) stays.
_OF_CONTENT = re.compile("content-(?!location|security-policy)|repr-digest").match


def _strong(value: str) -> set[str]:
    return {tag for weakness, tag in _ETAGS(value) if not weakness}


def _whole_seconds(moment: datetime) -> datetime:
    return (moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)).replace(microsecond=0)
