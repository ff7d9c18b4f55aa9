"""The fixtures, in projects of their own and in another process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

APP = """
from erlen import App

app = App()

@app.get("/")
def home() -> dict[str, str]:
    return {"hello": "world"}
"""

TESTS = """
from erlen import Request, current_request
from erlen.testing import AsyncClient, Client, RequestFactory
import pytest

def test_client(client: Client) -> None:
    assert client.get("/").json() == {"hello": "world"}

def test_request_factory(request_factory: RequestFactory) -> None:
    with request_factory.active(request_factory.get("/x")):
        assert current_request().path == "/x"

@pytest.mark.anyio
async def test_async_client(async_client: AsyncClient) -> None:
    assert (await async_client.get("/")).ok

@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
"""


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-W", "error", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_fixtures_find_the_application_and_answer(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(APP)
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_app.py").write_text(TESTS)
    (tmp_path / "pyproject.toml").write_text("[tool.pytest.ini_options]\n")
    answer = run(tmp_path / "tests")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "3 passed" in answer.stdout


def test_application_is_overridden_in_conftest(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(f"import pytest\n{APP}\n_app = app\n@pytest.fixture\ndef app():\n    return _app\n")
    (tmp_path / "test_app.py").write_text("def test_client(client):\n    assert client.get('/').ok\n")
    answer = run(tmp_path)
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_what_is_no_application_is_named(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("app = 1")
    (tmp_path / "test_app.py").write_text("def test_client(client): ...\n")
    answer = run(tmp_path)
    assert answer.returncode == 1
    assert "which is no erlen.App: override `app` in your conftest.py" in answer.stdout


def test_project_that_does_not_use_erlen_loads_nothing_of_it(tmp_path: Path) -> None:
    (tmp_path / "test_other.py").write_text(
        "import sys\n"
        "def test_modules():\n"
        "    loaded = {name for name in sys.modules if name.partition('.')[0] in ('erlen', 'granian', 'msgspec')}\n"
        "    assert loaded == {'erlen', 'erlen.testing', 'erlen.testing.plugin'}\n"
    )
    answer = run(tmp_path)
    assert answer.returncode == 0, answer.stdout + answer.stderr
