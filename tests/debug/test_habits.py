from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import pytest

import erlen
from erlen import App, Blueprint, Request
from erlen.debug import habits
from erlen.debug.frames import frames_of
from erlen.debug.hints import Hint, hints_for
from erlen.debug.masking import Masker
from erlen.errors import ConfigurationError
from erlen.testing import RequestFactory


def hint_when(function: Callable[[], object]) -> Hint:
    try:
        function()
    except Exception as error:  # noqa: BLE001 - what it raises is the matter
        found = hints_for([(error, frames_of(error, Masker()))], None)
        assert len(found) == 1, found
        return found[0]
    raise AssertionError("it does not raise")


@pytest.mark.parametrize(
    ("name", "fix"),
    [
        ("render_template", "from erlen import render"),
        ("jsonify", "return {"),
        ("HTTPException", "abort(404"),
        ("APIRouter", "from erlen import Blueprint"),
        ("FastAPI", "from erlen import App"),
        ("request", "def handler(request: Request)"),
    ],
)
def test_names_of_other_frameworks_that_are_imported_from_erlen(name: str, fix: str) -> None:
    space: dict[str, object] = {}
    hint = hint_when(lambda: exec(f"from erlen import App, {name}", space))
    assert fix in hint.code
    assert repr(name) in hint.title
    assert fix in hint_when(lambda: getattr(erlen, name)).code
    assert fix in hint_when(lambda: eval(name, {})).code


@pytest.mark.parametrize(
    ("name", "fix"),
    [
        ("errorhandler", "@app.error_handler(404)"),
        ("register_blueprint", "app.include("),
        ("include_router", "app.include("),
        ("run", "erlen dev"),
    ],
)
def test_methods_of_other_frameworks_applications(name: str, fix: str) -> None:
    assert fix in hint_when(lambda: getattr(App(), name)).code


def test_an_application_that_is_run_by_python_itself_says_which_command_serves_it() -> None:
    app = App()
    with pytest.raises(AttributeError, match=r"serve it with `erlen dev`"):
        app.run()
    assert not hasattr(app, "run")


def test_an_application_is_given_no_name() -> None:
    with pytest.raises(ConfigurationError) as raised:
        App(__name__)  # type: ignore[arg-type]
    (mistake,) = raised.value.mistakes
    assert mistake.message == f"App({__name__!r}): an application has no name"
    assert mistake.where.startswith(f"{__file__}:")
    assert mistake.fix == "write `App()`"


@pytest.mark.parametrize(
    ("use", "fix"),
    [
        (lambda request: request.args["page"], 'request.query.get("name")'),
        (lambda request: request.GET["page"], 'request.query.get("name")'),
        (lambda request: request.POST["page"], "request.read_form()"),
        (lambda request: request.get_json(), "request.read_json()"),
        (lambda request: request.META["HTTP_HOST"], 'request.header("user-agent")'),
        (lambda request: request.form["page"], "request.read_form()"),
        (lambda request: request.form.get("page"), "request.read_form()"),
        (lambda request: request.json["page"], "request.read_json()"),
    ],
)
def test_requests_read_as_other_frameworks_have_them(use: Callable[[Any], object], fix: str) -> None:
    request = RequestFactory(App()).get("/")
    assert fix in hint_when(lambda: use(request)).code


def test_a_body_that_is_used_without_await(recwarn: pytest.WarningsRecorder) -> None:
    request: Any = RequestFactory(App()).post("/", json={})

    hint = hint_when(lambda: request.json()["page"])
    assert hint.title == "An `await` is missing"
    assert "request.read_json()" in hint.code
    recwarn.clear()  # the coroutine that was never awaited is the mistake that is made here


@pytest.mark.parametrize(
    ("use", "fix"),
    [
        (lambda: App().get("/", response_model=int), "->"),  # type: ignore[call-arg]
        (lambda: App().get("/", status_code=201), "status=201"),  # type: ignore[call-arg]
        (lambda: erlen.Response("", status_code=201), "status=201"),  # type: ignore[call-arg]
        (lambda: Blueprint("shop", url_prefix="/shop"), 'prefix="/shop"'),  # type: ignore[call-arg]
    ],
)
def test_options_of_other_frameworks(use: Callable[[], object], fix: str) -> None:
    assert fix in hint_when(use).code


def test_the_same_names_elsewhere_have_no_such_hint() -> None:
    class Other:
        pass

    other: Any = Other()
    for name in ("args", "run", "jsonify"):
        with pytest.raises(AttributeError) as caught:
            getattr(other, name)
        assert hints_for([(caught.value, frames_of(caught.value, Masker()))], None) == []


def test_every_name_in_the_tables_is_there() -> None:
    """What is said to be written otherwise must not be there under its own name, and what is imported must be."""
    assert not [name for name in habits._NAMES if name in erlen.__all__]
    assert not [name for name in habits._REQUEST if hasattr(Request, name)]
    assert not [name for name in habits._APPLICATION if hasattr(App(), name)]
    lines = {line for table in (habits._NAMES, habits._APPLICATION) for _, code in table.values() for line in code.splitlines()}
    imports = [line.split() for line in lines if line.startswith("from erlen")]
    assert len(imports) > 10
    for _, module, _, *names in imports:
        for name in names:
            assert hasattr(importlib.import_module(module), name.strip(",")), (module, name)
