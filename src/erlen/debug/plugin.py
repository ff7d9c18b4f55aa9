"""How the tools of development meet the application. Loaded only where the setting `debug` is on."""

from __future__ import annotations

from collections.abc import Sequence

from erlen.app.plugin import ErrorPage, Setup
from erlen.app.routes import Policy
from erlen.app.site import Site
from erlen.debug.console import Console
from erlen.debug.pages import Pages
from erlen.debug.reload import Reload
from erlen.debug.report import make_report, problem_members
from erlen.debug.tried import route_rows
from erlen.debug.warning import HtmlAsText
from erlen.debug.watchdog import Watchdog
from erlen.errors import HTTPError, MethodNotAllowed, NotFound
from erlen.http.request import Request
from erlen.http.response import TEXT, Response

__all__ = ["Debug"]


class Debug:
    """Pages that explain errors, live reload, warnings, and a console where `debug_console` asks for it.

    Every application has it where the setting `debug` is on; without that it adds nothing.
    """

    name = "debug"
    requires: Sequence[str] = ()

    def setup(self, setup: Setup) -> None:
        """Add what development needs to a site."""
        if not setup.settings.debug:
            return
        reload = Reload.from_environment()
        console = Console() if setup.settings.debug_console else None
        pages = Pages(str if reload is None else reload.tag)
        setup.add_error_page(_error_page(pages, console, setup._app.file))
        setup.share("debug.explain", problem_members)
        setup.add_middleware(PlainText())
        setup.add_middleware(HtmlAsText())
        if reload is not None:
            setup.add_middleware(reload)
            reload.add_routes(setup.routes)
        if console is not None:
            console.add_routes(setup.routes)
            setup.on_startup(console.announce)
        watchdog = Watchdog()
        setup.on_startup(watchdog.start)
        setup.on_shutdown(watchdog.stop)


class PlainText(Policy):
    """Answers an unexpected error in plain text for a client that asks for that."""

    def after(self, request: Request, response: Response) -> Response:
        """Put the report in the place of the problem document where `Accept` names `text/plain` first."""
        error = request._unexpected
        if error is None or response.status != 500 or response.content_type != "application/problem+json":
            return response
        if request.accept.media_type("application/json", "text/plain") != "text/plain":
            return response
        answer = Response(make_report(error, 500, request).text, 500, None, TEXT)
        answer.vary("Accept")
        return answer


def _error_page(pages: Pages, console: Console | None, file: str) -> ErrorPage:
    def page(request: Request, error: Exception, status: int) -> Response | None:
        site = request.context
        if not isinstance(site, Site):
            return None
        if _asks_for_first_page(request, error, site):
            return pages.welcome(status, file, route_rows(site))
        if _raised_by_handler(error, request):
            try:
                own = _own_page(page, site, request, error, status)
            except Exception as second:  # the page is being written: what is wrong with it is what to show
                import logging

                logging.getLogger("erlen").error("the error page for %s failed", type(error).__name__, exc_info=second)
                error, status = second, 500
            else:
                if own is not None:
                    return own
        report = make_report(error, status, request)
        keys: dict[int, str] = {}
        address = "" if console is None or isinstance(error, HTTPError) else console.address_for(request)
        if console is not None and address:
            keys = console.keep([frame for raised in report.raised for frame in raised.frames if frame.own])
        return pages.error(report, console=address, console_key=lambda frame: keys.get(id(frame), ""))

    return page


def _asks_for_first_page(request: Request, error: Exception, site: Site) -> bool:
    unmatched = isinstance(error, NotFound) and (request.route is None or not request.route.name)
    return unmatched and request.path == "/" and request.method in ("GET", "HEAD") and not any(route.path == "/" for route in site.routes)


def _raised_by_handler(error: Exception, request: Request) -> bool:
    """Return whether an HTTP error is an answer that the application gives, rather than one about its routes or protections."""
    return (
        isinstance(error, HTTPError) and not isinstance(error, MethodNotAllowed) and request.route is not None and bool(request.route.name)
    )


def _own_page(page: ErrorPage, site: Site, request: Request, error: Exception, status: int) -> Response | None:
    """Return the application's own page for an error, of those asked after this one, so that it can be seen while it is written."""
    later = site.error_pages[site.error_pages.index(page) + 1 :]
    answers = (other(request, error, status) for other in later)
    return next((answer for answer in answers if answer is not None), None)
