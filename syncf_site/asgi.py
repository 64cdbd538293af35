"""The entry point of ASGI servers."""

from django.core.asgi import get_asgi_application

from syncf_site import entry

application = entry.load(get_asgi_application)
