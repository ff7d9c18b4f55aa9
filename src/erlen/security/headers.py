"""The protective headers of every response (OWASP Secure Headers Project; CSP Level 3; RFC 6797)."""

from __future__ import annotations

from erlen.errors import Mistake, raise_all
from erlen.http.headers import check_header
from erlen.http.response import Response
from erlen.security.csp import add_nonce, policy_mistakes
from erlen.security.settings import SecuritySettings
from erlen.types import HeaderPairs

__all__ = ["ProtectiveHeaders"]


class ProtectiveHeaders:
    """Headers that tell browsers what pages of this site may never do; made once, sent with every response.

    Where a setting is empty its header is not sent. A response that sets one of them itself replaces it, and drops it with an
    empty value.

    Args:
        settings: of which these count. `content_security_policy` and `content_security_policy_report_only`: the header's text, on any
            number of lines; `"default"` is `default-src 'self'; base-uri 'self'; form-action 'self'; object-src 'none'; img-src 'self'
            data:; frame-ancestors 'none'`, the last as `frame_options` says, which is for browsers without `frame-ancestors`.
            `referrer_policy`: one policy, or several with the preferred last. `cross_origin_opener_policy`: without it, pages that
            opened one of ours, or were opened by it, hold on to it. `permissions_policy`, `content_type_nosniff`.
            `hsts_seconds`: how long browsers use nothing but TLS for this host once they came over TLS; 0 sends none. It is 0 in
            debug mode: browsers apply it to `localhost` on every port, which would spoil the other servers there.
            `hsts_include_subdomains`: off, as it would break those that this site does not run and that have no TLS; turn it on
            once all have. `hsts_preload`: consent to be built into browsers (hstspreload.org); cannot be undone for months.

    Raises:
        ConfigurationError: listing every value that browsers would ignore.
    """

    def __init__(self, settings: SecuritySettings) -> None:
        mistakes: list[Mistake] = []
        policy, frame_options = settings.content_security_policy, settings.frame_options
        if policy == "default":
            policy = _DEFAULT_POLICY + _FRAME_ANCESTORS.get(frame_options, "")
        policies = {
            "content-security-policy": " ".join(policy.split()),
            "content-security-policy-report-only": " ".join(settings.content_security_policy_report_only.split()),
        }
        for name, policy in policies.items():
            mistakes += policy_mistakes(policy, name.upper().replace("-", "_"))
        for setting, words, known in (
            ("FRAME_OPTIONS", [frame_options], _FRAME_ANCESTORS),
            ("REFERRER_POLICY", settings.referrer_policy.split(","), _REFERRER_POLICIES),
            ("CROSS_ORIGIN_OPENER_POLICY", [settings.cross_origin_opener_policy], _OPENER_POLICIES),
        ):
            fix = "write one of " + ", ".join(known)
            mistakes += [Mistake(f"{setting} cannot be {word.strip()!r}.", fix=fix) for word in words if word and word.strip() not in known]
        seconds = 0 if settings.debug else settings.hsts_seconds
        if seconds < 0:
            mistakes.append(Mistake(f"HSTS_SECONDS cannot be {seconds}.", fix="write seconds, or 0 to send none"))
        if settings.hsts_preload and (not settings.hsts_include_subdomains or seconds < _YEAR):
            fix = f"set both, HSTS_SECONDS to {_YEAR} or more"
            mistakes.append(Mistake("HSTS_PRELOAD needs HSTS_INCLUDE_SUBDOMAINS and HSTS_SECONDS of a year.", fix=fix))
        hsts = f"max-age={seconds}" + "; includeSubDomains" * settings.hsts_include_subdomains + "; preload" * settings.hsts_preload
        fields = policies | {
            "x-frame-options": frame_options,
            "referrer-policy": settings.referrer_policy,
            "cross-origin-opener-policy": settings.cross_origin_opener_policy,
            "x-content-type-options": "nosniff" if settings.content_type_nosniff else "",
            "permissions-policy": settings.permissions_policy,
            "strict-transport-security": hsts if seconds else "",
        }
        self._tls: HeaderPairs = [(name, value) for name, value in fields.items() if value]
        self._plain: HeaderPairs = [pair for pair in self._tls if pair[0] != "strict-transport-security"]
        self._nonce_policies = {name: add_nonce(policy, _NONCE) for name, policy in policies.items() if policy}
        for pair in self._tls:
            try:
                check_header(*pair)
            except ValueError as error:
                mistakes.append(Mistake(f"{error}."))
        raise_all(mistakes)

    def pairs(self, secure: bool) -> HeaderPairs:
        """Return the headers for a response over TLS (`secure`) or not: browsers heed HSTS only over TLS (RFC 6797, section 7.2).

        It is the same list at each call: copy it before changing it.
        """
        return self._tls if secure else self._plain

    def apply_nonce(self, response: Response, nonce: str) -> None:
        """Let inline scripts and styles with this nonce run on this page, and no other (CSP Level 3, section 6.7.2).

        The nonce goes into `script-src` and `style-src` (and their `-elem` forms) of the site's policies, or of the one that the
        response has itself. The page must not come from a cache: a nonce that is used twice can be known.
        """
        headers = response.headers
        for name, policy in self._nonce_policies.items():
            if name not in headers:
                headers[name] = policy.replace(_NONCE, nonce)
            elif headers[name]:
                headers[name] = add_nonce(headers[name], nonce)


_NONCE = "nonce-placeholder"
_YEAR = 31536000
_DEFAULT_POLICY = "default-src 'self'; base-uri 'self'; form-action 'self'; object-src 'none'; img-src 'self' data:"
_FRAME_ANCESTORS = {"DENY": "; frame-ancestors 'none'", "SAMEORIGIN": "; frame-ancestors 'self'"}
_OPENER_POLICIES = ("same-origin", "same-origin-allow-popups", "noopener-allow-popups", "unsafe-none")
_REFERRER_POLICIES = (
    "no-referrer",
    "no-referrer-when-downgrade",
    "origin",
    "origin-when-cross-origin",
    "same-origin",
    "strict-origin",
    "strict-origin-when-cross-origin",
    "unsafe-url",
)
