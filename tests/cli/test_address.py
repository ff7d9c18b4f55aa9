"""What addresses are called in messages."""

from __future__ import annotations

import pytest

from erlen.cli import address
from erlen.cli.address import network_place, url_of


def test_urls() -> None:
    assert url_of("127.0.0.1", 8000) == "http://127.0.0.1:8000"
    assert url_of("::1", 443, "https") == "https://[::1]:443"
    assert url_of("0.0.0.0", 8000) == "http://0.0.0.0:8000"
    assert url_of("0.0.0.0", 8000, here=True) == "http://127.0.0.1:8000"
    assert url_of("::", 8000, here=True) == "http://[::1]:8000"
    assert url_of("192.168.1.7", 8000, here=True) == "http://192.168.1.7:8000"


def test_the_place_in_the_network_is_for_servers_that_listen_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(address, "_own_address", {"0.0.0.0": "192.168.1.7", "::": "fd00::7"}.__getitem__)
    assert network_place("127.0.0.1", 8000, ()) == ""
    assert network_place("192.168.1.7", 8000, ()) == ""
    assert network_place("0.0.0.0", 8000, ()) == "http://192.168.1.7:8000, once ALLOWED_HOSTS has 192.168.1.7"
    assert network_place("0.0.0.0", 8000, ("192.168.1.7",)) == "http://192.168.1.7:8000"
    assert network_place("::", 443, ("*",), "https") == "https://[fd00::7]:443"


def test_this_machine_has_an_address_of_its_own_or_none() -> None:
    for host in ("0.0.0.0", "::"):
        place = network_place(host, 8000, ("*",))
        assert place == "" or (place.startswith("http://") and place.endswith(":8000") and "127.0.0.1" not in place)
