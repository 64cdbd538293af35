"""What a client may send: each shape refuses what it does not know."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers
from rest_framework.utils import html

from jobs.api.answers import JobOut
from jobs.api.fields import MAX_BIGINT, IntervalField, PathField, RulesField, TextField
from jobs.errors import Refusal
from jobs.models import Verify, WhenChanging

#: What a browser's form sends besides the fields.
_FORM_EXTRAS = frozenset({"csrfmiddlewaretoken"})


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

    read_only_names = frozenset(JobOut.Meta.fields) | {"epoch"}

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
        max_value=MAX_BIGINT,
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
