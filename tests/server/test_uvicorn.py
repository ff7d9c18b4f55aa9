from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from erlen.server.uvicorn import available, describe

if TYPE_CHECKING:
    from tests.server.conftest import Served


def test_the_engine_describes_itself() -> None:
    assert available()
    assert describe().startswith("uvicorn 0.")


def test_an_application_is_served(serve: Callable[..., Served], ask: Callable[..., str], port: int) -> None:
    served = serve("uvicorn", port=port, access_log=True)
    assert json.loads(ask(("127.0.0.1", port)))["pid"] > 0
    served.process.send_signal(signal.SIGTERM)
    served.process.wait(8)
    assert '"GET / HTTP/1.1" 200' in served.output


def test_a_unix_socket_is_served(serve: Callable[..., Served], ask: Callable[..., str], app_folder: Path) -> None:
    path = app_folder / "s"
    serve("uvicorn", uds=path)
    assert json.loads(ask(str(path)))["pid"] > 0
