"""Routes of the API: without trailing slash, and accepted with one."""

from __future__ import annotations

from django.urls import include, path, re_path
from rest_framework.routers import SimpleRouter

from jobs.api.base import DocsView, NotFoundView, RootView, SchemaView
from jobs.api.slaves import SlaveViewSet
from jobs.api.storages import StorageViewSet
from jobs.api.views import JobViewSet


class OptionalSlashRouter(SimpleRouter):
    """DRF's router with a slash that may be left out."""

    def __init__(self) -> None:
        super().__init__()
        self.trailing_slash = "/?"


router = OptionalSlashRouter()
router.register("jobs", JobViewSet, basename="job")
router.register("slaves", SlaveViewSet, basename="slave")
router.register("storages", StorageViewSet, basename="storage")

_LISTS = {"jobs": "job-list", "slaves": "slave-list", "storages": "storage-list"}
root = RootView.as_view(api_root_dict={**_LISTS, "docs": "api-docs", "schema": "schema"})

urlpatterns = [
    path("", root, name="api-root"),
    re_path(r"^schema/?$", SchemaView.as_view(), name="schema"),
    re_path(r"^docs/?$", DocsView.as_view(), name="api-docs"),
    path("", include(router.urls)),
    re_path(r"", NotFoundView.as_view(), name="api-not-found"),
]
