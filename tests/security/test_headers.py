from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from erlen.errors import ConfigurationError
from erlen.http.headers import Headers
from erlen.http.response import Response
from erlen.security.headers import ProtectiveHeaders
from erlen.security.settings import SecuritySettings

if TYPE_CHECKING:
    from tests.security.conftest import Finish, MakeRequest

CSP = "content-security-policy"


def protective(**settings: Any) -> ProtectiveHeaders:
    return ProtectiveHeaders(SecuritySettings(**settings))


def sent(headers: ProtectiveHeaders, *, secure: bool = True) -> dict[str, str]:
    return dict(headers.pairs(secure))


def test_the_defaults() -> None:
    assert sent(protective()) == {
        CSP: "default-src 'self'; base-uri 'self'; form-action 'self'; object-src 'none'; img-src 'self' data:; frame-ancestors 'none'",
        "x-frame-options": "DENY",
        "referrer-policy": "strict-origin-when-cross-origin",
        "cross-origin-opener-policy": "same-origin",
        "x-content-type-options": "nosniff",
        "strict-transport-security": "max-age=31536000",
    }


def test_hsts_is_sent_over_tls_only() -> None:
    headers = protective()
    assert "strict-transport-security" not in sent(headers, secure=False)
    assert sent(headers, secure=False).items() < sent(headers).items()


def test_the_list_is_made_once() -> None:
    headers = protective()
    assert headers.pairs(True) is headers.pairs(True)
    assert headers.pairs(False) is headers.pairs(False)


@pytest.mark.parametrize(
    ("options", "value"),
    [
        ({"hsts_seconds": 60}, "max-age=60"),
        ({"hsts_include_subdomains": True}, "max-age=31536000; includeSubDomains"),
        ({"hsts_include_subdomains": True, "hsts_preload": True}, "max-age=31536000; includeSubDomains; preload"),
        ({"hsts_seconds": 0}, None),
    ],
)
def test_hsts(options: dict[str, Any], value: str | None) -> None:
    assert sent(protective(**options)).get("strict-transport-security") == value


def test_everything_can_be_relaxed() -> None:
    relaxed = protective(
        content_security_policy="",
        frame_options="",
        referrer_policy="",
        cross_origin_opener_policy="",
        content_type_nosniff=False,
        hsts_seconds=0,
    )
    assert relaxed.pairs(True) == []


def test_debug_mode_sends_no_hsts() -> None:
    assert "strict-transport-security" not in sent(protective(debug=True))


def test_the_default_policy_follows_frame_options() -> None:
    assert "frame-ancestors 'self'" in sent(protective(frame_options="SAMEORIGIN"))[CSP]
    assert "frame-ancestors" not in sent(protective(frame_options=""))[CSP]


def test_own_policies() -> None:
    headers = protective(
        content_security_policy="""
            default-src 'self' https://cdn.example;
            img-src * data:; upgrade-insecure-requests
        """,
        content_security_policy_report_only="default-src 'none'; report-uri /csp",
        permissions_policy='camera=(), fullscreen=(self "https://a.example")',
        referrer_policy="no-referrer, strict-origin",
    )
    assert sent(headers) == sent(protective()) | {
        CSP: "default-src 'self' https://cdn.example; img-src * data:; upgrade-insecure-requests",
        CSP + "-report-only": "default-src 'none'; report-uri /csp",
        "permissions-policy": 'camera=(), fullscreen=(self "https://a.example")',
        "referrer-policy": "no-referrer, strict-origin",
    }


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        ("script-scr 'self'", "did you mean script-src?"),
        ("default-src self", "with single quotes"),
        ("default-src 'slef'", "did you mean 'self'?"),
        ("default-src unsafe-inline", "with single quotes"),
        ("default-src 'self", "did you mean 'self'?"),
        ("default-src '", "write one of"),
        ("script-src 'nonce-abc'", "request.csp_nonce"),
        ("script-src sha256-AAAA", "with single quotes"),
        ("default-src 'none' https://a.example", "'none' beside other sources"),
        ("default-src https://\u00e4.example", "in ASCII"),
        ("default-src 'self', script-src *", "commas"),
        ("report-uri /a,b", "commas"),
        ("default-src 'self'\x00", "in ASCII"),
    ],
)
def test_what_browsers_would_ignore_in_a_policy_is_reported(policy: str, message: str) -> None:
    for name in ("content_security_policy", "content_security_policy_report_only"):
        with pytest.raises(ConfigurationError) as error:
            protective(**{name: policy})
        assert message in str(error.value)
        assert name.upper() in str(error.value)


def test_hashes_and_keywords_are_accepted() -> None:
    sources = [
        "'self'",
        "'strict-dynamic'",
        "'wasm-unsafe-eval'",
        "'sha256-RFWPLDbv2BY+rCkDzsE+0fr8ylGr2R2faWMhq4lfEQc='",
        "https:",
        "*.example.com:8443",
    ]
    assert " ".join(sources) in sent(protective(content_security_policy="script-src " + " ".join(sources)))[CSP]


def test_all_mistakes_are_reported_together() -> None:
    with pytest.raises(ConfigurationError) as error:
        protective(
            content_security_policy="nonsense-src",
            frame_options="ALLOW",
            referrer_policy="none",
            cross_origin_opener_policy="cross",
            hsts_seconds=60,
            hsts_preload=True,
            permissions_policy="camera=()\r\ninjected: 1",
        )
    assert len(error.value.mistakes) == 6


def nonced(headers: ProtectiveHeaders, response: Response | None = None) -> Headers:
    response = response or Response("page")
    headers.apply_nonce(response, "n0nce")
    return response.headers


def test_the_nonce_goes_into_scripts_and_styles_of_this_response_only() -> None:
    headers = protective()
    before = list(headers.pairs(True))
    policy = nonced(headers)[CSP]
    assert "script-src 'self' 'nonce-n0nce'" in policy
    assert "style-src 'self' 'nonce-n0nce'" in policy
    assert policy.startswith("default-src 'self'; base-uri 'self'")
    assert "n0nce" not in str(headers.pairs(True))
    assert headers.pairs(True) == before


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("script-src 'none'", "script-src 'nonce-n0nce'"),
        ("script-src 'self'; script-src-elem https:", "script-src 'self' 'nonce-n0nce'; script-src-elem https: 'nonce-n0nce'"),
        ("default-src 'self'; style-src 'unsafe-inline'", "default-src 'self'; style-src 'unsafe-inline'; script-src 'self' 'nonce-n0nce'"),
        ("img-src *", "img-src *"),
    ],
)
def test_where_the_nonce_goes(policy: str, expected: str) -> None:
    assert nonced(protective(content_security_policy=policy))[CSP] == expected
    assert nonced(protective(), Response("page", headers={CSP: policy}))[CSP] == expected


def test_the_nonce_and_a_response_that_sends_no_policy() -> None:
    assert nonced(protective(), Response("page", headers={CSP: ""}))[CSP] == ""
    assert CSP not in nonced(protective(content_security_policy=""))


def test_the_nonce_goes_into_the_reporting_policy_too() -> None:
    headers = nonced(protective(content_security_policy_report_only="script-src 'self'"))
    assert headers[CSP + "-report-only"] == "script-src 'self' 'nonce-n0nce'"


def test_header_injection_by_a_nonce() -> None:
    with pytest.raises(ValueError, match="control"):
        protective().apply_nonce(Response("page"), "x\r\nset-cookie: a=b")


def test_asking_for_the_nonce_puts_it_into_the_policy(make_request: MakeRequest, finish: Finish) -> None:
    request = make_request()
    nonce = request.csp_nonce
    assert request.csp_nonce == nonce
    assert f"'nonce-{nonce}'" in finish(request, Response("page")).headers[CSP]
    assert finish(make_request(), Response("page")).own_headers is None
