"""What people write who come from Flask, FastAPI, Starlette or Django, and what Erlen has in its place."""

from __future__ import annotations

from types import ModuleType

from erlen.app.routes import Routes
from erlen.http.request import Request

__all__ = ["habit_of", "method_habit", "option_habit"]

Habit = tuple[str, str]
"""What Erlen has, as a sentence, and the lines to write."""


def habit_of(owner: object, name: str) -> Habit | None:
    """Return what to write for a name that other frameworks have on the package, an application, a blueprint or a request."""
    if isinstance(owner, ModuleType):
        return _NAMES.get(name) if owner.__name__ == "erlen" else None
    if isinstance(owner, Routes):
        return _APPLICATION.get(name)
    return _REQUEST.get(name) if isinstance(owner, Request) else None


def method_habit(name: str) -> Habit | None:
    """Return what to write for a method of a request that was used as if it were a value, such as `request.form["name"]`."""
    return _METHODS.get(name)


def option_habit(name: str) -> Habit | None:
    """Return what to write for an option of a route or a response that other frameworks have."""
    return _OPTIONS.get(name)


def _by_name(table: dict[str, Habit]) -> dict[str, Habit]:
    return {name: habit for names, habit in table.items() for name in names.split()}


_FORM = (
    "Form fields and files are read together, in an `async def` handler with `await`.",
    "form = await request.form()\nform = request.read_form()  # in a `def` handler",
)
_JSON = (
    "The body is read by a method, in an `async def` handler with `await`.",
    "data = await request.json()\ndata = request.read_json()  # in a `def` handler",
)
_BODY = (
    "The body is read by a method, in an `async def` handler with `await`.",
    "body = await request.body()\nbody = request.read_body()  # in a `def` handler",
)
_QUERY = (
    "The query string is `request.query`; or let the handler take the value.",
    'request.query.get("name")\ndef handler(name: str = ""):  # from the query string, with a default',
)
_SERVE = (
    "An application does not serve itself: take this line out, and let the command `erlen` serve it.",
    "erlen dev  # while you write it\nerlen run  # in production",
)

_NAMES = _by_name(
    {
        "FastAPI Flask Litestar Quart Starlette": ("An application is an `App`.", "from erlen import App\n\napp = App()"),
        "APIRouter Router": ("Routes that belong together are a `Blueprint`.", "from erlen import Blueprint"),
        "render_template TemplateResponse Jinja2Templates": (
            "Templates of the folder `templates` are rendered by `render`.",
            'from erlen import render\n\nreturn render("page.html", title=title)',
        ),
        "render_template_string": ("A template given as text has a function of its own.", "from erlen.templates import render_string"),
        "stream_template": ("A page is sent as it renders by `stream_page`.", "from erlen.templates import stream_page"),
        "jsonify JsonResponse ORJSONResponse UJSONResponse": (
            "Return the dict, list or model itself: it is sent as JSON.",
            'return {"name": name}',
        ),
        "HTTPException": (
            "`abort` ends a request with any status; `NotFound`, `Forbidden` and others can be raised.",
            'from erlen import abort\n\nabort(404, "There is no such book.")',
        ),
        "Http404": ("It is `NotFound`.", "from erlen import NotFound\n\nraise NotFound"),
        "request": (
            "A handler takes the request as a parameter.",
            "from erlen import Request\n\ndef handler(request: Request):",
        ),
        "session": ("The session is the request's.", "request.session"),
        "g": ("What belongs to one request is kept in its `state`.", "request.state.user = user"),
        "make_response HttpResponse": ("A response is a `Response`.", "from erlen import Response\n\nreturn Response(body, status=201)"),
        "PlainTextResponse": ("Return the `str` itself, or a `TextResponse`.", "from erlen import TextResponse"),
        "HttpResponseRedirect": ("It is `redirect`.", 'from erlen import redirect\n\nreturn redirect("/")'),
        "StreamingResponse StreamingHttpResponse": ("It is `StreamResponse`.", "from erlen import StreamResponse"),
        "EventSourceResponse": ("It is `EventStreamResponse`.", "from erlen import EventStreamResponse"),
        "send_file send_from_directory": (
            "Return a `pathlib.Path`, or a `FileResponse`, which takes more options.",
            "from erlen import FileResponse",
        ),
        "reverse": ("It is `url_for`.", "from erlen import url_for"),
        "status": ("A status is a number.", '@app.post("/books", status=201)'),
        "BackgroundTasks BackgroundTask": (
            "Work after the response is the request's.",
            "request.after_response(send_mail, address)",
        ),
        "CORS CORSMiddleware": ("It is `Cors`.", "from erlen import Cors\n\napp.add_middleware(Cors(…))"),
        "BaseModel": ("A model is a `Struct`; pydantic's models work too.", "from erlen import Struct"),
        "TestClient": ("The client for tests has a module of its own.", "from erlen.testing import Client"),
        "Markup escape": ("It is MarkupSafe's.", "from markupsafe import Markup, escape"),
        "StaticFiles": ("A folder `static` beside the application is served by itself.", 'app = App(static="assets")  # another folder'),
    }
)
_APPLICATION = _by_name(
    {
        "run": _SERVE,
        "errorhandler exception_handler add_exception_handler register_error_handler": (
            "It is `error_handler`.",
            "@app.error_handler(404)\ndef missing(request: Request, error: NotFound) -> …:",
        ),
        "register_blueprint include_router": ("It is `include`.", 'app.include(blueprint, prefix="/shop")'),
        "add_url_rule add_api_route": ("It is `add_route`.", 'app.add_route("/books", handler)'),
        "api_route": ("It is `route`.", '@app.route("/books", methods=["GET", "POST"])'),
        "test_client": ("The client for tests has a module of its own.", "from erlen.testing import Client\n\nclient = Client(app)"),
        "config": (
            "Settings are given to the application, or come from the environment.",
            "class MySettings(Settings):\n    page_size: int = 20\n\napp = App(MySettings)",
        ),
        "on_event before_first_request before_serving": ("It is `on_startup`.", "@app.on_startup\nasync def connect() -> None:"),
        "after_serving": ("It is `on_shutdown`.", "@app.on_shutdown\nasync def disconnect() -> None:"),
        "context_processor template_filter template_global template_test": (
            "What templates see is added to a `Templates`: it has `context`, `filter`, `global_` and `test`.",
            "from erlen.templates import Templates\n\ntemplates = app.use(Templates())\n\n@templates.filter\ndef price(value: int) -> str:",
        ),
        "cli": ("It is `command`.", "@app.command\ndef import_books(file: Path) -> None:"),
        "logger": ("Python's own logging is used.", "import logging\n\nlogger = logging.getLogger(__name__)"),
        "dependency_overrides": ("Tests give what takes their place to the client.", "Client(app, overrides={dependency: other})"),
    }
)
_REQUEST = _by_name(
    {
        "args GET query_params": _QUERY,
        "POST FILES files values": _FORM,
        "get_json is_json": _JSON,
        "data get_data": _BODY,
        "META": ("Header fields are `request.headers`.", 'request.header("user-agent")'),
        "COOKIES": ("It is `cookies`.", 'request.cookies.get("name")'),
        "remote_addr": ("It is `client`.", "request.client"),
        "user_agent": ("It is a header field.", 'request.header("user-agent")'),
        "referrer": ("It is a header field, and written with one r.", 'request.header("referer")'),
        "mimetype": ("It is `content_type`.", "request.content_type"),
        "view_args": ("It is `path_params`; or let the handler take the value.", '@app.get("/books/{id}")\ndef show(id: int):'),
        "get_host": ("It is `host`.", "request.host"),
        "base_url full_path get_full_path build_absolute_uri": ("The whole URL and its parts are `request.url`.", "request.url"),
        "g": ("It is `state`.", "request.state"),
    }
)
_METHODS: dict[str, Habit] = {"form": _FORM, "json": _JSON, "body": _BODY}
_OPTIONS = _by_name(
    {
        "status_code": ("It is `status`.", "status=201"),
        "response_model response_class": ("What a handler answers is said by its return annotation.", "def show(id: int) -> Book:"),
        "media_type mimetype": ("It is `content_type`.", 'content_type="text/csv"'),
        "endpoint": ("It is `name`.", 'name="show"'),
        "strict_slashes": ("It is `slashes`.", 'slashes="strict"'),
        "url_prefix": ("It is `prefix`.", 'prefix="/shop"'),
    }
)
