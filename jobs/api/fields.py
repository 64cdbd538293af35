"""Values as the API takes and gives them: strictly typed, nothing trimmed, nothing guessed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.fields import empty
from rest_framework.utils import html

from jobs.durations import format_interval, parse_interval
from jobs.errors import Refusal

MAX_BIGINT = (1 << 63) - 1
"""The largest number that a column holds."""


class TextField(serializers.CharField):
    """A string and only a string: 5 is not "5"."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"trim_whitespace": False, **options})

    def to_internal_value(self, data: Any) -> str:
        """Refuse what JSON does not call a string."""
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class PathField(TextField):
    """A job's path, taken as it is; `jobs.paths` judges it."""

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_blank=True, **options)
        self.validators = []


class IntervalField(TextField):
    """A Go duration in, Go's canonical form out; null and "" mean: run once."""

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_null=True, allow_blank=True, **options)

    def run_validation(self, data: Any = empty) -> Any:
        """A timedelta or None; raises Refusal INVALID_INTERVAL."""
        if data == "":
            return None
        if data is not empty and not isinstance(data, str | None):
            hint = 'Write a Go duration in quotes, such as "30s", "5m" or "1h30m".'
            raise Refusal("INVALID_INTERVAL", "An interval is a string.", field=str(self.field_name), hint=hint)
        return super().run_validation(data)

    def to_internal_value(self, data: Any) -> Any:
        """Parse it."""
        return parse_interval(super().to_internal_value(data), field=str(self.field_name))

    def get_attribute(self, instance: Any) -> str:
        """5m0s; "" for None, which DRF would otherwise show as null."""
        interval: Any = super().get_attribute(instance)
        return format_interval(interval)


@extend_schema_field({"type": "array", "items": {"type": "string"}})
class RulesField(serializers.Field[str, Any, list[str], Any]):
    """A list of gitignore rules; kept as lines. In an HTML form a text area, one rule per line."""

    default_error_messages: ClassVar = {"not_rules": "This must be a list of strings, one gitignore rule each."}

    def __init__(self, **options: Any) -> None:
        super().__init__(style={"base_template": "textarea.html", "rows": 3}, **options)

    def get_value(self, dictionary: Mapping[str, Any]) -> Any:
        """Lines of the text area, or the list itself."""
        value = super().get_value(dictionary)
        if html.is_html_input(dictionary) and isinstance(value, str):
            return value.splitlines()
        return value

    def to_internal_value(self, data: Any) -> str:
        """The lines."""
        if not isinstance(data, list) or not all(_is_rule(rule) for rule in data):
            self.fail("not_rules")
        return "\n".join(data)

    def to_representation(self, value: str) -> list[str]:
        """One string per rule."""
        return value.splitlines()


def _is_rule(rule: object) -> bool:
    if not isinstance(rule, str) or "\0" in rule:
        return False
    return len(rule.splitlines()) <= 1 and not any("\ud800" <= character <= "\udfff" for character in rule)
