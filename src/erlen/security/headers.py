"""The protective headers of every response (OWASP Secure Headers Project; CSP Level 3; RFC 6797)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias

from erlen.errors import ConfigurationError, Mistake
from erlen.http.headers import check_header
from erlen.http.response import Response
from erlen.security.csp import Policy, parse_policy
from erlen.types import HeaderPairs

__all__ = ["PolicyInit", "ProtectiveHeaders"]

PolicyInit: TypeAlias = Mapping[str, Sequence[str] | str] | str | None


class ProtectiveHeaders:
    """Headers that tell browsers what pages of this site may never do; made once, sent with every response.

    A response that sets one of them itself replaces it, and drops it with an empty value.

    Args:
        content_security_policy: directives with their sources, `{"img-src": ["'self'", "data:"]}`, or the header's text; `"default"`
            is `default-src 'self'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'; object-src 'none';
            img-src 'self' data:`, with `frame-ancestors` following `frame_options`; None sends none.
        content_security_policy_report_only: a policy that only reports.
        frame_options: who may frame the pages, for browsers without `frame-ancestors`; None sends none.
        referrer_policy: one policy, or several with the preferred last; None sends none.
        cross_origin_opener_policy: None sends none, and lets pages that opened one of ours, or were opened by it, hold on to it.
        nosniff: sends `X-Content-Type-Options: nosniff`.
        hsts_seconds: how long browsers use nothing but TLS for this host once they came over TLS; 0 sends none. Choose 0 in
            development: browsers apply it to `localhost` on every port.
        hsts_include_subdomains: the same for all sub-domains. Off, as it would break those that this site does not run and that
            have no TLS; turn it on once all have.
        hsts_preload: consent to be built into browsers (hstspreload.org); cannot be undone for months.
        permissions_policy: features with the origins that may use them, `{"camera": [], "fullscreen": ["self"]}`, or the header's
            text.
        extra: further headers for every response, such as `Cross-Origin-Resource-Policy`.

    Raises:
        ConfigurationError: listing every value that browsers would ignore.
    """

    __slots__ = ("_nonce_policies", "_plain", "_tls")

    def __init__(
        self,
        *,
        content_security_policy: PolicyInit = "default",
        content_security_policy_report_only: PolicyInit = None,
        frame_options: Literal["DENY", "SAMEORIGIN"] | None = "DENY",
        referrer_policy: str | None = "strict-origin-when-cross-origin",
        cross_origin_opener_policy: str | None = "same-origin",
        nosniff: bool = True,
        hsts_seconds: int = 31536000,
        hsts_include_subdomains: bool = False,
        hsts_preload: bool = False,
        permissions_policy: Mapping[str, Sequence[str]] | str | None = None,
        extra: Mapping[str, str] | None = None,
    ) -> None:
        mistakes: list[Mistake] = []
        pairs: HeaderPairs = []
        if content_security_policy == "default":
            content_security_policy = _default_policy(frame_options)
        self._nonce_policies: dict[str, str] = {}
        for name, given in (
            ("content-security-policy", content_security_policy),
            ("content-security-policy-report-only", content_security_policy_report_only),
        ):
            if given:
                policy = parse_policy(given, setting=name.upper().replace("-", "_"), mistakes=mistakes)
                pairs.append((name, str(policy)))
                self._nonce_policies[name] = str(policy.with_nonce(_NONCE))
        if frame_options is not None:
            pairs.append(("x-frame-options", _one_of("FRAME_OPTIONS", frame_options.upper(), _FRAME_OPTIONS, mistakes)))
        if referrer_policy:
            for token in referrer_policy.split(","):
                _one_of("REFERRER_POLICY", token.strip(), _REFERRER_POLICIES, mistakes)
            pairs.append(("referrer-policy", referrer_policy))
        if cross_origin_opener_policy:
            value = _one_of("CROSS_ORIGIN_OPENER_POLICY", cross_origin_opener_policy, _OPENER_POLICIES, mistakes)
            pairs.append(("cross-origin-opener-policy", value))
        if nosniff:
            pairs.append(("x-content-type-options", "nosniff"))
        if permissions_policy:
            pairs.append(("permissions-policy", _permissions(permissions_policy)))
        for name, value in (extra or {}).items():
            if name.lower() in _HAVE_SETTINGS:
                mistakes.append(Mistake(f"The extra headers have {name!r}.", fix=f"use the setting {_HAVE_SETTINGS[name.lower()]}"))
            pairs = [pair for pair in pairs if pair[0] != name.lower()]
            pairs.append((name.lower(), value))
        hsts = _strict_transport(hsts_seconds, subdomains=hsts_include_subdomains, preload=hsts_preload, mistakes=mistakes)
        for pair in [*pairs, *hsts]:
            try:
                check_header(*pair)
            except ValueError as error:
                mistakes.append(Mistake(f"{error}."))
        if mistakes:
            raise ConfigurationError(mistakes)
        self._plain = pairs
        self._tls = pairs + hsts

    def pairs(self, secure: bool) -> HeaderPairs:
        """Return the headers for a response over TLS (`secure`) or not: browsers heed HSTS only over TLS (RFC 6797, section 7.2).

        It is the same list at each call: copy it before changing it.
        """
        return self._tls if secure else self._plain

    def apply_nonce(self, response: Response, nonce: str) -> None:
        """Let inline scripts and styles with this nonce run on this page, and no other (CSP Level 3, section 6.7.2).

        The nonce goes into `script-src` and `style-src` (and their `-elem` forms) of the site's policies, or of the one that the
        response has itself. A directive with `'unsafe-inline'` is left alone: a nonce would turn that off. The page must not
        come from a cache: a nonce that is used twice can be known.
        """
        headers = response.headers
        for name, text in self._nonce_policies.items():
            if name not in headers:
                headers[name] = text.replace(_NONCE, nonce)
            elif headers[name]:
                headers[name] = str(Policy.read(headers[name]).with_nonce(nonce))


_NONCE = "nonce-placeholder"
# Left to `extra`, these would get no nonce, or be sent without TLS.
_HAVE_SETTINGS = {
    "content-security-policy": "CONTENT_SECURITY_POLICY",
    "content-security-policy-report-only": "CONTENT_SECURITY_POLICY_REPORT_ONLY",
    "strict-transport-security": "HSTS_SECONDS",
}
_FRAME_OPTIONS = ("DENY", "SAMEORIGIN")
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
_YEAR = 31536000


def _default_policy(frame_options: str | None) -> dict[str, str]:
    policy = {"default-src": "'self'", "base-uri": "'self'", "form-action": "'self'", "object-src": "'none'", "img-src": "'self' data:"}
    if frame_options is not None:
        policy["frame-ancestors"] = "'self'" if frame_options.upper() == "SAMEORIGIN" else "'none'"
    return policy


def _one_of(setting: str, value: str, known: Sequence[str], mistakes: list[Mistake]) -> str:
    if value not in known:
        mistakes.append(Mistake(f"{setting} cannot be {value!r}.", fix="write one of " + ", ".join(known)))
    return value


def _permissions(policy: Mapping[str, Sequence[str]] | str) -> str:
    if isinstance(policy, str):
        return policy
    features: list[str] = []
    for feature, given in policy.items():
        origins = [given] if isinstance(given, str) else list(given)
        if origins == ["*"]:
            features.append(f"{feature}=*")
        else:
            # RFC 8941: keywords are tokens, origins are strings.
            allowed = [origin if origin in ("self", "src") else f'"{origin}"' for origin in origins]
            features.append(f"{feature}=({' '.join(allowed)})")
    return ", ".join(features)


def _strict_transport(seconds: int, *, subdomains: bool, preload: bool, mistakes: list[Mistake]) -> HeaderPairs:
    if seconds < 0:
        mistakes.append(Mistake(f"HSTS_SECONDS cannot be {seconds}.", fix="write seconds, or 0 to send none"))
    if preload and (not subdomains or seconds < _YEAR):
        fix = f"set both, HSTS_SECONDS to {_YEAR} or more"
        mistakes.append(Mistake("HSTS_PRELOAD needs HSTS_INCLUDE_SUBDOMAINS and HSTS_SECONDS of a year.", fix=fix))
    if not seconds:
        return []
    value = f"max-age={seconds}"
    if subdomains:
        value += "; includeSubDomains"
    if preload:
        value += "; preload"
    return [("strict-transport-security", value)]
