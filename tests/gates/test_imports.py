"""What is loaded at import, counted in a fresh interpreter each time."""

from __future__ import annotations

import subprocess
import sys

HEAVY = {
    "asyncio",
    "click",
    "dataclasses",
    "email",
    "granian",
    "http.client",
    "inspect",
    "itsdangerous",
    "jinja2",
    "logging",
    "multipart",
    "tempfile",
    "urllib.request",
}

HELLO = """
from erlen import App

app = App()

@app.get("/")
def home() -> dict[str, str]:
    return {"hello": "world"}

app.freeze()
"""

STARLETTE_HELLO = """
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

async def home(request):
    return JSONResponse({"hello": "world"})

app = Starlette(routes=[Route("/", home)])
"""


def modules_loaded_by(program: str) -> set[str]:
    """The names in `sys.modules` after the program that a bare interpreter does not have."""
    counted = f"import sys\nbefore = set(sys.modules)\n{program}\nprint(*(set(sys.modules) - before), sep='\\n')"
    answer = subprocess.run([sys.executable, "-I", "-c", counted], capture_output=True, text=True, timeout=60, check=False)
    assert answer.returncode == 0, answer.stderr
    return set(answer.stdout.split())


def test_import_erlen_loads_at_most_25_modules() -> None:
    loaded = modules_loaded_by("import erlen")
    assert "erlen" in loaded
    assert len(loaded) <= 25, sorted(loaded)


def test_import_erlen_loads_nothing_heavy() -> None:
    assert modules_loaded_by("import erlen") & HEAVY == set()


def test_frozen_hello_world_loads_only_the_libraries_it_uses() -> None:
    unused = {"click", "granian", "itsdangerous", "jinja2", "multipart", "email", "http.client", "urllib.request"}
    assert modules_loaded_by(HELLO) & unused == set()


def test_frozen_hello_world_loads_fewer_modules_than_starlette() -> None:
    erlen, starlette = modules_loaded_by(HELLO), modules_loaded_by(STARLETTE_HELLO)
    assert "starlette.applications" in starlette
    assert len(erlen) < len(starlette), sorted(erlen - starlette)
