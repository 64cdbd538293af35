"""Slaves over HTTP."""

from __future__ import annotations

from typing import ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import mixins
from rest_framework.decorators import action
from rest_framework.generics import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from jobs import slaves
from jobs.api.answers import SlaveOut
from jobs.api.base import Guarded
from jobs.api.filters import SlaveFilters, StrictBackend
from jobs.api.pagination import Pages
from jobs.models import Slave


class SlaveViewSet(Guarded, mixins.ListModelMixin, mixins.RetrieveModelMixin, GenericViewSet[Slave]):
    """Who copies."""

    permission_of: ClassVar = {"list": "view_slave", "retrieve": "view_slave", "drain": "drain_slave"}
    queryset = Slave.objects.all()
    serializer_class = SlaveOut
    filter_backends = (StrictBackend,)
    filterset_class = SlaveFilters
    pagination_class = Pages
    lookup_value_regex = "[^/]+"

    @extend_schema(request=None, responses=SlaveOut)
    @action(detail=True, methods=["post"], filterset_class=None, pagination_class=None)
    def drain(self, request: Request, pk: str) -> Response:
        """It takes no more work, and ends when what it has in hand is done. Asking again changes nothing."""
        slave = get_object_or_404(Slave, pk=pk)
        slaves.ask_to_drain(slave)
        slave.refresh_from_db()
        return Response(SlaveOut(slave).data)
