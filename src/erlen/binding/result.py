"""What a handler returns becomes a response (DESIGN, "What a return value means"); decided at freeze where the annotation says it."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Mapping
from os import PathLike
from types import AsyncGeneratorType, GeneratorType, NoneType
from typing import Any, Literal, TypeAlias, Union, get_args, get_origin

from msgspec import Raw, Struct

from erlen.binding.parameter import MODELS, is_union, strip_annotated
from erlen.errors import ErlenError
from erlen.http.response import HTML, JSON, OCTETS, TEXT, Response, StreamResponse
from erlen.schema.encode import json_encoder
from erlen.schema.model import kind_of
from erlen.types import MISSING, loaded

__all__ = ["Encoder", "ResultEncoders", "ResultPlan", "StreamMode", "encode_result", "plan_result", "to_response"]

Encoder: TypeAlias = Callable[[object], bytes]
ResultEncoders: TypeAlias = Mapping[type, Callable[[Any], Any]]
"""By class: what makes of a value something that can be answered."""
MAYBE_NONE: tuple[object, ...] = (None, NoneType, Any, object)
StreamMode: TypeAlias = Literal["events", "text", "bytes", "lines", "peek"]


class ResultPlan(Struct, frozen=True, eq=False):
    """How one handler's results become responses.

    A value whose class is exactly `fast_class` is encoded by `encode` into `content_type`; everything else goes through `convert`.
    """

    fast_class: type | None
    encode: Encoder | None
    content_type: str
    status: int
    convert: Callable[[object], Response]
    stream: StreamMode | None = None
    encode_item: Encoder | None = None
    """For the lines of a stream of models: what the annotation names leaves, and nothing more."""


def plan_result(annotation: Any, *, status: int, name: str, debug: bool, encoders: ResultEncoders) -> ResultPlan:
    """Decide how results annotated like this are answered.

    Args:
        annotation: the return annotation, `MISSING` without one.
        status: for values that bring no status of their own.
        name: of the handler, for errors.
        debug: refuse a forgotten `return`.
        encoders: what classes that nobody here knows become.
    """
    plain = strip_annotated(annotation)
    forbids_none = debug and plain not in MAYBE_NONE and NoneType not in get_args(plain)
    stream = stream_mode(annotation)
    typed_json = _typed_encoder(annotation)
    item = next(iter(get_args(plain)), Any) if stream == "lines" else Any
    encode_item = _typed_encoder(item) if stream == "lines" else None

    def convert(value: object) -> Response:
        if value is None and forbids_none:
            raise ErlenError(f"{name} returned None: is a `return` missing? Annotate it `-> None` to answer 204 No Content")
        if encoders and value is not None:
            value = encode_result(value, encoders)
        return to_response(value, status=status, encode=typed_json, stream=stream or "peek", encode_item=encode_item, name=name)

    if plain is str:
        return ResultPlan(str, None, TEXT, status, convert)
    if plain is bytes:
        return ResultPlan(bytes, None, OCTETS, status, convert)
    fast = get_origin(plain) or plain
    if fast in encoders:
        return ResultPlan(None, None, JSON, status, convert)
    is_model = isinstance(fast, type) and not is_union(plain) and kind_of(fast) in MODELS
    if fast in (dict, list) or (is_model and not hasattr(fast, "__html__")):
        return ResultPlan(fast, typed_json, JSON, status, convert)
    return ResultPlan(None, None, JSON, status, convert, stream, encode_item)


def encode_result(value: object, encoders: ResultEncoders) -> object:
    """Return what the nearest registered encoder makes of a value, or the value; also of the first of a `(value, status)` tuple."""
    if type(value) is tuple and value and not isinstance(value[0], tuple):
        return (encode_result(value[0], encoders), *value[1:])
    for ancestor in type(value).__mro__:
        if ancestor in encoders:
            return encoders[ancestor](value)
    return value


def to_response(
    value: object,
    *,
    status: int = 200,
    encode: Encoder | None = None,
    stream: StreamMode = "peek",
    encode_item: Encoder | None = None,
    name: str = "the handler",
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return the response that a handler's value stands for.

    Raises:
        ErlenError: for a value that no rule covers, saying what to return instead.
    """
    if isinstance(value, Response):
        if headers:
            value.headers.update(headers)
        return value
    if isinstance(value, tuple) and 2 <= len(value) <= 3 and _is_status(value[1]) and not hasattr(value, "_fields"):
        own = dict(headers or {})
        if len(value) == 3:
            own.update(value[2] or {})
        if isinstance(value[0], Response):
            value[0].status = value[1]
        return to_response(value[0], status=value[1], encode=encode, stream=stream, encode_item=encode_item, name=name, headers=own)
    if value is None:
        return Response(b"", 204 if status == 200 else status, headers)
    to_html: Callable[[], str] | None = getattr(value, "__html__", None)
    if to_html is not None:
        return Response(str(to_html()), status, headers, HTML)
    if isinstance(value, str):
        return Response(str.__str__(value), status, headers, TEXT)  # of an enumeration's member the value, not the name
    if isinstance(value, (bytes, bytearray, memoryview)):
        return Response(bytes(value), status, headers, OCTETS)
    if isinstance(value, PathLike):
        from erlen.http.file import FileResponse

        return FileResponse(value, headers=headers, status=status)
    if isinstance(value, (GeneratorType, AsyncGeneratorType, Iterator, AsyncIterator)):
        return stream_response(value, stream, status=status, headers=headers, encode_item=encode_item)
    try:
        body = (encode or _encode_any)(value)
    except TypeError as error:
        raise ErlenError(
            f"{name} returned {type(value).__qualname__}, which cannot become a response ({error}): "
            "return a dict, list, model, str, Response, … or register an encoder for it"
        ) from error
    return Response(body, status, headers, JSON)


def stream_response(
    items: Iterable[Any] | AsyncIterable[Any],
    mode: StreamMode,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    encode_item: Encoder | None = None,
) -> StreamResponse:
    """Return the stream that an iterator of such items stands for; `encode_item` makes its lines."""
    from erlen.http.event import EventStreamResponse, JSONLinesResponse

    if mode == "events":
        return EventStreamResponse(items, status=status, headers=headers)
    if mode == "text":
        return StreamResponse(items, status, headers, TEXT)
    if mode == "bytes":
        return StreamResponse(items, status, headers, OCTETS)
    if encode_item is not None:
        items = _aencoded(items, encode_item) if isinstance(items, AsyncIterable) else _encoded(items, encode_item)
    return JSONLinesResponse(items, status=status, headers=headers)


def stream_mode(annotation: Any) -> StreamMode | None:
    """Return how an iterator annotated like this is streamed; None when the annotation names no iterator."""
    plain = strip_annotated(annotation)
    origin = get_origin(plain) or plain
    if not isinstance(origin, type) or not (issubclass(origin, (Iterator, AsyncIterator)) or origin in (Iterable, AsyncIterable)):
        return None
    arguments = get_args(plain)
    return mode_of_item(arguments[0]) if arguments else "peek"


def mode_of_item(item: Any) -> StreamMode:
    """Return how items of this type, or this first item's type, are streamed."""
    plain = strip_annotated(item)
    options = get_args(plain) if is_union(plain) else (plain,)
    classes = [option for option in options if isinstance(option, type)]
    # PERF: what a module defines that was never loaded stands in no annotation; so files, forms and events load on first use.
    if any(issubclass(option, loaded("erlen.http.event", "Event")) for option in classes):
        return "events"
    if classes and all(issubclass(option, str) for option in classes):
        return "text"
    if classes and all(issubclass(option, (bytes, bytearray, memoryview)) for option in classes):
        return "bytes"
    return "peek" if plain in (Any, object) else "lines"


def _is_status(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 100 <= value <= 599


def _typed_encoder(annotation: Any) -> Encoder:
    """Return what makes JSON of results annotated like this: of models only the fields that the annotation names."""
    parts = _json_parts(annotation)
    return json_encoder(Union[tuple(parts)] if parts else None)  # noqa: UP007 - of members that only this run knows


def _json_parts(annotation: Any) -> list[Any]:
    """Return the types of an annotation whose values become JSON; none where it leaves them open.

    Responses, text, bytes and paths are something else; of `tuple[Item, int]` it is the item.
    """
    plain = strip_annotated(annotation)
    origin = get_origin(plain) or plain
    arguments = get_args(plain)
    if is_union(plain):
        if any(strip_annotated(argument) in (Any, object) for argument in arguments):
            return []
        return [part for argument in arguments for part in _json_parts(argument)]
    if origin is tuple and len(arguments) in (2, 3) and _is_status_type(arguments[1]):
        return _json_parts(arguments[0])
    if plain in (MISSING, Any, object, None) or not isinstance(origin, type):
        return []
    other = issubclass(origin, (Response, str, bytes, NoneType)) or hasattr(origin, "__html__") or hasattr(origin, "__fspath__")
    return [] if other else [annotation]


def _is_status_type(annotation: Any) -> bool:
    plain = strip_annotated(annotation)
    if get_origin(plain) is Literal:
        return all(_is_status(value) for value in get_args(plain))
    return isinstance(plain, type) and issubclass(plain, int) and plain is not bool


def _encoded(items: Iterable[Any], encode: Encoder) -> Iterator[Raw]:
    for item in items:
        yield Raw(encode(item))


async def _aencoded(items: AsyncIterable[Any], encode: Encoder) -> AsyncIterator[Raw]:
    async for item in items:
        yield Raw(encode(item))


_encode_any: Encoder = json_encoder(None)
