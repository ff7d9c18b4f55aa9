"""How templates are written as Python: as Jinja writes them, but for what is called late and what is faster."""

from __future__ import annotations

from jinja2.compiler import CodeGenerator, Frame
from jinja2.nodes import Call, Const, Expr, Getattr, ImportedName, Impossible, Name, TemplateData
from jinja2.nodes import Template as TemplateTree

from erlen.templates.component import slot_names

__all__ = ["LiveCodeGenerator"]


class LiveCodeGenerator(CodeGenerator):
    """Writes templates as Jinja does, but calls filters each time, not once when the template is compiled.

    They may depend on the time, the language or the request; and compiled templates outlive the filter's code.
    """

    def visit_Template(self, node: TemplateTree, frame: Frame | None = None) -> None:  # noqa: N802 - Jinja's name
        """Write a template, and which slots it has as a component."""
        self.writeline("from erlen.templates.escaping import escape_text, writer_of")
        _escape_messages(node)
        super().visit_Template(node, frame)
        self.writeline(f"slot_names = {slot_names(node)!r}")

    def visit_Getattr(self, node: Getattr, frame: Frame) -> None:  # noqa: N802 - Jinja's name
        """Write the look-up of an attribute.

        PERF: an item of a dict costs 0.04 µs; `environment.getattr` raises and catches an AttributeError first, which makes it 1.1.
        """
        if self.environment.is_async or self.environment.sandboxed:
            super().visit_Getattr(node, frame)
            return
        name = repr(node.attr)
        before, after = "getattr(owner := ", f", {name}, missing)"
        if not hasattr(dict, node.attr):  # then a plain dict can only have an item of this name
            before, after = f"owner.get({name}, missing) if type(owner := ", f") is dict else getattr(owner, {name}, missing)"
        self.write(f"(found if (found := {before}")
        self.visit(node.node, frame)
        self.write(f"{after}) is not missing else environment.get_item(owner, {name}))")

    def _output_child_pre(self, node: Expr, frame: Frame, finalize: CodeGenerator._FinalizeInfo) -> None:
        if _escapes_always(frame):
            self.write(f"(escape_text(value) if type(value := {finalize.src or ''}")
        else:
            super()._output_child_pre(node, frame, finalize)

    def _output_child_post(self, node: Expr, frame: Frame, finalize: CodeGenerator._FinalizeInfo) -> None:
        super()._output_child_post(node, frame, finalize)
        if _escapes_always(frame):
            self.write(" is str else writer_of(type(value), escape)(value))")

    def _output_child_to_const(self, node: Expr, frame: Frame, finalize: CodeGenerator._FinalizeInfo) -> str:
        if isinstance(node, (Const, TemplateData)):
            return super()._output_child_to_const(node, frame, finalize)
        raise Impossible


def _escapes_always(frame: Frame) -> bool:
    """Return whether values are escaped here, whatever the template is given; `{% autoescape given %}` makes that volatile."""
    return frame.eval_ctx.autoescape and not frame.eval_ctx.volatile


def _escape_messages(tree: TemplateTree) -> None:
    """Let `_(text)` escape a text that is not written out in the template, such as one from a visitor (CWE-79)."""
    for call in list(tree.find_all(Call)):
        if isinstance(call.node, Name):
            for place in _MESSAGES.get(call.node.name, ()):
                if place < len(call.args) and not isinstance(call.args[place], Const):
                    plain = ImportedName("erlen.templates.escaping.plain_message")
                    call.args[place] = Call(plain, [call.args[place]], [], None, None, lineno=call.lineno)


# Where the messages stand among the arguments.
_MESSAGES = {"_": (0,), "gettext": (0,), "ngettext": (0, 1), "pgettext": (1,), "npgettext": (1, 2)}
