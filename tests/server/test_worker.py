from __future__ import annotations

import gc
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from erlen.doors.asgi import AsgiDoor
from erlen.doors.rsgi import RsgiDoor
from erlen.doors.wsgi import WsgiDoor
from erlen.server.worker import Door, load


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    path, modules, threshold = list(sys.path), set(sys.modules), gc.get_threshold()
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    sys.path[:] = path
    for name in ("app", "other"):
        sys.modules.pop(name, None)
    assert "app" not in modules
    gc.unfreeze()
    gc.set_threshold(*threshold)
    # A worker loads once; here the thread that listens for signals must end before the next test loads.
    descriptor = signal.set_wakeup_fd(-1)
    if descriptor != -1:
        os.close(descriptor)
    for thread in threading.enumerate():
        if thread.name == "erlen-signals":
            thread.join()
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.mark.parametrize(("door", "kind"), [("rsgi", RsgiDoor), ("asgi", AsgiDoor), ("wsgi", WsgiDoor)])
def test_the_door_of_an_application_is_loaded(app_folder: Path, door: Door, kind: type) -> None:
    assert isinstance(load(None, door, str(app_folder)), kind)
    assert gc.get_threshold()[0] == 50_000


def test_a_wsgi_worker_drains_once_its_server_is_told_to_stop(app_folder: Path) -> None:
    entry = load("app", "wsgi", str(app_folder))
    assert isinstance(entry, WsgiDoor)
    heard: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: heard.append(number))  # as a server does, after it has loaded the application
    signal.raise_signal(signal.SIGTERM)
    end = time.monotonic() + 30
    while not entry.site.draining.started and time.monotonic() < end:
        time.sleep(0.01)
    assert entry.site.draining.started
    assert heard == [signal.SIGTERM]


def test_an_application_of_another_framework_is_served_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "other.py").write_text("def app(environ, start_response): ...")
    assert load("other", "wsgi", str(tmp_path)) is sys.modules["other"].app
