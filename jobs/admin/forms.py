"""The job form: what services refuse is shown at the field it concerns."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.contrib.auth.models import AbstractBaseUser
from django.core.exceptions import ValidationError
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from jobs import drafts, services
from jobs.choices import Verify, WhenChanging
from jobs.durations import format_interval, parse_interval
from jobs.errors import Refusal
from jobs.models import Job
from jobs.storages import configured

if TYPE_CHECKING:
    JobModelForm = forms.ModelForm[Job]
else:
    JobModelForm = forms.ModelForm

OPTIONS = (
    *("name", "interval", "verify", "exclude", "include", "bytes_per_second", "max_attempts"),
    *("when_changing", "quiet_seconds", "webhook_url"),
)
#: The button that shows what the job would do instead of starting it.
PREVIEW = "_preview"
PATHS = ("source_type", "source_path", "sink_type", "sink_path")


#: In words that fit a telephone; what they mean is said below the field.
SHORT_CHOICES: dict[str, list[tuple[str, str]]] = {
    "verify": [
        (Verify.READBACK, "read back (default)"),
        (Verify.DISK, "read from the device"),
        (Verify.STORED, "server's checksums"),
    ],
    "when_changing": [(WhenChanging.FAIL, "fails (default)"), (WhenChanging.WAIT, "is waited for")],
}


class IntervalField(forms.CharField):
    """A Go duration; empty: run once."""

    def __init__(self, **options: Any) -> None:
        help_text = "Time between scans, such as 30s, 5m or 1h30m. Empty: run once."
        super().__init__(**{**options, "required": False, "help_text": help_text})

    def prepare_value(self, value: Any) -> Any:
        """As Go writes it."""
        return format_interval(value) if isinstance(value, timedelta) else value

    def clean(self, value: Any) -> Any:
        """A timedelta or None."""
        try:
            return parse_interval(super().clean(value) or "")
        except Refusal as refusal:
            raise ValidationError(refusal.in_full, code=refusal.code) from None

    def has_changed(self, initial: Any, data: Any) -> bool:
        """5m and 5m0s are the same."""
        try:
            return bool(parse_interval(data or "") != initial)
        except Refusal:
            return True


class JobForm(JobModelForm):
    """Options of an existing job. Saving is the services' business and happens with the validation, in the request's
    transaction: what they refuse must appear at its field."""

    user: ClassVar[AbstractBaseUser]
    """Who fills it in; set per request."""

    interval = IntervalField()

    class Meta:
        model = Job
        fields: tuple[str, ...] = OPTIONS
        widgets: ClassVar = {"exclude": forms.Textarea({"rows": 4}), "include": forms.Textarea({"rows": 4})}
        labels: ClassVar = {"when_changing": "A file that changes", "webhook_url": "Webhook URL"}
        help_texts: ClassVar = {
            "verify": "How the sink's copy is proved equal to the source before it gets its name: compared with what "
            "the sink returns, read again from the device, or by the checksums of an object store's server.",
            "when_changing": "While it is copied: it fails after all attempts, or is copied once it is left alone.",
            "quiet_seconds": "So long it must have been left alone.",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, choices in SHORT_CHOICES.items():
            field = self.fields.get(name)
            if isinstance(field, forms.ChoiceField):
                field.choices = choices

    def _post_clean(self) -> None:
        """After the fields and the model's validators: hand over to the services if nothing is wrong so far."""
        super()._post_clean()  # type: ignore[misc]
        if not self.errors:
            try:
                self._perform()
            except Refusal as refusal:
                self.add_error(refusal.field if refusal.field in self.fields else None, refusal.in_full)

    def _perform(self) -> None:
        options: Any = {name: self.cleaned_data[name] for name in OPTIONS if name in self.changed_data}
        if options:
            services.update_options(self.instance, actor=services.actor_of(self.user), **options)

    def save(self, commit: bool = True) -> Any:
        """Saved already."""
        vars(self)["save_m2m"] = lambda: None  # the admin calls it after commit=False
        return self.instance


class PathInput(forms.TextInput):
    """A line to type a path into, and a button that leads to the directories of the storage chosen above it."""

    def __init__(self, side: str) -> None:
        super().__init__({"size": 60, "spellcheck": "false", "autocomplete": "off"})
        self._side = side

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        """Both. The button sends the form as it is, so that nothing typed is lost."""
        return format_html(
            '{} <button class="button syncf-browse" formnovalidate formaction="{}">Browse {}…</button>',
            super().render(name, value, attrs, renderer),
            reverse("admin:jobs_job_browse", args=[self._side]),
            self._side,
        )


class NewJobForm(JobForm):
    """A new job. The storages are those that the operator configured."""

    source_type = forms.ChoiceField(label="Source storage", help_text="Storage to read.")
    source_path = forms.CharField(
        strip=False, widget=PathInput("source"), help_text="Directory that is copied; / is the storage's root."
    )
    sink_type = forms.ChoiceField(label="Sink storage", help_text="Storage to write.")
    sink_path = forms.CharField(
        strip=False, widget=PathInput("sink"), help_text="Directory that becomes like the source; made if missing."
    )

    class Meta(JobForm.Meta):
        fields = (*PATHS, *OPTIONS)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = [(alias, alias) for alias in sorted(configured())]
        for name in ("source_type", "sink_type"):
            field = self.fields[name]
            assert isinstance(field, forms.ChoiceField)
            field.choices = choices
            field.initial = choices[0][0]

    def _perform(self) -> None:
        values: Any = {name: self.cleaned_data[name] for name in (*PATHS, *OPTIONS)}
        create = drafts.draft_job if PREVIEW in self.data else services.create_job
        self.instance = create(actor=services.actor_of(self.user), owner=self.user, **values)
