"""Redirects to a target that came from outside, such as `?next=` (OWASP Unvalidated Redirects and Forwards Cheat Sheet)."""

from __future__ import annotations

from collections.abc import Iterable

from erlen.http.request import active_request
from erlen.http.response import RedirectResponse
from erlen.http.url import is_safe_target

__all__ = ["safe_redirect"]


def safe_redirect(target: str | None, fallback: str = "/", *, status: int = 303, allowed_hosts: Iterable[str] = ()) -> RedirectResponse:
    """Redirect to a target on this site, and anywhere else to the fallback.

    Args:
        target: a path or URL from outside; None and empty give the fallback.
        fallback: where to go instead; this one is trusted.
        status: 303 (RFC 9110, section 15.4.4), so that the browser follows with GET.
        allowed_hosts: hosts, with a port where it is not the scheme's own, that are allowed besides the current request's.
            A request over TLS is never sent on to an `http` URL.

    Raises:
        ValueError: if the fallback cannot be a `Location`, or the status is no redirect.
    """
    request = active_request.get(None)
    hosts = set([allowed_hosts] if isinstance(allowed_hosts, str) else allowed_hosts)
    if request is not None:
        hosts.add(request.host)
    if target and is_safe_target(target, hosts, require_https=request is not None and request.is_secure):
        return RedirectResponse(target, status)
    return RedirectResponse(fallback, status)
