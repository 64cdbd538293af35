"""Storages over HTTP, for whoever may make a job of them: which there are, can they be reached, what is in them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

from django.http import Http404
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework.viewsets import GenericViewSet

from jobs.api.base import Guarded
from jobs.api.errors import shown_at
from jobs.api.fields import PathField, TextField
from jobs.api.requests import Nothing, StrictSerializer
from jobs.browsing import connection_report, list_directory, path_of
from jobs.errors import Refusal
from jobs.models import Job
from jobs.storages import Side, configured, offered, root_of

# ── shapes ────────────────────────────────────────────────────────────────────────────────────────────────────


class ConnectionTest(StrictSerializer):
    """What is to be reached, and as which side of a job."""

    path = PathField(default="/", help_text="As a job would have it.")
    side = serializers.ChoiceField(
        default="source", choices=["source", "sink"], help_text="A source must exist; a sink is made when a job starts."
    )


class BrowseQuery(StrictSerializer):
    """Which directory."""

    path = PathField(default="/", help_text="As a job would have it; / is the storage's root.")
    token = TextField(required=False, help_text="Instead: as `directories` or `parents` give it, exact for any name.")


class CapabilitiesOut(serializers.Serializer[Any]):
    """What a storage can keep and promise."""

    has_directories = serializers.BooleanField(help_text="Directories of their own, with mode and time.")
    has_symlinks = serializers.BooleanField()
    has_modes = serializers.BooleanField()
    names_are_bytes = serializers.BooleanField(help_text="False: a name that is not UTF-8 is refused.")
    max_path_bytes = serializers.IntegerField()
    mtime_resolution_ns = serializers.IntegerField(allow_null=True, help_text="null: times are kept as metadata.")
    verifies_digest = serializers.CharField(allow_null=True, help_text="What its server checks on arrival, if any.")
    commits_if_version = serializers.BooleanField(help_text="Overwrites nothing that somebody else wrote.")


class StorageOut(serializers.Serializer[Any]):
    """A storage that jobs can name."""

    alias = serializers.CharField(help_text="What a job's source_type or sink_type says.")
    kind = serializers.CharField(help_text="Such as file, s3, gs, azure or sftp.")
    problem = serializers.CharField(help_text="Why it can't be used as it is configured; empty if it can.")
    capabilities = CapabilitiesOut(allow_null=True, help_text="null where there is a problem.")


class Reached(serializers.Serializer[Any]):
    """The web reached it. Slaves may see another network; each says which storages it reaches."""

    alias = serializers.CharField()
    message = serializers.CharField()


class ParentOut(serializers.Serializer[Any]):
    """A directory above."""

    token = serializers.CharField()
    name = serializers.CharField()


class EntryOut(serializers.Serializer[Any]):
    """One name in a directory."""

    token = serializers.CharField(help_text="Stands for the exact bytes of the whole path.")
    name = serializers.CharField(help_text="For reading only: odd characters are escaped.")
    is_directory = serializers.BooleanField()
    size = serializers.IntegerField(help_text="Bytes; 0 for a directory.")
    is_usable = serializers.BooleanField(help_text="Whether a job can be given this path.")


class ListingOut(serializers.Serializer[Any]):
    """One directory, and nothing below it."""

    token = serializers.CharField()
    path = serializers.CharField(help_text="As a job takes it; empty if it can't.")
    display = serializers.CharField(help_text="For reading only.")
    parents = ParentOut(many=True)
    directories = EntryOut(many=True)
    files = EntryOut(many=True)
    is_cut = serializers.BooleanField(help_text="There are more names than are told.")


# ── views ─────────────────────────────────────────────────────────────────────────────────────────────────────


class StorageViewSet(Guarded, GenericViewSet[Any]):
    """What jobs read from and write to, as the operator configured it."""

    permission_of: ClassVar = {"list": "add_job", "test": "add_job", "browse": "add_job"}
    request_of: ClassVar[dict[str, type[BaseSerializer[Any]]]] = {"test": ConnectionTest}
    lookup_field = "alias"
    lookup_value_regex = "[^/]+"
    queryset = Job.objects.none()
    pagination_class = None
    filter_backends = ()

    def get_serializer_class(self) -> type[BaseSerializer[Any]]:
        """What the action takes."""
        return self.request_of.get(self.action, Nothing)

    @extend_schema(responses=StorageOut(many=True))
    def list(self, request: Request) -> Response:
        """All storages by alias, with what they can do. None is connected to."""
        return Response(StorageOut(offered(), many=True).data)

    @extend_schema(request=ConnectionTest, responses=Reached, parameters=[OpenApiParameter("alias", str, "path")])
    @action(detail=True, methods=["post"])
    def test(self, request: Request, alias: str) -> Response:
        """Can the web reach it?"""
        serializer = self.get_serializer(data=request.data)
        with shown_at(serializer):
            serializer.is_valid(raise_exception=True)
            path, side = serializer.validated_data["path"], serializer.validated_data["side"]
            with _about(alias, side):
                message = connection_report(alias, path, side)
        return Response({"alias": alias, "message": message})

    @extend_schema(parameters=[BrowseQuery, OpenApiParameter("alias", str, "path")], responses=ListingOut)
    @action(detail=True)
    def browse(self, request: Request, alias: str) -> Response:
        """One directory of it: what a job could be given as path. Never leaves the storage's root."""
        query = BrowseQuery(data=request.query_params)
        query.is_valid(raise_exception=True)
        with _about(alias, "source"):
            listing = list_directory(alias, _directory(alias, **query.validated_data), "source")
        return Response(ListingOut(listing).data)


def _directory(alias: str, path: str, token: str | None = None) -> bytes:
    return root_of(alias, path, "source").path if token is None else path_of(token, "source")


@contextmanager
def _about(alias: str, side: Side) -> Iterator[None]:
    """Http404 for an unknown alias; a Refusal that names a job's path names this request's."""
    if alias not in configured():
        raise Http404
    try:
        yield
    except Refusal as refusal:
        if refusal.field == f"{side}_path":
            refusal.field = "path"
        raise
