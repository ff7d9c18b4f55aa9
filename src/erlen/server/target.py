"""Finding the application: the same rule for the command line, the workers and the test client."""

from __future__ import annotations

import os
import re
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

from msgspec import Struct

from erlen.errors import ConfigurationError, Mistake

__all__ = ["Target", "find_target", "load_app"]

FILES = ("app.py", "main.py")
VARIABLE = "ERLEN_APP"
# `app = ...`, `app: App = ...`, or an import that ends in that name, perhaps of several.
BINDS_APP = re.compile(r"^(?:app\s*[:=]|(?:from\s[^\n#;]+\s)?import\s(?:\([^)]*|[^\n#;]*)\bapp\b(?!\s+as\b))", re.MULTILINE)


class Target(Struct, frozen=True):
    """Where an application is: the folder that goes on the import path, a module, and a name in it (with dots)."""

    folder: Path
    module: str
    attribute: str
    source: str
    """What led here, for messages."""

    def __str__(self) -> str:
        return f"{self.module}:{self.attribute}"


def load_app(spec: str | None = None, *, folder: str | os.PathLike[str] | None = None) -> object:
    """Find and import the application.

    Args:
        spec: `package.module:name`, `path/to/file.py[:name]`, or None to look for it (see `find_target`).
        folder: where to look, the current one by default; it goes on the import path.

    Raises:
        ConfigurationError: if nothing is found (saying where it was looked for) or the name is not in the module. What the
            module itself raises while it is imported is passed on.
    """
    target = find_target(spec, folder=folder)
    path = str(target.folder)
    if path not in sys.path:
        sys.path.insert(0, path)
    module = _import(target)
    found: object = module
    for name in target.attribute.split("."):
        if not hasattr(found, name):
            where = str(getattr(module, "__file__", None) or target.folder)
            fix = f"Name the application there `{target.attribute}`, or say which it is: {target.module}:name"
            raise ConfigurationError(Mistake(f"There is no {target.attribute!r} in {target.module}.", where, fix))
        found = getattr(found, name)
    return found


def find_target(spec: str | None = None, *, folder: str | os.PathLike[str] | None = None) -> Target:
    """Find out where the application is, without importing it.

    Without `spec`: the variable `ERLEN_APP`; then `[tool.erlen] app` in the `pyproject.toml` of the folder; then `app.py`, `main.py`,
    or the only package with an `app.py`, `main.py` or an `app` in its `__init__.py`.

    Raises:
        ConfigurationError: if there is none, or more than one package might be meant.
    """
    here = Path(folder or ".").resolve()
    if spec:
        return _parse(spec, here, "the command line")
    if said := os.environ.get(VARIABLE):
        return _parse(said, here, VARIABLE)
    if said := _project_setting(here):
        return _parse(said, here, "[tool.erlen] in pyproject.toml")
    for name in FILES:
        if (here / name).is_file():
            return Target(here, name.removesuffix(".py"), "app", name)
    packages = _packages(here)
    if len(packages) == 1:
        return packages[0]
    if packages:
        wrong = f"More than one package in {here} might be the application: {', '.join(sorted(map(str, packages)))}."
        fix = f'Say which: erlen --app {packages[0]} dev, or app = "{packages[0]}" under [tool.erlen] in pyproject.toml.'
    else:
        places = f"the variable {VARIABLE}, [tool.erlen] app in pyproject.toml, {', '.join(FILES)}, and a package with `app`"
        wrong = f"No application was found. Looked for {places}, in {here}."
        fix = "Go to the folder of your application, or say where it is: erlen --app path/to/file.py dev."
    raise ConfigurationError(Mistake(wrong, fix=fix))


def _parse(spec: str, here: Path, source: str) -> Target:
    # A drive letter is no module: `C:\site\app.py:app`.
    head, colon, attribute = spec.rpartition(":")
    if not colon or "/" in attribute or "\\" in attribute:
        head, attribute = spec, ""
    attribute = attribute or "app"
    if head.endswith(".py") or "/" in head or "\\" in head:
        return _from_path((here / head).resolve(), attribute, source)
    if not all(part.isidentifier() for part in (*head.split("."), *attribute.split("."))):
        wrong = f"{spec!r} (from {source}) says no application."
        raise ConfigurationError(Mistake(wrong, fix="Write package.module:name, or path/to/file.py:name."))
    return Target(here, head, attribute, source)


def _from_path(path: Path, attribute: str, source: str) -> Target:
    path = next((path / name for name in (*FILES, "__init__.py") if (path / name).is_file()), path)
    if not path.is_file():
        raise ConfigurationError(Mistake(f"There is no file {path} (from {source}).", fix="Check the path of the application."))
    if not path.stem.isidentifier():
        wrong = f"{path.name} cannot be imported: {path.stem!r} is not a Python name."
        raise ConfigurationError(Mistake(wrong, fix="Rename the file with letters and digits."))
    parts = [] if path.stem == "__init__" else [path.stem]
    folder = path.parent
    while (folder / "__init__.py").is_file():
        parts.insert(0, folder.name)
        folder = folder.parent
    return Target(folder, ".".join(parts), attribute, source)


def _project_setting(here: Path) -> str | None:
    file = here / "pyproject.toml"
    if not file.is_file():
        return None
    import tomllib

    try:
        content = tomllib.loads(file.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(Mistake("pyproject.toml cannot be read.", where=str(file), fix=str(error))) from None
    setting = content.get("tool", {}).get("erlen", {}).get("app")
    if setting is not None and not isinstance(setting, str):
        raise ConfigurationError(Mistake("`app` under [tool.erlen] is no text.", where=str(file), fix='Write app = "package.module:app".'))
    return setting


def _packages(here: Path) -> list[Target]:
    found = []
    for package in sorted(path for path in here.iterdir() if (path / "__init__.py").is_file() and path.name.isidentifier()):
        stem = next((name.removesuffix(".py") for name in FILES if (package / name).is_file()), None)
        if stem is not None:
            found.append(Target(here, f"{package.name}.{stem}", "app", str(package)))
        # Read, not run: looking for the application must not import packages that have nothing to do with it.
        elif BINDS_APP.search((package / "__init__.py").read_text("utf-8", "replace")):
            found.append(Target(here, package.name, "app", str(package)))
    return found


def _import(target: Target) -> ModuleType:
    _alias_main_module(target)
    try:
        return import_module(target.module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{target.module}.".startswith(f"{error.name}."):
            raise
        wrong = f"There is no module {error.name!r} (from {target.source})."
        fix = "Check the name, and that the command runs in the folder that has it."
        raise ConfigurationError(Mistake(wrong, str(target.folder), fix)) from None


def _alias_main_module(target: Target) -> None:
    """Let the running program count as the module looked for, if it is that: imported by name, it would be a second application."""
    wanted = target.folder.joinpath(*target.module.split("."))
    for name in ("__main__", "__mp_main__"):
        module = sys.modules.get(name)
        file = getattr(module, "__file__", None)
        if module is not None and file and Path(file).resolve() in (wanted.with_suffix(".py"), wanted / "__init__.py"):
            sys.modules.setdefault(target.module, module)
