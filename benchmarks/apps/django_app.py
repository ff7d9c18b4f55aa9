"""Django in one file, with its own templates; bodies are validated by msgspec.

`BENCH_MIDDLEWARE=default` installs what `startproject` does; without it there is no middleware, and no context processor, at all.
"""

from __future__ import annotations

import os

import msgspec
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from benchmarks.apps.items import MESSAGE, ROUTE_PAIRS, Item
from benchmarks.apps.table import ROWS, TEMPLATES

DEFAULT = os.environ.get("BENCH_MIDDLEWARE") == "default"

settings.configure(
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    SECRET_KEY="benchmark-only-" + "x" * 50,
    INSTALLED_APPS=[
        "django.contrib.admin",
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.sessions",
        "django.contrib.messages",
        "django.contrib.staticfiles",
    ]
    if DEFAULT
    else [],
    MIDDLEWARE=[
        "django.middleware.security.SecurityMiddleware",
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
        "django.middleware.clickjacking.XFrameOptionsMiddleware",
    ]
    if DEFAULT
    else [],
    TEMPLATES=[
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "DIRS": [TEMPLATES],
            "APP_DIRS": True,
            "OPTIONS": {
                "context_processors": [
                    "django.template.context_processors.request",
                    "django.contrib.auth.context_processors.auth",
                    "django.contrib.messages.context_processors.messages",
                ]
                if DEFAULT
                else []
            },
        }
    ],
)
decode_item = msgspec.json.Decoder(Item).decode


def plain(request: HttpRequest) -> HttpResponse:
    """Answer with text."""
    return HttpResponse(MESSAGE, content_type="text/plain; charset=utf-8")


def hello(request: HttpRequest) -> JsonResponse:
    """Answer with JSON."""
    return JsonResponse({"message": MESSAGE})


def read_item(request: HttpRequest, id: int) -> HttpResponse:
    """Answer with what the path and the query say."""
    query = request.GET
    try:
        return JsonResponse({"id": id, "q": query["q"], "limit": int(query.get("limit", "10"))})
    except (KeyError, ValueError):
        return HttpResponse(status=422)


@csrf_exempt
def create_item(request: HttpRequest) -> HttpResponse:
    """Answer with the validated body."""
    try:
        item = decode_item(request.body)
    except msgspec.DecodeError as error:
        return JsonResponse({"error": str(error)}, status=422)
    return JsonResponse({"id": 1, "name": item.name, "price": item.price, "tags": item.tags})


def table(request: HttpRequest) -> HttpResponse:
    """Answer with a page."""
    return render(request, "table.html", {"rows": ROWS})


urlpatterns = [
    path("plain", plain),
    path("json", hello),
    path("items/<int:id>", read_item),
    path("items", create_item),
    path("sync", hello),
    path("table", table),
]
for number in range(ROUTE_PAIRS):
    urlpatterns += [path(f"page{number}", plain), path(f"resource{number}/<int:id>", read_item)]

app = get_wsgi_application()
