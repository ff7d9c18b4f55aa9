"""The filter `markdown`: CommonMark with tables and strikethrough, made safe. Needs `markdown-it-py`."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from markupsafe import Markup

from erlen.errors import ConfigurationError, Mistake
from erlen.templates.filters.text import text_of

if TYPE_CHECKING:
    from markdown_it import MarkdownIt

__all__ = ["markdown"]


def markdown(value: object) -> Markup:
    """Make HTML of Markdown (CommonMark 0.31): `{{ article.body|markdown }}`.

    HTML in it is shown as text, and links to `javascript:`, `vbscript:`, `file:` and `data:` (pictures excepted) stay text, so that what
    visitors write is safe to show (OWASP ASVS 5.0 V1.3). That the text is `Markup` changes nothing. Nesting ends at 20 levels.

    Raises:
        ConfigurationError: if `markdown-it-py` is not installed.
    """
    return Markup(_parser().render(str(text_of(value))))


# Made once: it takes as long as a page of text. Rendering keeps nothing in it.
@lru_cache(1)
def _parser() -> MarkdownIt:
    try:
        from markdown_it import MarkdownIt
    except ImportError as error:
        raise ConfigurationError(
            Mistake("The filter `markdown` needs the package `markdown-it-py`.", fix="pip install 'erlen[markdown]'")
        ) from error
    return MarkdownIt("js-default", {"html": False, "linkify": False, "typographer": False, "maxNesting": 20})
