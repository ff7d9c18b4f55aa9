"""Erlen: a web framework that starts as one small file and grows in place.

Every public name of the core is here; each is loaded when it is first used.
"""

from __future__ import annotations

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
    "erlen.templates.page": "Page render",
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
