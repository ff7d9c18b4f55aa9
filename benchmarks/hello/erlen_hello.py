"""Hello world in Erlen."""

from __future__ import annotations

from erlen import App

app = App()


@app.get("/plain")
async def plain() -> str:
    """Answer with text."""
    return "Hello, World!"
