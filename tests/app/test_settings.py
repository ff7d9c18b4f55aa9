from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal

import pytest
from msgspec import Struct

from erlen import App, ConfigurationError, Settings
from erlen.app.settings import is_secret
from erlen.app.sources import read_settings, variable_of


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


class Visitor(Settings, frozen=True, kw_only=True):
    user: str = "nobody"
    home: str = "none"
    path: Path = Path("none")
    lang: str = "en"
    name: str
    colour: Literal["red", "blue"] | None = None
    size: Literal[1, 2] = 1


def test_what_a_shell_sets_by_itself_is_no_setting() -> None:
    shell = {"USER": "ann", "HOME": "/home/ann", "PATH": "/bin", "LANG": "C.UTF-8"}
    settings, origins = read_settings(Visitor(name="shop"), shell)
    assert (settings.user, settings.home, settings.path, settings.lang) == ("nobody", "none", Path("none"), "en")
    assert {origins[name.lower()] for name in shell} == {"the code"}
    settings, origins = read_settings(Visitor(name="shop"), {**shell, "ERLEN_USER": "bob", "ERLEN_LANG": "de"})
    assert (settings.user, settings.lang, origins["user"]) == ("bob", "de", "the environment")


def test_files_of_secrets_follow_the_name_of_the_variable(tmp_path: Path) -> None:
    (tmp_path / "user").write_text("carl\n")
    file = str(tmp_path / "user")
    assert read_settings(Visitor(name="shop"), {"USER_FILE": file})[0].user == "nobody"
    assert read_settings(Visitor(name="shop"), {"ERLEN_USER_FILE": file})[0].user == "carl"
    assert read_settings(Visitor(name="shop"), {"SECRETS_DIR": str(tmp_path)})[0].user == "carl"


def test_a_missing_setting_names_the_variable_that_is_read() -> None:
    with pytest.raises(ConfigurationError, match=r"set ERLEN_NAME in the environment, or name in settings\.toml"):
        read_settings(Visitor, {"NAME": "desktop"})


@pytest.mark.parametrize(("name", "variable"), [("debug", "DEBUG"), ("path", "ERLEN_PATH"), ("paths", "PATHS"), ("tmp", "ERLEN_TMP")])
def test_the_variable_of_a_setting(name: str, variable: str) -> None:
    assert variable_of(name) == variable


def test_no_setting_of_erlen_is_called_as_a_variable_of_the_system() -> None:
    assert [name for name in Settings.__struct_fields__ if variable_of(name) != name.upper()] == []


def test_a_variable_that_is_meant_for_another_program_is_named() -> None:
    with pytest.raises(ConfigurationError) as caught:
        read_settings(Settings(), {"DEBUG": "myapp:*"})
    (mistake,) = caught.value.mistakes
    assert mistake.message == "setting DEBUG: 'myapp:*' does not fit: Expected true or false."
    assert (mistake.where, mistake.fix) == ("the environment", "correct the environment variable DEBUG, or unset it")


WORDS: dict[str, tuple[str, str, str]] = {
    "a choice": ("LOG_LEVEL", "loud", "Must be one of 'debug', 'info', 'warning', 'error', 'critical'."),
    "an optional choice": ("COLOUR", "green", "Must be one of 'red', 'blue'."),
    "a choice of numbers": ("SIZE", "9", "Must be one of 1, 2."),
    "a number": ("THREADS", "many", "Expected an integer, got a string."),
    "a range": ("THREADS", "0", "Must be at least 1."),
}


@pytest.mark.parametrize("case", WORDS)
def test_what_does_not_fit_is_said_in_words(case: str) -> None:
    variable, text, expected = WORDS[case]
    with pytest.raises(ConfigurationError) as caught:
        read_settings(Visitor(name="shop"), {variable: text})
    assert caught.value.mistakes[0].message == f"setting {variable}: {text!r} does not fit: {expected}"


PLACES: dict[str, tuple[str, str, str]] = {
    "an item": ("PORTS", "1,b", "Expected an integer"),
    "a member": ("POOL", '{"size": "big"}', "size: Expected an integer, got a string."),
    "a missing member": ("POOL", "{}", "Object missing required field `size`."),
}


@pytest.mark.parametrize("case", PLACES)
def test_what_does_not_fit_inside_of_a_value_is_said_with_its_place(case: str) -> None:
    variable, text, expected = PLACES[case]
    with pytest.raises(ConfigurationError) as caught:
        read_settings(Own(), {variable: text})
    message = caught.value.mistakes[0].message
    assert expected in message
    assert "`$" not in message


def test_an_unknown_name_is_answered_with_the_nearest_or_with_where_they_are_listed() -> None:
    with pytest.raises(ConfigurationError) as caught:
        read_settings(Settings(), {}, {"thread": 1, "colour": 1})
    assert [mistake.fix for mistake in caught.value.mistakes] == ["did you mean 'threads'?", "`erlen settings` lists them all"]


def test_the_reference_lists_the_variables_that_are_not_read() -> None:
    page = (Path(__file__).parents[2] / "docs" / "reference" / "settings.md").read_text(encoding="utf-8")
    listed = re.findall(r"`([A-Z]+)`", page.partition("These are the names:")[2].partition("\n:::")[0])
    assert listed == sorted(listed)
    assert all(variable_of(name.lower()) == f"ERLEN_{name}" for name in listed)
    assert {"USER", "HOME", "PATH", "LANG", "SHELL", "MAIL"} <= {*listed}
    source = (Path(__file__).parents[2] / "src" / "erlen" / "app" / "sources.py").read_text(encoding="utf-8")
    assert set(listed) == set(re.findall(r"\b[A-Z]{2,}\b(?=[|\"])", source.partition("_OF_THE_SYSTEM = ")[2]))
