from __future__ import annotations

import gzip
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from erlen import App
from erlen.errors import ErlenError
from erlen.http.media import guess_media_type
from erlen.static.build import build
from erlen.static.collection import Collection
from erlen.static.naming import digest_of, hashed_name
from erlen.static.precompress import available_encodings
from erlen.testing import Client

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

Fill = Callable[..., Path]
Site = Callable[..., Client]

LONG = "a { color: red }\n" * 200
FOR_EVER = "public, max-age=31536000, immutable"


@pytest.fixture(params=["debug", "start", "build"])
def made(request: pytest.FixtureRequest, site: Site, collect: Callable[..., Collection]) -> Site:
    """A function that makes a client of a site whose files are found live, at the start, or in a build."""

    def made(**given: object) -> Client:
        if request.param == "build":
            build(collect())
        return site(debug=request.param == "debug", **given)

    return made


# -- in every way ---------------------------------------------------------------------------------------------------------------


def test_a_file_is_served(fill: Fill, made: Site) -> None:
    fill({"css/site.css": LONG, "x.bin": bytes(range(256)), "empty.txt": ""})
    client = made()
    response = client.get("/static/css/site.css")
    assert (response.status, response.text) == (200, LONG)
    assert response.headers["content-type"] == "text/css; charset=utf-8"
    assert response.headers["cache-control"] == "no-cache"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert client.get("/static/x.bin").content == bytes(range(256))
    assert client.get("/static/empty.txt").content == b""
    head = client.request("HEAD", "/static/css/site.css", headers={"accept-encoding": "identity"})
    assert (head.status, head.content, head.headers["content-length"]) == (200, b"", str(len(LONG)))


def test_the_type_follows_the_name(fill: Fill, made: Site) -> None:
    names = ["a.css", "a.js", "a.mjs", "a.wasm", "a.webmanifest", "a.woff2", "a.avif", "a.js.map", "a.svg", "a.html", "a.strange", "plain"]
    fill(dict.fromkeys(names, "x"))
    client = made()
    types = {name: client.get(f"/static/{name}").headers["content-type"] for name in names}
    assert types == {name: guess_media_type(name) for name in names}
    assert types["a.js"] == types["a.mjs"] == "text/javascript; charset=utf-8"
    assert types["a.strange"] == types["plain"] == "application/octet-stream"
    assert "content-security-policy" in client.get("/static/a.svg").headers


def test_what_is_not_there_is_not_found(fill: Fill, made: Site) -> None:
    fill({"css/site.css": LONG})
    client = made()
    for path in ("/static/none.css", "/static/css", "/static/css/", "/static/", "/static", "/static/css/site.css/"):
        assert client.get(path).status == 404
    assert client.post("/static/css/site.css").status == 405


def test_a_copy_that_is_still_good_is_not_sent_again(fill: Fill, made: Site) -> None:
    fill({"site.css": LONG})
    client = made()
    first = client.get("/static/site.css")
    again = client.get("/static/site.css", headers={"if-none-match": first.headers["etag"]})
    assert (again.status, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
    assert again.headers["cache-control"] == "no-cache"
    assert client.get("/static/site.css", headers={"if-none-match": '"other"'}).status == 200
    assert client.get("/static/site.css", headers={"if-match": '"other"'}).status == 412


def test_a_part_is_of_the_plain_file(fill: Fill, made: Site) -> None:
    fill({"site.css": LONG})
    client = made()
    for accepted in ("gzip", "br, gzip, zstd", "identity", "*"):
        part = client.get("/static/site.css", headers={"range": "bytes=2-5", "accept-encoding": accepted})
        assert (part.status, part.content, part.headers["content-range"]) == (206, LONG.encode()[2:6], f"bytes 2-5/{len(LONG)}")
        assert "content-encoding" not in part.headers
    several = client.get("/static/site.css", headers={"range": "bytes=0-1, 10-12"})
    assert several.status == 206
    assert several.headers["content-type"].startswith("multipart/byteranges")
    assert client.get("/static/site.css", headers={"range": f"bytes={len(LONG)}-"}).status == 416
    tag = client.get("/static/site.css", headers={"accept-encoding": "identity"}).headers["etag"]
    assert client.get("/static/site.css", headers={"range": "bytes=2-5", "if-range": tag}).status == 206
    assert client.get("/static/site.css", headers={"range": "bytes=2-5", "if-range": '"other"'}).content == LONG.encode()


ATTACKS = [
    "/static/../secret.txt",
    "/static/%2e%2e/secret.txt",
    "/static/..%2fsecret.txt",
    "/static/%2e%2e%2fsecret.txt",
    "/static/css/..%2f..%2fsecret.txt",
    "/static/..%5csecret.txt",
    "/static/..\\secret.txt",
    "/static/%252e%252e/secret.txt",
    "/static/....//secret.txt",
    "/static//etc/passwd",
    "/static/%2fetc%2fpasswd",
    "/static/c:/windows/win.ini",
    "/static/c%3a%5cwindows%5cwin.ini",
    "/static/%5c%5chost%5cshare%5cx",
    "/static/site.css%00",
    "/static/site.css%00.png",
    "/static/site.css%0a",
    "/static/%c0%ae%c0%ae/secret.txt",
    "/static/%ff",
    "/static/SITE.CSS",
    "/STATIC/site.css",
    "/static/site.css.",
    "/static/site.css%20",
    "/static/site.css::$DATA",
    "/static/.env",
    "/static/.git/config",
    "/static/site.css~",
    "/static/site.css.bak",
    "/static/out/secret.txt",
    "/static/secret.txt",
    "/static/static-manifest.json",
    "/staticsecret.txt",
]


@pytest.mark.parametrize("path", ATTACKS)
def test_attack_traversal(fill: Fill, made: Site, tmp_path: Path, path: str) -> None:
    folder = fill(
        {"site.css": "a {}", "css/a.css": "", ".env": "secret", ".git/config": "secret", "site.css~": "secret", "site.css.bak": "secret"}
    )
    (folder / "out").symlink_to(tmp_path)
    (folder / "secret.txt").symlink_to(tmp_path / "secret.txt")
    response = made().get(path)
    assert response.status in (400, 404)
    assert "a {}" not in response.text


def test_names_that_need_encoding(fill: Fill, made: Site) -> None:
    fill({"a b/ü %#?.css": "x"})
    client = made()
    url = link(client, "a b/ü %#?.css")
    assert url.isascii()
    assert client.get(url).text == "x"


# -- links and the hash of the content ------------------------------------------------------------------------------------------


def link(client: Client, name: str) -> str:
    url = client.site.extensions["static"].url(name)
    assert isinstance(url, str)
    return url


@pytest.fixture(params=["start", "build"])
def fixed(request: pytest.FixtureRequest, site: Site, collect: Callable[..., Collection]) -> Site:
    """`made`, but for debug, where nothing is fixed."""

    def fixed(**given: object) -> Client:
        if request.param == "build":
            build(collect())
        return site(**given)

    return fixed


def test_the_link_says_the_content_and_is_kept_for_ever(fill: Fill, fixed: Site) -> None:
    fill({"css/site.css": LONG})
    client = fixed()
    url = link(client, "css/site.css")
    assert url == f"/static/{hashed_name('css/site.css', digest_of(LONG.encode()))}"
    response = client.get(url)
    assert (response.status, response.text) == (200, LONG)
    assert response.headers["cache-control"] == FOR_EVER
    assert response.headers["content-type"] == "text/css; charset=utf-8"
    again = client.get(url, headers={"if-none-match": response.headers["etag"]})
    assert (again.status, again.headers["cache-control"]) == (304, FOR_EVER)


def test_the_hash_of_another_deployment_gives_the_file_as_it_is(fill: Fill, fixed: Site) -> None:
    fill({"site.css": LONG})
    response = fixed().get("/static/site.0123456789ab.css")
    assert (response.status, response.text, response.headers["cache-control"]) == (200, LONG, "no-cache")


def test_a_hash_alone_finds_nothing(fill: Fill, fixed: Site) -> None:
    fill({"site.css": LONG})
    client = fixed()
    for path in ("none.0123456789ab.css", "site.0123456789ab", "0123456789ab.css", "site.0123456789ab.0123456789ab.css", "site.0123.css"):
        assert client.get(f"/static/{path}").status == 404


def test_what_comes_later_is_not_served(fill: Fill, fixed: Site) -> None:
    fill({"site.css": LONG})
    client = fixed()
    fill({"later.css": ""})
    assert client.get("/static/later.css").status == 404


def test_what_has_gone_is_not_found(fill: Fill, fixed: Site, folder: Path, tmp_path: Path) -> None:
    fill({"site.css": LONG})
    client = fixed()
    for path in (folder / "site.css", *(tmp_path / "build").glob("site*")):
        path.unlink(missing_ok=True)
    response = client.get("/static/site.css", headers={"accept-encoding": "identity"})
    assert response.status == 404
    assert "immutable" not in response.headers.get("cache-control", "")


def test_an_unknown_name_is_logged_once_and_linked_to_as_it_is(fill: Fill, fixed: Site, caplog: pytest.LogCaptureFixture) -> None:
    fill({"css/site.css": LONG})
    client = fixed()
    with caplog.at_level(logging.ERROR, "erlen"):
        assert link(client, "css/sit.css") == link(client, "css/sit.css") == "/static/css/sit.css"
    (record,) = caplog.records
    assert "there is no static file 'css/sit.css'" in record.getMessage()
    assert "did you mean 'css/site.css'?" in record.getMessage()


def test_a_large_file_is_named_by_its_content_in_a_build(fill: Fill, site: Site, collect: Callable[..., Collection]) -> None:
    fill({"film.mp4": bytes(5 * 1024 * 1024)})
    assert link(site(), "film.mp4") == "/static/film.mp4"
    hashed = build(collect()).manifest.files["film.mp4"].hashed
    client = site()
    assert link(client, "film.mp4") == f"/static/{hashed}"
    assert client.get(f"/static/{hashed}", headers={"range": "bytes=0-9"}).content == bytes(10)


def test_files_of_earlier_builds_are_still_served(fill: Fill, site: Site, collect: Callable[..., Collection]) -> None:
    fill({"site.css": LONG})
    old = build(collect()).manifest.files["site.css"].hashed
    fill({"site.css": LONG + LONG})
    build(collect())
    client = site()
    response = client.get(f"/static/{old}")
    assert (response.text, response.headers["cache-control"]) == (LONG, FOR_EVER)
    assert response.headers["content-type"] == "text/css; charset=utf-8"
    assert client.get("/static/site.css").text == LONG + LONG


def test_a_broken_manifest_stops_the_start(fill: Fill, site: Site, tmp_path: Path) -> None:
    fill({"static-manifest.json": "{"}, tmp_path / "build")
    with pytest.raises(ErlenError, match="manifest of the static files cannot be read"):
        site()


def test_the_link_is_below_the_root_path(fill: Fill, made: Site) -> None:
    fill({"site.css": LONG})
    app_link = link(made(root_path="/app"), "site.css")
    assert app_link.startswith("/app/static/site.")


def test_links_lead_to_another_host(fill: Fill, fixed: Site) -> None:
    fill({"font.woff2": "x"})
    client = fixed(static_url="https://cdn.example.com/assets", root_path="/app")
    url = link(client, "font.woff2")
    assert url.startswith("https://cdn.example.com/assets/font.")
    response = client.get(url.removeprefix("https://cdn.example.com"))
    assert (response.status, response.headers["access-control-allow-origin"]) == (200, "*")
    assert "access-control-allow-origin" not in fixed().get("/static/font.woff2").headers


def test_links_lead_to_another_host_with_the_scheme_of_the_page(fill: Fill, fixed: Site) -> None:
    fill({"font.woff2": "x"})
    client = fixed(static_url="//cdn.example.com/assets", root_path="/app")
    url = link(client, "font.woff2")
    assert url.startswith("//cdn.example.com/assets/font.")
    assert client.get(url.removeprefix("//cdn.example.com")).headers["access-control-allow-origin"] == "*"


# Made of what attacks are made of, and of names that are there.
PIECES = st.sampled_from(["..", "%2e%2e", ".", "", "%2f", "%5c", "%00", "secret.txt", "out", "css", "site.css", ".env", "static", "%", "~"])


@pytest.fixture(params=[False, True])
def exposed(request: pytest.FixtureRequest, fill: Fill, make_client: Site, tmp_path: Path) -> Client:
    """A site with one public file, and secrets around it."""
    folder = fill({"css/site.css": "public", ".env": "secret"})
    (folder / "out").symlink_to(tmp_path)
    return make_client(App(static=folder), debug=request.param, static_build=str(tmp_path / "build"))


@given(parts=st.lists(PIECES, max_size=6), joint=st.sampled_from(["/", "%2f", "%5c", "//"]))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_path_leads_out(exposed: Client, parts: list[str], joint: str) -> None:
    response = exposed.get("/static/" + joint.join(parts))
    assert response.status != 200 or response.text == "public"


# -- in debug ---------------------------------------------------------------------------------------------------------------------


def test_in_debug_files_are_as_they_are_at_the_moment(fill: Fill, site: Site, folder: Path) -> None:
    fill({"site.css": "one"})
    client = site(debug=True)
    assert link(client, "site.css") == "/static/site.css"
    first = client.get("/static/site.css")
    fill({"site.css": "changed", "new.css": "new"})
    second = client.get("/static/site.css", headers={"if-none-match": first.headers["etag"]})
    assert (second.text, second.headers["cache-control"]) == ("changed", "no-cache")
    assert client.get(link(client, "new.css")).text == "new"
    (folder / "new.css").unlink()
    assert client.get("/static/new.css").status == 404


def test_in_debug_a_missing_file_says_where_it_was_looked_for(fill: Fill, site: Site, folder: Path) -> None:
    fill({"css/site.css": LONG})
    client = site(debug=True)
    assert client.get("/static/css/sit.css").json()["detail"] == f"There is no static file 'css/sit.css' in {folder}."
    with pytest.raises(LookupError, match=r"there is no static file 'css/sit.css' in .*; did you mean 'css/site.css'\?"):
        link(client, "css/sit.css")
    assert str(folder) not in site().get("/static/css/sit.css").text


def test_in_debug_a_build_is_not_used(fill: Fill, site: Site, collect: Callable[..., Collection]) -> None:
    fill({"site.css": "built"})
    build(collect())
    fill({"site.css": "now"})
    assert site(debug=True).get("/static/site.css").text == "now"
    assert site().get("/static/site.css").text == "built"


# -- codings ----------------------------------------------------------------------------------------------------------------------

BEST, *OTHERS = available_encodings()
MATRIX = [
    (None, "identity"),
    ("", "identity"),
    ("identity", "identity"),
    ("gzip", "gzip"),
    ("x-gzip", "gzip"),
    ("gzip;q=0", "identity"),
    ("gzip;q=0.5, identity;q=1", "identity"),
    ("deflate", "identity"),
    ("deflate, gzip;q=0.1", "gzip"),
    ("identity;q=0, gzip", "gzip"),
    ("identity;q=0", "identity"),
    ("*;q=0", "identity"),
    ("*", BEST),
    ("gzip;q=broken", "identity"),
    (", ".join([*reversed(OTHERS), BEST]), BEST),
    *((f"{other};q=1, {BEST};q=0.5", other) for other in OTHERS),
    *((f"*;q=0.1, {other}", other) for other in OTHERS),
]


def content_of(response_body: bytes, coding: str) -> bytes:
    if coding == "br":
        import brotli  # type: ignore[import-untyped]

        data = brotli.decompress(response_body)
        assert isinstance(data, bytes)
        return data
    if coding == "zstd":
        return zstd.decompress(response_body)
    return gzip.decompress(response_body) if coding == "gzip" else response_body


@pytest.mark.parametrize("is_hashed", [False, True])
def test_the_coding_is_what_the_client_likes_best(fill: Fill, site: Site, collect: Callable[..., Collection], is_hashed: bool) -> None:
    fill({"site.css": LONG})
    build(collect())
    client = site()
    url = link(client, "site.css") if is_hashed else "/static/site.css"
    tags: dict[str, str] = {}
    for accepted, coding in MATRIX:
        response = client.get(url, headers={"accept-encoding": accepted})
        got = response.headers.get("content-encoding", "identity")
        assert got == coding, accepted
        assert response.headers["vary"] == "Accept-Encoding"
        assert response.headers["content-type"] == "text/css; charset=utf-8"
        assert response.content == LONG.encode() or content_of(response.content, got) == LONG.encode()
        assert tags.setdefault(got, response.headers["etag"]) == response.headers["etag"]
    assert len(set(tags.values())) == len(tags) == len(available_encodings()) + 1
    for coding, tag in tags.items():
        fields = {"accept-encoding": coding, "if-none-match": tag}
        assert client.get(url, headers=fields).status == 304
        other = next(one for one in tags if one != coding)
        assert client.get(url, headers={**fields, "accept-encoding": other}).status == 200


def test_compressed_files_beside_are_used_without_a_build(fill: Fill, site: Site) -> None:
    fill({"site.css": LONG, "site.css.gz": gzip.compress(LONG.encode()), "x.png": "x"})
    client = site()
    response = client.get("/static/site.css", headers={"accept-encoding": "gzip"})
    assert response.headers["content-encoding"] == "gzip"
    assert response.headers["content-length"] == str(len(gzip.compress(LONG.encode())))
    plain = client.get("/static/site.css", headers={"accept-encoding": "br"})
    assert "content-encoding" not in plain.headers
    assert plain.headers["etag"] != response.headers["etag"]
    assert plain.headers["vary"] == "Accept-Encoding"
    assert client.get("/static/site.css.gz").headers["content-type"] == "application/gzip"
    assert "vary" not in client.get("/static/x.png").headers


def test_in_debug_compressed_files_beside_are_not_used(fill: Fill, site: Site) -> None:
    fill({"site.css": LONG, "site.css.gz": gzip.compress(b"old")})
    assert site(debug=True).get("/static/site.css", headers={"accept-encoding": "gzip"}).text == LONG


# -- whether the build is old -------------------------------------------------------------------------------------------------


def test_a_server_that_starts_reads_only_what_was_touched_since_the_build(
    fill: Fill, collect: Callable[..., Collection], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill({"a.css": "a", "b.css": "b", "c.css": "c"})
    build(collect())
    read: list[str] = []

    def digest(path: str) -> str:
        read.append(Path(path).name)
        return digest_of(path)

    monkeypatch.setattr("erlen.static.collection.digest_of", digest)
    assert (collect().outdated(quick=True), read) == ([], [])
    (folder / "b.css").write_text("b")
    assert (collect().outdated(quick=True), read) == ([], ["b.css"])
    assert (collect().outdated(), sorted(read[1:])) == ([], ["a.css", "b.css", "c.css"])


def test_a_file_that_is_copied_with_its_old_time_is_noticed(fill: Fill, collect: Callable[..., Collection], folder: Path) -> None:
    fill({"a.css": "a", "b.css": "b"})
    build(collect())
    fill({"a.css": "c"})
    os.utime(folder / "a.css", (1, 1))
    assert collect().outdated(quick=True) == ["a.css"]


def test_new_and_removed_files_are_noticed(fill: Fill, collect: Callable[..., Collection], folder: Path) -> None:
    fill({"a.css": "a", "b.css": "b"})
    build(collect())
    fill({"c.css": "c"})
    (folder / "a.css").unlink()
    assert collect().outdated(quick=True) == ["a.css", "c.css"]
    assert collect(debug=True).outdated(quick=True) == []


def test_large_files_are_left_to_the_check(fill: Fill, collect: Callable[..., Collection], folder: Path) -> None:
    fill({"film.mp4": b""})
    with (folder / "film.mp4").open("wb") as film:
        film.truncate(5 * 1024 * 1024)
    build(collect())
    with (folder / "film.mp4").open("r+b") as film:
        film.write(b"changed")
    assert collect().outdated(quick=True) == []
    assert collect().outdated() == ["film.mp4"]


def test_without_a_build_or_its_folders_nothing_is_old(fill: Fill, collect: Callable[..., Collection], folder: Path) -> None:
    fill({"a.css": "a"})
    assert collect().outdated(quick=True) == []
    build(collect())
    (folder / "a.css").unlink()
    folder.rmdir()
    assert collect().outdated(quick=True) == []
