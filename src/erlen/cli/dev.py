"""`erlen dev`."""

from __future__ import annotations

import errno
import os
import socket
import sys

import click

__all__ = ["command", "is_open_to_others"]


@click.command()
@click.argument("application", required=False, metavar="[APP]")
@click.option("--host", default="127.0.0.1", show_default=True, envvar="HOST", show_envvar=True, help="The address to listen on.")
@click.option(
    "--port", "-p", default=8000, show_default=True, envvar="PORT", show_envvar=True, type=click.IntRange(1, 65535), help="The port."
)
@click.option("--app", "named", metavar="APP", help="The application, as for `erlen --app`.")
@click.option("--reload/--no-reload", "reload", default=True, show_default=True, help="Start again when code or settings change.")
@click.option("--open", "in_browser", is_flag=True, help="Open the address in a browser.")
@click.pass_context
def command(
    context: click.Context, application: str | None, host: str, port: int, named: str | None, reload: bool, in_browser: bool
) -> None:
    """Serve the application on this machine while you write it: APP, as for `erlen --app`, or the one that is found by itself.

    A change of code (.py), of .env or of settings*.toml starts the server again; a change of a template or a static file only makes
    browsers load the page again. Logs, databases and other files are not looked at. An application that does not load is shown in
    the terminal and in the browser, until the next change.

    Debug mode is on unless DEBUG says otherwise, and .env is read. The reloading needs Linux or macOS.

    \b
    Examples:
      erlen dev
      erlen dev --port 8080 --open
      erlen dev shop/web.py
      HOST=0.0.0.0 erlen dev         for a phone in the same network
    """  # noqa: D301 - click keeps the lines after this mark
    from erlen.cli.address import check_host, url_of
    from erlen.cli.port import listener_of
    from erlen.errors import ConfigurationError
    from erlen.server.address import check_listener

    spec: str | None = application or named or context.obj
    check_host(context, host)
    try:
        check_listener(host, port)
        listener = _listen(host, port)
    except ConfigurationError as error:
        owner = listener_of(port)
        raise click.ClickException(f"{error}\n  by  {owner}" if owner else str(error)) from None
    address = url_of(host, port)
    if is_open_to_others(listener.getsockname()[0]):
        note = "whoever reaches this address sees the code in error pages: only in a network that you trust"
        click.secho(f"  note     {note}", fg="yellow", err=True)

    def when_serving() -> None:
        if in_browser:
            import webbrowser

            webbrowser.open(url_of(host, port, here=True))

    if reload and sys.platform != "win32":
        from erlen.cli.supervisor import Supervisor

        sys.exit(Supervisor(listener, spec, address, when_serving).run())
    _serve_once(listener, spec, address, when_serving)


def is_open_to_others(address: str) -> bool:
    """Return whether other machines can reach an IP address of this one."""
    from ipaddress import ip_address

    return not ip_address(address.partition("%")[0]).is_loopback


def _listen(host: str, port: int) -> socket.socket:
    from erlen.errors import ConfigurationError, Mistake

    family, kind, protocol, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    listener = socket.socket(family, kind, protocol)
    if os.name == "posix":
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(place)
        listener.listen(1024)
    except OSError as error:
        reason = "is taken by another program" if error.errno == errno.EADDRINUSE else f"cannot be listened on: {error.strerror}"
        raise ConfigurationError(Mistake(f"Port {port} on {host} {reason}.", fix=f"Choose another port: --port {port + 1}.")) from None
    return listener


def _serve_once(listener: socket.socket, spec: str | None, address: str, when_serving: object) -> None:
    from erlen.cli.dev_server import News, serve

    def tell(news: News) -> None:
        if news.state == "serving":
            click.echo(f"Erlen serves {address} for development, without reloading; Ctrl-C ends it", err=True)
            if callable(when_serving):
                when_serving()
        elif news.state == "missing":
            raise click.ClickException(news.text)
        elif news.state == "failed":
            click.echo(f"The application does not load:\n\n{news.text}\n", err=True)

    serve(listener, spec, tell)
