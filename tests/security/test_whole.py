"""The protections of a real application, behind each door."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from erlen import App, Cors, HTMLResponse, Request, Response, Settings, flash
from erlen.errors import ConfigurationError
from erlen.security.signing import Signer, random_key
from erlen.testing import Client, TestResponse

MakeClient = Callable[..., Client]

KEY = random_key()
TRUSTED, OTHER, EVIL = "https://app.example", "https://other.example", "https://evil.example"
CSP = "content-security-policy"


def make_app() -> App:
    app = App(Settings(secret_key=KEY, allowed_hosts=("example.com",), trusted_origins=(TRUSTED,)))
    app.add_middleware(Cors([OTHER], credentials=True, paths=["/api"]))

    @app.get("/")
    def home() -> str:
        return "home"

    @app.get("/page")
    def page(request: Request) -> HTMLResponse:
        return HTMLResponse(f'<script nonce="{request.csp_nonce}">1</script>')

    @app.get("/framed")
    def framed() -> Response:
        return HTMLResponse("<p>", headers={"x-frame-options": "SAMEORIGIN", CSP: "", "referrer-policy": "no-referrer"})

    @app.get("/who")
    def who(request: Request) -> dict[str, Any]:
        return {"client": request.client, "url": str(request.url), "root": request.root_path, "id": request.id}

    @app.get("/token")
    def token(request: Request) -> str:
        return request.csrf_token

    @app.route("/change", methods=["POST", "PUT", "PATCH", "DELETE"])
    def change(request: Request) -> dict[str, Any]:
        return {"cookies": sorted(request.cookies), "user": request.session.get("user")}

    @app.post("/form")
    def form(request: Request) -> dict[str, Any]:
        return {"a": request.read_form()["a"]}

    @app.post("/body")
    def body(request: Request) -> bytes:
        return request.read_body()

    @app.post("/hook", csrf=False)
    def hook() -> str:
        return "taken"

    @app.post("/login")
    def login(request: Request) -> str:
        before = request.session.id
        request.session["user"] = "ann"
        request.session.rotate()
        assert request.session.replaced_ids == (before,)
        return request.session.id

    @app.get("/session")
    def session(request: Request) -> dict[str, Any]:
        return {"id": request.session.id, "user": request.session.get("user")}

    @app.post("/logout")
    def logout(request: Request) -> None:
        request.session.clear()

    @app.post("/flash")
    def leave(request: Request) -> str:
        flash("Saved")
        flash("<b>", "error")
        return "left"

    @app.get("/flashes")
    def shown(request: Request) -> list[tuple[str, str]]:
        return [(message.message, message.category) for message in request.session.take_flashes()]

    @app.get("/much")
    def much(request: Request) -> str:
        request.session["much"] = "x" * 5000
        return "much"

    @app.route("/api/data", methods=["GET", "POST"])
    def data() -> dict[str, int]:
        return {"a": 1}

    @app.get("/api/fail")
    def fail() -> None:
        raise RuntimeError("broken")

    return app


@pytest.fixture(scope="module", params=["asgi", "rsgi", "wsgi"])
def client_of(request: pytest.FixtureRequest) -> Iterator[MakeClient]:
    """Give clients, without cookies, of the application behind one door; what they are given beside a URL are settings."""
    clients: dict[str, Client] = {}

    def make(base_url: str = "http://localhost", *, raise_errors: bool = True, **settings: Any) -> Client:
        key = f"{base_url} {raise_errors} {settings}"
        if key not in clients:
            clients[key] = Client(make_app(), door=request.param, base_url=base_url, overrides=settings, raise_errors=raise_errors)
        clients[key].cookies.clear()
        return clients[key]

    yield make
    for client in clients.values():
        client.close()


@pytest.fixture
def client(client_of: MakeClient) -> Client:
    return client_of()


# -- hosts ---------------------------------------------------------------------------------------------------------------------------


def test_own_hosts(client: Client) -> None:
    for host in ("localhost", "LOCALHOST:8000", "127.0.0.1:1", "[::1]:80", "api.localhost", "example.com", "Example.com:8"):
        assert client.get("/", headers={"host": host}).text == "home"


def test_host_header_attack(client: Client) -> None:
    for path in ("/", "/nothing", "/page"):
        for host in ("evil.example", "www.example.com", "example.com.evil.example"):
            response = client.get(path, headers={"host": host})
            assert response.status == 400
            assert f"Host '{host}' is not allowed. Add it to ALLOWED_HOSTS" in response.json()["detail"]
        for malformed in ("example.com@evil.example", "", "a/b", "a b", "localhost:", "localhost:99999", None):
            assert client.get(path, headers={"host": malformed}).status == 400


# -- CSRF (the design's rule, in its order) ------------------------------------------------------------------------------------------


def sent(
    client: Client, headers: dict[str, str] | None = None, *, method: str = "POST", path: str = "/change", cookie: bool = True
) -> TestResponse:
    """Send with these fields in place of what the client would add by itself."""
    fields: dict[str, str | None] = {"sec-fetch-site": None} | (headers or {})
    return client.request(method, path, headers=fields, cookies={"other": "1"} if cookie else None)


@pytest.mark.parametrize("cookie", [True, False])
@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_csrf_by_another_site(client: Client, method: str, cookie: bool) -> None:
    for headers in (
        {"sec-fetch-site": "cross-site", "origin": EVIL},
        {"sec-fetch-site": "cross-site", "origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site", "origin": "http://user.localhost"},
        {"origin": EVIL},
        {"origin": "null"},
        {"origin": "http://localhost:8000"},
        {"origin": "http://localhost.evil.example"},
    ):
        response = sent(client, headers, method=method, cookie=cookie)
        assert response.status == 403
        assert "Cross-site request refused" in response.json()["detail"]
        assert ("TRUSTED_ORIGINS" in response.text) == (headers.get("origin", "null") != "null")


def test_own_and_trusted_pages_pass(client: Client) -> None:
    for headers in (
        {"sec-fetch-site": "same-origin", "origin": "http://localhost"},
        {"sec-fetch-site": "same-origin"},
        {"sec-fetch-site": "none"},
        {"origin": "http://localhost"},
        {"sec-fetch-site": "cross-site", "origin": TRUSTED},
        {"origin": TRUSTED},
    ):
        assert sent(client, headers).status == 200, headers


def test_csrf_refusal_comes_before_the_body_is_read_and_reaches_no_handler(client: Client) -> None:
    assert sent(client, {"origin": EVIL}, path="/login").status == 403
    assert client.get("/session").json()["user"] is None


def test_safe_methods_and_exempt_routes_pass(client: Client) -> None:
    for method in ("GET", "HEAD", "OPTIONS"):
        assert sent(client, {"sec-fetch-site": "cross-site", "origin": EVIL}, method=method, path="/").ok
    assert sent(client, {"sec-fetch-site": "cross-site", "origin": EVIL}, path="/hook").text == "taken"


def test_protection_can_be_turned_off(client_of: MakeClient) -> None:
    assert sent(client_of(**RELAXED), {"sec-fetch-site": "cross-site", "origin": EVIL}).ok


def test_a_program_without_cookies_passes(client: Client) -> None:
    assert sent(client, cookie=False).status == 200


def test_csrf_without_a_token(client: Client) -> None:
    response = sent(client)
    assert response.status == 403
    assert "X-CSRF-Token" in response.json()["detail"]
    assert "csrf_token" in response.json()["detail"]


def test_the_token_in_the_header(client: Client) -> None:
    for _ in range(2):
        assert sent(client, {"x-csrf-token": client.get("/token").text}).status == 200


@pytest.mark.parametrize("files", [None, {"file": b"content"}], ids=["urlencoded", "multipart"])
def test_the_token_in_the_form_field(client: Client, files: Any) -> None:
    fields = {"a": "1", "csrf_token": client.get("/token").text}
    assert client.post("/form", data=fields, files=files, headers={"sec-fetch-site": None}).json() == {"a": "1"}
    fields["csrf_token"] = fields["csrf_token"][::-1]
    assert client.post("/form", data=fields, files=files, headers={"sec-fetch-site": None}).status == 403


def test_a_body_that_is_no_form_is_left_to_the_handler(client: Client) -> None:
    token = client.get("/token").text
    assert client.post("/body", content=b"raw", headers={"sec-fetch-site": None, "x-csrf-token": token}).content == b"raw"
    assert client.post("/body", content=f"csrf_token={token}", headers={"sec-fetch-site": None}).status == 403


def test_csrf_with_another_visitors_token(client_of: MakeClient) -> None:
    client = client_of()
    token = client.get("/token").text
    client.cookies.clear()
    client.get("/token")
    response = sent(client, {"x-csrf-token": token})
    assert response.status == 403
    assert "token wrong" in response.json()["detail"]


def test_a_token_ends_with_rotation(client: Client) -> None:
    token = client.get("/token").text
    assert sent(client, {"x-csrf-token": token}).ok
    client.post("/login")
    assert sent(client, {"x-csrf-token": token}).status == 403


def test_a_bearer_token_exempts_and_its_request_has_no_cookies(client: Client) -> None:
    client.post("/login")
    for headers in ({"origin": EVIL}, {"sec-fetch-site": "cross-site"}, {}):
        response = sent(client, {"authorization": "Bearer abc"} | headers)
        assert response.json() == {"cookies": [], "user": None}
        assert "set-cookie" not in response.headers
    assert sent(client, {"authorization": "Basic YTpi", "origin": EVIL}).status == 403
    assert sent(client, {"authorization": "Bearer", "origin": EVIL}).status == 403
    assert client.get("/session").json()["user"] == "ann"


# -- headers and nonce ---------------------------------------------------------------------------------------------------------------

PROTECTIVE = {
    CSP: "default-src 'self'; base-uri 'self'; form-action 'self'; object-src 'none'; img-src 'self' data:; frame-ancestors 'none'",
    "x-frame-options": "DENY",
    "referrer-policy": "strict-origin-when-cross-origin",
    "cross-origin-opener-policy": "same-origin",
    "x-content-type-options": "nosniff",
}
RELAXED: dict[str, Any] = {
    "content_security_policy": "",
    "content_type_nosniff": False,
    "cross_origin_opener_policy": "",
    "csrf_protection": False,
    "frame_options": "",
    "referrer_policy": "",
}


def protective(response: TestResponse) -> dict[str, str]:
    return {name: response.headers[name] for name in (*PROTECTIVE, "strict-transport-security") if name in response.headers}


def test_every_response_is_protected(client_of: MakeClient) -> None:
    client = client_of(raise_errors=False)
    for response in (
        client.get("/"),
        client.get("/nothing"),
        client.post("/"),
        client.options("/"),
        client.get("/api/fail"),
        client.get("/", headers={"host": "evil.example"}),
        client.post("/change", headers={"origin": EVIL}),
        client.get("/much"),
    ):
        assert protective(response) == PROTECTIVE, response
        assert "nonce" not in response.headers[CSP]


def test_hsts_over_tls_only(client_of: MakeClient) -> None:
    assert protective(client_of("https://localhost").get("/")) == PROTECTIVE | {"strict-transport-security": "max-age=31536000"}
    for relaxed in ({"debug": True}, {"hsts_seconds": 0}):
        assert dict(App(Settings(secret_key=KEY)).freeze(relaxed).default_headers(True)) == PROTECTIVE


def test_every_header_has_its_setting(client_of: MakeClient) -> None:
    assert protective(client_of(**RELAXED).get("/")) == {}


def test_a_response_replaces_and_drops_headers(client: Client) -> None:
    expected = PROTECTIVE | {"x-frame-options": "SAMEORIGIN", "referrer-policy": "no-referrer"}
    assert protective(client.get("/framed")) == {name: value for name, value in expected.items() if name != CSP}


def nonces(response: TestResponse) -> set[str]:
    return set(re.findall(r"nonce-([^']+)'", response.headers[CSP])) | set(re.findall(r'nonce="([^"]+)"', response.text))


def test_the_nonce_of_page_and_policy_is_one_and_new_each_time(client: Client) -> None:
    seen = [nonces(client.get("/page")) for _ in range(3)]
    assert [len(found) for found in seen] == [1, 1, 1]
    assert len(set.union(*seen)) == 3
    policy = client.get("/page").headers[CSP]
    assert re.search(r"script-src 'self' 'nonce-[\w-]{22}'; style-src 'self' 'nonce-[\w-]{22}'$", policy)


def test_error_pages_pass_the_policy(client_of: MakeClient) -> None:
    client = client_of(raise_errors=False)
    for path, host in (("/nothing", None), ("/api/fail", None), ("/", "evil.example")):
        response = client.get(path, headers={"accept": "text/html"} | ({"host": host} if host else {}))
        assert "<style nonce=" in response.text
        assert len(nonces(response)) == 1


# -- CORS ----------------------------------------------------------------------------------------------------------------------------


def permissions(response: TestResponse) -> dict[str, str]:
    pairs = response.headers.multi_items()
    return {name.removeprefix("access-control-"): value for name, value in pairs if name.startswith("access-control-")}


READABLE = {"allow-origin": OTHER, "allow-credentials": "true"}


@pytest.mark.parametrize("origin", [OTHER, TRUSTED])
def test_preflight(client: Client, origin: str) -> None:
    asked = {"origin": origin, "access-control-request-method": "POST", "access-control-request-headers": "content-type"}
    response = client.options("/api/data", headers=asked)
    assert response.status == 204
    assert permissions(response) == {
        "allow-origin": origin,
        "allow-credentials": "true",
        "allow-methods": "GET, HEAD, POST, PUT, PATCH, DELETE",
        "allow-headers": "Authorization, Content-Type, X-CSRF-Token",
        "max-age": "600",
    }
    assert "Origin" in response.headers["vary"]


def test_a_preflight_from_elsewhere_says_what_to_do(client: Client) -> None:
    response = client.options("/api/data", headers={"origin": EVIL, "access-control-request-method": "POST"})
    assert response.status == 403
    assert "TRUSTED_ORIGINS" in response.text
    assert permissions(response) == {}
    assert permissions(client.options("/change", headers={"origin": OTHER, "access-control-request-method": "POST"})) == {}


def test_responses_and_errors_are_readable(client_of: MakeClient) -> None:
    client = client_of(raise_errors=False)
    fields = {"origin": OTHER, "sec-fetch-site": "cross-site"}
    for method, path, status in (
        ("GET", "/api/data", 200),
        ("GET", "/api/nothing", 404),
        ("DELETE", "/api/data", 405),
        ("GET", "/api/fail", 500),
        ("POST", "/api/data", 403),  # for want of a bearer token or an entry in TRUSTED_ORIGINS, which the page should be able to read
    ):
        response = client.request(method, path, headers=fields)
        assert response.status == status
        assert permissions(response) == READABLE, (method, path)
        assert "Origin" in response.headers["vary"]


def test_cors_for_another_origin(client: Client) -> None:
    for origin in (EVIL, "null", None):
        response = client.get("/api/data", headers={"origin": origin})
        assert permissions(response) == {}
        assert "Origin" in response.headers["vary"]
    assert "vary" not in client.get("/", headers={"origin": OTHER}).headers


def test_unsafe_requests_across_origins(client: Client) -> None:
    fields = {"origin": TRUSTED, "sec-fetch-site": "cross-site"}
    assert permissions(client.post("/api/data", headers=fields))["allow-origin"] == TRUSTED
    fields = {"origin": OTHER, "sec-fetch-site": "cross-site", "authorization": "Bearer x"}
    response = client.post("/api/data", headers=fields)
    assert response.ok
    assert permissions(response) == READABLE


# -- sessions ------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("base_url", "settings", "name", "attributes"),
    [
        ("http://localhost", {}, "session", {"Max-Age=1209600", "Path=/", "HttpOnly", "SameSite=Lax"}),
        ("https://example.com", {}, "__Host-session", {"Max-Age=1209600", "Path=/", "Secure", "HttpOnly", "SameSite=Lax"}),
        (
            "https://example.com",
            {"session_cookie": "id", "session_domain": "example.com", "session_samesite": "none", "session_max_age": 60},
            "__Secure-id",
            {"Max-Age=60", "Path=/", "Secure", "HttpOnly", "SameSite=None", "Domain=example.com"},
        ),
    ],
)
def test_the_cookies_flags(client_of: MakeClient, base_url: str, settings: dict[str, Any], name: str, attributes: set[str]) -> None:
    client = client_of(base_url, **settings)
    response = client.post("/login")
    (cookie,) = response.headers.getlist("set-cookie")
    pair, *found = cookie.split("; ")
    assert pair.partition("=")[0] == name
    assert set(found) == attributes
    assert response.headers["cache-control"] == "private, no-store"
    assert response.headers["vary"] == "Cookie"
    assert client.get("/session").json()["user"] == "ann"


def test_a_page_that_does_not_ask_has_no_cookie(client: Client) -> None:
    response = client.get("/")
    assert "set-cookie" not in response.headers
    assert "vary" not in response.headers


def test_cache_leak_by_a_page_that_read_the_session(client: Client) -> None:
    client.post("/login")
    client.get("/session")
    response = client.get("/session")
    assert "set-cookie" not in response.headers
    assert response.headers["vary"] == "Cookie"
    assert response.headers["cache-control"] == "private"


def test_session_fixation(client: Client) -> None:
    """The id and the cookie change at log-in; the data stays."""
    planted = client.get("/session").json()["id"]
    cookie = client.cookies["session"]
    told = client.post("/login").text
    assert client.get("/session").json() == {"id": told, "user": "ann"}
    assert told != planted
    assert client.cookies["session"] != cookie


def test_log_out(client: Client) -> None:
    client.post("/login")
    response = client.post("/logout")
    assert response.headers["set-cookie"].startswith("session=; Max-Age=0;")
    assert client.get("/session").json()["user"] is None


def test_a_cookie_that_was_played_with_begins_anew(client: Client) -> None:
    client.post("/login")
    cookie = client.cookies["session"]
    client.cookies.clear()
    for changed in (cookie[:-4] + "AAAA", cookie[:10], "junk", "a.b.c", "%00"):
        assert client.get("/session", cookies={"session": changed}).json()["user"] is None
    assert client.get("/session", cookies={"session": cookie}).json()["user"] == "ann"


def test_keys_rotate(client_of: MakeClient) -> None:
    former, client = client_of(), client_of(secret_key=random_key(), secret_key_fallbacks=(KEY,))
    former.post("/login")
    cookie = former.cookies["session"]
    assert client.get("/session", cookies={"session": cookie}).json()["user"] == "ann"


def test_flash(client: Client) -> None:
    client.post("/flash")
    response = client.get("/flashes")
    assert response.json() == [["Saved", "info"], ["<b>", "error"]]
    assert response.headers["set-cookie"].startswith("session=; Max-Age=0;")
    assert client.get("/flashes").json() == []


def test_a_session_that_is_too_large_is_a_server_error(client_of: MakeClient) -> None:
    response = client_of(raise_errors=False).get("/much")
    assert response.status == 500
    assert "set-cookie" not in response.headers


def test_without_a_key_only_sessions_fail() -> None:
    with pytest.raises(ConfigurationError, match="erlen secret"):
        App().freeze({"secret_key": "short"})
    with Client(make_app().freeze({"secret_key": ""}), raise_errors=False) as client:
        assert client.get("/").text == "home"
        assert client.get("/session").status == 500
        assert "SECRET_KEY" not in client.get("/session").text


# -- proxies -------------------------------------------------------------------------------------------------------------------------

FORWARDED = {
    "host": "inner:8000",
    "x-forwarded-for": "6.6.6.6, 203.0.113.7",
    "x-forwarded-proto": "https",
    "x-forwarded-host": "example.com",
    "x-forwarded-prefix": "/shop",
    "x-request-id": "abc-1",
}


def test_a_trusted_proxy(client_of: MakeClient) -> None:
    client = client_of(trusted_proxies=("127.0.0.0/8",))
    response = client.get("/who", headers=FORWARDED)
    assert response.json() == {"client": "203.0.113.7", "url": "https://example.com/shop/who", "root": "/shop", "id": "abc-1"}
    assert response.headers["x-request-id"] == "abc-1"
    assert "strict-transport-security" in response.headers
    own = FORWARDED | {"sec-fetch-site": None, "origin": "https://example.com"}
    assert client.post("/login", headers=own).headers["set-cookie"].startswith("__Host-session=")
    assert client.post("/change", headers=own | {"origin": "http://inner:8000"}).status == 403
    response = client.get("/who", headers=FORWARDED | {"x-forwarded-host": "evil.example"})
    assert response.status == 400
    assert "ALLOWED_HOSTS" in response.text


def test_a_trusted_proxy_that_writes_rfc_7239(client_of: MakeClient) -> None:
    client = client_of(trusted_proxies=("127.0.0.1",), proxy_header="forwarded")
    fields = FORWARDED | {"forwarded": 'for=6.6.6.6, for="[2001:db8::7]:4711";proto=http;host=example.com'}
    assert client.get("/who", headers=fields).json() | {"id": ""} == {
        "client": "2001:db8::7",
        "url": "http://example.com/who",
        "root": "",
        "id": "",
    }


@pytest.mark.parametrize("settings", [{}, {"trusted_proxies": ("10.0.0.0/8", "unix")}], ids=["no proxies", "others"])
def test_spoofed_x_forwarded_headers(client_of: MakeClient, settings: dict[str, Any]) -> None:
    client = client_of(**settings)
    fields = FORWARDED | {"host": "localhost", "forwarded": "for=6.6.6.6;proto=https;host=example.com"}
    response = client.get("/who", headers=fields)
    told = response.json()
    assert (told["client"], told["url"], told["root"]) == ("127.0.0.1", "http://localhost/who", "")
    assert told["id"] != "abc-1"
    assert "strict-transport-security" not in response.headers
    assert client.post("/login", headers=fields).headers["set-cookie"].startswith("session=")


def test_https_redirect_behind_a_proxy(client_of: MakeClient) -> None:
    client = client_of(trusted_proxies=("127.0.0.1",), https_redirect=True)
    plain = {"host": "example.com", "x-forwarded-for": "203.0.113.7", "x-forwarded-proto": "http"}
    response = client.get("/who?a=1", headers=plain)
    assert (response.status, response.headers["location"]) == (308, "https://example.com/who?a=1")
    assert client.get("/who", headers=plain | {"x-forwarded-proto": "https"}).ok


# -- signing -------------------------------------------------------------------------------------------------------------------------


def test_a_handler_may_ask_for_the_signer() -> None:
    app = App(Settings(secret_key=KEY))

    @app.get("/")
    def sign(signer: Signer) -> str:
        return signer.dumps({"user": 1}, "reset", encrypt=True)

    with Client(app) as client:
        assert Signer([KEY]).loads(client.get("/").text, "reset", max_age=60) == {"user": 1}
