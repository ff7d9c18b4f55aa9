"""Hello world in Erlen, as a plain function for the WSGI door."""

from __future__ import annotations

from erlen import App

app = App()


@app.get("/plain")
def plain() -> str:
    """Answer with text."""
    return "Hello, World!"
