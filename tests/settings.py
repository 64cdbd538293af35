"""The product's settings in a known environment: no .env, no operator's variables, the database of the chosen stack."""

import os
import tempfile

from tests.support import stack

os.environ.update(stack.select(os.environ))

from syncf_site.settings import *

# Child processes are the product, not a test: they read the product's own settings from the same environment.
os.environ["DJANGO_SETTINGS_MODULE"] = "syncf_site.settings"

# One per test process. SQLite: a file, as in the product, so that threads share it and WAL is what it is.
_name = f"syncf_test_{os.getpid()}"
DATABASES["default"]["TEST"] = {"NAME": _name if stack.is_postgres() else f"{tempfile.gettempdir()}/{_name}.sqlite3"}
# Hashing passwords is not what these tests are about.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
