from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from erlen import App, Blueprint, ConfigurationError, Cors, NotFound, Request, Response
from erlen.errors import ErlenError
from erlen.static import Static, static
from erlen.static.build import build
from erlen.testing import Client

Fill = Callable[..., Path]
Site = Callable[..., Client]

PAGE = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


# -- what is served, and where ---------------------------------------------------------------------------------------------------


def test_without_a_folder_there_is_nothing(site: Site) -> None:
    client = site(App())
    assert "static" not in client.site.extensions
    assert client.get("/static/site.css").status == 404


def test_the_folder_beside_the_application_is_served(site: Site, tmp_path: Path, fill: Fill) -> None:
    fill({"site.css": "a {}"})
    namespace: dict[str, App] = {}
    exec(compile("from erlen import App\napp = App()", str(tmp_path / "app.py"), "exec"), namespace)
    client = site(namespace["app"], static_build="build/static")
    assert client.get("/static/site.css").text == "a {}"
    build(client.site.extensions["static"])
    assert (tmp_path / "build/static/site.css").exists()


def test_the_build_alone_is_enough(site: Site, tmp_path: Path, folder: Path, fill: Fill) -> None:
    """As in an image that was given the build, but not the folder."""
    fill({"site.css": "a {}", "blog/own.css": "own"})
    (tmp_path / "blog").mkdir()
    fill({"post.css": "post"}, tmp_path / "blog")
    program = "from erlen import App, Blueprint\napp = App()\n"
    namespace: dict[str, App] = {}
    exec(compile(program, str(tmp_path / "app.py"), "exec"), namespace)
    app = namespace["app"]
    app.include(Blueprint("blog", static=tmp_path / "blog"))
    settings = {"static_build": "build/static"}
    build(site(app, **settings).site.extensions["static"])
    shutil.rmtree(folder)
    made = site(app, **settings)
    assert made.get("/static/site.css").text == "a {}"
    assert "immutable" in made.get(made.site.extensions["static"].url("site.css")).headers["cache-control"]
    assert [mistake for check in made.site.checks for mistake in check(made.site)] == []
    fill({"post.css": "changed"}, tmp_path / "blog")
    (mistake,) = [mistake for check in made.site.checks for mistake in check(made.site)]
    assert mistake.message.endswith("not up to date: blog/post.css")


def test_a_build_is_found_without_folders(site: Site, tmp_path: Path, folder: Path, fill: Fill) -> None:
    fill({"site.css": "a {}"})
    namespace: dict[str, App] = {}
    exec(compile("from erlen import App\napp = App()", str(tmp_path / "app.py"), "exec"), namespace)
    app = namespace["app"]
    build(site(app).site.extensions["static"])
    shutil.rmtree(folder)
    assert site(app).get("/static/site.css").text == "a {}"
    (tmp_path / "build" / "static-manifest.json").unlink()
    assert "static" not in site(app).site.extensions


@pytest.mark.parametrize("place", [".", "..", "static/..", "/"])
@pytest.mark.parametrize(
    "program", ["app = App(static={!r})", "app = App()\napp.use(Static({!r}))", "app = App()\napp.use(Static({!r}, prefix='/files'))"]
)
def test_class_f_the_code_of_the_application_is_never_served(tmp_path: Path, folder: Path, program: str, place: str) -> None:
    assert folder.parent == tmp_path
    namespace: dict[str, Any] = {"App": App, "Static": Static}
    exec(compile(program.format(place), str(tmp_path / "app.py"), "exec"), namespace)
    with pytest.raises(ConfigurationError, match="whose code would be public"):
        namespace["app"].freeze()


@pytest.mark.parametrize("place", [".", "..", "shop"])
def test_class_f_the_code_of_a_blueprint_is_never_served(tmp_path: Path, place: str) -> None:
    package = tmp_path / "site" / "shop"
    namespace: dict[str, Any] = {"Blueprint": Blueprint}
    given = package if place == "shop" else place
    exec(compile(f"shop = Blueprint('shop', static={str(given)!r})", str(package / "__init__.py"), "exec"), namespace)
    app = App()
    app.include(namespace["shop"])
    with pytest.raises(ConfigurationError, match="whose code would be public"):
        app.freeze()


def test_something_else_in_place_of_a_folder_is_a_mistake(tmp_path: Path) -> None:
    app = App(static=Static(tmp_path))  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match=r"`static` is <Static static>, which is no folder"):
        app.freeze()


def test_in_debug_the_folder_may_come_later(site: Site, tmp_path: Path) -> None:
    client = site(App(static=tmp_path / "later"), debug=True)
    assert client.get("/static/site.css").status == 404
    (tmp_path / "later").mkdir()
    (tmp_path / "later" / "site.css").write_text("a {}")
    assert client.get("/static/site.css").text == "a {}"


@pytest.mark.parametrize("debug", [False, True])
def test_blueprints_have_their_own(fill: Fill, site: Site, tmp_path: Path, folder: Path, debug: bool) -> None:
    fill({"site.css": "app", "shop/over.css": "app"})
    fill({"shop.css": "shop", "over.css": "shop"}, tmp_path / "shop")
    fill({"cart.css": "cart"}, tmp_path / "cart")
    app = App(static=folder)
    shop = Blueprint("shop", prefix="/store", static=tmp_path / "shop")
    shop.include(Blueprint("cart", static=str(tmp_path / "cart")))
    app.include(shop)
    app.include(shop, prefix="/second", name="again")
    client = site(app, debug=debug)
    texts = {
        "/static/site.css": "app",
        "/static/shop/shop.css": "shop",
        "/static/shop/over.css": "app",
        "/static/shop/cart/cart.css": "cart",
        "/static/again/over.css": "shop",
        "/static/again/cart/cart.css": "cart",
    }
    assert {path: client.get(path).text for path in texts} == texts
    assert client.get("/static/shop.css").status == 404
    assert client.get("/static/cart/cart.css").status == 404


def test_a_blueprint_alone_is_enough(fill: Fill, site: Site, folder: Path) -> None:
    fill({"post.css": "a {}"})
    app = App()
    app.include(Blueprint("blog", static=folder))
    assert site(app).get("/static/blog/post.css").text == "a {}"


def test_a_further_folder_comes_first(fill: Fill, site: Site, tmp_path: Path, folder: Path) -> None:
    fill({"a.css": "folder", "b.css": "folder"})
    fill({"a.css": "further"}, tmp_path / "further")
    app = App(static=folder)
    app.use(Static(tmp_path / "further"))
    client = site(app)
    assert (client.get("/static/a.css").text, client.get("/static/b.css").text) == ("further", "folder")


@pytest.mark.parametrize("given", [{"static_url": "/assets/"}, {"static_url": "https://cdn.example.com/assets"}])
def test_the_prefix_is_a_setting(fill: Fill, site: Site, given: dict[str, str]) -> None:
    fill({"a.css": "a {}"})
    client = site(**given)
    assert client.get("/assets/a.css").text == "a {}"
    assert client.get("/static/a.css").status == 404


def test_a_host_without_a_path_leaves_the_site_its_own(fill: Fill, site: Site) -> None:
    fill({"a.css": "a {}"})
    client = site(static_url="//cdn.example.com", debug=True)
    assert client.site.extensions["static"].url("a.css") == "//cdn.example.com/a.css"
    assert client.get("/static/a.css").text == "a {}"


def test_a_check_knows_that_the_policy_stands_in_the_way(site: Site) -> None:
    def messages(**given: str) -> list[str]:
        made = site(**given).site
        return [mistake.message for check in made.checks for mistake in check(made)]

    cdn = "https://cdn.example.com/static"
    assert messages() == []
    (message,) = messages(static_url=cdn)
    assert "STATIC_URL leads to cdn.example.com" in message
    assert messages(static_url=cdn, content_security_policy="default-src 'self' https://cdn.example.com") == []
    assert messages(static_url=cdn, content_security_policy="") == []


def test_the_prefix_can_be_said_in_code(fill: Fill, site: Site, folder: Path) -> None:
    fill({"a.css": "a {}"})
    app = App(static=folder)
    app.use(Static(prefix="/files/"))
    client = site(app, debug=True)
    assert client.site.extensions["static"].url("a.css") == "/files/a.css"
    assert client.get("/files/a.css").text == "a {}"


def test_the_route_has_a_name(fill: Fill, site: Site) -> None:
    fill({"css/a.css": "a {}"})
    assert site().site.url_for("static", {"filename": "css/a.css"}) == "/static/css/a.css"


@pytest.mark.parametrize("debug", [False, True])
def test_an_application_may_answer_there_itself(fill: Fill, site: Site, folder: Path, debug: bool) -> None:
    fill({"a.css": "file"})
    routed, mounted = App(static=folder), App(static=folder)

    @routed.get("/static/{rest:path}")
    def own(rest: str) -> str:
        return f"own {rest}"

    def inner(environ: dict[str, str], start_response: Callable[..., object]) -> list[bytes]:
        start_response("200 OK", [])
        return [environ["PATH_INFO"].encode()]

    mounted.mount("/static", inner)
    assert site(routed, debug=debug).get("/static/a.css").text == "own a.css"
    assert site(mounted, debug=debug).get("/static/a.css").text == "/a.css"


def test_the_application_may_have_routes_of_these_names_and_places(fill: Fill, site: Site, folder: Path) -> None:
    fill({"a.css": "file"})
    app = App(static=folder)

    @app.get("/static")
    def static() -> str:
        return "page"

    @app.get("/{rest:path}")
    def page(rest: str) -> str:
        return rest

    client = site(app)
    assert (client.get("/static").text, client.get("/static/a.css").text, client.get("/x/a.css").text) == ("page", "file", "x/a.css")


def test_it_stays_in_the_middle_of_the_application(fill: Fill, site: Site, folder: Path) -> None:
    fill({"a.css": "a {}"})
    app = App(static=folder)
    app.add_middleware(Cors(origins=["https://other.example"]))

    @app.after_request
    def mark(request: Request, response: Response) -> None:
        response.headers["x-seen"] = request.path

    @app.get("/static/special.css")
    def special() -> str:
        return "a route"

    client = site(app)
    response = client.get("/static/a.css", headers={"origin": "https://other.example", "sec-fetch-site": None})
    assert response.headers["x-seen"] == "/static/a.css"
    assert response.headers["access-control-allow-origin"] == "https://other.example"
    assert client.get("/static/special.css").text == "a route"


def test_a_response_with_a_cookie_is_not_public(fill: Fill, site: Site, folder: Path) -> None:
    fill({"a.css": "a {}"})
    app = App(static=folder)

    @app.before_request
    def count(request: Request) -> None:
        request.session["count"] = 1

    client = site(app)
    response = client.get(client.site.extensions["static"].url("a.css"))
    assert "set-cookie" in response.headers
    assert "public" not in response.headers["cache-control"]
    assert "Cookie" in response.headers["vary"]


# -- at the root -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("debug", [False, True])
def test_files_with_a_place_at_the_root_are_there(fill: Fill, site: Site, debug: bool) -> None:
    names = ["favicon.ico", "robots.txt", "apple-touch-icon.png", ".well-known/security.txt"]
    fill({**dict.fromkeys(names, "x"), "site.css": "", ".well-known/.env": "secret"})
    client = site(debug=debug)
    assert {name: client.get(f"/{name}").text for name in names} == dict.fromkeys(names, "x")
    assert client.get("/favicon.ico").headers["cache-control"] == "no-cache"
    assert client.request("HEAD", "/robots.txt").status == 200
    for path in ("/site.css", "/.well-known/.env", "/.well-known/none", "/.well-known/../site.css", "/x/favicon.ico", "/.well-known/"):
        assert client.get(path).status == 404
    assert client.post("/robots.txt").status == 404


def test_a_route_stands_before_them(fill: Fill, site: Site, folder: Path) -> None:
    fill({"robots.txt": "file"})
    app = App(static=folder)

    @app.get("/robots.txt")
    def robots() -> str:
        return "route"

    assert site(app).get("/robots.txt").text == "route"


# -- a built frontend ------------------------------------------------------------------------------------------------------------

DIST = {"index.html": "home", "assets/app-1a2b.js": "app", "favicon.svg": "svg", "guide/index.html": "guide", ".env": "secret"}


@pytest.fixture
def dist(fill: Fill, tmp_path: Path) -> Path:
    return fill(DIST, tmp_path / "dist")


@pytest.fixture
def frontend(site: Site, dist: Path) -> Site:
    def frontend(*, prefix: str = "/", debug: bool = False, immutable: str = "") -> Client:
        app = App()
        app.use(Static(dist, prefix=prefix, spa=True, immutable=immutable))

        @app.get("/api/things/{id:int}")
        def thing(id: int) -> str:
            if id > 1:
                raise NotFound
            return "thing"

        @app.get("/about/")
        def about() -> str:
            return "about"

        @app.post("/save")
        def save() -> str:
            return "saved"

        return site(app, debug=debug)

    return frontend


@pytest.mark.parametrize("debug", [False, True])
def test_a_frontend_answers_where_no_route_does(frontend: Site, debug: bool) -> None:
    client = frontend(debug=debug)
    assert client.get("/", headers=PAGE).text == "home"
    assert client.get("/").text == "home"
    assert client.get("/assets/app-1a2b.js").text == "app"
    assert client.get("/favicon.svg").headers["content-type"] == "image/svg+xml"
    for path in ("/settings", "/users/7", "/users/jane.doe", "/users/a@b.com", "/deep/er/", "/api/things"):
        page = client.get(path, headers=PAGE)
        assert (page.status, page.text, page.headers["cache-control"]) == (200, "home", "no-cache")
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert "Accept" in page.headers["vary"]
        assert "content-security-policy" in page.headers


def test_only_navigations_fall_back(frontend: Site) -> None:
    client = frontend()
    assert client.get("/settings", headers={"accept": "application/json"}).status == 404
    assert client.get("/settings", headers={"accept": "*/*"}).status == 404
    assert client.get("/assets/gone-3c4d.js", headers=PAGE).status == 404
    assert client.get("/logo.png", headers=PAGE).status == 404
    assert client.get("/.env", headers=PAGE).status == 404
    assert client.get("/.git/config", headers={"accept": "*/*"}).status == 404
    assert client.post("/settings", headers=PAGE).status == 404


def test_routes_stay_as_they_are(frontend: Site) -> None:
    client = frontend()
    assert client.get("/api/things/1", headers=PAGE).text == "thing"
    assert client.get("/api/things/2", headers=PAGE).status == 404
    assert client.get("/save", headers=PAGE).status == 405
    redirect = client.get("/about", headers=PAGE)
    assert (redirect.status, redirect.headers["location"]) == (308, "/about/")


def test_pages_in_folders(frontend: Site) -> None:
    client = frontend()
    assert client.get("/guide/", headers=PAGE).text == "guide"
    redirect = client.get("/guide?x=1", headers=PAGE)
    assert (redirect.status, redirect.headers["location"]) == (308, "/guide/?x=1")
    for path in ("//guide", "/\\guide", "//example.com", "/%2fguide"):
        assert "location" not in client.get(path, headers=PAGE).headers


def test_a_frontend_below_a_prefix(frontend: Site) -> None:
    client = frontend(prefix="/app")
    assert client.get("/app/", headers=PAGE).text == "home"
    assert client.get("/app", headers=PAGE).headers["location"] == "/app/"
    assert client.get("/app/settings", headers=PAGE).text == "home"
    assert client.get("/app/favicon.svg").text == "svg"
    for path in ("/", "/application", "/favicon.svg", "/settings"):
        assert client.get(path, headers=PAGE).status == 404


def test_names_that_say_their_content_are_kept(frontend: Site) -> None:
    client = frontend(immutable="assets/*")
    assert client.get("/assets/app-1a2b.js").headers["cache-control"] == "public, max-age=31536000, immutable"
    assert client.get("/favicon.svg").headers["cache-control"] == "no-cache"
    assert client.get("/", headers=PAGE).headers["cache-control"] == "no-cache"


def test_a_folder_without_fallback(site: Site, dist: Path) -> None:
    app = App()
    app.use(Static(dist, prefix="/docs"))
    app.use(Static(dist, prefix="/"))
    client = site(app)
    assert client.get("/docs/guide/index.html").text == "guide"
    assert client.get("/favicon.svg").text == "svg"
    for path in ("/docs/", "/docs/guide/", "/", "/guide/", "/docs/settings", "/docs/favicon.0123456789ab.svg"):
        assert client.get(path, headers=PAGE).status == 404
    assert client.site.extensions.get("static") is None


def test_a_folder_that_is_not_there_is_a_mistake_but_in_debug(site: Site, tmp_path: Path) -> None:
    app = App()
    app.use(Static(tmp_path / "dist", prefix="/", spa=True))
    with pytest.raises(ConfigurationError, match=r"dist is not there\n.*test_plugin.py:"):
        app.freeze()
    assert site(app, debug=True).get("/", headers=PAGE).status == 404


# -- mistakes --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("url", ["", "/", "static", "/a b", "/static?x", "/{x}", "ftp://x/static", "/../x"])
def test_a_url_that_is_none(url: str, folder: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"STATIC_URL"):
        App(static=folder).freeze({"static_url": url})


def test_arguments_that_do_not_fit() -> None:
    with pytest.raises(ConfigurationError, match="for a folder with a prefix of its own"):
        Static("dist", spa=True)
    with pytest.raises(ConfigurationError, match="for a folder with a prefix of its own"):
        Static(prefix="/x", immutable="*")
    with pytest.raises(ConfigurationError, match=r"'x' is no prefix\n.*test_plugin.py:"):
        Static("dist", prefix="x")


def test_names_are_unique(dist: Path) -> None:
    app = App()
    app.use(Static(dist, prefix="/a"))
    app.use(Static(dist, prefix="/b"))
    app.freeze()
    app.use(Static(dist, prefix="/a"))
    with pytest.raises(ConfigurationError, match="used twice"):
        app.freeze()


# -- static() --------------------------------------------------------------------------------------------------------------------


def test_links_in_handlers(fill: Fill, site: Site, folder: Path) -> None:
    fill({"a.css": "a {}"})
    app = App(static=folder)

    @app.get("/link")
    async def link() -> str:
        return static("a.css")

    client = site(app)
    assert client.get(client.get("/link").text).text == "a {}"
    proxied = site(app, trusted_proxies=("127.0.0.1",))
    assert proxied.get("/link", headers={"x-forwarded-prefix": "/below"}).text.startswith("/below/static/a.")


def test_links_without_static_files_say_what_to_do(site: Site) -> None:
    app = App()

    @app.get("/link")
    def link() -> str:
        with pytest.raises(ErlenError, match="make a folder `static`"):
            static("a.css")
        return "seen"

    assert site(app).get("/link").text == "seen"
    with pytest.raises(ErlenError, match="static needs a request"):
        static("a.css")
