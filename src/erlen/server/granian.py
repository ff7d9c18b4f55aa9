"""Serving with granian, behind two functions so that another engine can take its place."""

from __future__ import annotations

import signal
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from erlen.errors import ConfigurationError, Mistake
from erlen.server.address import check_listener
from erlen.server.worker import Door, load

__all__ = ["describe", "serve"]

ACCESS_LOG = (
    'time="%(time)s" method=%(method)s path=%(path)r query=%(query_string)r status=%(status)d duration_ms=%(dt_ms).1f '
    "client=%(addr)s protocol=%(protocol)s"
)

# Hyper reads a head into a buffer of this size and answers 431 when it is full; granian's own default is 400 KiB.
HEAD_SIZE = 128 * 1024


def describe() -> str:
    """Return the engine's name and version, for messages."""
    from granian import __version__

    return f"granian {__version__}"


def serve(
    target: str | None,
    *,
    door: Door = "rsgi",
    host: str = "127.0.0.1",
    port: int = 8000,
    uds: Path | None = None,
    workers: int = 1,
    threads: int = 16,
    access_log: bool = False,
    kill_timeout: int = 30,
    tls_certificate: Path | None = None,
    tls_key: Path | None = None,
) -> None:
    """Serve an application until a signal ends it (SIGTERM, SIGINT); SIGHUP replaces the workers one by one.

    Args:
        target: the application, as `load_app` takes it, seen from the current folder; each worker imports and freezes it for itself.
        door: the interface.
        uds: the path of a Unix socket, instead of host and port.
        workers: processes.
        threads: of a worker of the WSGI door; on the others the site has its own.
        access_log: write a line for each request.
        kill_timeout: the seconds that a worker has to finish its requests before it is killed.
        tls_certificate, tls_key: PEM files; both, or neither.

    Raises:
        ConfigurationError: if the address cannot be listened on.
    """
    from granian import Granian
    from granian.constants import HTTPModes, Interfaces, Loops, RuntimeModes, TaskImpl
    from granian.http import HTTP1Settings, HTTP2Settings
    from granian.log import LogLevels

    if (tls_certificate is None) != (tls_key is None):
        raise ConfigurationError(Mistake("TLS needs a certificate and its key.", fix="Give both --tls-certificate and --tls-key."))
    check_listener(host, port, uds)
    server = Granian(
        "erlen",
        address=host,
        port=port,
        uds=uds,
        interface=Interfaces(door),
        workers=workers,
        # For the other doors the site has threads of its own.
        blocking_threads=threads if door == "wsgi" else None,
        runtime_mode=RuntimeModes.auto,
        loop=Loops.uvloop if find_spec("uvloop") is not None else Loops.asyncio,
        # Only this one gives each request a Context of its own.
        task_impl=TaskImpl.asyncio,
        http=HTTPModes.http1 if tls_certificate is None else HTTPModes.auto,
        websockets=False,
        http1_settings=HTTP1Settings(max_buffer_size=HEAD_SIZE),
        http2_settings=HTTP2Settings(max_headers_size=HEAD_SIZE, keep_alive_interval=30_000),
        log_level=LogLevels.warning,
        log_access=access_log,
        # `%r` keeps line breaks in a path out of the log (OWASP ASVS 5.0 V16.4.1).
        log_access_format=ACCESS_LOG,
        ssl_cert=tls_certificate,
        ssl_key=tls_key,
        respawn_failed_workers=True,
        workers_kill_timeout=kill_timeout,
    )
    loader: Any = partial(_load, target, door, str(Path.cwd()))  # picklable, for workers that are spawned
    server.serve(target_loader=loader, wrap_loader=False)


def _load(target: str | None, door: Door, folder: str) -> object:
    # A forked worker inherits the main process's handlers, which only set a flag: until granian sets the worker's own, a SIGTERM
    # would be lost and the main process wait in vain. There is nothing to finish yet, so it may end the worker.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    return load(target, door, folder)
