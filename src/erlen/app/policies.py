"""Policies that an application adds with `add_middleware`: they wait for nothing, so they have both colours."""

from __future__ import annotations

from erlen.app.routes import Policy
from erlen.http.request import Request
from erlen.http.response import RedirectResponse, Response
from erlen.http.url import encode_path

__all__ = ["ETags", "HttpsRedirect"]


class HttpsRedirect(Policy):
    """Redirects plain HTTP to HTTPS (308), except on loopback names.

    Behind a proxy that ends TLS, `TRUSTED_PROXIES` must name it, or every request would look plain.
    """

    def before(self, request: Request) -> Response | None:
        """Return the redirect, or None over TLS."""
        name = request.host.rpartition(":")[0] or request.host
        if request.is_secure or name in ("localhost", "127.0.0.1", "[::1]"):
            return None
        query = f"?{request.query_string}" if request.query_string else ""
        return RedirectResponse(f"https://{name}{encode_path(request.root_path + request.path)}{query}", 308)


class ETags(Policy):
    """Gives bodies in memory an ETag made of their content, so that a client that has them gets 304 (RFC 9110, section 8.8.3).

    The handler still runs; what is saved is the way to the client.
    """

    def after(self, request: Request, response: Response) -> Response:
        """Add the ETag to a successful answer to GET that has none."""
        if request.method in ("GET", "HEAD") and response.status == 200 and response.kind == "body" and response.body:
            from erlen.http.conditional import etag_of

            body = response.body
            response.headers.setdefault("etag", etag_of(body.encode() if isinstance(body, str) else body, weak=True))
        return response
