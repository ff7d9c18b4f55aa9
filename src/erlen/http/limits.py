"""The limits on what a request may cost, each with one setting (OWASP ASVS 5.0 V4.3, V5.2)."""

from __future__ import annotations

from msgspec import Struct

__all__ = ["Limits"]


class Limits(Struct, frozen=True, kw_only=True, rename=lambda name: name if name == "body_timeout" else f"max_{name}"):
    """Upper bounds on a request. Sizes are in bytes, times in seconds; converted from settings, each is read from that of its name."""

    body_size: int = 16 * 1024 * 1024
    """The whole body, however it is framed."""
    body_timeout: float = 30.0
    """From the first byte of the body to the last."""
    form_fields: int = 1000
    """Fields of a form and parameters of a query string."""
    form_files: int = 100
    """Files of a multipart form."""
    field_size: int = 1024 * 1024
    """One form field that is not a file; all of them together may take four times this."""
    file_memory: int = 512 * 1024
    """An uploaded file over this goes to disk."""
    part_headers_size: int = 8 * 1024
    """The header block of one part of a multipart form."""
    header_count: int = 100
    """Header fields of the request."""
    header_size: int = 32 * 1024
    """All header fields together, names and values."""
    target_size: int = 8 * 1024
    """Path and query string together."""
    json_depth: int = 64
    """How deep a JSON body may nest."""
