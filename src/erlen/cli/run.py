"""`erlen run`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from erlen.app.door import choose_door
from erlen.cli.application import load_site
from erlen.errors import ConfigurationError

__all__ = ["command"]

PREPARE = "erlen.cli.worker:prepare"
"""What each worker calls once it has loaded the application."""


@click.command()
@click.argument("application", required=False, metavar="[APP]")
@click.option(
    "--host", default="127.0.0.1", show_default=True, envvar="HOST", show_envvar=True, help="The address to listen on; 0.0.0.0 for all."
)
@click.option(
    "--port", "-p", default=8000, show_default=True, envvar="PORT", show_envvar=True, type=click.IntRange(1, 65535), help="The port."
)
@click.option("--unix", "uds", type=click.Path(path_type=Path), help="Listen on a Unix socket instead.")
@click.option(
    "--workers", "-w", default=1, show_default=True, envvar="WORKERS", show_envvar=True, type=click.IntRange(1, 256), help="Processes."
)
@click.option("--threads", type=click.IntRange(1, 1024), help="Threads per worker for `def` handlers; by default the setting THREADS.")
@click.option(
    "--door", type=click.Choice(["rsgi", "asgi", "wsgi"]), help="How the server calls the application; by default the best way for it."
)
@click.option("--engine", type=click.Choice(["granian", "uvicorn"]), default="granian", show_default=True, help="The server.")
@click.option("--access-log/--no-access-log", default=False, show_default=True, help="A line for each request.")
@click.option(
    "--kill-timeout", default=30, show_default=True, type=click.IntRange(1, 3600), help="Seconds a worker has to finish its requests."
)
@click.option("--tls-certificate", type=click.Path(exists=True, path_type=Path), help="Serve TLS with this certificate (PEM).")
@click.option("--tls-key", type=click.Path(exists=True, path_type=Path), help="The certificate's key (PEM).")
@click.pass_context
def command(
    context: click.Context,
    application: str | None,
    host: str,
    port: int,
    uds: Path | None,
    workers: int,
    threads: int | None,
    door: Literal["rsgi", "asgi", "wsgi"] | None,
    engine: str,
    access_log: bool,
    kill_timeout: int,
    tls_certificate: Path | None,
    tls_key: Path | None,
) -> None:
    """Serve the application in production: APP, as for `erlen --app`, or the one that is found by itself.

    It ends on SIGTERM or Ctrl-C once the requests in flight are answered; SIGHUP replaces the workers one by one, with the code as it
    then is.

    Logs go to standard error, one JSON object a line; LOG_FORMAT=text writes lines for people, LOG_LEVEL says from which level on.
    `erlen check --deploy` says what is missing before the first start.

    \b
    Examples:
      erlen run
      erlen run --host 0.0.0.0 --port 80 --workers 4
      erlen run --unix /run/site.sock --access-log
      erlen run shop.web:site
    """  # noqa: D301 - click keeps the lines after this mark
    import os

    from erlen.cli.address import check_host, network_place, url_of
    from erlen.cli.deployment import start_notes
    from erlen.observe.logging import configure_logging
    from erlen.server import granian, uvicorn
    from erlen.server.options import ServeOptions

    if uds is None:
        check_host(context, host)
    if threads is not None:
        os.environ["THREADS"] = str(threads)
    spec: str | None = application or context.obj
    site = load_site(spec)
    try:
        choice = choose_door(site, "asgi" if engine == "uvicorn" and door is None else door)
        if engine == "uvicorn" and choice.door != "asgi":
            raise click.UsageError("uvicorn serves ASGI only: leave out --door, or choose --engine granian")
        scheme = "http" if tls_certificate is None else "https"
        network = "" if uds is not None else network_place(host, port, site.settings.allowed_hosts, scheme)
        server = uvicorn if engine == "uvicorn" else granian
        options = ServeOptions(
            target=spec,
            door=choice.door,
            host=host,
            port=port,
            uds=uds,
            workers=workers,
            threads=site.settings.threads,
            access_log=access_log,
            kill_timeout=kill_timeout,
            tls_certificate=tls_certificate,
            tls_key=tls_key,
            configure=PREPARE,
        )
        options.check()
        notes = list(start_notes(site, choice.door))
        click.echo(f"Erlen serves {f'unix:{uds}' if uds is not None else url_of(host, port, scheme)}")
        if network:
            click.echo(f"  network  {network}")
        click.echo(f"  door     {choice.door}: {choice.reason}")
        click.echo(
            f"  engine   {server.describe()}, {workers} {'worker' if workers == 1 else 'workers'}, {site.settings.threads} threads each"
        )
        for note in notes:
            click.secho(f"  note     {note}", fg="yellow", err=True)
        configure_logging(site.settings)
        server.serve(options)
    except ConfigurationError as error:
        raise click.ClickException(str(error)) from None
