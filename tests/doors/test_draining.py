from __future__ import annotations

import asyncio
import signal
import threading

from erlen.doors.draining import Draining


def test_callbacks_are_called_once_from_any_thread() -> None:
    draining = Draining()
    calls: list[str] = []
    draining.on_start(lambda: calls.append("first"))
    draining.on_start(lambda: calls.append("taken back"))()
    thread = threading.Thread(target=draining.start)
    thread.start()
    thread.join()
    draining.start()
    draining.on_start(lambda: calls.append("late"))
    assert draining.started
    assert calls == ["first", "late"]


def test_a_loop_that_is_closed_does_not_matter() -> None:
    draining = Draining()
    calls: list[bool] = []
    loop = asyncio.new_event_loop()
    draining.on_start(lambda: loop.call_soon_threadsafe(print))
    draining.on_start(lambda: calls.append(True))
    loop.close()
    draining.start()
    assert calls == [True]


def test_a_signal_starts_it_before_the_server_hears_and_the_handlers_are_put_back() -> None:
    draining, other = Draining(), Draining()
    heard: list[bool] = []

    def handler(*_: object) -> None:
        heard.append(draining.started)

    before = signal.signal(signal.SIGTERM, handler)
    interrupt = signal.getsignal(signal.SIGINT)
    try:
        draining.watch_signals()
        signal.raise_signal(signal.SIGTERM)
        assert heard == [True]
        assert signal.getsignal(signal.SIGTERM) is handler
        assert signal.getsignal(signal.SIGINT) is interrupt
        other.watch_signals()
        signal.signal(signal.SIGTERM, handler)  # who came later is left alone
        other.start()
        assert signal.getsignal(signal.SIGTERM) is handler
        assert signal.getsignal(signal.SIGINT) is interrupt
    finally:
        signal.signal(signal.SIGTERM, before)


def test_signals_are_left_alone_outside_the_main_thread() -> None:
    before = signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=Draining().watch_signals)
    thread.start()
    thread.join()
    assert signal.getsignal(signal.SIGTERM) is before
