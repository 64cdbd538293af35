"""What a client reads of jobs, scans, history and slaves."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from jobs.api.fields import IntervalField, RulesField
from jobs.models import Finding, Job, JobEvent, Scan, Slave
from jobs.states import TaskStatus


class Done(serializers.Serializer[Any]):
    """What became of a job."""

    job_id = serializers.CharField()
    status = serializers.CharField()
    message = serializers.CharField()


def done(job: Job, message: str) -> dict[str, str]:
    """What `Done` shows."""
    return {"job_id": str(job.pk), "status": job.status, "message": message}


class Created(Done):
    """A new job, and what its sink will not keep of what its source has."""

    warnings = serializers.ListField(child=serializers.CharField())


class ScanRequested(Done):
    """The scheduler will scan; where to look how far it is."""

    scan_id = serializers.CharField()


class RetryDone(Done):
    """How many tasks wait again."""

    count = serializers.IntegerField()


class ScanOut(serializers.ModelSerializer[Scan]):
    """One comparison of source, catalogue and sink."""

    id = serializers.CharField()
    phase = serializers.CharField(help_text="requested, scanning, finished or failed.")

    class Meta:
        model = Scan
        fields = (
            *("id", "is_preview", "phase", "requested_at", "started_at", "finished_at", "error_code", "error_text"),
            *("files_seen", "bytes_seen", "new", "changed", "unchanged", "compared", "drifted"),
            *("skipped", "gone", "errors", "bytes_to_copy"),
        )


class FindingOut(serializers.ModelSerializer[Finding]):
    """One path a scan has something to say about."""

    path = serializers.CharField(source="path_display", help_text="For reading only: odd characters are escaped.")

    class Meta:
        model = Finding
        fields = ("verdict", "path", "size", "reason_code", "reason_text")


class ScanDetail(serializers.Serializer[Any]):
    """A scan with a page of its findings."""

    scan = ScanOut()
    findings = FindingOut(many=True)
    next = serializers.URLField(allow_null=True)


class JobOut(serializers.ModelSerializer[Job]):
    """A job, and how far it is."""

    # Of the context `overviews`, as `jobs.progress.overviews` gives them.

    id = serializers.CharField()
    interval = IntervalField(help_text="Go duration; empty: run once.")
    exclude = RulesField()
    include = RulesField()
    owner = serializers.CharField(allow_null=True, help_text="User name.")
    progress = serializers.SerializerMethodField(help_text="0 to 100.")
    failed = serializers.SerializerMethodField(help_text="Files given up; a completed job may have some.")
    last_scan = serializers.SerializerMethodField()

    class Meta:
        model = Job
        fields = (
            *("id", "name", "source_type", "source_path", "sink_type", "sink_path", "status", "interval"),
            *("verify", "exclude", "include", "bytes_per_second", "max_attempts"),
            *("when_changing", "quiet_seconds", "webhook_url", "owner"),
            *("parked_code", "parked_text", "next_scan_at", "created_at", "updated_at", "progress"),
            *("failed", "last_scan"),
        )

    def get_progress(self, job: Job) -> float:
        """Per cent."""
        percent: float = self.context["overviews"][str(job.pk)].progress.percent
        return percent

    def get_failed(self, job: Job) -> int:
        """From the counters."""
        failed: int = self.context["overviews"][str(job.pk)].progress.by_status[TaskStatus.FAILED]
        return failed

    @extend_schema_field(ScanOut(allow_null=True))
    def get_last_scan(self, job: Job) -> Any:
        """The latest that is no preview, finished or not."""
        scan = self.context["overviews"][str(job.pk)].last_scan
        return ScanOut(scan).data if scan else None


class EventOut(serializers.ModelSerializer[JobEvent]):
    """One line of a job's history."""

    id = serializers.CharField()
    task_id = serializers.CharField(allow_null=True)

    class Meta:
        model = JobEvent
        fields = ("id", "at", "actor", "action", "task_id", "count", "reason_code", "text")


class EventPage(serializers.Serializer[Any]):
    """A page of history, newest first."""

    results = EventOut(many=True)
    next = serializers.URLField(allow_null=True)


class SlaveOut(serializers.ModelSerializer[Slave]):
    """One incarnation of a slave."""

    id = serializers.CharField()
    aliases = serializers.ListField(child=serializers.CharField())
    unreachable = serializers.DictField(child=serializers.CharField())

    class Meta:
        model = Slave
        fields = (
            *("id", "name", "state", "host", "pid", "version", "concurrency", "aliases", "unreachable"),
            *("bytes_per_second", "started_at", "heartbeat_at", "lease_expires_at", "drain_requested_at", "stopped_at"),
        )
