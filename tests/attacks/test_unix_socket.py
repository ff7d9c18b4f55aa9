"""Mounted applications over a Unix socket, where a client has no address: who it is must not be guessed (attack class D)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.attacks.conftest import Live

pytestmark = pytest.mark.xdist_group("attacks")

APP = Path(__file__).with_name("mounting_app.py")
PROXIED = ("X-Forwarded-For: 192.0.2.7", "X-Forwarded-Proto: https", "X-Forwarded-Host: example.com:8443")


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A folder for sockets. Not pytest's: the path of a socket has at most 107 characters."""
    path = Path(mkdtemp(prefix="erlen-"))
    yield path
    rmtree(path, ignore_errors=True)


@pytest.fixture(scope="module")
def sockets(run: Callable[..., Live], folder: Path) -> Iterator[Callable[..., Live]]:
    """A function that serves the mounting application on a socket, once for each kind."""
    found: dict[tuple[str, str], Live] = {}

    def get(kind: str, trusted: str = "") -> Live:
        if (kind, trusted) not in found:
            option = ("--engine", "uvicorn") if kind == "uvicorn" else ("--door", kind)
            found[kind, trusted] = run(*option, app=APP, uds=folder / f"{kind}{len(found)}", TRUSTED_PROXIES=trusted)
        return found[kind, trusted]

    yield get
    for live in found.values():
        live.stop()


@pytest.mark.parametrize("kind", ["rsgi", "asgi", "uvicorn"])
@pytest.mark.parametrize("mounted", ["flask", "starlette"])
def test_mounted_applications_answer(sockets: Callable[..., Live], kind: str, mounted: str) -> None:
    live = sockets(kind)
    told = json.loads(live.ask(f"/{mounted}/tell?a=1", "Cookie: c=1; d=2", *PROXIED).text)
    assert told["url"] == f"http://example.com/{mounted}/tell?a=1"
    assert told["root"] == f"/{mounted}"
    assert told["cookies"] == {"c": "1", "d": "2"}
    assert not told["client"]
    assert live.send(f"/{mounted}/count", b"x" * 100_000, "text/plain").text == "100000"
    assert live.send(f"/{mounted}/count", b"x" * 100_000, "text/plain", chunked=True).text == "100000"
    assert live.ask(f"/{mounted}/tell", host="evil.example").status == 400


@pytest.mark.parametrize("kind", ["rsgi", "uvicorn"])
@pytest.mark.parametrize("mounted", ["flask", "starlette"])
def test_the_proxy_on_the_socket_is_believed_where_it_is_trusted(sockets: Callable[..., Live], kind: str, mounted: str) -> None:
    told = json.loads(sockets(kind, "unix").ask(f"/{mounted}/tell", *PROXIED).text)
    assert told["client"] == "192.0.2.7"
    # The host is the mounted application's own reading of `Host`, which the proxy passes on.
    assert told["url"].startswith("https://example.com")


def test_a_wsgi_site_on_a_socket(run: Callable[..., Live], tmp_path: Path, folder: Path) -> None:
    file = tmp_path / "app.py"
    file.write_text(
        "import flask\n"
        "from erlen import App, Request\n"
        "legacy = flask.Flask('legacy')\n"
        "legacy.add_url_rule('/tell', view_func=lambda: {'client': flask.request.remote_addr, 'url': flask.request.url})\n"
        "app = App()\n"
        "app.mount('/flask', legacy)\n"
    )
    live = run("--door", "wsgi", app=file, uds=folder / "socket")
    told = json.loads(live.ask("/flask/tell", *PROXIED, host="localhost").text)
    assert (told["client"] or "", told["url"]) == ("", "http://localhost/flask/tell")
    live.stop()
