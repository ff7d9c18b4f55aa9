"""A migration's file as operations, so that some can be written otherwise."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from msgspec import Struct

from erlen.migrations.migration import Migration
from erlen.migrations.render import Call, Text, literal, show

__all__ = ["Operation", "Source", "read_source"]


class Operation(Struct, kw_only=True):
    """One call of `op` or of a batch, or code that is neither."""

    name: str
    """Of the method: `add_column`; empty for other code."""
    code: str
    """Of the whole, at the left margin."""
    first: int
    last: int
    """Its lines in the file."""
    arguments: tuple[ast.expr, ...] = ()
    keywords: dict[str, ast.expr] = {}
    batch: str = ""
    """The call that begins its batch: `op.batch_alter_table("book")`."""
    table: str = ""

    def text(self, place: int, keyword: str = "") -> str:
        """Return an argument that is a text, or an empty one."""
        node = self.arguments[place] if place < len(self.arguments) else self.keywords.get(keyword)
        return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""

    def with_keywords(self, keywords: dict[str, Any], *, without: Iterable[str] = ()) -> str:
        """Return its code with other keywords, of which texts are code."""
        kept = {name: node_of(value) for name, value in self.keywords.items() if name not in without}
        new = {name: Text(value) for name, value in keywords.items()}
        return self.around(Call(f"{'batch' if self.batch else 'op'}.{self.name}", [node_of(each) for each in self.arguments], kept | new))

    def around(self, call: Call) -> str:
        """Return the code of a call, in a batch if this is in one."""
        return f"with {self.batch} as batch:\n    {show(call, 4)}" if self.batch else show(call)


class Source(Struct, kw_only=True):
    """What a migration's file says."""

    upgrade: list[Operation]
    downgrade: list[Operation] | None
    """None if there is no way back."""
    tops: list[ast.stmt]
    """The imports and assignments above the functions."""
    notes: str = ""
    """Its docstring without the first line."""


def read_source(migration: Migration) -> Source:
    """Read a migration's file."""
    text = migration.path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    tops = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom | ast.Assign | ast.AnnAssign | ast.FunctionDef)]
    return Source(
        upgrade=list(_operations(functions["upgrade"].body, text)) if "upgrade" in functions else [],
        downgrade=list(_operations(functions["downgrade"].body, text)) if "downgrade" in functions else None,
        tops=[node for node in tops if not _is_own(node)],
        notes=(ast.get_docstring(tree) or "").partition("\n")[2].strip(),
    )


def tops_for(code: str, tops: Sequence[ast.stmt]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the imports and the other lines above the functions that code needs."""
    imports, others = [], []
    used = _used(ast.parse(code))
    for node in reversed(tops):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias for alias in node.names if (alias.asname or alias.name).partition(".")[0] in used]
            if names:
                kept = ast.Import(names) if isinstance(node, ast.Import) else ast.ImportFrom(node.module, names, node.level)
                imports.append(ast.unparse(kept))
        elif used & set(_bound(node)):
            others.append(ast.unparse(node))
            used |= _used(node)
    return tuple(imports), tuple(reversed(others))


def node_of(node: ast.expr) -> Any:
    """Return an expression for `show`, which lays it out."""
    match node:
        case ast.Constant(value=str() as value):
            return Text(literal(value))
        case ast.Call(func=func):
            keywords = {each.arg: node_of(each.value) for each in node.keywords if each.arg is not None}
            return Call(ast.unparse(func), [node_of(each) for each in node.args], keywords)
        case ast.List(elts=elements):
            return [node_of(each) for each in elements]
        case _:
            return Text(ast.unparse(node))


def _operations(body: Sequence[ast.stmt], text: str) -> Iterator[Operation]:
    for node in body:
        match node:
            case ast.Pass() | ast.Expr(value=ast.Constant()):
                continue
            case ast.Expr(value=ast.Call(func=ast.Attribute(value=ast.Name(id="op"), attr=name)) as call):
                yield _operation(name, call, node, text)
            case ast.With(items=[ast.withitem(context_expr=ast.Call() as batch, optional_vars=ast.Name(id=variable))], body=inner) if (
                ast.unparse(batch.func) == "op.batch_alter_table" and all(_method(each, variable) for each in inner)
            ):
                table = batch.args[0].value if batch.args and isinstance(batch.args[0], ast.Constant) else ""
                for each in inner:
                    found = _operation(each.value.func.attr, each.value, each, text)  # type: ignore[attr-defined]
                    found.batch, found.table = show(node_of(batch)), str(table)
                    code = show(node_of(_renamed(each.value)), 4)  # type: ignore[attr-defined]
                    comments = [f"    {line}" for line in found.code.splitlines() if line.startswith("#")]
                    found.code = "\n".join([f"with {found.batch} as batch:", *comments, f"    {code}"])
                    yield found
            case _:
                yield Operation(name="", code=_code(node, text), first=node.lineno, last=node.end_lineno or node.lineno)


def _operation(name: str, call: ast.Call, node: ast.stmt, text: str) -> Operation:
    keywords = {each.arg: each.value for each in call.keywords if each.arg is not None}
    code = _code(node, text)
    found = Operation(
        name=name, code=code, first=node.lineno, last=node.end_lineno or node.lineno, arguments=tuple(call.args), keywords=keywords
    )
    place = {"create_index": 1, "create_foreign_key": 1, "create_unique_constraint": 1, "create_check_constraint": 1}.get(name, 0)
    place = {"create_primary_key": 1, "drop_constraint": 1, "drop_index": 1}.get(name, place)
    found.table = found.text(place, "table_name") if name != "execute" else ""
    return found


def _method(node: ast.stmt, variable: str) -> bool:
    match node:
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=ast.Name(id=name)))):
            return name == variable
        case _:
            return False


def _renamed(call: ast.Call) -> ast.Call:
    func = call.func
    name = func.attr if isinstance(func, ast.Attribute) else ""
    return ast.Call(func=ast.Attribute(value=ast.Name(id="batch"), attr=name), args=call.args, keywords=call.keywords)


def _code(node: ast.stmt, text: str) -> str:
    """Return the source of a statement, moved to the left margin, with the comments above it."""
    lines = text.splitlines()
    first = node.lineno - 1
    while first > 0 and lines[first - 1].lstrip().startswith("#"):
        first -= 1
    own = lines[first : node.end_lineno]
    margin = node.col_offset
    return "\n".join(line[margin:] if not line[:margin].strip() else line for line in own)


def _is_own(node: ast.stmt) -> bool:
    if isinstance(node, ast.FunctionDef):
        return node.name in ("upgrade", "downgrade")
    if isinstance(node, ast.ImportFrom) and node.module == "__future__":
        return True
    return bool(set(_bound(node)) & {"revision", "down_revision", "depends_on", "replaces", "after_deploy", "branch_labels"})


def _bound(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.FunctionDef):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return [target.id for target in targets if isinstance(target, ast.Name)]


def _used(tree: ast.AST) -> set[str]:
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
