"""Text from outside, made harmless for logs and terminals (OWASP ASVS 5.0 V16.4.1, CWE-117)."""

from __future__ import annotations

__all__ = ["escape", "escape_json", "escape_lines"]

# What ends a line somewhere, steers a terminal, or turns the order of letters around: C0, DEL and C1, line and paragraph separators,
# bidirectional controls, the byte order mark and annotations.
_CODES = [
    *range(0x20),
    *range(0x7F, 0xA0),
    0x61C,
    0x200E,
    0x200F,
    *range(0x2028, 0x202F),
    *range(0x2066, 0x206A),
    0xFEFF,
    *range(0xFFF9, 0xFFFC),
]


def _shown(code: int) -> str:
    return repr(chr(code))[1:-1] if code < 0x20 else f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


_TEXT = {code: _shown(code) for code in _CODES}
_LINES = {code: shown for code, shown in _TEXT.items() if chr(code) not in "\n\t"}
_JSON = {code: f"\\u{code:04x}" for code in _CODES}


def escape(text: str) -> str:
    """Return text on one line, with control characters as Python's `repr` writes them."""
    return text.translate(_TEXT).encode("utf-8", "backslashreplace").decode()


def escape_lines(text: str) -> str:
    """Return text with its line breaks and tabs, and every other control character escaped."""
    return text.translate(_LINES).encode("utf-8", "backslashreplace").decode()


def escape_json(document: str) -> str:
    """Return a JSON text with control characters as JSON writes them (RFC 8259, section 7), so that a reader finds the same values."""
    return document.translate(_JSON)
