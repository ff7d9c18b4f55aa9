"""Filters of dates and times, in English.

They take datetimes, dates, times, and text in ISO 8601. None shows as nothing; text that is no date passes as it is. A datetime
without a time zone is taken as UTC wherever two moments are compared or a time zone is asked for, as in the rest of Erlen; where it is
only written, it is written as it stands. A plain date stands for its first moment in UTC.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from erlen.templates.filters.text import text_of

__all__ = [
    "current_time",
    "format_date",
    "format_datetime",
    "format_time",
    "in_timezone",
    "in_utc",
    "is_future",
    "is_past",
    "naturalday",
    "naturaltime",
    "timesince",
    "timeuntil",
]


def format_date(value: object, format: str = "medium", tz: str | tzinfo | None = None) -> str:
    """Write a date: `{{ article.published|date }}` is `22 November 2026`.

    Args:
        value: a datetime or date, or its ISO 8601 text.
        format: `short` (22 Nov 2026), `medium` (22 November 2026), `long` (Sunday, 22 November 2026), `iso` (2026-11-22), or a
            `strftime` format such as `%d.%m.%Y`.
        tz: the time zone to show a datetime in, such as `Europe/Vienna`; by default its own.

    Raises:
        ValueError: for an unknown format or time zone.
    """
    moment = _in(_moment(value), tz)
    return _written(moment, _DATES, format) if isinstance(moment, date) else text_of(value)


def format_time(value: object, format: str = "short", tz: str | tzinfo | None = None) -> str:
    """Write a time of day: `{{ event.starts|time }}` is `14:05`.

    Args:
        value: a datetime or time, or its ISO 8601 text.
        format: `short` (14:05), `medium` (14:05:09), `long` (14:05:09 CET), `iso`, or a `strftime` format such as `%I:%M %p`.
        tz: the time zone to show a datetime in; by default its own.

    Raises:
        ValueError: for an unknown format or time zone.
    """
    moment = _in(_moment(value), tz)
    return _written(moment, _TIMES, format) if isinstance(moment, datetime | time) else text_of(value)


def format_datetime(value: object, format: str = "medium", tz: str | tzinfo | None = None) -> str:
    """Write a date with its time: `{{ article.published|datetime }}` is `22 November 2026, 14:05`.

    Args:
        value: a datetime, or its ISO 8601 text; a date is written without a time.
        format: `short` (22 Nov 2026, 14:05), `medium` (22 November 2026, 14:05), `long` (Sunday, 22 November 2026, 14:05:09 CET),
            `iso` (2026-11-22T14:05:09+01:00), or a `strftime` format.
        tz: the time zone to show it in; by default its own.

    Raises:
        ValueError: for an unknown format or time zone.
    """
    moment = _in(_moment(value), tz)
    if isinstance(moment, datetime):
        return _written(moment, _DATETIMES, format)
    return _written(moment, _DATES, format) if isinstance(moment, date) else text_of(value)


def timesince(value: object, now: datetime | None = None, depth: int = 2) -> str:
    """Write how long ago a moment was: `{{ comment.made|timesince }}` is `4 days, 6 hours`.

    Args:
        value: a datetime or date, or its ISO 8601 text. For a moment that is yet to come the result is `0 minutes`.
        now: the moment to count to; by default the present.
        depth: how many units at most, of years, months, weeks, days, hours and minutes; those after the first are left out from the
            first zero on.

    Raises:
        ValueError: if `depth` is not positive.
    """
    moment = _moment(value)
    if not isinstance(moment, date):
        return text_of(value)
    return _span(_instant(moment), _instant(now or datetime.now(UTC)), depth)


def timeuntil(value: object, now: datetime | None = None, depth: int = 2) -> str:
    """Write how long it is until a moment: `{{ event.starts|timeuntil }}` is `2 weeks`. As `timesince`, the other way round."""
    moment = _moment(value)
    if not isinstance(moment, date):
        return text_of(value)
    return _span(_instant(now or datetime.now(UTC)), _instant(moment), depth)


def naturaltime(value: object, now: datetime | None = None, depth: int = 1) -> str:
    """Write a moment as people say it: `now`, `30 seconds ago`, `in 3 hours`, `2 weeks ago`.

    Args:
        value: a datetime or date, or its ISO 8601 text.
        now: the moment it is said at; by default the present.
        depth: how many units at most, as for `timesince`.
    """
    moment = _moment(value)
    if not isinstance(moment, date):
        return text_of(value)
    then, present = _instant(moment), _instant(now or datetime.now(UTC))
    seconds = abs(then - present) // timedelta(seconds=1)
    if not seconds:
        return "now"
    span = _units(seconds, "second") if seconds < 60 else _span(min(then, present), max(then, present), depth)
    return f"in {span}" if then > present else f"{span} ago"


def naturalday(value: object, format: str = "medium", tz: str | tzinfo | None = None, today: date | None = None) -> str:
    """Write a day as `yesterday`, `today` or `tomorrow`, and other days as `date` does.

    Args:
        value: a datetime or date, or its ISO 8601 text.
        format: as for `date`.
        tz: the time zone whose days are meant; by default that of the value, or UTC.
        today: the day it is said on; by default the present one in that zone.

    Raises:
        ValueError: for an unknown format or time zone.
    """
    moment = _in(_moment(value), tz)
    if not isinstance(moment, date):
        return text_of(value)
    zone = _zone(tz) if tz is not None else moment.tzinfo if isinstance(moment, datetime) else None
    day = moment.date() if isinstance(moment, datetime) else moment
    distance = (day - (today or datetime.now(zone or UTC).date())).days
    near = {-1: "yesterday", 0: "today", 1: "tomorrow"}.get(distance)
    return near or _written(moment, _DATES, format)


def in_timezone(value: object, tz: str | tzinfo) -> Any:
    """Return a datetime in a time zone: `{{ event.starts|timezone("Europe/Vienna")|time }}`. What is no datetime passes as it is.

    Raises:
        ValueError: if there is no such time zone.
    """
    moment = _moment(value)
    return _in(moment, tz) if isinstance(moment, datetime) else value


def in_utc(value: object) -> Any:
    """Return a datetime in UTC: `{{ event.starts|utc|datetime("iso") }}`. What is no datetime passes as it is."""
    return in_timezone(value, UTC)


def current_time(tz: str | tzinfo = "UTC") -> datetime:
    """Return the present moment: `{{ now()|date("%Y") }}`, `{{ now("Europe/Vienna")|time }}`.

    Raises:
        ValueError: if there is no such time zone.
    """
    return datetime.now(_zone(tz))


def is_past(value: object) -> bool:
    """Return whether a moment is over: `{% if event.ends is past %}`. What is no datetime or date, None included, is not."""
    moment = _moment(value)
    return isinstance(moment, date) and _instant(moment) < datetime.now(UTC)


def is_future(value: object) -> bool:
    """Return whether a moment is yet to come: `{% if event.starts is future %}`. What is no datetime or date is not."""
    moment = _moment(value)
    return isinstance(moment, date) and _instant(moment) > datetime.now(UTC)


def _moment(value: object) -> datetime | date | time | None:
    if isinstance(value, date | time):
        return value
    text = text_of(value)
    if not 0 < len(text) <= _LONGEST:
        return None
    for kind in (date, datetime, time):
        try:
            return kind.fromisoformat(text)
        except ValueError:
            continue
    return None


def _in(moment: datetime | date | time | None, tz: str | tzinfo | None) -> datetime | date | time | None:
    return _shifted(_aware(moment), _zone(tz)) if tz is not None and isinstance(moment, datetime) else moment


def _shifted(moment: datetime, zone: tzinfo) -> datetime:
    try:
        return moment.astimezone(zone)
    except OverflowError:  # 9999-12-31T23:59 has no date in Vienna: such a moment means "never", and stays as it is.
        return moment.replace(tzinfo=zone)


def _aware(moment: datetime) -> datetime:
    return moment if moment.utcoffset() is not None else moment.replace(tzinfo=UTC)


def _instant(moment: date) -> datetime:
    return _shifted(_aware(moment), UTC) if isinstance(moment, datetime) else datetime(moment.year, moment.month, moment.day, tzinfo=UTC)


def _zone(tz: str | tzinfo) -> tzinfo:
    if isinstance(tz, tzinfo):
        return tz
    if tz.upper() == "UTC":
        return UTC
    try:
        return ZoneInfo(tz)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(
            f"there is no time zone {tz!r}: use a name such as Europe/Vienna; where the system has no time zones, pip install tzdata"
        ) from error


def _span(start: datetime, end: datetime, depth: int) -> str:
    if depth < 1:
        raise ValueError(f"depth is a number of units from 1 up, not {depth}")
    if end <= start:
        return "0 minutes"
    months = (end.year - start.year) * 12 + end.month - start.month
    if (end.day, end.time()) < (start.day, start.time()):
        months -= 1
    rest = end - _months_later(start, months)
    days, minutes = rest.days, rest.seconds // 60
    amounts = (months // 12, months % 12, days // 7, days % 7, minutes // 60, minutes % 60)
    parts: list[str] = []
    for amount, unit in zip(amounts, ("year", "month", "week", "day", "hour", "minute"), strict=True):
        if amount:
            parts.append(_units(amount, unit))
        if len(parts) == depth or (parts and not amount):
            break
    return ", ".join(parts) or "0 minutes"


def _months_later(moment: datetime, months: int) -> datetime:
    years, month = divmod(moment.month - 1 + months, 12)
    year = moment.year + years
    return moment.replace(year=year, month=month + 1, day=min(moment.day, monthrange(year, month + 1)[1]))


def _units(amount: int, unit: str) -> str:
    return f"{amount} {unit}" if amount == 1 else f"{amount} {unit}s"


def _written(moment: date | time, formats: Mapping[str, Callable[[Any], str]], name: str) -> str:
    if "%" in name:
        return moment.strftime(name)
    if name not in formats:
        raise ValueError(f"there is no format {name!r}: use {', '.join(formats)}, or a strftime format such as %d.%m.%Y")
    return formats[name](moment)


_LONGEST = 40
_MONTHS = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"]
_DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]


# Not strftime: its names of days and months are those of the process's locale.
def _medium_date(day: date) -> str:
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"


def _clock(moment: datetime | time) -> str:
    return f"{moment.hour:02}:{moment.minute:02}"


def _clock_with_seconds(moment: datetime | time) -> str:
    return f"{_clock(moment)}:{moment.second:02}"


def _clock_with_zone(moment: datetime | time) -> str:
    return f"{_clock_with_seconds(moment)} {moment.tzname() or ''}".rstrip()


def _iso_time(moment: datetime | time) -> str:
    return moment.isoformat().rpartition("T")[2]


_DATES: dict[str, Callable[[Any], str]] = {
    "short": lambda day: f"{day.day} {_MONTHS[day.month - 1][:3]} {day.year}",
    "medium": _medium_date,
    "long": lambda day: f"{_DAYS[day.weekday()]}, {_medium_date(day)}",
    "iso": lambda day: f"{day.year:04}-{day.month:02}-{day.day:02}",
}
_TIMES: dict[str, Callable[[Any], str]] = {
    "short": _clock,
    "medium": _clock_with_seconds,
    "long": _clock_with_zone,
    "iso": _iso_time,
}
_DATETIMES: dict[str, Callable[[Any], str]] = {
    "short": lambda moment: f"{_DATES['short'](moment)}, {_clock(moment)}",
    "medium": lambda moment: f"{_medium_date(moment)}, {_clock(moment)}",
    "long": lambda moment: f"{_DATES['long'](moment)}, {_clock_with_zone(moment)}",
    "iso": lambda moment: moment.isoformat(),
}
