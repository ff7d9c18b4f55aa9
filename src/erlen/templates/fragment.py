"""One block of a template by itself, for pages that are updated in parts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from jinja2 import TemplateRuntimeError

from erlen.templates.environment import PageContext, PageTemplate
from erlen.templates.mistakes import near

__all__ = ["write_block", "write_block_async"]


def write_block(template: PageTemplate, context: PageContext, block: str) -> Iterator[str]:
    """Write one block, its own or inherited; `super()` works, and what the template sets or imports at its top is there.

    Raises:
        TemplateRuntimeError: if it has no such block.
    """
    page: Any = template.root_render_func(context)
    # What stands before the first text runs: imports, variables, and `extends`, which brings the inherited blocks.
    for text in page:
        if text and not text.isspace():
            break
    page.close()
    yield from _block(template, context, block)(context)


async def write_block_async(template: PageTemplate, context: PageContext, block: str) -> AsyncIterator[str]:
    """The same for templates that await."""
    page: Any = template.root_render_func(context)
    async for text in page:
        if text and not text.isspace():
            break
    await page.aclose()
    async for text in _block(template, context, block)(context):
        yield text


def _block(template: PageTemplate, context: PageContext, name: str) -> Callable[[PageContext], Any]:
    functions = context.blocks.get(name)
    if not functions:
        known = ", ".join(context.blocks) or "none"
        raise TemplateRuntimeError(f"{template.name} has no block {name!r}{near(name, context.blocks)} (it has {known})")
    return functions[0]
