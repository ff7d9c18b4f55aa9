"""Settings: one typed class; values in code are defaults, what `erlen.app.sources` finds wins (DESIGN 9)."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, structs

from erlen.security.settings import SecuritySettings

__all__ = ["Settings", "is_secret"]


class Settings(SecuritySettings, frozen=True, kw_only=True):
    """What may differ between places an application runs; subclass it to add your own.

    Each field is also a key of `settings.toml` beside the application, and an environment variable of the same name in upper case,
    which wins. Where a shell or the system sets that variable itself, as they do `USER`, `HOME`, `PATH` and `LANG`, it is not read:
    the variable of a setting `user` is `ERLEN_USER`. In variables lists are separated by commas, truth is `1`/`true`/`yes`/`on`,
    sizes may be `512 KB` and times `14d`.
    """

    static_url: str = "/static"
    """Where static files are; with a scheme and host, links lead there, such as to a content delivery network."""
    static_build: str = "build/static"
    """The folder that `erlen static build` writes, relative to the application."""

    log_level: Literal["debug", "info", "warning", "error", "critical"] = "info"
    """The least important messages that `erlen run` and `erlen dev` show."""
    log_format: Literal["auto", "text", "json"] = "auto"
    """How log lines look; `auto` is `text` in debug mode, `json` otherwise."""
    debug_console: bool = False
    """In debug mode, let a visitor from this machine who knows the PIN run Python in the frames of an error."""

    database_url: str = ""
    """The database, in place of the one in code: `postgresql://user:password@host/name`."""
    database_urls: dict[str, str] = {}  # noqa: RUF012 - each has its own
    """Further databases by name, as JSON."""
    database_strict: bool = False
    """Refuse, in requests, to load a relation by touching it: `NotLoaded` names the line and the query that should have loaded it."""

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
        shown = (f"{name}={'***' if value and is_secret(name) else repr(value)}" for name, value in structs.asdict(self).items())
        return f"{type(self).__name__}({', '.join(shown)})"


def is_secret(name: str) -> bool:
    """Return whether a setting of this name is masked wherever it is shown."""
    return any(part in name.lower() for part in ("secret", "passw", "token", "private", "credential", "api_key", "apikey", "database_url"))
