"""How an application is served, whatever the engine."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct

from erlen.server.address import check_listener, check_tls
from erlen.server.worker import Door

__all__ = ["ServeOptions"]


class ServeOptions(Struct, frozen=True, kw_only=True):
    """What an engine's `serve` takes."""

    target: str | None
    """The application, as `load_app` takes it, seen from the current folder; each worker imports and freezes it for itself."""
    door: Door = "rsgi"
    host: str = "127.0.0.1"
    port: int = 8000
    uds: Path | None = None
    """The path of a Unix socket, instead of host and port; the permissions of its folder say who may connect."""
    workers: int = 1
    threads: int = 16
    """Of a worker of the WSGI door; on the others the site has its own."""
    access_log: bool = False
    kill_timeout: int = 30
    """The seconds that a worker has to finish its requests before it is killed."""
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    """PEM files; both, or neither."""
    configure: str = ""
    """What configures logging in each worker, as for `load`; then the server's own lines go to the root logger."""

    def check(self) -> None:
        """Make sure that this can be served.

        Raises:
            ConfigurationError: if the address cannot be listened on, or TLS not be served.
        """
        check_tls(self.tls_certificate, self.tls_key)
        check_listener(self.host, self.port, self.uds)
