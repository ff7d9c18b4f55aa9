from __future__ import annotations

import locale
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from erlen.templates.filters import FILTERS
from erlen.templates.filters.dates import naturalday, naturaltime, timesince, timeuntil

Show = Callable[..., str]
VIENNA = ZoneInfo("Europe/Vienna")
NOW = datetime(2026, 11, 22, 14, 5, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        ("now|date", "22 November 2026"),
        ("now|date('short')", "22 Nov 2026"),
        ("now|date('long')", "Sunday, 22 November 2026"),
        ("now|date('iso')", "2026-11-22"),
        ("now|date('%d.%m.%Y')", "22.11.2026"),
        ("now|time", "14:05"),
        ("now|time('medium')", "14:05:09"),
        ("now|time('long')", "14:05:09 UTC"),
        ("now|time('iso')", "14:05:09+00:00"),
        ("now|time('%H h')", "14 h"),
        ("now|datetime", "22 November 2026, 14:05"),
        ("now|datetime('short')", "22 Nov 2026, 14:05"),
        ("now|datetime('long')", "Sunday, 22 November 2026, 14:05:09 UTC"),
        ("now|datetime('iso')", "2026-11-22T14:05:09+00:00"),
        ("now|datetime('%Y')", "2026"),
        ("now|time('long', 'Europe/Vienna')", "15:05:09 CET"),
        ("now|time('iso', 'Europe/Vienna')", "15:05:09+01:00"),
        ("now|datetime('short', 'Pacific/Auckland')", "23 Nov 2026, 03:05"),
        ("now|timezone('Europe/Vienna')|time", "15:05"),
        ("now|timezone('Europe/Vienna')|utc|time", "14:05"),
        ("'2026-11-22'|date('long')", "Sunday, 22 November 2026"),
        ("'2026-11-22T14:05:09Z'|datetime", "22 November 2026, 14:05"),
        ("'14:05:09'|time", "14:05"),
        ("day|datetime", "22 November 2026"),
        ("clock|time('medium')", "14:05:00"),
    ],
)
def test_formats(show: Show, expression: str, text: str) -> None:
    assert show(expression, now=NOW, day=NOW.date(), clock=time(14, 5)) == text


@pytest.mark.parametrize("name", ["date", "time", "datetime", "timesince", "timeuntil", "naturalday", "naturaltime", "utc"])
def test_what_is_no_date_passes_as_it_is(show: Show, name: str) -> None:
    assert show(f"'<soon>'|{name}") == "&lt;soon&gt;"
    assert show(f"missing|{name}") == ""
    assert show(f"value|{name}", value="9" * 1000) == "9" * 1000
    if name != "utc":
        assert show(f"none|{name}") == ""


def test_a_time_has_no_date_and_a_date_no_time(show: Show) -> None:
    assert show("clock|date", clock=time(14, 5)) == "14:05:00"
    assert show("day|time", day=date(2026, 11, 22)) == "2026-11-22"


def test_a_moment_without_time_zone_is_written_as_it_stands_and_compared_as_utc(show: Show) -> None:
    naive = NOW.replace(tzinfo=None)
    assert show("naive|datetime('long')", naive=naive) == "Sunday, 22 November 2026, 14:05:09"
    assert show("naive|time(tz='Europe/Vienna')", naive=naive) == "15:05"
    assert timesince(naive - timedelta(hours=2), NOW) == "2 hours"
    assert timesince(NOW - timedelta(hours=2), naive) == "2 hours"
    assert timeuntil(date(2026, 11, 24), datetime(2026, 11, 23, 22, tzinfo=UTC)) == "2 hours"


@pytest.fixture
def another_locale() -> Iterator[None]:
    before = locale.setlocale(locale.LC_TIME)
    for name in ("de_DE.UTF-8", "fr_FR.UTF-8", "C"):
        try:
            locale.setlocale(locale.LC_TIME, name)
            break
        except locale.Error:
            continue
    yield
    locale.setlocale(locale.LC_TIME, before)


@pytest.mark.usefixtures("another_locale")
def test_names_do_not_depend_on_the_locale_of_the_process(show: Show) -> None:
    assert show("now|date('long')", now=NOW) == "Sunday, 22 November 2026"


@pytest.mark.parametrize("name", ["date", "time", "datetime", "naturalday"])
def test_unknown_formats_and_zones_say_what_there_is(name: str) -> None:
    with pytest.raises(ValueError, match=r"no format 'pretty': use short, medium, long, iso, or a strftime format"):
        FILTERS[name](datetime(2001, 2, 3, 4, 5), "pretty")
    for zone in ("Europe/Wien", "../../etc/passwd", "/etc/passwd", "\0", ""):
        with pytest.raises(ValueError, match="there is no time zone"):
            FILTERS[name](NOW, "medium", zone)


@pytest.mark.parametrize(
    ("start", "span"),
    [
        (NOW - timedelta(seconds=59), "0 minutes"),
        (NOW - timedelta(minutes=1), "1 minute"),
        (NOW - timedelta(hours=3, minutes=5), "3 hours, 5 minutes"),
        (NOW - timedelta(days=4, hours=6, minutes=9), "4 days, 6 hours"),
        (NOW - timedelta(days=14, minutes=9), "2 weeks"),
        (datetime(2026, 10, 22, 14, 5, 9, tzinfo=UTC), "1 month"),
        (datetime(2026, 10, 22, 14, 5, 10, tzinfo=UTC), "4 weeks, 2 days"),
        (datetime(2024, 2, 29, tzinfo=UTC), "2 years, 8 months"),
        (datetime(2025, 11, 22, 14, 5, 9, tzinfo=UTC), "1 year"),
        (datetime(1, 1, 1, tzinfo=UTC), "2025 years, 10 months"),
        (NOW + timedelta(days=1), "0 minutes"),
    ],
)
def test_spans(start: datetime, span: str) -> None:
    assert timesince(start, NOW) == span


def test_spans_with_more_or_fewer_units() -> None:
    start = datetime(2024, 1, 1, tzinfo=UTC)
    assert timesince(start, NOW, depth=1) == "2 years"
    assert timesince(start, NOW, depth=6) == "2 years, 10 months, 3 weeks"
    assert timesince(NOW - timedelta(days=9, hours=2, minutes=3), NOW, depth=6) == "1 week, 2 days, 2 hours, 3 minutes"
    with pytest.raises(ValueError, match="from 1 up, not 0"):
        timesince(start, NOW, depth=0)


@given(st.datetimes(timezones=st.just(UTC)), st.datetimes(timezones=st.just(UTC)), st.integers(1, 6))
def test_any_two_moments_have_a_span(one: datetime, other: datetime, depth: int) -> None:
    start, end = sorted([one, other])
    assert timesince(start, end, depth) == timeuntil(end, start, depth)
    assert timesince(end, start, depth) == "0 minutes"
    assert 1 <= len(timesince(start, end, depth).split(", ")) <= depth


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (NOW, "now"),
        (NOW - timedelta(seconds=1), "1 second ago"),
        (NOW + timedelta(seconds=30), "in 30 seconds"),
        (NOW - timedelta(minutes=61), "1 hour ago"),
        (NOW + timedelta(hours=3), "in 3 hours"),
        (NOW.astimezone(VIENNA) - timedelta(days=15), "2 weeks ago"),
        ("2026-11-22T14:05:10Z", "in 1 second"),
    ],
)
def test_moments_as_people_say_them(value: object, text: str) -> None:
    assert naturaltime(value, NOW) == text


def test_days_as_people_say_them() -> None:
    today = date(2026, 11, 22)
    days = [today + timedelta(days=distance) for distance in (-2, -1, 0, 1, 2)]
    assert [naturalday(day, today=today) for day in days] == ["20 November 2026", "yesterday", "today", "tomorrow", "24 November 2026"]
    assert naturalday(NOW, tz="Pacific/Auckland", today=today) == "tomorrow"
    assert naturalday(today + timedelta(days=9), "iso", today=today) == "2026-12-01"


def test_a_day_is_told_in_the_zone_of_the_value() -> None:
    far_east = timezone(timedelta(hours=14))
    assert naturalday(datetime.now(far_east)) == "today"
    assert naturalday(datetime.now(UTC) + timedelta(days=1), tz="UTC") == "tomorrow"


@pytest.mark.parametrize("moment", ["9999-12-31T23:59:59", "9999-12-31T23:59:59-12:00", "0001-01-01T00:00+14:00"])
@pytest.mark.parametrize("filter", ["date(tz=z)", "time(tz=z)", "datetime(tz=z)", "naturalday(tz=z)", "timezone(z)|date", "utc|date"])
def test_a_moment_at_the_end_of_the_calendar_is_written_in_any_zone(show: Show, moment: str, filter: str) -> None:
    for zone in ("Europe/Vienna", "America/New_York"):
        assert show(f"moment|{filter}", moment=moment, z=zone)
    assert show("(moment is past) ~ (moment is future)", moment=moment) in ("TrueFalse", "FalseTrue")
    assert show("moment|timesince ~ moment|timeuntil ~ moment|naturaltime", moment=moment)


def test_past_and_future(show: Show) -> None:
    values = {"past": datetime.now(UTC) - timedelta(hours=1), "future": datetime.now() + timedelta(days=2), "day": date(2000, 1, 1)}
    assert show("(past is past) ~ (past is future) ~ (future is past) ~ (future is future) ~ (day is past)", **values) == (
        "TrueFalseFalseTrueTrue"
    )
    assert show("(none is past) ~ (missing is future) ~ ('x' is past)") == "FalseFalseFalse"


def test_the_present(show: Show) -> None:
    before = datetime.now(UTC)
    shown = datetime.fromisoformat(show("now('Europe/Vienna')|datetime('iso')"))
    assert before <= shown <= datetime.now(UTC)
    assert shown.utcoffset() == datetime.now(VIENNA).utcoffset()
    assert datetime.fromisoformat(show("now()")).utcoffset() == timedelta(0)
