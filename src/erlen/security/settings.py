"""The settings that say how a site is protected; `erlen.app.settings` adds the others."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

__all__ = ["SecuritySettings"]

Names = tuple[str, ...]


class SecuritySettings(Struct, frozen=True, kw_only=True):
    """Keys, hosts, origins, proxies, protective headers and the session cookie."""

    debug: bool = False
    """Show errors in detail; never in production."""
    secret_key: str = ""
    """Signs sessions and tokens; at least 32 random characters. `erlen secret` prints a new one."""
    secret_key_fallbacks: Names = ()
    """Former keys: still accepted, no longer used to sign."""

    allowed_hosts: Names = ()
    """Hosts this site answers to, besides loopback names: `example.com`, `.example.com` with its sub-domains, `*` for any."""
    trusted_origins: Names = ()
    """Origins that may send unsafe requests from a browser, and that CORS answers: `https://app.example.com`."""
    trusted_proxies: Names = ()
    """Addresses or networks of proxies whose `X-Forwarded-*` headers are believed; `unix` for a Unix socket."""
    proxy_header: Literal["x-forwarded", "forwarded"] = "x-forwarded"
    """Which family of headers the trusted proxies write: `X-Forwarded-*`, or `Forwarded` (RFC 7239)."""
    https_redirect: bool = False
    """Redirect plain HTTP to HTTPS, except on loopback names."""
    root_path: str = ""
    """The prefix the site is served under behind a proxy that strips it: `/app`."""
    server_name: str = ""
    """Scheme-less host for absolute URLs made outside a request."""

    csrf_protection: bool = True
    """Refuse unsafe requests that another site made a browser send."""
    content_security_policy: str = "default"
    """The Content-Security-Policy header; `default` for the strict one, empty for none."""
    content_security_policy_report_only: str = ""
    """A policy that browsers only report on."""
    permissions_policy: str = ""
    """The Permissions-Policy header, such as `camera=(), microphone=()`."""
    frame_options: Literal["DENY", "SAMEORIGIN", ""] = "DENY"
    """The X-Frame-Options header; empty for none."""
    referrer_policy: str = "strict-origin-when-cross-origin"
    """The Referrer-Policy header; empty for none."""
    cross_origin_opener_policy: str = "same-origin"
    """The Cross-Origin-Opener-Policy header; empty for none."""
    content_type_nosniff: bool = True
    """Send X-Content-Type-Options: nosniff."""
    hsts_seconds: Annotated[int, Meta(ge=0)] = 31_536_000
    """How long browsers insist on TLS once they saw it (Strict-Transport-Security), in seconds; 0 for not at all."""
    hsts_include_subdomains: bool = False
    """The same for all sub-domains; they must all have TLS."""
    hsts_preload: bool = False
    """Consent to be built into browsers (hstspreload.org)."""

    session_cookie: str = "session"
    """The session cookie's name; over TLS it is prefixed with `__Host-`."""
    session_samesite: Literal["lax", "strict", "none"] = "lax"
    """When a browser sends the session cookie along from other sites; `none` needs TLS."""
    session_domain: str = ""
    """Share the session with the sub-domains of this domain; the cookie's `__Host-` prefix is then dropped."""
    session_max_age: Annotated[int, Meta(ge=0)] = 14 * 24 * 3600
    """How long a permanent session lives, in seconds."""
