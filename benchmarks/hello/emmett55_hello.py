"""Hello world in Emmett55."""

from __future__ import annotations

from emmett55 import App, response

app = App(__name__)


@app.route("/plain", methods="get", output="str")
async def plain() -> str:
    """Answer with text."""
    response.content_type = "text/plain; charset=utf-8"
    return "Hello, World!"
