from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from erlen.errors import BadRequest, ConfigurationError
from erlen.security.hosts import HostPolicy, host_name

if TYPE_CHECKING:
    from tests.conftest import AssertLinear


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("example.com", "example.com"),
        ("Example.COM:8000", "example.com"),
        ("example.com.", "example.com"),
        ("example.com.:80", "example.com"),
        ("my_service", "my_service"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("192.0.2.1:65535", "192.0.2.1"),
        ("[2001:DB8::0:1]", "[2001:db8::1]"),
        ("[::1]:1", "[::1]"),
        ("a" * 63 + ".b", "a" * 63 + ".b"),
    ],
)
def test_host_name(host: str, name: str) -> None:
    assert host_name(host) == name


@pytest.mark.parametrize(
    "host",
    [
        "",
        ".",
        ".example.com",
        "example..com",
        "example.com..",
        "example.com:",
        "example.com:0",
        "example.com:65536",
        "example.com:80:80",
        "example.com:8a",
        "example.com:\u0663",
        "user@example.com",
        "user:pass@example.com",
        "example.com/path",
        "example.com?x",
        "example.com#x",
        "example.com\\evil",
        "exa mple.com",
        " example.com",
        "example.com\n",
        "example.com\r\nx: y",
        "exam\x00ple.com",
        "ex%61mple.com",
        "b\u00fccher.example",
        "\u212aelvin.example",
        "example.com,evil.com",
        "-example.com",
        "example-.com",
        "a" * 64,
        "a." * 127 + "com",
        "1.2.3",
        "1.2.3.4.5",
        "256.1.1.1",
        "01.2.3.4",
        "2130706433",
        "0x7f.1",
        "example.0x1",
        "[::1",
        "::1",
        "[::1]x",
        "[::1]:",
        "[:::]",
        "[fe80::1%25eth0]",
        "[1.2.3.4]",
        "[]",
    ],
)
def test_a_malformed_host_is_refused(host: str) -> None:
    with pytest.raises(BadRequest) as refusal:
        HostPolicy(["*"]).check(host)
    assert refusal.value.status == 400
    assert refusal.value.detail.isascii() or "…" in refusal.value.detail
    assert "\n" not in refusal.value.detail


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8000", "api.localhost", "127.0.0.1:80", "127.8.9.1", "[::1]:8000", "localhost."])
def test_loopback_names_always_pass(host: str) -> None:
    HostPolicy().check(host)
    HostPolicy(["example.com"]).check(host)


@pytest.mark.parametrize(
    "host", ["evil.com", "notlocalhost", "localhost.evil.com", "127.0.0.1.evil.com", "127.evil.x5", "[::2]", "128.0.0.1"]
)
def test_host_header_attack(host: str) -> None:
    """A forged host would poison links in mails, redirects and caches."""
    with pytest.raises(BadRequest, match="Add it to ALLOWED_HOSTS") as refusal:
        HostPolicy(["example.com"]).check(host)
    assert repr(host) in refusal.value.detail


@pytest.mark.parametrize(
    ("pattern", "passing", "refused"),
    [
        ("example.com", ["example.com", "EXAMPLE.com:1"], ["www.example.com", "badexample.com"]),
        (".example.com", ["example.com", "a.example.com", "a.b.example.com"], ["badexample.com", "example.com.evil.com"]),
        ("*.example.com", ["a.example.com"], ["example.com", "badexample.com"]),
        ("Example.COM.", ["example.com"], ["other.com"]),
        ("*", ["anything.at.all", "192.0.2.7"], []),
        ("::2", ["[::2]:80"], ["[::3]"]),
        ("[2001:db8:0::2]", ["[2001:DB8::2]"], []),
        ("b\u00fccher.example", ["xn--bcher-kva.example"], []),
        ("192.0.2.1", ["192.0.2.1:8000"], ["192.0.2.2"]),
    ],
)
def test_patterns(pattern: str, passing: list[str], refused: list[str]) -> None:
    policy = HostPolicy([pattern])
    for host in passing:
        policy.check(host)
        assert host in policy.known
    for host in refused:
        with pytest.raises(BadRequest):
            policy.check(host)
        assert host not in policy.known


def test_all_wrong_patterns_are_reported_together_with_what_to_write() -> None:
    with pytest.raises(ConfigurationError) as error:
        HostPolicy(["https://example.com/", "example.com:8000", "example.*", "*example.com", "", "fine.example", "[::1]:80"])
    text = str(error.value)
    assert len(error.value.mistakes) == 6
    assert "ALLOWED_HOSTS has 'https://example.com/'" in text
    assert text.count("write 'example.com': a name without scheme, port and path") == 2


def test_a_flood_of_invented_names_does_not_grow_memory() -> None:
    policy = HostPolicy(["*"])
    for number in range(3000):
        policy.check(f"h{number}.example")
    assert len(policy.known) <= 1000
    policy.check("example.com")
    assert "example.com" in policy.known


@given(st.text(max_size=80) | st.text("ab1.:-_[]xX0", max_size=80))
def test_a_host_is_a_name_or_a_bad_request(host: str) -> None:
    try:
        name = host_name(host)
    except BadRequest:
        return
    assert host_name(name) == name
    assert name.isascii()
    assert name == name.lower()


def test_checking_a_hostile_host_is_linear(assert_linear: AssertLinear) -> None:
    def check(size: int) -> None:
        for host in ("a" * size, "a." * size, "-" * size, "[" + ":" * size + "]", "a-" * size + "@"):
            with pytest.raises(BadRequest):
                host_name(host)

    assert_linear(lambda size: size, check, 10_000)
