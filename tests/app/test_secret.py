from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from erlen import App, Request, Settings
from erlen.app.secret import development_key, signing_keys
from erlen.errors import ConfigurationError
from erlen.security.signing import Signer
from erlen.testing import Client

KEY = "0123456789abcdefghijklmnopqrstuvwxyz"


def test_the_setting_signs_and_its_fallbacks_are_accepted(tmp_path: Path) -> None:
    assert signing_keys(Settings(secret_key=KEY, secret_key_fallbacks=("old",)), str(tmp_path / "app.py")) == (KEY, "old")
    assert list(tmp_path.iterdir()) == []


def test_production_has_no_key_of_its_own(tmp_path: Path) -> None:
    assert signing_keys(Settings(), str(tmp_path / "app.py")) == ()
    assert list(tmp_path.iterdir()) == []


def test_a_development_key_is_made_once_readable_by_its_owner_and_kept_out_of_git(tmp_path: Path) -> None:
    [key] = signing_keys(Settings(debug=True), str(tmp_path / "app.py"))
    assert len(key) >= 32
    assert development_key(tmp_path) == key
    kept = tmp_path / ".erlen" / "secret_key"
    assert kept.read_text().strip() == key
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert (tmp_path / ".erlen" / ".gitignore").read_text() == "*\n"
    assert sorted(os.listdir(tmp_path / ".erlen")) == [".gitignore", "secret_key"]


def test_an_empty_key_file_is_no_key(tmp_path: Path) -> None:
    (tmp_path / ".erlen").mkdir()
    (tmp_path / ".erlen" / "secret_key").write_text("\n")
    assert len(development_key(tmp_path)) >= 32


def test_where_nothing_can_be_written_there_is_still_a_key(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    assert len(development_key(file)) >= 32


def test_a_session_without_a_key_says_which_setting_is_missing() -> None:
    app = App()

    @app.get("/")
    def visit(request: Request) -> int:
        request.session["n"] = 1
        return 1

    @app.get("/sign")
    def sign(signer: Signer) -> str:
        return "signed"

    site = app.freeze()
    for path in ("/", "/sign"):
        with Client(site) as client, pytest.raises(ConfigurationError, match="SECRET_KEY"):
            client.get(path)


def test_the_signer_is_provided() -> None:
    app = App()

    @app.get("/")
    def sign(signer: Signer) -> bool:
        return isinstance(signer, Signer)

    with Client(app, overrides={"secret_key": KEY}) as client:
        assert client.get("/").json() is True
