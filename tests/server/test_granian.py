from __future__ import annotations

import json
import signal
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from erlen.server.granian import describe

if TYPE_CHECKING:
    from tests.server.conftest import Served

Serve = Callable[..., "Served"]
Ask = Callable[..., str]


def test_the_engine_describes_itself() -> None:
    assert describe().startswith("granian 2.")


@pytest.mark.parametrize("door", ["rsgi", "wsgi"])
def test_an_application_is_served_and_requests_are_finished_at_the_end(serve: Serve, ask: Ask, port: int, door: str) -> None:
    served = serve("granian", port=port, door=door, access_log=True)
    address = ("127.0.0.1", port)
    assert json.loads(ask(address))["pid"] > 0
    ask(address, "/a%0Aforged=1?q=1")
    slow: list[str] = []
    thread = threading.Thread(target=lambda: slow.append(ask(address, "/slow")))
    thread.start()
    assert served.wrote("slow begins")
    served.process.send_signal(signal.SIGTERM)
    assert served.process.wait(60) == 0
    thread.join()
    assert slow == ["slow"]
    assert "method=GET path='/' query='' status=200 duration_ms=" in served.output
    assert "\nforged" not in served.output
    assert "path='/a\\nforged=1' query='q=1' status=404" in served.output


def test_a_worker_that_dies_is_replaced(serve: Serve, ask: Ask, port: int) -> None:
    serve("granian", port=port)
    address = ("127.0.0.1", port)
    first = json.loads(ask(address))["pid"]
    ask(address, "/exit")
    end = time.monotonic() + 60
    body = ""
    while not body and time.monotonic() < end:
        time.sleep(0.05)
        body = ask(address)
    assert json.loads(body)["pid"] != first


def test_a_worker_that_is_still_loading_ends_at_once(serve: Serve, app_folder: Path, port: int) -> None:
    app = app_folder / "app.py"
    app.write_text("import time\nprint('loading', flush=True)\ntime.sleep(600)\n" + app.read_text())
    served = serve("granian", port=port, wait=False)
    assert served.wrote("loading")
    served.process.terminate()
    assert served.process.wait(60) == 0


def test_a_unix_socket_is_served_and_removed(serve: Serve, ask: Ask, app_folder: Path) -> None:
    path = app_folder / "s"
    served = serve("granian", uds=path)
    assert json.loads(ask(str(path)))["pid"] > 0
    served.process.terminate()
    served.process.wait(60)
    assert not path.exists()


def test_a_taken_port_is_told(serve: Serve, port: int) -> None:
    with socket.create_server(("127.0.0.1", port)):
        served = serve("granian", port=port, wait=False)
        assert served.process.wait(60) == 1
    assert f"Port {port} on 127.0.0.1 is taken" in served.output
