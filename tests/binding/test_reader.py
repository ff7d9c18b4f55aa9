"""The generated binder is fast; the slow reading finds every fault. They must agree on what is right."""

from __future__ import annotations

import datetime
import decimal
import json
import uuid
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import quote_plus, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from erlen import App, Body, Cookie, Form, Header, InvalidRequest, Meta, Query, Request, Struct
from erlen.binding.endpoint import Endpoint, EndpointOptions, build_endpoint
from erlen.binding.parameter import Providers
from erlen.binding.reader import Reader, reader_for
from erlen.drive import drive
from erlen.errors import HTTPError
from erlen.http.limits import Limits
from erlen.testing import RequestFactory

if TYPE_CHECKING:
    from tests.conftest import AssertLinear


class Colour(Enum):
    RED = "red"


class Filter(Struct):
    q: str
    page: Annotated[int, Meta(ge=1)] = 1
    tags: list[int] = []


TYPES: list[Any] = [
    int,
    str,
    bool,
    float,
    decimal.Decimal,
    uuid.UUID,
    datetime.date,
    Colour,
    Literal["a", "1"],
    int | None,
    str | None,
    int | str,
    int | bool | None,
    Annotated[int, Meta(ge=0, lt=10)],
    Annotated[str, Meta(min_length=1, max_length=3)],
    list[int],
    list[str],
    set[int],
    tuple[int, str],
    list[int] | None,
]
TEXTS = st.one_of(
    st.sampled_from(["", "0", "1", "-1", "12", "true", "off", "red", "a", "1.5", "1e3", "2024-01-02", "9" * 25, "٣", " 1", "1_0", "+1"]),
    st.integers().map(str),
    st.floats(allow_nan=True).map(str),
    st.text(max_size=4),
)
DEFAULTS = st.sampled_from([None, 1, "x"])
factory = RequestFactory(App())


def options(methods: frozenset[str]) -> EndpointOptions:
    return EndpointOptions(
        name="handler()",
        where="",
        methods=methods,
        param_names=(),
        colour="loop",
        status=200,
        debug=False,
        limits=Limits(),
        providers=Providers(),
        overrides={},
    )


async def _never(*args: Any) -> Any:
    raise AssertionError("a thread was asked for")


def endpoint_for(annotation: Any, *, default: Any, method: str) -> tuple[Endpoint, Reader, list[Any]]:
    """The endpoint of a handler with one parameter `x`, its reader, and the values that it has received."""
    received: list[Any] = []

    if default is ...:

        async def handler(x: Any) -> None:
            received.append(x)
    else:

        async def handler(x: Any = default) -> None:  # type: ignore[misc]
            received.append(x)

    handler.__annotations__ = {"x": annotation, "return": None}
    endpoint, mistakes = build_endpoint(handler, options(frozenset({method})))
    assert endpoint is not None, mistakes
    reader = reader_for(endpoint.parameters[0], embed=False, json_depth=64, params_at={})
    assert reader is not None
    return endpoint, reader, received


def agree(annotation: Any, default: Any, method: str, make: Any) -> None:
    """Hold the fast path to the slow one, for two equal requests."""
    endpoint, reader, received = endpoint_for(annotation, default=default, method=method)
    call = endpoint.write("loop", thread_call=_never)

    async def fast(request: Request) -> Any:
        try:
            await call(request)
        except InvalidRequest as error:
            return error.faults
        except HTTPError as error:
            return error.status
        return received

    async def slow(request: Request) -> Any:
        try:
            faults = await reader.faults(request)
            return tuple(faults) if faults else [await reader.read(request)]
        except HTTPError as error:
            return error.status

    outcome, expected = drive(fast(make())), drive(slow(make()))
    assert repr(outcome) == repr(expected)
    assert outcome


@given(st.sampled_from(TYPES), st.one_of(st.just(...), DEFAULTS), st.lists(TEXTS, max_size=3))
def test_query(annotation: Any, default: Any, texts: list[str]) -> None:
    path = "/?" + "&".join(f"x={quote_plus(text)}" for text in texts)
    agree(annotation, default, "GET", lambda: factory.get(path))


@given(st.sampled_from(TYPES), st.one_of(st.just(...), DEFAULTS), st.lists(TEXTS, max_size=3))
def test_form(annotation: Any, default: Any, texts: list[str]) -> None:
    body = urlencode([("x", text) for text in texts]).encode()
    headers = {"content-type": "application/x-www-form-urlencoded"}
    agree(Annotated[annotation, Form()], default, "POST", lambda: factory.post("/", content=body, headers=headers))


@given(st.sampled_from(TYPES), st.one_of(st.just(...), DEFAULTS), st.one_of(st.none(), TEXTS))
def test_header_and_cookie(annotation: Any, default: Any, text: str | None) -> None:
    text = None if text is None else "".join(char for char in text if 0x20 < ord(char) < 0x7F and char not in ';,"\\')
    header = {} if text is None else {"x": text}
    cookie = {} if text is None else {"cookie": f"x={text}"}
    agree(Annotated[annotation, Header()], default, "GET", lambda: factory.get("/", headers=header))
    agree(Annotated[annotation, Cookie()], default, "GET", lambda: factory.get("/", headers=cookie))


@given(st.lists(st.tuples(st.sampled_from(["q", "page", "tags", "z"]), TEXTS), max_size=5))
def test_model_of_a_query(pairs: list[tuple[str, str]]) -> None:
    agree(Annotated[Filter, Query()], ..., "GET", lambda: factory.get("/?" + urlencode(pairs)))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3), lambda inner: st.lists(inner, max_size=2), max_leaves=4
)
BODIES = st.one_of(
    st.dictionaries(st.sampled_from(["q", "page", "tags"]), VALUES | st.lists(st.integers(), max_size=2)).map(json.dumps),
    VALUES.map(json.dumps),
    st.text(max_size=5),
    st.just(""),
)


@given(st.sampled_from([Filter, Filter | None, list[int], dict[str, int]]), st.one_of(st.just(...), st.none()), BODIES)
def test_body(annotation: Any, default: Any, body: str) -> None:
    agree(Annotated[annotation, Body()], default, "POST", lambda: factory.post("/", content=body.encode("utf-8", "replace")))


def test_binding_is_linear_in_the_query(assert_linear: AssertLinear) -> None:
    endpoint, _, _ = endpoint_for(list[int], default=..., method="GET")
    call = endpoint.write("loop", thread_call=_never)
    # Up to 960: more than 1000 parameters are refused.
    assert_linear(lambda count: "/?" + "&".join(["x=1"] * count), lambda target: drive(call(factory.get(target))), 60)


@pytest.mark.parametrize("count", [1001, 5000])
def test_more_parameters_than_the_limit_are_refused(count: int) -> None:
    endpoint, _, _ = endpoint_for(int, default=1, method="GET")
    with pytest.raises(HTTPError, match="More than 1000 parameters"):
        drive(endpoint.write("loop", thread_call=_never)(factory.get("/?" + "&".join(["y=1"] * count))))
