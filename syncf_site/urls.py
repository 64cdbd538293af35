"""Every address of the site."""

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import include, path, re_path
from django.views.generic import RedirectView

from jobs.api.urls import root as api_root
from syncf_site.health import health
from syncf_site.metrics import metrics

admin.autodiscover()


def no_icon(request: HttpRequest) -> HttpResponse:
    """Browsers ask for it unbidden."""
    return HttpResponse(status=204)


urlpatterns = [
    path("favicon.ico", no_icon),
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("admin", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/", admin.site.urls),
    re_path(r"^health/?$", health, name="health"),
    re_path(r"^metrics/?$", metrics, name="metrics"),
    path("api", api_root),
    path("api", RedirectView.as_view(pattern_name="api-root")),
    path("api/", include("jobs.api.urls")),
]
