"""Static files: found, named by their content, served, and built for production."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from erlen.static.link import static as static
    from erlen.static.plugin import Static as Static

__all__ = ["Static", "static"]


def __getattr__(name: str) -> object:
    if name == "Static":
        from erlen.static.plugin import Static

        return Static
    if name == "static":
        from erlen.static.link import static

        return static
    raise AttributeError(f"module 'erlen.static' has no attribute {name!r}")
