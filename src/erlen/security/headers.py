"""The protective headers of every response (OWASP Secure Headers Project; CSP Level 3; RFC 6797)."""

from __future__ import annotations

from erlen.errors import ConfigurationError, Mistake
from erlen.http.headers import check_header
from erlen.http.response import Response
from erlen.security.csp import add_nonce, policy_mistakes
from erlen.types import HeaderPairs

__all__ = ["ProtectiveHeaders"]


class ProtectiveHeaders:
    """Headers that tell browsers what pages of this site may never do; made once, sent with every response.

    Where an argument is empty its header is not sent. A response that sets one of them itself replaces it, and drops it with an
    empty value.

    Args:
        content_security_policy: the header's text, on any number of lines; `"default"` is `default-src 'self'; base-uri 'self';
            form-action 'self'; object-src 'none'; img-src 'self' data:; frame-ancestors 'none'`, the last as `frame_options` says.
        content_security_policy_report_only: a policy that only reports.
        frame_options: who may frame the pages, for browsers without `frame-ancestors`: `DENY` or `SAMEORIGIN`.
        referrer_policy: one policy, or several with the preferred last.
        cross_origin_opener_policy: without it, pages that opened one of ours, or were opened by it, hold on to it.
        nosniff: sends `X-Content-Type-Options: nosniff`.
        hsts_seconds: how long browsers use nothing but TLS for this host once they came over TLS; 0 sends none. Choose 0 in
            development: browsers apply it to `localhost` on every port.
        hsts_include_subdomains: the same for all sub-domains. Off, as it would break those that this site does not run and that
            have no TLS; turn it on once all have.
        hsts_preload: consent to be built into browsers (hstspreload.org); cannot be undone for months.
        permissions_policy: the header's text, such as `camera=(), fullscreen=(self)`.

    Raises:
        ConfigurationError: listing every value that browsers would ignore.
    """

    __slots__ = ("_nonce_policies", "_plain", "_tls")

    def __init__(
        self,
        *,
        content_security_policy: str = "default",
        content_security_policy_report_only: str = "",
        frame_options: str = "DENY",
        referrer_policy: str = "strict-origin-when-cross-origin",
        cross_origin_opener_policy: str = "same-origin",
        nosniff: bool = True,
        hsts_seconds: int = 31536000,
        hsts_include_subdomains: bool = False,
        hsts_preload: bool = False,
        permissions_policy: str = "",
    ) -> None:
        mistakes: list[Mistake] = []
        if content_security_policy == "default":
            content_security_policy = _DEFAULT_POLICY + _FRAME_ANCESTORS.get(frame_options, "")
        policies = {
            "content-security-policy": " ".join(content_security_policy.split()),
            "content-security-policy-report-only": " ".join(content_security_policy_report_only.split()),
        }
        for name, policy in policies.items():
            mistakes += policy_mistakes(policy, name.upper().replace("-", "_"))
        for setting, words, known in (
            ("FRAME_OPTIONS", [frame_options], _FRAME_ANCESTORS),
            ("REFERRER_POLICY", referrer_policy.split(","), _REFERRER_POLICIES),
            ("CROSS_ORIGIN_OPENER_POLICY", [cross_origin_opener_policy], _OPENER_POLICIES),
        ):
            fix = "write one of " + ", ".join(known)
            mistakes += [Mistake(f"{setting} cannot be {word.strip()!r}.", fix=fix) for word in words if word and word.strip() not in known]
        if hsts_seconds < 0:
            mistakes.append(Mistake(f"HSTS_SECONDS cannot be {hsts_seconds}.", fix="write seconds, or 0 to send none"))
        if hsts_preload and (not hsts_include_subdomains or hsts_seconds < _YEAR):
            fix = f"set both, HSTS_SECONDS to {_YEAR} or more"
            mistakes.append(Mistake("HSTS_PRELOAD needs HSTS_INCLUDE_SUBDOMAINS and HSTS_SECONDS of a year.", fix=fix))
        hsts = f"max-age={hsts_seconds}" + "; includeSubDomains" * hsts_include_subdomains + "; preload" * hsts_preload
        fields = policies | {
            "x-frame-options": frame_options,
            "referrer-policy": referrer_policy,
            "cross-origin-opener-policy": cross_origin_opener_policy,
            "x-content-type-options": "nosniff" if nosniff else "",
            "permissions-policy": permissions_policy,
            "strict-transport-security": hsts if hsts_seconds else "",
        }
        self._tls: HeaderPairs = [(name, value) for name, value in fields.items() if value]
        self._plain: HeaderPairs = [pair for pair in self._tls if pair[0] != "strict-transport-security"]
        self._nonce_policies = {name: add_nonce(policy, _NONCE) for name, policy in policies.items() if policy}
        for pair in self._tls:
            try:
                check_header(*pair)
            except ValueError as error:
                mistakes.append(Mistake(f"{error}."))
        if mistakes:
            raise ConfigurationError(mistakes)

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
