"""The admin: create jobs, steer them, and look at everything else. A thin caller of services and selectors."""

from django.contrib import admin

from jobs.admin import history, job, login, slaves, tasks, tokens

__all__ = ["history", "job", "login", "slaves", "tasks", "tokens"]

admin.site.site_header = admin.site.site_title = "SyncF"
admin.site.index_title = "Overview"
#: Wide tables need its room.
admin.site.enable_nav_sidebar = False
