# The public names, for type checkers: `__init__.py` loads them when they are first used.

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
from erlen.templates.page import Page as Page
from erlen.templates.page import render as render

__version__: str
__all__ = [
    "URL",
    "App",
    "BadRequest",
    "BadSignature",
    "Blueprint",
    "Body",
    "CallNext",
    "ConfigurationError",
    "Conflict",
    "Cookie",
    "Cors",
    "Depends",
    "ETags",
    "ErlenError",
    "Event",
    "EventStreamResponse",
    "File",
    "FileResponse",
    "Forbidden",
    "Form",
    "FormData",
    "Gone",
    "HTMLResponse",
    "HTTPError",
    "Header",
    "Headers",
    "HttpSession",
    "HttpsRedirect",
    "InvalidRequest",
    "JSONLinesResponse",
    "JSONResponse",
    "Meta",
    "Middleware",
    "NotFound",
    "Page",
    "Path",
    "Plugin",
    "Policy",
    "PreconditionFailed",
    "Query",
    "QueryParams",
    "RedirectResponse",
    "Request",
    "Response",
    "ServiceUnavailable",
    "Settings",
    "Setup",
    "SignatureExpired",
    "Signer",
    "Site",
    "StreamResponse",
    "Struct",
    "TextResponse",
    "TooManyRequests",
    "Unauthorized",
    "UnsupportedMediaType",
    "UploadFile",
    "abort",
    "current_request",
    "flash",
    "redirect",
    "render",
    "safe_redirect",
    "url_for",
]
