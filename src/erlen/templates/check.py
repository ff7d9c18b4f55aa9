"""What `erlen check` finds in templates: mistakes of syntax, and templates, components, routes and static files that are not there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from jinja2 import TemplateSyntaxError, nodes

from erlen.app.site import Site
from erlen.errors import Mistake
from erlen.templates.component import template_of
from erlen.templates.engine import Engine
from erlen.templates.mistakes import near

__all__ = ["check_templates"]


def check_templates(engine: Engine, site: Site) -> list[Mistake]:
    """Return what is wrong with the templates of a site. Only names that are written out can be checked."""
    mistakes: list[Mistake] = []
    routes = {route.name for route in site.routes}
    for name in engine.folders.names():
        file = engine.folders.find(name)
        if file is None or not name.endswith(_ENDINGS):
            continue
        try:
            engine.environment.get_template(name)
            with open(file, encoding="utf-8-sig") as opened:
                tree = engine.environment.parse(opened.read(), name, file)
        except TemplateSyntaxError as error:
            mistakes.append(Mistake(str(error.message), f"{error.filename or file}:{error.lineno}"))
            continue
        except UnicodeDecodeError:
            mistakes.append(Mistake(f"the template {name} is not UTF-8", file))
            continue
        for message, line in [*_wrong_templates(engine, name, tree), *_wrong_links(site, tree, routes)]:
            mistakes.append(Mistake(message, f"{file}:{line}"))
    return mistakes


def _wrong_templates(engine: Engine, name: str, tree: nodes.Template) -> Iterator[tuple[str, int]]:
    for names, line in _templates_used(tree):
        wanted = [engine.environment.join_path(one, name) for one in names]
        if not any(engine.folders.find(one) for one in wanted):
            yield f"there is no template {' or '.join(map(repr, wanted))}{near(wanted[0], engine.folders.names())}", line


def _wrong_links(site: Site, tree: nodes.Template, routes: set[str]) -> Iterator[tuple[str, int]]:
    """Yield what is wrong with `url_for("…")` and `static("…")`; static files of a plugin that cannot tell are not checked."""
    files: Any = site.extensions.get("static")
    for call in tree.find_all(nodes.Call):
        if isinstance(call.node, nodes.Name) and call.args:
            for name in _constants(call.args[0]):
                if call.node.name == "url_for" and name[:1] != "." and name not in routes:
                    yield f"no route is named {name!r}{near(name, routes)}", call.lineno
                if call.node.name == "static" and hasattr(files, "has") and not files.has(name):
                    yield files.missing(name), call.lineno


def _templates_used(tree: nodes.Template) -> Iterator[tuple[list[str], int]]:
    """Yield the names that a template takes others in by, each with those that would do as well, and its line."""
    for node in tree.find_all(nodes.Stmt):
        if not isinstance(node, (nodes.Extends, nodes.Include, nodes.Import, nodes.FromImport)):
            continue
        names = _constants(node.template)
        if names and not (isinstance(node, nodes.Include) and node.ignore_missing):
            yield names, node.lineno
    for call in tree.find_all(nodes.Call):
        is_tag = isinstance(call.node, nodes.ExtensionAttribute) and call.node.name == "_render"
        is_call = isinstance(call.node, nodes.Name) and call.node.name == "component"
        if (is_tag or is_call) and call.args:
            yield from (([template_of(name)], call.lineno) for name in _constants(call.args[1 if is_tag else 0]))


def _constants(node: nodes.Expr) -> list[str]:
    """Return the names that an expression stands for; none where they are only known when it runs."""
    items = node.items if isinstance(node, (nodes.List, nodes.Tuple)) else [node]
    values = [item.value for item in items if isinstance(item, nodes.Const) and isinstance(item.value, str)]
    return values if len(values) == len(items) else []


_ENDINGS = (".html", ".htm", ".xml", ".svg", ".txt", ".md", ".csv", ".j2", ".jinja", ".jinja2")
