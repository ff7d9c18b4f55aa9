from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from erlen import App, ConfigurationError
from erlen.debug.failure import failure_app
from erlen.server.target import load_app
from erlen.testing import Client

MakeClient = Callable[..., Client]
BROWSER = {"accept": "text/html"}


def failure_of(function: Callable[[], object]) -> BaseException:
    try:
        function()
    except BaseException as error:  # noqa: BLE001 - what it raises is the matter
        return error
    raise AssertionError("it does not fail")


@pytest.fixture
def broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], BaseException]:
    """Return what loading an application with this source raises."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def load(source: str) -> BaseException:
        name = f"broken_{abs(hash(source))}"
        (tmp_path / f"{name}.py").write_text(source)
        return failure_of(lambda: load_app(f"{name}:app", folder=tmp_path))

    return load


def test_every_request_is_answered_with_the_syntax_error(
    client_for: MakeClient, broken: Callable[[str], BaseException], tmp_path: Path
) -> None:
    client = client_for(failure_app(broken("from erlen import App\napp = App(\n\ndef home(:\n"), tmp_path), raise_errors=False)
    for method, path in (("GET", "/"), ("POST", "/any/where?x=1"), ("DELETE", "/static/site.css"), ("GET", "/__erlen__/console")):
        answer = client.request(method, path, headers=BROWSER)
        assert answer.status == 500
        assert "SyntaxError" in answer.text
        assert "def home" in answer.text
        assert answer.headers["cache-control"] == "no-store"
    assert client.get("/", headers={"accept": "text/plain"}).text.startswith("SyntaxError: ")
    told = client.get("/", headers={"accept": "application/json"})
    assert told.media_type == "application/problem+json"
    assert "SyntaxError" in told.json()["detail"]


def test_a_missing_module_has_its_fix(client_for: MakeClient, broken: Callable[[str], BaseException], tmp_path: Path) -> None:
    client = client_for(failure_app(broken("import no_such_package_anywhere\n"), tmp_path))
    page = client.get("/", headers=BROWSER).text
    assert "pip install no-such-package-anywhere" in page
    assert 'aria-current="true"><span class="number">1</span><code>' in page


def test_mistakes_are_shown_with_their_source_and_fix(client_for: MakeClient) -> None:
    app = App()
    app.get("/twice")(lambda: "")
    app.get("/twice")(lambda: "")
    app.get("/{open")(lambda: "")
    page = client_for(failure_app(failure_of(app.freeze))).get("/", headers=BROWSER).text
    assert "2 mistakes" in page
    assert "GET /twice is answered twice" in page
    assert "remove one, or make the paths differ" in page
    assert "app.get(&#34;/{open&#34;)(lambda: &#34;&#34;)" in page


def test_it_answers_whatever_is_wrong_with_the_settings(client_for: MakeClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    wrong = {"DEBUG": "perhaps", "THREADS": "many", "ALLOWED_HOSTS": "http://", "CONTENT_SECURITY_POLICY": "nonsense x"}
    for name, value in wrong.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "templates").mkdir()
    monkeypatch.setenv("DATABASE_PASSWORD", "sesame-open")
    error = failure_of(App().freeze)
    assert isinstance(error, ConfigurationError)
    answer = client_for(failure_app(error, tmp_path)).get("/", headers=BROWSER)
    assert answer.status == 500
    assert "THREADS" in answer.text
    assert "sesame-open" not in answer.text


def test_attack_other_hosts_see_nothing_of_it(client_for: MakeClient, monkeypatch: pytest.MonkeyPatch) -> None:
    client = client_for(failure_app(ValueError("internal")))
    refused = client.get("/", headers={**BROWSER, "host": "evil.example"})
    assert (refused.status, "internal" in refused.text) == (400, False)
    monkeypatch.setenv("ALLOWED_HOSTS", "dev.example")
    assert client_for(failure_app(ValueError("internal"))).get("/", headers={**BROWSER, "host": "dev.example"}).status == 500


def test_hosts_of_the_environment_are_answered_beside_settings_that_only_the_application_knows(
    client_for: MakeClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "settings.toml").write_text('site_name = "Books"\n')
    monkeypatch.setenv("ALLOWED_HOSTS", "dev.example")
    client = client_for(failure_app(ValueError("internal"), tmp_path))
    assert client.get("/", headers={**BROWSER, "host": "dev.example"}).status == 500
    assert client.get("/", headers={**BROWSER, "host": "evil.example"}).status == 400


def test_the_page_reloads_itself(client_for: MakeClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert "reload.js" not in client_for(failure_app(ValueError())).get("/", headers=BROWSER).text
    file = tmp_path / "reload"
    file.touch()
    monkeypatch.setenv("ERLEN_RELOAD_FILE", str(file))
    client = client_for(failure_app(ValueError()))
    page = client.get("/", headers=BROWSER).text
    assert page.count('src="/__erlen__/reload.js"') == 1
    assert client.get("/__erlen__/reload.js").status == 200
    if client.door == "wsgi":
        assert "event: version" in client.get("/__erlen__/reload").text
