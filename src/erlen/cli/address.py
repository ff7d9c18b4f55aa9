"""Addresses as people read them: what a server is reached at, and what is wrong with the one that it is given."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from ipaddress import ip_address

import click

__all__ = ["check_host", "network_place", "url_of"]

EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 - compared with, not listened on
# Of the networks for documentation (RFC 5737, RFC 3849): nothing is sent there, the system only says from where it would be.
ELSEWHERE = {socket.AF_INET: "192.0.2.1", socket.AF_INET6: "2001:db8::1"}


def url_of(host: str, port: int, scheme: str = "http", *, here: bool = False) -> str:
    """Return the URL of a server; `here` for a browser on this machine, which cannot ask for `0.0.0.0` everywhere."""
    if here and host in EVERYWHERE:
        host = "127.0.0.1" if host == EVERYWHERE[0] else "::1"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"


def network_place(host: str, port: int, allowed: Iterable[str], scheme: str = "http") -> str:
    """Return where other machines of the network reach a server that listens on all addresses, and what that needs.

    Args:
        host: what the server listens on; the text is empty unless that is all addresses, and where there is no network.
        port: the port.
        allowed: the setting `allowed_hosts`.
        scheme: `http` or `https`.
    """
    from erlen.errors import BadRequest
    from erlen.security.hosts import HostPolicy

    own = _own_address(host) if host in EVERYWHERE else ""
    if not own:
        return ""
    url = url_of(own, port, scheme)
    try:
        HostPolicy(allowed).check(url.partition("://")[2])
    except BadRequest:
        return f"{url}, once ALLOWED_HOSTS has {own}"
    return url


def check_host(context: click.Context, host: str) -> None:
    """Refuse an address that the variable HOST gives and this machine does not have, such as what conda sets: a kind of machine.

    Raises:
        click.ClickException: naming the variable.
    """
    if context.get_parameter_source("host") is not click.core.ParameterSource.ENVIRONMENT:
        return
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.bind(place)
    except OSError as error:
        wrong = f"the environment variable HOST is {host!r}, where this machine cannot listen: {error.strerror}."
        raise click.ClickException(f"{wrong}\n  fix unset HOST, or correct it: 127.0.0.1, or 0.0.0.0 for all addresses") from None


def _own_address(host: str) -> str:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((ELSEWHERE[family], 9))
            own: str = probe.getsockname()[0]
    except OSError:
        return ""
    address = ip_address(own)
    return "" if address.is_loopback or address.is_unspecified else own
