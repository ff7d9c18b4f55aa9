"""Where a server listens, checked before it is started: servers report a taken port badly, or not at all."""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path

from erlen.errors import ConfigurationError, Mistake

__all__ = ["check_listener", "check_tls"]


def check_listener(host: str, port: int, uds: Path | None = None) -> None:
    """Make sure that a server can listen on `host` and `port`, or on the Unix socket `uds` instead.

    A socket that was left by a server that died is removed.

    Raises:
        ConfigurationError: if the port is taken, reserved or out of range, or the host is none of this machine's; for a socket, if a
            server listens there, the path is another kind of file, or its folder does not exist.
    """
    if uds is not None:
        _check_socket_path(uds)
        return
    if not 0 < port < 65536:
        raise ConfigurationError(Mistake(f"{port} is not a port.", fix="Choose one from 1 to 65535, such as --port 8000."))
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        with socket.socket(family, kind, protocol) as probe:
            if os.name == "posix":
                # As servers do: connections that are closing do not count. Without SO_REUSEPORT, with which granian would share the
                # port of another granian without a word.
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise ConfigurationError(_describe(host, port, error)) from None


def check_tls(certificate: Path | None, key: Path | None) -> None:
    """Make sure that TLS can be served with a certificate and its key, both PEM files; without either there is nothing to check.

    Raises:
        ConfigurationError: if one of them is missing or cannot be read, they do not belong together, or the key has a password.
    """
    if certificate is None and key is None:
        return
    if certificate is None or key is None:
        raise ConfigurationError(Mistake("TLS needs a certificate and its key.", fix="Give both --tls-certificate and --tls-key."))
    import ssl

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password="")
    except OSError as error:
        fix = "Give a certificate and the key it was made with, as PEM files, the key without a password."
        raise ConfigurationError(Mistake(f"TLS cannot be served with {certificate} and {key}: {error}.", fix=fix)) from None


def _check_socket_path(path: Path) -> None:
    if not path.parent.is_dir():
        raise ConfigurationError(Mistake(f"There is no folder {path.parent} for the socket.", fix="Make it, or choose another path."))
    if not os.path.lexists(path):
        return
    if not path.is_socket():
        raise ConfigurationError(Mistake(f"{path} is there and is no socket.", fix="Choose another path for the socket."))
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
            return
        except OSError as error:
            raise ConfigurationError(Mistake(f"The socket {path} cannot be used: {error.strerror}.", fix="Choose another path.")) from None
    raise ConfigurationError(Mistake(f"Another server listens on {path}.", fix="Stop it, or choose another path for the socket."))


def _describe(host: str, port: int, error: OSError) -> Mistake:
    if error.errno == errno.EADDRINUSE:
        return Mistake(f"Port {port} on {host} is taken by another program.", fix=f"Stop it, or choose another port: --port {port + 1}.")
    if error.errno == errno.EACCES:
        return Mistake(f"Port {port} needs the rights of an administrator.", fix="Choose one from 1024 on, and let a proxy serve 443.")
    return Mistake(f"{host}:{port} cannot be listened on: {error.strerror}.", fix="Use 127.0.0.1, or 0.0.0.0 for all addresses.")
