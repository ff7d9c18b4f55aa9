"""Serving with uvicorn, the second engine: ASGI only, pure Python where it has to be."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from erlen.errors import ConfigurationError, Mistake
from erlen.server.address import check_listener
from erlen.server.worker import load

__all__ = ["describe", "serve"]


def describe() -> str:
    """Return the engine's name and version, for messages.

    Raises:
        ConfigurationError: if uvicorn is missing.
    """
    if find_spec("uvicorn") is None:
        raise ConfigurationError(Mistake("uvicorn is not installed.", fix='Run: pip install "erlen[uvicorn]"'))
    from uvicorn import __version__

    return f"uvicorn {__version__}"


def serve(
    target: str | None,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    uds: Path | None = None,
    workers: int = 1,
    access_log: bool = False,
    kill_timeout: int = 30,
    tls_certificate: Path | None = None,
    tls_key: Path | None = None,
) -> None:
    """Serve an application by its ASGI door until a signal ends it (SIGTERM, SIGINT). The arguments are those of granian's `serve`.

    Raises:
        ConfigurationError: if the address cannot be listened on.
    """
    import uvicorn

    check_listener(host, port, uds)
    # Workers are started with the environment, not with arguments.
    os.environ[TARGET] = target or ""
    os.environ[FOLDER] = str(Path.cwd())
    uvicorn.run(
        "erlen.server.uvicorn:load_asgi",
        factory=True,
        interface="asgi3",
        host=host,
        port=port,
        uds=None if uds is None else str(uds),
        workers=workers,
        lifespan="on",
        ws="none",
        access_log=access_log,
        log_level="info" if access_log else "warning",
        # The site decides which proxies to trust.
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=kill_timeout,
        ssl_certfile=tls_certificate,
        ssl_keyfile=None if tls_key is None else str(tls_key),
        # A task must not see what another one set (uvicorn's note on CPython issue 140947).
        reset_contextvars=True,
    )


def load_asgi() -> Any:
    """Return the ASGI door of the application that `serve` was called with; a worker calls this."""
    return load(os.environ.get(TARGET) or None, "asgi", os.environ.get(FOLDER) or ".")


TARGET = "ERLEN_SERVE_TARGET"
FOLDER = "ERLEN_SERVE_FOLDER"
