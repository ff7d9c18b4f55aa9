from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from erlen.errors import ConfigurationError
from erlen.security.proxies import Proxies

if TYPE_CHECKING:
    from tests.conftest import AssertLinear
    from tests.security.conftest import MakeRequest

PROXY = "10.0.0.1"
TRUSTED = Proxies(["10.0.0.0/8", "2001:db8:1::/48"])
RFC7239 = Proxies(["10.0.0.0/8"], header="forwarded")


def test_nothing_is_trusted_at_first(make_request: MakeRequest) -> None:
    headers = {"x-forwarded-for": "1.2.3.4", "x-forwarded-proto": "https", "x-forwarded-host": "evil.com", "x-forwarded-prefix": "/evil"}
    request = make_request(headers=headers | {"x-request-id": "forged"})
    proxies = Proxies()
    assert not proxies.enabled
    assert proxies.client(request) == "192.0.2.1"
    assert proxies.scheme(request) == "http"
    assert proxies.host(request) == "example.com"
    assert proxies.prefix(request) == ""
    assert proxies.request_id(request) is None


def test_an_untrusted_peer_is_not_believed(make_request: MakeRequest) -> None:
    headers = {"x-forwarded-for": "1.2.3.4", "x-forwarded-proto": "https", "x-forwarded-host": "evil.com", "x-forwarded-prefix": "/evil"}
    request = make_request(headers=headers | {"x-request-id": "forged"}, peer="192.0.2.9")
    assert TRUSTED.client(request) == "192.0.2.9"
    assert TRUSTED.scheme(request) == "http"
    assert TRUSTED.host(request) == "example.com"
    assert TRUSTED.prefix(request) == ""
    assert TRUSTED.request_id(request) is None


def test_a_trusted_proxy_is_believed(make_request: MakeRequest) -> None:
    headers = {
        "x-forwarded-for": "203.0.113.7",
        "x-forwarded-proto": "HTTPS",
        "x-forwarded-host": "shop.example",
        "x-forwarded-prefix": "/shop/",
        "x-request-id": "aB.9_-",
    }
    request = make_request(headers=headers, peer=PROXY)
    assert TRUSTED.client(request) == "203.0.113.7"
    assert TRUSTED.scheme(request) == "https"
    assert TRUSTED.host(request) == "shop.example"
    assert TRUSTED.prefix(request) == "/shop"
    assert TRUSTED.request_id(request) == "aB.9_-"


@pytest.mark.parametrize(
    ("chain", "client"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("6.6.6.6, 203.0.113.7", "203.0.113.7"),
        ("6.6.6.6, 203.0.113.7, 10.0.0.2", "203.0.113.7"),
        ("6.6.6.6,203.0.113.7 , 10.0.0.2,10.9.9.9", "203.0.113.7"),
        ("10.0.0.3, 10.0.0.2", "10.0.0.3"),
        ("", PROXY),
        ("garbage", PROXY),
        ("unknown", PROXY),
        ("203.0.113.7, garbage, 10.0.0.2", "10.0.0.2"),
        ("203.0.113.7,", PROXY),
        ("203.0.113.7:4711", "203.0.113.7"),
        ("[2001:db8::7]:4711", "2001:db8::7"),
        ("[2001:db8::7]", "2001:db8::7"),
        ("2001:DB8:0::7", "2001:db8::7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("203.0.113.7, ::ffff:10.0.0.2", "203.0.113.7"),
        ("203.0.113.7, 2001:db8:1::5", "203.0.113.7"),
        ("fe80::1%eth0", PROXY),
        ("203.0.113.7:port", PROXY),
        ("010.0.0.1", PROXY),
        ("1" * 5000, PROXY),
    ],
)
def test_spoofed_x_forwarded_for(make_request: MakeRequest, chain: str, client: str) -> None:
    assert TRUSTED.client(make_request(headers={"x-forwarded-for": chain}, peer=PROXY)) == client


def test_a_proxy_that_adds_a_line_of_its_own_is_not_overruled(make_request: MakeRequest) -> None:
    headers = [("x-forwarded-for", "6.6.6.6"), ("x-forwarded-for", "203.0.113.7")]
    assert TRUSTED.client(make_request(headers=headers, peer=PROXY)) == "203.0.113.7"


def test_at_most_32_proxies_are_followed(make_request: MakeRequest) -> None:
    chain = ", ".join(["203.0.113.7"] + [f"10.0.1.{number}" for number in range(40)])
    assert TRUSTED.client(make_request(headers={"x-forwarded-for": chain}, peer=PROXY)) == "10.0.1.8"


@pytest.mark.parametrize(
    ("chain", "proto", "scheme"),
    [
        ("203.0.113.7", "https, http", "http"),  # the client wrote `https`, its proxy appended
        ("203.0.113.7, 10.0.0.2", "https, http", "https"),  # the outer proxy wrote `https`, the inner one appended
        ("203.0.113.7, 10.0.0.2", "https", "https"),
        ("203.0.113.7, 10.0.0.2", "http, https, http", "https"),
        ("203.0.113.7", "gopher", "http"),
        ("203.0.113.7", "", "http"),
        ("203.0.113.7", "wss", "https"),
    ],
)
def test_a_spoofed_scheme_is_left_of_what_the_proxy_says(make_request: MakeRequest, chain: str, proto: str, scheme: str) -> None:
    request = make_request(headers={"x-forwarded-for": chain, "x-forwarded-proto": proto}, peer=PROXY)
    assert TRUSTED.scheme(request) == scheme


@pytest.mark.parametrize(
    "prefix", ["//evil.com", "/a//b", "evil", "/a/../b", "/..", "/./a", "/a%2fb", "/a b", "/a?b", "/a#b", "/\\evil", "https://evil.com"]
)
def test_a_prefix_cannot_lead_elsewhere(make_request: MakeRequest, prefix: str) -> None:
    request = make_request(headers={"x-forwarded-prefix": prefix}, peer=PROXY)
    assert TRUSTED.prefix(request) == ""


@pytest.mark.parametrize("request_id", ["", "a" * 129, "a b", "a\nb", "a;b", "\x1b[31m", "\u00e4"])
def test_log_injection_by_request_id(make_request: MakeRequest, request_id: str) -> None:
    assert TRUSTED.request_id(make_request(headers={"x-request-id": request_id}, peer=PROXY)) is None


def test_the_unix_socket_is_trusted_by_name_only(make_request: MakeRequest) -> None:
    request = make_request(headers={"x-forwarded-for": "6.6.6.6, 203.0.113.7"}, peer="")
    assert Proxies(["unix"]).client(request) == "203.0.113.7"
    assert TRUSTED.client(request) == ""
    assert Proxies(["unix"]).client(make_request(headers={"x-forwarded-for": "203.0.113.7"}, peer="192.0.2.1")) == "192.0.2.1"


def test_star_vouches_for_the_connection_only(make_request: MakeRequest) -> None:
    request = make_request(headers={"x-forwarded-for": "6.6.6.6, 203.0.113.7", "x-forwarded-proto": "https"}, peer="198.51.100.1")
    assert Proxies(["*"]).client(request) == "203.0.113.7"
    assert Proxies(["*"]).scheme(request) == "https"


@pytest.mark.parametrize(
    ("value", "client", "scheme", "host"),
    [
        ("for=203.0.113.7;proto=https;host=shop.example", "203.0.113.7", "https", "shop.example"),
        ('For="[2001:db8::7]:4711"; Proto="https"', "2001:db8::7", "https", "example.com"),
        ("for=6.6.6.6;proto=http;host=evil.com, for=203.0.113.7;proto=https", "203.0.113.7", "https", "example.com"),
        ("for=203.0.113.7;proto=https;host=a.example, for=10.0.0.2;proto=http;host=inner", "203.0.113.7", "https", "a.example"),
        ("for=203.0.113.7, for=10.0.0.2;proto=https", "203.0.113.7", "https", "example.com"),
        ("for=_hidden;proto=https", PROXY, "https", "example.com"),
        ("for=unknown", PROXY, "http", "example.com"),
        ('for="6.6.6.6, for=203.0.113.7;proto=https', PROXY, "http", "example.com"),
        ('for="x, for="[2001:db8::7]";proto=https', PROXY, "http", "example.com"),
        ('for=203.0.113.7;host="shop\\.example"', "203.0.113.7", "http", "shop.example"),
        ("for=6.6.6.6;for=203.0.113.7", PROXY, "http", "example.com"),
        ("nonsense", PROXY, "http", "example.com"),
        ("", PROXY, "http", "example.com"),
        ("for=203.0.113.7;", PROXY, "http", "example.com"),
    ],
)
def test_forwarded(make_request: MakeRequest, value: str, client: str, scheme: str, host: str) -> None:
    request = make_request(headers={"forwarded": value}, peer=PROXY)
    assert RFC7239.client(request) == client
    assert RFC7239.scheme(request) == scheme
    assert RFC7239.host(request) == host


def test_a_line_of_the_client_does_not_spoil_the_proxys(make_request: MakeRequest) -> None:
    headers = [("forwarded", 'for="open'), ("forwarded", "for=203.0.113.7;proto=https")]
    request = make_request(headers=headers, peer=PROXY)
    assert RFC7239.client(request) == "203.0.113.7"
    assert RFC7239.scheme(request) == "https"


@pytest.mark.parametrize("family", ["x-forwarded", "forwarded"])
def test_the_two_families_are_never_mixed(make_request: MakeRequest, family: Literal["x-forwarded", "forwarded"]) -> None:
    headers = {
        "x-forwarded-for": "1.1.1.1",
        "x-forwarded-proto": "https",
        "x-forwarded-host": "x.example",
        "x-forwarded-prefix": "/x",
        "forwarded": "for=2.2.2.2;proto=http;host=f.example",
    }
    request = make_request(headers=headers, peer=PROXY)
    proxies = Proxies([PROXY], header=family)
    told = (proxies.client(request), proxies.scheme(request), proxies.host(request), proxies.prefix(request))
    assert told == (("1.1.1.1", "https", "x.example", "/x") if family == "x-forwarded" else ("2.2.2.2", "http", "f.example", ""))


def test_wrong_networks_are_reported_together() -> None:
    with pytest.raises(ConfigurationError) as error:
        Proxies(["10.0.0.1/8", "proxy.example", "10.0.0.1", "unix"], header="via")  # type: ignore[arg-type]
    assert len(error.value.mistakes) == 3
    assert "write '10.0.0.0/8'" in str(error.value)
    assert "TRUSTED_PROXIES has 'proxy.example'" in str(error.value)


ADDRESSES = st.ip_addresses(v=4).map(str) | st.ip_addresses(v=6).map(str)


@given(spoofed=st.lists(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20), max_size=5), client=st.ip_addresses(v=4))
def test_whatever_a_client_writes_its_own_address_is_what_counts(make_request: MakeRequest, spoofed: list[str], client: object) -> None:
    proxies = Proxies(["10.0.0.0/8", "192.0.2.0/24"])
    if proxies.trusts(str(client)):
        return
    chain = ", ".join([*spoofed, str(client), "10.0.0.2", "192.0.2.77"])
    assert proxies.client(make_request(headers={"x-forwarded-for": chain}, peer=PROXY)) == str(client)


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=60))
def test_any_forwarded_header_is_read_without_an_error(make_request: MakeRequest, value: str) -> None:
    request = make_request(headers={"forwarded": value}, peer=PROXY)
    assert RFC7239.scheme(request) in ("http", "https")
    assert RFC7239.client(request)


@pytest.mark.parametrize(
    ("proxies", "name", "piece"),
    [
        (TRUSTED, "x-forwarded-for", "10.0.0.2,"),
        (RFC7239, "forwarded", "for=10.0.0.2,"),
        (RFC7239, "forwarded", 'for="\\"'),
        (RFC7239, "forwarded", "a=b;"),
    ],
)
def test_long_chains_are_linear(make_request: MakeRequest, assert_linear: AssertLinear, proxies: Proxies, name: str, piece: str) -> None:
    assert_linear(lambda size: {name: piece * size}, lambda headers: proxies.scheme(make_request(headers=headers, peer=PROXY)), 10_000)


def test_addresses_that_clients_invent_do_not_grow_memory(make_request: MakeRequest) -> None:
    proxies = Proxies([PROXY])
    for number in range(3000):
        proxies.client(make_request(headers={"x-forwarded-for": f"203.0.{number // 250}.{number % 250}"}, peer=PROXY))
    assert proxies._node.cache_info().currsize <= 1024
