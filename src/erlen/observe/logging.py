"""Logs on one stream, the server's with them: lines for people in development, JSON in production."""

from __future__ import annotations

import linecache
import logging
import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TextIO

import msgspec

from erlen.app.settings import is_secret
from erlen.http.request import active_request
from erlen.observe.escape import escape, escape_json, escape_lines

if TYPE_CHECKING:
    from erlen.app.settings import Settings
    from erlen.http.request import Request

__all__ = ["JsonFormatter", "RequestFilter", "TextFormatter", "configure_logging"]

SERVERS = ("_granian", "granian.access", "uvicorn", "uvicorn.error", "uvicorn.access")
OWN = ("time", "level", "logger", "message", "request_id", "exception", "stack")
ACCESS = ("granian.access", "uvicorn.access")
# What every record has; the rest came with `extra`.
USUAL = {*vars(logging.makeLogRecord({})), "message", "asctime", "taskName", "request_id", "color_message"}
LEVEL_COLOURS = {logging.DEBUG: "2", logging.INFO: "32", logging.WARNING: "33", logging.ERROR: "31", logging.CRITICAL: "1;31"}
LONGEST = 10_000
DEEPEST = 6


def configure_logging(settings: Settings, stream: TextIO | None = None) -> None:
    """Write the logs of this process to one stream: the application's, Erlen's and the server's, access log included.

    `erlen run` and `erlen dev` call this in each worker once the application is loaded; nothing else does. Where the application has
    configured logging itself (the root logger has handlers), its handlers stay as they are: records only gain `request_id` for
    their formats, and the server's lines go to them too. Calling it again changes level and format.

    Args:
        settings: `log_level`, the least level that is written; `log_format`: `text`, `json`, or `auto` for text in debug mode.
        stream: where to, by default standard error.
    """
    root = logging.getLogger()
    ours = next((handler for handler in root.handlers if isinstance(handler, _Handler)), None)
    if ours is None and not root.handlers:
        ours = _Handler(stream or sys.stderr)
        root.addHandler(ours)
        logging.captureWarnings(True)
    for handler in root.handlers:
        if not any(isinstance(one, RequestFilter) for one in handler.filters):
            handler.addFilter(RequestFilter())
    if ours is not None:
        root.setLevel(settings.log_level.upper())
        text = settings.log_format == "text" or (settings.log_format == "auto" and settings.debug)
        ours.setFormatter(TextFormatter(colours=_wants_colours(ours.stream)) if text else JsonFormatter())
    for name in SERVERS:
        logger = logging.getLogger(name)
        for handler in [*logger.handlers]:
            logger.removeHandler(handler)
        logger.propagate = True


class RequestFilter(logging.Filter):
    """Gives each record `request_id`: that of the request in whose context it was logged, or `-`."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Keep every record."""
        if not hasattr(record, "request_id"):
            request = active_request.get(None)
            record.request_id = "-" if request is None else _id_of(request)
        return True


class TextFormatter(logging.Formatter):
    """One line for people: `12:30:01.250 info    shop.cart: added book=3 [2f6c81d0]`, and a traceback indented below it.

    In brackets is the beginning of the request's id.

    Args:
        colours: whether to colour it for a terminal.
    """

    def __init__(self, *, colours: bool = False) -> None:
        super().__init__()
        self.colours = colours

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        message, fields = _content(record)
        time = self.formatTime(record, "%H:%M:%S") + f".{int(record.msecs):03}"
        level = record.levelname.lower().ljust(7)
        said = message if record.name in ACCESS else f"{escape(record.name)}: {message}"
        parts = [self._paint(time, "2"), self._paint(level, LEVEL_COLOURS.get(record.levelno, "")), said]
        parts += [f"{escape(name)}={escape(_text(value))}" for name, value in fields.items()]
        request_id = getattr(record, "request_id", "-")
        if request_id != "-":
            parts.append(self._paint(f"[{escape(request_id)[:8]}]", "2"))
        lines = [" ".join(parts)]
        for text in filter(None, (_template_place(record), *_attached(self, record).values())):
            lines += [f"    {line}" for line in escape_lines(text).split("\n")]
        return "\n".join(lines)

    def _paint(self, text: str, code: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self.colours and code else text


class JsonFormatter(logging.Formatter):
    """One JSON object a line (RFC 8259).

    Its members are `time` (RFC 3339, UTC), `level`, `logger` and `message`; where there are any `request_id`, `method`, `path`,
    `exception` and `stack`; and what came with `extra`.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        from datetime import UTC, datetime

        message, fields = _content(record, escaped=False)
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        line: dict[str, Any] = {"time": time, "level": record.levelname.lower(), "logger": record.name, "message": message}
        request_id = getattr(record, "request_id", "-")
        if request_id != "-":
            line["request_id"] = request_id
        request = active_request.get(None)
        if request is not None:
            line |= {"method": request.method, "path": request.path}
        line |= _attached(self, record)
        line |= {f"{name}_" if name in OWN else name: _plain(value, 2) for name, value in fields.items()}
        return escape_json(msgspec.json.encode(_plain(line)).decode())


class _Handler(logging.StreamHandler[TextIO]):
    """The one handler that `configure_logging` adds."""


def _content(record: logging.LogRecord, *, escaped: bool = True) -> tuple[str, dict[str, Any]]:
    """Return the message, and what came with `extra`; secrets are masked by their names."""
    access = _access(record)
    message, fields = (record.getMessage(), {}) if access is None else access
    fields = {**fields, **{name: value for name, value in vars(record).items() if name not in USUAL}}
    masked = {name: "***" if is_secret(name) and value else value for name, value in fields.items()}
    if access is not None and escaped:
        masked = {}
    return escape(message) if escaped else message, masked


def _access(record: logging.LogRecord) -> tuple[str, dict[str, Any]] | None:
    """Return what a line of a server's access log says; None for any other record."""
    args: Any = record.args
    if record.name == "granian.access" and isinstance(args, Mapping):
        query = _masked_query(args["query_string"])
        target = f"{args['path']}?{query}" if query else args["path"]
        fields = {"method": args["method"], "path": args["path"], "query": query, "status": args["status"]}
        fields |= {"duration_ms": round(args["dt_ms"], 1), "client": args["addr"], "protocol": args["protocol"]}
        return f"{args['method']} {target} {args['status']} {args['dt_ms']:.1f} ms", fields
    if record.name == "uvicorn.access" and isinstance(args, tuple) and len(args) == 5:
        client, method, target, version, status = args
        path, _, query = str(target).partition("?")
        query = _masked_query(query)
        fields = {"method": method, "path": path, "query": query, "status": status, "client": client, "protocol": f"HTTP/{version}"}
        return f"{method} {f'{path}?{query}' if query else path} {status}", fields
    return None


def _masked_query(query: str) -> str:
    """Return a query string without the values of parameters whose names say that they are secret."""
    if not is_secret(query):  # nothing in it is
        return query
    pairs = (part.partition("=") for part in query.split("&"))
    return "&".join(f"{name}=***" if value and is_secret(name) else f"{name}{equals}{value}" for name, equals, value in pairs)


def _attached(formatter: logging.Formatter, record: logging.LogRecord) -> dict[str, str]:
    """Return the traceback and the stack that a record has."""
    traceback = record.exc_text or ""
    if record.exc_info and record.exc_info[0] is not None:
        traceback = formatter.formatException(record.exc_info)
    return {name: text for name, text in (("exception", traceback), ("stack", record.stack_info or "")) if text}


def _template_place(record: logging.LogRecord) -> str:
    """Return the line of a template that an exception comes from, innermost; nothing where it comes from none.

    The traceback goes through the handler and what renders before it comes there.
    """
    place, tb = "", record.exc_info[2] if record.exc_info else None
    while tb is not None:
        if "__jinja_exception__" in tb.tb_frame.f_globals:  # what Jinja2 puts a line of a template in place of
            file = tb.tb_frame.f_code.co_filename
            text = linecache.getline(file, tb.tb_lineno).strip()
            place = f'In the template "{file}", line {tb.tb_lineno}' + (f"\n    {text}" if text else "")
        tb = tb.tb_next
    return place


def _id_of(request: Request) -> str:
    try:
        return request.id
    except Exception:  # noqa: BLE001 - a request too malformed to have an id is still worth a line
        return "-"


def _text(value: Any) -> str:
    return value if isinstance(value, str) else str(_plain(value))


def _plain(value: Any, depth: int = 0) -> Any:
    """Return what JSON can hold of a value, of bounded depth and length, with secrets masked by their names."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, float):
        return float(value)
    if isinstance(value, int) and -(2**63) <= value < 2**63:
        return int(value)
    if isinstance(value, str):
        short = value if len(value) <= LONGEST or depth < 2 else value[:LONGEST] + "…"
        return short.encode("utf-8", "backslashreplace").decode()
    if depth < DEEPEST and isinstance(value, Mapping):
        pairs = [(_plain(str(name), depth), one) for name, one in value.items()]
        return {name: "***" if is_secret(name) and one else _plain(one, depth + 1) for name, one in pairs}
    if depth < DEEPEST and isinstance(value, list | tuple | set | frozenset):
        return [_plain(one, depth + 1) for one in value]
    try:
        shown = repr(value) if isinstance(value, list | dict | bytes) else str(value)
    except Exception as error:  # noqa: BLE001 - a value that cannot be shown must not lose the line
        shown = f"<{type(value).__name__} that raises {type(error).__name__} when shown>"
    return _plain(shown[:LONGEST], depth)


def _wants_colours(stream: TextIO) -> bool:
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
