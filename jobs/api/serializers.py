"""The shapes of requests and answers. What a client may write is one class, what it reads another."""

from __future__ import annotations

import base64
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.utils import html

from jobs.api.fields import IntervalField, PathField, RulesField, TextField
from jobs.errors import Refusal
from jobs.models import Finding, Job, JobEvent, Scan, Slave, Task, Verify, WhenChanging
from jobs.selectors import task_percent
from jobs.states import TaskStatus

_MAX_BIGINT = (1 << 63) - 1
#: What a browser's form sends besides the fields.
_FORM_EXTRAS = frozenset({"csrfmiddlewaretoken"})


# ── requests ──────────────────────────────────────────────────────────────────────────────────────────────────


class StrictSerializer(serializers.Serializer[Any]):
    """Refuses keys it does not know: a misspelt option must not be ignored."""

    read_only_names: frozenset[str] = frozenset()
    """Keys that exist but can't be written here."""

    def to_internal_value(self, data: Any) -> Any:
        """Raises Refusal UNKNOWN_FIELD or READ_ONLY_FIELD before anything else is looked at."""
        if isinstance(data, dict):
            extras = _FORM_EXTRAS if html.is_html_input(data) else frozenset()
            for name in data:
                if name not in self.fields and name not in extras:
                    self._refuse(name)
        return super().to_internal_value(data)

    def _refuse(self, name: str) -> None:
        hint = f"What can be written here: {', '.join(self.fields)}."
        if name in self.read_only_names:
            raise Refusal("READ_ONLY_FIELD", f"{name!r} can't be written.", field=name, hint=hint)
        shown = name.encode(errors="backslashreplace").decode()
        raise Refusal("UNKNOWN_FIELD", f"There is no field {shown!r}.", field=shown, hint=hint)


class JobOptions(StrictSerializer):
    """Options of a job: all of them can be changed while it runs."""

    name = TextField(required=False, allow_blank=True, max_length=200, help_text="For people; may be empty.")
    interval = IntervalField(
        required=False, help_text="Go duration between scans, such as 30s, 5m or 1h30m; empty: run once."
    )
    verify = serializers.ChoiceField(required=False, choices=Verify.choices, help_text="How the sink is read back.")
    exclude = RulesField(required=False, help_text="gitignore rules: matching paths are left out.")
    include = RulesField(required=False, help_text="gitignore rules: only matching files are synced.")
    bytes_per_second = serializers.IntegerField(
        required=False,
        allow_null=True,
        min_value=1024,
        max_value=_MAX_BIGINT,
        help_text="Shared by all slaves; empty or null: unlimited.",
    )
    max_attempts = serializers.IntegerField(
        required=False, min_value=1, max_value=100, help_text="Per file and version of it."
    )
    when_changing = serializers.ChoiceField(
        required=False,
        choices=WhenChanging.choices,
        help_text="What becomes of a file that keeps changing while it is copied.",
    )
    quiet_seconds = serializers.IntegerField(
        required=False,
        min_value=1,
        max_value=86_400,
        help_text="With when_changing=wait: so long a file must not have changed before it is copied.",
    )
    webhook_url = TextField(
        required=False,
        allow_blank=True,
        max_length=2000,
        help_text="Told when the job fails, is parked, recovers or completes; only at origins the operator allows.",
    )


class JobCreate(JobOptions):
    """A new job. Paths lie below their storage's root, whether they begin with a slash or not."""

    source_type = TextField(max_length=50, initial="local", help_text="Alias of the storage to read.")
    source_path = PathField(help_text="Directory that is copied; / is the storage's root.")
    sink_type = TextField(max_length=50, initial="local", help_text="Alias of the storage to write.")
    sink_path = PathField(help_text="Directory that becomes like the source; made if missing.")

    def get_fields(self) -> dict[str, Any]:
        """The four that say what is synced come first."""
        fields = super().get_fields()
        first = ("source_type", "source_path", "sink_type", "sink_path")
        return {name: fields[name] for name in (*first, *(name for name in fields if name not in first))}


class RetryRequest(StrictSerializer):
    """Which failed tasks to try again: all of the job, or one."""

    task_id = TextField(required=False, help_text="Id of one task; leave it out for all failed and skipped ones.")
    reason = TextField(required=False, max_length=40, help_text="Only tasks with this reason code.")


class Nothing(StrictSerializer):
    """No body is needed."""


# ── answers ───────────────────────────────────────────────────────────────────────────────────────────────────


class Done(serializers.Serializer[Any]):
    """What became of a job."""

    job_id = serializers.CharField()
    status = serializers.CharField()
    message = serializers.CharField()


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
    """A job, and how far it is. Needs the context `overviews` (`selectors.overviews`)."""

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


#: Keys of a job that a client may see but never write.
JobOptions.read_only_names = frozenset(JobOut.Meta.fields) | {"epoch"}


class SummaryOut(serializers.Serializer[Any]):
    """Totals of a job's files (`selectors.Progress`)."""

    files = serializers.IntegerField(help_text="Without skipped and cancelled ones.")
    pending = serializers.IntegerField(source="by_status.pending")
    in_progress = serializers.IntegerField(source="by_status.in_progress")
    completed = serializers.IntegerField(source="by_status.completed")
    failed = serializers.IntegerField(source="by_status.failed")
    retrying = serializers.IntegerField(source="by_status.retrying")
    cancelled = serializers.IntegerField(source="by_status.cancelled")
    skipped = serializers.IntegerField(source="by_status.skipped")
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

    phase = serializers.CharField(help_text="scanning, transferring, verifying or idle.")
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
