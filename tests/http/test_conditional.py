from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from erlen.errors import PreconditionFailed
from erlen.http.conditional import Conditions, apply_conditions, check_preconditions, etag_of, format_http_date, parse_http_date
from erlen.http.request import Request
from erlen.http.response import Response

if TYPE_CHECKING:
    from tests.conftest import AssertLinear

CHANGED = datetime(2026, 11, 20, 10, 30, 15, 999_999, tzinfo=UTC)
BEFORE, EQUAL, AFTER = (format_http_date(CHANGED + timedelta(seconds=seconds)) for seconds in (-1, 0, 1))


class SentRequest(Request):
    fields: dict[str, str] = {}

    def header(self, name: str) -> str | None:
        return self.fields.get(name)


def sent(method: str = "GET", **fields: str) -> Request:
    context: Any = None  # none of these functions asks the site
    return SentRequest(method, "/", "", context, fields={name.replace("_", "-"): value for name, value in fields.items()})


def conditions(method: str = "GET", **fields: str) -> Conditions:
    return sent(method, **fields).conditions


@pytest.mark.parametrize(
    ("fields", "reading", "writing"),
    [
        ({}, "proceed", "proceed"),
        ({"if_match": '"v1"'}, "proceed", "proceed"),
        ({"if_match": '"v0", "v1"'}, "proceed", "proceed"),
        ({"if_match": "*"}, "proceed", "proceed"),
        ({"if_match": '"v0"'}, "failed", "failed"),
        ({"if_match": 'W/"v1"'}, "failed", "failed"),
        ({"if_match": "v1"}, "failed", "failed"),
        ({"if_match": '"v1"', "if_unmodified_since": BEFORE}, "proceed", "proceed"),
        ({"if_unmodified_since": BEFORE}, "failed", "failed"),
        ({"if_unmodified_since": EQUAL}, "proceed", "proceed"),
        ({"if_unmodified_since": "yesterday"}, "proceed", "proceed"),
        ({"if_none_match": '"v1"'}, "not_modified", "failed"),
        ({"if_none_match": 'W/"v1"'}, "not_modified", "failed"),
        ({"if_none_match": "*"}, "not_modified", "failed"),
        ({"if_none_match": '"v0","a,b" , "v1"'}, "not_modified", "failed"),
        ({"if_none_match": '"v0"'}, "proceed", "proceed"),
        ({"if_none_match": '"v0"', "if_modified_since": AFTER}, "proceed", "proceed"),
        ({"if_none_match": '"v1"', "if_modified_since": BEFORE}, "not_modified", "failed"),
        ({"if_modified_since": EQUAL}, "not_modified", "proceed"),
        ({"if_modified_since": AFTER}, "not_modified", "proceed"),
        ({"if_modified_since": BEFORE}, "proceed", "proceed"),
        ({"if_modified_since": "0"}, "proceed", "proceed"),
        ({"if_match": '"v0"', "if_none_match": '"v1"'}, "failed", "failed"),
        ({"if_match": '"v1"', "if_none_match": '"v1"'}, "not_modified", "failed"),
        ({"if_unmodified_since": EQUAL, "if_none_match": '"v1"'}, "not_modified", "failed"),
    ],
)
def test_the_order_of_rfc_9110_section_13_2_2(fields: dict[str, str], reading: str, writing: str) -> None:
    assert conditions("GET", **fields).evaluate('"v1"', CHANGED) == reading
    assert conditions("HEAD", **fields).evaluate('"v1"', CHANGED) == reading
    assert conditions("PUT", **fields).evaluate('"v1"', CHANGED) == writing


def test_a_weak_tag_of_ours_matches_weakly_only() -> None:
    assert conditions(if_none_match='"v1"').evaluate('W/"v1"', None) == "not_modified"
    assert conditions("PUT", if_match='W/"v1"').evaluate('W/"v1"', None) == "failed"


def test_stars_ask_whether_the_resource_exists() -> None:
    assert conditions("PUT", if_match="*").evaluate(None, None) == "failed"
    assert conditions("PUT", if_none_match="*").evaluate(None, None) == "proceed"
    assert conditions("PUT", if_none_match="*").evaluate(None, CHANGED) == "failed"


def test_a_naive_time_counts_as_utc() -> None:
    assert conditions(if_modified_since=EQUAL).evaluate(None, CHANGED.replace(tzinfo=None)) == "not_modified"
    east = CHANGED.astimezone(timezone(timedelta(hours=5)))
    assert conditions(if_modified_since=EQUAL).evaluate(None, east) == "not_modified"


def test_a_tag_without_quotes_is_an_error_that_says_so() -> None:
    with pytest.raises(ValueError, match="double quotes"):
        conditions().evaluate("v1", None)


@pytest.mark.parametrize(
    ("value", "applies"),
    [('"v1"', True), ('"v2"', False), ('W/"v1"', False), (EQUAL, True), (AFTER, False), (BEFORE, False), ("junk", False), ("", False)],
)
def test_if_range_needs_the_same_strong_validator(value: str, applies: bool) -> None:
    assert conditions(if_range=value).range_applies('"v1"', CHANGED) is applies


def test_if_range_is_not_met_by_a_weak_tag_or_a_date_of_this_second() -> None:
    assert not conditions(if_range='W/"v1"').range_applies('W/"v1"', None)
    now = datetime.now(UTC)
    assert not conditions(if_range=format_http_date(now)).range_applies(None, now)
    assert conditions().range_applies(None, None)


def page(**fields: str) -> Response:
    return Response("hello", headers={name.replace("_", "-"): value for name, value in fields.items()})


def test_a_response_that_the_client_has_becomes_304() -> None:
    response = page(
        etag='"v1"', last_modified=EQUAL, vary="Accept", cache_control="no-cache", expires=AFTER, content_location="/x",
        content_language="en", content_security_policy="default-src 'self'", access_control_allow_origin="https://a.example",
    )  # fmt: skip
    response.headers.add("set-cookie", "a=b")
    answer = apply_conditions(sent(if_none_match='"v1"'), response)
    assert (answer.status, answer.body, answer.content_type) == (304, b"", None)
    assert answer.headers.multi_items() == [
        ("etag", '"v1"'),
        ("vary", "Accept"),
        ("cache-control", "no-cache"),
        ("expires", AFTER),
        ("content-location", "/x"),
        ("content-security-policy", "default-src 'self'"),
        ("access-control-allow-origin", "https://a.example"),
        ("set-cookie", "a=b"),
    ]


def test_304_keeps_the_date_where_there_is_no_tag() -> None:
    answer = apply_conditions(sent(if_modified_since=EQUAL), page(last_modified=EQUAL))
    assert (answer.status, answer.headers["last-modified"]) == (304, EQUAL)


def test_304_names_the_tag_as_the_client_knows_it() -> None:
    # The client has a compressed copy, whose tag was weakened.
    answer = apply_conditions(sent(if_none_match='W/"v1"'), page(etag='"v1"'))
    assert (answer.status, answer.headers["etag"]) == (304, 'W/"v1"')


@pytest.mark.parametrize(
    ("request_", "response"),
    [
        (sent(), page(etag='"v1"')),
        (sent(if_none_match='"v1"'), page()),
        (sent(if_none_match='"v1"'), page(etag="unquoted")),
        (sent(if_none_match='"v0"'), page(etag='"v1"')),
        (sent("POST", if_none_match='"v1"'), page(etag='"v1"')),
        (sent(if_none_match='"v1"'), Response("gone", 404, {"etag": '"v1"'})),
        (sent(if_none_match='"v1"'), Response("no fields")),
    ],
)
def test_other_responses_stay_as_they_are(request_: Request, response: Response) -> None:
    assert apply_conditions(request_, response) is response


def test_a_get_that_wants_another_version_is_answered_412() -> None:
    assert apply_conditions(sent(if_match='"v0"'), page(etag='"v1"')).status == 412


def test_check_preconditions_guards_a_write() -> None:
    check_preconditions(sent("PUT", if_match='"v1"'), '"v1"')
    check_preconditions(sent("PUT"), '"v1"')
    check_preconditions(sent("PUT", if_none_match="*"), None)
    with pytest.raises(PreconditionFailed):
        check_preconditions(sent("PUT", if_match='"v0"'), '"v1"')
    with pytest.raises(PreconditionFailed):
        check_preconditions(sent("DELETE", if_unmodified_since=BEFORE), None, CHANGED)


def test_etag_of_is_quoted_and_follows_the_content() -> None:
    assert etag_of(b"a") == etag_of(b"a") != etag_of(b"b")
    assert etag_of(b"a", weak=True) == "W/" + etag_of(b"a")
    assert apply_conditions(sent(if_none_match=etag_of(b"a")), page(etag=etag_of(b"a"))).status == 304


MOMENTS = st.datetimes(min_value=datetime(1900, 1, 1), max_value=datetime(2100, 1, 1), timezones=st.just(UTC))


@given(MOMENTS)
def test_dates_are_written_as_the_standard_library_writes_them_and_read_back(moment: datetime) -> None:
    whole = moment.replace(microsecond=0)
    assert format_http_date(moment) == format_datetime(whole, usegmt=True)
    assert format_http_date(moment.astimezone(timezone(timedelta(hours=-7)))) == format_http_date(moment)
    assert parse_http_date(format_http_date(moment)) == whole
    assert parse_http_date(whole.strftime("%a %b ") + f"{whole.day:2}" + whole.strftime(" %H:%M:%S %Y")) == whole


@given(st.datetimes(min_value=datetime(1980, 1, 1), max_value=datetime(2060, 1, 1), timezones=st.just(UTC)))
def test_rfc_850_dates_are_in_the_fifty_years_ahead_or_before(moment: datetime) -> None:
    whole = moment.replace(microsecond=0)
    read = parse_http_date(whole.strftime("%A, %d-%b-%y %H:%M:%S GMT"))
    assert read is not None
    assert (read.year - whole.year) % 100 == 0
    assert timedelta(days=-18264) <= read - datetime.now(UTC) <= timedelta(days=18263)
    assert read.timetuple()[1:6] == whole.timetuple()[1:6]


def test_seconds_since_1970_are_cut_to_whole_ones() -> None:
    assert format_http_date(784111777) == "Sun, 06 Nov 1994 08:49:37 GMT"
    assert format_http_date(784111777.9999999) == "Sun, 06 Nov 1994 08:49:37 GMT"
    assert format_http_date(-0.5) == "Wed, 31 Dec 1969 23:59:59 GMT"


@pytest.mark.parametrize(
    "text",
    ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"],
)
def test_the_three_formats_of_rfc_9110(text: str) -> None:
    assert parse_http_date(text) == datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC)


def test_a_leap_second_counts_as_the_one_before() -> None:
    assert parse_http_date("Sat, 31 Dec 2016 23:59:60 GMT") == datetime(2016, 12, 31, 23, 59, 59, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    ["", "0", "Sun, 06 Nov 1994", "Sun, 31 Feb 1994 08:49:37 GMT", "Sun, 06 Xyz 1994 08:49:37 GMT", "Sun, 06 Nov 0000 08:49:37 GMT",
     "Sun, 06 Nov 1994 24:49:37 GMT", "Sun, 06 Nov 1994 08:49:61 GMT", "Sun, 06 Nov 1994 08:49:37 +0100",
     "Sun, \u0660\u0666 Nov 1994 08:49:37 GMT",
     "Sunday, 30-Feb-94 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 GMT\n"],
)  # fmt: skip
def test_what_is_no_date_is_none(text: str) -> None:
    assert parse_http_date(text) is None


@given(st.text(max_size=60))
def test_any_field_is_evaluated(text: str) -> None:
    parse_http_date(text)
    fields = dict.fromkeys(("if_match", "if_none_match", "if_modified_since", "if_unmodified_since", "if_range"), text)
    for method in ("GET", "PUT"):
        assert conditions(method, **fields).evaluate('"v1"', CHANGED) in ("proceed", "not_modified", "failed")
    conditions(**fields).range_applies('"v1"', CHANGED)


@pytest.mark.parametrize("piece", ['"', '"a",', "W/", ",", " ", '"a" ', '"a', ", ,"])
def test_class_b_the_cost_of_parsing_grows_linearly(assert_linear: AssertLinear, piece: str) -> None:
    def work(value: str) -> None:
        conditions(if_none_match=value).evaluate('"v1"', None)
        parse_http_date(value)

    assert_linear(lambda size: piece * (size // len(piece)), work, 10_000)
