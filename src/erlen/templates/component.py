"""Components: templates with declared properties and slots.

`components/card.html` says what it takes, and is used by its name:

    {% props title, size="m" %}
    <section {{ attrs(class="card card-" ~ size) }}><h2>{{ title }}</h2>{{ slot }}
    {% if slots.footer %}<footer>{{ slots.footer }}</footer>{% endif %}</section>

    {% component "card", title="Hi", id="first" %}
      Hello! {% slot "footer" %}Bye.{% endslot %}
    {% endcomponent %}
    {{ component("card", title="Short") }}

A component sees its properties, its slots and globals, not the variables around it. What it does not declare collects in `attrs`.
"""

from __future__ import annotations

import re
from collections.abc import Coroutine, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NoReturn

from jinja2 import TemplateRuntimeError, nodes, pass_context
from jinja2.ext import Extension
from jinja2.lexer import Token
from jinja2.parser import Parser
from markupsafe import Markup, escape

from erlen.templates.mistakes import near
from erlen.templates.place import running_template, template_line

if TYPE_CHECKING:
    from erlen.templates.environment import PageContext, PageTemplate

__all__ = ["Attributes", "ComponentExtension", "Slots", "component", "slot_names", "template_of"]


class Attributes(Mapping[str, object]):
    """What a component was given beyond its properties: `<div {{ attrs }}>` writes it as HTML attributes.

    `_` in a name stands for `-`, and one at its end for nothing: `data_id="7"`, `for_="name"`. True writes the name alone; False and
    None write nothing.
    """

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, object]) -> None:
        self._values = {_attribute_name(name): value for name, value in values.items()}

    def __call__(self, **defaults: object) -> Attributes:
        """Return the attributes with defaults for those not given; to a `class` what was given is added."""
        values = {_attribute_name(name): value for name, value in defaults.items()}
        classes = [str(one["class"]) for one in (values, self._values) if one.get("class")]
        values |= self._values
        if classes:
            values["class"] = " ".join(dict.fromkeys(" ".join(classes).split()))
        return Attributes(values)

    def __getitem__(self, name: str) -> object:
        return self._values[_attribute_name(name)]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __html__(self) -> str:
        shown = ((name, value) for name, value in self._values.items() if value is not None and value is not False)
        return Markup(" ").join(escape(name) if value is True else _attribute(name, value) for name, value in shown)

    __str__ = __html__


class Slots:
    """What the slots of a component were filled with, `slots.footer` or `slots["footer"]`; an empty text where one was not."""

    __slots__ = ("_filled",)

    def __init__(self, filled: Mapping[str, Markup]) -> None:
        self._filled = filled

    def __getattr__(self, name: str) -> Markup:
        if name.startswith("__"):  # what Python and Jinja ask of any object
            raise AttributeError(name)
        return self[name]

    def __getitem__(self, name: str) -> Markup:
        return self._filled.get(name, Markup())

    def __contains__(self, name: object) -> bool:
        return name in self._filled

    def __iter__(self) -> Iterator[str]:
        return iter(self._filled)

    def __len__(self) -> int:
        return len(self._filled)


class ComponentExtension(Extension):
    """The tags `component`, `slot` and `props`."""

    tags = {"component", "slot", "props"}  # noqa: RUF012 - as Jinja declares it

    def parse(self, parser: Parser) -> list[nodes.Node]:
        """Parse one of the tags."""
        token = next(parser.stream)
        if token.value == "component":
            return self._parse_component(parser, token)
        return self._parse_slot(parser, token) if token.value == "slot" else self._parse_props(parser, token)

    def _parse_component(self, parser: Parser, token: Token) -> list[nodes.Node]:
        line = token.lineno
        name = parser.parse_expression()
        given = self._parse_given(parser)
        filled, content = parser.free_identifier(line), parser.free_identifier(line)
        body = self._parse_body(parser, "endcomponent", filled)
        arguments: list[nodes.Expr] = [nodes.ContextReference(), name, given, content, filled]
        return [
            nodes.Assign(filled, nodes.Dict([]), lineno=line),
            nodes.AssignBlock(content, None, body, lineno=line),
            nodes.Output([self.call_method("_render", arguments, lineno=line)], lineno=line),
        ]

    def _parse_given(self, parser: Parser) -> nodes.Expr:
        pairs: list[nodes.Pair] = []
        parts: list[nodes.Expr] = [nodes.Dict(pairs)]
        while parser.stream.current.type != "block_end":
            parser.stream.expect("comma")
            if parser.stream.skip_if("pow"):
                parts.append(parser.parse_expression())
                continue
            key = parser.stream.expect("name")
            parser.stream.expect("assign")
            pairs.append(nodes.Pair(nodes.Const(key.value, lineno=key.lineno), parser.parse_expression(), lineno=key.lineno))
        return self.call_method("_merge", parts)

    def _parse_slot(self, parser: Parser, token: Token) -> list[nodes.Node]:
        open_components = _open_components(parser)
        if not open_components or open_components[-1] is None:
            parser.fail("{% slot %} stands within {% component %} … {% endcomponent %}, and not within another slot", token.lineno)
        around: list[str] = vars(parser)["_tag_stack"][::-1]
        if "block" in around[: around.index("component")]:  # which is a function of its own, and does not know the component
            parser.fail("{% slot %} cannot stand within a block of its component: put the block into the slot", token.lineno)
        name = next(parser.stream)
        if name.type not in ("string", "name"):
            parser.fail('a slot has a name: {% slot "footer" %}', token.lineno)
        content = parser.free_identifier(token.lineno)
        body = self._parse_body(parser, "endslot", None)
        arguments: list[nodes.Expr] = [open_components[-1], nodes.Const(name.value), content]
        return [
            nodes.AssignBlock(content, None, body, lineno=token.lineno),
            nodes.ExprStmt(self.call_method("_fill", arguments, lineno=token.lineno), lineno=token.lineno),
        ]

    def _parse_body(self, parser: Parser, end: str, filled: nodes.InternalName | None) -> list[nodes.Node]:
        open_components = _open_components(parser)
        open_components.append(filled)
        body = parser.parse_statements((f"name:{end}",), drop_needle=True)
        open_components.pop()
        return body

    def _parse_props(self, parser: Parser, token: Token) -> list[nodes.Node]:
        line = token.lineno
        names: list[str] = []
        assigned: list[nodes.Node] = []
        while parser.stream.current.type != "block_end":
            if names:
                parser.stream.expect("comma")
            name = parser.stream.expect("name").value
            if name in ("slot", "slots", "attrs") or name in names:
                parser.fail(f"{name!r} cannot be a property: {'it is there twice' if name in names else 'every component has it'}", line)
            names.append(name)
            arguments: list[nodes.Expr] = [nodes.ContextReference(), nodes.Const(name)]
            value: nodes.Expr = self.call_method("_property", arguments, lineno=line)
            if parser.stream.skip_if("assign"):
                value = nodes.CondExpr(self.call_method("_is_given", arguments), value, parser.parse_expression(), lineno=line)
            assigned.append(nodes.Assign(nodes.Name(name, "store"), value, lineno=line))
        rest = self.call_method("_rest", [nodes.ContextReference(), nodes.Const(tuple(names))], lineno=line)
        return [*assigned, nodes.Assign(nodes.Name("attrs", "store"), rest, lineno=line)]

    # -- called by compiled templates -----------------------------------------------------------------------------------------

    @staticmethod
    def _merge(*parts: Mapping[str, object]) -> dict[str, object]:
        return {name: value for part in parts for name, value in part.items()}

    @staticmethod
    def _fill(filled: dict[str, Markup], name: str, content: Markup) -> None:
        filled[name] = filled.get(name, Markup()) + content

    @staticmethod
    def _render(
        context: PageContext, name: str, given: Mapping[str, object], content: Markup, filled: Mapping[str, Markup]
    ) -> Markup | Coroutine[Any, Any, Markup]:
        return _render(context, name, given, content, filled)

    @staticmethod
    def _is_given(context: PageContext, name: str) -> bool:
        return name in (context.parent if context.given is None else context.given)

    @staticmethod
    def _property(context: PageContext, name: str) -> object:
        given = context.parent if context.given is None else context.given
        if name not in given:
            _fail(context, f"needs the property {name!r}", name, given)
        return given[name]

    @staticmethod
    def _rest(context: PageContext, names: tuple[str, ...]) -> Attributes:
        return Attributes({name: value for name, value in (context.given or {}).items() if name not in names})


@pass_context
def component(context: PageContext, name: str, /, **given: object) -> Markup | Coroutine[Any, Any, Markup]:
    """Render a component that has no content: `{{ component("card", title="Hi") }}`."""
    return _render(context, name, given, Markup(), {})


def slot_names(tree: nodes.Template) -> tuple[str, ...] | None:
    """Return the slots that a template has as a component, `` for its content; None where that cannot be told."""
    uses = [node for node in tree.find_all(nodes.Name) if node.ctx == "load" and node.name == "slots"]
    named: list[str] = []
    for node in tree.find_all((nodes.Getattr, nodes.Getitem)):
        if isinstance(node, nodes.Getattr) and node.node in uses:
            named.append(node.attr)
        elif isinstance(node, nodes.Getitem) and node.node in uses and isinstance(node.arg, nodes.Const):
            named.append(node.arg.value)
    if len(named) != len(uses) or next(tree.find_all((nodes.Include, nodes.Extends)), None) is not None:
        return None
    has_content = any(node.name == "slot" for node in tree.find_all(nodes.Name))
    return tuple(sorted({*named, *([""] if has_content else [])}))


def template_of(name: str) -> str:
    """Return the template of a component: `components/card.html`, `blog:components/card.html`, or `erlen/pagination.html`."""
    owner, colon, own = name.rpartition(":")
    return f"{owner}{colon}{'' if own.startswith('erlen/') else 'components/'}{own}.html"


def _render(
    context: PageContext, name: str, given: Mapping[str, object], content: Markup, filled: Mapping[str, Markup]
) -> Markup | Coroutine[Any, Any, Markup]:
    environment = context.environment
    template: PageTemplate = environment.get_template(template_of(name), context.name)  # type: ignore[assignment]
    content = content if content.strip() else Markup()
    inner = template.new_context({"slot": content, "slots": Slots(filled), "attrs": Attributes(given)})
    inner.given = given
    _check_slots(template, inner, [*filled, *([""] if content else [])])
    return _join_async(template, inner) if environment.is_async else _markup(template.root_render_func(inner))


async def _join_async(template: PageTemplate, context: PageContext) -> Markup:
    return _markup([text async for text in template.root_render_func(context)])  # type: ignore[attr-defined]


def _markup(texts: Iterable[str]) -> Markup:
    return Markup("".join(texts))  # noqa: S704 - what a template wrote is escaped


def _check_slots(template: PageTemplate, context: PageContext, filled: list[str]) -> None:
    known: tuple[str, ...] | None = template.root_render_func.__globals__["slot_names"]
    if known is None:
        return
    for name in filled:
        if name not in known:
            _fail(context, f"has no slot {name!r}" if name else "has no place for content: it does not use {{ slot }}", name, known)


def _fail(context: PageContext, problem: str, name: str, known: Any) -> NoReturn:
    caller = template_line(running_template(outside=context))
    raise TemplateRuntimeError(f"the component {context.name} {problem}{near(name, known)}{caller}")


def _open_components(parser: Parser) -> list[nodes.InternalName | None]:
    """Return what collects the slots of the components that are open where a parser stands, the innermost last."""
    found: list[nodes.InternalName | None] = vars(parser).setdefault("open_components", [])
    return found


def _attribute(name: str, value: object) -> Markup:
    # What is HTML already, such as a filter's, may have quotes, which would end the value.
    written = str(escape(value)).replace('"', "&#34;")
    return Markup('{}="{}"').format(name, Markup(written))  # noqa: S704 - escaped the line before


def _attribute_name(name: str) -> str:
    written = name.removesuffix("_").replace("_", "-") if _PYTHON_NAME(name) else name
    if not _ATTRIBUTE_NAME(written):
        raise ValueError(f"{name!r} is no name of an HTML attribute")
    return written


_PYTHON_NAME = re.compile(r"[A-Za-z]\w*", re.ASCII).fullmatch
# HTML, section 13.1.2.3, without what templates never need: anything but space, quotes, `>`, `/`, `=`, `<` and control characters.
_ATTRIBUTE_NAME = re.compile(r"""[^\s"'<>/=`\x00-\x1f\x7f-\x9f]+""").fullmatch
