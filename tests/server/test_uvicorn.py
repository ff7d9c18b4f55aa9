from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from erlen.server.uvicorn import describe

if TYPE_CHECKING:
    from tests.server.conftest import Served


def test_the_engine_describes_itself() -> None:
    assert describe().startswith("uvicorn 0.")


def test_an_application_is_served_on_a_unix_socket(serve: Callable[..., Served], ask: Callable[..., str], app_folder: Path) -> None:
    path = app_folder / "s"
    served = serve("uvicorn", uds=path, access_log=True)
    assert json.loads(ask(str(path)))["pid"] > 0
    served.process.send_signal(signal.SIGTERM)
    served.process.wait(8)
    assert '"GET / HTTP/1.1" 200' in served.output
