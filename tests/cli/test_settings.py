from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from erlen.cli.environment import load_env_file, names_from_file

Run = Callable[..., Result]
Write = Callable[..., Path]

APP = """
from datetime import timedelta

from erlen import App, Settings

class Own(Settings, frozen=True, kw_only=True):
    stock_url: str = "sqlite://"
    api_token: str = ""
    post: dict[str, str] = {}
    wait: timedelta = timedelta(seconds=90)
    rate: float | None = None
    user: str = "nobody"

app = App(Own(threads=8))
"""


def test_every_setting_is_shown_with_where_it_comes_from(run: Run, write: Write) -> None:
    write("app.py", APP)
    write("settings.toml", "csrf_protection = false\n")
    shown = run("settings", STOCK_URL="postgresql://ann:hunter2@db/shop", API_TOKEN="hunter2", SECRET_KEY="hunter2" * 6)
    lines = dict(line.split(maxsplit=1) for line in shown.output.splitlines())
    assert lines["threads"] == "8  (the code)"
    assert lines["csrf_protection"] == "False  (settings.toml)"
    assert lines["stock_url"] == "postgresql://ann:***@db/shop  (the environment)"
    assert lines["api_token"] == "***  (the environment)"
    assert lines["secret_key"] == "***  (the environment)"
    assert lines["compression"] == "True"
    assert "hunter2" not in shown.output


def test_what_was_changed_by_name_and_for_programs(run: Run, write: Write) -> None:
    write("app.py", APP)
    assert run("settings", "--changed").output == "threads  8  (the code)\n"
    assert run("settings", "debug", "THREADS").output.splitlines() == ["debug    False", "threads  8  (the code)"]
    assert json.loads(run("settings", "--json", "threads").output) == {"threads": {"value": 8, "origin": "the code"}}
    values = {"ALLOWED_HOSTS": "a.example,b.example", "API_TOKEN": "hunter2", "POST": '{"host": "smtp", "password": "hunter2"}'}
    told = json.loads(run("settings", "--json", STOCK_URL="postgresql://ann:hunter2@db/shop", **values).output)
    shown = {name: told[name]["value"] for name in ("debug", "allowed_hosts", "server_name", "api_token", "post", "wait", "stock_url")}
    assert shown == {
        "debug": False,
        "allowed_hosts": ["a.example", "b.example"],
        "server_name": "",
        "api_token": "***",
        "post": {"host": "smtp", "password": "***"},
        "wait": "PT90S",
        "stock_url": "postgresql://ann:***@db/shop",
    }
    assert [told[name]["value"] for name in ("threads", "rate", "body_timeout", "compression")] == [8, None, 30.0, True]
    people = run("settings", "post", "allowed_hosts", "server_name", **values).output
    assert people.splitlines() == [
        'post           {"host": "smtp", "password": "***"}  (the environment)',
        "allowed_hosts  a.example, b.example  (the environment)",
        "server_name    (empty)",
    ]


def test_as_they_are_in_development(run: Run, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("dotenv")
    for name in ("DEBUG", "ERLEN_ENV_FILE", "LOG_LEVEL"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    write("app.py", APP)
    write(".env", "LOG_LEVEL=debug\nTHREADS=4\n")
    assert run("settings", "debug", "log_level").output.splitlines() == ["debug      False", "log_level  info"]
    shown = run("settings", "--dev", "debug", "log_level", "threads", THREADS="2").output
    assert shown.splitlines() == ["debug      True  (erlen dev)", "log_level  debug  (.env)", "threads    2  (the environment)"]


def test_the_variable_of_a_setting_that_is_called_like_one_of_the_shell_is_told(run: Run, write: Write) -> None:
    write("app.py", APP)
    assert run("settings", "user", USER="ann").output == "user  nobody  (its variable is ERLEN_USER)\n"
    assert run("settings", "user", ERLEN_USER="bob").output == "user  bob  (the environment; its variable is ERLEN_USER)\n"


def test_mistakes_are_told(run: Run, write: Write) -> None:
    write("app.py", APP)
    unknown = run("settings", "thread")
    assert unknown.exit_code == 2
    assert "Did you mean 'threads'?" in unknown.output
    wrong = run("settings", THREADS="many")
    assert wrong.exit_code == 1
    assert "THREADS" in wrong.output
    assert "Traceback" not in wrong.output
    write("settings.toml", "colour = 1")
    unknown = run("settings")
    assert unknown.exit_code == 1
    assert "fix `erlen settings` lists them all" in unknown.output
    assert {"threads", "api_token"} <= set(re.split(r"[\s,]+", unknown.output.partition("The settings are ")[2]))
    write("broken.py", "import nowhere_to_be_found\n")
    broken = run("--app", "broken.py", "settings")
    assert (broken.exit_code, "the application does not load:" in broken.output) == (1, True)


def test_a_dotenv_file_fills_what_the_environment_leaves_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("dotenv")
    for name in ("ERLEN_ENV_FILE", "SHOP_COLOUR", "SHOP_SIZE"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setenv("SHOP_NAME", "kept")
    file = tmp_path / ".env"
    assert load_env_file(file) == []
    file.write_text("SHOP_NAME=other\nexport SHOP_COLOUR='dark red' # said\nSHOP_SIZE=\n")
    assert load_env_file(file) == ["SHOP_COLOUR", "SHOP_SIZE"]
    assert names_from_file() == {"SHOP_COLOUR": ".env", "SHOP_SIZE": ".env"}
