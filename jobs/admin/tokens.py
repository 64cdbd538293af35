"""API tokens: seen and revoked here, made by `manage.py apitoken` (a key is shown once, only its hash is kept)."""

from __future__ import annotations

import knox.admin  # noqa: F401  (registers its own page, which is replaced below)
from django.apps import apps
from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest
from knox.models import AuthToken

from jobs.admin.base import AnyModelAdmin

admin.site.unregister(AuthToken)
apps.get_app_config("knox").verbose_name = "API tokens"


@admin.register(AuthToken)
class TokenAdmin(AnyModelAdmin):
    """Deleting one revokes it at once."""

    list_display = ("user", "token_key", "created", "expiry")
    list_select_related = ("user",)
    search_fields = ("user__username",)
    fields = readonly_fields = ("user", "token_key", "created", "expiry")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Never: a form could not show the key."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Nothing of a token can be changed."""
        return False
