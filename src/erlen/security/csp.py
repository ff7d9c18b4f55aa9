"""Content-Security-Policy (W3C, CSP Level 3): checking a policy, and letting a nonce in."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence

from erlen.errors import Mistake

__all__ = ["add_nonce", "policy_mistakes"]


def add_nonce(policy: str, nonce: str) -> str:
    """Return the text of a policy with a nonce for inline scripts and styles; unchanged where they are not restricted.

    A directive with `'unsafe-inline'` is left alone: a nonce would turn that off (section 6.7.3.2).
    """
    directives = _read(policy)
    default = directives.get("default-src")
    for name, fallback in (("script-src", default), ("style-src", default), ("script-src-elem", None), ("style-src-elem", None)):
        sources = directives.get(name, fallback)
        if sources is not None and "'unsafe-inline'" not in map(str.lower, sources):
            directives[name] = [*(source for source in sources if source.lower() != "'none'"), f"'nonce-{nonce}'"]
    return "; ".join(" ".join((name, *sources)) for name, sources in directives.items())


def policy_mistakes(policy: str, setting: str) -> Iterator[Mistake]:
    """Yield what a browser would ignore or misread in a policy; `setting` is its name, for messages."""
    for name, sources in _read(policy).items():
        if name not in _DIRECTIVES:
            yield Mistake(f"{setting} has the unknown directive {name!r}.", fix=_nearest(name, _DIRECTIVES))
            continue
        for source in sources:
            cure = _cure(name, source)
            if cure is not None:
                yield Mistake(f"{setting} has {source!r} in {name}.", fix=cure)
        if "'none'" in sources and len(sources) > 1:
            yield Mistake(f"{setting} has 'none' beside other sources in {name}.", fix="leave one or the other out")


_FETCH = {
    f"{kind}-src"
    for kind in ("child", "connect", "default", "fenced-frame", "font", "frame", "img", "manifest", "media", "object", "worker")
}
_INLINE = {"script-src", "script-src-attr", "script-src-elem", "style-src", "style-src-attr", "style-src-elem"}
_SOURCE_LISTS = _FETCH | _INLINE | {"base-uri", "form-action", "frame-ancestors"}
_OTHERS = {"report-to", "report-uri", "require-trusted-types-for", "sandbox", "trusted-types", "upgrade-insecure-requests", "webrtc"}
_DIRECTIVES = _SOURCE_LISTS | _OTHERS
_UNSAFE = {"unsafe-inline", "unsafe-eval", "unsafe-hashes", "wasm-unsafe-eval", "unsafe-allow-redirects"}
_KEYWORDS = _UNSAFE | {"none", "self", "strict-dynamic", "report-sample", "inline-speculation-rules", "trusted-types-eval"}
_HASH = re.compile(r"sha(256|384|512)-[A-Za-z0-9+/_-]+={0,2}").fullmatch
_SOURCE_TEXT = re.compile(r"[!-+\--:<-~]+").fullmatch  # visible ASCII without comma and semicolon, which would end the directive


def _read(policy: str) -> dict[str, Sequence[str]]:
    """Return the directives as browsers read them: the first of a name counts (section 2.2.1)."""
    directives: dict[str, Sequence[str]] = {}
    for part in policy.split(";"):
        words = part.split()
        if words:
            directives.setdefault(words[0].lower(), words[1:])
    return directives


def _cure(directive: str, source: str) -> str | None:
    """Return what to do about a source that a browser would ignore or misread, or None."""
    if not _SOURCE_TEXT(source):
        return "write each source by itself, in ASCII, without spaces, commas and semicolons"
    if directive not in _SOURCE_LISTS:
        return None
    if source[0] != "'":
        if source.lower() in _KEYWORDS or _HASH(source):
            return f"write \"'{source}'\", with single quotes: without them it is a host name"
        return None
    word = source[1:-1]
    if word.lower().startswith("nonce-"):
        return "leave it out: a nonce must be new for each response, and request.csp_nonce adds one"
    if source[-1] != "'" or not (word.lower() in _KEYWORDS or _HASH(word)):
        return _nearest(source, [f"'{keyword}'" for keyword in _KEYWORDS])
    return None


def _nearest(word: str, known: Collection[str]) -> str:
    from difflib import get_close_matches

    known = sorted(known)
    found = get_close_matches(word, known, n=1)
    return f"did you mean {found[0]}?" if found else "leave it out, or write one of " + ", ".join(known)
