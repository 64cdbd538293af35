"""What all views of the API share."""

from __future__ import annotations

from typing import Any, NoReturn

from django.conf import settings
from django.http import Http404, HttpResponse
from django.shortcuts import render
from drf_spectacular.renderers import OpenApiJsonRenderer2, OpenApiYamlRenderer2
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularAPIView
from rest_framework.exceptions import ParseError
from rest_framework.parsers import FormParser, JSONParser, MultiPartParser
from rest_framework.permissions import IsAuthenticated
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.routers import APIRootView
from rest_framework.views import APIView

from jobs.api import description
from jobs.api.browsable import BrowsableRenderer
from jobs.api.errors import BodyTooLarge


class BoundedJSONParser(JSONParser):
    """Nesting deeper than Python's stack is a bad body, not a server error."""

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        """Raises ParseError with the code BAD_JSON."""
        try:
            return super().parse(stream, media_type, parser_context)
        except (ParseError, RecursionError) as error:
            detail = str(error.detail) if isinstance(error, ParseError) else "JSON parse error - nested too deeply"
            raise ParseError(detail, code="bad_json") from None


class Guarded(APIView):
    """First who you are, then whether you may, then everything else; nobody learns anything before the first."""

    http_method_names = ("get", "head", "post", "put", "patch", "delete")
    parser_classes = (BoundedJSONParser, FormParser, MultiPartParser)
    renderer_classes: list[type[BaseRenderer]] = [JSONRenderer, BrowsableRenderer]  # noqa: RUF012

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Runs before every handler."""
        self.format_kwarg = self.get_format_suffix(**kwargs)  # what renders a 401 asks for it
        self.perform_authentication(request)
        self.check_permissions(request)
        length = str(request.META.get("CONTENT_LENGTH") or 0)
        # Django's own limit leaves uploaded files out; nothing here takes any.
        if not length.isdecimal() or int(length) > (settings.DATA_UPLOAD_MAX_MEMORY_SIZE or 0):
            raise BodyTooLarge
        super().initial(request, *args, **kwargs)


class RootView(Guarded, APIRootView):
    """Lists of jobs, slaves and storages; docs (for people) and schema (for programs) describe everything else."""

    permission_classes = (IsAuthenticated,)
    name = "SyncF API"


class SchemaView(Guarded, SpectacularAPIView):
    """OpenAPI 3 of this API, as JSON or YAML."""

    permission_classes = (IsAuthenticated,)
    renderer_classes = [OpenApiJsonRenderer2, OpenApiYamlRenderer2]  # noqa: RUF012


@extend_schema(exclude=True)
class DocsView(Guarded):
    """Every request and shape on one page that needs no script and nothing from elsewhere."""

    permission_classes = (IsAuthenticated,)

    def get(self, request: Request) -> HttpResponse:
        """HTML, whatever is asked for."""
        context = {"calls": description.calls(), "shapes": description.shapes()}
        return render(request._request, "rest_framework/docs.html", context)


@extend_schema(exclude=True)
class NotFoundView(Guarded):
    """Every other address below /api: 401 for nobody, 404 for everybody else, whatever the method."""

    permission_classes = (IsAuthenticated,)

    def _not_found(self, request: Request, *args: Any, **kwargs: Any) -> NoReturn:
        raise Http404

    get = head = post = put = patch = delete = _not_found
