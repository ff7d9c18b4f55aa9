"""Keys that sort by when they were made."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from uuid import RFC_4122, UUID

import pytest

from erlen.db.columns import uuid7


def milliseconds(key: UUID) -> int:
    return key.int >> 80


def test_its_parts_are_those_of_rfc_9562() -> None:
    before = time.time_ns() // 1_000_000
    key = uuid7()
    assert key.version == 7
    assert key.variant == RFC_4122
    assert milliseconds(key) >= before
    assert milliseconds(key) <= time.time_ns() // 1_000_000 + 1


def test_each_is_greater_than_the_one_before() -> None:
    keys = [uuid7() for _ in range(20_000)]
    assert keys == sorted(set(keys))


def test_threads_share_one_order() -> None:
    made: list[list[UUID]] = [[] for _ in range(4)]
    threads = [threading.Thread(target=lambda keys=keys: keys.extend(uuid7() for _ in range(5000))) for keys in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({key for keys in made for key in keys}) == 20_000
    assert all(keys == sorted(keys) for keys in made)


def test_a_forked_process_makes_others() -> None:
    code = """
import os
from erlen.db.columns import uuid7
uuid7()
reader, writer = os.pipe()
if os.fork() == 0:
    os.write(writer, b"".join(uuid7().bytes for _ in range(100)))
    os._exit(0)
mine = [uuid7().bytes for _ in range(100)]
os.wait()
theirs = os.read(reader, 1600)
print(len({*mine, *(theirs[at : at + 16] for at in range(0, 1600, 16))}))
"""
    if hasattr(os, "fork"):
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == "200"


def test_the_clock_may_be_set_back(monkeypatch: pytest.MonkeyPatch) -> None:
    first, real = uuid7(), time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: real() - 10**12)
    assert uuid7() > first
