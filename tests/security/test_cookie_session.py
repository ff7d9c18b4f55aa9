from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from erlen.errors import ConfigurationError
from erlen.http.response import Response
from erlen.security.cookie_session import CookieSessions, SessionTooLarge
from erlen.security.settings import SecuritySettings
from erlen.security.signing import Signer, random_key

if TYPE_CHECKING:
    from tests.conftest import AssertLinear
    from tests.security.conftest import Finish, MakeRequest

KEY, OTHER_KEY = random_key(), random_key()
SIGNED = CookieSessions(Signer([KEY]), SecuritySettings(), encrypt=False)
ENCRYPTED = CookieSessions(Signer([KEY]), SecuritySettings(), encrypt=True)
BOTH = pytest.mark.parametrize("sessions", [SIGNED, ENCRYPTED], ids=["signed", "encrypted"])


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="session")
def visit(make_request: MakeRequest, finish: Finish) -> Any:
    """Make one request with a cookie, let `use` have its session, and return the response."""

    def visit(sessions: CookieSessions, use: Any, cookie: str = "", *, scheme: str = "https", response: Response | None = None) -> Response:
        request = make_request(headers={"cookie": cookie} if cookie else {}, scheme=scheme, sessions=sessions)
        use(request.session)
        return finish(request, response or Response("page"))

    return visit


def sessions_with(**settings: Any) -> CookieSessions:
    return CookieSessions(Signer([KEY]), SecuritySettings(**settings))


def cookie_of(response: Response) -> str:
    return response.headers["set-cookie"].partition(";")[0]


def seen(into: dict[str, Any]) -> Any:
    return lambda session: into.update(session)


def write(**values: object) -> Any:
    return lambda session: session.update(values)


@BOTH
def test_over_tls(visit: Any, sessions: CookieSessions) -> None:
    response = visit(sessions, write(user=1))
    name, _, attributes = response.headers["set-cookie"].partition("; ")
    assert name.startswith("__Host-session=")
    assert set(attributes.split("; ")) == {"Max-Age=1209600", "Path=/", "Secure", "HttpOnly", "SameSite=Lax"}
    back: dict[str, Any] = {}
    again = visit(sessions, seen(back), cookie_of(response))
    assert back == {"user": 1}
    assert "set-cookie" not in again.headers


@BOTH
def test_on_plain_http(visit: Any, sessions: CookieSessions) -> None:
    response = visit(sessions, write(user=1), scheme="http")
    assert response.headers["set-cookie"].startswith("session=")
    assert "Secure" not in response.headers["set-cookie"]
    back: dict[str, Any] = {}
    visit(sessions, seen(back), cookie_of(response), scheme="http")
    assert back == {"user": 1}


def test_session_fixation_by_a_cookie_set_without_tls(visit: Any) -> None:
    """Anyone on the way can set `session` on plain HTTP; over TLS it is not read, under either name."""
    planted = cookie_of(visit(SIGNED, write(user="attacker"), scheme="http"))
    for cookie in (planted, "__Host-" + planted):
        back: dict[str, Any] = {}
        visit(SIGNED, seen(back), cookie)
        assert back == {}


def test_an_unused_session_costs_nothing(visit: Any) -> None:
    assert visit(SIGNED, lambda session: None).own_headers is None


@pytest.mark.parametrize("use", [lambda s: s.get("x"), lambda s: "x" in s, len, lambda s: s.take_flashes(), lambda s: s.permanent])
def test_cache_leak_by_a_response_that_read_the_session(visit: Any, use: Any) -> None:
    """CVE-2023-30861."""
    response = visit(SIGNED, use)
    assert response.headers.multi_items() == [("vary", "Cookie"), ("cache-control", "private")]


@pytest.mark.parametrize(
    ("own", "sent"),
    [
        (None, "private, no-store"),
        ("public, max-age=60", "private, max-age=60"),
        ("Public, S-MaxAge=60, max-age=5", "private, max-age=5"),
        ("max-age=60", "private, max-age=60"),
        ("no-store", "no-store"),
        ("PRIVATE, max-age=60", "PRIVATE, max-age=60"),
        ('private="x-a, x-b", max-age=60', 'private, private="x-a, x-b", max-age=60'),
    ],
)
def test_cache_leak_by_a_response_that_sets_the_cookie(visit: Any, own: str | None, sent: str) -> None:
    response = visit(SIGNED, write(a=1), response=Response("page", headers={"cache-control": own} if own else None))
    assert response.headers.getlist("cache-control") == [sent]
    assert response.headers["vary"] == "Cookie"


def test_an_author_may_let_a_page_that_read_the_session_be_cached(visit: Any) -> None:
    response = visit(SIGNED, len, response=Response("page", headers={"cache-control": "public, max-age=60", "vary": "Accept"}))
    assert response.headers["cache-control"] == "public, max-age=60"
    assert response.headers["vary"] == "Accept, Cookie"


@BOTH
def test_what_changes_inside_a_value_is_saved(visit: Any, sessions: CookieSessions) -> None:
    cookie = cookie_of(visit(sessions, write(cart=[1])))
    cookie = cookie_of(visit(sessions, lambda session: session["cart"].append(2), cookie))
    back: dict[str, Any] = {}
    visit(sessions, seen(back), cookie)
    assert back == {"cart": [1, 2]}


def test_an_emptied_session_is_deleted(visit: Any) -> None:
    cookie = cookie_of(visit(SIGNED, write(user=1)))
    response = visit(SIGNED, lambda session: session.clear(), cookie)
    assert response.headers["set-cookie"] == "__Host-session=; Max-Age=0; Path=/; Secure; HttpOnly; SameSite=Lax"
    assert "set-cookie" not in visit(SIGNED, lambda session: session.clear()).headers


def test_a_session_that_ends_with_the_browser(visit: Any) -> None:
    def use(session: Any) -> None:
        session["user"] = 1
        session.permanent = False

    response = visit(SIGNED, use)
    assert "Max-Age" not in response.headers["set-cookie"]
    response = visit(SIGNED, write(more=1), cookie_of(response))
    assert "Max-Age" not in response.headers["set-cookie"]


@BOTH
def test_tampering_makes_a_new_session(visit: Any, sessions: CookieSessions) -> None:
    cookie = cookie_of(visit(sessions, write(user=1)))
    name, _, value = cookie.partition("=")
    for position in range(0, len(value) - 1, 7):
        changed = value[:position] + ("A" if value[position] != "A" else "B") + value[position + 1 :]
        back: dict[str, Any] = {}
        visit(sessions, seen(back), f"{name}={changed}")
        assert back == {}


@given(value=st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters=";"), max_size=60))
def test_any_cookie_is_a_session_or_a_new_one(visit: Any, value: str) -> None:
    for sessions in (SIGNED, ENCRYPTED):
        visit(sessions, lambda session: session.get("x"), "__Host-session=" + value)


VALUES = st.dictionaries(
    st.text(max_size=8), st.none() | st.booleans() | st.integers(0, 2**40) | st.text(max_size=20) | st.lists(st.text(max_size=4))
)


@settings(max_examples=30)
@given(data=VALUES.filter(bool))
@BOTH
def test_round_trip(visit: Any, sessions: CookieSessions, data: dict[str, Any]) -> None:
    back: dict[str, Any] = {}
    visit(sessions, seen(back), cookie_of(visit(sessions, write_all(data))))
    assert back == data


def write_all(data: dict[str, Any]) -> Any:
    return lambda session: session.update(data)


def test_an_encrypted_session_shows_nothing_and_a_signed_one_its_data(visit: Any) -> None:
    from base64 import urlsafe_b64decode

    signed = cookie_of(visit(SIGNED, write(name="visible"))).partition("=")[2]
    assert b"visible" in urlsafe_b64decode(signed.partition(".")[0] + "==")
    encrypted = cookie_of(visit(ENCRYPTED, write(name="visible"))).partition("=")[2]
    assert b"visible" not in urlsafe_b64decode(encrypted + "==")


def test_switching_encryption_signs_nobody_out(visit: Any) -> None:
    for before, after in ((SIGNED, ENCRYPTED), (ENCRYPTED, SIGNED)):
        back: dict[str, Any] = {}
        visit(after, seen(back), cookie_of(visit(before, write(user=1))))
        assert back == {"user": 1}


def test_auto_encrypts_where_it_can(visit: Any) -> None:
    assert "." not in cookie_of(visit(CookieSessions(Signer([KEY]), SecuritySettings()), write(user=1)))


@pytest.mark.parametrize("encrypt", [True, False])
def test_keys_rotate(visit: Any, encrypt: bool) -> None:
    cookie = cookie_of(visit(CookieSessions(Signer([KEY]), SecuritySettings(), encrypt=encrypt), write(user=1)))
    back: dict[str, Any] = {}
    visit(CookieSessions(Signer([OTHER_KEY, KEY]), SecuritySettings(), encrypt=encrypt), seen(back), cookie)
    assert back == {"user": 1}
    back = {}
    visit(CookieSessions(Signer([OTHER_KEY]), SecuritySettings(), encrypt=encrypt), seen(back), cookie)
    assert back == {}


@pytest.mark.parametrize("encrypt", [True, False])
def test_replay_ends_with_the_maximum_age(visit: Any, encrypt: bool) -> None:
    clock = Clock()
    sessions = CookieSessions(Signer([KEY], clock=clock), SecuritySettings(session_max_age=3600), encrypt=encrypt)
    cookie = cookie_of(visit(sessions, write(user=1)))
    clock.now += 3600
    back: dict[str, Any] = {}
    visit(sessions, seen(back), cookie)
    assert back == {"user": 1}
    clock.now += 1
    back = {}
    visit(sessions, seen(back), cookie)
    assert back == {}


def test_a_session_in_use_is_renewed_at_half_of_its_age(visit: Any) -> None:
    clock = Clock()
    sessions = CookieSessions(Signer([KEY], clock=clock), SecuritySettings(session_max_age=3600))
    cookie = cookie_of(visit(sessions, write(user=1)))
    clock.now += 1800
    assert "set-cookie" not in visit(sessions, len, cookie).headers
    clock.now += 1
    assert "set-cookie" not in visit(sessions, lambda session: None, cookie).headers
    renewed = cookie_of(visit(sessions, len, cookie))
    clock.now += 3600
    back: dict[str, Any] = {}
    visit(sessions, seen(back), renewed)
    assert back == {"user": 1}


def test_one_that_is_too_large_names_the_way_out(visit: Any) -> None:
    with pytest.raises(SessionTooLarge, match=r"erlen\.sessions"):
        visit(SIGNED, write(much="x" * 4000))
    assert "set-cookie" in visit(ENCRYPTED, write(much="x" * 2700)).headers


def test_what_cannot_be_kept_names_the_value(visit: Any) -> None:
    with pytest.raises(TypeError, match=r"session\['thing'\] has a value of type object"):
        visit(SIGNED, write(thing=object()))


def test_without_a_key_the_error_names_the_setting_and_the_command(make_request: MakeRequest) -> None:
    with pytest.raises(ConfigurationError, match="SECRET_KEY") as error:
        _ = make_request(sessions=CookieSessions(None, SecuritySettings())).session
    assert "erlen secret" in str(error.value)


def test_a_request_with_a_bearer_token_has_no_session_to_keep(make_request: MakeRequest, visit: Any, finish: Finish) -> None:
    cookie = cookie_of(visit(SIGNED, write(user=1)))
    request = make_request("POST", headers={"cookie": cookie}, scheme="https", sessions=SIGNED)
    request.ignores_cookies = True
    assert dict(request.session) == {}
    request.session["user"] = 2
    assert finish(request, Response()).own_headers is None


def test_sharing_with_sub_domains(visit: Any) -> None:
    sessions = sessions_with(session_domain="example.com", session_cookie="id", session_samesite="strict")
    response = visit(sessions, write(user=1))
    assert response.headers["set-cookie"].startswith("__Secure-id=")
    assert "Domain=example.com" in response.headers["set-cookie"]
    assert "SameSite=Strict" in response.headers["set-cookie"]


def test_samesite_none_is_lax_without_tls(visit: Any) -> None:
    sessions = sessions_with(session_samesite="none")
    assert "SameSite=None" in visit(sessions, write(user=1)).headers["set-cookie"]
    assert "SameSite=Lax" in visit(sessions, write(user=1), scheme="http").headers["set-cookie"]


def test_two_sites_with_different_cookie_names_do_not_share_sessions(visit: Any) -> None:
    cookie = cookie_of(visit(SIGNED, write(user=1)))
    back: dict[str, Any] = {}
    visit(sessions_with(session_cookie="other"), seen(back), cookie.replace("__Host-session", "__Host-other"))
    assert back == {}


def test_a_hostile_cookie_is_linear(visit: Any, assert_linear: AssertLinear) -> None:
    def check(size: int) -> None:
        for value in ("a" * size, "a." * size, "." * size):
            visit(SIGNED, len, "__Host-session=" + value)

    assert_linear(lambda size: size, check, 10_000)
