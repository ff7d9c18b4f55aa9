from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import pytest
from msgspec import Struct

from erlen import App, ConfigurationError, Settings
from erlen.app.settings import is_secret
from erlen.app.sources import read_settings


class Pool(Struct, frozen=True):
    size: int
    name: str = "main"


class Own(Settings, frozen=True, kw_only=True):
    limit: int = 3
    ratio: float | None = None
    mode: Literal["fast", "slow"] = "fast"
    names: list[str] = []
    ports: tuple[int, ...] | None = None
    loud: bool | None = None
    pool: Pool = Pool(1)
    weights: dict[str, int] = {}
    folder: Path = Path("here")
    api_token: str = ""
    secret_numbers: tuple[int, ...] = ()


def test_the_environment_wins_over_the_code_and_overrides_over_both() -> None:
    assert read_settings(Own(limit=5), {})[0].limit == 5
    assert read_settings(Own(limit=5), {"LIMIT": "7"})[0].limit == 7
    assert read_settings(Own(limit=5), {"LIMIT": "7"}, {"limit": 9})[0].limit == 9


ENVIRONMENT: dict[str, tuple[str, str, Any]] = {
    "integer": ("LIMIT", "42", 42),
    "optional number": ("RATIO", "0.5", 0.5),
    "optional, empty": ("RATIO", "", None),
    "literal": ("MODE", "slow", "slow"),
    "list": ("NAMES", "a, b,,c ", ["a", "b", "c"]),
    "empty list": ("NAMES", "", []),
    "optional list": ("PORTS", "1,2", (1, 2)),
    "optional truth": ("LOUD", "off", False),
    "model": ("POOL", '{"size": 3}', Pool(3)),
    "mapping": ("WEIGHTS", '{"a": 1}', {"a": 1}),
    "truth": ("DEBUG", "Yes", True),
    "no truth": ("COMPRESSION", "0", False),
}


@pytest.mark.parametrize("case", ENVIRONMENT)
def test_values_of_the_environment_are_read_by_type(case: str) -> None:
    variable, text, expected = ENVIRONMENT[case]
    assert getattr(read_settings(Own(), {variable: text})[0], variable.lower()) == expected


def test_every_wrong_value_is_in_one_message_with_where_it_comes_from() -> None:
    wrong = {
        "LIMIT": "many",
        "MODE": "loud",
        "DEBUG": "perhaps",
        "POOL": '{"size": ',
        "WEIGHTS": '{"a": "b"}',
        "THREADS": "0",
        "API_TOKEN": "fine",
        "SECRET_NUMBERS": "hunter2",
    }
    with pytest.raises(ConfigurationError) as caught:
        read_settings(Own(hsts_seconds=-1), wrong, {"max_body_size": "big", "colour": 1})
    mistakes = {mistake.message.partition(":")[0]: mistake for mistake in caught.value.mistakes}
    expected = ["LIMIT", "MODE", "DEBUG", "POOL", "WEIGHTS", "THREADS", "SECRET_NUMBERS", "HSTS_SECONDS", "MAX_BODY_SIZE"]
    assert set(mistakes) == {"there is no setting 'colour'", *(f"setting {name}" for name in expected)}
    assert mistakes["setting LIMIT"].where == "the environment"
    assert mistakes["setting HSTS_SECONDS"].where == "the code"
    assert mistakes["setting MAX_BODY_SIZE"].where == "overrides"
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("name", ["allowed_hosts", "trusted_origins", "trusted_proxies", "secret_key_fallbacks"])
def test_a_text_in_the_code_is_not_taken_for_a_list_of_its_letters(name: str) -> None:
    app = App(Settings(**{name: "example.com"}))  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match=rf"(?s)setting {name.upper()}: .* does not fit: Expected an array, got a string"):
        app.freeze()


def test_lists_in_the_code_may_be_lists() -> None:
    assert App(Settings(allowed_hosts=["example.com"])).freeze().settings.allowed_hosts == ("example.com",)  # type: ignore[arg-type]


def test_the_process_environment_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAX_BODY_SIZE", "77")
    assert App().freeze().limits.body_size == 77
    monkeypatch.setenv("MAX_BODY_SIZE", "many")
    with pytest.raises(ConfigurationError, match="setting MAX_BODY_SIZE: 'many' does not fit"):
        App().freeze()


def test_secrets_are_masked_wherever_settings_are_shown() -> None:
    shown = repr(Own(secret_key="hunter2", api_token="hunter2", secret_numbers=(7,), limit=8))
    assert "hunter2" not in shown
    assert "secret_key='***'" not in shown
    assert "secret_key=***" in shown
    assert "limit=8" in shown
    assert "secret_numbers=***" in shown
    assert is_secret("DATABASE_PASSWORD")
    assert not is_secret("allowed_hosts")


def test_protections_made_of_wrong_settings_are_reported_with_the_routes() -> None:
    app = App(Settings(trusted_origins=("example.com",), trusted_proxies=("nonsense",)))
    app.get("/{")(lambda: "")
    with pytest.raises(ConfigurationError) as caught:
        app.freeze()
    assert len(caught.value.mistakes) == 3
