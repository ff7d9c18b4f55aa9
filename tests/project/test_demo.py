"""The demo does what its page offers, behind each door."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from erlen import App
from erlen.testing import Client

MakeClient = Callable[..., Client]
ROOT = Path(__file__).parents[2]
DEMO = ROOT / "examples" / "demo" / "app.py"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 20


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    """The demo from a copy of its folder, in which it keeps its books and what is uploaded."""
    copy = tmp_path_factory.mktemp("demo") / "demo"
    shutil.copytree(DEMO.parent, copy, ignore=shutil.ignore_patterns("covers", ".erlen", "__pycache__", "reading.db*"))
    spec = importlib.util.spec_from_file_location("demo_copy", copy / "app.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["demo_copy"] = module  # its annotations are looked up there
    spec.loader.exec_module(module)
    yield module
    del sys.modules["demo_copy"]


@pytest.fixture
def demo(module: ModuleType) -> App:
    """The demo as it is before its first start."""
    module.database.dispose()
    shutil.rmtree(module.COVERS, ignore_errors=True)
    for file in module.COVERS.parent.glob("reading.db*"):
        file.unlink()
    app: App = module.app
    return app


def test_the_typed_api(demo: App, client_for: MakeClient) -> None:
    client = client_for(demo)
    assert [book["title"] for book in client.get("/api/books").json()] == ["The Left Hand of Darkness", "Middlemarch"]
    added = client.post("/api/books", json={"title": "Dune", "state": "reading"})
    assert (added.status, added.json()["id"]) == (201, 3)
    assert client.get("/api/books/3").json()["title"] == "Dune"
    assert [book["title"] for book in client.get("/api/books?state=reading").json()] == ["Dune"]
    assert client.get("/api/books/4").status == 404
    wrong = client.post("/api/books", json={"title": "", "state": "lost", "more": 1})
    assert wrong.status == 422
    assert {error["location"][-1] for error in wrong.json()["errors"]} == {"title", "state", "more"}
    assert client.get("/api/books?limit=0").status == 422


def test_the_pages_and_their_forms(demo: App, client_for: MakeClient) -> None:
    client = client_for(demo)
    form = client.get("/books/new")
    (token,) = re.findall(r'name="csrf_token" value="([^"]+)"', form.text)
    evil = "<script>alert(1)</script>"
    answer = client.post("/books", data={"title": evil, "author": "", "csrf_token": token})
    assert (answer.status, answer.headers["location"]) == (303, "/")
    page = client.get("/")
    assert '<p class="flash" role="status">“&lt;script&gt;' in page.text
    assert evil not in page.text
    assert "3 books" in page.text
    assert client.post("/books/3/review", data={"stars": "5"}).status == 303
    assert "★★★★★" in client.get("/").text
    assert client.post("/books/3/review", data={"stars": "6"}).status == 422
    assert "Middlemarch" not in client.get("/?state=read").text


def test_a_form_with_faults_comes_back_with_what_was_typed(demo: App, client_for: MakeClient) -> None:
    client = client_for(demo)
    again = client.post("/books", data={"title": "", "author": 'Anon "A" <x>', "state": "reading"})
    assert again.status == 422
    assert 'value="Anon &#34;A&#34; &lt;x&gt;"' in again.text
    assert "<option selected>reading</option>" in again.text
    assert 'aria-invalid="true" aria-describedby="title-note"' in again.text
    assert client.get("/api/books").json()[-1]["id"] == 2


def test_errors_have_the_demos_own_pages(demo: App, client_for: MakeClient) -> None:
    client = client_for(demo, raise_errors=False)
    missing = client.get("/nowhere", headers={"accept": "text/html"})
    assert (missing.status, missing.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert "Back to the list" in missing.text
    broken = client.get("/trouble", headers={"accept": "text/html"})
    assert broken.status == 500
    assert "It has been noted" in broken.text
    assert "Traceback" not in broken.text


def test_what_the_pages_link_to_is_there(demo: App, client_for: MakeClient) -> None:
    client = client_for(demo)
    links = re.findall(r'(?:href|src)="(/static/[^"]+)"', client.get("/").text)
    assert len(links) == 3
    for link in links:
        assert client.get(link).status == 200


def test_cross_site_forms_are_refused(demo: App, client_for: MakeClient) -> None:
    client = client_for(demo)
    for fields in ({"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-site"}, {"origin": "https://evil.example"}):
        assert client.post("/books", data={"title": "Dune"}, headers=fields).status == 403
    assert len(client.get("/api/books").json()) == 2


def test_covers_go_up_and_down(demo: App, client_for: MakeClient) -> None:
    client = client_for(demo)
    assert client.get("/books/1/cover").status == 404
    assert client.post("/books/1/cover", files={"cover": ("../../evil.png", PNG, "image/png")}).status == 303
    cover = client.get("/books/1/cover")
    assert (cover.status, cover.content, cover.headers["content-type"]) == (200, PNG, "image/png")
    assert client.get("/books/1/cover", headers={"range": "bytes=1-3"}).content == b"PNG"
    assert client.get("/books/1/cover", headers={"if-none-match": cover.headers["etag"]}).status == 304
    assert client.post("/books/1/cover", files={"cover": ("a.html", b"<script>", "text/html")}).status == 415
    assert client.post("/books/1/cover", files={"cover": ("a.png", b"a" * 3_000_000, "image/png")}).status == 413
    assert client.get("/books/1/cover").content == PNG


@pytest.mark.parametrize("door", ["asgi", "rsgi"])
def test_the_stream_counts_the_books(demo: App, make_client: MakeClient, door: str) -> None:
    client = make_client(demo, door=door)
    with client.stream("GET", "/events?seconds=0.01") as stream:
        events = stream.iter_events()
        assert (next(events).event, next(events).json()) == ("count", {"books": 2})


def test_ending_make_ends_the_server_too(tmp_path: Path) -> None:
    # A machine where everything is installed, and a server that does nothing but run.
    for name in ("Makefile", "pyproject.toml"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    (tmp_path / "examples" / "demo").mkdir(parents=True)
    programs = tmp_path / ".venv" / "bin"
    programs.mkdir(parents=True)
    (programs / "python").symlink_to(sys.executable)
    server = programs / "erlen"
    server.write_text('#!/bin/sh\n[ "$1" = run ] || exit 0\necho $$ > pid.new && mv pid.new pid\nexec sleep 600\n')
    server.chmod(0o755)
    (tmp_path / ".venv" / ".standard").touch()
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MAKE")}
    file = tmp_path / "examples" / "demo" / "pid"
    with subprocess.Popen(["make", "demo"], cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as make:
        assert until(file.exists)
        pid = int(file.read_text())
        assert is_running(pid)
        make.terminate()
        make.wait(60)
    ended = until(lambda: not is_running(pid))
    if not ended:
        os.kill(pid, 9)
    assert ended


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def until(condition: Callable[[], object], seconds: float = 60) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return False
