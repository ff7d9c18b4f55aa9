"""Links in templates: addresses in text, and the query of the current page with changes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from markupsafe import Markup, escape

from erlen.http.request import current_request
from erlen.templates.filters.scan import scan_html
from erlen.templates.filters.text import text_of

__all__ = ["querystring", "urlize"]


def querystring(changes: Mapping[str, object] | None = None, /, **more: object) -> str:
    """Return the query of the current page with changes: `<a href="{{ querystring(page=2) }}">`.

    What is not mentioned stays; None removes a parameter, a list repeats it. It begins with `?`, which stands alone if nothing is
    left: an empty link would keep the query as it is.

    Args:
        changes: for names that are no identifiers: `querystring({"sort-by": "name"})`.
        more: the parameters by name.

    Raises:
        ErlenError: outside a request.
    """
    return f"?{current_request().query | {**(changes or {}), **more}}"


def urlize(
    value: object,
    trim_url_limit: int | None = None,
    nofollow: bool = False,
    target: str | None = None,
    rel: str | None = None,
    extra_schemes: Iterable[str] | None = None,
) -> Markup:
    """Make links of the web and mail addresses in text: `{{ comment.text|urlize(40, nofollow=true) }}`.

    Recognised are `http://`, `https://` and `www.` addresses, names such as `example.org` under the oldest top-level domains, and mail
    addresses with or without `mailto:`. Punctuation around them stays outside. In HTML (`Markup`) the text between tags is read, except
    in links, scripts and the like. The parameters are those of Jinja's own filter, which this one replaces: its work grows with the
    square of some texts.

    Args:
        value: text, which is escaped, or `Markup`.
        trim_url_limit: how many characters of an address are shown at most; by default all.
        nofollow: add `nofollow` to the links' `rel`.
        target: the links' `target`, such as `_blank`.
        rel: the links' `rel`, to which `noopener` is added.
        extra_schemes: what else begins an address, such as `ftp:` or `tel:`.

    Raises:
        ValueError: if one of `extra_schemes` is no scheme, or one that runs code.
    """
    schemes = tuple(scheme.lower() for scheme in extra_schemes or ())
    for scheme in schemes:
        if not _SCHEME(scheme) or scheme.startswith(("javascript:", "vbscript:", "data:")):
            raise ValueError(f"{scheme!r} is no scheme that links may have: write it with its colon, such as 'tel:' or 'ftp://'")
    relations = {*(rel or "").split(), "noopener", *(["nofollow"] if nofollow else [])}
    attributes = Markup(' rel="{}"').format(" ".join(sorted(relations)))
    if target is not None:
        attributes += Markup(' target="{}"').format(target)
    linker = _Linker(trim_url_limit, str(attributes), schemes)
    text = text_of(value)
    if not isinstance(text, Markup):
        return Markup(linker.link(text))
    made: list[str] = []
    links_open = 0
    for piece in scan_html(str(text)):
        if piece.name == "a":
            links_open = max(links_open + (1 if piece.kind == "open" else -1), 0)
        made.append(linker.link(Markup(piece.source).unescape()) if piece.kind == "text" and not links_open else piece.source)
    return Markup("".join(made))


class _Linker:
    def __init__(self, limit: int | None, attributes: str, schemes: tuple[str, ...]) -> None:
        self._limit = limit
        self._attributes = attributes
        self._schemes = schemes

    def link(self, text: str) -> str:
        """Return the HTML of a text with links. No character is looked at more often than a fixed number of times."""
        made: list[str] = []
        position = 0
        for match in _WORD(text):
            word = match[0]
            # PERF: most words have no mark that every address has.
            if not _MAY_LINK(word):
                continue
            start, end = _trim(word)
            target = self._target(word[start:end])
            if target is not None:
                shown = word[start:end].removeprefix("mailto:")
                if self._limit is not None and len(shown) > self._limit:
                    shown = shown[: self._limit] + "…"
                made.append(str(escape(text[position : match.start() + start])))
                made.append(f'<a href="{escape(target)}"{self._attributes}>{escape(shown)}</a>')
                position = match.start() + end
        made.append(str(escape(text[position:])))
        return "".join(made)

    def _target(self, word: str) -> str | None:
        start = word[:8].lower()
        if start.startswith(("http://", "https://")):
            return word if _HOST(_authority(word.partition("//")[2])) else None
        if start.startswith("mailto:"):
            return word if _is_mail(word[7:]) else None
        if any(word[: len(scheme)].lower() == scheme and len(word) > len(scheme) for scheme in self._schemes):
            return word
        host = _authority(word)
        if (start.startswith("www.") and _HOST(host) and host.count(".") > 1) or _KNOWN_HOST(host):
            return f"https://{word}"
        return f"mailto:{word}" if _is_mail(word) else None


def _trim(word: str) -> tuple[int, int]:
    """Return where an address in a word starts and ends: brackets that it opened itself belong to it, other punctuation does not."""
    start = len(word) - len(word.lstrip(_OPENING))
    end = max(len(word.rstrip(_CLOSING)), start)
    missing = {close: word.count(opening, start, end) - word.count(close, start, end) for opening, close in _BRACKETS.items()}
    best = end
    for position in range(end, len(word)):
        letter = word[position]
        if letter in missing:
            if missing[letter] <= 0:
                break
            missing[letter] -= 1
            best = position + 1
    return start, best


def _authority(rest: str) -> str:
    return _AUTHORITY(rest)[0]  # type: ignore[index]  # it matches anything, if only its empty beginning


def _is_mail(word: str) -> bool:
    local, _, domain = word.partition("@")
    return len(word) <= 254 and _LOCAL(local) is not None and _MAIL_DOMAIN(domain) is not None


_WORD = re.compile(r"[^\s<>\"]+").finditer
_MAY_LINK = re.compile(r"[.:@]").search
_OPENING = "([{'*_"
_CLOSING = ")]}.,:;!?'*_"
_BRACKETS = {"(": ")", "[": "]", "{": "}"}
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:(?://)?").fullmatch
# One character more than a host name and port may have: what is longer is none.
_AUTHORITY = re.compile(r"[^/?#]{0,261}").match
_LABEL = r"[^\W_](?:[\w-]{0,61}[^\W_])?"
# No user names: https://bank.example@evil.example leads to the second.
_HOST = re.compile(rf"(?:(?:{_LABEL}\.)*{_LABEL}\.?|\[[0-9A-Fa-f:.]{{2,45}}\])(?::[0-9]{{1,5}})?").fullmatch
_KNOWN_HOST = re.compile(rf"(?:{_LABEL}\.)+(?:com|edu|gov|info|int|mil|net|org)(?::[0-9]{{1,5}})?", re.IGNORECASE).fullmatch
# Nothing that has a meaning in a mailto: URL, such as "?cc=".
_LOCAL = re.compile(r"[\w.+-]{1,64}").fullmatch
_MAIL_DOMAIN = re.compile(rf"(?:{_LABEL}\.)+[^\W\d_]{{2,63}}").fullmatch
