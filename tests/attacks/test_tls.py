"""`erlen run` with TLS: what browsers are told, cookies over HTTP/2 (attack class C), and certificates that do not fit."""

from __future__ import annotations

import os
import ssl
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from erlen.errors import ConfigurationError
from erlen.server.address import check_tls

if TYPE_CHECKING:
    from tests.attacks.conftest import Live

pytestmark = pytest.mark.xdist_group("attacks")

APP = Path(__file__).with_name("target_app.py")
ERLEN = Path(sys.executable).with_name("erlen")
DATA, HEADERS, RESET, SETTINGS, CONTINUATION = 0, 1, 3, 4, 9


def write_key(key: ec.EllipticCurvePrivateKey, path: Path, password: bytes = b"") -> None:
    encryption = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    path.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption))


@pytest.fixture(scope="session")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a certificate for localhost, its key, the same with a password, and the key of another."""
    folder = tmp_path_factory.mktemp("pem")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(days=1))
    certificate = builder.not_valid_after(now + timedelta(days=1)).add_extension(names, critical=False).sign(key, hashes.SHA256())
    (folder / "certificate.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    write_key(key, folder / "key.pem")
    write_key(key, folder / "locked.pem", b"password")
    write_key(ec.generate_private_key(ec.SECP256R1()), folder / "other.pem")
    return folder


@pytest.fixture(scope="session")
def secure(run: Callable[..., Live], pem: Path) -> Callable[[str], Live]:
    """One running server with TLS of each kind."""
    kinds = {"rsgi": ("--door", "rsgi"), "asgi": ("--door", "asgi"), "wsgi": ("--door", "wsgi"), "uvicorn": ("--engine", "uvicorn")}
    found: dict[str, Live] = {}

    def get(kind: str) -> Live:
        if kind not in found:
            tls = ("--tls-certificate", str(pem / "certificate.pem"), "--tls-key", str(pem / "key.pem"))
            found[kind] = run(*kinds[kind], *tls)
        return found[kind]

    return get


def client_of(pem: Path, protocol: str = "http/1.1") -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(pem / "certificate.pem"))
    context.set_alpn_protocols([protocol])
    return context


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def http2(
    live: Live, pem: Path, *fields: tuple[str, str], path: str = "/tell", method: str = "GET", body: bytes | None = None
) -> bytes | None:
    """Send one request by HTTP/2 (RFC 9113); return the body of its answer, or None where the stream or the connection was ended."""
    pseudo = [(":method", method), (":scheme", "https"), (":path", path), (":authority", "example.com")]
    # RFC 7541, section 6.2.2: literals without indexing, names spelt out.
    block = b"".join(bytes([0, len(name)]) + name.encode() + bytes([len(value)]) + value.encode() for name, value in (*pseudo, *fields))
    with live.connect(client_of(pem, "h2")) as connection:
        assert isinstance(connection, ssl.SSLSocket)
        assert connection.selected_alpn_protocol() == "h2"
        # A frame holds 16 KiB (section 4.2); the rest follows in others.
        pieces = [block[start : start + 16_000] for start in range(0, len(block), 16_000)]
        sent = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(SETTINGS, 0, 0, b"")
        for number, piece in enumerate(pieces):
            ends = 0x4 if number == len(pieces) - 1 else 0
            first = HEADERS if number == 0 else CONTINUATION
            sent += frame(first, ends | (0x1 if number == 0 and body is None else 0), 1, piece)
        if body is not None:
            sent += frame(DATA, 0x1, 1, body)
        with suppress(ssl.SSLError, ConnectionError):  # it may answer and close before it has read everything
            connection.sendall(sent)
        with suppress(ssl.SSLError, ConnectionError):
            return body_of(connection.makefile("rb"))
    return None


def body_of(frames: BinaryIO) -> bytes | None:
    """Return the body that comes on the first stream, or None where that is ended without one."""
    received = b""
    while len(head := frames.read(9)) == 9:
        payload = frames.read(int.from_bytes(head[:3], "big"))
        if int.from_bytes(head[5:], "big") != 1:
            continue
        if head[3] == RESET:
            return None
        if head[3] == DATA:
            received += payload
        if head[4] & 0x1:
            return received
    return None


@pytest.mark.parametrize("kind", ["rsgi", "asgi", "wsgi", "uvicorn"])
def test_browsers_are_told_to_keep_to_tls_and_to_guard_the_session(secure: Callable[[str], Live], pem: Path, kind: str) -> None:
    answer = secure(kind).ask("/sign-in", tls=client_of(pem))
    assert answer.all("strict-transport-security") == ["max-age=31536000"]
    (cookie,) = answer.all("set-cookie")
    assert cookie.startswith("__Host-session=")
    assert {"Secure", "HttpOnly", "Path=/", "SameSite=Lax"} <= {part.strip() for part in cookie.split(";")}
    pair = cookie.partition(";")[0]
    assert secure(kind).ask("/who", f"Cookie: {pair}", tls=client_of(pem)).text == "ada"
    # What could have been set without TLS, or by a sub-domain, is not read.
    assert secure(kind).ask("/who", f"Cookie: {pair.removeprefix('__Host-')}", tls=client_of(pem)).text == "nobody"
    told = secure(kind).ask("/tell", tls=client_of(pem))
    assert '"secure":true' in told.text
    assert '"url":"https://example.com/tell"' in told.text


@pytest.mark.parametrize("kind", ["rsgi", "uvicorn"])
def test_a_connection_without_tls_gets_no_answer(secure: Callable[[str], Live], pem: Path, kind: str) -> None:
    with secure(kind).connect() as connection:
        connection.sendall(b"GET /tell HTTP/1.1\r\nHost: example.com\r\n\r\n")
        try:
            assert b"HTTP/" not in connection.recv(4096)
        except ConnectionError:
            pass
    assert secure(kind).ask("/tell", tls=client_of(pem)).status == 200


@pytest.mark.parametrize("kind", ["rsgi", "uvicorn"])
def test_handshakes_that_never_end_do_not_hold_up_others(secure: Callable[[str], Live], pem: Path, kind: str) -> None:
    idle = [secure(kind).connect() for _ in range(60)]
    try:
        for connection in idle[:30]:
            connection.sendall(b"\x16\x03\x01\x02\x00")
        assert secure(kind).ask("/tell", tls=client_of(pem)).status == 200
    finally:
        for connection in idle:
            connection.close()


@pytest.mark.parametrize("kind", ["rsgi", "asgi", "wsgi"])
def test_a_cookie_field_that_http_2_splits_is_read_whole(secure: Callable[[str], Live], pem: Path, kind: str) -> None:
    told = http2(secure(kind), pem, ("cookie", "a=1"), ("cookie", "b=2"), ("cookie", "c=3; d=4"))
    assert told is not None
    assert b'"cookies":{"a":"1","b":"2","c":"3","d":"4"}' in told
    assert b'"version":"2"' in told


def test_a_session_survives_http_2_beside_other_cookies(secure: Callable[[str], Live], pem: Path) -> None:
    pair = secure("rsgi").ask("/sign-in", tls=client_of(pem)).all("set-cookie")[0].partition(";")[0]
    assert http2(secure("rsgi"), pem, ("cookie", "theme=dark"), ("cookie", pair), path="/who") == b"ada"


def test_the_pieces_of_a_cookie_field_are_limited_together(secure: Callable[[str], Live], pem: Path) -> None:
    pieces = [("cookie", f"c{number}=" + "x" * 120) for number in range(99)]
    assert b'"c98"' in (http2(secure("rsgi"), pem, *pieces) or b"")
    for kind in ("rsgi", "asgi"):
        assert b'"status":431' in (http2(secure(kind), pem, *pieces, *pieces, *pieces) or b"")


@pytest.mark.parametrize(
    ("fields", "body"),
    [
        ([("transfer-encoding", "chunked")], None),
        ([("connection", "keep-alive")], None),
        ([("x-a", "1\r\nx-b: 2")], None),
        ([("X-A", "1")], None),
        ([(":path", "/other")], None),
        ([("content-length", "3")], b"abcdef"),
        ([("content-length", "9")], b"abcdef"),
        ([("host", "evil.example")], None),
    ],
    ids=["coding", "connection", "line break", "capitals", "second path", "shorter", "longer", "second host"],
)
def test_request_smuggling_through_http_2(
    secure: Callable[[str], Live], pem: Path, fields: list[tuple[str, str]], body: bytes | None
) -> None:
    path, method = ("/tell", "GET") if body is None else ("/size", "POST")
    answer = http2(secure("rsgi"), pem, *fields, path=path, method=method, body=body)
    assert answer is None or b'"status":400' in answer


@pytest.mark.parametrize(
    ("certificate", "key", "message"),
    [
        ("certificate.pem", "", "TLS needs a certificate and its key"),
        ("", "key.pem", "TLS needs a certificate and its key"),
        ("certificate.pem", "other.pem", "TLS cannot be served"),
        ("key.pem", "certificate.pem", "TLS cannot be served"),
        ("certificate.pem", "missing.pem", "TLS cannot be served"),
        ("certificate.pem", "locked.pem", "the key without a password"),
    ],
)
def test_a_certificate_that_does_not_fit_is_told(pem: Path, certificate: str, key: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        check_tls(pem / certificate if certificate else None, pem / key if key else None)


def test_a_certificate_that_fits_or_none_passes(pem: Path) -> None:
    check_tls(pem / "certificate.pem", pem / "key.pem")
    check_tls(None, None)


@pytest.mark.parametrize("engine", ["granian", "uvicorn"])
def test_each_engine_looks_at_the_certificate_before_it_starts(pem: Path, engine: str) -> None:
    tls = [f"--tls-certificate={pem / 'certificate.pem'}", f"--tls-key={pem / 'other.pem'}"]
    ended = subprocess.run(
        [ERLEN, "run", "--engine", engine, *tls],
        env=os.environ | {"ERLEN_APP": f"{APP}:app"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (ended.returncode, "TLS cannot be served" in ended.stderr, "Traceback" in ended.stderr) == (1, True, False)
