"""What the tests of development share: clients in debug mode, and nothing of the developer's own shell."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from erlen import App
from erlen.testing import Client

BROWSER = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ERLEN_RELOAD_FILE", "ERLEN_EDITOR", "EDITOR_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def debug_client(client_for: Callable[..., Client]) -> Callable[..., Client]:
    """A browser in front of an application in debug mode, through each door."""

    def make(app: App, **settings: object) -> Client:
        return client_for(app, debug=True, raise_errors=False, **settings)

    return make


@pytest.fixture
def browse(debug_client: Callable[..., Client]) -> Callable[..., str]:
    """Return the text of a page as a browser gets it."""

    def get(app: App, path: str, method: str = "GET", **settings: object) -> str:
        return debug_client(app, **settings).request(method, path, headers=BROWSER).text

    return get
