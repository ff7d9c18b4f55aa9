"""Serving with uvicorn, the second engine: ASGI only, pure Python where it has to be."""

from __future__ import annotations

import json
import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from erlen.errors import ConfigurationError, Mistake
from erlen.server.options import ServeOptions
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


def serve(options: ServeOptions) -> None:
    """Serve an application by its ASGI door until a signal ends it (SIGTERM, SIGINT).

    Raises:
        ConfigurationError: if the address cannot be listened on, or TLS not be served.
    """
    import uvicorn
    from uvicorn.config import LOGGING_CONFIG

    options.check()
    # Workers are started with the environment, not with arguments.
    os.environ[ARGUMENTS] = json.dumps([options.target, "asgi", str(Path.cwd()), options.configure])
    uvicorn.run(
        "erlen.server.uvicorn:load_asgi",
        factory=True,
        interface="asgi3",
        host=options.host,
        port=options.port,
        uds=None if options.uds is None else str(options.uds),
        workers=options.workers,
        lifespan="on",
        ws="none",
        access_log=options.access_log,
        log_config=None if options.configure else LOGGING_CONFIG,
        log_level="info" if options.access_log else "warning",
        # The site decides which proxies to trust.
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=options.kill_timeout,
        ssl_certfile=options.tls_certificate,
        ssl_keyfile=None if options.tls_key is None else str(options.tls_key),
        # A task must not see what another one set (uvicorn's note on CPython issue 140947).
        reset_contextvars=True,
    )


def load_asgi() -> Any:
    """Return the ASGI door of the application that `serve` was called with; a worker calls this."""
    return load(*json.loads(os.environ[ARGUMENTS]))


ARGUMENTS = "ERLEN_SERVE_ARGUMENTS"
