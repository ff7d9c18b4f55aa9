from __future__ import annotations

import contextlib
import io
import json
import logging
import logging.config
import os
import pty
import re
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from enum import IntEnum
from pathlib import Path
from typing import Any

import pytest

from erlen import App, Settings, render
from erlen.observe import configure_logging
from erlen.observe.logging import JsonFormatter, RequestFilter, TextFormatter
from erlen.templates import render_string
from erlen.testing import Client

MakeClient = Callable[..., Client]
Configure = Callable[[Settings], None]
LOGGERS = ["", "_granian", "granian.access", "uvicorn", "uvicorn.error", "uvicorn.access", "py.warnings", "shop"]


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """Logging is afterwards as it was."""
    loggers = [logging.getLogger(name) for name in LOGGERS]
    before = [(logger, [*logger.handlers], logger.level, logger.propagate) for logger in loggers]
    yield
    logging.captureWarnings(False)
    for logger, handlers, level, propagate in before:
        logger.handlers[:] = handlers
        logger.setLevel(level)
        logger.propagate = propagate


@pytest.fixture
def configure(stream: io.StringIO) -> Callable[[Settings], None]:
    """`configure_logging` in what counts as a fresh process: pytest has handlers of its own on the root logger."""

    def configure(settings: Settings) -> None:
        for name in LOGGERS:
            logger = logging.getLogger(name)
            logger.handlers[:] = [handler for handler in logger.handlers if "_pytest" not in type(handler).__module__]
        configure_logging(settings, stream)

    return configure


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


HOSTILE = "a\r\nERROR forged\x1b[2J\x00\x7f\x9b\x85\u2028\u2029\u202e\u2066\ufeff\udc80z"
HARMFUL = set("\r\n\x1b\x00\x7f\x9b\x85\u2028\u2029\u202e\u2066\ufeff")


def test_production_writes_one_json_object_a_line(configure: Configure, stream: io.StringIO) -> None:
    configure(Settings())
    logging.getLogger("shop").info("sold %d", 3, extra={"book": "Middlemarch", "price": 9.5})
    logging.getLogger("shop").debug("not this")
    (line,) = lines(stream)
    written = datetime.fromisoformat(line.pop("time"))
    assert written.utcoffset() == timedelta(0)
    assert line == {"level": "info", "logger": "shop", "message": "sold 3", "book": "Middlemarch", "price": 9.5}


def test_development_writes_lines_for_people(configure: Configure, stream: io.StringIO) -> None:
    configure(Settings(debug=True))
    logging.getLogger("shop").warning("sold %d", 3, extra={"book": "Middlemarch"})
    time, level, *rest = stream.getvalue().split()
    assert re.fullmatch(r"\d\d:\d\d:\d\d\.\d\d\d", time)
    assert (level, rest) == ("warning", ["shop:", "sold", "3", "book=Middlemarch"])


@pytest.mark.parametrize(
    ("settings", "is_json"),
    [
        (Settings(log_format="text"), False),
        (Settings(log_format="json", debug=True), True),
        (Settings(log_format="auto", debug=True), False),
        (Settings(), True),
    ],
)
def test_the_format_is_a_setting(configure: Configure, stream: io.StringIO, settings: Settings, is_json: bool) -> None:
    configure(settings)
    logging.getLogger("shop").info("x")
    assert stream.getvalue().startswith("{") == is_json


def test_so_is_the_level_and_the_last_call_counts(configure: Configure, stream: io.StringIO) -> None:
    configure(Settings(log_level="debug"))
    logging.getLogger("shop").debug("one")
    configure(Settings(log_level="error", debug=True))
    logging.getLogger("shop").warning("two")
    logging.getLogger("shop").error("three")
    first, second = stream.getvalue().splitlines()
    assert ("one" in first, first[0], "shop: three" in second) == (True, "{", True)
    assert len(logging.getLogger().handlers) == 1


@pytest.mark.parametrize("debug", [True, False])
def test_nothing_from_outside_forges_a_line_or_steers_a_terminal(configure: Configure, stream: io.StringIO, debug: bool) -> None:
    configure(Settings(debug=debug))
    try:
        raise ValueError(HOSTILE)
    except ValueError:
        logging.getLogger(f"shop{HOSTILE}").exception(HOSTILE, extra={"note": HOSTILE, "parts": {HOSTILE: [HOSTILE]}}, stack_info=True)
    text = stream.getvalue()
    assert HARMFUL & set(text) == {"\n"}
    first, *others = text.splitlines()
    assert "ERROR forged" in first
    if debug:
        assert others
        assert all(line.startswith("    ") for line in others)
    else:
        assert others == []


def test_json_readers_find_the_same_text(configure: Configure, stream: io.StringIO) -> None:
    configure(Settings())
    logging.getLogger("shop").info('a\r\n\x1b\u2028\u202e“ü"\\', extra={"note": "\x85"})
    assert (lines(stream)[0]["message"], lines(stream)[0]["note"]) == ('a\r\n\x1b\u2028\u202e“ü"\\', "\x85")


@pytest.mark.parametrize("debug", [True, False])
def test_secrets_are_masked_by_their_names(configure: Configure, stream: io.StringIO, debug: bool) -> None:
    configure(Settings(debug=debug))
    extra = {"password": "hunter2", "api_key": "hunter2", "user": {"name": "ann", "auth_token": "hunter2", "more": [{"secret": "hunter2"}]}}
    logging.getLogger("shop").info("signed in", extra=extra)
    assert "hunter2" not in stream.getvalue()
    assert stream.getvalue().count("***") == 4
    assert "ann" in stream.getvalue()


class Broken:
    def __repr__(self) -> str:
        raise RuntimeError("no")


class Size(IntEnum):
    LARGE = 3


def test_any_value_can_be_logged(configure: Configure, stream: io.StringIO) -> None:
    configure(Settings())
    nested: list[Any] = []
    nested.append(nested)
    values = {"a": Broken(), "b": nested, "c": 10**5000, "d": float("nan"), "e": b"\xff", "f": {1: {2}}, "g": Size.LARGE, "h": "x" * 50_000}
    logging.getLogger("shop").info("values", extra=values)
    (line,) = lines(stream)
    assert line["a"] == "<Broken that raises RuntimeError when shown>"
    assert (line["d"], line["e"], line["f"], line["g"]) == (None, "b'\\xff'", {"1": [2]}, 3)
    assert len(stream.getvalue()) < 30_000


def test_names_of_the_line_itself_are_kept(configure: Configure, stream: io.StringIO) -> None:
    configure(Settings())
    logging.getLogger("shop").info("x", extra={"time": 1, "level": 2, "logger": 3})
    (line,) = lines(stream)
    assert (line["time_"], line["level_"], line["logger_"], line["level"]) == (1, 2, 3, "info")


def test_tracebacks_are_there(configure: Configure, stream: io.StringIO) -> None:
    configure(Settings())
    try:
        raise ValueError("outer") from KeyError("inner")
    except ValueError:
        logging.getLogger("shop").exception("failed")
    (line,) = lines(stream)
    assert line["exception"].splitlines()[0] == "KeyError: 'inner'"
    assert line["exception"].splitlines()[-1] == "ValueError: outer"


def test_the_line_of_a_template_stands_above_the_way_to_it(
    configure: Configure, client_for: MakeClient, stream: io.StringIO, tmp_path: Path
) -> None:
    (tmp_path / "inner.html").write_text("<h1>Books</h1>\n{{ 1 / nothing }}\n")
    (tmp_path / "outer.html").write_text("<p>\n<p>\n{% include 'inner.html' %}\n")
    app = App(templates=tmp_path)

    @app.get("/")
    def home() -> str:
        return render("outer.html", nothing=0)

    @app.get("/text")
    def text() -> str:
        return render_string("\n\n{{ 1 / nothing }}", nothing=0)

    client = client_for(app, raise_errors=False)
    configure(Settings(log_format="text"))
    assert client.get("/").status == 500
    shown = stream.getvalue().splitlines()
    assert shown[1:4] == [
        f'    In the template "{tmp_path / "inner.html"}", line 2',
        "        {{ 1 / nothing }}",
        "    Traceback (most recent call last):",
    ]
    assert client.get("/text").status == 500
    shown = stream.getvalue().splitlines()[len(shown) :]
    assert shown[1:3] == ['    In the template "<template>", line 3', "    Traceback (most recent call last):"]
    logging.getLogger("shop").info("no exception")
    assert "template" not in stream.getvalue().splitlines()[-1]


def logging_app() -> App:
    app = App()

    @app.get("/loop")
    async def loop() -> str:
        logging.getLogger("shop").info("on the loop")
        return ""

    @app.get("/thread")
    def thread() -> str:
        logging.getLogger("shop").info("in a thread")
        return ""

    @app.get("/fail")
    def fail() -> str:
        raise ValueError("no")

    return app


def test_every_line_within_a_request_has_its_id_method_and_path(configure: Configure, client_for: MakeClient, stream: io.StringIO) -> None:
    client = client_for(logging_app(), raise_errors=False)
    configure(Settings())
    ids = [client.get(path).headers["x-request-id"] for path in ("/loop", "/thread", "/fail")]
    logging.getLogger("shop").info("outside")
    found = lines(stream)
    assert [line.get("request_id") for line in found] == [*ids, None]
    assert len(set(ids)) == 3
    assert [(line.get("method"), line.get("path")) for line in found] == [
        ("GET", "/loop"),
        ("GET", "/thread"),
        ("GET", "/fail"),
        (None, None),
    ]
    assert found[2]["exception"].endswith("ValueError: no")


def test_the_id_of_a_trusted_proxy_is_taken(configure: Configure, make_client: MakeClient, stream: io.StringIO) -> None:
    client = make_client(logging_app(), trusted_proxies=("*",))
    configure(Settings(debug=True))
    client.get("/loop", headers={"x-request-id": "abc123", "x-forwarded-for": "1.2.3.4"})
    assert stream.getvalue().rstrip().endswith("shop: on the loop [abc123]")


def test_logging_of_the_users_own_is_respected(configure: Configure, stream: io.StringIO, make_client: MakeClient, tmp_path: Path) -> None:
    config = {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"own": {"format": "OWN %(message)s %(request_id)s"}},
        "handlers": {"file": {"class": "logging.FileHandler", "filename": str(tmp_path / "log"), "mode": "w", "formatter": "own"}},
        "root": {"handlers": ["file"], "level": "WARNING"},
    }
    logging.getLogger().handlers[:] = []
    logging.config.dictConfig(config)
    configure(Settings(log_level="debug"))
    configure(Settings(log_level="debug"))
    logging.getLogger("shop").warning("mine")
    logging.getLogger("shop").info("not this")
    logging.getLogger("_granian").warning("the server's")
    (handler,) = logging.getLogger().handlers
    handler.close()
    assert (tmp_path / "log").read_text() == "OWN mine -\nOWN the server's -\n"
    assert stream.getvalue() == ""
    assert len(handler.filters) == 1


def access_record(**changes: Any) -> logging.LogRecord:
    request = {"addr": "10.0.0.1", "time": "", "dt_ms": 1.26, "status": 200, "path": "/a\nb", "query_string": "q=1", "method": "GET"}
    request |= {"scheme": "http", "protocol": "HTTP/1.1"}
    return logging.makeLogRecord(
        {"name": "granian.access", "msg": "%(path)s", "args": request | changes, "levelname": "INFO", "levelno": 20}
    )


def test_the_servers_access_log_is_on_the_same_stream(stream: io.StringIO) -> None:
    text = TextFormatter().format(access_record())
    assert text.endswith(" info    GET /a\\nb?q=1 200 1.3 ms")
    line = json.loads(JsonFormatter().format(access_record()))
    expected = {"method": "GET", "path": "/a\nb", "query": "q=1", "status": 200, "duration_ms": 1.3, "client": "10.0.0.1"}
    assert {name: line[name] for name in expected} == expected
    uvicorn = logging.makeLogRecord(
        {"name": "uvicorn.access", "msg": '%s - "%s %s HTTP/%s" %d', "args": ("10.0.0.1:5", "GET", "/a?q=1", "1.1", 404), "levelno": 20}
    )
    line = json.loads(JsonFormatter().format(uvicorn))
    assert (line["message"], line["status"], line["path"], line["query"]) == ("GET /a?q=1 404", 404, "/a", "q=1")
    target = "/reset?reset_token=hunter2&q=1&password=&flag"
    uvicorn.args = ("10.0.0.1:5", "GET", target, "1.1", 200)
    hidden = access_record(path="/reset", query_string=target.partition("?")[2])
    for record in (uvicorn, hidden):
        for formatter in (TextFormatter(), JsonFormatter()):
            shown = formatter.format(record)
            assert "hunter2" not in shown
            assert "/reset?reset_token=***&q=1&password=&flag" in shown


def test_handlers_of_the_server_give_way(configure: Configure, stream: io.StringIO) -> None:
    logging.getLogger("_granian").addHandler(logging.StreamHandler(sys.stdout))
    logging.getLogger("_granian").propagate = False
    configure(Settings(debug=True))
    logging.getLogger("_granian").error("worker died")
    assert "_granian: worker died" in stream.getvalue()
    assert stream.getvalue().count("worker died") == 1


def test_warnings_are_on_the_same_stream(configure: Configure, stream: io.StringIO) -> None:
    configure(Settings())
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("old", DeprecationWarning, stacklevel=1)
    assert "DeprecationWarning: old" in lines(stream)[0]["message"]


@pytest.mark.parametrize(("environment", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)])
def test_colours_only_for_a_terminal_that_wants_them(environment: dict[str, str], coloured: bool) -> None:
    code = (
        "import logging; from erlen import Settings; from erlen.observe import configure_logging\n"
        "configure_logging(Settings(debug=True)); logging.getLogger('shop').error('x')"
    )
    master, terminal = pty.openpty()
    clean = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "TERM")}
    subprocess.run([sys.executable, "-c", code], stderr=terminal, env={**clean, "TERM": "xterm", **environment}, check=True, timeout=120)
    os.close(terminal)
    written = b""
    with contextlib.suppress(OSError):  # how Linux says that nobody has the terminal open any more
        while data := os.read(master, 4096):
            written += data
    os.close(master)
    assert b"shop: x" in written
    assert (b"\x1b[31m" in written) == coloured


def test_nothing_is_configured_by_importing_or_serving(make_client: MakeClient) -> None:
    client = make_client(logging_app())
    client.get("/loop")
    assert [handler for handler in logging.getLogger().handlers if any(isinstance(one, RequestFilter) for one in handler.filters)] == []


def test_threads_of_ones_own_have_no_request(configure: Configure, stream: io.StringIO) -> None:
    configure(Settings())
    thread = threading.Thread(target=lambda: logging.getLogger("shop").info("x"))
    thread.start()
    thread.join()
    assert "request_id" not in lines(stream)[0]


def test_a_stream_that_is_closed_does_not_raise(configure: Configure, stream: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    configure(Settings())
    stream.close()
    monkeypatch.setattr(logging, "raiseExceptions", False)
    with contextlib.suppress(KeyboardInterrupt):
        logging.getLogger("shop").info("x")
