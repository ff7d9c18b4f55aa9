"""What `Annotated` may say about a handler's parameter: which part of the request it comes from, or what provides it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Literal, TypeAlias

from msgspec import Struct

__all__ = ["Body", "Cookie", "Dependency", "Depends", "File", "Form", "Header", "Path", "Query", "Source"]

Source: TypeAlias = Literal["path", "query", "header", "cookie", "body", "form", "file"]


class Marker(Struct, frozen=True):
    """Where a parameter comes from. `alias` is its name there, when it differs from the parameter's."""

    alias: str | None = None

    source: ClassVar[Source]
    """The part of the request."""


class Path(Marker, frozen=True):
    """From the path: `number: Annotated[int, Path("id")]`. A parameter named in the path's template needs no marker."""

    source: ClassVar[Source] = "path"


class Query(Marker, frozen=True):
    """From the query string: a scalar, a list of scalars, or a model whose fields are the parameters."""

    source: ClassVar[Source] = "query"


class Header(Marker, frozen=True):
    """From a header field; `user_agent` reads `User-Agent`. A model's fields are header fields."""

    source: ClassVar[Source] = "header"


class Cookie(Marker, frozen=True):
    """From a cookie."""

    source: ClassVar[Source] = "cookie"


class Body(Marker, frozen=True):
    """From the body: JSON, or the raw bytes or text where the annotation is `bytes` or `str`.

    Several body parameters, or one with `embed=True`, are members of one JSON object. `media_type` is what the client must send;
    by default any JSON type for JSON, and anything for `bytes` and `str`.
    """

    embed: bool = False
    media_type: str | None = None

    source: ClassVar[Source] = "body"


class Form(Marker, frozen=True):
    """From a form field, or a model whose fields are the form's."""

    source: ClassVar[Source] = "form"


class File(Marker, frozen=True):
    """From a file field of a multipart form: `UploadFile`, `list[UploadFile]`, or `bytes` for its content."""

    source: ClassVar[Source] = "file"


class Dependency(Struct, frozen=True):
    """What `Depends` makes."""

    call: Callable[..., Any]
    cache: bool = True
    threaded: bool = True


def Depends(call: Callable[..., Any], *, cache: bool = True, threaded: bool = True) -> Any:  # noqa: N802 - reads as a type in annotations
    """Ask for what `call` returns or yields: `user: Annotated[User, Depends(current_user)]`.

    `call` is a function (`def` or `async def`), a class, or a generator function that yields once and cleans up afterwards; its own
    parameters are bound like a handler's. A generator is resumed with the response (`response = yield value`), or has the
    exception thrown in.

    Args:
        call: what to call.
        cache: call it once per request, however often it is asked for.
        threaded: run a `def` in a thread when the handler is `async def`; False runs it on the event loop, for quick code.
    """
    return Dependency(call, cache, threaded)
