"""How a process that served ends."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

LEAVES = """
import atexit, threading, time
from erlen.cli.worker import leave

class Taken:
    def __del__(self):
        print("taken apart", flush=True)

taken = Taken()
atexit.register(print, "third")
atexit.register(print, "second")
threading.Thread(target=lambda: (time.sleep(0.2), print("first"))).start()
leave()
"""

WORKER = """
import multiprocessing, sys
from erlen import Settings
from erlen.cli.worker import prepare

def work(fails):
    prepare(Settings())
    if fails:
        sys.exit(3)

if __name__ == "__main__":
    spawn = multiprocessing.get_context("spawn")
    for fails in (False, True):
        process = spawn.Process(target=work, args=(fails,))
        process.start()
        process.join()
        print(process.exitcode)
"""


def output_of(program: Path) -> str:
    answer = subprocess.run([sys.executable, str(program)], capture_output=True, text=True, timeout=120, check=False)
    assert (answer.returncode, answer.stderr) == (0, "")
    return answer.stdout


def test_what_waits_for_the_end_is_done_and_the_rest_is_left(tmp_path: Path) -> None:
    program = tmp_path / "leaves.py"
    program.write_text(LEAVES)
    assert output_of(program).split() == ["first", "second", "third"]


def test_a_worker_that_fails_keeps_its_exit_code(tmp_path: Path) -> None:
    program = tmp_path / "worker.py"
    program.write_text(WORKER)
    assert output_of(program).split() == ["0", "3"]
