"""Hello world in Django, in one file and without middleware."""

from __future__ import annotations

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import path

settings.configure(ALLOWED_HOSTS=["127.0.0.1"], ROOT_URLCONF=__name__, SECRET_KEY="benchmark-only-" + "x" * 50)


def plain(request: HttpRequest) -> HttpResponse:
    """Answer with text."""
    return HttpResponse("Hello, World!", content_type="text/plain")


urlpatterns = [path("plain", plain)]
app = get_wsgi_application()
