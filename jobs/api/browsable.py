"""The browsable API: what a person signed in at the site sees, with a form to create a job and buttons to steer it."""

from __future__ import annotations

from typing import Any

from rest_framework.renderers import BrowsableAPIRenderer
from rest_framework.request import Request


class BrowsableRenderer(BrowsableAPIRenderer):
    """DRF's pages with the view's buttons on top, and forms only where there is something to fill in."""

    def get_context(self, data: Any, accepted_media_type: str | None, renderer_context: Any) -> dict[str, Any]:
        """Adds `buttons`: pairs of label and URL to POST to."""
        context = super().get_context(data, accepted_media_type, renderer_context)
        buttons = getattr(context["view"], "buttons", None)
        return {**context, "buttons": buttons() if buttons and context["user"].is_authenticated else []}

    def get_rendered_html_form(self, data: Any, view: Any, method: str, request: Request) -> Any:
        """Buttons do the rest."""
        return super().get_rendered_html_form(data, view, method, request) if _wants_form(view, method) else None

    def get_raw_data_form(self, data: Any, view: Any, method: str, request: Request) -> Any:
        """The same as free text."""
        return super().get_raw_data_form(data, view, method, request) if _wants_form(view, method) else None


def _wants_form(view: Any, method: str) -> bool:
    if method not in ("POST", "PUT", "PATCH"):
        return True
    action = getattr(view, "action_map", {}).get(method.lower())
    return action in getattr(view, "request_of", {})
