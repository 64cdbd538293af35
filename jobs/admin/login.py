"""The admin's login page tells when there were too many tries (`jobs.logins` counts them)."""

from __future__ import annotations

import math

from django.contrib import admin
from django.contrib.admin.forms import AdminAuthenticationForm
from django.core.exceptions import ValidationError
from django.template.defaultfilters import pluralize


class LoginForm(AdminAuthenticationForm):
    """Django's own with one more sentence."""

    def get_invalid_login_error(self) -> ValidationError:
        """The same for every name, whether there is such a user or not."""
        wait = getattr(self.request, "login_wait", 0)
        if not wait:
            return super().get_invalid_login_error()
        minutes = math.ceil(wait / 60)
        return ValidationError(
            f"Too many logins failed. Try again in {minutes} minute{pluralize(minutes)}.", code="wait"
        )


admin.site.login_form = LoginForm
