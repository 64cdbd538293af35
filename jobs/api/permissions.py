"""Who may do what. Nothing is allowed that no view declared."""

from __future__ import annotations

from typing import Any

from rest_framework.permissions import BasePermission
from rest_framework.request import Request


class DeclaredPermission(BasePermission):
    """Refuses every action whose view does not name a permission for it in `permission_of`.

    `permission_of` maps action → codename in the app `jobs`. A method the view does not have at all is let through,
    to be answered with 405."""

    message = ""

    def has_permission(self, request: Request, view: Any) -> bool:
        """401 for nobody, 403 naming the missing permission for somebody without it."""
        if not request.user.is_authenticated:
            return False
        if str(request.method) not in view.allowed_methods:
            return True
        codename = getattr(view, "permission_of", {}).get(getattr(view, "action", None), "")
        self.message = f"You need the permission jobs.{codename}." if codename else "Nobody may do that."
        return bool(codename) and request.user.has_perm(f"jobs.{codename}")
