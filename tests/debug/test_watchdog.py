from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from erlen import App
from erlen.debug.watchdog import Watchdog, advice_for
from erlen.testing import Client

MakeClient = Callable[..., Client]


class Told(logging.Handler):
    """What the watchdog warned of. What blocks the loop waits for it, and so never for longer than it must."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[str] = []
        self.event = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())
        self.event.set()


@pytest.fixture
def told() -> Iterator[Told]:
    handler, logger = Told(), logging.getLogger("erlen.debug")
    logger.addHandler(handler)
    yield handler
    logger.removeHandler(handler)


def watch(work: Callable[[], object], *, beats: int, patience: float) -> None:
    async def main() -> None:
        dog = Watchdog(patience=patience, beat=0.005)
        dog.start()
        try:
            for _ in range(beats):
                work()
                await asyncio.sleep(0.02)
        finally:
            dog.stop()

    asyncio.run(main())
    assert not [thread for thread in threading.enumerate() if thread.name == "erlen-watchdog"]


def test_the_blocking_line_is_named_once(told: Told) -> None:
    seconds = [60, 0.08]

    def block() -> None:
        told.event.clear()
        told.event.wait(seconds.pop(0))

    watch(block, beats=2, patience=0.02)
    messages = [message for message in told.messages if "in block," in message]
    assert len(messages) == 1
    assert "test_watchdog.py:" in messages[0]
    assert "in block, has blocked the event loop" in messages[0]
    assert "told.event.wait(seconds.pop(0))" in messages[0]
    assert "make the handler `def`" in messages[0]


def test_a_loop_that_turns_is_left_alone(told: Told) -> None:
    asyncio.run(asyncio.sleep(0))
    dog = Watchdog()
    dog.start()  # without a loop there is nothing to watch
    dog.stop()
    watch(lambda: None, beats=3, patience=60)
    assert told.messages == []


def test_a_handler_that_blocks_is_named(client_for: MakeClient, told: Told) -> None:
    app = App()

    @app.get("/")
    async def blocking() -> str:
        told.event.wait(60)
        return "done"

    @app.get("/thread")
    def in_thread() -> str:
        time.sleep(0.05)
        return "done"

    client = client_for(app, debug=True)
    assert client.get("/thread").text == "done"
    assert not [message for message in told.messages if "in in_thread," in message]
    if client.door != "wsgi":
        assert client.get("/").text == "done"
        assert [message for message in told.messages if "in blocking, has blocked" in message]
    client.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "erlen-watchdog"]


@pytest.mark.parametrize(
    ("code", "modules", "part"),
    [
        ("time.sleep(3)", [], "asyncio.sleep"),
        ("page = requests.get(url)", [], "httpx"),
        ("page = fetch(url)", ["ssl", "urllib3.connection", "requests.api"], "httpx"),
        ("run(command)", ["subprocess"], "create_subprocess_exec"),
        ("rows = db.execute(query)", ["sqlalchemy.orm.session"], "asynchronous session"),
        ("total = compute()", [], "make the handler `def`"),
    ],
)
def test_the_advice_fits_the_call(code: str, modules: list[str], part: str) -> None:
    assert part in advice_for(code, modules)
