"""What the requests of all doors have in common: the refusals that only a door can make."""

from __future__ import annotations

from erlen.errors import BadRequest, HeaderFieldsTooLarge
from erlen.http.request import Request

__all__ = ["CLOSE", "DoorRequest", "incomplete", "several_hosts"]

# The rest of the connection cannot be trusted, or is not worth reading.
CLOSE = {"connection": "close"}


class DoorRequest(Request, kw_only=True, eq=False, weakref=True):
    """A request made by a door."""

    _refused: bool = False

    def bounded(self, items: list[tuple[str, str]]) -> list[tuple[str, str]]:
        """Return header fields, where a server's own limits are wider than ours.

        Raises:
            HeaderFieldsTooLarge: once, when they are over `limits.header_count` or `limits.header_size`.
        """
        limits = self.context.limits
        if len(items) > limits.header_count or sum(len(name) + len(value) for name, value in items) > limits.header_size:
            self.refuse_fields(f"More than {limits.header_count} header fields, or more than {limits.header_size} bytes of them.")
        return items

    def refuse_fields(self, detail: str) -> None:
        """Refuse the header fields, once: the page that answers this reads some too.

        Raises:
            HeaderFieldsTooLarge: once.
        """
        if not self._refused:
            self._refused = True
            raise HeaderFieldsTooLarge(detail, headers=CLOSE)


def incomplete() -> BadRequest:
    """What a body is refused with that broke off, or is not as long as it says."""
    return BadRequest("The body broke off, or is not framed as HTTP asks.", headers=CLOSE)


def several_hosts() -> BadRequest:
    """What a request is refused with that names more than one host (RFC 9112, section 3.2)."""
    return BadRequest("The request names more than one host.", headers=CLOSE)
