"""What a client reads of a job's files: totals, what goes on now, each file, and the report of all."""

from __future__ import annotations

import base64
from typing import Any

from rest_framework import serializers

from jobs.api.answers import JobOut
from jobs.models import Task
from jobs.progress import task_percent


class SummaryOut(serializers.Serializer[Any]):
    """Totals of a job's files."""

    files = serializers.IntegerField(help_text="Without skipped and cancelled ones.")
    pending = serializers.IntegerField(source="by_status.pending")
    in_progress = serializers.IntegerField(source="by_status.in_progress")
    completed = serializers.IntegerField(source="by_status.completed")
    failed = serializers.IntegerField(source="by_status.failed")
    retrying = serializers.IntegerField(source="by_status.retrying")
    cancelled = serializers.IntegerField(source="by_status.cancelled")
    skipped = serializers.IntegerField(source="by_status.skipped", help_text="Links and special files too.")
    bytes_total = serializers.IntegerField()
    bytes_done = serializers.IntegerField()
    bytes_copied = serializers.IntegerField(help_text="Sent to the sink, over the job's whole life.")
    bytes_resumed = serializers.IntegerField(help_text="Found at the sink after an interruption and not sent again.")
    copied = serializers.IntegerField(help_text="Copies, over the job's whole life.")
    unchanged = serializers.IntegerField(source="adopted", help_text="Found equal at the sink; nothing was sent.")
    dropped_bits = serializers.IntegerField(help_text="setuid or setgid bits that could not be carried over.")
    progress = serializers.FloatField(source="percent", help_text="0 to 100.")


class NowOut(serializers.Serializer[Any]):
    """What goes on at this moment (`insight.JobInsight`)."""

    phase = serializers.CharField(help_text="scanning, transferring, verifying, waiting or idle.")
    bytes_per_second = serializers.FloatField(source="speed.bytes_per_second", help_text="Of the last half minute.")
    files_per_second = serializers.FloatField(source="speed.files_per_second")
    eta_seconds = serializers.FloatField(
        source="eta.seconds", allow_null=True, help_text="Until nothing is left; null while that is not known."
    )
    is_estimating = serializers.BooleanField(
        source="eta.is_estimating", help_text="Work is under way, but nobody can tell yet how long it takes."
    )
    synced_as_of = serializers.DateTimeField(
        source="freshness.synced_as_of", allow_null=True, help_text="Whatever the source held then is at the sink."
    )
    lag_seconds = serializers.FloatField(
        source="freshness.lag_seconds",
        allow_null=True,
        help_text="The oldest change that is not at the sink is at most this old; null for a job that is over.",
    )


class TaskOut(serializers.ModelSerializer[Task]):
    """One file and the state it is in. Needs the context `job`."""

    id = serializers.CharField()
    source_file = serializers.SerializerMethodField(help_text="For reading only: odd characters are escaped.")
    sink_file = serializers.SerializerMethodField()
    source_file_b64 = serializers.SerializerMethodField(
        help_text="The very bytes, as base64; only beside names that are shown escaped.", required=False
    )
    progress = serializers.SerializerMethodField(help_text="0 to 100.")
    file_size = serializers.IntegerField(source="size")
    checksum = serializers.SerializerMethodField(help_text="SHA-256 in hex, as read back from the sink; else empty.")
    slave_id = serializers.CharField(source="slave_name", help_text="Who works on it, or did last.")

    class Meta:
        model = Task
        fields = (
            *("id", "kind", "source_file", "sink_file", "source_file_b64", "status", "progress", "file_size"),
            *("copied_bytes", "checksum", "slave_id", "reason_code", "reason_text", "attempts"),
            *("not_before", "started_at", "completed_at", "gone_at"),
        )

    def to_representation(self, task: Task) -> dict[str, Any]:
        """Without `source_file_b64` where the name can be read as it is."""
        shown = super().to_representation(task)
        if shown["source_file_b64"] is None:
            del shown["source_file_b64"]
        return shown

    def get_source_file(self, task: Task) -> str:
        """The job's path and the file's name, escaped."""
        return _below(self.context["job"].source_path, task.path_display)

    def get_sink_file(self, task: Task) -> str:
        """The same at the sink."""
        return _below(self.context["job"].sink_path, task.path_display)

    def get_source_file_b64(self, task: Task) -> str | None:
        """None where `source_file` is the name itself."""
        name = bytes(task.path)
        if name == task.path_display.encode():
            return None
        return base64.b64encode(_below(self.context["job"].source_path, "").encode() + name).decode()

    def get_progress(self, task: Task) -> float:
        """100 only when completed."""
        return task_percent(task)

    def get_checksum(self, task: Task) -> str:
        """Hex."""
        return bytes(task.checksum or b"").hex()


def _below(directory: str, name: str) -> str:
    return f"{directory.removesuffix('/')}/{name}"


class TrackingOut(serializers.Serializer[Any]):
    """Everything about one job, with a page of its files."""

    job = JobOut()
    summary = SummaryOut()
    now = NowOut()
    tasks = TaskOut(many=True)
    next = serializers.URLField(allow_null=True, help_text="The following page of tasks; null on the last one.")


class ReportedFile(serializers.Serializer[Any]):
    """One file of a report. Names are relative to the job's source and sink."""

    file = serializers.CharField(help_text="For reading only: odd characters are escaped.")
    file_b64 = serializers.CharField(
        required=False, help_text="The very bytes, as base64; only beside names that are shown escaped."
    )
    kind = serializers.CharField(help_text="file, symlink or special.")
    size = serializers.IntegerField()
    sha256 = serializers.CharField(help_text="As read back from the sink; empty unless completed.")
    status = serializers.CharField()
    reason_code = serializers.CharField()
    reason_text = serializers.CharField()
    slave = serializers.CharField(help_text="Who works on it, or did last.")
    attempts = serializers.IntegerField()
    started_at = serializers.DateTimeField(allow_null=True)
    completed_at = serializers.DateTimeField(allow_null=True)
    gone_at = serializers.DateTimeField(allow_null=True, help_text="Since when it is missing at the source.")


class ReportOut(serializers.Serializer[Any]):
    """Everything about one job's files, in byte order of name."""

    generated_at = serializers.DateTimeField()
    job = JobOut()
    summary = SummaryOut()
    files = ReportedFile(many=True)
