"""Erlen: a web framework that starts as one small file and grows in place.

Every public name of the core is here; each is loaded when it is first used.
"""

from __future__ import annotations

TYPE_CHECKING = False  # type checkers take this name for true; importing it would load `typing` and ten modules more
if TYPE_CHECKING:
    from msgspec import Meta as Meta
    from msgspec import Struct as Struct

    from erlen.app.application import App as App
    from erlen.app.blueprint import Blueprint as Blueprint
    from erlen.app.link import flash as flash
    from erlen.app.link import redirect as redirect
    from erlen.app.link import url_for as url_for
    from erlen.app.plugin import Plugin as Plugin
    from erlen.app.plugin import Setup as Setup
    from erlen.app.policies import ETags as ETags
    from erlen.app.policies import HttpsRedirect as HttpsRedirect
    from erlen.app.routes import CallNext as CallNext
    from erlen.app.routes import Middleware as Middleware
    from erlen.app.routes import Policy as Policy
    from erlen.app.settings import Settings as Settings
    from erlen.app.site import Site as Site
    from erlen.binding.marker import Body as Body
    from erlen.binding.marker import Cookie as Cookie
    from erlen.binding.marker import Depends as Depends
    from erlen.binding.marker import File as File
    from erlen.binding.marker import Form as Form
    from erlen.binding.marker import Header as Header
    from erlen.binding.marker import Path as Path
    from erlen.binding.marker import Query as Query
    from erlen.errors import BadRequest as BadRequest
    from erlen.errors import ConfigurationError as ConfigurationError
    from erlen.errors import Conflict as Conflict
    from erlen.errors import ErlenError as ErlenError
    from erlen.errors import Forbidden as Forbidden
    from erlen.errors import Gone as Gone
    from erlen.errors import HTTPError as HTTPError
    from erlen.errors import InvalidRequest as InvalidRequest
    from erlen.errors import NotFound as NotFound
    from erlen.errors import PreconditionFailed as PreconditionFailed
    from erlen.errors import ServiceUnavailable as ServiceUnavailable
    from erlen.errors import TooManyRequests as TooManyRequests
    from erlen.errors import Unauthorized as Unauthorized
    from erlen.errors import UnsupportedMediaType as UnsupportedMediaType
    from erlen.errors import abort as abort
    from erlen.http.event import Event as Event
    from erlen.http.event import EventStreamResponse as EventStreamResponse
    from erlen.http.event import JSONLinesResponse as JSONLinesResponse
    from erlen.http.file import FileResponse as FileResponse
    from erlen.http.form import FormData as FormData
    from erlen.http.form import UploadFile as UploadFile
    from erlen.http.headers import Headers as Headers
    from erlen.http.query import QueryParams as QueryParams
    from erlen.http.request import Request as Request
    from erlen.http.request import current_request as current_request
    from erlen.http.response import HTMLResponse as HTMLResponse
    from erlen.http.response import JSONResponse as JSONResponse
    from erlen.http.response import RedirectResponse as RedirectResponse
    from erlen.http.response import Response as Response
    from erlen.http.response import StreamResponse as StreamResponse
    from erlen.http.response import TextResponse as TextResponse
    from erlen.http.session import HttpSession as HttpSession
    from erlen.http.url import URL as URL
    from erlen.security.cors import Cors as Cors
    from erlen.security.redirect import safe_redirect as safe_redirect
    from erlen.security.signing import BadSignature as BadSignature
    from erlen.security.signing import SignatureExpired as SignatureExpired
    from erlen.security.signing import Signer as Signer

__version__ = "0.1.0.dev0"

_ROOMS = {
    "msgspec": "Meta Struct",
    "erlen.app.application": "App",
    "erlen.app.blueprint": "Blueprint",
    "erlen.app.link": "flash redirect url_for",
    "erlen.app.plugin": "Plugin Setup",
    "erlen.app.policies": "ETags HttpsRedirect",
    "erlen.app.routes": "CallNext Middleware Policy",
    "erlen.app.settings": "Settings",
    "erlen.app.site": "Site",
    "erlen.binding.marker": "Body Cookie Depends File Form Header Path Query",
    "erlen.errors": (
        "BadRequest ConfigurationError Conflict ErlenError Forbidden Gone HTTPError InvalidRequest NotFound PreconditionFailed "
        "ServiceUnavailable TooManyRequests Unauthorized UnsupportedMediaType abort"
    ),
    "erlen.http.event": "Event EventStreamResponse JSONLinesResponse",
    "erlen.http.file": "FileResponse",
    "erlen.http.form": "FormData UploadFile",
    "erlen.http.headers": "Headers",
    "erlen.http.query": "QueryParams",
    "erlen.http.request": "Request current_request",
    "erlen.http.response": "HTMLResponse JSONResponse RedirectResponse Response StreamResponse TextResponse",
    "erlen.http.session": "HttpSession",
    "erlen.http.url": "URL",
    "erlen.security.cors": "Cors",
    "erlen.security.redirect": "safe_redirect",
    "erlen.security.signing": "BadSignature SignatureExpired Signer",
}
_HOME = {name: room for room, names in _ROOMS.items() for name in names.split()}

__all__ = list(_HOME)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> object:
    room = _HOME.get(name)
    if room is None:
        raise AttributeError(f"module 'erlen' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(room), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
