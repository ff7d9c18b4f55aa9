"""`erlen run`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from erlen.app.door import choose_door
from erlen.cli.application import load_site
from erlen.errors import ConfigurationError

__all__ = ["command"]


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, envvar="HOST", help="The address to listen on; 0.0.0.0 for all.")
@click.option("--port", "-p", default=8000, show_default=True, envvar="PORT", type=click.IntRange(1, 65535))
@click.option("--unix", "uds", type=click.Path(path_type=Path), help="Listen on a Unix socket instead.")
@click.option("--workers", "-w", default=1, show_default=True, envvar="WORKERS", type=click.IntRange(1, 256), help="Processes.")
@click.option("--threads", type=click.IntRange(1, 1024), help="Threads per worker for `def` handlers; by default the setting THREADS.")
@click.option("--door", type=click.Choice(["rsgi", "asgi", "wsgi"]), help="By default the best for this application.")
@click.option("--engine", type=click.Choice(["granian", "uvicorn"]), default="granian", show_default=True)
@click.option("--access-log/--no-access-log", default=False, help="A line for each request.")
@click.option(
    "--kill-timeout", default=30, show_default=True, type=click.IntRange(1, 3600), help="Seconds a worker has to finish its requests."
)
@click.option("--tls-certificate", type=click.Path(exists=True, path_type=Path), help="Serve TLS with this certificate (PEM).")
@click.option("--tls-key", type=click.Path(exists=True, path_type=Path), help="The certificate's key (PEM).")
@click.pass_obj
def command(
    spec: str | None,
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
    """Serve the application in production.

    It ends on SIGTERM or Ctrl-C once the requests in flight are answered; SIGHUP replaces the workers one by one.
    """
    import os

    from erlen.server import granian, uvicorn

    if threads is not None:
        os.environ["THREADS"] = str(threads)
    site = load_site(spec)
    try:
        choice = choose_door(site, "asgi" if engine == "uvicorn" and door is None else door)
        if engine == "uvicorn" and choice.door != "asgi":
            raise click.UsageError("uvicorn serves ASGI only: leave out --door, or choose --engine granian")
        scheme = "http" if tls_certificate is None else "https"
        where = f"unix:{uds}" if uds is not None else f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"
        server = uvicorn if engine == "uvicorn" else granian
        click.echo(f"Erlen serves {where}")
        click.echo(f"  door     {choice.door}: {choice.reason}")
        click.echo(
            f"  engine   {server.describe()}, {workers} {'worker' if workers == 1 else 'workers'}, {site.settings.threads} threads each"
        )
        if not site.settings.secret_key and not site.settings.debug:
            click.secho(
                "  note     no SECRET_KEY: sessions and flash messages fail until there is one; `erlen secret` makes it",
                fg="yellow",
                err=True,
            )
        if engine == "uvicorn":
            uvicorn.serve(
                spec,
                host=host,
                port=port,
                uds=uds,
                workers=workers,
                access_log=access_log,
                kill_timeout=kill_timeout,
                tls_certificate=tls_certificate,
                tls_key=tls_key,
            )
        else:
            granian.serve(
                spec,
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
            )
    except ConfigurationError as error:
        raise click.ClickException(str(error)) from None
