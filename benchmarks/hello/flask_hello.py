"""Hello world in Flask."""

from __future__ import annotations

from flask import Flask, Response

app = Flask(__name__)


@app.get("/plain")
def plain() -> Response:
    """Answer with text."""
    return Response("Hello, World!", mimetype="text/plain")
