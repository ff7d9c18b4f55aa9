"""Content-Security-Policy (W3C, CSP Level 3): reading, checking, and letting a nonce in."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from erlen.errors import Mistake

__all__ = ["Policy", "parse_policy"]


class Policy:
    """A policy: directives in lower case, each with its sources, in order."""

    __slots__ = ("directives",)

    def __init__(self, directives: Mapping[str, Sequence[str]]) -> None:
        self.directives = {name: tuple(sources) for name, sources in directives.items()}

    @classmethod
    def read(cls, text: str) -> Policy:
        """Read the text of a header as browsers do: the first directive of a name counts (CSP Level 3, section 2.2.1)."""
        directives: dict[str, Sequence[str]] = {}
        for part in text.split(";"):
            words = part.split()
            if words:
                directives.setdefault(words[0].lower(), words[1:])
        return cls(directives)

    def with_nonce(self, nonce: str) -> Policy:
        """Return the policy with a nonce for inline scripts and styles; unchanged where they are not restricted."""
        directives = dict(self.directives)
        for name in ("script-src", "style-src"):
            sources = directives.get(name, directives.get("default-src"))
            if sources is not None:
                directives[name] = _add_nonce(sources, nonce)
            element = name + "-elem"
            if element in directives:
                directives[element] = _add_nonce(directives[element], nonce)
        return Policy(directives)

    def __str__(self) -> str:
        return "; ".join(" ".join((name, *sources)) for name, sources in self.directives.items())


def parse_policy(policy: Mapping[str, Sequence[str] | str] | str, *, setting: str, mistakes: list[Mistake]) -> Policy:
    """Check a policy of the settings.

    Args:
        policy: the header's text, or directives with their sources (one text may hold several, with spaces between).
        setting: its name, for messages.
        mistakes: what a browser would ignore or misread is added here.
    """
    if isinstance(policy, str):
        read = Policy.read(policy)
    else:
        read = Policy({name: value.split() if isinstance(value, str) else value for name, value in policy.items()})
    for name, sources in read.directives.items():
        if name not in _DIRECTIVES:
            mistakes.append(Mistake(f"{setting} has the unknown directive {name!r}.", fix=_nearest(name, _DIRECTIVES)))
            continue
        for source in sources:
            fault = _fault(name, source)
            if fault is not None:
                mistakes.append(Mistake(f"{setting} has {source!r} in {name}.", fix=fault))
        if "'none'" in sources and len(sources) > 1:
            mistakes.append(Mistake(f"{setting} has 'none' beside other sources in {name}.", fix="leave one or the other out"))
    return read


_FETCH = (
    "child-src",
    "connect-src",
    "default-src",
    "fenced-frame-src",
    "font-src",
    "frame-src",
    "img-src",
    "manifest-src",
    "media-src",
    "object-src",
    "script-src",
    "script-src-attr",
    "script-src-elem",
    "style-src",
    "style-src-attr",
    "style-src-elem",
    "worker-src",
)
_SOURCE_LISTS = frozenset((*_FETCH, "base-uri", "form-action", "frame-ancestors"))
_DIRECTIVES = (
    *sorted(_SOURCE_LISTS),
    "report-to",
    "report-uri",
    "require-trusted-types-for",
    "sandbox",
    "trusted-types",
    "upgrade-insecure-requests",
    "webrtc",
)
_KEYWORDS = (
    "none",
    "self",
    "unsafe-inline",
    "unsafe-eval",
    "unsafe-hashes",
    "strict-dynamic",
    "report-sample",
    "inline-speculation-rules",
    "wasm-unsafe-eval",
    "trusted-types-eval",
    "unsafe-allow-redirects",
)
_HASH = re.compile(r"sha(256|384|512)-[A-Za-z0-9+/_-]+={0,2}").fullmatch
_SOURCE_TEXT = re.compile(r"[!-+\--:<-~]+").fullmatch  # visible ASCII without comma and semicolon, which would end the directive


def _add_nonce(sources: Sequence[str], nonce: str) -> tuple[str, ...]:
    lowered = [source.lower() for source in sources]
    if "'unsafe-inline'" in lowered:
        return tuple(sources)
    return (*(source for source in sources if source.lower() != "'none'"), f"'nonce-{nonce}'")


def _fault(directive: str, source: str) -> str | None:
    """Return what to do about a source that a browser would ignore or misread, or None."""
    if not _SOURCE_TEXT(source):
        return "write each source by itself, in ASCII, without spaces, commas and semicolons"
    if directive not in _SOURCE_LISTS:
        return None
    if source[0] == "'":
        word = source.strip("'").lower()
        if word.startswith("nonce-"):
            return "leave it out: a nonce must be new for each response, and request.csp_nonce adds one"
        if source[-1] != "'" or not (word in _KEYWORDS or _HASH(source.strip("'"))):
            return _nearest(source, [f"'{keyword}'" for keyword in _KEYWORDS])
    elif source.lower() in _KEYWORDS or _HASH(source):
        return f"write \"'{source}'\", with single quotes: without them it is a host name"
    return None


def _nearest(word: str, known: Sequence[str]) -> str:
    from difflib import get_close_matches

    found = get_close_matches(word, known, n=1)
    return f"did you mean {found[0]}?" if found else "leave it out, or write one of " + ", ".join(known)
