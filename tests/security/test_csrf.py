from __future__ import annotations

from base64 import urlsafe_b64decode
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from erlen.errors import ConfigurationError, Forbidden
from erlen.http.response import Response
from erlen.security.cookie_session import CookieSessions
from erlen.security.csrf import CsrfPolicy
from erlen.security.proxies import Proxies
from erlen.security.settings import SecuritySettings
from erlen.security.signing import Signer

if TYPE_CHECKING:
    from tests.conftest import AssertLinear
    from tests.security.conftest import Drive, Finish, MakeRequest, Wire

POLICY = CsrfPolicy(["https://app.example", "https://*.partner.example"])
OWN = "http://example.com"
COOKIES = {"cookie": "session=x"}


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "TRACE"])
def test_safe_methods_pass(make_request: MakeRequest, method: str) -> None:
    assert POLICY.check(make_request(method, headers={"sec-fetch-site": "cross-site", "origin": "https://evil.com"} | COOKIES))


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "PROPFIND", "get"])
def test_csrf_by_another_site(make_request: MakeRequest, method: str) -> None:
    for headers in (
        {"sec-fetch-site": "cross-site", "origin": "https://evil.com"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "cross-site", "origin": "null"},
        {"sec-fetch-site": "anything-new", "origin": OWN},
        {"sec-fetch-site": "", "origin": OWN},
        {"origin": "https://evil.com"},
        {"origin": "null"},
        {"origin": ""},
        {"origin": "http://example.com.evil.com"},
        {"origin": "http://example.com@evil.com"},
        {"origin": "http://example.com, http://evil.com"},
        {"origin": "http://example.com:8080"},
        {"origin": "ftp://example.com"},
        {"origin": "http://sub.example.com"},
    ):
        with pytest.raises(Forbidden, match="Cross-site request refused"):
            POLICY.check(make_request(method, headers=headers | COOKIES))
        # Without cookies too: basic authentication and addresses are sent by browsers all the same.
        with pytest.raises(Forbidden):
            POLICY.check(make_request(method, headers=headers))


def test_csrf_by_a_sub_domain(make_request: MakeRequest) -> None:
    with pytest.raises(Forbidden):
        POLICY.check(make_request("POST", headers={"sec-fetch-site": "same-site", "origin": "http://user-content.example.com"}))


@pytest.mark.parametrize("site", ["same-origin", "none"])
def test_what_the_browser_calls_our_own_passes(make_request: MakeRequest, site: str) -> None:
    assert POLICY.check(make_request("POST", headers={"sec-fetch-site": site} | COOKIES))
    # A page with `Referrer-Policy: no-referrer` sends `Origin: null` with its own forms.
    assert POLICY.check(make_request("POST", headers={"sec-fetch-site": site, "origin": "null"} | COOKIES))


@pytest.mark.parametrize("origin", ["https://app.example", "https://a.partner.example"])
def test_trusted_origins_pass(make_request: MakeRequest, origin: str) -> None:
    assert POLICY.check(make_request("POST", headers={"sec-fetch-site": "cross-site", "origin": origin} | COOKIES))
    assert POLICY.check(make_request("POST", headers={"origin": origin} | COOKIES))
    with pytest.raises(Forbidden):
        CsrfPolicy().check(make_request("POST", headers={"origin": origin} | COOKIES))


@pytest.mark.parametrize(
    ("scheme", "host", "origin", "passes"),
    [
        ("http", "example.com", "http://example.com", True),
        ("http", "Example.com:80", "http://example.com", True),
        ("http", "localhost:8000", "http://localhost:8000", True),
        ("http", "localhost:8000", "http://localhost:8001", False),
        ("http", "[::1]:8000", "http://[::1]:8000", True),
        ("https", "example.com", "https://example.com", True),
        ("https", "example.com:443", "https://example.com", True),
        ("https", "example.com", "http://example.com", False),  # anyone on the way can forge the `http` page
        ("http", "example.com", "https://example.com", True),  # a proxy that we were not told about ended TLS
        ("http", "example.com", "https://example.com:8443", False),
    ],
)
def test_origin_is_compared_with_scheme_host_and_port(make_request: MakeRequest, scheme: str, host: str, origin: str, passes: bool) -> None:
    request = make_request("POST", headers={"host": host, "origin": origin} | COOKIES, scheme=scheme)
    if passes:
        assert POLICY.check(request)
    else:
        with pytest.raises(Forbidden):
            POLICY.check(request)


def test_a_trusted_proxys_scheme_and_host_are_what_counts(make_request: MakeRequest) -> None:
    headers = {"host": "inner:8000", "x-forwarded-host": "example.com", "x-forwarded-proto": "https"}
    proxies = Proxies(["192.0.2.1"])
    assert POLICY.check(make_request("POST", headers=headers | {"origin": "https://example.com"}, proxies=proxies))
    with pytest.raises(Forbidden):
        POLICY.check(make_request("POST", headers=headers | {"origin": "http://example.com"}, proxies=proxies))
    with pytest.raises(Forbidden):
        POLICY.check(make_request("POST", headers=headers | {"origin": "https://example.com"}))


def test_neither_header(make_request: MakeRequest) -> None:
    assert POLICY.check(make_request("POST"))
    assert not POLICY.check(make_request("POST", headers=COOKIES))


def test_a_bearer_token_exempts_and_hides_the_cookies(make_request: MakeRequest) -> None:
    request = make_request("POST", headers={"authorization": "Bearer abc.DEF-1_2~+/==", "origin": "https://evil.com"} | COOKIES)
    assert POLICY.check(request)
    assert request.ignores_cookies
    assert request.cookies == {}


@pytest.mark.parametrize(
    "value", ["", "Bearer", "Bearer ", "Bearer  ", "bearer,", "Bearer a b", "Basic dXNlcjpwYXNz", "Bearerx", "x Bearer abc"]
)
def test_csrf_with_something_like_a_bearer_token(make_request: MakeRequest, value: str) -> None:
    request = make_request("POST", headers={"authorization": value, "origin": "https://evil.com"} | COOKIES)
    with pytest.raises(Forbidden):
        POLICY.check(request)
    assert not request.ignores_cookies


def test_the_refusal_names_the_setting_and_what_came(make_request: MakeRequest) -> None:
    with pytest.raises(Forbidden) as refusal:
        POLICY.check(make_request("POST", headers={"sec-fetch-site": "cross-site", "origin": "https://evil.com"}))
    assert refusal.value.status == 403
    assert "TRUSTED_ORIGINS" in refusal.value.detail
    assert "'cross-site'" in refusal.value.detail
    assert "'https://evil.com'" in refusal.value.detail


def test_log_injection_by_origin(make_request: MakeRequest) -> None:
    with pytest.raises(Forbidden) as refusal:
        POLICY.check(make_request("POST", headers={"origin": "http://x\x1b[31m\n" + "y" * 1000}))
    assert refusal.value.detail.replace("…", "").isprintable()
    assert len(refusal.value.detail) < 400


def test_websocket_hijack(make_request: MakeRequest) -> None:
    """A handshake is a GET, so `check` would let it pass; `check_origin` does not."""
    with pytest.raises(Forbidden):
        POLICY.check_origin(make_request(headers={"origin": "https://evil.com"}))
    assert POLICY.check_origin(make_request(headers={"origin": OWN}))
    assert not POLICY.check_origin(make_request())


def test_what_is_no_origin_is_reported() -> None:
    with pytest.raises(ConfigurationError, match="TRUSTED_ORIGINS"):
        CsrfPolicy(["example.com"])


# -- the token -------------------------------------------------------------------------------------------------------------------

SESSIONS = CookieSessions(Signer(["k" * 30 + "eytoverifywith"]), SecuritySettings(), encrypt=False)


@pytest.fixture
def visitor(make_request: MakeRequest, finish: Finish) -> tuple[str, dict[str, str]]:
    """A token from a page, and the cookie that came with the page."""
    request = make_request(sessions=SESSIONS)
    token = POLICY.token(request)
    response = finish(request, Response("page"))
    return token, {"cookie": response.headers["set-cookie"].partition(";")[0]}


FORM = {"content-type": "application/x-www-form-urlencoded"}


def test_the_token_in_the_header(make_request: MakeRequest, drive: Drive, visitor: tuple[str, dict[str, str]]) -> None:
    token, cookie = visitor
    drive(POLICY.verify_token(make_request("POST", headers=cookie | {"x-csrf-token": token}, sessions=SESSIONS)))


def test_the_token_in_the_form(make_request: MakeRequest, drive: Drive, visitor: tuple[str, dict[str, str]]) -> None:
    token, cookie = visitor
    request = make_request("POST", headers=cookie | FORM, body=f"csrf_token={token}&a=1".encode(), sessions=SESSIONS)
    drive(POLICY.verify_token(request))
    assert drive(request.form())["a"] == "1"


def test_the_body_is_not_read_unless_it_is_a_form(make_request: MakeRequest, drive: Drive, visitor: tuple[str, dict[str, str]]) -> None:
    token, cookie = visitor
    body = f"csrf_token={token}".encode()
    request = make_request("POST", headers=cookie | {"content-type": "text/plain"}, body=body, sessions=SESSIONS)
    with pytest.raises(Forbidden, match="X-CSRF-Token"):
        drive(POLICY.verify_token(request))
    assert drive(request.body()) == body


def test_tokens_differ_each_time_and_all_are_valid(make_request: MakeRequest, drive: Drive, finish: Finish) -> None:
    """Two tokens of one page share no text, so compression cannot find the secret (BREACH)."""
    request = make_request(sessions=SESSIONS)
    tokens = {POLICY.token(request) for _ in range(20)}
    assert len(tokens) == 20
    secret = request.session.csrf_secret.encode()
    assert not any(secret in urlsafe_b64decode(token + "==") for token in tokens)
    cookie = {"cookie": finish(request, Response()).headers["set-cookie"].partition(";")[0]}
    for token in tokens:
        drive(POLICY.verify_token(make_request("POST", headers=cookie | {"x-csrf-token": token}, sessions=SESSIONS)))


def refused(drive: Drive, request: Wire) -> str:
    with pytest.raises(Forbidden) as refusal:
        drive(POLICY.verify_token(request))
    return refusal.value.detail


def test_csrf_with_a_wrong_token(make_request: MakeRequest, drive: Drive, visitor: tuple[str, dict[str, str]]) -> None:
    token, cookie = visitor
    other_visitors = POLICY.token(make_request(sessions=SESSIONS))
    changed = ("B" if token[0] == "A" else "A") + token[1:]
    for wrong in (other_visitors, changed, token[:-2], token + "AAAA", "A", "AA", "A" * 5000, "\u00e4" * 8, "!!!!", " ", "===="):
        assert "token wrong" in refused(drive, make_request("POST", headers=cookie | {"x-csrf-token": wrong}, sessions=SESSIONS))


def test_csrf_without_a_token(make_request: MakeRequest, drive: Drive, visitor: tuple[str, dict[str, str]]) -> None:
    _, cookie = visitor
    assert "token missing" in refused(drive, make_request("POST", headers=cookie, sessions=SESSIONS))
    assert "token missing" in refused(drive, make_request("POST", headers=cookie | {"x-csrf-token": ""}, sessions=SESSIONS))
    assert "token missing" in refused(drive, make_request("POST", headers=cookie | FORM, body=b"csrf_token=", sessions=SESSIONS))


def test_csrf_with_an_empty_secret(make_request: MakeRequest, drive: Drive) -> None:
    """A session without a secret has no valid token, not the empty one."""
    for token in ("", "A", "AA==", "===="):
        refused(drive, make_request("POST", headers=COOKIES | {"x-csrf-token": token}, sessions=SESSIONS))


def test_rotation_ends_the_tokens_given_out(make_request: MakeRequest, drive: Drive) -> None:
    request = make_request("POST", sessions=SESSIONS)
    token = POLICY.token(request)
    request.session.rotate()
    request.sent.append(("x-csrf-token", token))
    refused(drive, request)


@given(st.text(max_size=60) | st.text("ABCxyz012-_=", max_size=80))
def test_any_text_is_a_wrong_token(make_request: MakeRequest, drive: Drive, text: str) -> None:
    request = make_request("POST", headers={"x-csrf-token": text}, sessions=SESSIONS)
    POLICY.token(request)
    refused(drive, request)


def test_hostile_headers_are_linear(make_request: MakeRequest, assert_linear: AssertLinear) -> None:
    def check(size: int) -> None:
        for name, value in (
            ("authorization", "Bearer " + "a" * size + "!"),
            ("authorization", "Bearer" + " " * size),
            ("origin", "a" * size),
        ):
            try:
                POLICY.check(make_request("POST", headers={name: value}))
            except Forbidden:
                pass

    assert_linear(lambda size: size, check, 10_000)
