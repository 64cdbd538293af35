"""The entry point of gunicorn."""

from django.core.wsgi import get_wsgi_application

from syncf_site import entry

application = entry.load(get_wsgi_application)
