from __future__ import annotations

from typing import Any

import pytest

from erlen import App, ConfigurationError, Settings
from erlen.app.door import Door
from erlen.cli.deployment import deployment_mistakes, start_notes

SAFE: dict[str, Any] = {"secret_key": "0123456789abcdefghijklmnopqrstuvwxyz", "allowed_hosts": ("example.com",)}


def settings_found(**changes: Any) -> list[str]:
    site = App(Settings(**{**SAFE, **changes})).freeze()
    found = deployment_mistakes(site)
    assert all(mistake.fix for mistake in found)
    return [mistake.where for mistake in found]


def test_a_safe_site_has_nothing_to_mend() -> None:
    assert settings_found() == []


UNSAFE: dict[str, Any] = {
    "debug": True,
    "secret_key": "",
    "allowed_hosts": (),
    "trusted_proxies": ("*",),
    "csrf_protection": False,
    "content_security_policy": "",
    "content_type_nosniff": False,
    "frame_options": "",
    "referrer_policy": "unsafe-url",
    "cross_origin_opener_policy": "",
    "hsts_seconds": 60,
}


@pytest.mark.parametrize("name", UNSAFE)
def test_each_unsafe_setting_is_found(name: str) -> None:
    assert settings_found(**{name: UNSAFE[name]}) == [f"setting {name.upper()}"]


@pytest.mark.parametrize(
    ("name", "value"),
    [("allowed_hosts", ("*",)), ("content_security_policy", "script-src 'unsafe-inline'")],
)
def test_so_are_weak_ones(name: str, value: Any) -> None:
    assert settings_found(**{name: value}) == [f"setting {name.upper()}"]


@pytest.mark.parametrize(("name", "value"), [("secret_key", "short"), ("secret_key", "a" * 60), ("secret_key_fallbacks", ("short",))])
def test_a_weak_key_stops_production_and_is_found_in_debug_mode(name: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match="erlen secret"):
        settings_found(**{name: value})
    assert settings_found(debug=True, **{name: value}) == ["setting DEBUG", f"setting {name.upper()}"]


@pytest.mark.parametrize(
    ("changes", "door", "told"),
    [
        ({}, "wsgi", []),
        ({"secret_key": ""}, "rsgi", ["SECRET_KEY"]),
        ({"secret_key": "", "debug": True}, "rsgi", ["debug mode is on"]),
        ({"trusted_proxies": ("unix",)}, "wsgi", ["X_Forwarded_For"]),
        ({"trusted_proxies": ("unix",)}, "asgi", []),
        ({"trusted_proxies": ("unix",), "proxy_header": "forwarded"}, "wsgi", []),
    ],
)
def test_whoever_starts_a_server_is_told_what_to_mind(changes: dict[str, Any], door: Door, told: list[str]) -> None:
    notes = list(start_notes(App(Settings(**{**SAFE, **changes})).freeze(), door))
    assert len(notes) == len(told)
    assert all(part in note for part, note in zip(told, notes, strict=True))


def test_the_messages_do_not_show_the_key() -> None:
    site = App(Settings(**{**SAFE, "secret_key": "hunter2", "debug": True})).freeze()
    assert "hunter2" not in "".join(map(str, deployment_mistakes(site)))
