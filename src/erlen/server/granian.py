"""Serving with granian, behind two functions so that another engine can take its place."""

from __future__ import annotations

import multiprocessing
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from erlen.server.options import ServeOptions
from erlen.server.worker import load

__all__ = ["describe", "serve"]

ACCESS_LOG = (
    'time="%(time)s" method=%(method)s path=%(path)r query=%(query_string)r status=%(status)d duration_ms=%(dt_ms).1f '
    "client=%(addr)s protocol=%(protocol)s"
)

# Incremental: anything else would close the handlers that the application has set up.
TO_ROOT: dict[str, Any] = {"incremental": True, "formatters": {}, "handlers": {}}
TO_ROOT["loggers"] = {"_granian": {"propagate": True}, "granian.access": {"level": "INFO", "propagate": True}}

# Hyper reads a head into a buffer of this size and answers 431 when it is full; granian's own default is 400 KiB.
HEAD_SIZE = 128 * 1024


def describe() -> str:
    """Return the engine's name and version, for messages."""
    from granian import __version__

    return f"granian {__version__}"


def serve(options: ServeOptions) -> None:
    """Serve an application until a signal ends it (SIGTERM, SIGINT); SIGHUP replaces the workers one by one, with the code as it then is.

    Raises:
        ConfigurationError: if the address cannot be listened on, or TLS not be served.
    """
    from granian import Granian
    from granian.constants import HTTPModes, Interfaces, Loops, RuntimeModes, TaskImpl
    from granian.http import HTTP1Settings, HTTP2Settings
    from granian.log import LogLevels

    options.check()
    # Not forked: a worker would have the code that this process has loaded, also after a SIGHUP.
    multiprocessing.set_start_method("spawn", force=True)
    server = Granian(
        "erlen",
        address=options.host,
        port=options.port,
        uds=options.uds,
        uds_permissions=0o666,  # as uvicorn has it
        interface=Interfaces(options.door),
        workers=options.workers,
        # For the other doors the site has threads of its own.
        blocking_threads=options.threads if options.door == "wsgi" else None,
        runtime_mode=RuntimeModes.auto,
        loop=Loops.uvloop if find_spec("uvloop") is not None else Loops.asyncio,
        # Only this one gives each request a Context of its own.
        task_impl=TaskImpl.asyncio,
        http=HTTPModes.http1 if options.tls_certificate is None else HTTPModes.auto,
        websockets=False,
        http1_settings=HTTP1Settings(max_buffer_size=HEAD_SIZE),
        http2_settings=HTTP2Settings(max_headers_size=HEAD_SIZE, keep_alive_interval=30_000),
        log_level=LogLevels.warning,
        log_dictconfig=TO_ROOT if options.configure else None,
        log_access=options.access_log,
        # `%r` keeps line breaks in a path out of the log (OWASP ASVS 5.0 V16.4.1).
        log_access_format=ACCESS_LOG,
        ssl_cert=options.tls_certificate,
        ssl_key=options.tls_key,
        respawn_failed_workers=True,
        workers_kill_timeout=options.kill_timeout,
    )
    loader: Any = partial(load, options.target, options.door, str(Path.cwd()), options.configure)
    server.serve(target_loader=loader, wrap_loader=False)
