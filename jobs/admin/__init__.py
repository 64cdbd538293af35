"""The admin: create jobs, steer them, and look at everything else. A thin caller of services and selectors."""

from jobs.admin import history, job

__all__ = ["history", "job"]
