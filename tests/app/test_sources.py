"""Where settings come from, and which source wins."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import pytest

from erlen import App, ConfigurationError, Meta, Settings
from erlen.app.sources import read_settings
from erlen.testing import Client


class Shop(Settings, frozen=True, kw_only=True):
    database_url: str
    colours: tuple[str, ...] = ("red",)
    cache_size: int = 1000
    patience: float = 2.5
    lease: timedelta = timedelta(minutes=1)
    page: Annotated[int, Meta(ge=1)] = 20
    weights: dict[str, int] = {}


def resolve(folder: Path, **environment: str) -> Shop:
    return read_settings(Shop, environment, folder=str(folder))[0]


def test_each_source_wins_over_those_before_it(tmp_path: Path) -> None:
    def origin(**environment: str) -> tuple[str, str]:
        settings, origins = read_settings(Shop(database_url="code"), environment, folder=str(tmp_path))
        return settings.database_url, origins["database_url"]

    assert origin() == ("code", "the code")
    (tmp_path / "settings.toml").write_text('database_url = "toml"')
    assert origin() == ("toml", "settings.toml")
    (tmp_path / "settings.production.toml").write_text('database_url = "production"')
    (tmp_path / "settings.test.toml").write_text('database_url = "test"')
    assert origin() == ("production", "settings.production.toml")
    assert origin(ERLEN_ENV="test") == ("test", "settings.test.toml")
    assert origin(ERLEN_ENV="other") == ("toml", "settings.toml")
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    (secrets / "database_url").write_text("secret\n")
    assert origin(SECRETS_DIR=str(secrets)) == ("secret", str(secrets / "database_url"))
    file = tmp_path / "url.txt"
    file.write_text("file\r\n")
    assert origin(SECRETS_DIR=str(secrets), DATABASE_URL_FILE=str(file)) == ("file", str(file))
    assert origin(SECRETS_DIR=str(secrets), DATABASE_URL_FILE=str(file), DATABASE_URL="env") == ("env", "the environment")
    settings, origins = read_settings(Shop, {"DATABASE_URL": "env"}, {"database_url": "given"}, str(tmp_path))
    assert (settings.database_url, origins["database_url"]) == ("given", "overrides")


def test_values_of_settings_toml_have_their_types(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text(
        'database_url = "sqlite://"\ncolours = ["blue", "green"]\ndebug = true\npage = 5\npatience = "3s"\n[weights]\na = 1\n'
    )
    settings = resolve(tmp_path)
    assert (settings.colours, settings.debug, settings.page, settings.weights) == (("blue", "green"), True, 5, {"a": 1})
    assert settings.patience == 3.0


UNITS: dict[str, tuple[str, str, Any]] = {
    "bytes": ("CACHE_SIZE", "512", 512),
    "kilobytes": ("CACHE_SIZE", "2 KB", 2000),
    "kibibytes": ("CACHE_SIZE", "2KiB", 2048),
    "mebibytes": ("MAX_BODY_SIZE", "1.5MiB", 1_572_864),
    "seconds": ("PATIENCE", "10s", 10.0),
    "milliseconds": ("PATIENCE", "250ms", 0.25),
    "days": ("SESSION_MAX_AGE", "2d", 172_800),
    "an interval": ("LEASE", "15 min", timedelta(minutes=15)),
    "an ISO interval": ("LEASE", "PT90S", timedelta(seconds=90)),
}


@pytest.mark.parametrize("case", UNITS)
def test_sizes_and_times_may_have_units(tmp_path: Path, case: str) -> None:
    variable, text, expected = UNITS[case]
    assert getattr(resolve(tmp_path, DATABASE_URL="x", **{variable: text}), variable.lower()) == expected


@pytest.mark.parametrize("text", ["10 parsecs", "2x", "1.5", "MB", "-", "1e3s"])
def test_what_is_no_size_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigurationError, match="CACHE_SIZE"):
        resolve(tmp_path, DATABASE_URL="x", CACHE_SIZE=text)


def test_everything_wrong_is_in_one_message(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text("pages = 3\npage = 0\ncolours = 7\n")
    with pytest.raises(ConfigurationError) as caught:
        resolve(tmp_path, CACHE_SIZE="big", PATIENCE_FILE=str(tmp_path / "missing"))
    message = str(caught.value)
    for expected in ("'pages'", "did you mean 'page'?", "PAGE", "COLOURS", "CACHE_SIZE", "DATABASE_URL is missing", "PATIENCE_FILE"):
        assert expected in message


def test_a_settings_file_that_is_no_toml_says_where(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text("debug = perhaps")
    with pytest.raises(ConfigurationError, match=r"settings\.toml cannot be read: .*line 1"):
        resolve(tmp_path, DATABASE_URL="x")


def test_secrets_are_not_in_the_message(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text('database_url = "x"\nsecret_key_fallbacks = 12345678\n')
    with pytest.raises(ConfigurationError) as caught:
        resolve(tmp_path)
    assert "SECRET_KEY_FALLBACKS" in str(caught.value)
    assert "12345678" not in str(caught.value)


@pytest.fixture
def load(tmp_path: Path) -> Iterator[Callable[[str], App]]:
    """Import an application from a file."""

    def make(source: str) -> App:
        (tmp_path / "sourced.py").write_text(source)
        spec = importlib.util.spec_from_file_location("sourced", tmp_path / "sourced.py")
        assert spec is not None
        assert spec.loader is not None
        sys.modules["sourced"] = module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        app: App = module.app
        return app

    yield make
    sys.modules.pop("sourced", None)


APP = """
from erlen import App, Settings

class Own(Settings, frozen=True, kw_only=True):
    greeting: str

app = App(Own)

@app.get("/")
def home(settings: Own) -> str:
    return settings.greeting
"""


def test_an_application_reads_the_file_beside_it_and_handlers_have_the_class(load: Callable[[str], App], tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text('greeting = "hello"')
    assert Client(load(APP)).get("/").text == "hello"


def test_an_application_without_a_value_it_needs_does_not_freeze(load: Callable[[str], App]) -> None:
    app = load(APP)
    with pytest.raises(ConfigurationError, match=r"setting GREETING is missing[\s\S]*settings\.toml"):
        app.freeze()
    assert getattr(app.freeze({"greeting": "given"}).settings, "greeting", "") == "given"
