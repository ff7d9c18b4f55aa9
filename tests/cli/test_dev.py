"""`erlen dev` in real processes: what starts it again, what does not, and how it ends."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING

import pytest
from click.testing import Result

from erlen.cli.dev import is_open_to_others

if TYPE_CHECKING:
    from tests.cli.conftest import Development

Develop = Callable[..., "Development"]
Waits = Callable[..., bool]

APP = """
    import os
    from pathlib import Path
    from erlen import App

    app = App()

    @app.get("/")
    def home() -> str:
        return "old"

    @app.get("/pid")
    def pid() -> str:
        return str(os.getpid())

    @app.get("/reload")
    def reload() -> str:
        return Path(os.environ["ERLEN_RELOAD_FILE"]).read_text()

    @app.get("/private")
    def private() -> str:
        return str(Path(os.environ["ERLEN_RELOAD_FILE"]).parent)

    @app.get("/leave")
    def leave() -> None:
        os._exit(7)

    @app.get("/setting")
    def setting() -> str:
        return os.environ.get("GREETING", "") + os.environ["DEBUG"]
"""


def gone(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    try:  # dead, and nobody has asked for its exit code yet
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def test_only_what_matters_starts_it_again(develop: Develop, waits: Waits) -> None:
    running = develop(
        {"app.py": APP, "templates/home.html": "a", "data.db": "", "site.log": "", ".git/index.py": "", "tests/test_x.py": ""}
    )
    assert running.ask() == "old"
    first = running.ask("/pid")
    running.change("site.log", "a line")
    running.change("data.db", "a row")
    running.change(".git/index.py", "x = 1")
    running.change("tests/test_x.py", "x = 1")
    running.change("app.py", APP)
    running.change("templates/home.html", "b")
    assert waits(lambda: "home.html" in running.ask("/reload"))
    assert running.ask("/pid") == first
    assert running.wrote("templates/home.html changed: browsers load it anew")
    assert "restarted" not in running.output
    running.change("app.py", APP.replace("old", "two"))
    assert running.wrote("app.py changed: restarted in ")
    assert running.ask() == "two"
    assert running.ask("/pid") != first
    assert running.output.count("restarted") == 1


def test_a_change_of_the_same_size_within_a_second_is_not_taken_for_what_was_compiled_before(develop: Develop) -> None:
    running = develop({"app.py": APP}, PYTHONDONTWRITEBYTECODE="")
    assert running.ask() == "old"
    file, whole = running.folder / "app.py", running.folder / "app.new"
    whole.write_text(dedent(APP.replace("old", "two")))
    os.utime(whole, ns=(file.stat().st_atime_ns, file.stat().st_mtime_ns))
    whole.replace(file)
    assert running.wrote("app.py changed: restarted")
    assert running.ask() == "two"


def test_a_new_module_and_settings_start_it_again(develop: Develop) -> None:
    pytest.importorskip("dotenv")
    running = develop({"app.py": APP, ".env": "GREETING=hello\n"})
    assert running.ask("/setting") == "hello1"
    running.change(".env", "GREETING=bye\n")
    assert running.wrote(".env changed: restarted")
    assert running.ask("/setting") == "bye1"
    running.change("shop/prices.py", "PRICE = 3\n")
    assert running.wrote("shop/prices.py changed: restarted")


def test_the_environment_may_turn_debug_mode_off(develop: Develop) -> None:
    running = develop({"app.py": APP}, DEBUG="0", SECRET_KEY="0123456789abcdefghijklmnopqrstuvwxyz")
    assert running.ask("/setting") == "0"
    assert "debug    off" in running.output


def test_a_module_outside_of_the_folder_is_followed_once_it_is_imported(develop: Develop, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "prices_of_elsewhere.py").write_text("PRICE = 3\n")
    price = """
    @app.get("/price")
    def price() -> int:
        import prices_of_elsewhere
        return prices_of_elsewhere.PRICE
    """
    source = APP + price
    running = develop({"app.py": source}, PYTHONPATH=str(elsewhere))
    assert running.ask("/price") == "3"
    time.sleep(0.1)
    end = time.monotonic() + 60
    while "restarted" not in running.output and time.monotonic() < end:  # it is known a moment after its import
        (elsewhere / "prices_of_elsewhere.py").write_text(f"PRICE = 4  # {time.monotonic()}\n")
        time.sleep(0.1)
    assert running.wrote("prices_of_elsewhere.py changed: restarted")
    assert running.ask("/price") == "4"


def test_an_application_that_writes_files_when_it_starts_does_not_start_for_ever(develop: Develop) -> None:
    writes = """
    import time
    from pathlib import Path
    Path("version.py").write_text(f"BUILT = {time.time_ns()}")
    Path("start.log").write_text(str(time.time_ns()))
    """
    running = develop({"app.py": writes + APP})
    assert running.wrote("version.py is written whenever the application starts")
    pid = running.ask("/pid")
    assert running.output.count("restarted") <= 2
    time.sleep(0.1)
    assert running.ask("/pid") == pid
    running.change("app.py", writes + APP.replace("old", "two"))
    assert running.wrote("app.py changed: restarted")
    assert running.ask() == "two"


def test_an_error_is_shown_and_the_next_save_recovers(develop: Develop) -> None:
    running = develop({"app.py": APP})
    running.change("app.py", APP.replace('"old"', '"old'))
    assert running.wrote("SyntaxError: unterminated string literal")
    assert 'app.py:10\n        return "old\n               ^' in running.output
    assert "unterminated string literal" in running.ask(Accept="text/html")
    running.change("app.py", APP + "\n    import nothing_like_this\n")
    assert running.wrote("ModuleNotFoundError: No module named 'nothing_like_this'")
    assert "nothing_like_this" in running.ask()
    running.change("app.py", APP + "\n    @app.get('/{')\n    def wrong() -> str: ...\n    @app.get('/x')\n    def more(y) -> str: ...\n")
    assert running.wrote("2 mistakes in this application")
    running.change("app.py", APP + "\n    @app.on_startup\n    def start() -> None:\n        raise RuntimeError('no database')\n")
    assert running.wrote("RuntimeError: no database")
    assert "no database" in running.ask()
    running.change("app.py", APP.replace("old", "again"))
    assert running.wrote("app.py changed: restarted")
    assert running.ask() == "again"
    assert running.output.count("restarted") == 1
    assert "Traceback" not in running.output


def test_an_error_at_the_very_start_is_mended_too(develop: Develop) -> None:
    running = develop({"app.py": "import sys\nsys.exit('not now')\n"}, wait="The application does not load")
    assert running.wrote("SystemExit: the application ends its process while it loads (code 'not now')")
    running.change("app.py", APP)
    assert running.wrote("restarted")
    assert running.ask() == "old"


def test_a_server_process_that_dies_is_told_and_starts_after_a_change(develop: Develop) -> None:
    running = develop({"app.py": APP})
    with pytest.raises(OSError, match=r"closed connection|reset by peer"):
        running.ask("/leave")
    assert running.wrote("The server process ended by itself (exit code 7)")
    assert "exit code 7" in running.ask()
    running.change("app.py", APP.replace("old", "two"))
    assert running.wrote("restarted")
    assert running.ask() == "two"


def test_open_streams_and_slow_requests_do_not_hold_a_restart_up(develop: Develop) -> None:
    source = """
        import time
        from collections.abc import AsyncIterator
        from erlen import App, Event
        app = App()

        @app.get("/events")
        async def events() -> AsyncIterator[Event]:
            import asyncio
            while True:
                yield Event(data="tick")
                await asyncio.sleep(0.05)

        @app.get("/slow")
        def slow() -> str:
            time.sleep(600)
            return "slow"

        @app.get("/")
        def home() -> str:
            return "old"
    """
    running = develop({"app.py": source})
    assert "door     asgi: events streams" in running.output
    with socket.create_connection(("127.0.0.1", running.port)) as stream, socket.create_connection(("127.0.0.1", running.port)) as slow:
        stream.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b"tick" in stream.recv(4096) + stream.recv(4096)
        slow.sendall(b"GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n")
        running.change("app.py", source.replace("old", "two"))
        assert running.wrote("restarted")
        assert running.ask() == "two"
    assert "Error" not in running.output


def test_ctrl_c_ends_it_without_a_word(develop: Develop, waits: Waits) -> None:
    running = develop({"app.py": APP})
    child = int(running.ask("/pid"))
    running.interrupt()
    assert running.process.wait(60) == 0
    assert gone(child)
    assert "Traceback" not in running.output
    assert "KeyboardInterrupt" not in running.output
    assert "ended by itself" not in running.output


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_no_process_is_left_however_it_ends(develop: Develop, waits: Waits, how: signal.Signals) -> None:
    running = develop({"app.py": APP})
    child, private = int(running.ask("/pid")), Path(running.ask("/private"))
    assert private.is_dir()
    running.process.send_signal(how)
    running.process.wait(60)
    assert waits(lambda: gone(child))
    assert not private.exists()


def test_without_reloading_there_is_one_process(develop: Develop) -> None:
    running = develop({"app.py": APP}, "--no-reload")
    assert int(running.ask("/pid")) == running.process.pid
    running.interrupt()
    assert running.process.wait(60) == 0
    assert "Traceback" not in running.output


def test_requests_are_logged_with_their_ids_and_without_forged_lines(develop: Develop) -> None:
    log = """
    @app.get("/log")
    def log(text: str) -> str:
        import logging
        logging.getLogger("shop").info("said %s", text)
        return ""
    """
    logs = APP + log
    running = develop({"app.py": logs})
    running.ask("/log?text=a%0AERROR%20forged%1b[2J")
    assert running.wrote("shop: said a\\nERROR forged\\x1b[2J [")
    assert running.wrote("GET /log?text=")
    assert "\nERROR" not in running.output


def test_a_taken_port_is_told_with_who_has_it(run: Callable[..., Result], folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = run("dev", "--port", str(port))
    assert refused.exit_code == 1
    assert f"Port {port} on 127.0.0.1 is taken" in refused.output
    assert f"--port {port + 1}" in refused.output
    if Path("/proc/net/tcp").exists():
        assert f"(process {os.getpid()})" in refused.output


@pytest.mark.parametrize(
    ("address", "is_open"),
    [("127.0.0.1", False), ("::1", False), ("0.0.0.0", True), ("::", True), ("192.168.1.7", True), ("fe80::1%lo", True)],
)
def test_an_address_for_others_is_told_from_one_for_this_machine(address: str, is_open: bool) -> None:
    assert is_open_to_others(address) == is_open


def test_a_browser_is_opened_once_it_serves(develop: Develop, waits: Waits, tmp_path: Path) -> None:
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" >> {tmp_path}/opened\n')
    browser.chmod(0o755)
    running = develop({"app.py": APP}, "--open", BROWSER=f"{browser} %s")
    assert waits((tmp_path / "opened").exists)
    running.change("app.py", APP.replace("old", "new"))
    assert running.wrote("restarted")
    assert (tmp_path / "opened").read_text() == f"http://127.0.0.1:{running.port}\n"


def test_folders_of_templates_and_static_files_are_watched_whatever_they_are_called(develop: Develop, waits: Waits) -> None:
    named = APP.replace("App()", 'App(templates="pages", static="../files")')
    running = develop({"site/app.py": named, "site/pages/home.txt": "a", "files/logo.bin": "a"}, "--app", "site/app.py")
    running.change("site/pages/home.txt", "b")
    assert running.wrote("pages/home.txt changed: browsers load it anew")
    running.change("files/logo.bin", "b")
    assert running.wrote("logo.bin changed: browsers load it anew")
    assert "restarted" not in running.output


def test_folders_that_plugins_name_are_watched_too(develop: Develop) -> None:
    used = APP.replace(
        "app = App()",
        """
    from erlen.static import Static
    from erlen.templates import Templates

    app = App()
    app.use(Templates("pages"))
    app.use(Static("files"))
    app.use(Static("frontend", prefix="/console"))
    """,
    )
    files = {"site/pages/home.txt": "a", "site/files/logo.bin": "a", "site/frontend/index.bin": "a"}
    running = develop({"site/app.py": used, **files}, "./site/app.py")
    for name in files:
        running.change(name, "b")
        assert running.wrote(f"{name} changed: browsers load it anew")
    assert "restarted" not in running.output


def test_without_an_application_it_says_where_it_looked(develop: Develop) -> None:
    running = develop({"notes.txt": ""}, wait="No application was found")
    assert running.process.wait(60) == 1
