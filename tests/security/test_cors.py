from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from erlen.errors import ConfigurationError
from erlen.http.headers import Headers
from erlen.http.response import Response
from erlen.security.cors import Cors

if TYPE_CHECKING:
    from tests.conftest import AssertLinear
    from tests.security.conftest import Finish, MakeRequest

APP = "https://app.example"
EVIL = "https://evil.example"
ONE = Cors([APP], credentials=True, expose=["X-Total"])
ANY = Cors(["*"])


def applied(cors: Cors, make_request: MakeRequest, origin: str | None, path: str = "/", response: Response | None = None) -> Headers:
    request, response = make_request(path=path, headers={} if origin is None else {"origin": origin}), response or Response("x")
    assert cors.before(request) is None
    for finisher in request.finishers or ():
        finisher(request, response)
    return cors.after(request, response).headers


def preflight(
    cors: Cors, make_request: MakeRequest, origin: str = APP, method: str = "PUT", path: str = "/", **headers: str
) -> Response | None:
    fields = {"origin": origin, "access-control-request-method": method} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    return cors.before(make_request("OPTIONS", path, headers=fields))


def permissions(headers: Headers) -> dict[str, str]:
    return {name.removeprefix("access-control-"): value for name, value in headers.multi_items() if name.startswith("access-control-")}


def test_an_allowed_origin_is_echoed(make_request: MakeRequest) -> None:
    headers = applied(ONE, make_request, APP)
    assert permissions(headers) == {"allow-origin": APP, "allow-credentials": "true", "expose-headers": "X-Total"}
    assert headers["vary"] == "Origin"


@pytest.mark.parametrize(
    "origin",
    [
        EVIL,
        "null",
        "http://app.example",
        "https://app.example:8443",
        "https://app.example.evil.com",
        "https://evilapp.example",
        "https://sub.app.example",
        "https://app.example@evil.com",
        "https://app.example\nx",
        "*",
        "",
    ],
)
def test_cors_for_another_origin(make_request: MakeRequest, origin: str) -> None:
    headers = applied(ONE, make_request, origin)
    assert permissions(headers) == {}
    assert headers["vary"] == "Origin"
    answer = preflight(ONE, make_request, origin)
    assert answer is not None
    assert answer.status == 403
    assert permissions(answer.headers) == {}
    assert "Origin" in answer.headers["vary"]


def test_cache_poisoning_by_a_request_without_origin(make_request: MakeRequest) -> None:
    """Its answer says `Vary: Origin` too, or a cache would hand it to those that have one."""
    headers = applied(ONE, make_request, None)
    assert permissions(headers) == {}
    assert headers["vary"] == "Origin"


def test_star(make_request: MakeRequest) -> None:
    for origin in (APP, EVIL, "null", None):
        headers = applied(ANY, make_request, origin)
        assert permissions(headers) == {"allow-origin": "*"}
        assert "vary" not in headers


def test_vary_is_added_to_what_is_there(make_request: MakeRequest) -> None:
    assert applied(ONE, make_request, APP, response=Response("x", headers={"vary": "Accept"}))["vary"] == "Accept, Origin"


def test_a_handlers_own_permission_stays(make_request: MakeRequest) -> None:
    response = Response("x", headers={"access-control-allow-origin": EVIL})
    assert permissions(applied(ONE, make_request, APP, response=response)) == {"allow-origin": EVIL}


def test_wildcards_and_regular_expressions_match_as_a_whole(make_request: MakeRequest) -> None:
    cors = Cors(["https://*.a.example"], origin_regex=r"https://pr-[0-9]+\.b\.example")
    for origin in ("https://x.a.example", "https://pr-12.b.example"):
        assert permissions(applied(cors, make_request, origin))["allow-origin"] == origin
    for origin in (
        "https://a.example",
        "https://pr-1.b.example.evil.com",
        "xhttps://pr-1.b.example",
        "https://pr-1.b.example:1",
        "https://pr-.b.example",
    ):
        assert permissions(applied(cors, make_request, origin)) == {}


def test_a_careless_regular_expression_echoes_nothing_but_origins(make_request: MakeRequest) -> None:
    cors = Cors(origin_regex=".*")
    assert permissions(applied(cors, make_request, "https://a.example"))
    for origin in ("https://a.example/, x", "a b", "x\x00y", "null"):
        assert permissions(applied(cors, make_request, origin)) == {}


def test_null_origin(make_request: MakeRequest) -> None:
    assert permissions(applied(Cors(["null"]), make_request, "null")) == {"allow-origin": "null"}
    assert permissions(applied(Cors([APP]), make_request, "null")) == {}


def test_preflight(make_request: MakeRequest) -> None:
    answer = preflight(ONE, make_request, access_control_request_headers="content-type, X-CSRF-Token, accept")
    assert answer is not None
    assert answer.status == 204
    assert permissions(answer.headers) == {
        "allow-origin": APP,
        "allow-credentials": "true",
        "allow-methods": "GET, HEAD, POST, PUT, PATCH, DELETE",
        "allow-headers": "Authorization, Content-Type, X-CSRF-Token",
        "max-age": "600",
    }
    assert answer.headers["vary"] == "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"


@pytest.mark.parametrize(
    ("method", "headers"),
    [("TRACE", ""), ("put", ""), ("", ""), ("GET\r\nx", ""), ("PUT", "X-Other"), ("PUT", "content-type, x-other"), ("PUT", "content type")],
)
def test_a_preflight_for_more_than_is_allowed(make_request: MakeRequest, method: str, headers: str) -> None:
    answer = preflight(ONE, make_request, method=method, access_control_request_headers=headers)
    assert answer is not None
    assert answer.status == 403
    assert permissions(answer.headers) == {}
    assert "of Cors" in str(answer.body)


def test_star_for_methods_and_headers(make_request: MakeRequest) -> None:
    cors = Cors(["*"], methods=["*"], headers=["*"], max_age=timedelta(hours=1))
    answer = preflight(cors, make_request, method="PURGE", access_control_request_headers="authorization, x-any")
    assert answer is not None
    assert permissions(answer.headers) == {
        "allow-origin": "*",
        "allow-methods": "PURGE",
        "allow-headers": "authorization, x-any",
        "max-age": "3600",
    }
    for method, headers in (("PU RGE", ""), ("PURGE", "a b"), ("PURGE", "x\r\ny")):
        answer = preflight(cors, make_request, method=method, access_control_request_headers=headers)
        assert answer is not None
        assert answer.status == 403


def test_what_is_no_preflight(make_request: MakeRequest) -> None:
    assert ONE.before(make_request("OPTIONS", headers={"origin": APP})) is None
    assert ONE.before(make_request("OPTIONS", headers={"access-control-request-method": "PUT"})) is None
    assert ONE.before(make_request("GET", headers={"origin": APP, "access-control-request-method": "PUT"})) is None


def test_private_network_access(make_request: MakeRequest) -> None:
    """CVE-2024-6221: it is off unless asked for."""
    asked = {"access_control_request_private_network": "true"}
    answer = preflight(ONE, make_request, **asked)
    assert answer is not None
    assert "allow-private-network" not in permissions(answer.headers)
    allowing = Cors([APP], private_network=True)
    answer = preflight(allowing, make_request, **asked)
    assert answer is not None
    assert permissions(answer.headers)["allow-private-network"] == "true"
    assert "Access-Control-Request-Private-Network" in answer.headers["vary"]
    answer = preflight(allowing, make_request)
    assert answer is not None
    assert "allow-private-network" not in permissions(answer.headers)


def test_paths_are_whole_segments(make_request: MakeRequest) -> None:
    cors = Cors([APP], paths=["/api", "/v2/"])
    for path in ("/api", "/api/", "/api/x", "/v2", "/v2/x"):
        assert permissions(applied(cors, make_request, APP, path))
        assert preflight(cors, make_request, path=path) is not None
    for path in ("/", "/apis", "/API", "/x/api", "/v20"):
        headers = applied(cors, make_request, APP, path)
        assert permissions(headers) == {}
        assert "vary" not in headers
        assert preflight(cors, make_request, path=path) is None


def test_trusted_origins_are_shared(make_request: MakeRequest) -> None:
    trusted = "https://trusted.example"
    for cors in (Cors(), ONE):
        assert permissions(applied(cors, make_request, trusted))["allow-origin"] == trusted
        answer = preflight(cors, make_request, trusted)
        assert answer is not None
        assert answer.status == 204
    assert permissions(applied(Cors(), make_request, APP)) == {}


def test_an_error_that_is_made_further_out_is_readable(make_request: MakeRequest, finish: Finish) -> None:
    request = make_request(headers={"origin": APP})
    assert ONE.before(request) is None
    assert permissions(finish(request, Response("sorry", 500)).headers)["allow-origin"] == APP


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"origins": ["*"], "credentials": True}, "cannot allow the origin *"),
        ({"origins": ["null"], "credentials": True}, "cannot allow the origin null"),
        ({"origins": [APP], "credentials": True, "headers": ["*"]}, "* as headers"),
        ({"origins": [APP], "credentials": True, "methods": ["*"]}, "* as methods"),
        ({"origins": [APP], "credentials": True, "expose": ["*"]}, "* as expose"),
        ({"origins": ["app.example"]}, "write 'https://app.example'"),
        ({"origins": [APP + "/"]}, "without a path"),
        ({"origin_regex": "("}, "no regular expression"),
        ({"origins": [APP], "methods": ["GET POST"]}, "'GET POST'"),
        ({"origins": [APP], "headers": ["X:Y"]}, "'X:Y'"),
        ({"origins": [APP], "expose": ["a\r\nb"]}, "no name"),
        ({"origins": [APP], "paths": ["api"]}, "does not begin with a slash"),
        ({"origins": [APP], "max_age": -1}, "max_age"),
    ],
)
def test_what_browsers_refuse_or_what_lets_everyone_in_is_reported(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        Cors(**options)
    assert message in str(error.value)


def test_hostile_headers_are_linear(make_request: MakeRequest, assert_linear: AssertLinear) -> None:
    def check(size: int) -> None:
        preflight(ANY, make_request, access_control_request_headers="a," * size)
        preflight(ONE, make_request, access_control_request_headers="content-type," * size, origin=APP)
        applied(ONE, make_request, "https://" + "a." * size)

    assert_linear(lambda size: size, check, 10_000)
