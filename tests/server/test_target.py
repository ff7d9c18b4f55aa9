from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from erlen.errors import ConfigurationError
from erlen.server.target import find_target, load_app


@pytest.fixture(autouse=True)
def clean_imports() -> Iterator[None]:
    path, modules = list(sys.path), set(sys.modules)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        del sys.modules[name]


def write(folder: Path, **files: str) -> None:
    for name, content in files.items():
        path = folder / (name.replace("__", "/") + ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


def test_app_py_comes_first_then_main_py(tmp_path: Path) -> None:
    write(tmp_path, main="app = 'main'")
    assert str(find_target(folder=tmp_path)) == "main:app"
    write(tmp_path, app="app = 'app'")
    assert str(find_target(folder=tmp_path)) == "app:app"


def test_a_package_with_an_app(tmp_path: Path) -> None:
    write(tmp_path, other="")
    for package, files in {"site1": {"app.py": "app = 1"}, "tests": {"test_app.py": ""}}.items():
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text("")
        for name, content in files.items():
            (tmp_path / package / name).write_text(content)
    assert str(find_target(folder=tmp_path)) == "site1.app:app"


@pytest.mark.parametrize(
    "content",
    [
        "app = make()",
        "app: App = make()",
        "from .core import app",
        "from .core import site as app",
        "from .core import (\n    a,\n    app,\n)",
    ],
)
def test_a_package_that_binds_app_in_its_init(tmp_path: Path, content: str) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "__init__.py").write_text(content)
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "__init__.py").write_text("this is no Python")
    assert str(find_target(folder=tmp_path)) == "shop:app"


@pytest.mark.parametrize("content", ["application = 1", "from .core import app as site", "def app(): ...", "# import app", "import apps"])
def test_a_package_that_does_not_bind_app(tmp_path: Path, content: str) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "__init__.py").write_text(content)
    with pytest.raises(ConfigurationError, match="No application was found"):
        find_target(folder=tmp_path)


def test_two_packages_are_an_error_that_names_them(tmp_path: Path) -> None:
    for package in ("one", "two"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text("app = 1")
    with pytest.raises(ConfigurationError, match="one:app, two:app"):
        find_target(folder=tmp_path)


def test_the_variable_wins_over_the_project_and_both_over_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, app="app = 1")
    (tmp_path / "pyproject.toml").write_text('[tool.erlen]\napp = "shop.web:site"\n')
    assert str(find_target(folder=tmp_path)) == "shop.web:site"
    monkeypatch.setenv("ERLEN_APP", "other:thing")
    assert str(find_target(folder=tmp_path)) == "other:thing"
    assert str(find_target("said", folder=tmp_path)) == "said:app"


@pytest.mark.parametrize("content", ["[tool.erlen", "[tool.erlen]\napp = 1"])
def test_a_broken_project_file_is_an_error_that_names_it(tmp_path: Path, content: str) -> None:
    (tmp_path / "pyproject.toml").write_text(content)
    with pytest.raises(ConfigurationError, match=r"pyproject\.toml"):
        find_target(folder=tmp_path)


def test_nothing_found_says_where_it_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        find_target(folder=tmp_path)
    for place in ("ERLEN_APP", "[tool.erlen] app", "app.py", "main.py", str(tmp_path)):
        assert place in str(caught.value)


def test_a_path_is_a_module_of_the_package_it_is_in(tmp_path: Path) -> None:
    write(tmp_path, src__shop__web="site = 5")
    (tmp_path / "src" / "shop" / "__init__.py").write_text("")
    for spec in ("src/shop/web.py:site", str(tmp_path / "src/shop/web.py") + ":site"):
        target = find_target(spec, folder=tmp_path)
        assert (str(target), target.folder) == ("shop.web:site", tmp_path / "src")
    assert load_app("src/shop/web.py:site", folder=tmp_path) == 5
    assert str(find_target("src/shop/__init__.py", folder=tmp_path)) == "shop:app"


@pytest.mark.parametrize("spec", ["missing.py", "a-b.py", "not a module", "mod:not a name", "mod:"])
def test_what_cannot_be_a_target_is_refused(tmp_path: Path, spec: str) -> None:
    (tmp_path / "a-b.py").write_text("app = 1")
    with pytest.raises(ConfigurationError):
        load_app(spec, folder=tmp_path)


def test_a_missing_module_and_a_missing_name_are_told_apart_from_faults_inside(tmp_path: Path) -> None:
    write(tmp_path, app="import nothing_like_this", empty="site = 1")
    with pytest.raises(ConfigurationError, match="no module 'absent'"):
        load_app("absent", folder=tmp_path)
    with pytest.raises(ModuleNotFoundError, match="nothing_like_this"):
        load_app("app", folder=tmp_path)
    with pytest.raises(ConfigurationError, match="no 'app' in empty"):
        load_app("empty", folder=tmp_path)


def test_the_running_program_is_not_imported_a_second_time(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(
        "print('imported')\napp = object()\n"
        "if __name__ == '__main__':\n"
        "    from erlen.server.target import load_app\n"
        "    print(load_app() is app, load_app('app:app') is app)\n"
        "    import app as by_name\n"
        "    print(by_name.app is app)\n"
    )
    result = subprocess.run([sys.executable, "app.py"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert result.stdout.split("\n") == ["imported", "True True", "True", ""]
