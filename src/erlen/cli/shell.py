"""`erlen shell`."""

from __future__ import annotations

import ast
import asyncio
import inspect
import sys
from types import CodeType, FunctionType, TracebackType
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from erlen.app.site import Site

__all__ = ["command", "names_of"]


@click.command()
@click.option("-c", "code", metavar="CODE", help="Run this code and end, instead of asking for lines.")
@click.option("--plain", is_flag=True, help="Python's own prompt, even where IPython or ptpython is installed.")
@click.pass_obj
def command(spec: str | None, code: str | None, plain: bool) -> None:
    """Python with the application loaded: its names, and `app`, `site` and `client`.

    `client` sends requests to the application in this process. With a database there are also its models, `select`, and `db`, a session.
    `await` works at the prompt. IPython or ptpython is used where it is
    installed. Nothing is served, and start-up functions run only once `client` is used.

    \b
    Examples:
      erlen shell
      erlen shell -c "print(client.get('/').text)"
      erlen shell -c "print(await load_prices())"
    """  # noqa: D301 - click keeps the lines after this mark
    from erlen.cli.application import load_site

    names = names_of(load_site(spec), spec)
    try:
        if code is not None:
            with asyncio.Runner() as runner:
                _Console(names, runner).run(code)
        elif plain or not (_ipython(names) or _ptpython(names)):
            _console(names)
    finally:
        names["client"].close()


def names_of(site: Site, spec: str | None = None) -> dict[str, Any]:
    """Return what a shell of an application knows.

    The public names of its module, `app`, `site` and `client`, and what batteries add: a database its models, `db` and `select`.
    """
    from erlen.server.target import find_target, load_app
    from erlen.testing.client import Client

    module = sys.modules[find_target(spec).module]
    names = {name: value for name, value in vars(module).items() if not name.startswith("__")}
    for give in site.extensions.get("shell.names", ()):
        names = give() | names
    return names | {"app": load_app(spec), "site": site, "client": Client(site)}


class _Console:
    """Runs code in one namespace; `await` at its top level runs on one event loop."""

    def __init__(self, names: dict[str, Any], runner: asyncio.Runner) -> None:
        self.names = names
        self.runner = runner

    def run(self, source: str) -> None:
        """Compile and run a program."""
        self.call(compile(source, "<shell>", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT))

    def call(self, code: CodeType) -> None:
        """Run compiled code."""
        made = FunctionType(code, self.names)()
        if inspect.iscoroutine(made):
            self.runner.run(made)


def _console(names: dict[str, Any]) -> None:
    from code import InteractiveConsole
    from traceback import format_exception

    class Prompt(InteractiveConsole):
        """Python's own prompt, with `await`."""

        def __init__(self, runner: asyncio.Runner) -> None:
            super().__init__(names)
            self.compile.compiler.flags |= ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
            self.program = _Console(names, runner)

        def runcode(self, code: CodeType) -> None:
            try:
                self.program.call(code)
            except SystemExit:
                raise
            except BaseException as error:  # noqa: BLE001 - the prompt goes on after any error, also after Ctrl-C
                self.write("".join(format_exception(error.with_traceback(_own_part(error.__traceback__)))))

    try:
        import readline
        from rlcompleter import Completer

        readline.set_completer(Completer(names).complete)
        readline.parse_and_bind("tab: complete")
    except ImportError:  # Windows
        pass
    with asyncio.Runner() as runner:
        Prompt(runner).interact(_banner(names), "")


def _own_part(traceback: TracebackType | None) -> TracebackType | None:
    """Return a traceback from the line that was typed on."""
    while traceback is not None and traceback.tb_frame.f_code.co_filename != "<console>":
        traceback = traceback.tb_next
    return traceback


def _ipython(names: dict[str, Any]) -> bool:
    try:
        from IPython import start_ipython  # type: ignore[import-not-found]  # pyright: ignore[reportMissingImports]
    except ImportError:
        return False
    click.echo(_banner(names))
    start_ipython(argv=["--no-banner"], user_ns=names)
    return True


def _ptpython(names: dict[str, Any]) -> bool:
    try:
        from ptpython.repl import embed  # type: ignore[import-not-found]  # pyright: ignore[reportMissingImports]
    except ImportError:
        return False
    click.echo(_banner(names))
    embed(globals=names)
    return True


def _banner(names: dict[str, Any]) -> str:
    from platform import python_version

    from erlen import __version__

    routes = len(names["site"].routes)
    return f"Erlen {__version__}, Python {python_version()}: app, site ({routes} {'route' if routes == 1 else 'routes'}), client"
