"""What handlers may ask for, and where it comes from."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import uuid
from collections.abc import Callable
from enum import Enum
from typing import Annotated, Any, Literal, NewType, TypedDict

import attrs
import pydantic
import pytest

from erlen import (
    App,
    Body,
    ConfigurationError,
    Cookie,
    File,
    Form,
    FormData,
    Header,
    Headers,
    HttpSession,
    Meta,
    Path,
    Query,
    QueryParams,
    Request,
    Struct,
    UploadFile,
)
from erlen.testing import Client

MakeClient = Callable[..., Client]


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Item(Struct):
    name: str
    price: float = 1.5
    tags: list[str] = []


@dataclasses.dataclass
class Point:
    x: int
    y: int = 0


class Pair(TypedDict):
    left: int
    right: int


@attrs.define
class Box:
    size: int


class Person(pydantic.BaseModel):
    name: str
    age: int = 3


class Filter(Struct):
    q: str
    page: Annotated[int, Meta(ge=1)] = 1
    tags: list[str] = []


UserId = NewType("UserId", int)
Short = Annotated[str, Meta(min_length=2, max_length=4)]


def locations(answer: Any) -> list[list[object]]:
    assert answer.status == 422, answer
    return [error["location"] for error in answer.json()["errors"]]


def test_path_parameters_of_every_scalar_kind(client_for: MakeClient) -> None:
    app = App()

    @app.get("/{i}/{f}/{b}/{u}/{d}/{c}/{w}/{m}")
    def show(
        i: int,
        f: float,
        b: bool,
        u: uuid.UUID,
        d: datetime.date,
        c: Colour,
        w: Literal["x", "y"],
        m: decimal.Decimal,
    ) -> list[Any]:
        assert (type(i), type(u), type(d), type(c)) == (int, uuid.UUID, datetime.date, Colour)
        return [i, f, b, u, d, c, w, m]

    client = client_for(app)
    good = ["1", "2.5", "true", "12345678-1234-1234-1234-123456789abc", "2024-01-02", "red", "x", "1.20"]
    assert client.get("/" + "/".join(good)).json() == [1, 2.5, True, good[3], "2024-01-02", "red", "x", "1.20"]
    for position, wrong in enumerate(["x", "x", "x", "x", "2024-13-01", "green", "z", "x"]):
        assert client.get("/" + "/".join([*good[:position], wrong, *good[position + 1 :]])).status == 404, wrong


def test_path_parameters_with_constraints_aliases_and_rest(client_for: MakeClient) -> None:
    app = App()

    @app.get("/number/{n}")
    def number(n: Annotated[int, Meta(ge=1, le=9)]) -> int:
        return n

    @app.get("/alias/{id}")
    async def alias(item_id: Annotated[int, Path("id")]) -> int:
        return item_id

    @app.get("/rest/{rest:path}")
    def rest(rest: str) -> str:
        return rest

    @app.get("/plain/{word}")
    def plain(word) -> str:  # type: ignore[no-untyped-def]
        return word  # type: ignore[no-any-return]

    @app.get("/new/{id}")
    def new(id: UserId) -> int:
        return id

    client = client_for(app)
    assert [client.get(f"/number/{n}").status for n in (0, 1, 9, 10)] == [404, 200, 200, 404]
    assert client.get("/alias/5").json() == 5
    assert client.get("/rest/a/b%20c").text == "a/b c"
    assert client.get("/plain/x").text == "x"
    assert client.get("/new/7").json() == 7


def test_query_parameters(client_for: MakeClient) -> None:
    app = App()

    @app.get("/")
    def show(  # type: ignore[no-untyped-def]
        required: int,
        optional: int | None = None,
        default: str = "d",
        flag: bool = False,
        many: list[int] = [],  # noqa: B006 - it is copied for each request
        unique: set[str] | None = None,
        several: tuple[int, int] = (0, 0),
        short: Short = "ab",
        other: Annotated[int, Query("o-t")] = 1,
        *,
        keyword: Colour = Colour.RED,
        untyped=7,
    ) -> list[Any]:
        many.append(0)
        return [required, optional, default, flag, many, unique and sorted(unique), several, short, other, keyword, untyped]

    client = client_for(app)
    defaults = [None, "d", False, [0], None, [0, 0], "ab", 1, "red", 7]
    assert client.get("/?required=1").json() == [1, *defaults]
    assert client.get("/?required=1").json() == [1, *defaults]
    query = "required=-2&optional=3&default=x+y&flag=on&many=1&many=2&unique=b&unique=a&several=1&several=2&short=abc&o-t=5"
    assert client.get(f"/?{query}&keyword=blue&untyped=9").json() == [
        -2, 3, "x y", True, [1, 2, 0], ["a", "b"], [1, 2], "abc", 5, "blue", 9,
    ]  # fmt: skip
    assert client.get("/?required=1&required=2&optional=").json()[:2] == [2, None]
    wrong = "optional=x&flag=maybe&many=1&many=x&several=1&short=a&o-t=1.5&keyword=green&untyped=no"
    assert locations(client.get(f"/?{wrong}")) == [
        ["query", "required"],
        ["query", "optional"],
        ["query", "flag"],
        ["query", "many", 1],
        ["query", "several"],
        ["query", "short"],
        ["query", "o-t"],
        ["query", "keyword"],
        ["query", "untyped"],
    ]


def test_headers_and_cookies(client_for: MakeClient) -> None:
    class Wanted(Struct):
        user_agent: str
        x_number: int = 0

    class Jar(Struct):
        theme: str = "light"

    app = App()

    @app.get("/")
    async def show(
        x_token: Annotated[str | None, Header()] = None,
        accept_language: Annotated[list[str], Header()] = [],  # noqa: B006
        length: Annotated[int, Header("X-Length")] = 0,
        visits: Annotated[int, Cookie()] = 0,
        name: Annotated[str | None, Cookie("n")] = None,
    ) -> list[Any]:
        return [x_token, accept_language, length, visits, name]

    @app.get("/models")
    def models(wanted: Annotated[Wanted, Header()], jar: Annotated[Jar, Cookie()]) -> list[Any]:
        return [wanted.user_agent, wanted.x_number, jar.theme]

    client = client_for(app)
    assert client.get("/").json() == [None, [], 0, 0, None]
    sent = {"x-token": "t", "accept-language": "de, en", "x-length": "4", "cookie": "visits=3; n=ann"}
    assert client.get("/", headers=sent).json() == ["t", ["de", "en"], 4, 3, "ann"]
    assert locations(client.get("/", headers={"x-length": "x", "cookie": "visits=many"})) == [["header", "x-length"], ["cookie", "visits"]]
    assert client.get("/models", headers={"user-agent": "me", "x-number": "4", "cookie": "theme=dark"}).json() == ["me", 4, "dark"]
    assert ["header", "x-number"] in locations(client.get("/models", headers={"user-agent": "me", "x-number": "x"}))


@pytest.mark.parametrize("model", [Item, Point, Pair, Box, Person])
def test_bodies_of_every_kind_of_model(client_for: MakeClient, model: Any) -> None:
    app = App()

    def take(body: Any) -> Any:
        return body

    async def take_async(body: Any) -> Any:
        return body

    take.__annotations__ = {"body": model, "return": model}
    take_async.__annotations__ = {"body": model, "return": model}
    app.post("/def")(take)
    app.post("/async")(take_async)
    good = {Item: {"name": "a", "price": 2.5, "tags": ["x"]}, Point: {"x": 1, "y": 2}, Pair: {"left": 1, "right": 2}, Box: {"size": 1}}
    value = good.get(model, {"name": "ann", "age": 4})
    client = client_for(app)
    for path in ("/def", "/async"):
        assert client.post(path, json=value).json() == value
        missing = locations(client.post(path, json={}))
        assert missing
        assert all(location[0] == "body" for location in missing)
        for malformed in (b"", b"{", b"[1", b"\xff", b"{'a': 1}", b"[" * 100):
            answer = client.post(path, content=malformed, headers={"content-type": "application/json"})
            assert answer.status == 400, malformed


def test_other_bodies(client_for: MakeClient) -> None:
    app = App()

    @app.post("/list")
    def items(items: list[Item]) -> int:
        return len(items)

    @app.post("/map")
    def numbers(numbers: dict[str, int]) -> int:
        return sum(numbers.values())

    @app.post("/scalar")
    async def scalar(number: Annotated[int, Body()]) -> int:
        return number

    @app.post("/either")
    def either(value: Item | list[Item] | None = None) -> str:
        return type(value).__name__

    @app.post("/bytes")
    def raw(data: Annotated[bytes, Body()]) -> bytes:
        return data

    @app.post("/text")
    async def text(data: Annotated[str, Body()]) -> str:
        return data

    client = client_for(app)
    assert client.post("/list", json=[{"name": "a"}, {"name": "b"}]).json() == 2
    assert locations(client.post("/list", json=[{"name": "a"}, {}])) == [["body", 1, "name"]]
    assert client.post("/map", json={"a": 1, "b": 2}).json() == 3
    assert client.post("/scalar", json=4).json() == 4
    assert client.post("/scalar", json="4").status == 422
    values: list[Any] = [{"name": "a"}, [], None]
    assert [client.post("/either", json=value).text for value in values] == ["Item", "list", "NoneType"]
    assert client.post("/either").text == "NoneType"
    assert client.post("/bytes", content=b"\xff\x00").content == b"\xff\x00"
    assert client.post("/text", content="Grüße".encode()).text == "Grüße"
    assert locations(client.post("/text", content=b"\xff")) == [["body"]]


def test_constraints_on_raw_bodies_hold(client_for: MakeClient) -> None:
    app = App()

    @app.post("/text")
    def text(data: Annotated[Short, Body()]) -> str:
        return data

    client = client_for(app)
    assert client.post("/text", content=b"abc").text == "abc"
    assert locations(client.post("/text", content=b"abcde")) == [["body"]]


def test_constraints_that_nothing_would_hold_are_refused() -> None:
    app = App()

    @app.post("/bytes")
    def raw(data: Annotated[bytes, Body(), Meta(max_length=3)]) -> int:
        return len(data)

    @app.post("/files")
    def few(files: Annotated[list[UploadFile], File(), Meta(max_length=2)]) -> int:
        return len(files)

    with pytest.raises(ConfigurationError, match="2 mistakes") as caught:
        app.freeze()
    assert "`data` has constraints, which nothing holds it to" in str(caught.value)
    assert "`files` has constraints" in str(caught.value)


def test_bodies_have_a_content_type(client_for: MakeClient) -> None:
    app = App()

    @app.post("/json")
    def json_only(item: Item) -> str:
        return item.name

    @app.post("/yaml")
    def yaml(data: Annotated[bytes, Body(media_type="application/yaml")]) -> int:
        return len(data)

    client = client_for(app)
    body = b'{"name": "a"}'
    for accepted in (None, "application/json", "Application/JSON; charset=UTF-8", "application/vnd.api+json"):
        assert client.post("/json", content=body, headers={"content-type": accepted}).text == "a", accepted
    for refused in ("text/plain", "application/x-www-form-urlencoded", "text/json", "application/jsonx"):
        assert client.post("/json", content=body, headers={"content-type": refused}).status == 415, refused
    assert client.post("/yaml", content=b"a: 1", headers={"content-type": "application/yaml"}).json() == 4
    assert "application/yaml" in client.post("/yaml", content=b"a: 1", headers={"content-type": "text/plain"}).text


def test_several_bodies_are_members_of_one_object(client_for: MakeClient) -> None:
    app = App()

    @app.post("/")
    def both(item: Item, point: Point, count: Annotated[int, Body("n")] = 3, marks: Annotated[list[int], Body()] = [1]) -> list[Any]:  # noqa: B006
        marks.append(0)
        return [item.name, point.x, count, marks]

    @app.post("/embed")
    async def embedded(item: Annotated[Item, Body(embed=True)]) -> str:
        return item.name

    client = client_for(app)
    for _ in range(2):
        assert client.post("/", json={"item": {"name": "a"}, "point": {"x": 4}}).json() == ["a", 4, 3, [1, 0]]
    assert client.post("/", json={"item": {"name": "a"}, "point": {"x": 4}, "n": 5, "marks": []}).json() == ["a", 4, 5, [0]]
    assert locations(client.post("/", json={"item": {}, "point": {"x": "a"}, "n": "b"})) == [
        ["body", "item", "name"],
        ["body", "point", "x"],
        ["body", "n"],
    ]
    assert client.post("/embed", json={"item": {"name": "a"}}).text == "a"
    assert locations(client.post("/embed", json={"name": "a"})) == [["body", "item"]]


def test_forms_and_files(client_for: MakeClient) -> None:
    class Signup(Struct):
        name: Short
        age: int = 18
        newsletter: bool = False

    app = App()

    @app.post("/fields")
    def fields(
        name: Annotated[str, Form()],
        age: Annotated[int, Form()] = 18,
        agreed: Annotated[bool, Form()] = False,
        ticked: Annotated[bool, Form("t-k")] = False,
        tags: Annotated[list[str], Form()] = [],  # noqa: B006
    ) -> list[Any]:
        return [name, age, agreed, ticked, tags]

    @app.post("/model")
    async def model(signup: Annotated[Signup, Form()]) -> Signup:
        return signup

    @app.post("/box")
    def box(agreed: Annotated[bool, Form()], count: Annotated[int, Form()]) -> list[Any]:
        return [agreed, count]

    @app.post("/files")
    def files(
        one: UploadFile,
        many: list[UploadFile],
        content: Annotated[bytes, File()],
        none: UploadFile | None = None,
        note: Annotated[str, Form()] = "-",
    ) -> list[Any]:
        return [one.filename, one.read().decode(), [file.filename for file in many], content.decode(), none, note]

    @app.post("/data")
    async def data(form: FormData) -> list[Any]:
        return [form["a"], form.getlist("a")]

    client = client_for(app)
    assert client.post("/fields", data={"name": "a"}).json() == ["a", 18, False, False, []]
    sent = {"name": "", "age": "", "agreed": "on", "t-k": "true", "tags": ["x", "y"]}
    assert client.post("/fields", data=sent).json() == ["", 18, True, True, ["x", "y"]]
    assert locations(client.post("/fields", data={"age": "old", "agreed": "perhaps"})) == [
        ["form", "name"],
        ["form", "age"],
        ["form", "agreed"],
    ]
    assert client.post("/fields", json={"name": "a"}).status == 415
    assert client.post("/model", data={"name": "ann", "newsletter": "on"}).json() == {"name": "ann", "age": 18, "newsletter": True}
    assert locations(client.post("/model", data={"name": "a", "age": "x"})) == [["form", "name"], ["form", "age"]]
    assert client.post("/box", data={"count": "3"}).json() == [False, 3]
    assert locations(client.post("/box", data={"count": ""})) == [["form", "count"]]

    upload: dict[str, Any] = {"one": ("a.txt", b"one"), "many": [("b.txt", b"b"), ("c.txt", b"c")], "content": ("d", b"content")}
    assert client.post("/files", files=upload, data={"note": "n"}).json() == ["a.txt", "one", ["b.txt", "c.txt"], "content", None, "n"]
    missing = client.post("/files", data={"one": "text"}, files={"other": ("d", b"x" * 20)})
    assert locations(missing) == [["form", "one"], ["form", "many"], ["form", "content"]]
    assert client.post("/data", data={"a": ["1", "2"]}).json() == ["2", ["1", "2"]]


def test_the_request_and_its_parts(client_for: MakeClient) -> None:
    app = App()

    @app.get("/")
    def parts(request: Request, headers: Headers, query: QueryParams, session: HttpSession) -> list[Any]:
        assert request.session is session
        return [request.path, headers["x-a"], query["b"], len(session)]

    @app.get("/untyped")
    async def untyped(request) -> str:  # type: ignore[no-untyped-def]
        return request.path  # type: ignore[no-any-return]

    client = client_for(app)
    assert client.get("/?b=2", headers={"x-a": "1"}).json() == ["/", "1", "2", 0]
    assert client.get("/untyped").text == "/untyped"


def test_models_of_query_parameters(client_for: MakeClient) -> None:
    app = App()

    @app.get("/")
    def search(filter: Annotated[Filter, Query()]) -> Filter:
        return filter

    client = client_for(app)
    assert client.get("/?q=x&page=2&tags=a&tags=b").json() == {"q": "x", "page": 2, "tags": ["a", "b"]}
    assert client.get("/?q=x").json() == {"q": "x", "page": 1, "tags": []}
    assert locations(client.get("/?page=0")) == [["query", "q"], ["query", "page"]]


def test_all_faults_of_all_sources_are_in_one_answer(client_for: MakeClient) -> None:
    app = App()

    @app.post("/")
    async def everything(
        number: int,
        item: Item,
        token: Annotated[int, Header()],
        visits: Annotated[int, Cookie()],
        tags: list[int] = [],  # noqa: B006
    ) -> None: ...

    answer = client_for(app).post("/?number=x&tags=1&tags=y", json={"price": "much"}, headers={"cookie": "visits=x"})
    assert sorted(map(str, locations(answer))) == sorted(
        map(
            str,
            [
                ["query", "number"],
                ["query", "tags", 1],
                ["header", "token"],
                ["cookie", "visits"],
                ["body", "name"],
                ["body", "price"],
            ],
        )
    )


def test_types_made_in_functions_are_found(client_for: MakeClient) -> None:
    class Local(Struct):
        size: int

    Big = Annotated[int, Meta(ge=100)]  # noqa: N806
    app = App()

    @app.post("/")
    def take(local: Local, big: Big = 100) -> Local:
        return Local(local.size + big)

    client = client_for(app)
    assert client.post("/", json={"size": 1}).json() == {"size": 101}
    assert locations(client.post("/?big=1", json={"size": 1})) == [["query", "big"]]


def test_huge_numbers_in_the_query_and_in_json(client_for: MakeClient) -> None:
    app = App()

    @app.get("/")
    def number(n: int) -> bool:
        return n > 0

    @app.post("/")
    def body(n: Annotated[int, Body()]) -> bool:
        return n > 0

    client = client_for(app)
    assert client.get("/?n=" + "9" * 30).json() is True
    assert client.get("/?n=" + "9" * 5000).status == 422
    assert client.post("/", content="9" * 5000, headers={"content-type": "application/json"}).status in (400, 422)


@pytest.mark.parametrize("text", ["1_000", " 1", "+1", "٣", "1.0", "0x1", "", "--1", "1e3", "true"])
def test_integers_are_plain(client_for: MakeClient, text: str) -> None:
    app = App()

    @app.get("/")
    def number(n: int) -> int:
        return n

    assert client_for(app).get("/", params={"n": text}).status == 422
