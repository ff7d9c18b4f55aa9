from __future__ import annotations

import gc
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from erlen.doors.asgi import AsgiDoor
from erlen.doors.rsgi import RsgiDoor
from erlen.doors.wsgi import WsgiDoor
from erlen.server.worker import Door, load


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    path, modules, threshold, handler = list(sys.path), set(sys.modules), gc.get_threshold(), signal.getsignal(signal.SIGUSR1)
    yield
    sys.path[:] = path
    for name in ("app", "other"):
        sys.modules.pop(name, None)
    assert "app" not in modules
    gc.unfreeze()
    gc.set_threshold(*threshold)
    signal.signal(signal.SIGUSR1, handler)


@pytest.mark.parametrize(("door", "kind"), [("rsgi", RsgiDoor), ("asgi", AsgiDoor), ("wsgi", WsgiDoor)])
def test_the_door_of_an_application_is_loaded(app_folder: Path, door: Door, kind: type) -> None:
    assert isinstance(load(None, door, str(app_folder)), kind)
    assert gc.get_threshold()[0] == 50_000


def test_a_wsgi_worker_can_be_told_to_drain(app_folder: Path) -> None:
    entry = load("app", "wsgi", str(app_folder))
    assert isinstance(entry, WsgiDoor)
    signal.raise_signal(signal.SIGUSR1)
    assert entry.site.draining.started


def test_an_application_of_another_framework_is_served_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "other.py").write_text("def app(environ, start_response): ...")
    assert load("other", "wsgi", str(tmp_path)) is sys.modules["other"].app
