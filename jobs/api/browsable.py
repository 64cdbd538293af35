"""The browsable API: what a person signed in at the site sees, with a form to create a job and buttons to steer it."""

from __future__ import annotations

from typing import Any

from rest_framework.renderers import BrowsableAPIRenderer
from rest_framework.request import Request


class BrowsableRenderer(BrowsableAPIRenderer):
    """DRF's pages with the view's buttons on top."""

    def get_context(self, data: Any, accepted_media_type: str | None, renderer_context: Any) -> dict[str, Any]:
        """Adds `buttons`: pairs of label and URL to POST to."""
        context = super().get_context(data, accepted_media_type, renderer_context)
        buttons = getattr(context["view"], "buttons", None)
        return {**context, "buttons": buttons() if buttons and context["user"].is_authenticated else []}

    def get_rendered_html_form(self, data: Any, view: Any, method: str, request: Request) -> Any:
        """No second form for PUT: it does what POST does."""
        return None if method == "PUT" else super().get_rendered_html_form(data, view, method, request)

    def get_raw_data_form(self, data: Any, view: Any, method: str, request: Request) -> Any:
        """The same."""
        return None if method == "PUT" else super().get_raw_data_form(data, view, method, request)
