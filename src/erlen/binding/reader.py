"""How one parameter is read from a request: the lines of the generated binder, and the slow reading that finds every fault."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from msgspec import Struct

from erlen.binding.marker import Body
from erlen.binding.parameter import Parameter, bare, item_of, optional_of, strip_annotated, takes_text
from erlen.errors import ConfigurationError, Fault, InvalidRequest, UnsupportedMediaType
from erlen.http.query import MultiDict
from erlen.http.request import Request
from erlen.schema.decode import json_decoder
from erlen.schema.fields import fields_decoder
from erlen.schema.model import constraints_of
from erlen.schema.text import list_decoder, text_decoder, text_faults
from erlen.types import MISSING

__all__ = ["Incomplete", "Reader", "embedded_reader", "reader_for"]

REQUIRED = "This field is required."
JSON_TYPES = frozenset(
    {
        "application/json",
        "application/json; charset=utf-8",
        "application/json;charset=utf-8",
        "application/json; charset=UTF-8",
        "application/json;charset=UTF-8",
    }
)

Read: TypeAlias = Callable[[Request], Awaitable[Any]]


class Incomplete(ValueError):
    """A required value is absent; the slow reading says which."""


class Reader(Struct, eq=False):
    """One parameter's way out of the request.

    `lines` are statements that set the variable `{v}`; `{k}` stands for this reader's own names in `env`. `read` does the same
    thing slowly: it returns the value, or raises ValueError or InvalidRequest.
    """

    parameter: Parameter
    lines: list[str]
    env: dict[str, Any]
    read: Read
    location: tuple[str | int, ...]
    needs: frozenset[str] = frozenset()
    """What the binder prepares once for all readers: `query`, `body`, `form`, `cookies`."""
    can_fail: bool = True

    async def faults(self, request: Request) -> list[Fault]:
        """Return everything that is wrong with this parameter."""
        try:
            await self.read(request)
        except InvalidRequest as error:
            return list(error.faults)
        except ValueError as error:
            return text_faults(error, self.location)
        return []


def reader_for(parameter: Parameter, *, embed: bool, json_depth: int, params_at: dict[str, int]) -> Reader | None:
    """Return how to read a parameter; None for one that a dependency provides.

    Args:
        parameter: what to read.
        embed: whether body parameters are members of one object; then the binder reads them together.
        json_depth: how deep a JSON body may nest.
        params_at: the position of each path parameter in `request.params`.
    """
    kind = parameter.kind
    # The router has converted what is in the path, and checked its constraints: what does not fit is no path of this route.
    given = f"request.params[{params_at[parameter.key]}]" if kind == "path" else _GIVEN.get(kind)
    if given is not None:
        return Reader(parameter, [f"{{v}} = {given}"], {}, _never, (), _NEEDS.get(kind, frozenset()), can_fail=False)
    if kind == "body":
        return None if embed else _body_reader(parameter, json_depth)
    if kind in ("query", "header", "cookie", "form"):
        if parameter.is_model:
            return _model_reader(parameter)
        return _list_reader(parameter) if parameter.is_list else _text_reader(parameter)
    if kind == "file":
        return _file_reader(parameter)
    return None


_GIVEN: dict[str, str] = {
    "request": "request",
    "session": "request.session",
    "headers": "request.headers",
    "query_params": "request.query",
    "form_data": "form",
}
_TEXT = {"query": "q.get({k}_key)", "header": "request.header({k}_key)", "cookie": "cookies.get({k}_key)", "form": "form.get({k}_key)"}
_FORM = frozenset({"form"})
_NEEDS = {"query": frozenset({"query"}), "cookie": frozenset({"cookies"}), "form": _FORM, "form_data": _FORM}


async def _never(request: Request) -> Any:
    return None


def _text_reader(parameter: Parameter) -> Reader:
    """A scalar that arrives as text."""
    decode = text_decoder(parameter.annotation)
    kind, key = parameter.kind, parameter.key
    plain = strip_annotated(parameter.annotation)
    # As in a model of form fields: browsers send every input, but not a box that is not ticked.
    blank = kind == "form" and not takes_text(parameter.annotation)
    default = False if kind == "form" and plain is bool and parameter.required else parameter.default
    missing = "if {v} is None or {v} == '':" if blank else "if {v} is None:"
    lines = [f"{{v}} = {_TEXT[kind]}", missing, "    raise Incomplete()" if default is MISSING else "    {v} = {k}_default"]
    if kind == "form":
        lines += ["elif {v}.__class__ is not str:", "    raise Incomplete()"]
    if plain is int and not constraints_of(parameter.annotation):
        # PERF: the guarded int() inline costs a third of a call; everything it does not settle goes to the decoder.
        lines += ["else:", "    {v} = int({v}) if {v}.isdecimal() and {v}.isascii() and len({v}) < 19 else {k}_decode({v})"]
    elif not (plain is str and not constraints_of(parameter.annotation)):
        lines += ["else:", "    {v} = {k}_decode({v})"]

    async def read(request: Request) -> Any:
        value = (await _values(request, kind)).get(key)
        if value is None or (blank and value == ""):
            if default is MISSING:
                raise Incomplete(REQUIRED)
            return default
        if not isinstance(value, str):
            raise ValueError("Expected text, got a file.")
        return decode(value)

    env = {"key": key, "decode": decode, "default": default}
    return Reader(parameter, lines, env, read, (kind, key), _NEEDS.get(kind, frozenset()))


def _default_maker(default: Any) -> Callable[[], Any]:
    """Return what gives each request a default of its own: what one handler does to a list must not be seen by the next."""
    if default is None or isinstance(default, (str, bytes, int, float, tuple, frozenset)):
        return lambda: default
    import copy

    return lambda: copy.deepcopy(default)


async def _values(request: Request, kind: str) -> Any:
    """Return the map of everything that one source holds."""
    if kind == "query":
        return request.query
    if kind == "header":
        return request.headers
    if kind == "cookie":
        return MultiDict(request.cookies.items())
    return await request.form()


def _list_reader(parameter: Parameter) -> Reader:
    """Several values of one name; header fields are also split at commas (RFC 9110, section 5.6.1)."""
    decode = list_decoder(parameter.annotation)
    kind, key = parameter.kind, parameter.key
    make_default = _default_maker(parameter.default)

    async def read(request: Request) -> Any:
        values = (await _values(request, kind)).getlist(key)
        if kind == "header":
            values = [part.strip() for value in values for part in value.split(",") if part.strip()]
        if not values and not parameter.required:
            return make_default()
        if not values and optional_of(strip_annotated(parameter.annotation)) is not None:
            return None
        if not all(isinstance(value, str) for value in values):
            raise ValueError("Expected text, got a file.")
        return decode(values)

    return _slow_reader(parameter, read)


def _model_reader(parameter: Parameter) -> Reader:
    """A model whose fields are parameters of one source."""
    kind = parameter.kind
    decode = fields_decoder(bare(parameter.annotation), kind)

    async def read(request: Request) -> Any:
        return decode(await _values(request, kind))

    return _slow_reader(parameter, read)


def _slow_reader(parameter: Parameter, read: Read) -> Reader:
    """A parameter for which the fast way is the slow one."""
    kind = "form" if parameter.kind == "file" else parameter.kind
    needs = _FORM if kind == "form" else frozenset[str]()
    return Reader(parameter, ["{v} = await {k}_read(request)"], {"read": read}, read, (kind, parameter.key), needs)


def _file_reader(parameter: Parameter) -> Reader:
    key = parameter.key
    several = parameter.is_list
    as_bytes = (item_of(parameter.annotation) if several else bare(parameter.annotation)) is bytes
    make_default = _default_maker(parameter.default)
    _refuse_constraints(parameter)
    from erlen.http.upload import UploadFile

    async def read(request: Request) -> Any:
        form = await request.form()
        found = [value for value in form.getlist(key) if isinstance(value, UploadFile) and (value.filename or value.size)]
        if not found:
            if not parameter.required:
                return make_default()
            if several and not form.getlist(key):
                raise Incomplete(REQUIRED)
            raise ValueError(
                "Expected a file, got text." if any(isinstance(value, str) and value for value in form.getlist(key)) else REQUIRED
            )
        values = [value.read() for value in found] if as_bytes else found
        return values if several else values[-1]

    return _slow_reader(parameter, read)


def _body_reader(parameter: Parameter, json_depth: int) -> Reader:
    marker = parameter.marker if isinstance(parameter.marker, Body) else Body()
    plain = bare(parameter.annotation)
    optional = not parameter.required or optional_of(strip_annotated(parameter.annotation)) is not None
    empty = _default_maker(None if parameter.default is MISSING else parameter.default)
    if plain is bytes:
        _refuse_constraints(parameter)
    is_raw = plain in (bytes, str)
    decode = _raw_decoder(plain, parameter.annotation) if is_raw else json_decoder(parameter.annotation, depth=json_depth)
    check = None if is_raw and not marker.media_type else _type_check(marker.media_type)
    exact: frozenset[str] = frozenset() if marker.media_type else JSON_TYPES
    lines = []
    if optional:
        lines += ["if not body:", "    {v} = {k}_empty()", "else:"]
    indent = "    " if optional else ""
    if check is not None:
        lines += [f"{indent}if request.header('content-type') not in {{k}}_exact:", f"{indent}    {{k}}_check(request)"]
    lines.append(f"{indent}{{v}} = {{k}}_decode(body)")

    async def read(request: Request) -> Any:
        body = await request.body()
        if optional and not body:
            return empty()
        if check is not None:
            check(request)
        return decode(body)

    env = {"decode": decode, "check": check, "exact": exact, "empty": empty}
    return Reader(parameter, lines, env, read, ("body",), frozenset({"body"}))


def embedded_reader(parameters: list[Parameter], json_depth: int) -> tuple[Callable[[bytes], Any], Callable[[Request], None]]:
    """Return the decoder of one JSON object that holds several body parameters, and the check of its content type."""
    import msgspec

    fields: list[Any] = []
    for parameter in parameters:
        if bare(parameter.annotation) is bytes:
            raise ConfigurationError(
                f"body parameter `{parameter.name}` is bytes, which cannot be a member of a JSON object: take it alone"
            )
        default = {} if parameter.required else {"default_factory": _default_maker(parameter.default)}
        fields.append((parameter.name, parameter.annotation, msgspec.field(name=parameter.key, **default)))
    model = msgspec.defstruct("Body", fields, kw_only=True)
    return json_decoder(model, depth=json_depth), _type_check(None)


def _type_check(media_type: str | None) -> Callable[[Request], None]:
    """Return what refuses another media type; without one, what is no JSON."""
    wanted = media_type or "application/json"

    def check(request: Request) -> None:
        sent = request.content_type
        if sent != wanted and (media_type or (sent and not (sent.startswith("application/") and sent.endswith("+json")))):
            raise UnsupportedMediaType(f"Send the body as {wanted}, not as {sent or 'an unnamed type'}.")

    return check


def _raw_decoder(plain: type, annotation: Any) -> Callable[[bytes], Any]:
    """Return what makes text or bytes of a body that is no JSON, within the annotation's constraints."""
    if plain is bytes:
        return bytes
    if not constraints_of(annotation):
        return _decode_utf8
    decode = text_decoder(annotation)

    def check_text(body: bytes) -> object:
        try:
            return decode(_decode_utf8(body))
        except ValueError as error:
            raise InvalidRequest(text_faults(error, ("body",))) from None

    return check_text


def _refuse_constraints(parameter: Parameter) -> None:
    if constraints_of(parameter.annotation):
        raise ConfigurationError(
            f"parameter `{parameter.name}` has constraints, which nothing holds it to: check it in the handler, or say `max_body_size`"
        )


def _decode_utf8(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise InvalidRequest([Fault(("body",), "Expected text in UTF-8.")]) from None
