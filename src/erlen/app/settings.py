"""Settings: one typed class; values in code are defaults, the environment wins (DESIGN 9)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin

import msgspec
from msgspec import Meta, Struct

from erlen.errors import ConfigurationError, Mistake

__all__ = ["Settings", "resolve_settings"]

Names = tuple[str, ...]


class Settings(Struct, frozen=True, kw_only=True):
    """What may differ between places an application runs; subclass it to add your own.

    Each field is also an environment variable of the same name in upper case, which wins over the value in code. Lists are separated
    by commas, truth is `1`/`true`/`yes`/`on`.
    """

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

    compression: bool = True
    """Compress responses where client and content allow, except where secrets meet user input."""
    threads: Annotated[int, Meta(ge=1, le=1024)] = 16
    """Threads per worker for `def` handlers: 16 suits database work, 32 to 64 slow calls."""

    max_body_size: Annotated[int, Meta(ge=0)] = 16 * 1024 * 1024
    """The largest request body, in bytes; a route may say its own."""
    body_timeout: Annotated[float, Meta(gt=0)] = 30.0
    """How long a client may take to send a body, in seconds."""
    max_form_fields: Annotated[int, Meta(ge=0)] = 1000
    """Fields of a form, and parameters of a query string."""
    max_form_files: Annotated[int, Meta(ge=0)] = 100
    """Files of a form."""
    max_field_size: Annotated[int, Meta(ge=0)] = 1024 * 1024
    """One form field that is no file, in bytes."""
    max_header_count: Annotated[int, Meta(ge=1)] = 100
    """Header fields of a request."""
    max_header_size: Annotated[int, Meta(ge=1)] = 32 * 1024
    """All header fields of a request together, in bytes."""
    max_target_size: Annotated[int, Meta(ge=1)] = 8 * 1024
    """Path and query string of a request together, in bytes."""
    max_json_depth: Annotated[int, Meta(ge=1, le=500)] = 64
    """How deep a JSON body may nest."""

    def __repr__(self) -> str:
        shown = []
        for name in self.__struct_fields__:
            value = getattr(self, name)
            shown.append(f"{name}={'***' if value and is_secret(name) else repr(value)}")
        return f"{type(self).__name__}({', '.join(shown)})"


AnySettings = TypeVar("AnySettings", bound=Settings)


def is_secret(name: str) -> bool:
    """Return whether a setting of this name is masked wherever it is shown."""
    return any(part in name.lower() for part in ("secret", "password", "passwd", "token", "private", "credential", "api_key", "apikey"))


def resolve_settings(
    defaults: AnySettings, environment: Mapping[str, str] | None = None, overrides: Mapping[str, Any] | None = None
) -> AnySettings:
    """Return the settings in force: code, then environment, then overrides.

    Raises:
        ConfigurationError: listing every value that does not fit its field, with where it comes from.
    """
    environment = os.environ if environment is None else environment
    overrides = overrides or {}
    values: dict[str, Any] = {}
    mistakes = [
        Mistake(f"there is no setting {name!r}", "overrides", f"one of {', '.join(defaults.__struct_fields__)}")
        for name in overrides
        if name not in defaults.__struct_fields__
    ]
    for field in msgspec.structs.fields(type(defaults)):
        name, value = field.name, getattr(defaults, field.name)
        where, text = "the code", environment.get(name.upper())
        if name in overrides:
            where, value = "overrides", overrides[name]
        elif text is not None:
            where, value = "the environment", text
        try:
            # A text where a list belongs would be taken for a list of its letters: types are held in the code too.
            values[name] = parse_setting(value, field.type) if where == "the environment" else msgspec.convert(value, field.type)
        except (msgspec.DecodeError, ValueError) as error:
            shown = "its value" if is_secret(name) else repr(value)
            mistakes.append(Mistake(f"setting {name.upper()}: {shown} does not fit: {error}", where, _expected(field.type)))
    if mistakes:
        raise ConfigurationError(mistakes)
    return msgspec.structs.replace(defaults, **values)


def parse_setting(text: str, annotation: Any) -> Any:
    """Read a setting's value from text.

    Raises:
        ValueError or msgspec.DecodeError: saying what was expected.
    """
    plain = annotation
    while get_origin(plain) is Annotated:
        plain = plain.__origin__
    some = [argument for argument in get_args(plain) if argument is not type(None)]
    if len(some) == 1 and type(None) in get_args(plain):
        return parse_setting(text, some[0]) if text else None
    if plain is bool:
        word = text.strip().lower()
        if word in ("1", "true", "yes", "on"):
            return True
        if word in ("0", "false", "no", "off", ""):
            return False
        raise ValueError("expected true or false")
    origin = get_origin(plain)
    if origin in (list, tuple, set, frozenset):
        parts = [part.strip() for part in text.split(",") if part.strip()]
        return msgspec.convert(parts, annotation, strict=False)
    if origin is dict or hasattr(plain, "__struct_fields__"):
        return msgspec.json.decode(text.encode(), type=annotation)
    if not text and type(None) in get_args(plain):
        return None
    return msgspec.convert(text, annotation, strict=False)


def _expected(annotation: Any) -> str:
    plain = annotation
    while get_origin(plain) is Annotated:
        plain = plain.__origin__
    return f"give it a value of type {getattr(plain, '__name__', plain)}"
